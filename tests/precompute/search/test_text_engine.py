"""The compiled search finds what the plain one finds, whatever stands in a caption; where it cannot run, it says so."""

import gzip
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.study import ROOT
from precompute.search.text import METHODS, Vocabulary, compile_vocabulary, engine, search, search_captions
from precompute.search.text.engine import Engine
from precompute.search.text.reference import search_plainly

CONCEPTS = (
    "rose",
    "roses",
    "great white shark",
    "white great shark",
    "colt's foot",
    "new york new york",
    "jack-in-the-box",
    "at&t",
    "c",
    "c++",
    "c#",
    ".net",
    "disney+",
    "café",
    "crème brûlée",
    "日本",
    "本",
    "розы",
    "ёж",
    "foie gras",
    "axe",
    "axis",
    "t-shirt",
    "amp",
    "s",
    "2",
    "photosynthesis",
    "s photosynthesis",
    "!!!",
    "",
)
PIECES = (
    *CONCEPTS,
    *(
        "Roses",
        "ROSE'S",
        "rose`s",
        "rose’s",
        "rose's.net",
        "rose'sx",
        "'s",
        "x's's",
        "'",
        "`",
        "’",
        "&",
        "&amp;",
        "&amp;amp;eacute;",
    ),
    *(
        "&#32;",
        "&#x26;",
        "&nbsp;",
        "&;",
        ";",
        "..net",
        "a.net",
        ".NET",
        "...",
        "c+",
        "c+++",
        "a&b",
        "c&#99;",
        "#c#",
        "_",
        "-",
        "/",
    ),
    *(
        "\0",
        "\t",
        "\n",
        "\r",
        "\x1f",
        "\x7f",
        "\u00a0",
        "\u200b",
        "\u00ad",
        "\u0301",
        "\u0338",
        "=",
        "<",
        ">",
        "İ",
        "ß",
        "ﬁ",
        "™",
    ),
    *("東日本の花", "ยิ้ม", "한국", "👍🏽", "é", "e\u0301", "й", "Å", "①", "½", "photosynthesise", "PHOTOSYNTHESES", "x" * 300),
)
ANY_CAPTION = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=8).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.none(),
)


def found_by(one: Engine, captions: pa.Array) -> dict[str, list[list[int]]]:
    """The pairs of every method, found by a compiled search."""
    rows, concepts, sets = one.find_in_order(captions)
    assert sets.all()
    chosen = {name: sets & 1 << at != 0 for at, name in enumerate(METHODS)}
    return {name: [rows[which].tolist(), concepts[which].tolist()] for name, which in chosen.items()}


def found_plainly(captions: pa.Array, vocabulary: Vocabulary) -> dict[str, list[list[int]]]:
    return {name: [side.tolist() for side in pair] for name, pair in search_plainly(captions, vocabulary).items()}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    """Names of every kind."""
    return compile_vocabulary(CONCEPTS)


@pytest.fixture(scope="module")
def kept(vocabulary) -> Engine:
    """A search that goes on with the words that earlier examples brought."""
    return Engine(vocabulary)


@settings(deadline=None, max_examples=600)
@given(st.lists(ANY_CAPTION, max_size=6))
@example(["rose`s é", "rose`s", "rose`s &eacute;", "rose's.net", "\u0338c#", "=\u0338c#", "=c#"])
@example(["c++", "c++ 日本", "disney+,disney+;", ".net;.net", "AT&T;", "&eacute", "caf&eacute;caf&#233;"])
@example(["", None, "\0rose\0", "rose" * 5000, "rose " * 5000, "日本" * 5000])
def test_compiled_search_equals_the_plain_one_on_any_text(vocabulary, kept, captions):
    column = pa.array(captions, pa.string())
    expected = found_plainly(column, vocabulary)
    assert found_by(kept, column) == expected
    assert found_by(kept, column) == expected  # when every word is known
    assert found_by(Engine(vocabulary), column) == expected


