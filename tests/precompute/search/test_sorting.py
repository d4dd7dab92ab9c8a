"""Hits are sorted as their table is, in memory and on disk alike."""

import numpy as np
import pyarrow as pa
import pytest

from precompute.search import sorting
from precompute.search.images import HITS_SCHEMA
from precompute.search.match import Methods
from precompute.search.sorting import open_sort
from tests.text_hits import make_text_hits

METHODS = Methods(("lemmatized", "phrase"), ("openclip@0.20", "openclip@0.30"), (0.2, 0.3), "openclip@0.30")
NAMES = ["fern", "rose"]


def sort(place, parts: list, methods: Methods = METHODS) -> list[tuple]:
    """The sorted rows; each part has text hits (method, sample_id, concept) and image hits (sample_id, concept, score)."""
    with open_sort(place) as hits:
        for text, image in parts:
            shown = [dict(zip(HITS_SCHEMA.names, row, strict=True)) for row in image]
            hits.add(make_text_hits(text), pa.Table.from_pylist(shown, schema=HITS_SCHEMA))
        rows = [tuple(row.values()) for table in hits.sort(NAMES, methods) for row in table.to_pylist()]
    assert not place.exists()
    return rows


@pytest.mark.parametrize("held", [0, 1 << 24])
def test_a_concepts_images_come_first_and_the_surest_before_others(tmp_path, monkeypatch, held):
    monkeypatch.setattr(sorting, "HELD_HITS", held)
    parts = [
        (
            [("lemmatized", 1, 0), ("phrase", 1, 0), ("lemmatized", 0, 1), ("lemmatized", 2, 1)],
            [(0, 0, 0.25), (2, 0, 0.5), (1, 1, 0.75)],
        ),
        ([("lemmatized", 7, 0)], [(7, 0, 0.5)]),
    ]
    assert sort(tmp_path / "sort", parts) == [
        ("fern", "image", "openclip@0.20", 2, 0.5),
        ("fern", "image", "openclip@0.20", 7, 0.5),
        ("fern", "image", "openclip@0.20", 0, 0.25),
        ("fern", "text", "lemmatized", 1, None),
        ("fern", "text", "lemmatized", 7, None),
        ("fern", "text", "phrase", 1, None),
        ("rose", "image", "openclip@0.20", 1, 0.75),
        ("rose", "text", "lemmatized", 0, None),
        ("rose", "text", "lemmatized", 2, None),
    ]


@pytest.mark.parametrize("held", [0, 1 << 24])
@pytest.mark.parametrize("parts", [[], [([], [])], [([("phrase", 3, 1)], [])]])
def test_without_images_or_any_hit_there_is_what_there_is(tmp_path, monkeypatch, held, parts):
    monkeypatch.setattr(sorting, "HELD_HITS", held)
    assert sort(tmp_path / "sort", parts, Methods(METHODS.text)) == [("rose", "text", "phrase", 3, None)] * (
        parts != [] and parts[0][0] != []
    )


def test_many_hits_are_sorted_alike_on_disk_and_in_memory(tmp_path, monkeypatch):
    chance = np.random.default_rng(0)
    parts = []
    for part in range(5):
        text = sorted(
            {
                (int(concept), str(method), int(sample))
                for concept, method, sample in zip(
                    chance.integers(0, 2, 300), chance.choice(METHODS.text, 300), chance.integers(0, 100, 300), strict=True
                )
            }
        )
        image = sorted(
            {
                (int(concept), int(sample))
                for concept, sample in zip(chance.integers(0, 2, 300), chance.integers(0, 100, 300), strict=True)
            }
        )
        parts.append(
            (
                [(method, sample + 100 * part, concept) for concept, method, sample in text],
                [(sample + 100 * part, concept, (sample * 37 % 8) / 8) for concept, sample in image],
            )
        )
    in_memory = sort(tmp_path / "sort", parts)
    monkeypatch.setattr(sorting, "HELD_HITS", 500)
    assert sort(tmp_path / "sort", parts) == in_memory
    assert len(in_memory) > 1_500
