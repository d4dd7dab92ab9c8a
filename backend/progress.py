"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[float], None]  # told the fraction that is done
StageProgress = Callable[[str, float], None]  # told a stage's name, and the fraction of it that is done


class Pace:
    """How long the rest of a stage takes, told from how fast it was since it was first told of.

    Only what was done since then counts: a run that goes on where another was killed begins with much done. Between two
    tidings the time left runs down; it does not grow because a shard is not done yet.
    """

    def __init__(self, done: float, now: float):
        self._first = self._last = (now, done)

    def note(self, done: float, now: float) -> None:
        """Takes the fraction that is done at a time, in seconds."""
        self._last = (now, done)

    def left(self, now: float) -> float | None:
        """Seconds until the stage is done; None where nothing is known yet."""
        (began, before), (then, done) = self._first, self._last
        if done <= before or then <= began:
            return None
        return max((1.0 - done) * (then - began) / (done - before) - (now - then), 0.0)
