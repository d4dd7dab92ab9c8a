"""What a counting method looked at, in words: the answer to "why this number?"."""

import re
from dataclasses import dataclass

_THRESHOLD = re.compile(r"(?P<tagger>[\w.+-]+)@(?P<threshold>[\d.]+)")

_TEXT = {
    "lemmatized": (
        "A caption counts when it contains every word of the concept, in any order, after both are lower-cased and "
        "reduced to noun lemmas (“roses” counts for “rose”)."
    ),
    "lowercased": (
        "A caption counts when it contains every word of the concept, in any order, compared in lower case and "
        "letter by letter (“roses” does not count for “rose”)."
    ),
    "phrase": "A caption counts when it contains the concept's lemmas next to each other and in order.",
}
_TAGGERS = {
    "rampp": "RAM++, an open-vocabulary image tagger,",
    "openclip": "an OpenCLIP model used as a tagger",
    "given": "the file of hits that the corpus was indexed with",
}
_IMAGE = {"annotated": "An image counts when the file of hits that the corpus was indexed with names the concept for it."}


@dataclass(frozen=True)
class Method:
    """A method's modality (text, image or joint), and how it counts, in a sentence."""

    name: str
    modality: str
    sentence: str

    @property
    def title(self) -> str:
        """Modality and name: "image: rampp@0.7"."""
        return f"{self.modality}: {self.name}"


def describe_method(name: str) -> Method:
    """How a method counts. A name that is not known is described by its parts, never guessed at.

    >>> describe_method("rampp@0.7").title
    'image: rampp@0.7'
    """
    if "+" in name:
        parts = [describe_method(part) for part in name.split("+", 1)]
        return Method(
            name,
            "joint",
            "A sample counts when its caption and its image both show the concept. "
            + " ".join(part.sentence for part in parts),
        )
    if match := _THRESHOLD.fullmatch(name):
        tagger, threshold = match["tagger"], match["threshold"]
        return Method(
            name,
            "image",
            f"An image counts when {_TAGGERS.get(tagger, tagger)} gives the concept a score of at least {threshold}.",
        )
    if name in _IMAGE:
        return Method(name, "image", _IMAGE[name])
    if name in _TEXT:
        return Method(name, "text", _TEXT[name])
    return Method(name, "text", f"Counted by the study's own method “{name}”.")
