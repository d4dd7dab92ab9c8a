"""A file of captions is counted in memory: as an index would count it, and leaving nothing behind."""

import gzip
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.errors import SourceError
from backend.study import Study
from precompute import count_file as counting
from precompute.corpus.copies import CACHE
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


@pytest.fixture
def own_copies(tmp_path, monkeypatch):
    """Where readers would keep copies."""
    monkeypatch.setenv(CACHE, str(tmp_path / "copies"))
    return tmp_path / "copies"


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
        ("mine.pdf", b"%PDF-1.7", "^mine.pdf is no shard. Tailscope reads webdataset shards"),
        ("mine", b"a \0rose", "^mine is no shard"),
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


@pytest.mark.parametrize("name", ["mine.csv.gz", "mine.csv.zst"])
def test_packed_file_is_counted_and_no_copy_is_kept(name, own_copies):
    pack = gzip.compress if name.endswith("gz") else lambda content: pa.compress(content, "zstd", asbytes=True)
    assert counts(count_file(name, pack(CAPTIONS), CONCEPTS))["rose"] == 3
    assert not own_copies.exists()


def test_text_in_utf_16_is_counted_and_no_copy_is_kept(own_copies):
    assert counts(count_file("mine.csv", CAPTIONS.decode().encode("utf-16"), CONCEPTS))["rose"] == 3
    assert not own_copies.exists()


def test_small_file_that_unpacks_into_very_much_is_stopped(monkeypatch):
    monkeypatch.setattr(counting, "MAX_UNPACKED", 5_000_000)
    content = gzip.compress(b"caption\n" + b"a rose in the garden\n" * 500_000)
    assert len(content) < 100_000
    with pytest.raises(SourceError, match="mine.csv.gz unpacks to more than 5 MB. Index it instead"):
        count_file("mine.csv.gz", content, CONCEPTS)


def test_file_that_is_packed_twice_or_cut_off_is_a_sentence(own_copies):
    with pytest.raises(SourceError, match="mine.tar.gz is packed more than once. Unpack it."):
        count_file("mine.tar.gz", gzip.compress(gzip.compress(b"x" * 2_000)), CONCEPTS)
    with pytest.raises(SourceError, match="mine.csv.gz is cut off or damaged"):
        count_file("mine.csv.gz", gzip.compress(CAPTIONS)[:-9], CONCEPTS)
    assert not own_copies.exists()


@pytest.mark.parametrize(
    ("place", "captions", "dispersion"),
    [
        ("text/web_alt_text_10000.parquet", 10_000, (1.0, 1.2)),
        ("text/Validation_GCC-1.1.0-Validation.tsv.gz", 15_833, (1.0, 1.2)),
        ("flickr8k-1000/captions.txt", 5_000, (2.0, 3.0)),  # five captions of a photo stand together
    ],
    ids=["LAION Parquet", "CC3M TSV", "Flickr CSV"],
)
def test_real_files_are_counted_as_they_are_found(shared_data, own_copies, place, captions, dispersion):
    path = shared_data / place
    found = count_file(path.name, path.read_bytes(), ["dog", "man", "tree", "car", "photo", "water", "black"])
    assert found.captions == captions
    assert min(counts(found)[name] for name in ("dog", "man", "tree")) > 10
    assert dispersion[0] <= found.dispersions["lemmatized"] < dispersion[1]
    assert not own_copies.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "t.csv",
            b"id;words;link\n1;a dog;x\n",
            r"Call the column of captions “caption”, or index the file: python -m .* COLUMN$",
        ),
        ("t.jsonl", b'{"a": 1, "b": 2}\n', r"Call the column of captions “caption”, or index the file: "),
        (
            "t.json",
            b'{"images": [], "annotations": [{"bbox": [1]}]}',
            r"captions: .* LVIS\. Only an index takes it: .* --image-hits FILE$",
        ),
        ("t.csv", b"", r"^t\.csv is empty\.$"),
        ("t.en", b"", r"^t\.en is empty\.$"),
    ],
)
def test_advice_is_one_that_the_page_can_follow(name, content, message):
    with pytest.raises(SourceError, match=message):
        count_file(name, content, ["dog"])


def test_text_of_another_ending_and_encoding_is_counted(own_copies):
    counted = count_file("train.1.en.gz", gzip.compress("a dog in a café\na dog\n".encode("latin-1")), ["dog", "café"])
    counts = counted.counts[counted.counts["method"] == "phrase"].set_index("concept")["count"]
    assert counts.to_dict() == {"dog": 2, "café": 1}
    assert not list(own_copies.rglob("*"))
