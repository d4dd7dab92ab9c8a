"""Commands about a model: `evaluate` scores it, `tail` makes a benchmark of rare classes, `embed` embeds images."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.errors import TailscopeError
from precompute.commands.console import app, show_progress, split_named
from precompute.ledger import describe_entry

if TYPE_CHECKING:
    from precompute.evaluate.tasks import TaskPlace

SHOWN = 10  # classes that are named in a line


@app.command()
def evaluate(
    study: Annotated[Path, typer.Option(help="The study's folder.")],
    model: Annotated[str, typer.Option(help="A CLIP: ARCH:TAG, ARCH:FILE or a model's folder in open_clip's format.")],
    task: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=PLACE: class folders, shards (.tar) beside classnames.txt, Parquet, or a .csv of path and label. May be "
            "repeated."
        ),
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=FILE: what a task's numbers or WordNet ids stand for; NAME=imagenet for OpenCLIP's own 1,000 names."
        ),
    ] = None,
    split: Annotated[list[str] | None, typer.Option(help="NAME=SPLIT: which of a task's splits, such as test.")] = None,
    templates: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE: a task's own templates, one a line with {} for the name; its ensemble is of them."),
    ] = None,
    per_image: Annotated[
        bool, typer.Option("--per-image", help="Keep what the model makes of every image, for Compare models.")
    ] = False,
    retrieval: Annotated[
        list[str] | None, typer.Option(help="NAME=PATTERN: held-out pairs, in shards as `index` reads them. May be repeated.")
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=FOLDER: where the photos of held-out pairs lie, such as coco=val2017, if not beside their list."
        ),
    ] = None,
    prompts: Annotated[
        str, typer.Option(help="How classes are named to the model: class, simple, ensemble, ensemble80; separated by commas.")
    ] = "class,simple,ensemble",
    name: Annotated[
        str | None, typer.Option(help="The model's name: ARCHITECTURE/PRETRAINING; default: as it is loaded.")
    ] = None,
    corpus: Annotated[str | None, typer.Option(help="The corpus of the study that the model was trained on.")] = None,
    decoders: Annotated[
        int | None,
        typer.Option(
            min=0, help="Processes that decode images, 0 for threads; default: all cores but one beside a GPU, else 0."
        ),
    ] = None,
    allow_download: Annotated[bool, typer.Option("--allow-download", help="Fetch weights that are not here.")] = False,
) -> None:
    """Scores a model on every concept of tasks, and draws the study's scaling lines anew.

    A model's earlier scores on the same tasks are replaced. Features are kept beside the study: other prompts, or a second
    run, encode no image again.

    Example: python -m precompute evaluate --study data/mine --model ViT-B-32:openai --task pets=images/pets
    """
    from precompute.evaluate.scores import Evaluation, evaluate_model

    start = time.monotonic()
    tasks = _place_tasks(task, names, split, templates)
    patterns = {task: [pattern] for task, pattern in split_named(retrieval, "--retrieval NAME=PATTERN").items()}
    photos = {task: Path(folder) for task, folder in split_named(images, "--images NAME=FOLDER").items()}
    if unknown := sorted(photos.keys() - patterns.keys()):
        raise TailscopeError(
            f"--images is of '{unknown[0]}', which no --retrieval names. Named: {', '.join(patterns) or 'none'}."
        )
    strategies = [strategy.strip() for strategy in prompts.split(",")]
    asked = Evaluation(
        model,
        tasks,
        patterns,
        strategies,
        name,
        corpus,
        allow_download=allow_download,
        per_image=per_image,
        decoders=decoders,
        images=photos,
    )
    with show_progress() as say:
        report = evaluate_model(study, asked, say)
    for one in report.scores:
        print(f"  {one.task}, {one.setting}: {one.overall:.2f}%, {one.source}")
    print(f"{study} has the scores of {report.model} after {time.monotonic() - start:.1f} s.")
    for name, (known, classes) in report.known.items():
        if known < classes:
            way = "" if known else _tell_way(study, name)
            print(f"  {name}: {known:,} of {classes:,} classes are concepts of this study.{way}")
    for name, classes in report.uncounted.items():
        some = ", ".join(classes[:SHOWN]) + ", ..." * (len(classes) > SHOWN)
        print(
            f"  {name}: {len(classes):,} of its classes stand{'s' * (len(classes) == 1)} beside no count, and in no plot over "
            f"frequency: {some}. The study may spell them otherwise: a class joins by the name of its folder."
        )
    for unit, ledger in report.ledgers.items():
        print(describe_entry(unit, ledger.entry()))


def _place_tasks(
    task: list[str] | None, names: list[str] | None, split: list[str] | None, templates: list[str] | None
) -> "dict[str, TaskPlace]":
    """Where each task lies, and what was said of it beside. Raises TailscopeError for words on a task that is not named."""
    from precompute.evaluate.tasks import TaskPlace

    places = split_named(task, "--task NAME=PLACE")
    said = {
        "names": split_named(names, "--names NAME=FILE"),
        "split": split_named(split, "--split NAME=SPLIT"),
        "templates": split_named(templates, "--templates NAME=FILE"),
    }
    for option, of_tasks in said.items():
        if unknown := sorted(of_tasks.keys() - places.keys()):
            raise TailscopeError(
                f"--{option} is of '{unknown[0]}', which no --task names. Named: {', '.join(places) or 'none'}."
            )
    return {
        name: TaskPlace(
            Path(place),
            said["names"].get(name),
            said["split"].get(name),
            Path(said["templates"][name]) if name in said["templates"] else None,
        )
        for name, place in places.items()
    }


def _tell_way(study: Path, task: str) -> str:
    """What to do where no class of a task is a concept of a study."""
    return (
        f" Its scores stand beside no count. Is its folder the right one? If so, count its classes, which are concepts now: "
        f"python -m precompute index --study {study} --corpus NAME --shards GLOB --force; if not, evaluate '{task}' again: "
        "its labels go with it."
    )


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
    ((name, folder),) = split_named([task], "--task NAME=FOLDER").items()
    plan = TailPlan(name, Path(folder), corpus, classes, method, prompts, title, split)
    with show_progress() as say:
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
    with show_progress() as say:
        report = embed_study(study, model, corpus or [], say, allow_download=allow_download, force=force)
    if not report.ledgers:
        print(f"{study} has these embeddings by {report.model} already; nothing to do (--force makes them again).")
        return
    for name, ledger in report.ledgers.items():
        print(describe_entry(f"{name}: samples", ledger.entry()))
    print(f"{study} has the embeddings of {report.model} after {time.monotonic() - start:.1f} s.")
