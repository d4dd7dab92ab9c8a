"""Any of a concept's names as a phrase is a hit of it, once a caption, and every name keeps its own count."""

import pyarrow as pa
import pytest

from backend.study import Study
from backend.synonyms import METHOD, explain_names, gather_names
from backend.validation import study_faults
from precompute.search.index import Request, index_study
from precompute.search.synonyms import add_synonyms, fold_names
from precompute.search.text import compile_vocabulary, search_captions
from precompute.vocabulary import add_tasks
from tests.precompute.colour_shards import picture, write_shard

CONCEPTS = ("crane", "hot dog", "heron", "&")
SYNONYMS = {"crane": ["Grus", "heron"], "hot dog": ["hotdog", "frankfurter"], "unknown": ["x"]}
CAPTIONS = ["a crane", "two herons", "Grus grus and a crane", "hotdogs & hot dogs", "a dog so hot", "frankfurter", ""]


def test_hits_and_counts_of_names_by_hand():
    names = gather_names(CONCEPTS, SYNONYMS)
    assert names.names == (*CONCEPTS, "grus", "hotdog", "frankfurter")
    assert names.owners == ((0,), (1,), (2, 0), (3,), (0,), (1,), (1,))  # "heron" is a concept, and a name of the crane
    folded = fold_names(search_captions(pa.array(CAPTIONS), compile_vocabulary(names.names)), names, len(CONCEPTS))
    rows, concepts = folded.found[METHOD]
    assert list(zip(rows.tolist(), concepts.tolist(), strict=True)) == [(0, 0), (1, 0), (1, 2), (2, 0), (3, 1), (5, 1)]
    assert dict(zip(names.names, folded.names.tolist(), strict=True)) == {
        **{"crane": 2, "hot dog": 1, "heron": 1, "&": 0, "grus": 1, "hotdog": 1, "frankfurter": 1}
    }


def test_other_methods_are_those_of_the_concepts_alone():
    names = gather_names(CONCEPTS, SYNONYMS)
    alone = search_captions(pa.array(CAPTIONS), compile_vocabulary(CONCEPTS))
    folded = fold_names(search_captions(pa.array(CAPTIONS), compile_vocabulary(names.names)), names, len(CONCEPTS))
    for method, pairs in alone.items():
        assert [side.tolist() for side in folded.found[method]] == [side.tolist() for side in pairs]


def test_what_counts_is_what_is_explained():
    names = gather_names(CONCEPTS, SYNONYMS)
    folded = fold_names(search_captions(pa.array(CAPTIONS), compile_vocabulary(names.names)), names, len(CONCEPTS))
    found = set(zip(*(side.tolist() for side in folded.found[METHOD]), strict=True))
    for row, caption in enumerate(CAPTIONS):
        for number, concept in enumerate(CONCEPTS):
            explained = explain_names(caption, [concept, *SYNONYMS.get(concept, ())])
            assert bool(explained) == ((row, number) in found)


def test_no_synonyms_and_no_captions():
    names = gather_names(["rose"], {})
    folded = fold_names(search_captions(pa.array(["a rose"]), compile_vocabulary(names.names)), names, 1)
    assert [side.tolist() for side in folded.found[METHOD]] == [[0], [0]]
    empty = fold_names(search_captions(pa.array([], pa.string()), compile_vocabulary(names.names)), names, 1)
    assert (empty.names.tolist(), [side.tolist() for side in empty.found[METHOD]]) == ([0], [[], []])


@pytest.fixture
def indexed(tmp_path):
    """A study of four concepts, two with other names, and a corpus of captions."""
    (tmp_path / "names.txt").write_text("crane\nhot dog\nheron\n&\n")
    pictures = [(caption, picture(0, 0, 0)) for caption in CAPTIONS if caption]
    write_shard(tmp_path / "a.tar", pictures)
    add_tasks(tmp_path / "mine", {"food": tmp_path / "names.txt"})
    return tmp_path / "mine"


def count(study, table: str, columns: str) -> list[tuple]:
    rows = Study(study).query(f"SELECT {columns}, count FROM {table} ORDER BY ALL")
    return list(rows.itertuples(index=False, name=None))


NAMES = [("crane", "crane", 2), ("crane", "grus", 1), ("crane", "heron", 1)]
NAMES += [("hot dog", "frankfurter", 1), ("hot dog", "hot dog", 1), ("hot dog", "hotdog", 1)]


@pytest.mark.parametrize("early", [True, False], ids=["named, then indexed", "indexed, then named"])
def test_names_are_counted_with_a_corpus_and_when_they_change(indexed, early):
    corpus = Request("web", [str(indexed.parent / "a.tar")])
    for step in (early, not early):
        if step:
            add_synonyms(indexed, {name: SYNONYMS[name] for name in ("crane", "hot dog")}, "file")
        else:
            index_study(indexed, corpus)
    assert study_faults(indexed) == []
    assert count(indexed, "name_counts", "concept, name") == NAMES
    by_any = [row[1:] for row in count(indexed, "frequency", "method, concept") if row[0] == METHOD]
    assert by_any == [("&", 0), ("crane", 3), ("heron", 1), ("hot dog", 2)]
    add_synonyms(indexed, {}, "file")
    assert study_faults(indexed) == []
    assert count(indexed, "name_counts", "concept, name") == []
    assert {row[0] for row in count(indexed, "frequency", "method, concept")} == {"lemmatized", "lowercased", "phrase"}
