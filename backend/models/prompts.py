"""How classes are named to a model: prompt strategies, templates of one's own, and zero-shot classifiers."""

from collections.abc import Sequence

import numpy as np

from backend.errors import TailscopeError
from backend.models.encode import Model, join_features, take_batches
from backend.progress import Progress

PROMPTS = ("class", "simple", "ensemble")  # the paper's three prompt strategies; `find_templates` has their templates
ENSEMBLE_80 = "ensemble80"  # all templates that OpenAI wrote for ImageNet, of which `ensemble` has seven
CLASSIFIER_TEXTS = 224  # encoded at once for a classifier: 32 names in each of 7 templates
MAX_TEMPLATES = 100  # of one's own


def find_templates(prompts: str | Sequence[str]) -> tuple:
    """The templates of a prompt strategy; templates of one's own ("a drawing of a {}.") are given back as they are.

    `class` is the bare name, `simple` "a photo of a NAME.", `ensemble` the seven templates that OpenAI picked for
    ImageNet, as open_clip has them, `ensemble80` all eighty that they were picked from. Raises TailscopeError for a strategy
    that does not exist.
    """
    if not isinstance(prompts, str):
        return tuple(prompts)
    if prompts == "class":
        return ("{}",)
    if prompts == "simple":
        return ("a photo of a {}.",)
    if prompts == "ensemble":
        from open_clip import SIMPLE_IMAGENET_TEMPLATES

        return tuple(SIMPLE_IMAGENET_TEMPLATES)
    if prompts == ENSEMBLE_80:
        from open_clip import OPENAI_IMAGENET_TEMPLATES

        return tuple(OPENAI_IMAGENET_TEMPLATES)
    raise TailscopeError(f"No prompt strategy '{prompts}'. There are {', '.join(PROMPTS)} and {ENSEMBLE_80}.")


def list_imagenet_names() -> list[str]:
    """OpenCLIP's names of ImageNet's 1,000 classes, in the order of their WordNet ids."""
    from open_clip import IMAGENET_CLASSNAMES

    return list(IMAGENET_CLASSNAMES)


def check_templates(lines: Sequence[str]) -> tuple[str, ...]:
    """Templates of one's own, trimmed, without empty lines and repetitions; each says once, by {}, where the name goes.

    Raises TailscopeError where one does not, where there is none, or where there are more than `MAX_TEMPLATES`.

    >>> check_templates(["a drawing of a {}. ", ""])
    ('a drawing of a {}.',)
    """
    templates = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    for template in templates:
        if template.count("{}") != 1 or template.count("{") + template.count("}") != 2:
            raise TailscopeError(f"The template “{template[:80]}” needs {{}} once, where the name goes, and no other braces.")
    if not 1 <= len(templates) <= MAX_TEMPLATES:
        raise TailscopeError(f"{len(templates)} templates: from 1 to {MAX_TEMPLATES} are needed, such as: a drawing of a {{}}.")
    return templates


def spell_name(label: str) -> str:
    """A label as it stands in a prompt: underscores are spaces; capitals stay as the task has them.

    >>> spell_name("Boeing_737-200")
    'Boeing 737-200'
    """
    return " ".join(label.replace("_", " ").split())


def spell_templates(prompts: str | Sequence[str]) -> tuple[str, ...]:
    """The templates of `find_templates` as text, with {} where the name goes."""
    return tuple(template if isinstance(template, str) else template("{}") for template in find_templates(prompts))


def build_classifier(
    model: Model, names: Sequence[str], prompts: str | Sequence[str], say: Progress | None = None
) -> np.ndarray:
    """A zero-shot classifier, float32 (names, width): each name's mean feature over the templates, of length 1.

    Raises TailscopeError where the model gives features that are not finite.
    """
    from open_clip import build_zero_shot_classifier

    templates = find_templates(prompts)
    at_once = max(CLASSIFIER_TEXTS // len(templates), 1)
    rows = []
    for batch in take_batches(names, at_once):
        columns = build_zero_shot_classifier(
            model.net, model.tokenizer, batch, templates, num_classes_per_batch=None, device=model.device
        )
        rows.append(model.check_features(columns.T.float().cpu().numpy()))
        if say:
            say(min(len(rows) * at_once / len(names), 1.0))
    return np.ascontiguousarray(join_features(rows))
