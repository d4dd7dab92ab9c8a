"""Commands about a corpus: `concepts` names what to search for, `index` searches."""

import time
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from backend.errors import TailscopeError
from precompute.commands.console import app, show_progress, split_lists, split_named
from precompute.ledger import describe_entry

SYNONYMS, SPELLINGS = "file", "spelling"  # where other names of concepts come from


@app.command()
def concepts(
    study: Annotated[Path, typer.Option(help="The study's folder; a new one begins a study.")],
    task: Annotated[
        list[str] | None, typer.Option(help="NAME=CLASSNAMES.txt: a task and its labels, in any usual form. May be repeated.")
    ] = None,
    captions: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE: a task of the nouns that captions have. May be repeated, by task too.")
    ] = None,
    prompts: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE: a task of the nouns in prompts, one a line. May be repeated.")
    ] = None,
    least: Annotated[int, typer.Option(min=1, help="Images, or prompts, that a noun must be in.")] = 5,
    phrases: Annotated[bool, typer.Option(help="Take runs of two or three nouns, too (“fire hydrant”).")] = True,
    synonyms: Annotated[
        Path | None, typer.Option(help="Other names of concepts: .json, .yaml ({name: [others]}) or .csv (name,other,...).")
    ] = None,
    spellings: Annotated[
        bool, typer.Option("--spellings", help="Take closed and open spellings (hotdog, hot dog) as other names.")
    ] = False,
    title: Annotated[str | None, typer.Option(help="A new study's title; default: the folder's name.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what is read.")] = False,
) -> None:
    """Begins a study with the concepts to search for, or adds tasks, or other names of its concepts, to one.

    What was read is shown before it is used.

    Example: python -m precompute concepts --study data/mine --task pets=pets.txt --title "My corpora"
    """
    from backend.study import Study
    from backend.synonyms import parse_synonyms
    from precompute.caption_nouns import choose_rule, gather_task
    from precompute.vocabulary import add_tasks, describe_task, read_task, read_text

    named = split_named(task, "--task NAME=CLASSNAMES.txt")
    tasks = {name: read_task(Path(path)) for name, path in named.items()}
    for kind, given, option in (("retrieval", captions, "--captions"), ("generation", prompts, "--prompts")):
        for name, paths in split_lists(given, f"{option} NAME=FILE").items():
            if name in tasks:
                raise TailscopeError(f"'{option} {name}=...' names a task again. Choose another name.")
            tasks[name] = gather_task(list(map(Path, paths)), kind, choose_rule(least, phrases=phrases))
    others = parse_synonyms(read_text(synonyms)) if synonyms else {}
    if not (tasks or others or spellings):
        raise TailscopeError("Nothing to add. Name class names with --task, captions with --captions, or other names.")
    for name, read in tasks.items():
        typer.echo("\n".join(describe_task(name, read)), err=True)
    if dry_run:
        print("Nothing was written (--dry-run).")
        return
    added = add_tasks(study, tasks, title)
    for name, labels in added.items():
        print(f"  {name}: {labels:,} labels")
    changed = _add_synonyms(study, synonyms, others) if synonyms else False
    if spellings:
        files = [Path(file) for files in split_lists(captions, "--captions NAME=FILE").values() for file in files]
        changed = _add_spellings(study, files, least) or changed
    if not (added or changed):
        print(f"{study} has these tasks already; nothing to do.")
        return
    if added and (indexed := sorted(Study(study).manifest.search)):
        print(f"Not counted in {', '.join(indexed)} yet: index them again, which searches for what is new alone.")
    print(f"{study} is complete.")


def _add_synonyms(study: Path, file: Path, others: dict[str, tuple[str, ...]]) -> bool:
    """Adds other names of concepts to a study, and says how many."""
    from precompute.search.synonyms import add_synonyms

    count, strange = add_synonyms(study, others, SYNONYMS)
    print(f"  {count:,} other names of concepts from {file}")
    if strange:
        some = ", ".join(f"“{name}”" for name in strange[:5])
        print(f"  left out, for they are no concepts of the study: {len(strange):,} ({some}{', ...' if strange[5:] else ''})")
    return True


