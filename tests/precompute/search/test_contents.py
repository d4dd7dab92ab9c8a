"""A corpus is described by its samples: lengths, languages, repeated captions, and how hits clump."""

import pyarrow as pa
import pytest

from backend.errors import MissingTable, TailscopeError
from backend.study import Study
from backend.validation import study_faults
from precompute.search import contents
from precompute.search.contents import describe_contents, describe_corpus, tell_language
from precompute.search.index import Request, index_study
from precompute.vocabulary import add_tasks
from tests.tiny_study import count_rows, write_study

ENGLISH = "a dog runs through the green grass in the park"


def samples(*captions: str | None) -> pa.Table:
    return pa.table({"sample_id": list(range(len(captions))), "caption": pa.array(captions, pa.string())})


def described(table: pa.Table, what: str, hits: pa.Table | None = None) -> dict[str, int]:
    rows = describe_contents(table, hits)
    rows = rows[rows["what"] == what]
    return dict(zip(rows["value"], rows["count"], strict=True))


def hits(*rows: tuple[str, int], method: str = "lemmatized") -> pa.Table:
    concepts, ids = zip(*rows, strict=True)
    columns = {"concept": concepts, "modality": ["text"] * len(rows), "method": [method] * len(rows)}
    return pa.table(columns | {"sample_id": pa.array(ids, pa.int64())})


def test_words_stand_between_white_space_of_any_kind():
    found = described(samples("rose", "a  red\trose", " a\u00a0red\u3000rose ", "赤い花"), "words")
    assert found == {"1": 2, "3": 2}


def test_characters_are_code_points():
    assert described(samples("né🌹", "abc"), "characters") == {"3": 2}


def test_long_captions_are_counted_in_steps():
    found = described(samples("x" * 99, "x" * 100, "x" * 109, "x" * 110, "x" * 1_234), "characters")
    assert found == {"99": 1, "100": 2, "110": 1, "1200": 1}


def test_samples_without_a_caption_play_no_part():
    assert described(samples("a rose", "", None), "words") == {"2": 1}
    assert describe_contents(samples("", None)).empty


def test_copies_are_exact_and_the_commonest_are_named():
    table = samples("a rose", "a rose", "A rose", "a fern", "a rose ")
    assert described(table, "copies") == {"1": 3, "2": 1}
    assert described(table, "repeated") == {"a rose": 2}


def test_only_the_most_repeated_captions_are_kept(monkeypatch):
    monkeypatch.setattr(contents, "MOST_REPEATED", 2)
    table = samples(*["a"] * 4, *["b"] * 3, *["c"] * 2)
    assert described(table, "repeated") == {"a": 4, "b": 3}


def test_languages_are_told_and_what_is_too_short_is_not():
    assert tell_language(ENGLISH) == "en"
    assert tell_language("ein Hund läuft durch das grüne Gras im Park und spielt mit einem Ball") == "de"
    assert tell_language("IMG_0123.JPG") == "und"
    assert described(samples(ENGLISH, ENGLISH, "🌹"), "language") == {"en": 2, "und": 1}


def test_sample_of_languages_is_the_same_in_any_order(monkeypatch):
    monkeypatch.setattr(contents, "LANGUAGE_SAMPLE", 40)
    table = samples(*(ENGLISH if i % 3 else "IMG_0123.JPG" for i in range(400)))
    found = described(table, "language")
    assert sum(found.values()) == 40
    assert 0 < found["und"] < 40
    assert described(table.take(list(reversed(range(400)))), "language") == found


def test_clumped_hits_have_a_dispersion():
    table = samples(*["a rose"] * 400)
    even = hits(*(("rose", i) for i in range(0, 400, 2)))
    clumped = hits(*(("rose", i) for i in range(100, 300)))
    assert described(table, "dispersion", even) == {"lemmatized": 100}  # at least Poisson's
    # 10 of 20 blocks have 20 hits, the others none: 20 * 10**2 / 10 over 19
    assert described(table, "dispersion", clumped) == {"lemmatized": round(100 * 200 / 19)}
    assert described(table, "dispersion", hits(("rose", 3))) == {}


def test_blocks_hold_equally_many_samples_where_ids_have_gaps():
    ids = [*range(200), *range(10_000_000, 10_000_200)]
    table = pa.table({"sample_id": ids, "caption": ["a rose"] * 400})
    assert described(table, "dispersion", hits(*(("rose", i) for i in ids[::2]))) == {"lemmatized": 100}


def test_each_indexed_corpus_is_described_in_the_study(tmp_path):
    (tmp_path / "names.txt").write_text("rose\nfern\n")
    (tmp_path / "captions.csv").write_text("caption\na rose\na rose\nsome fern\n")
    study = tmp_path / "studies" / "mine"
    add_tasks(study, {"plants": tmp_path / "names.txt"})
    for corpus in ("one", "two"):
        index_study(study, Request(corpus, [str(tmp_path / "captions.csv")]))
    rows = Study(study).query("SELECT corpus, value, count FROM contents WHERE what = 'copies' ORDER BY ALL")
    assert rows.values.tolist() == [[corpus, value, 1] for corpus in ("one", "two") for value in ("1", "2")]
    assert study_faults(study) == []


def sampled_study(folder, captions: list[str]) -> Study:
    rows = [
        {"corpus": "mine", "sample_id": i, "caption": caption} | dict.fromkeys(("image", "offset", "length", "width", "height"))
        for i, caption in enumerate(captions)
    ]
    return write_study(folder, count_rows("mine", "lemmatized", {"rose": 1}), samples=rows)


def test_older_study_is_described_from_its_samples(tmp_path):
    rows = describe_corpus(sampled_study(tmp_path / "old", ["a rose", "rose"]), "mine")
    assert rows[rows["what"] == "words"]["value"].tolist() == ["1", "2"]


def test_what_takes_too_long_while_somebody_waits_is_a_command(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "AT_ONCE", 1)
    study = sampled_study(tmp_path / "old", ["a rose", "rose"])
    with pytest.raises(TailscopeError, match=r"not described yet. Index it again: python -m precompute index .*--force"):
        describe_corpus(study, "mine")


def test_study_of_counts_alone_cannot_be_described(tmp_path):
    with pytest.raises(MissingTable, match="has no table 'samples'"):
        describe_corpus(write_study(tmp_path / "counts", count_rows("mine", "lemmatized", {"rose": 1})), "mine")
