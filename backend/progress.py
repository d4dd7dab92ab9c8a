"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[float], None]  # told the fraction that is done
StageProgress = Callable[[str, float], None]  # told a stage's name, and the fraction of it that is done
