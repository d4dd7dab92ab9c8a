"""A hub of model files on this machine, which answers the Hugging Face client as the real one does."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hub:
    """What the hub serves, by "repository/file", and what it was asked for: (method, path).

    While `flows` is not set, a file that was asked for does not come.
    """

    files: dict[str, bytes]
    server: ThreadingHTTPServer
    checksum: str | None = None  # instead of the true ones
    asked: list[tuple[str, str]] = field(default_factory=list)
    flows: threading.Event = field(default_factory=threading.Event)

    @property
    def template(self) -> str:
        """The form of its addresses, as huggingface_hub has it."""
        return f"http://127.0.0.1:{self.server.server_port}/{{repo_id}}/resolve/{{revision}}/{{filename}}"

    def stop(self) -> None:
        """Ends it: whoever asks now, reaches nobody."""
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        content = self._answer()
        if content is not None:
            self.server.hub.flows.wait(PATIENCE_SECONDS)
            self.wfile.write(content)

    def _answer(self) -> bytes | None:
        hub: Hub = self.server.hub
        hub.asked.append((self.command, self.path))
        content = hub.files.get(self.path.lstrip("/").replace("/resolve/main/", "/").replace(f"/resolve/{COMMIT}/", "/"))
        if content is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hub.checksum or hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return content

    def log_message(self, *arguments) -> None:
        """Tests are silent."""


COMMIT = "a" * 40
PATIENCE_SECONDS = 60


@contextmanager
def serve_hub(files: dict[str, bytes]) -> Iterator[Hub]:
    """Serves these files until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = server.hub = Hub(dict(files), server)
    hub.flows.set()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield hub
    finally:
        hub.stop()