def _add_spellings(study: Path, files: list[Path], least: int) -> bool:
    """Adds other spellings of a study's concepts that are written in captions or tables, and says which; whether any is."""
    from precompute.caption_files import read_captions
    from precompute.ledger import Ledger
    from precompute.search.synonyms import add_synonyms
    from precompute.spellings import find_spellings, read_indexed_captions
    from precompute.vocabulary import list_concepts

    read = (caption for file in files for _, caption in read_captions(file, Ledger()))
    found = find_spellings(list_concepts(study), chain(read, read_indexed_captions(study)), least)
    add_synonyms(study, found, SPELLINGS)
    for name, spelled in found.items():
        print(f"  “{name}” is also spelled “{'”, “'.join(spelled)}”")
    print(f"  {sum(map(len, found.values())):,} other spellings")
    return bool(found)


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
    caption: Annotated[str | None, typer.Option(help="The column of captions, where another would be taken.")] = None,
    image: Annotated[str | None, typer.Option(help="The column of image files, where another would be taken.")] = None,
    url: Annotated[str | None, typer.Option(help="The column of URLs, where another would be taken.")] = None,
    images: Annotated[Path | None, typer.Option(help="The folder of photos that a table of captions names.")] = None,
    tagger: Annotated[
        str | None,
        typer.Option(
            help="A CLIP trained on pictures such as these, which looks for the concepts in them: ARCH:TAG, ARCH:FILE or a "
            "model's folder. For photos one of the web, such as ViT-B-32:openai."
        ),
    ] = None,
    prompts: Annotated[str, typer.Option(help="How the tagger is asked: class, simple or ensemble.")] = "ensemble",
    allow_download: Annotated[bool, typer.Option("--allow-download", help="Fetch weights that are not here.")] = False,
    trust_tagger: Annotated[
        bool, typer.Option("--trust-tagger", help="Take a tagger whose scores do not go with the captions.")
    ] = False,
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
    least_kept: Annotated[
        float, typer.Option(help="The least share of what is read that must become samples, from 0 to 1; else the run fails.")
    ] = 0.5,
    terms: Annotated[
        str | None, typer.Option(help="all: index every word of the captions too, so that any name can be looked up later.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Shards that are searched at the same time; default: 1, on Ray one a core.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Do the work on a Ray cluster: local, auto or the HOST:PORT of its head. All its machines share the study's "
            "folder and the shards, at the same paths."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show how the shards are read, and foretell time, memory and disk; then stop.")
    ] = False,
    keep: Annotated[
        bool, typer.Option(help="Keep what was found in each shard beside the study, so that the corpus can grow.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Index a corpus anew by other arguments than before.")] = False,
) -> None:
    """Adds a corpus to a study: its samples, and the concepts that its captions and images show.

    Without --tagger and --image-hits only captions are searched. A run that was killed goes on where it was. The same command
    again adds what is new: shards, concepts and thresholds; with --terms all, the index of all words where there is none yet.

    Example: python -m precompute index --study data/mine --corpus web --shards 'shards/*.tar' --tagger ViT-B-32:openai
    """
    from backend.schema import SEARCHED
    from precompute.search.cache import measure_cache, name_cache
    from precompute.search.index import Request, foretell_study, index_study

    start = time.monotonic()
    try:
        numbers = [float(text) for text in thresholds.split(",")] if thresholds is not None else None
    except ValueError as error:
        raise TailscopeError(f"'{thresholds}' are no thresholds. Expected numbers: --thresholds 0.20,0.25,0.30") from error
    if terms not in (None, "all"):
        raise TailscopeError(f"'{terms}' is no choice of terms: --terms all indexes every word, and without it none is.")
    asked = Request(
        corpus,
        shards,
        title=title,
        caption=caption,
        image=image,
        url=url,
        images=images,
        tagger=tagger,
        prompts=prompts,
        allow_download=allow_download,
        trust_tagger=trust_tagger,
        image_hits=image_hits,
        thresholds=numbers,
        chosen=chosen,
        least_kept=least_kept,
        keep=keep,
        force=force,
        terms=terms == "all",
        ray=ray,
    )
    with show_progress() as say:
        if dry_run:
            foretold = foretell_study(study, asked, processes=processes or 1, say=say, tell=print)
        else:
            manifest = index_study(study, asked, processes=processes, say=say, tell=print, note=say.note)
    if dry_run:
        print(foretold.describe())
        print("Nothing was written: leave --dry-run out to index it.")
        return
    for name in SEARCHED:
        if held := manifest["tables"].get(name, {}).get("files", {}).get(corpus):
            print(f"  {name:12} {held['rows']:>9,} rows")
    for unit, entry in manifest["counts"]["index"][corpus].items():
        print(describe_entry(unit, entry))
    for unit, entry in manifest["counts"].get("terms", {}).get(corpus, {}).items():
        print(describe_entry(f"{unit} of the index of all words", entry))
    if keep:
        kept = measure_cache(study.resolve()) / 1e6
        print(
            f"Kept for the runs to come: {kept:.1f} MB in {name_cache(study)}; delete it whenever you like, or use --no-keep."
        )
    print(f"{study} is complete after {time.monotonic() - start:.1f} s.")


@app.command()
def scale(
    study: Annotated[Path, typer.Option(help="The study's folder.")],
    corpus: Annotated[str, typer.Option(help="A corpus of it that was indexed: what that took is the measure.")],
    price: Annotated[float, typer.Option(min=0, help="What a machine costs for an hour.")],
    machines: Annotated[int, typer.Option(min=1, help="Machines that work at the same time.")] = 4,
    cores: Annotated[int, typer.Option(min=1, help="Cores of a machine.")] = 16,
    pairs: Annotated[
        list[int] | None, typer.Option(min=1, help="Pairs of the corpus to tell of; default: LAION-400M, and 5 billion.")
    ] = None,
) -> None:
    """Tells what a corpus of any size would take on a cluster: time, memory, disk and money, from what a corpus here took.

    Example: python -m precompute scale --study data/mine --corpus web --machines 4 --price 0.64
    """
    from backend.scale import PRESETS, Fleet, list_runs, measure_rates, price_corpus, tell_command, tell_run
    from backend.study import Study

    opened = Study(study.resolve())
    runs = [one for one in list_runs([opened]) if one.corpus == corpus]
    if not runs:
        raise TailscopeError(f"No run of '{corpus}' was measured. This measures one: {tell_command(opened, images=False)}")
    for one in runs:
        rates = measure_rates(one.run, images=one.has_images)
        print(f"{'With images' if one.has_images else 'Captions alone'}. {tell_run(one)}")
        for count in pairs or PRESETS.values():
            print(f"  {price_corpus(rates, count, Fleet(machines, cores, price)).describe()}")
