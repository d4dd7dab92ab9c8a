"""Files that lie elsewhere are copied once and read as if they were here; what cannot be had is named."""

import functools
import gzip
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.errors import SourceError
from precompute.corpus.patterns import expand_braces, list_files
from precompute.corpus.preview import preview
from precompute.corpus.registry import find_shards, measure_file, read_samples
from precompute.corpus.shard import Reading
from tests.precompute.corpus.shard_files import picture, write_tar


@pytest.fixture
def server(tmp_path):
    """A web server of this machine: its folder, its address, and the paths that were asked for."""
    folder, asked = tmp_path / "served", []
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *message):
            asked.append((self.command, self.path))

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{httpd.server_port}", asked
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def captions(*patterns: str) -> list[str]:
    """The captions of all shards."""
    return [sample.caption for shard in find_shards(patterns) for sample in read_samples(shard, Reading())]


def test_files_of_a_web_server_are_read(server):
    folder, address, _ = server
    for number, caption in enumerate((b"a rose", b"a fern")):
        write_tar(folder / f"{number:05}.tar", [("0.jpg", picture()), ("0.txt", caption)])
    (folder / "a.tsv.gz").write_bytes(gzip.compress(b"caption\turl\na zib\thttp://127.0.0.1/1.jpg\n"))
    pq.write_table(pa.table({"TEXT": ["a dalu"], "URL": ["http://127.0.0.1/1.jpg"]}), folder / "a.parquet")
    assert captions(f"{address}/{{00000..00001}}.tar", f"{address}/a.tsv.gz", f"{address}/a.parquet?x=1") == [
        "a rose",
        "a fern",
        "a zib",
        "a dalu",
    ]


def test_tars_are_fetched_when_they_are_read_and_once(server):
    folder, address, asked = server
    write_tar(folder / "a.tar", [("0.jpg", picture()), ("0.txt", b"a rose")])
    (shard,) = find_shards([f"{address}/a.tar"])
    assert (shard.source, shard.path.exists()) == (f"{address}/a.tar", False)
    assert measure_file(shard) == (folder / "a.tar").stat().st_size
    (sample,) = read_samples(shard, Reading())
    assert (shard.path.exists(), shard.root / sample.image.path) == (True, shard.path)
    fetched = [path for command, path in asked if command == "GET"]
    assert captions(f"{address}/a.tar") == ["a rose"]
    assert [path for command, path in asked if command == "GET"] == fetched


def test_file_that_changed_is_fetched_again(server):
    folder, address, _ = server
    (folder / "a.csv").write_text("caption\na rose\n")
    assert captions(f"{address}/a.csv") == ["a rose"]
    (folder / "a.csv").write_text("caption\na rose\na fern\n")
    assert captions(f"{address}/a.csv") == ["a rose", "a fern"]


def test_preview_fetches_one_file_of_each_ending(server):
    folder, address, asked = server
    for number in range(5):
        (folder / f"{number}.csv").write_text("caption\na rose\na fern\n")
    (kind,) = preview(find_shards([f"{address}/{{0..4}}.csv"], fetch_all=False)).kinds
    assert (kind.files, kind.samples, kind.bytes) == (5, 10, 5 * 22)
    assert {path for command, path in asked if command == "GET"} == {"/0.csv"}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("/absent.tar", r"There is no file at http://127.0.0.1:\d+/absent\.tar"),
        ("/*.tar", r"a web server does not list its files. Number them: \{00000\.\.00099\}"),
        ("/a.pdf", r"a\.pdf, which is no shard"),
    ],
)
def test_what_a_web_server_does_not_have_is_named(server, pattern, message):
    _, address, _ = server
    with pytest.raises(SourceError, match=message):
        find_shards([address + pattern])


def test_server_that_does_not_answer_is_named():
    with pytest.raises(SourceError, match=r"http://127\.0\.0\.1:9/a\.csv cannot be read|There is no file"):
        find_shards(["http://127.0.0.1:9/a.csv"])


@pytest.mark.parametrize(("protocol", "package"), [("s3", "s3fs"), ("gs", "gcsfs"), ("hf", "huggingface_hub")])
def test_missing_package_of_a_protocol_is_named(monkeypatch, protocol, package):
    def absent(name, *more, **options):
        raise ImportError(f"Install {name}")

    monkeypatch.setattr(fsspec.core, "url_to_fs", absent)
    with pytest.raises(SourceError, match=f"To read {protocol}:// takes the package {package}. Install it"):
        find_shards([f"{protocol}://bucket/a.tar"])


def test_object_store_is_listed_and_read(monkeypatch, tmp_path):
    store = fsspec.filesystem("memory")
    store.pipe({"/bucket/b.csv": b"caption\na fern\n", "/bucket/a.csv": b"caption\na rose\n", "/bucket/c.md": b"x"})
    whole = fsspec.core.url_to_fs
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda url, **options: whole(url.replace("s3://", "memory://")))
    monkeypatch.setattr(store, "unstrip_protocol", lambda path: f"s3://{path.lstrip('/')}", raising=False)
    assert captions("s3://bucket/*.csv") == ["a rose", "a fern"]
    store.rm("/bucket", recursive=True)


def test_unknown_protocol_is_named():
    with pytest.raises(SourceError, match="nothing is read by ftp://, only by http, https"):
        find_shards(["ftp://127.0.0.1/a.tar"])


def test_file_urls_and_brace_patterns_are_paths(tmp_path, monkeypatch):
    for number in range(3):
        (tmp_path / f"{number:05} a.txt").write_text(f"caption {number}\n")
    assert captions(f"{tmp_path}/{{00000..00002}} a.txt") == ["caption 0", "caption 1", "caption 2"]
    assert captions(f"file://{tmp_path}/00001%20a.txt") == ["caption 1"]
    monkeypatch.chdir(tmp_path)
    assert list_files("{00002,00000}*.txt") == ["00002 a.txt", "00000 a.txt"]
    (tmp_path / "{0..1}.txt").write_text("braces\n")
    assert captions("{0..1}.txt") == ["braces"]


def test_braces_stand_for_all_their_names():
    assert expand_braces("a{1..3}{x,y}") == ["a1x", "a1y", "a2x", "a2y", "a3x", "a3y"]
    assert expand_braces("{098..101}") == ["098", "099", "100", "101"]
    assert expand_braces("{8..10}") == ["8", "9", "10"]
    assert expand_braces("{2..0}") == ["2", "1", "0"]
