"""How long work tells how far it is."""

from bisect import bisect_left
from collections.abc import Callable

Progress = Callable[[float], None]  # told the fraction that is done
StageProgress = Callable[[str, float], None]  # told a stage's name, and the fraction of it that is done
WARMING = 1 / 3  # of a stage's time so far, that tells nothing of its pace
ENOUGH = 3  # tidings after that, for a pace to be told from them alone
MOST_TIDINGS = 512  # that are remembered; beyond, every other one


class Pace:
    """How long the rest of a stage takes, told from how fast it was, and from what it was expected to take.

    Only what was done since it was first told of counts: a run that goes on where another was killed begins with much done. Of
    that the first third of the time does not: what is compiled and loaded then is not done again. Between two tidings the time
    left runs down; it does not grow because a shard is not done yet. What was expected of a stage counts the less the more of
    it is done.
    """

    def __init__(self, done: float, now: float, expected: float | None = None):
        self._told = [(now, done)]
        self._expected = expected

    def note(self, done: float, now: float) -> None:
        """Takes the fraction that is done at a time, in seconds."""
        self._told.append((now, done))
        if len(self._told) > MOST_TIDINGS:
            self._told[1:-1] = self._told[2:-1:2]

    def left(self, now: float) -> float | None:
        """Seconds until the stage is done; None where nothing is known yet."""
        began, start = self._told[0]
        then, done = self._told[-1]
        warm = bisect_left(self._told, (began + WARMING * (then - began), 0.0))
        since, before = self._told[warm] if warm < len(self._told) - ENOUGH else self._told[0]
        if done <= before:
            since, before = began, start
        by_pace = None
        if done > before and then > since:
            by_pace = max((1.0 - done) * (then - since) / (done - before) - (now - then), 0.0)
        if self._expected is None:
            return by_pace
        foretold = max(self._expected * (1.0 - start) - (now - began), 0.0)
        return foretold if by_pace is None else done * by_pace + (1.0 - done) * foretold
