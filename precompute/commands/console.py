"""What all commands share: the Typer program, the console with its progress bars, and options of the form NAME=VALUE."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from backend.errors import TailscopeError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console(stderr=True)


@app.callback()
def precompute() -> None:
    """Makes the tables that the app reads."""


@contextmanager
def show_progress() -> Iterator[Callable[[str, float], None]]:
    """A bar for each stage that a step tells of."""
    with Progress(TextColumn("{task.description:28}"), BarColumn(), TimeElapsedColumn(), console=console) as progress:
        bars: dict[str, int] = {}

        def say(stage: str, done: float) -> None:
            if stage not in bars:
                for bar in bars.values():
                    progress.update(bar, completed=1.0)
                bars[stage] = progress.add_task(stage, total=1.0)
            progress.update(bars[stage], completed=done)

        yield say


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