@settings(deadline=None, max_examples=150)
@given(st.lists(ANY_CAPTION, max_size=5), st.lists(ANY_CAPTION.filter(bool), min_size=1, max_size=5))
def test_compiled_search_equals_the_plain_one_for_any_concepts(captions, concepts):
    column, vocabulary = pa.array(captions, pa.string()), compile_vocabulary(concepts)
    assert found_by(Engine(vocabulary), column) == found_plainly(column, vocabulary)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_any_kind_of_column_is_searched(kind, vocabulary, kept):
    captions = ["none", "a rose", None, "", "Great white sharks", "Crème brûlée"]
    column = pa.array(captions, pa.string()).cast(kind) if not pa.types.is_string_view(kind) else pa.array(captions, kind)
    search.find_fault()
    expected = [[1, 1, 4, 4, 5], [0, 1, 2, 3, 14]]
    assert [side.tolist() for side in search_captions(column, vocabulary)["lemmatized"]] == expected
    sliced = search_captions(pa.chunked_array([column[1:3], column[3:]]), vocabulary)["lemmatized"]
    assert [side.tolist() for side in sliced] == [[0, 0, 3, 3, 4], [0, 1, 2, 3, 14]]
    assert [side.tolist() for side in search_plainly(search.as_strings(column), vocabulary)["lemmatized"]] == expected


def test_bytes_that_are_no_text_are_read_as_signs(vocabulary, kept):
    broken = pa.array([b"rose \xff\xfe", b"caf\xc3", b"\xe6\x97rose"]).cast(pa.string(), safe=False)
    assert found_by(kept, broken) == found_plainly(broken, vocabulary)
    assert found_by(kept, broken)["lowercased"] == [[0, 2], [0, 0]]


def test_a_full_table_begins_anew(vocabulary, monkeypatch):
    monkeypatch.setattr(engine, "KNOWN_WORDS", 50)
    one = Engine(vocabulary)
    captions = [pa.array([f"w{number}x{batch} rose's café{number}" for number in range(40)]) for batch in range(5)]
    for batch in captions:
        assert found_by(one, batch)["lemmatized"] == found_plainly(batch, vocabulary)["lemmatized"]
    assert one.known_words == 0
    one.find(captions[0][:10])
    assert 0 < one.known_words < 50


def test_rules_are_ordered_by_the_words_of_the_first_captions(vocabulary, monkeypatch):
    monkeypatch.setattr(engine, "ENOUGH_CAPTIONS", 5)
    batch = pa.array(["white shark"] * 20 + ["great white shark in new york new york", "shark, great, white jack in the box"])
    one = Engine(vocabulary)
    for _ in range(3):
        assert found_by(one, batch) == found_plainly(batch, vocabulary)


def test_threads_share_one_table():
    concepts = [f"word{number}" for number in range(0, 60_000, 7)] + ["longer word12 here"]
    vocabulary = compile_vocabulary(concepts)
    one = Engine(vocabulary)
    batches = [
        pa.array(
            [
                f"word{(start * 997 + number) % 60_000} longwordbeyondeightletters{number % 5000} é{number}"
                for number in range(1500)
            ]
        )
        for start in range(12)
    ]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one.find_in_order, batches))
    for hits, batch in zip(found, batches, strict=True):
        alone = Engine(vocabulary).find_in_order(batch)
        assert [side.tolist() for side in hits] == [side.tolist() for side in alone]
        assert len(hits[0]) > 100


def read_real_captions(folder: Path) -> list[str | None]:
    """All captions of the real data: photos described by people, and alt text of the web."""
    captions = [
        line.split(",", 1)[1] for line in (folder / "flickr8k-1000" / "captions.txt").read_text("utf-8").splitlines()[1:]
    ]
    coco = json.loads((folder / "coco-mini" / "annotations" / "captions_val2017_full.json").read_text("utf-8"))
    captions += [entry["caption"] for entry in coco["annotations"]]
    for path in sorted((folder / "text").glob("multi30k.task2.train.*.en.gz")):
        captions += gzip.decompress(path.read_bytes()).decode().splitlines()
    conceptual = gzip.decompress((folder / "text" / "Validation_GCC-1.1.0-Validation.tsv.gz").read_bytes()).decode()
    captions += [line.split("\t")[0] for line in conceptual.splitlines()]
    return captions + pq.read_table(folder / "text" / "web_alt_text_10000.parquet")["TEXT"].to_pylist()


