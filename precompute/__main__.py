"""The commands: `python -m precompute STEP`. Each checks its arguments first and ends with what it read and wrote."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from backend.errors import TailscopeError
from backend.validation import study_faults
from precompute.ledger import describe_entry

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(stderr=True)


@app.callback()
def precompute() -> None:
    """Makes the tables that the app reads."""


@contextmanager
def _show_progress() -> Iterator[Callable[[str, float], None]]:
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
    with _show_progress() as say:
        manifest = build_published(path, out, say, force=force)
    if manifest is None:
        print(f"{out} is already built from {path.name}; nothing to do (--force builds it again).")
        return
    _report(manifest, out, time.monotonic() - start)


def _report_tables(manifest: dict) -> None:
    for name, table in manifest["tables"].items():
        print(f"  {name:14} {table['rows']:>9,} rows")


def _report(manifest: dict, out: Path, seconds: float) -> None:
    _report_tables(manifest)
    for place in manifest["absent"]:
        print(f"  absent: {place}")
    for fault in manifest["faults"]:
        print(f"  fault:  {fault}")
    for unit, entry in manifest["counts"]["published"].items():
        print(describe_entry(unit, entry))
    print(f"{out} is complete after {seconds:.1f} s.")


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

        with _show_progress() as say:
            cards = train_models(MODELS, say, processes=processes, force=force)
        for card in cards.values():
            accuracy = card["accuracy"]
            print(
                f"  {card['model']}: {accuracy['mean']:.1f}% (chance {accuracy['chance']}%), {card['seconds'] / 60:.0f} minutes"
            )
    with _show_progress() as say:
        manifest = build_synthetic(out, say, force=force, processes=processes)
    if manifest is None:
        print(f"{out} is already built by this code; nothing to do (--force builds it again).")
        return
    _report_tables(manifest)
    for step, books in manifest["counts"].items():
        for line in _describe_books(step, books):
            print(line)
    _report_search(out)
    print(f"{out} is complete after {time.monotonic() - start:.1f} s.")


def _report_search(study: Path) -> None:
    """Precision and recall of each search against the truth."""
    from backend.quality import list_searches
    from backend.study import Study

    print("found against the truth, and the mean error of log10(count + 1):")
    for row in list_searches(Study(study)).itertuples(index=False):
        print(
            f"  {row.corpus:13} {row.modality:6} {row.method:26} precision {row.precision:5.1f}%  recall {row.recall:5.1f}%  "
            f"error {row.frequency_error:.3f}"
        )


def _describe_books(name: str, books: dict) -> Iterator[str]:
    """A line for each ledger of a step, however deep its corpora or models lie."""
    if "read" in books:
        yield describe_entry(name, books)
        return
    for unit, inner in books.items():
        yield from _describe_books(f"{name}, {unit}", inner)


@app.command()
def concepts(
    study: Annotated[Path, typer.Option(help="The study's folder; a new one begins a study.")],
    task: Annotated[list[str], typer.Option(help="NAME=CLASSNAMES.txt: a task and its labels, one a line. May be repeated.")],
    title: Annotated[str | None, typer.Option(help="A new study's title; default: the folder's name.")] = None,
) -> None:
    """Begins a study with the concepts to search for, or adds tasks to one.

    Example: python -m precompute concepts --study data/mine --task pets=pets.txt --title "My corpora"
    """
    from backend.study import Study
    from precompute.vocabulary import add_tasks

    files = {name: Path(path) for name, path in _split_named(task, "--task NAME=CLASSNAMES.txt").items()}
    added = add_tasks(study, files, title)
    for name, labels in added.items():
        print(f"  {name}: {labels:,} labels")
    if not added:
        print(f"{study} has these tasks already; nothing to do.")
        return
    if indexed := sorted(Study(study).manifest.search):
        print(f"Not counted in {', '.join(indexed)} yet: index them again, with --force.")
    print(f"{study} is complete.")


@app.command()
def index(
    study: Annotated[Path, typer.Option(help="The study's folder; it has concepts already.")],
    corpus: Annotated[str, typer.Option(help="The corpus's short name.")],
    shards: Annotated[
        list[str],
        typer.Option(
            help="Files or a quoted pattern: webdataset .tar, captions as .csv, .tsv, .txt or COCO .json. May be repeated."
        ),
    ],
    title: Annotated[str | None, typer.Option(help="The corpus's name for people; default: the short one.")] = None,
    images: Annotated[Path | None, typer.Option(help="The folder of photos that a table of captions names.")] = None,
    tagger: Annotated[
        str | None, typer.Option(help="A CLIP that looks for the concepts in images: ARCH:TAG, ARCH:FILE or a model's folder.")
    ] = None,
    prompts: Annotated[str, typer.Option(help="How the tagger is asked: class, simple or ensemble.")] = "ensemble",
    allow_download: Annotated[bool, typer.Option("--allow-download", help="Fetch weights that are not here.")] = False,
    image_hits: Annotated[
        Path | None,
        typer.Option(help="Concepts of photos found elsewhere: .csv or .parquet (image, label, score), or COCO instances."),
    ] = None,
    thresholds: Annotated[
        str | None, typer.Option(help="Least scores to count from; default for a tagger: 0.20,0.21,...,0.30.")
    ] = None,
    chosen: Annotated[
        float | None, typer.Option(help="The threshold that stands for the others; default: their middle.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Shards that are searched at the same time.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Index a corpus again that the study has already.")] = False,
) -> None:
    """Adds a corpus to a study: its samples, and the concepts that its captions and images show.

    Without --tagger and --image-hits only captions are searched. A run that was killed goes on where it was.

    Example: python -m precompute index --study data/mine --corpus web --shards 'shards/*.tar' --tagger ViT-B-32:openai
    """
    from precompute.search.index import Request, index_study

    start = time.monotonic()
    try:
        numbers = [float(text) for text in thresholds.split(",")] if thresholds is not None else None
    except ValueError as error:
        raise TailscopeError(f"'{thresholds}' are no thresholds. Expected numbers: --thresholds 0.20,0.25,0.30") from error
    with _show_progress() as say:
        asked = Request(
            corpus,
            shards,
            title=title,
            images=images,
            tagger=tagger,
            prompts=prompts,
            allow_download=allow_download,
            image_hits=image_hits,
            thresholds=numbers,
            chosen=chosen,
            force=force,
        )
        manifest = index_study(study, asked, processes=processes, say=say)
    for name in ("samples", "hits", "misaligned"):
        if held := manifest["tables"].get(name, {}).get("files", {}).get(corpus):
            print(f"  {name:12} {held['rows']:>9,} rows")
    for unit, entry in manifest["counts"]["index"][corpus].items():
        print(describe_entry(unit, entry))
    print(f"{study} is complete after {time.monotonic() - start:.1f} s.")


@app.command()
def evaluate(
    study: Annotated[Path, typer.Option(help="The study's folder.")],
    model: Annotated[str, typer.Option(help="A CLIP: ARCH:TAG, ARCH:FILE or a model's folder in open_clip's format.")],
    task: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FOLDER: a folder for each class, or shards (.tar) beside classnames.txt. May be repeated."),
    ] = None,
    retrieval: Annotated[
        list[str] | None, typer.Option(help="NAME=PATTERN: held-out pairs, in shards as `index` reads them. May be repeated.")
    ] = None,
    prompts: Annotated[
        str, typer.Option(help="How classes are named to the model, separated by commas.")
    ] = "class,simple,ensemble",
    name: Annotated[
        str | None, typer.Option(help="The model's name: ARCHITECTURE/PRETRAINING; default: as it is loaded.")
    ] = None,
    corpus: Annotated[str | None, typer.Option(help="The corpus of the study that the model was trained on.")] = None,
    allow_download: Annotated[bool, typer.Option("--allow-download", help="Fetch weights that are not here.")] = False,
) -> None:
    """Scores a model on every concept of tasks, and draws the study's scaling lines anew.

    A model's earlier scores on the same tasks are replaced. A run that was killed finds its encoded images again.

    Example: python -m precompute evaluate --study data/mine --model ViT-B-32:openai --task pets=images/pets
    """
    from precompute.evaluate.scores import Evaluation, evaluate_model

    start = time.monotonic()
    tasks = {task: Path(folder) for task, folder in _split_named(task, "--task NAME=FOLDER").items()}
    patterns = {task: [pattern] for task, pattern in _split_named(retrieval, "--retrieval NAME=PATTERN").items()}
    strategies = [strategy.strip() for strategy in prompts.split(",")]
    asked = Evaluation(model, tasks, patterns, strategies, name, corpus, allow_download)
    with _show_progress() as say:
        report = evaluate_model(study, asked, say)
    for one in report.scores:
        print(f"  {one.task}, {one.setting}: {one.overall:.2f}%, {one.source}")
    print(f"{study} has the scores of {report.model} after {time.monotonic() - start:.1f} s.")
    for unit, ledger in report.ledgers.items():
        print(describe_entry(unit, ledger.entry()))


@app.command()
def tail(
    study: Annotated[Path, typer.Option(help="The study's folder; models were evaluated on the task already.")],
    task: Annotated[str, typer.Option(help="NAME=FOLDER: a task that models were evaluated on, and its images.")],
    corpus: Annotated[str, typer.Option(help="The corpus whose counts say which classes are rare.")],
    classes: Annotated[int, typer.Option(min=2, help="How many classes the tail has.")] = 290,
    method: Annotated[str, typer.Option(help="The method of the counts.")] = "lemmatized",
    prompts: Annotated[str, typer.Option(help="How classes are named to the model: class, simple or ensemble.")] = "ensemble",
    title: Annotated[str | None, typer.Option(help="The benchmark's name for people.")] = None,
    split: Annotated[float, typer.Option(help="Percent on the whole task where the line of the models breaks.")] = 50,
) -> None:
    """Makes a benchmark of a task's least frequent classes, and scores on it every model that was evaluated on the task.

    Example: python -m precompute tail --study data/mine --task pets=images/pets --corpus web --classes 10
    """
    from precompute.evaluate.tail import TailPlan, build_tail

    start = time.monotonic()
    ((name, folder),) = _split_named([task], "--task NAME=FOLDER").items()
    plan = TailPlan(name, Path(folder), corpus, classes, method, prompts, title, split)
    with _show_progress() as say:
        report = build_tail(study, plan, say)
    for row in report.classes.head(5).itertuples(index=False):
        print(f"  {row.label}: {row.count:,} in {corpus}")
    for model, percent in report.overall.items():
        print(f"  {model}: {percent:.2f}%")
    print(f"{study} has a tail of {classes} classes after {time.monotonic() - start:.1f} s.")
    for unit, ledger in report.ledgers.items():
        print(describe_entry(unit, ledger.entry()))


@app.command()
def embed(
    study: Annotated[Path, typer.Option(help="The study's folder; it has samples with images.")],
    model: Annotated[str, typer.Option(help="A CLIP: ARCH:TAG, ARCH:FILE or a model's folder in open_clip's format.")],
    corpus: Annotated[list[str] | None, typer.Option(help="A corpus; default: all that have samples. May be repeated.")] = None,
    allow_download: Annotated[bool, typer.Option("--allow-download", help="Fetch weights that are not here.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Embed again what is embedded.")] = False,
) -> None:
    """Embeds a study's images by a model, so that the probe page finds those nearest to a text.

    A run that was killed finds its encoded images again.

    Example: python -m precompute embed --study data/mine --model ViT-B-32:openai --corpus web
    """
    from precompute.evaluate.embeddings import embed_study

    start = time.monotonic()
    with _show_progress() as say:
        report = embed_study(study, model, corpus or [], say, allow_download=allow_download, force=force)
    if not report.ledgers:
        print(f"{study} has these embeddings by {report.model} already; nothing to do (--force makes them again).")
        return
    for name, ledger in report.ledgers.items():
        print(describe_entry(f"{name}: samples", ledger.entry()))
    print(f"{study} has the embeddings of {report.model} after {time.monotonic() - start:.1f} s.")


def _split_named(texts: list[str] | None, expected: str) -> dict[str, str]:
    """NAME=VALUE options by their names. Raises TailscopeError for one of another form, or a name that comes twice."""
    named: dict[str, str] = {}
    for text in texts or []:
        name, _, value = text.partition("=")
        if not (name and value) or name in named:
            raise TailscopeError(f"'{text}' {'names a task again' if name in named else 'is no task'}. Expected: {expected}")
        named[name] = value
    return named


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
