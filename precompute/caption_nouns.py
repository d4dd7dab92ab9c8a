"""Makes concepts of captions or prompts: the nouns, and the runs of two or three of them, of at least so many images.

The paper's rule: all nouns of the captions that at least five images have. By a pipeline of spaCy where one is installed, by
the tables of `backend.parts_of_speech` without one. Cost: 25,000 captions take 4 s by the tables.
The command: python -m precompute concepts --study DIR --captions NAME=FILE
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import groupby, islice
from pathlib import Path

from backend.errors import SourceError
from backend.nouns import lemma
from backend.parts_of_speech import Nouns, find_nouns, join_runs
from backend.words import split_words
from backend.writing import file_sha256
from precompute.caption_files import read_captions
from precompute.ledger import Ledger
from precompute.vocabulary import NewTask

LEAST_IMAGES = 5  # the paper's: nouns of fewer than five test samples are left out
TABLES = "spacy-lookups-data"
PIPELINES = ("en_core_web_trf", "en_core_web_lg", "en_core_web_md", "en_core_web_sm")
RARE, AMBIGUOUS = "noun of fewer images", "more often no noun"

_BATCH = 1 << 12

Extract = Callable[[Sequence[str]], Iterable[Nouns]]


@dataclass(frozen=True)
class NounRule:
    """How nouns are found and kept: by what, of at least how many images, with runs of nouns or single words alone."""

    extract: Extract
    name: str
    least: int = LEAST_IMAGES
    phrases: bool = True


@dataclass
class NounCounts:
    """By noun or run of nouns, the images that have it; those of which it is open whether it is a noun stand apart."""

    sure: Counter = field(default_factory=Counter)
    possible: Counter = field(default_factory=Counter)
    phrases: Counter = field(default_factory=Counter)
    images: int = 0

    def add(self, found: Sequence[Nouns]) -> None:
        """Adds an image, with the nouns of each of its captions."""
        sure = frozenset().union(*(one.sure for one in found))
        self.images += 1
        self.sure.update(sure)
        self.possible.update(frozenset().union(*(one.possible for one in found)) - sure)
        self.phrases.update(frozenset().union(*(one.phrases for one in found)))

    def keep(self, least: int, *, phrases: bool) -> tuple[dict[str, int], Ledger]:
        """concept -> images, the commonest first, of those that enough images have; and what was left out.

        What is open counts as a noun where it is sure to be one in at least as many images as it is not.
        """
        ledger = Ledger()
        kept = {}
        for noun in self.sure | self.possible:
            images = self.sure[noun] + self.possible[noun]
            reason = RARE if images < least else AMBIGUOUS if self.sure[noun] < self.possible[noun] else ""
            ledger.take(written=not reason, dropped=bool(reason), reason=reason)
            kept |= {} if reason else {noun: images}
        nouns = set(kept)
        for phrase, images in self.phrases.items() if phrases else ():
            if images >= least and nouns.issuperset(phrase.split()):
                ledger.take(written=1)
                kept[phrase] = images
            else:
                ledger.take(dropped=1, reason=RARE)
        return dict(sorted(kept.items(), key=lambda pair: (-pair[1], pair[0]))), ledger


def choose_rule(least: int = LEAST_IMAGES, *, phrases: bool = True) -> NounRule:
    """The rule by the largest English pipeline of spaCy that is installed, by the tables where none is."""
    found = next((name for name in PIPELINES if find_spec(name)), None)
    if found is None:
        return NounRule(lambda captions: map(find_nouns, captions), f"the tables of {TABLES}", least, phrases)
    import spacy

    return NounRule(tag_nouns(spacy.load(found, exclude=["ner", "lemmatizer"])), f"spaCy's {found}", least, phrases)


def tag_nouns(pipeline) -> Extract:
    """What finds nouns by a pipeline of spaCy that sets `pos_`. Lemmas are ours, so that a search finds what was taken."""

    def extract(captions: Sequence[str]) -> Iterator[Nouns]:
        for text in pipeline.pipe(captions):
            marked = [(token.pos_ in ("NOUN", "PROPN"), split_words(token.text)) for token in text]
            runs = [
                [word for _, words in run for word in words] for is_noun, run in groupby(marked, lambda one: one[0]) if is_noun
            ]
            nouns = frozenset(lemma(word) for run in runs for word in run if len(word) > 1)
            yield Nouns(nouns, frozenset(), join_runs(runs))

    return extract


def gather_task(paths: Sequence[Path], kind: str, rule: NounRule) -> NewTask:
    """The task of the nouns in files of captions (kind retrieval) or prompts (generation), those of most images first.

    Raises SourceError where a file cannot be read, and where no noun is in enough images.
    """
    books = Ledger()
    counts = NounCounts()
    captions: dict[str, list[Nouns]] = {}
    for path in paths:
        pairs = read_captions(path, books)
        while batch := list(islice(pairs, _BATCH)):
            for (image, _), nouns in zip(batch, rule.extract([caption for _, caption in batch]), strict=True):
                captions.setdefault(f"{path.name}\0{image}" if len(paths) > 1 and image.isdigit() else image, []).append(nouns)
    for found in captions.values():
        counts.add(found)
    kept, ledger = counts.keep(rule.least, phrases=rule.phrases)
    if not kept:
        raise SourceError(
            f"No noun is in at least {rule.least} of the {counts.images:,} images of {', '.join(path.name for path in paths)} "
            f"({books.written:,} captions read). Ask for fewer with --least."
        )
    unit = "prompts" if kind == "generation" else "images"
    form = f"nouns of at least {rule.least} of {counts.images:,} {unit} ({books.written:,} captions), by {rule.name}"
    return NewTask(
        tuple(kept),
        form,
        kind,
        skipped=dict(ledger.dropped) | dict(books.dropped),
        arguments={
            "files": [{"file": path.name, "sha256": file_sha256(path)} for path in paths],
            "rule": rule.name,
            "least_images": rule.least,
            "phrases": rule.phrases,
            "images": counts.images,
            "captions": books.entry(),
            "nouns": ledger.entry(),
        },
    )
