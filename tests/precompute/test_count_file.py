"""A file of captions is counted in memory: as an index would count it, and leaving nothing behind."""

import gzip
import tempfile

import pyarrow.parquet as pq
import pytest

from backend.errors import SourceError
from backend.study import Study
from precompute import count_file as counting
from precompute.count_file import METHODS, count_file
from precompute.search.index import Request, index_study
from precompute.vocabulary import add_tasks
from tests.invented_world import HOSTILE_CAPTIONS

CAPTIONS = b"image,caption\n1.jpg,a rose\n2.jpg,Roses and a fern\n3.jpg,\n4.jpg,a rose\n"
CONCEPTS = ("rose", "fern", "oak")


@pytest.fixture(autouse=True)
def own_temporary(tmp_path, monkeypatch):
    """Whatever is written for a while is written here."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def counts(found, method: str = "lemmatized", column: str = "count") -> dict[str, int]:
    rows = found.counts[found.counts["method"] == method]
    return dict(zip(rows["concept"], rows[column], strict=True))


def test_captions_are_counted_by_every_text_method():
    said = []
    found = count_file("mine.csv", CAPTIONS, CONCEPTS, said.append)
    assert (found.name, found.captions) == ("mine.csv", 3)
    assert found.books["samples"] == {"read": 4, "written": 3, "dropped": {"no caption": 1}}
    assert counts(found) == {"rose": 3, "fern": 1, "oak": 0}
    assert counts(found, "lowercased") == {"rose": 2, "fern": 1, "oak": 0}
    assert counts(found, column="distinct") == {"rose": 2, "fern": 1, "oak": 0}
    assert set(found.dispersions) == set(METHODS)
    assert found.contents.loc[found.contents["what"] == "copies", "count"].tolist() == [1, 1]
    assert said == sorted(said)
    assert said[-1] == 1


def test_repeated_concepts_are_counted_once():
    assert counts(count_file("mine.csv", CAPTIONS, ["rose", "rose"])) == {"rose": 3}


def test_counts_are_those_of_an_index(tmp_path, shared_data):
    texts = pq.read_table(shared_data / "text" / "web_alt_text_10000.parquet", columns=["TEXT"])["TEXT"].to_pylist()[:3_000]
    rows = [f'"{(text or "").replace(chr(34), chr(34) * 2)}"' for text in texts]
    content = ("caption\n" + "\n".join(rows) + "\n").encode()
    (tmp_path / "web.csv").write_bytes(content)
    (tmp_path / "names.txt").write_text("photo\ncoffee mug\ngirl\nt-shirt\nc++\n")
    study = tmp_path / "studies" / "mine"
    add_tasks(study, {"things": tmp_path / "names.txt"})
    index_study(study, Request("web", [str(tmp_path / "web.csv")]))
    indexed = Study(study)
    found = count_file("web.csv", content, ["photo", "coffee mug", "girl", "t-shirt", "c++"])
    held = indexed.query("SELECT method, concept, count FROM frequency ORDER BY ALL").values.tolist()
    assert found.counts[["method", "concept", "count"]].sort_values(["method", "concept"]).values.tolist() == held
    assert max(counts(found).values()) > 100
    told = indexed.query("SELECT what, value, count FROM contents WHERE what <> 'dispersion'")
    mine = found.contents[found.contents["what"] != "language"].values.tolist()
    assert mine == told[told["what"] != "language"].values.tolist()


def test_hostile_captions_are_captions_like_any_other():
    rows = "caption\n" + "".join('"' + caption.replace('"', '""') + '"\n' for caption in HOSTILE_CAPTIONS)
    assert counts(count_file("hostile.csv", rows.encode(), ["striped daxu"])) == {"striped daxu": 3}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mine.pdf", b"%PDF-1.7", "mine.pdf"),
        ("mine", b"a rose", "mine"),
        ("mine.csv", b"", "mine.csv"),
        ("mine.csv", b"caption\n", r"mine.csv has no caption that can be counted \(nothing was read\)"),
        ("mine.csv", b"caption,other\n,x\n", "no caption that can be counted .*no caption: 1"),
        ("mine.tar", b"junk", "mine.tar has no caption"),
        ("mine.json", b"{", "mine.json"),
        ("../../mine.csv", b"other\nx\n", r"\.\./\.\./mine.csv"),
    ],
)
def test_file_that_cannot_be_counted_is_a_sentence_about_that_file(name, content, message, own_temporary):
    with pytest.raises(SourceError, match=message) as raised:
        count_file(name, content, CONCEPTS)
    assert str(own_temporary) not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_file_above_the_limits_is_told_to_be_indexed(monkeypatch):
    monkeypatch.setattr(counting, "MAX_CAPTIONS", 2)
    with pytest.raises(SourceError, match="more than 2 captions. Index it instead: python -m precompute index"):
        count_file("mine.csv", CAPTIONS, CONCEPTS)
    monkeypatch.setattr(counting, "MAX_CAPTIONS", 9)
    monkeypatch.setattr(counting, "MAX_TEXT", 10)
    with pytest.raises(SourceError, match="MB of captions. Index it instead"):
        count_file("mine.csv", CAPTIONS, CONCEPTS)
    monkeypatch.setattr(counting, "MAX_MEGABYTES", 0)
    with pytest.raises(SourceError, match="mine.csv has more than 0 MB. Index it instead"):
        count_file("mine.csv", CAPTIONS, CONCEPTS)


def test_small_file_that_unpacks_into_very_much_is_stopped(monkeypatch):
    """What a compressed file may unpack into is bounded by the captions that are held, not by its own size."""
    monkeypatch.setattr(counting, "MAX_TEXT", 1_000_000)
    content = gzip.compress(b"caption\n" + b"a rose in the garden\n" * 500_000)
    assert len(content) < 100_000
    with pytest.raises(SourceError):
        count_file("mine.csv.gz", content, CONCEPTS)
