"""The corpora and the held-out sets of the invented world: which sample shows and names what, and their files.

A collection is planned whole (what each sample shows and what its caption names), then drawn shard by shard into webdataset
tar files: KEY.jpg, KEY.txt, KEY.json. What was planned is the truth; it is kept beside the shards and no search step reads it.
"""

import hashlib
import io
import json
import tarfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from backend.writing import write_file
from precompute.synthetic.captions import write_caption
from precompute.synthetic.pictures import SIDE, Studio, make_rng
from precompute.synthetic.species import Species, draw_species

SHARD = 1_000  # samples in one tar file
NESTED = {"zipf-20k": 20_000, "zipf-10k": 10_000, "zipf-5k": 5_000}  # the smaller ones are the first shards of the largest
BALANCED = "balanced-20k"
TAGGER = "tagger-30k"  # what the tagger is trained on: pictures of its own, with captions that tell the truth
VALIDATION = "validation"  # where the tagger's threshold is chosen
HELD_OUT = "held-out"  # pairs for retrieval, two of each species
TEST = "test"  # portraits for classification
TEST_EACH = 10  # of every species
PAIRS = NESTED | {BALANCED: 20_000, TAGGER: 30_000, VALIDATION: 2_000, HELD_OUT: 1_080}
_TRUTHFUL = (TAGGER, VALIDATION, HELD_OUT)
ZIPF_EXPONENT = 1.25
ZIPF_OFFSET = 4  # Mandelbrot's: without it a fifth of all pictures would show one species, in a batch dozens
NEVER_SHOWN = 36  # species of frequency zero in the Zipf corpora
SHARES = {  # of samples
    "two": 0.10,  # two species in the picture
    "empty": 0.05,  # no species in the picture
    "wrong": 0.05,  # the caption names another species than the picture shows
    "silent": 0.05,  # the caption names none of what the picture shows
    "absent": 0.40,  # of the empty ones: the caption names a species all the same
    "partial": 0.30,  # of those with two: the caption names one of them
}
TRUTH_SCHEMA = pa.schema(
    [("number", pa.int64()), ("caption", pa.string()), ("kind", pa.string())]
    + [(name, pa.list_(pa.int32())) for name in ("shown", "named")]
)


@dataclass(frozen=True)
class Plan:
    """One sample before it is drawn: the numbers of the species shown and named, its caption, and how the two agree."""

    number: int
    shown: tuple[int, ...]
    named: tuple[int, ...]
    caption: str
    kind: str  # true, wrong, silent, absent, partial or empty


def draw_weights(species: int, seed: int) -> np.ndarray:
    """The share of every species in the Zipf corpora (species,), summing to 1; NEVER_SHOWN of them are 0.

    Which species is how frequent is drawn by lot, so that frequency has nothing to do with looks or names.
    """
    ranks = np.arange(1, species - NEVER_SHOWN + 1, dtype=np.float64)
    weights = np.concatenate([(ranks + ZIPF_OFFSET) ** -ZIPF_EXPONENT, np.zeros(NEVER_SHOWN)])
    return (weights / weights.sum())[make_rng(seed, "ranks").permutation(species)]


def plan_collection(species: tuple[Species, ...], collection: str, seed: int) -> list[Plan]:
    """The samples of a collection of PAIRS; all but the Zipf corpora show every species about equally often."""
    if collection in NESTED:
        rng, shares = make_rng(seed, "plan zipf"), draw_weights(len(species), seed).cumsum()
        shares = (shares / shares[-1]).tolist()
        stream = iter(lambda: bisect_right(shares, rng.random()), None)
    else:
        rng = make_rng(seed, f"plan {collection}")
        stream = (int(one) for _ in iter(int, 1) for one in rng.permutation(len(species)))
    truthful = collection in _TRUTHFUL
    return [_plan_sample(rng, species, stream, number, truthful) for number in range(PAIRS[collection])]


def plan_portraits(species: tuple[Species, ...], numbers: Sequence[int], each: int) -> list[Plan]:
    """`each` pictures of every species of these numbers, alone in the picture, with its name as the caption."""
    portrayed = [one for one in numbers for _ in range(each)]
    return [Plan(number, (one,), (one,), species[one].name, "true") for number, one in enumerate(portrayed)]


def _plan_sample(
    rng: np.random.Generator, species: tuple[Species, ...], stream: Iterator[int], number: int, truthful: bool
) -> Plan:
    chance, quirk = rng.random(2)
    if chance < SHARES["empty"]:
        shown, kind = (), "absent" if quirk < SHARES["absent"] else "empty"
    elif chance < SHARES["empty"] + SHARES["two"]:
        shown, kind = _take(stream, 2), "partial" if quirk < SHARES["partial"] else _choose_kind(rng)
    else:
        shown, kind = _take(stream, 1), _choose_kind(rng)
    if truthful:
        kind = "true" if shown else "empty"
    named = {"true": shown, "partial": shown[:1], "silent": (), "empty": ()}.get(kind)
    if named is None:  # wrong or absent: some other species, out of the same lot, so what is never shown is never named
        named = tuple(one for one in _take(stream, len(shown) + 1) if one not in shown)[:1]
    return Plan(number, shown, named, write_caption(rng, [species[one] for one in named]), kind)


def hash_world(seed: int) -> str:
    """SHA-256 of what the seed says about the world: species, the plans of all collections, and a picture of each species."""
    species = draw_species(seed)
    studio = Studio(species, seed)
    digest = hashlib.sha256(repr(species).encode())
    for collection in PAIRS:
        digest.update(repr(plan_collection(species, collection, seed)).encode())
    for one in species:
        digest.update(studio.photograph(TEST, one.number, (one.number,)))
    return digest.hexdigest()


def _choose_kind(rng: np.random.Generator) -> str:
    chance = rng.random()
    return "wrong" if chance < SHARES["wrong"] else "silent" if chance < SHARES["wrong"] + SHARES["silent"] else "true"


def _take(stream: Iterator[int], count: int) -> tuple[int, ...]:
    """The next species, all different."""
    taken: dict[int, None] = {}
    while len(taken) < count:
        taken[next(stream)] = None
    return tuple(taken)


def write_shard(path: Path, studio: Studio, collection: str, plans: Sequence[Plan], *, labelled: bool = False) -> None:
    """Draws these samples into one tar file, through a temporary name; the same plans make the same bytes.

    `labelled`: portraits, with the species' number as a class label (KEY.cls) in the place of caption and description.
    """
    with write_file(path) as part, tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
        for plan in plans:
            key = f"{plan.number:08d}"
            _add(tar, f"{key}.jpg", studio.photograph(collection, plan.number, plan.shown))
            if labelled:
                _add(tar, f"{key}.cls", str(plan.shown[0]).encode())
                continue
            about = {"key": key, "caption": plan.caption, "width": SIDE, "height": SIDE}
            _add(tar, f"{key}.txt", plan.caption.encode())
            _add(tar, f"{key}.json", json.dumps(about).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # no owner and no time: the same bytes on any day
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def tabulate_truth(plans: list[Plan]) -> pa.Table:
    """What was planned, a row for each sample: the truth that is kept beside the shards."""
    return pa.Table.from_pylist([vars(plan) for plan in plans], schema=TRUTH_SCHEMA)
