"""Starts the app's server with everything loaded, so that the first visitor does not wait 4 s for imports.

    .venv/bin/python scripts/serve.py [options of streamlit run]

`streamlit run app.py` serves the same app for those who develop it: it loads pandas, scipy and plotly when the first page
is asked for, watches every loaded file for changes, and collects all garbage after each page run. Here the last two are
off, and messages are sent at once: several times the page runs a second (python -m benchmarks.server). An option given
here goes before ours.
"""

import gc
import socket
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import streamlit.web.server  # noqa: F401
import uvicorn
from streamlit.web import cli

import backend.charts  # noqa: F401
import backend.overview  # noqa: F401
import backend.quality  # noqa: F401
import backend.tail  # noqa: F401
import backend.testset  # noqa: F401
import pages.ui.blocks  # noqa: F401
import pages.ui.controls  # noqa: F401
import pages.ui.disagreements  # noqa: F401
import pages.ui.examples  # noqa: F401
import pages.ui.probe_experiments  # noqa: F401

SETTINGS = ("--runner.postScriptGC=false", "--server.fileWatcherType=none")


class PromptServer(uvicorn.Server):
    """uvicorn's server with connections that send every message at once.

    Streamlit binds the port itself, as a socket of no named protocol, and asyncio turns Nagle's algorithm off for named
    TCP alone: each page run waited up to 40 ms for the browser to acknowledge its first message. Connections inherit the
    option of the socket that they come in by.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to listen."""
        for listener in sockets or ():
            if listener.family in (socket.AF_INET, socket.AF_INET6):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await super().startup(sockets)


def main(arguments: list[str]) -> None:
    """Serves the app until someone stops it; `arguments` are options of `streamlit run`.

    What is loaded by now lives as long as the server and is most of what there is: garbage collection passes it over.
    """
    uvicorn.Server = PromptServer
    gc.collect()
    gc.freeze()
    sys.argv = ["streamlit", "run", str(ROOT / "app.py"), *SETTINGS, *arguments]
    cli.main()


if __name__ == "__main__":
    main(sys.argv[1:])
