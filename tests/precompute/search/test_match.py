"""Matching a shard's hits says what sets of concepts say, sample by sample; compiled, and as Python runs the same loops."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precompute.search import match_kernels
from precompute.search.disagreements import NO_CONCEPT, spread_samples
from precompute.search.images import HITS_SCHEMA
from precompute.search.match import CHOSEN_TEXT, Methods, ShardPart, match_part
from tests.text_hits import make_text_hits

CONCEPTS = ["ant", "bee", "cat", "dog"]
METHODS = Methods((CHOSEN_TEXT, "phrase"), ("openclip@0.25", "openclip@0.50"), (0.25, 0.5), "openclip@0.25")
HITS = st.dictionaries(st.tuples(st.integers(0, 7), st.integers(0, 3)), st.sampled_from([0.25, 0.375, 0.5, 0.75]), max_size=20)
ORDERS = st.randoms(use_true_random=False)


def match_by_sets(text: dict, image: dict, first: int, step: int) -> tuple[list[dict], dict[str, tuple[int, int]]]:
    """The rows of misaligned samples, and by joint method the samples with a concept and those that disagree."""
    rows, counts = [], dict.fromkeys(METHODS.joint, (0, 0))
    for sample in range(8):
        named = {concept for row, concept in text if row == sample}
        shown = sorted((-score, concept) for (row, concept), score in image.items() if row == sample)
        agreed = max((-score for score, concept in shown if concept in named), default=None)
        for joint, least in zip(METHODS.joint, METHODS.thresholds, strict=True):
            at_least = {concept for score, concept in shown if -score >= least}
            some, differ = bool(named or at_least), bool(named and at_least and not named & at_least)
            counts[joint] = (counts[joint][0] + some, counts[joint][1] + differ)
        if (named or shown) and (agreed is None or agreed < METHODS.thresholds[-1]):
            row = {
                "sample_id": first + sample * step,
                "text_concepts": [CONCEPTS[concept] for concept in sorted(named)],
                "image_concepts": [CONCEPTS[concept] for _, concept in shown],
                "image_scores": [-score for score, _ in shown],
                "best": -shown[0][0] if shown else None,
                "agreed": agreed,
            }
            rows.append(row)
    return rows, counts


@pytest.mark.parametrize("few", [0, 1 << 40])
@pytest.mark.parametrize(("first", "step"), [(0, 1), (50, 1), (7, 3)])
@settings(max_examples=40, deadline=None)
@given(HITS, HITS, ORDERS)
def test_matching_says_what_sets_say(few, first, step, text, image, order):
    text, image = list(text), dict(order.sample(sorted(image.items()), len(image)))
    order.shuffle(text)
    named = [(CHOSEN_TEXT, first + row * step, concept) for row, concept in text]
    named += [("phrase", first + row * step, concept) for row, concept in text[::2]]
    shown = [(first + row * step, concept, score) for (row, concept), score in image.items()]
    part = ShardPart(
        pa.table({"sample_id": pa.array(first + np.arange(8) * step, pa.int64())}),
        make_text_hits(named),
        pa.table([list(column) for column in zip(*shown, strict=True)] or [[], [], []], schema=HITS_SCHEMA),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(match_kernels, "FEW_HITS", few)
        table, counts = match_part(part, CONCEPTS, METHODS)
    rows, expected = match_by_sets(text, image, first, step)
    assert table.to_pylist() == rows
    assert {joint: (counts.extracted[joint], counts.misaligned[joint]) for joint in METHODS.joint} == expected
    for name, hits in (("phrase", text[::2]), (CHOSEN_TEXT, text), ("openclip@0.25", image)):
        assert counts.hits[name].tolist() == [sum(concept == number for _, concept in hits) for number in range(4)]
    joint = [sum((row, number) in image for row, concept in text if concept == number) for number in range(4)]
    assert counts.hits[METHODS.joint[0]].tolist() == joint


def make_part(text: list[tuple], image: list[tuple], samples: int = 3) -> ShardPart:
    shown = pa.table([list(column) for column in zip(*image, strict=True)], schema=HITS_SCHEMA)
    return ShardPart(pa.table({"sample_id": pa.array(np.arange(samples), pa.int64())}), make_text_hits(text), shown)


@pytest.fixture(params=[0, 1 << 40], ids=["compiled", "plain"])
def loops(request, monkeypatch):
    monkeypatch.setattr(match_kernels, "FEW_HITS", request.param)


def test_image_hits_below_the_lowest_threshold_are_none(loops):
    text = [(CHOSEN_TEXT, 0, 1), ("phrase", 0, 1), (CHOSEN_TEXT, 1, 2)]
    high = [(0, 3, 0.25), (1, 0, 0.5), (2, 2, 0.75)]
    low = [(0, 1, 0.24), (1, 2, 0.125), (2, 0, 0.0)]
    (table, counts), (expected, their) = (match_part(make_part(text, image), CONCEPTS, METHODS) for image in (low + high, high))
    assert table.to_pylist() == expected.to_pylist()
    assert {name: hits.tolist() for name, hits in counts.hits.items()} == {
        name: hits.tolist() for name, hits in their.hits.items()
    }
    assert counts.misaligned == {"lemmatized+openclip@0.25": 2, "lemmatized+openclip@0.50": 1}
    matrix = counts.together["openclip@0.25"].toarray()
    assert matrix.sum() == 0  # no sample has two concepts that count


def test_hits_of_a_method_that_is_not_asked_for_count_nowhere(loops):
    text = [(CHOSEN_TEXT, 0, 1), ("lowercased", 0, 2), ("phrase", 1, 1)]
    _, counts = match_part(make_part(text, [(0, 2, 0.5)]), CONCEPTS, METHODS)
    assert (counts.hits[CHOSEN_TEXT].tolist(), counts.hits["phrase"].tolist()) == ([0, 1, 0, 0], [0, 1, 0, 0])
    assert counts.misaligned["lemmatized+openclip@0.50"] == 1  # `lowercased` would have agreed


def test_misaligned_samples_lie_by_every_concept_that_they_are_about(loops):
    text = [(CHOSEN_TEXT, 0, 1), (CHOSEN_TEXT, 0, 2), (CHOSEN_TEXT, 1, 3), (CHOSEN_TEXT, 2, 1)]
    table, _ = match_part(make_part(text, [(0, 1, 0.25), (0, 3, 0.75), (1, 0, 0.375)]), CONCEPTS, METHODS)
    rows = [tuple(row.values()) for row in spread_samples(table, CONCEPTS).to_pylist()]
    assert rows == [  # concept, sample_id, said, named, score, best, agreed
        (NO_CONCEPT, 0, True, True, 0.75, 0.75, 0.25),
        (NO_CONCEPT, 1, True, True, 0.375, 0.375, None),
        (NO_CONCEPT, 2, True, True, None, None, None),
        (0, 1, False, True, 0.375, 0.375, None),
        (1, 0, True, True, 0.25, 0.75, 0.25),
        (1, 2, True, True, None, None, None),
        (2, 0, True, True, None, 0.75, 0.25),
        (3, 0, False, True, 0.75, 0.75, 0.25),
        (3, 1, True, True, None, 0.375, None),
    ]


@pytest.mark.parametrize("sample", [-1, 3, 1 << 40])
def test_a_hit_of_a_sample_that_the_part_lacks_is_no_silent_mistake(loops, sample):
    with pytest.raises(AssertionError, match="has the samples of its hits"):
        match_part(make_part([(CHOSEN_TEXT, sample, 1)], [(0, 2, 0.5)]), CONCEPTS, METHODS)
