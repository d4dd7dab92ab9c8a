"""A counting method: what it looked at, what it is made of, and how it counts, in words. Names are cut and joined here alone.

A name is `lemmatized` (a search of captions), `rampp@0.7` (a tagger of images and the least score that counts), or several
of these joined by a plus: `lemmatized+rampp@0.7` counts samples that both find.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from backend.errors import EmptySelection

_JOIN, _AT = "+", "@"
_NUMBER = re.compile(r"\d+(\.\d*)?|\.\d+")

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
    "synonyms": "A caption counts when it contains any of the concept's names as a phrase.",
}
_SAID = {"lemmatized": "by lemma", "lowercased": "letter by letter", "phrase": "as a phrase", "synonyms": "by any of its names"}
_SEEN_BY = {"rampp": "RAM++", "openclip": "OpenCLIP", "given": "given scores", "annotated": "as the file of hits says"}
_LEADS = {"text": "said in the caption, ", "image": "seen in the image, ", "joint": "said and seen, "}
_TAGGERS = {
    "rampp": "RAM++, an open-vocabulary image tagger,",
    "openclip": "an OpenCLIP model used as a tagger",
    "given": "the file of hits that the corpus was indexed with",
}
_IMAGE = {"annotated": "An image counts when the file of hits that the corpus was indexed with names the concept for it."}


@dataclass(frozen=True)
class Method:
    """A counting method, from its name as tables have it. Any name is one; what is not known of it is not guessed at.

    >>> Method("rampp@0.7").title, Method("lemmatized+rampp@0.7").title
    ('seen in the image, RAM++ from 0.7', 'said and seen, by lemma and RAM++ from 0.7')
    """

    name: str

    def __str__(self) -> str:
        return self.name

    @cached_property
    def parts(self) -> tuple["Method", ...]:
        """The single methods that it joins; itself alone where it joins none."""
        names = self.name.split(_JOIN)
        return tuple(map(Method, names)) if len(names) > 1 and all(names) else (self,)

    @property
    def modality(self) -> str:
        """text, image, or joint where parts of both kinds are joined."""
        if self.parts != (self,):
            kinds = {part.modality for part in self.parts}
            return kinds.pop() if len(kinds) == 1 else "joint"
        return "image" if _AT in self.name or self.name in _IMAGE else "text"

    @property
    def text(self) -> str | None:
        """The name of the part, or of the parts, that look at captions; None without one."""
        return self._join_parts("text")

    @property
    def image(self) -> str | None:
        """The name of the part, or of the parts, that look at images; None without one."""
        return self._join_parts("image")

    def _join_parts(self, modality: str) -> str | None:
        return _JOIN.join(part.name for part in self.parts if part.modality == modality) or None

    @property
    def tagger(self) -> str:
        """What methods share that differ by their threshold alone: the name before the threshold, or all of it."""
        return self.name.partition(_AT)[0]

    @property
    def threshold(self) -> float | None:
        """The least score that counts; None for a method that says yes or no, or that names no number."""
        number = self.name.partition(_AT)[2]
        return float(number) if _NUMBER.fullmatch(number) else None

    @property
    def least_score(self) -> float:
        """The least score that counts, 1 for a method that only says yes or no.

        Raises EmptySelection where no number stands after the @.
        """
        if self.threshold is not None:
            return self.threshold
        if _AT in self.name:
            raise EmptySelection(f"'{self.name}' names no threshold: a number stands after the @, as in openclip@0.25.")
        return 1.0

    @property
    def title(self) -> str:
        """In words, for people: "seen in the image, RAM++ from 0.7". No two names have the same."""
        return _LEADS[self.modality] + " and ".join(part._manner for part in self.parts)

    @property
    def _manner(self) -> str:
        """How a single method looks, in two or three words."""
        name, _, score = self.name.partition(_AT)
        known = _SEEN_BY if self.modality == "image" else _SAID
        return known.get(name, f"by “{name}”") + (f" from {score}" if _AT in self.name else "")

    @property
    def sentence(self) -> str:
        """How it counts; an unknown method is told by its name, an unknown combination by its parts."""
        if self.parts != (self,):
            if self.modality == "joint":
                lead = "A sample counts when its caption and its image both show the concept."
            else:
                names = " and ".join(f"“{part.name}”" for part in self.parts)
                lead = f"Counted by the study's own combination of {names}."
            return " ".join([lead, *(part.sentence for part in self.parts)])
        if self.threshold is not None:
            tagger, score = _TAGGERS.get(self.tagger, self.tagger), self.name.partition(_AT)[2]
            return f"An image counts when {tagger} gives the concept a score of at least {score}."
        return (_IMAGE | _TEXT).get(self.name) or f"Counted by the study's own method “{self.name}”."


def sort_methods(names: Iterable[str]) -> list[str]:
    """Methods as a list shows them: of captions, of images, of both; those that differ by their threshold alone together.

    >>> sort_methods(["rampp@0.7", "lemmatized+rampp@0.7", "rampp@0.55", "lemmatized"])
    ['lemmatized', 'rampp@0.55', 'rampp@0.7', 'lemmatized+rampp@0.7']
    """
    order = ["text", "image", "joint"]
    found = [Method(name) for name in names]
    found.sort(key=lambda method: (order.index(method.modality), method.tagger, method.threshold or 0.0, method.name))
    return [method.name for method in found]


def join_methods(text: str, image: str) -> str:
    """The name of the joint method of a text and an image method.

    >>> join_methods("lemmatized", "rampp@0.7")
    'lemmatized+rampp@0.7'
    """
    return f"{text}{_JOIN}{image}"


def name_tagged(tagger: str, threshold: float | str) -> str:
    """The name of a tagger's method at a threshold: a number with two decimals, a text as it stands.

    >>> name_tagged("openclip", 0.3), name_tagged("rampp", "0.7")
    ('openclip@0.30', 'rampp@0.7')
    """
    return f"{tagger}{_AT}{threshold if isinstance(threshold, str) else f'{threshold:.2f}'}"


def list_thresholds(methods: Iterable[str], tagger: str) -> dict[str, float]:
    """method -> threshold of one tagger's methods that have one, rising.

    >>> list_thresholds(["rampp@0.7", "lemmatized", "rampp@0.5", "lemmatized+rampp@0.6"], "rampp")
    {'rampp@0.5': 0.5, 'rampp@0.7': 0.7}
    """
    found = [Method(name) for name in methods]
    ours = [method for method in found if method.tagger == tagger and method.threshold is not None]
    return {method.name: method.threshold for method in sorted(ours, key=lambda method: method.threshold)}
