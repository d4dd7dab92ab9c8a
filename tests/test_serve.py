"""The served app: its settings, its connections, and a visitor over its websocket."""

import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvicorn

from backend.study import ROOT
from benchmarks.server import SERVERS, pick_p95, serve
from benchmarks.visitor import PageFailed, visit

# what a server is told, said instead of serving
TOLD = """
import gc, json, sys, uvicorn
from streamlit import config
from streamlit.web import bootstrap
def tell(*_, **__):
    options = ("runner.postScriptGC", "server.fileWatcherType", "server.port")
    prompt = uvicorn.Server is serve.PromptServer
    print(json.dumps([gc.get_freeze_count() > 100_000, prompt, *map(config.get_option, options)]))
bootstrap.run = tell
sys.path.insert(0, "scripts")
import serve
serve.main(sys.argv[1:])
"""


def tell(*options: str) -> str:
    """Whether what is loaded is frozen, messages go at once, garbage is collected after a run; what watches files; the port."""
    command = [sys.executable, "-c", TOLD, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout.strip()


def test_served_app_collects_no_garbage_after_a_run_and_watches_no_file():
    assert tell("--server.port", "8765") == '[true, true, false, "none", 8765]'


def test_option_given_goes_before_the_served_apps_own():
    given = ("--runner.postScriptGC=true", "--server.fileWatcherType", "poll", "--server.port", "8765")
    assert tell(*given) == '[true, true, true, "poll", 8765]'


def test_developers_settings_are_streamlits_own():
    settings = (ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    assert "postScriptGC" not in settings
    assert "fileWatcherType" not in settings


@pytest.fixture
def serve_module():
    """The module scripts/serve.py."""
    spec = importlib.util.spec_from_file_location("serve_under_test", ROOT / "scripts" / "serve.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def _accept_one(server_class: type[uvicorn.Server], family: int, host: str) -> int:
    """TCP_NODELAY of a connection to a server that listens as Streamlit's does."""
    told = asyncio.get_running_loop().create_future()

    class Accepting(asyncio.Protocol):
        def __init__(self, **options):
            pass

        def connection_made(self, transport):
            told.set_result(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen()
        server = server_class(uvicorn.Config(None, http=Accepting, lifespan="off", log_level="error"))
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup(sockets=[listener])
        with socket.create_connection(listener.getsockname()[:2]):
            nodelay = await asyncio.wait_for(told, 10)
        await server.shutdown(sockets=[listener])
    return nodelay


def run_apart(coroutine):
    """What a coroutine returns, run in a thread of its own: a browser's tests leave a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_connections_of_the_served_app_send_every_message_at_once(serve_module, family, host):
    assert run_apart(_accept_one(serve_module.PromptServer, family, host))


@pytest.fixture(scope="module")
def port(small_study, tmp_path_factory):
    """The port of the served app over the small study."""
    folder = tmp_path_factory.mktemp("studies")
    (folder / "published").symlink_to(small_study.folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "TAILSCOPE_DATA", str(folder))
        with serve(*SERVERS["as served"]) as (port, _):
            yield port


def test_visitor_opens_pages_by_address_and_by_navigation(port):
    async def go():
        async with visit(port) as visitor:
            first = await visitor.open("concept", "concept=rose")
            return first, await visitor.open("scaling"), await visitor.open("scaling"), await visitor.open("")

    first, scaling, again, overview = run_apart(go())
    assert [run.page for run in (first, scaling, again, overview)] == ["concept", "scaling", "scaling", ""]
    assert all(run.milliseconds > 0 and run.messages > 20 for run in (first, scaling, again, overview))
    assert again.received < scaling.received - 10_000  # the figure is held from the run before


def test_visitor_tells_a_page_that_is_not_there(port):
    async def go():
        async with visit(port) as visitor:
            await visitor.open("no_such_page")

    with pytest.raises(PageFailed, match="page_not_found"):
        run_apart(go())


def test_visitor_tells_a_server_that_ends(small_study):
    async def go(port, process):
        async with visit(port) as visitor:
            await visitor.open("scaling")
            os.kill(process, 9)
            await visitor.open("scaling")

    with serve(*SERVERS["as served"]) as server, pytest.raises(PageFailed, match="ConnectionClosed"):
        run_apart(go(*server))


@pytest.mark.parametrize(("times", "p95"), [([7], 7), ([1, 9], 9), (range(1, 21), 19), (range(1, 101), 95)])
def test_of_twenty_runs_nineteen_take_no_longer_than_the_95th_percentile(times, p95):
    assert pick_p95(list(times)) == p95
