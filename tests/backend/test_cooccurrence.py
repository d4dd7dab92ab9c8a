"""Company of a concept: expected by chance, smoothed, and which of it stands out."""

import math

import pytest

from backend import cooccurrence
from backend.errors import EmptySelection
from tests.tiny_study import count_rows, write_study

COUNTS = {"bee": 100, "cat": 50, "hot dog": 10, "dog": 40, "elk": 60, "zib": 0}
SEEN = {("bee", "cat"): 30, ("bee", "dog"): 4, ("dog", "hot dog"): 10}


@pytest.fixture
def study(tmp_path):
    rows = [
        {"corpus": "web", "concept": one, "other": other, "modality": "text", "method": "lemmatized", "count": count}
        for pair, count in SEEN.items()
        for one, other in (pair, pair[::-1])
    ]
    corpora = [{"corpus": "web", "title": "Web", "pairs": 1_000, "indexed": 1_000, "source": "a test"}]
    counts = count_rows("web", "lemmatized", COUNTS)
    return write_study(tmp_path / "s", counts, corpora=corpora, cooccurrences=rows)


def test_company_is_set_against_the_product_of_both_shares(study):
    rows = cooccurrence.list_company(study, "bee", "web", "lemmatized").set_index("other")
    assert rows["together"].to_dict() == {"cat": 30, "dog": 4, "hot dog": 0, "elk": 0}
    assert rows["expected"].to_dict() == pytest.approx({"cat": 5, "dog": 4, "hot dog": 1, "elk": 6})
    assert rows.loc["cat", "pmi"] == pytest.approx(math.log2(30.5 / 5.5))
    assert rows.loc["dog", "pmi"] == 0


def test_company_far_from_chance_stands_out_in_either_direction(study):
    rows = cooccurrence.list_company(study, "bee", "web", "lemmatized").set_index("other")
    # e^-6 twice is 0.005 for the elk, e^-1 twice 0.74 for the hot dog
    assert rows["stands_out"].to_dict() == {"cat": True, "dog": False, "hot dog": False, "elk": True}


def test_name_within_a_name_is_marked_and_never_stands_out(study):
    rows = cooccurrence.list_company(study, "hot dog", "web", "lemmatized").set_index("other")
    assert rows["nested"].to_dict() == {"dog": True, "bee": False, "cat": False, "elk": False}
    assert not rows.loc["dog", "stands_out"]


def test_concept_without_a_sample_has_no_company(study):
    with pytest.raises(EmptySelection, match="No sample of 'web' shows “zib” by lemmatized"):
        cooccurrence.list_company(study, "zib", "web", "lemmatized")


def test_corpora_and_methods_whose_pairs_were_counted(study):
    assert cooccurrence.list_paired_corpora(study) == ["web"]
    assert cooccurrence.list_paired_methods(study, "web") == {"text": "lemmatized"}