def test_compiled_search_equals_the_plain_one_on_all_real_captions(shared_data, published_study):
    names = published_study.query("SELECT DISTINCT concept FROM concepts ORDER BY concept")["concept"].tolist()
    captions = pa.array(read_real_captions(shared_data), pa.string())
    vocabulary = compile_vocabulary(names)
    assert (len(captions), len(names)) == (200_847, 3_955)
    found, expected = search_captions(captions, vocabulary), search_plainly(captions, vocabulary)
    assert search.find_fault() is None
    for method in METHODS:
        assert len(expected[method][0]) > 700_000
        for side, other in zip(found[method], expected[method], strict=True):
            assert side.dtype == other.dtype == np.int32
            assert np.array_equal(side, other)


@pytest.fixture
def no_engine(monkeypatch):
    """As where numba cannot run."""
    monkeypatch.setattr(search, "find_fault", lru_cache(lambda: "it is not there."))
    search.open_engine.cache_clear()
    yield
    search.open_engine.cache_clear()


def test_without_numba_the_search_says_so_and_finds_the_same(no_engine, monkeypatch, vocabulary):
    monkeypatch.setattr(search, "FEW_CAPTIONS", 0)
    with pytest.warns(search.SlowSearchWarning, match="plain Python.*: it is not there"):
        found = search_captions(pa.array(["a rose"]), vocabulary)
    assert [side.tolist() for side in found["lemmatized"]] == [[0, 0], [0, 1]]


@pytest.mark.parametrize(
    ("hinder", "cause"),
    [
        ("import os; os.environ['NUMBA_DISABLE_JIT'] = '1'", "NUMBA_DISABLE_JIT"),
        ("import sys; sys.modules['numba'] = None", "numba cannot be loaded"),
    ],
)
def test_the_cause_is_named(hinder, cause):
    code = f"{hinder}\nfrom precompute.search.text.search import find_fault\nprint(find_fault())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert cause in done.stdout


def test_words_of_any_length_are_read_whole_wherever_they_stand():
    words = ["".join(chr(ord("a") + (length + place) % 26) for place in range(length)) for length in range(1, 26)]
    search_words = Engine(compile_vocabulary(sorted(words), ["lowercased"]))
    names = search_words.find_in_order(pa.array(sorted(words)))[1]
    assert names.tolist() == list(range(len(words)))  # the last of them without a byte behind it
    captions = pa.array(
        [" " * before + word.upper() + sign for before in range(8) for word in words for sign in ("", "9", "[", "@")]
    )
    rows, concepts, sets = search_words.find_in_order(captions)
    expected = search_plainly(captions, compile_vocabulary(sorted(words), ["lowercased"]))["lowercased"]
    assert len(rows) == 8 * len(words) * 3  # "a9" is another word
    assert (sets == 1).all()
    assert [side.tolist() for side in (rows, concepts)] == [side.tolist() for side in expected]


def test_captions_with_more_hits_than_there_is_room_for_are_gone_on_with(monkeypatch, vocabulary):
    captions = pa.array(["a rose, roses and a great white shark", None, "c++ in new york, new york"] * 50)
    expected = [side.tolist() for side in Engine(vocabulary).find_in_order(captions)]
    monkeypatch.setattr(engine, "USUAL_HITS", 0)
    assert [side.tolist() for side in Engine(vocabulary).find_in_order(captions)] == expected


def test_a_search_that_finds_something_else_is_not_used(monkeypatch):
    monkeypatch.setattr(engine.matching, "match_words", lambda read, *given: (len(read[2]), 0))
    assert "other captions" in engine.try_engine()


def test_where_no_folder_can_be_written_the_kernels_are_compiled_all_the_same():
    code = """
import numba.core.caching as caching
caching.CacheImpl._locator_classes = []
import numpy as np
from precompute.search.text.matching import sort_hits
print(*(part.tolist() for part in sort_hits(np.array([1, 0, 1], np.int32), np.array([3, 4, 4], np.int32), 2)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[1, 2] [4, 3, 4]"
