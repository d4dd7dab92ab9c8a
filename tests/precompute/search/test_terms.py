"""An index of all words counts what the search counts, whatever stands in a caption; it is of the study's own samples."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.errors import EmptySelection, MissingTable, TailscopeError
from backend.study import Study
from backend.terms import METHODS, count_term, find_captions, list_termed_corpora, terms_path
from backend.validation import study_faults
from backend.words import is_run, lemmas, list_searched
from precompute.search import terms
from precompute.search.index import Request, index_study
from precompute.search.terms import update_terms
from precompute.search.text import compile_vocabulary, search_captions
from precompute.vocabulary import add_tasks
from tests.precompute.search.test_text_engine import ANY_CAPTION, CONCEPTS, read_real_captions
from tests.tiny_study import count_rows, write_study

NAMES = (*CONCEPTS, "hors", "glas", "cherub", "shoe dress", "gra", "foie", "net", "disney", "a b", "東 日", "日本の", "1")


def index_captions(folder: Path, captions: list[str]) -> Study:
    """A study of these captions, numbered from 0, with an index of all their words."""
    samples = [{"corpus": "mine", "sample_id": number, "caption": caption} for number, caption in enumerate(captions)]
    write_study(folder, count_rows("mine", "lemmatized", {"rose": 1}), samples=samples)
    update_terms(folder, folder.with_name("work"), "mine", wanted=True)
    return Study(folder)


def count_searched(captions: list[str], names: list[str]) -> dict[str, list[int]]:
    """How many captions the search finds each name in, by each method that an index knows."""
    found = search_captions(pa.array(captions, pa.string()), compile_vocabulary(names, METHODS))
    return {method: np.bincount(concepts, minlength=len(names)).tolist() for method, (_, concepts) in found.items()}


def count_indexed(study: Study, names: list[str], method: str) -> list[int]:
    return [count_term(study, "mine", name, method).count for name in names]


@settings(deadline=None, max_examples=15)
@given(st.lists(ANY_CAPTION.filter(bool), min_size=1, max_size=40), st.lists(st.text(max_size=6), max_size=8))
@example(["horses and glasses", "shoes, dresses; axes", "東日本の花 日本", "a .net, disney+ & c++", "cherubi"], ["cherubus"])
def test_index_counts_what_the_search_counts_on_any_text(tmp_path_factory, captions, more):
    names = [name for name in (*NAMES, *more) if list_searched(name)]
    ordered = [name for name in names if len(lemmas(name)) < 2 or not any(map(is_run, lemmas(name)))]
    folder = tmp_path_factory.mktemp("terms")
    study = index_captions(folder / "study", captions)
    assert count_indexed(study, names, "lemmatized") == count_searched(captions, names)["lemmatized"]
    assert count_indexed(study, ordered, "phrase") == count_searched(captions, ordered)["phrase"]
    shutil.rmtree(folder)


def test_index_counts_what_the_search_counts_on_all_real_captions(tmp_path, shared_data, published_study):
    captions = [caption for caption in read_real_captions(shared_data) if caption]
    concepts = published_study.query("SELECT DISTINCT concept FROM concepts ORDER BY concept")["concept"].tolist()
    names = [name for name in concepts if list_searched(name)][:: len(concepts) // 300]
    assert len(names) >= 300
    study, expected = index_captions(tmp_path / "study", captions), count_searched(captions, names)
    assert sum(map(bool, expected["phrase"])) > 100
    for method in METHODS:
        assert count_indexed(study, names, method) == expected[method]


def test_further_forms_of_a_phrase_count_in_their_place(tmp_path):
    captions = ["great white sharks", "white great shark", "foie gras", "foie gra", "the gras foie"]
    study = index_captions(tmp_path / "study", captions)
    assert count_term(study, "mine", "great white shark", "phrase").count == 1
    assert count_term(study, "mine", "great white shark", "lemmatized").count == 2
    assert count_indexed(study, ["foie gras"], "phrase") == count_searched(captions, ["foie gras"])["phrase"]


def test_captions_and_words_that_are_left_out_are_counted_and_hold_their_place(tmp_path, monkeypatch):
    monkeypatch.setattr(terms, "SURELY_SHORT", 5)
    monkeypatch.setattr(terms, "LONGEST_KEY", 20)
    study = index_captions(tmp_path / "study", ["a red " + "x" * 21 + " rose", "!!!", "red rose"])
    assert study.manifest.counts["terms"]["mine"] == {
        "captions": {"read": 3, "written": 2, "dropped": {"caption without a word": 1}},
        "words": {"read": 6, "written": 5, "dropped": {"word too long for the index": 1}},
    }
    assert count_term(study, "mine", "red rose", "phrase").count == 1
    assert count_term(study, "mine", "red rose", "lemmatized").count == 2
    assert count_term(study, "mine", "red rose", "phrase").captions == 3


@pytest.fixture
def begun(tmp_path):
    """A study that knows its concepts, and captions to index."""
    (tmp_path / "names.txt").write_text("rose\nfern\n")
    (tmp_path / "web.csv").write_text("caption\na rose\nroses and a zeppelin\n")
    add_tasks(tmp_path / "mine", {"plants": tmp_path / "names.txt"})
    return tmp_path / "mine"


def ask(study: Path, **options) -> None:
    index_study(study, Request("web", [str(study.parent / "*.csv")], **options))


def test_index_is_added_to_a_corpus_that_is_there_and_made_once(begun):
    ask(begun)
    with pytest.raises(MissingTable, match="--corpus web --shards GLOB --terms all"):
        count_term(Study(begun), "web", "zeppelin", "phrase")
    before = Study(begun).manifest.tables
    ask(begun, terms=True)
    study = Study(begun)
    assert study.manifest.tables == before
    assert count_term(study, "web", "zeppelins", "phrase").count == 1
    assert find_captions(study, "web", "zeppelin", "phrase")["caption"].tolist() == ["roses and a zeppelin"]
    assert study_faults(begun) == []
    created = (begun / "manifest.json").stat().st_mtime_ns
    ask(begun, terms=True)
    assert (begun / "manifest.json").stat().st_mtime_ns == created


def test_index_follows_the_samples_without_being_asked_for_again(begun):
    ask(begun, terms=True)
    (begun.parent / "more.csv").write_text("caption\nanother zeppelin\n")
    ask(begun)
    assert count_term(Study(begun), "web", "zeppelin", "phrase").count == 2
    assert study_faults(begun) == []


def test_index_of_a_run_that_was_killed_is_made_by_the_next(begun, monkeypatch):
    ask(begun, terms=True)
    (begun.parent / "more.csv").write_text("caption\nanother zeppelin\n")
    with monkeypatch.context() as patched:
        patched.setattr(terms, "checksum_terms", lambda folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ask(begun)
    study = Study(begun)
    assert list_termed_corpora(study) == []
    assert study_faults(begun) == [
        "terms/web: is an index of other samples than the study's. Index them again with --terms all"
    ]
    ask(begun)
    assert count_term(Study(begun), "web", "zeppelin", "phrase").count == 2
    assert study_faults(begun) == []


def test_samples_that_change_meanwhile_are_refused(begun, monkeypatch):
    ask(begun)
    build = terms.build_terms

    def build_while_another_indexes(*arguments):
        (begun.parent / "more.csv").write_text("caption\nanother zeppelin\n")
        monkeypatch.setattr(terms, "build_terms", build)
        ask(begun)
        return build(*arguments)

    monkeypatch.setattr(terms, "build_terms", build_while_another_indexes)
    with pytest.raises(TailscopeError, match="The samples of 'web' changed while their words were indexed"):
        update_terms(begun, begun.parent, "web", wanted=True)


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (shutil.rmtree, "terms/web: listed in the manifest, but missing"),
        (lambda folder: (folder / "meta.json").write_text("{}"), "terms/web: is not the index that the manifest describes"),
        (
            lambda folder: shutil.copytree(folder, folder.with_name("other")),
            "terms/other: lies here, but the manifest does not",
        ),
    ],
)
def test_check_notices_an_index_that_is_missing_damaged_or_unknown(begun, harm, fault):
    ask(begun, terms=True)
    harm(terms_path(begun, "web"))
    (found,) = study_faults(begun)
    assert found.startswith(fault)


def test_phrase_with_a_run_of_an_unspaced_script_is_refused_in_order_and_counted_without(tmp_path):
    study = index_captions(tmp_path / "study", ["ipad 新日本語", "日本語 ipad"])
    assert count_term(study, "mine", "ipad 日本", "lemmatized").count == 2
    with pytest.raises(EmptySelection, match="not in order"):
        count_term(study, "mine", "ipad 日本", "phrase")
