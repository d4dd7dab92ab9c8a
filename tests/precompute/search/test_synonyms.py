"""Any of a concept's names as a phrase is a hit of it, once a caption, and every name keeps its own count."""

import pyarrow as pa

from backend.synonyms import METHOD, explain_names, gather_names
from precompute.search.synonyms import fold_names
from precompute.search.text import compile_vocabulary, search_captions

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
