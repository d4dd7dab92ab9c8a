"""The corpora of the invented world: deterministic, nested, with known shares of what captions get wrong."""

import tarfile
from collections import Counter

import numpy as np
import pytest

from precompute.corpus.registry import read_samples
from precompute.corpus.shard import Reading, Shard
from precompute.synthetic.corpora import (
    BALANCED,
    HELD_OUT,
    NEVER_SHOWN,
    PAIRS,
    TAGGER,
    draw_weights,
    hash_world,
    plan_collection,
    plan_portraits,
    tabulate_truth,
    write_shard,
)
from precompute.synthetic.pictures import Studio
from precompute.synthetic.species import SEED, draw_species

SPECIES = draw_species()
# changes with every species, caption and pixel: then the models are to be trained again
WORLD = "be580baca4bc00794396a5f8704b5f2b965a6211ffe579c99cc0fda38bddd013"


@pytest.fixture(scope="module")
def zipf():
    return plan_collection(SPECIES, "zipf-20k", SEED)


def test_the_world_is_the_one_that_the_models_were_trained_on():
    assert hash_world(SEED) == WORLD


def test_smaller_zipf_corpora_are_the_beginning_of_the_largest(zipf):
    for corpus in ("zipf-10k", "zipf-5k"):
        assert plan_collection(SPECIES, corpus, SEED) == zipf[: PAIRS[corpus]]


def test_zipf_counts_span_three_decades_and_some_species_are_never_shown_nor_named(zipf):
    shown = Counter(one for plan in zipf for one in plan.shown)
    named = Counter(one for plan in zipf for one in plan.named)
    never = set(np.flatnonzero(draw_weights(540, SEED) == 0).tolist())
    assert len(never) == NEVER_SHOWN
    assert not never & (set(shown) | set(named))
    assert max(shown.values()) > 1000
    assert min(shown.values()) <= 3


def test_a_balanced_corpus_shows_every_species_about_equally_often():
    shown = Counter(one for plan in plan_collection(SPECIES, BALANCED, SEED) for one in plan.shown)
    assert len(shown) == 540
    assert max(shown.values()) - min(shown.values()) < 16


def test_shares_of_what_captions_get_wrong_are_the_stated_ones(zipf):
    share = {kind: count / len(zipf) for kind, count in Counter(plan.kind for plan in zipf).items()}
    assert share["wrong"] == pytest.approx(0.05 * (0.85 + 0.1 * 0.7), abs=0.005)
    assert share["silent"] == pytest.approx(0.05 * (0.85 + 0.1 * 0.7), abs=0.005)
    assert share["partial"] == pytest.approx(0.1 * 0.3, abs=0.004)
    assert share["absent"] == pytest.approx(0.05 * 0.4, abs=0.003)
    assert share["empty"] == pytest.approx(0.05 * 0.6, abs=0.004)


@pytest.mark.parametrize(
    ("kind", "fits"),
    [
        ("true", lambda plan: plan.named == plan.shown != ()),
        ("wrong", lambda plan: len(plan.named) == 1 and plan.shown and not set(plan.named) & set(plan.shown)),
        ("silent", lambda plan: plan.shown and not plan.named),
        ("partial", lambda plan: len(plan.shown) == 2 and plan.named == plan.shown[:1]),
        ("absent", lambda plan: not plan.shown and len(plan.named) == 1),
        ("empty", lambda plan: not plan.shown and not plan.named),
    ],
)
def test_each_kind_of_sample_is_what_it_says(zipf, kind, fits):
    plans = [plan for plan in zipf if plan.kind == kind]
    assert len(plans) > 100
    assert all(fits(plan) for plan in plans)


def test_held_out_pairs_and_the_tagger_corpus_tell_the_truth():
    for collection in (HELD_OUT, TAGGER):
        assert {plan.kind for plan in plan_collection(SPECIES, collection, SEED)} == {"true", "empty"}


def test_portraits_show_each_species_alone():
    assert [(plan.number, plan.shown, plan.caption) for plan in plan_portraits(SPECIES, [4, 9], 2)] == [
        (0, (4,), SPECIES[4].name),
        (1, (4,), SPECIES[4].name),
        (2, (9,), SPECIES[9].name),
        (3, (9,), SPECIES[9].name),
    ]


def test_a_shard_is_the_same_bytes_each_time_and_the_general_reader_reads_it(zipf, tmp_path):
    studio = Studio(SPECIES, SEED)
    for name in ("a.tar", "b.tar"):
        write_shard(tmp_path / name, studio, "zipf-20k", zipf[:6])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    reading = Reading()
    samples = list(read_samples(Shard(0, tmp_path / "a.tar", "tar"), reading))
    assert [sample.caption for sample in samples] == [plan.caption for plan in zipf[:6]]
    assert (reading.samples.written, reading.samples.dropped.total()) == (6, 0)
    assert reading.members.entry() == {"read": 18, "written": 12, "dropped": {"plays no part: .json": 6}}
    start, length = samples[2].image.offset, samples[2].image.length
    assert (tmp_path / "a.tar").read_bytes()[start : start + length] == studio.photograph("zipf-20k", 2, zipf[2].shown)


def test_the_truth_is_not_in_the_shards(zipf, tmp_path):
    write_shard(tmp_path / "a.tar", Studio(SPECIES, SEED), "zipf-20k", zipf[:3])
    with tarfile.open(tmp_path / "a.tar") as tar:
        about = tar.extractfile("00000000.json").read()
        assert tar.getnames()[:3] == ["00000000.jpg", "00000000.txt", "00000000.json"]
    assert b"shown" not in about
    assert tabulate_truth(zipf[:1]).to_pylist() == [
        {
            "number": 0,
            "caption": zipf[0].caption,
            "kind": zipf[0].kind,
            "shown": list(zipf[0].shown),
            "named": list(zipf[0].named),
        }
    ]
