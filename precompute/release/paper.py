"""What is known of the paper and its release beside its files: names, sizes, settings, figures added by hand."""

from backend.words import canonical

REPOSITORY = "https://github.com/bethgelab/frequency_determines_performance"
ARCHIVE_URL = f"{REPOSITORY}/archive/refs/heads/main.tar.gz"
PAPER = "No “Zero-Shot” Without Exponential Data, NeurIPS 2024, arXiv 2404.04125"

# corpus, title, pairs in full, where the figure comes from. Pairs of the last two are not in the release.
_SIZES = f"{PAPER}; counts from its released search results"
CORPORA = [
    ("cc3m", "CC-3M", 3_318_333, _SIZES),
    ("cc12m", "CC-12M", 12_423_374, _SIZES),
    ("yfcc15m", "YFCC-15M", 14_825_236, _SIZES),
    ("laion_aesthetics", "LAION-Aesthetics", 161_100_000, _SIZES),
    ("laion400m", "LAION-400M", 414_080_000, _SIZES),
    (
        "laion200m_train_test_sim_normalized",
        "LAION-400M pruned",
        None,
        f"{_SIZES} (section 4.1)",
    ),
    ("synthci30m", "SynthCI-30M", None, f"{_SIZES} (section 4.2)"),
]
CORPUS_NAMES = [corpus for corpus, *_ in CORPORA]

# CIFAR-10's counts say airplane, its accuracies plane.
ALIASES = {("cifar10", "plane"): "airplane"}

RETRIEVAL_TASKS = ("coco", "flickr")
TAIL_TASK = "let_it_wag"
TAIL = {
    "title": "Let it Wag!",
    "task": TAIL_TASK,
    "compared_with": "imagenet",
    "setting": "ensemble",
    "split": 50,  # percent on ImageNet: the release fits one line below and one above
}
# LAION-400M is the largest corpus counted in full, and ViT-B-32 the smallest CLIP trained on it: anyone can run it.
MAIN = {"corpus": "laion400m", "model": "ViT-B-32/laion400m"}
DEFAULT_SETTINGS = {"classification": "ensemble", "retrieval": "i2t@1", "generation": "human_align"}
_BY_IMAGE = {"kind": "classification", "setting": "ensemble", "method": "rampp@0.7"}
COMPARISONS = [
    {
        "title": "Test-similar pairs pruned (section 4.1)",
        "question": "Does the line only show that test images leaked into the pretraining data?",
        "answer": (
            "The second model saw LAION-400M without the samples most like the test sets; its line still rises, so "
            "leaked test images alone do not make it. Each is one training run."
        ),
        "models": ["ViT-B-32/laion400m", "ViT-B-32/laion200m_train_test_sim_normalized"],
        **_BY_IMAGE,
    },
    {
        "title": "Synthetic captions and images (section 4.2)",
        "question": "Does the line come from something peculiar to web data?",
        "answer": (
            "SynthCI-30M's captions were written by a language model and its images drawn by a text-to-image model; the "
            "scores of a model trained on it go with frequency too."
        ),
        "models": ["ViT-B-16/cc12m", "ViT-B-16/synthci30m"],
        **_BY_IMAGE,
    },
]
# What the paper prints and this study computes again: Table 4, correlations of frequency between corpora.
REPORTED = {
    "correlations": [
        ["cc3m", "cc12m", 0.79],
        ["cc3m", "yfcc15m", 0.96],
        ["cc3m", "laion400m", 0.63],
        ["cc12m", "yfcc15m", 0.97],
        ["cc12m", "laion400m", 0.74],
        ["yfcc15m", "laion400m", 0.76],
    ],
    "alignment_note": (
        "The counts and both degrees are the paper's Table 3, as its authors released them. Its second degree divides by the "
        "larger of two numbers, the samples with a text concept and those with an image concept. Corpora indexed by Tailscope "
        "divide by the samples with a concept in either, which are more: their second degree is smaller for the same samples."
    ),
    "correlations_note": (
        "The paper's table mixes modalities (the release's notebook correlations_between_pretraining_frequencies): its 0.79 "
        "for CC-3M and CC-12M correlates text counts, its 0.96 for CC-3M and YFCC-15M image counts, and CC-3M's joint counts "
        "stand beside image counts of the others. Here both corpora of a cell are counted by the one method chosen above."
    ),
}
UNPOOLED_TASKS = ["imagenet-r"]  # the release's notebooks leave it out of every joint fit

# ImageNet accuracies in percent that the release's notebook let_it_wag_eval adds by hand.
IMAGENET_BY_HAND = {
    "RN50/openai": 59.82,
    "RN101/openai": 62.28,
    "ViT-B-32/openai": 63.32,
    "ViT-B-16/openai": 68.34,
    "ViT-L-14/openai": 75.54,
    "ViT-B-16/siglip": 78.49,
    "ViT-L-16/siglip": 82.07,
    "SO400M/siglip": 83.44,
    "ViT-B-32/metaclip400m": 65.58,
    "ViT-B-16/metaclip400m": 70.80,
    "ViT-L-14/metaclip400m": 76.20,
    "ViT-B-32/metaclip2.5b": 67.66,
    "ViT-B-16/metaclip2.5b": 72.12,
    "ViT-L-14/metaclip2.5b": 79.17,
    "ViT-H-14/metaclip2.5b": 80.51,
    "ViT-B-32/commonpool": 23.04,
    "ViT-B-16/commonpool": 57.77,
    "ViT-L-14/commonpool": 76.37,
    "ViT-B-16/dfn": 76.24,
    "ViT-H-14/dfn": 83.44,
}
BY_HAND_SOURCE = "OpenCLIP's results table, as the release's notebook let_it_wag_eval quotes it"

# Metrics that the release's notebook t2i_log_linear_plots reads.
GENERATION_METRICS = (
    "human_aesthetics",
    "human_align",
    "exp_aesthetics",
    "exp_clip",
    "max_aesthetics",
    "max_clip",
)

METHOD_NOTES = {
    "lemmatized": (
        "Known faults of the released counts: the index kept capital letters while queries were lower-cased, queries "
        "were lemmatised out of context, and a query word that the index lacked was dropped instead of counting zero. "
        "So LAION-400M has 0 for “rose” here and 257,038 in the lower-cased counts, and “colt's foot” has 383,805 in "
        "text against 582 in images."
    ),
}

# Why text counts of the release cannot be taken at their word, as pages say it beside such counts.
COUNT_CAUSES = {
    "zero": (
        "The released search missed it: its index kept the capital letters of captions and lemmatised words in their sentence, "
        "while queries were lower-cased and lemmatised by themselves."
    ),
    "lost_words": "The released search dropped query words that its index lacked, instead of counting zero.",
}


def concept_of(task: str, label: str) -> str:
    """The concept of a label of a task: `canonical`, with the release's one alias."""
    return ALIASES.get((task, label)) or canonical(label)


def kind_of(task: str) -> str:
    """The kind of a task by its name, for tasks that are counted but not scored."""
    if task.startswith("t2i"):
        return "generation"
    return "retrieval" if task in RETRIEVAL_TASKS else "classification"
