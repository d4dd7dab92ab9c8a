"""Fetching the release from a server of the tests' own that behaves well, badly or not at all."""

import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from backend.errors import SourceError
from precompute.release import download as fetching
from precompute.release.download import download, download_name

BODY = bytes(range(256)) * 4000  # a million bytes


@dataclass
class Server:
    """What a server of the tests does, and how often it was asked."""

    url: str = ""
    stop_after: int | None = None
    stall: float = 0
    without_length: bool = False
    status: int = 200
    asked: int = 0


def _answer(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked += 1
            self.send_response(server.status)
            if not server.without_length:
                self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY[: server.stop_after])
            self.wfile.flush()
            time.sleep(server.stall)

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler


@pytest.fixture
def server(monkeypatch):
    """A web server on 127.0.0.1 that behaves as the test says."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    state = Server()
    with ThreadingHTTPServer(("127.0.0.1", 0), _answer(state)) as web:
        state.url = f"http://127.0.0.1:{web.server_port}/archive/main.tar.gz"
        threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
        yield state
        web.shutdown()


def test_whole_download_is_one_file_and_nothing_else(tmp_path, server):
    path = download(server.url, tmp_path / "downloads")
    assert path.read_bytes() == BODY
    assert list((tmp_path / "downloads").iterdir()) == [path]
    assert path.name.endswith("-main.tar.gz")


def test_second_download_asks_for_nothing(tmp_path, server):
    first = download(server.url, tmp_path)
    assert download(server.url, tmp_path) == first
    assert server.asked == 1


def test_other_address_is_another_file():
    names = [download_name(f"http://{host}/main.tar.gz{query}") for host in "ab" for query in ("", "?v=2")]
    assert len(set(names)) == 4
    assert download_name("http://a/").endswith("-release.tar.gz")


def test_broken_download_says_what_to_do_keeps_nothing_and_starts_again(tmp_path, server):
    server.stop_after = 300_000
    with pytest.raises(SourceError, match="Run the command again"):
        download(server.url, tmp_path)
    assert list(tmp_path.iterdir()) == []
    server.stop_after = None
    assert download(server.url, tmp_path).read_bytes() == BODY


def test_announced_size_above_the_limit_is_refused_before_the_body(tmp_path, server, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_BYTES", 1000)
    with pytest.raises(SourceError, match="has 1,024,000 bytes, more than the limit of 1,000"):
        download(server.url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_body_above_the_limit_is_cut_off_and_not_kept(tmp_path, server, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_BYTES", 1000)
    server.without_length = True
    with pytest.raises(SourceError, match="sends more than the limit of 1,000 bytes"):
        download(server.url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_absent_file_is_named_with_what_to_do(tmp_path, server):
    server.status = 404
    with pytest.raises(SourceError) as error:
        download(server.url, tmp_path)
    message = str(error.value)
    assert message.startswith(f"Cannot fetch {server.url} (HTTPError: 404")
    assert message.endswith("then run: python -m precompute published --source FILE.tar.gz")
    assert list(tmp_path.iterdir()) == []


def test_refused_connection_is_one_sentence(tmp_path, server):
    closed = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = closed.server_port
    closed.server_close()
    with pytest.raises(SourceError, match="Connection refused.*fetch it by hand"):
        download(f"http://127.0.0.1:{port}/main.tar.gz", tmp_path)


def test_server_that_falls_silent_is_given_up(tmp_path, server, monkeypatch):
    monkeypatch.setattr(fetching, "TIMEOUT", (1, 0.2))
    server.stop_after, server.stall = 300_000, 1.0
    with pytest.raises(SourceError, match="Run the command again"):
        download(server.url, tmp_path)


def test_download_that_takes_too_long_is_given_up(tmp_path, server, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_SECONDS", -1)
    with pytest.raises(SourceError, match="took longer than .* Run the command again"):
        download(server.url, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/main.tar.gz", "http:///main.tar.gz", "http://127.0.0.1:99999/x"])
def test_address_that_is_none_is_one_sentence(tmp_path, url):
    with pytest.raises(SourceError, match="Cannot fetch"):
        download(url, tmp_path)
