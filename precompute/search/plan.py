"""How a corpus's images are searched: by what, and from which scores on a hit counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from backend.errors import TailscopeError
from backend.methods import name_tagged
from precompute.search.tagger import TaggerRecipe

THRESHOLDS = tuple(step / 100 for step in range(20, 31))  # cosine similarities where CLIPs of the web tell shown from not shown
GIVEN = "given"  # the image method of given hits that are counted from a score on; without thresholds it is `annotated`
ANNOTATED = "annotated"


@dataclass(frozen=True)
class ImageSearch:
    """How a corpus's images are searched: by a tagger, or by given hits (`given_hits.read_given_hits`).

    `thresholds` rise in steps of 0.01 or more, and `chosen` is one of them; given hits may do without.
    """

    tagger: TaggerRecipe | None = None
    given: pa.Table | None = None
    thresholds: tuple[float, ...] = ()
    chosen: float | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """The image methods, one a threshold."""
        if not self.thresholds:
            return (ANNOTATED,)
        return tuple(self._name(threshold) for threshold in self.thresholds)

    @property
    def chosen_method(self) -> str:
        """The image method that stands for the others."""
        return self._name(self.chosen) if self.thresholds else ANNOTATED

    def _name(self, threshold: float) -> str:
        return name_tagged(self.tagger.name if self.tagger else GIVEN, threshold)


def check_thresholds(thresholds: Sequence[float], chosen: float | None = None) -> tuple[tuple[float, ...], float]:
    """Thresholds by rising value, and the chosen one; their middle where none is named.

    Raises TailscopeError where one is no multiple of 0.01 from 0 to 1, comes twice, or where `chosen` is none of them.

    >>> check_thresholds([0.3, 0.2, 0.25])
    ((0.2, 0.25, 0.3), 0.25)
    """
    for threshold in thresholds:
        if not 0 <= threshold <= 1 or abs(threshold * 100 - round(threshold * 100)) > 1e-9:
            raise TailscopeError(f"{threshold:g} is no threshold. Thresholds are multiples of 0.01, from 0 to 1.")
    rising = tuple(sorted({round(threshold, 2) for threshold in thresholds}))
    if not rising or len(rising) < len(thresholds):
        raise TailscopeError("A threshold comes twice." if rising else "Thresholds are needed, such as 0.20,0.25,0.30.")
    if chosen is None:
        chosen = rising[(len(rising) - 1) // 2]
    if chosen not in rising:
        raise TailscopeError(f"The chosen threshold {chosen:g} is none of {', '.join(f'{one:.2f}' for one in rising)}.")
    return rising, chosen
