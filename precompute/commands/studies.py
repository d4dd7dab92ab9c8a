"""Commands that build or check a whole study: `published`, `synthetic`, `check`."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from backend.validation import study_faults
from precompute.commands.console import app, console, report_tables, show_progress
from precompute.ledger import describe_entry


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
    from precompute.release.published import DEFAULT_OUT, build_published, locate_source

    start = time.monotonic()
    path = locate_source(source)
    out = out or DEFAULT_OUT
    console.print(f"Release: {path}", markup=False, highlight=False, soft_wrap=True)
    with show_progress() as say:
        manifest = build_published(path, out, say, force=force)
    if manifest is None:
        print(f"{out} is already built from {path.name}; nothing to do (--force builds it again).")
        return
    _report(manifest, out, time.monotonic() - start)


@app.command()
def synthetic(
    out: Annotated[Path | None, typer.Option(help="The study's folder; default: data/synthetic.")] = None,
    train: Annotated[bool, typer.Option("--train", help="Train the small CLIPs first, on a CPU in up to an hour.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Build (and with --train, train) again what is there.")] = False,
    processes: Annotated[int | None, typer.Option(min=1, help="Processes at once; default: one a core.")] = None,
) -> None:
    """Builds the embedded study: an invented world whose true frequencies are known. Needs no network and no GPU.

    Example: python -m precompute synthetic --out data/synthetic
    """
    from precompute.synthetic.build import DEFAULT_OUT, MODELS, build_synthetic

    start = time.monotonic()
    out = out or DEFAULT_OUT
    if train:
        from precompute.synthetic.train import train_models

        with show_progress() as say:
            cards = train_models(MODELS, say, processes=processes, force=force)
        for card in cards.values():
            accuracy = card["accuracy"]
            print(
                f"  {card['model']}: {accuracy['mean']:.1f}% (chance {accuracy['chance']}%), {card['seconds'] / 60:.0f} minutes"
            )
    with show_progress() as say:
        manifest = build_synthetic(out, say, force=force, processes=processes)
    if manifest is None:
        print(f"{out} is already built by this code; nothing to do (--force builds it again).")
        return
    report_tables(manifest)
    for step, books in manifest["counts"].items():
        for line in _describe_books(step, books):
            print(line)
    _report_search(out)
    print(f"{out} is complete after {time.monotonic() - start:.1f} s.")


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


def _report(manifest: dict, out: Path, seconds: float) -> None:
    report_tables(manifest)
    for place in manifest["absent"]:
        print(f"  absent: {place}")
    for fault in manifest["faults"]:
        print(f"  fault:  {fault}")
    for unit, entry in manifest["counts"]["published"].items():
        print(describe_entry(unit, entry))
    print(f"{out} is complete after {seconds:.1f} s.")


def _report_search(study: Path) -> None:
    """Precision and recall of each search against the truth."""
    from backend.quality import list_searches
    from backend.study import Study

    built = Study(study)
    print("found against the truth, and the mean error of log10(count + 1):")
    for corpus in sorted(built.manifest.search):
        for row in list_searches(built, corpus).itertuples(index=False):
            print(
                f"  {corpus:13} {row.modality:6} {row.method:26} precision {row.precision:5.1f}%  recall {row.recall:5.1f}%  "
                f"error {row.frequency_error:.3f}"
            )


def _describe_books(name: str, books: dict) -> Iterator[str]:
    """A line for each ledger of a step, however deep its corpora or models lie."""
    if "read" in books:
        yield describe_entry(name, books)
        return
    for unit, inner in books.items():
        yield from _describe_books(f"{name}, {unit}", inner)
