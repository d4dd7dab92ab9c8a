"""Finds closed and open spellings of concepts ("hotdog", "hot dog") that are in use: in captions, or in tables of nouns.

Two words may be closed where the tables know the closed one, or enough captions have it; one word is opened only where enough
captions have it open ("carpet" is no "car pet"). A spelling that is a concept of the study itself counts as written.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path

from backend.nouns import is_noun, lemma
from backend.schema import table_files
from backend.words import drop_hint, split_words
from precompute.search.corpus_files import read_batches

LEAST_CAPTIONS = 5
MOST_CAPTIONS = 200_000  # of a corpus that are looked at: a spelling that stands in none of them is rare
AT_ONCE = 1 << 16
_SHORTEST_PART = 2

Spelling = tuple[str, ...]  # what makes it another one: a closed word, or two words


def find_spellings(
    concepts: Sequence[str], captions: Iterable[str] = (), least: int = LEAST_CAPTIONS
) -> dict[str, tuple[str, ...]]:
    """concept -> its other spellings, of those that have some.

    >>> find_spellings(["hot dog", "tea pot", "carpet", "frisbee"])
    {'hot dog': ('hotdog',), 'tea pot': ('teapot',)}
    """
    proposed = {concept: dict(_propose(concept)) for concept in concepts}
    known = set(concepts)
    counts = _count_spellings(captions, {spelling for names in proposed.values() for spelling in names.values()})

    def is_written(name: str, spelling: Spelling) -> bool:
        closed = len(spelling) == 1 and is_noun(spelling[0])
        return name in known or closed or counts[spelling] >= least

    found = {
        concept: tuple(name for name, spelling in names.items() if is_written(name, spelling))
        for concept, names in proposed.items()
    }
    return {concept: names for concept, names in found.items() if names}


def read_indexed_captions(study: Path) -> Iterator[str]:
    """Captions of every corpus that a study holds samples of, the first 200,000 of each."""
    for files in table_files(study, "samples").values():
        batches = read_batches(files, AT_ONCE, ["caption"])
        yield from islice((caption for batch in batches for caption in batch["caption"].to_pylist()), MOST_CAPTIONS)


def _propose(concept: str) -> Iterator[tuple[str, Spelling]]:
    """The names that another spelling would give a concept, and what would be written for them, as lemmas."""
    words = split_words(drop_hint(concept))
    for place, (first, second) in enumerate(pairwise(words)):
        if (first + second).isalpha():
            yield " ".join([*words[:place], first + second, *words[place + 2 :]]), (lemma(first + second),)
    if len(words) == 1 and words[0].isalpha():
        for end in range(_SHORTEST_PART, len(words[0]) - _SHORTEST_PART + 1):
            first, second = words[0][:end], words[0][end:]
            yield f"{first} {second}", (first, lemma(second))


def _count_spellings(captions: Iterable[str], wanted: set[Spelling]) -> Mapping[Spelling, int]:
    """In how many captions each of some spellings stands."""
    counts: Counter[Spelling] = Counter()
    for caption in captions:
        words = split_words(caption)
        nouns = [lemma(word) for word in words]
        here = {(noun,) for noun in nouns} | {(word, noun) for word, noun in zip(words, nouns[1:], strict=False)}
        counts.update(here & wanted)
    return counts
