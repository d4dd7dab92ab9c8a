"""What is written on a figure that leaves the app, and what its file is called."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from backend.methods import Method

MANY = 3  # names that are written out; of more, the number
PART_CHARACTERS, NAME_CHARACTERS = 40, 180  # of a file's name; file systems take 255 bytes


@dataclass(frozen=True)
class Shown:
    """What a figure is of: models, the titles of corpora, counting methods by their codes."""

    models: Sequence[str] = ()
    corpora: Sequence[str] = ()
    methods: Sequence[str] = ()


@dataclass(frozen=True)
class Caption:
    """What is said of a figure: its title, the title of its study, and what it is of."""

    title: str
    study: str
    shown: Shown = Shown()

    @property
    def line(self) -> str:
        """Models, corpora, methods and study, in words.

        >>> Caption("Scores", "Mine", Shown(["RN50/cc3m"], ["CC-3M"], ["lemmatized"])).line
        'Model: RN50/cc3m · Corpus: CC-3M · Counted: said in the caption, by lemma · Study: Mine · Tailscope'
        """
        told = [
            _tell("Model", "Models", self.shown.models),
            _tell("Corpus", "Corpora", self.shown.corpora),
            _tell("Counted", "Counting methods", [Method(name).title for name in self.shown.methods], "; "),
            self.study and f"Study: {self.study}",
            "Tailscope",
        ]
        return " · ".join(part for part in told if part)

    def name_file(self, name: str, ending: str) -> str:
        """The name of a file of the figure `name`: letters, digits, dots and hyphens, a part for each thing that it shows.

        >>> Caption("Scores", "Mine", Shown(["RN50/cc3m"], ["CC-3M"], ["rampp@0.7"])).name_file("scaling", "svg")
        'tailscope_scaling_RN50-cc3m_CC-3M_rampp-0.7_Mine.svg'
        """
        several = [
            _join(self.shown.models, "models"),
            _join(self.shown.corpora, "corpora"),
            _join(self.shown.methods, "methods"),
        ]
        parts = [_spell(part) for part in ("tailscope", name, *several, self.study) if part]
        return f"{'_'.join(part for part in parts if part)[:NAME_CHARACTERS].rstrip('-_.')}.{ending}"


def _tell(one: str, several: str, names: Sequence[str], between: str = ", ") -> str:
    if not names:
        return ""
    if len(names) > MANY:
        return f"{several}: {len(names)}"
    return f"{one if len(names) == 1 else several}: {between.join(names)}"


def _join(names: Sequence[str], kind: str) -> str:
    return f"{len(names)} {kind}" if len(names) > MANY else "-".join(names)


def _spell(text: str) -> str:
    """A text as part of a file's name."""
    plain = unicodedata.normalize("NFKC", text)
    return re.sub(r"[^\w.]+|_", "-", plain).strip("-.")[:PART_CHARACTERS].rstrip("-.")
