"""Which bins of frequency the paper's figures print, by kind and corpus, and where their inputs are gone or differ.

The release's notebooks bin all points and then draw, and correlate, only some of the bins. Found by holding the figure files of
the release against its counts and scores; `precompute.evaluate.printed` computes ρ over those bins.
"""

_TEXT, _IMAGE, _JOINT = "lemmatized", "rampp@0.7", "lemmatized+rampp@0.7"
_NO_SKETCH = ["imagenet-sketch"]
# corpus: first bin, end (counted from the last bin where negative), methods whose figure leaves tasks out, methods without one
_ZERO_SHOT = {
    "cc3m": (1, -1, {}, []),
    "cc12m": (1, -1, {}, []),
    "yfcc15m": (1, -1, {_TEXT: _NO_SKETCH}, ["lowercased"]),
    "laion400m": (2, -1, {"lowercased": _NO_SKETCH}, []),
    "synthci30m": (0, -4, {_TEXT: _NO_SKETCH}, []),
}
_LAST_FOUR = -4, None

FIGURES = [
    {"kind": "classification", "corpus": corpus, "bins": [first, end], "without": without, "not_drawn": not_drawn}
    for corpus, (first, end, without, not_drawn) in _ZERO_SHOT.items()
]
FIGURES += [
    {"kind": "retrieval", "corpus": corpus, "bins": list(_LAST_FOUR), "methods": [_TEXT, _IMAGE, _JOINT]}
    for corpus in _ZERO_SHOT
]
FIGURES += [
    {
        "kind": "generation",
        "corpus": "laion_aesthetics",
        "bins": list(_LAST_FOUR),
        "settings": ["human_aesthetics", "human_align"],
        "fewest_scores": 6,  # the notebook passes over a concept with five scores or fewer
    }
]
NOTES = [
    "LAION-400M by `lemmatized` and by `rampp@0.7`: the figures were drawn from counts that the release no longer holds (their "
    "maximum was 4,042,009, it is 4,210,691 now), so that the printed ρ of 18 classification and 36 retrieval figures differs.",
    "YFCC-15M by `lowercased`: most of the count files are gone or cut short, so that no ρ is given.",
    "YFCC-15M and SynthCI-30M by `lemmatized`, LAION-400M by `lowercased`: the figures leave imagenet-sketch out, and so does "
    "ρ. CC-3M's and CC-12M's text counts of it are not in the release.",
    "LAION-400M pruned: which bins its figures print is not known, so that no ρ is given.",
    "Text-to-image: concepts with five scores or fewer are passed over, and a bin without a concept stands at a score of zero, "
    "as the release's notebooks have it. The scores behind the figures of exp_aesthetics, exp_clip, max_aesthetics and "
    "max_clip are not in the release.",
]
