"""What all commands share: the Typer program, the console with its progress bars, and options of the form NAME=VALUE."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from backend.errors import TailscopeError
from backend.progress import Pace
from backend.quantities import spell_bytes, spell_seconds

if TYPE_CHECKING:  # a command imports what it needs when it runs
    from precompute.search.run_log import Expected, Took

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console(stderr=True)


@app.callback()
def precompute() -> None:
    """Makes the tables that the app reads."""


class StageBars:
    """A bar for each stage that a step tells of: time left in the run and in the stage, samples a second, memory of all
    processes here."""

    def __init__(self, progress: Progress, now: Callable[[], float] = time.monotonic):
        self._progress = progress
        self._now = now
        self._bars: dict[str, tuple[TaskID, Pace, float]] = {}
        self._expected: dict[str, float] = {}  # seconds of the stages that are expected, by their names
        self._samples = 0
        self._memory = (-math.inf, 0)  # when it was measured, and the bytes

    def __call__(self, stage: str, done: float) -> None:
        """Takes how far a stage is; one that was not told of before begins, and the others are done."""
        now = self._now()
        if stage not in self._bars:
            for bar, _, _ in self._bars.values():
                self._progress.update(bar, completed=1.0, pace="")
            self._samples = 0
            bar = self._progress.add_task(stage, total=1.0, pace="")
            self._bars[stage] = (bar, Pace(done, now, self._expected.get(stage)), now)
        bar, pace, _ = self._bars[stage]
        pace.note(done, now)
        self._progress.update(bar, completed=done, pace=self.describe)

    def note(self, told: "Took | Expected") -> None:
        """Takes what a shard took, or what a stage to come is expected to take."""
        if hasattr(told, "stage"):
            self._expected[told.stage] = told.seconds
        else:
            self._samples += told.samples + told.dropped

    def left(self) -> tuple[float, float] | None:
        """Seconds left in the last stage, and those of the stages to come that something is known of; None before anything."""
        _, pace, _ = list(self._bars.values())[-1]
        left = pace.left(self._now())
        return None if left is None else (left, sum(of for stage, of in self._expected.items() if stage not in self._bars))

    def describe(self) -> str:
        """What the last stage's bar says of its pace."""
        began, now = list(self._bars.values())[-1][-1], self._now()
        told = []
        if (left := self.left()) is not None:
            here, later = left
            told.append(
                f"{spell_seconds(here + later)} left" + (f", {spell_seconds(later)} of it in later stages" if later else "")
            )
        if self._samples and now > began:
            told.append(f"{self._samples / (now - began):,.0f} samples/s")
        if now - self._memory[0] >= 1.0:  # bars are drawn ten times a second, and this takes milliseconds
            self._memory = (now, measure_memory())
        return " · ".join([*told, spell_bytes(self._memory[1])])


class PaceColumn(ProgressColumn):
    """What a stage's bar says of its pace."""

    def render(self, task: Task) -> Text:
        """The text, of the stage that is under way; nothing for the others."""
        pace = task.fields["pace"]
        return Text(pace() if pace else "")


def measure_memory() -> int:
    """The bytes that this process and those that it started hold."""
    held, own = 0, psutil.Process()
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.Error):  # it has ended meanwhile
            held += process.memory_info().rss
    return held


@contextmanager
def show_progress() -> Iterator[StageBars]:
    """A bar for each stage that a step tells of."""
    columns = (TextColumn("{task.description:28}"), BarColumn(), TimeElapsedColumn(), PaceColumn())
    with Progress(*columns, console=console) as progress:
        yield StageBars(progress)


def report_tables(manifest: dict) -> None:
    for name, table in manifest["tables"].items():
        print(f"  {name:14} {table['rows']:>9,} rows")


def split_named(texts: list[str] | None, expected: str) -> dict[str, str]:
    """NAME=VALUE options by their names. Raises TailscopeError for one of another form, or a name that comes twice."""
    named: dict[str, str] = {}
    for text in texts or []:
        name, _, value = text.partition("=")
        if not (name and value) or name in named:
            raise TailscopeError(f"'{text}' {'names a task again' if name in named else 'is no task'}. Expected: {expected}")
        named[name] = value
    return named


def split_lists(texts: list[str] | None, expected: str) -> dict[str, list[str]]:
    """NAME=VALUE options of which a name may come several times: the values of each. Raises TailscopeError for another form."""
    lists: dict[str, list[str]] = {}
    for text in texts or []:
        ((name, value),) = split_named([text], expected).items()
        lists.setdefault(name, []).append(value)
    return lists
