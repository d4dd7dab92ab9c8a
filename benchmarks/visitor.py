"""A visitor of a running server, without a browser: opens pages over Streamlit's websocket and measures what comes.

It speaks as a browser does: the messages are Streamlit's own protobufs, a page is asked for by the hash that the
navigation gave it, and elements that the visitor holds from its last runs are named, so that the server sends a
reference in their place.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

PATIENCE_SECONDS = 120


class PageFailed(Exception):
    """A page that ended in an exception, was not found, or did not end."""


@dataclass(frozen=True)
class Opened:
    """One page run: milliseconds from the request to the end of its script, messages and bytes received."""

    page: str
    milliseconds: float
    messages: int
    received: int


@dataclass
class Visitor:
    """One session of a server. It holds the elements of its last `max_age` runs, as many as the server allows."""

    socket: websockets.ClientConnection
    hashes: dict[str, str] = field(default_factory=dict)  # of the pages, by their address; known after the first run
    held: dict[str, int] = field(default_factory=dict)  # the run in which an element was last seen, by its hash
    max_age: int = 0
    runs: int = 0

    async def open(self, page: str, address: str = "") -> Opened:
        """Opens a page at an address (what stands behind the question mark) and waits for the end of its script.

        Raises PageFailed where the script fails or does not end.
        """
        began = time.perf_counter()
        await self._send(page, address)
        messages = received = 0
        failures = []
        while True:
            message, size = await self._receive(page)
            messages, received = messages + 1, received + size
            kind = message.WhichOneof("type")
            if kind == "page_not_found" or message.delta.new_element.WhichOneof("type") == "exception":
                failures.append(kind)
            if kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                break
        elapsed = 1000 * (time.perf_counter() - began)
        if failures or message.script_finished != ForwardMsg.FINISHED_SUCCESSFULLY:
            raise PageFailed(f"{page}?{address}: {failures or ForwardMsg.ScriptFinishedStatus.Name(message.script_finished)}")
        self.held = {key: run for key, run in self.held.items() if self.runs - run < self.max_age}
        self.runs += 1
        return Opened(page, elapsed, messages, received)

    async def _send(self, page: str, address: str) -> None:
        request = BackMsg()
        request.rerun_script.query_string = address
        request.rerun_script.cached_message_hashes.extend(self.held)
        if self.hashes:
            request.rerun_script.page_script_hash = self.hashes[page]
        else:
            request.rerun_script.page_name = page
        with _lost_connection(page):
            await self.socket.send(request.SerializeToString())

    async def _receive(self, page: str) -> tuple[ForwardMsg, int]:
        with _lost_connection(page):
            async with asyncio.timeout(PATIENCE_SECONDS):
                data = await self.socket.recv(decode=False)
        message = ForwardMsg.FromString(data)
        if message.HasField("navigation"):
            self.hashes = {known.url_pathname: known.page_script_hash for known in message.navigation.app_pages}
        elif message.HasField("new_session"):
            self.max_age = message.new_session.config.max_cached_message_age
        elif message.metadata.cacheable or message.HasField("ref_hash"):
            self.held[message.ref_hash or message.hash] = self.runs
        return message, len(data)


@contextmanager
def _lost_connection(page: str) -> Iterator[None]:
    try:
        yield
    except (TimeoutError, websockets.ConnectionClosed) as error:
        raise PageFailed(f"{page}: {error!r}") from error


@asynccontextmanager
async def visit(port: int) -> AsyncIterator[Visitor]:
    """A new session of the server at a port of this machine, closed at the end."""
    address = f"ws://localhost:{port}/_stcore/stream"
    async with websockets.connect(address, subprotocols=["streamlit"], max_size=None, proxy=None) as socket:
        yield Visitor(socket)
