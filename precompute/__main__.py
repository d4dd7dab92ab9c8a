"""The commands: `python -m precompute STEP`. Each checks its arguments first and ends with what it read and wrote."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from backend.errors import TailscopeError
from backend.schema import study_faults
from precompute.ledger import describe_entry

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(stderr=True)


@app.callback()
def precompute() -> None:
    """Makes the tables that the app reads."""


@app.command()
def published(
    source: Annotated[
        str | None,
        typer.Option(help="Folder, .tar.gz file or URL; default: a copy beside the checkout, else GitHub."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The study's folder; default: data/published.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Build again, and replace what --out holds.")] = False,
) -> None:
    """Imports the paper's released results into a study.

    Example: python -m precompute published --source ~/Downloads/frequency_determines_performance-main.tar.gz
    """
    from precompute.published import DEFAULT_OUT, build_published, locate_source

    start = time.monotonic()
    path = locate_source(source)
    out = out or DEFAULT_OUT
    console.print(f"Release: {path}", markup=False, highlight=False, soft_wrap=True)
    with Progress(TextColumn("{task.description:28}"), BarColumn(), TimeElapsedColumn(), console=console) as progress:
        bars: dict[str, int] = {}

        def say(stage: str, done: float) -> None:
            if stage not in bars:
                for bar in bars.values():
                    progress.update(bar, completed=1.0)
                bars[stage] = progress.add_task(stage, total=1.0)
            progress.update(bars[stage], completed=done)

        manifest = build_published(path, out, say, force=force)
    if manifest is None:
        print(f"{out} is already built from {path.name}; nothing to do (--force builds it again).")
        return
    _report(manifest, out, time.monotonic() - start)


def _report(manifest: dict, out: Path, seconds: float) -> None:
    for name, table in manifest["tables"].items():
        print(f"  {name:12} {table['rows']:>9,} rows")
    for place in manifest["absent"]:
        print(f"  absent: {place}")
    for fault in manifest["faults"]:
        print(f"  fault:  {fault}")
    for unit, entry in manifest["counts"]["published"].items():
        print(describe_entry(unit, entry))
    print(f"{out} is complete after {seconds:.1f} s.")


@app.command()
def check(
    study: Annotated[Path, typer.Option(help="The study's folder.")],
) -> None:
    """Validates every table of a study against its schema, keys and manifest: one line per fault.

    Example: python -m precompute check --study data/published
    """
    faults = study_faults(study)
    for fault in faults:
        print(fault)
    if faults:
        print(f"{study}: {len(faults)} fault{'s' if len(faults) > 1 else ''}")
        raise typer.Exit(1)
    print(f"{study}: no faults")


def main() -> None:
    """Runs a command; what a user can mend, a full or closed disk too, becomes one message and exit code 1."""
    try:
        app()
    except (TailscopeError, OSError) as error:
        console.print("Error:", style="bold red", end=" ")
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
