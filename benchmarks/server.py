"""The served app under visitors: page runs a second, time and bytes of each page, memory; beside the app as developed.

Reads: the published and the embedded study. The command:
    python -m benchmarks.server [--seconds 50] [--sessions 1 10 50] [--runs 10000]
Every session is a websocket of its own (benchmarks/visitor.py) that opens another page of its study every 0.5 to 2 s; a
page run counts when the server says that its script has finished. The visitors share the machine with the server. Each
number of sessions meets a server of `scripts/serve.py` and, right after it, one of `streamlit run app.py`. Before the
clock starts, every page has been opened once. Last, sessions follow one another without a pause for `--runs` page runs:
memory must not grow with what has been served.
"""

import argparse
import asyncio
import math
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from rich.console import Console
from rich.table import Table

from backend.study import ROOT
from benchmarks.pages import CONCEPTS
from benchmarks.visitor import Opened, PageFailed, visit

PAUSE_SECONDS = (0.5, 2.0)
SERVERS = {
    "as served": ("scripts/serve.py",),
    "as developed": ("-m", "streamlit", "run", "app.py"),
}
START_SECONDS = 60
STAYING = 20  # page runs of a session in the long run, before it leaves and another one comes
AT_ONCE = 4  # sessions of the long run
GROWTH_MB = 40  # aim: what a server may grow by from 1,000 page runs to 10,000
PAGES = {  # of each study: a page, and what its address says beside the study
    "published": [
        ("", {}),
        ("distributions", {}),
        ("distributions", {"curve": "Text or image"}),
        ("scaling", {}),
        ("scaling", {"view": "Every model"}),
        *(("concept", {"concept": concept}) for concept in CONCEPTS[:4]),
        ("misalignment", {}),
        ("let_it_wag", {}),
        ("test_set", {"names": "rose\nflamingo\npickup truck"}),
        ("probe", {}),
    ],
    "synthetic": [("concept", {"concept": "crested pogaun"}), ("misalignment", {}), ("search_quality", {})],
}
ADDRESSES = {
    study: [(page, urlencode(parameters | {"study": study})) for page, parameters in pages] for study, pages in PAGES.items()
}
STUDY_OF_SESSION = ("published", "published", "published", "synthetic")  # by turns: a session stays with its study


@dataclass(frozen=True)
class Load:
    """What a number of sessions got from a server within some seconds."""

    runs: list[Opened]
    errors: list[PageFailed]
    seconds: float
    megabytes: float

    @property
    def rate(self) -> float:
        """Page runs a second."""
        return len(self.runs) / self.seconds

    def times(self, page: str | None = None) -> list[float]:
        """Milliseconds of the runs, of one page or of all, sorted."""
        return sorted(run.milliseconds for run in self.runs if page in (None, run.page))


@contextmanager
def serve(*program: str) -> Iterator[tuple[int, int]]:
    """A server of its own: its port and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, *program, "--server.port", str(port), "--server.headless", "true"]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            _wait_until_up(server, port)
            yield port, server.pid
        finally:
            server.terminate()
            server.wait()


def _wait_until_up(server: subprocess.Popen, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"http://localhost:{port}/_stcore/health", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"The server on port {port} did not answer within {START_SECONDS} s.")


def measure_memory(process: int) -> float:
    """The megabytes of memory that a process holds."""
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=True)
    return int(shown.stdout) / 1024


async def warm_up(port: int) -> None:
    """Opens every page once."""
    for addresses in ADDRESSES.values():
        async with visit(port) as visitor:
            for page, address in addresses:
                await visitor.open(page, address)


async def wander(port: int, seed: int, seconds: float) -> list[Opened | PageFailed]:
    """One session: what came of opening another page every 0.5 to 2 s, in an order that the seed decides.

    A page that fails ends the session, and is the last of what came.
    """
    chance, addresses = random.Random(seed), ADDRESSES[STUDY_OF_SESSION[seed % len(STUDY_OF_SESSION)]]
    until = time.monotonic() + seconds
    came: list[Opened | PageFailed] = []
    async with visit(port) as visitor:
        while time.monotonic() < until:
            await asyncio.sleep(chance.uniform(*PAUSE_SECONDS))
            try:
                came.append(await visitor.open(*chance.choice(addresses)))
            except PageFailed as error:
                return [*came, error]
    return came


async def put_under_load(port: int, process: int, sessions: int, seconds: float) -> Load:
    """What so many sessions get, who come for so many seconds; the clock stops when the last page has come."""
    await warm_up(port)
    began = time.monotonic()
    came = list(chain.from_iterable(await asyncio.gather(*(wander(port, seed, seconds) for seed in range(sessions)))))
    return Load(
        [one for one in came if isinstance(one, Opened)],
        [one for one in came if isinstance(one, PageFailed)],
        time.monotonic() - began,
        measure_memory(process),
    )


async def hurry(port: int, seed: int, runs: int) -> None:
    """Opens so many pages without a pause, a new session after every 20."""
    chance, addresses = random.Random(seed), ADDRESSES[STUDY_OF_SESSION[seed % len(STUDY_OF_SESSION)]]
    for start in range(0, runs, STAYING):
        async with visit(port) as visitor:
            for _ in range(min(STAYING, runs - start)):
                await visitor.open(*chance.choice(addresses))


async def follow_memory(port: int, process: int, runs: int) -> list[tuple[int, float]]:
    """Page runs so far and the server's megabytes: before the first run and after each tenth of so many."""
    await warm_up(port)
    followed = [(0, measure_memory(process))]
    for tenth in range(1, 11):
        await asyncio.gather(*(hurry(port, AT_ONCE * tenth + one, runs // 10 // AT_ONCE) for one in range(AT_ONCE)))
        followed.append((runs * tenth // 10, measure_memory(process)))
    return followed


def tabulate_loads(loads: dict[str, list[Load]], sessions: list[int]) -> Table:
    """One row a number of sessions and a server, with the ratio of the two rates."""
    table = Table(title="The served app under sessions that open another page every 0.5 to 2 s")
    for column in ("sessions", "server", "page runs", "a second", "median, ms", "p95, ms", "worst, ms", "errors", "MB"):
        table.add_column(column, justify="left" if column == "server" else "right")
    for row, number in enumerate(sessions):
        for name, measured in loads.items():
            load = measured[row]
            times = load.times() or [math.nan]
            table.add_row(
                str(number),
                name,
                str(len(load.runs)),
                f"{load.rate:.1f}",
                *(f"{figure:,.0f}" for figure in (statistics.median(times), pick_p95(times), times[-1])),
                str(len(load.errors)),
                f"{load.megabytes:,.0f}",
            )
    return table


def tabulate_pages(loads: list[Load], sessions: list[int]) -> Table:
    """One row a page: median and 95th percentile for each number of sessions, and the bytes of a run."""
    table = Table(title="As served, by page: median / p95 in ms, and the median of what a run sends")
    for column in ("page", *(f"{number} sessions" for number in sessions), "messages", "KB"):
        table.add_column(column, justify="left" if column == "page" else "right")
    for page in dict.fromkeys(page for addresses in ADDRESSES.values() for page, _ in addresses):
        runs = [run for load in loads for run in load.runs if run.page == page]
        cells = []
        for times in (load.times(page) for load in loads):
            cells.append(f"{statistics.median(times):,.0f} / {pick_p95(times):,.0f}" if times else "")
        if runs:
            messages, received = (statistics.median(getattr(run, what) for run in runs) for what in ("messages", "received"))
            table.add_row(page or "overview", *cells, f"{messages:.0f}", f"{received / 1024:,.0f}")
    return table


def pick_p95(times: list[float]) -> float:
    """The 95th percentile of sorted figures: the least that 19 in 20 do not exceed."""
    return times[math.ceil(0.95 * len(times)) - 1]


def main(arguments: list[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(prog="benchmarks.server", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=50, help="how long each number of sessions stays")
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--runs", type=int, default=10_000, help="page runs over which memory is followed")
    options = parser.parse_args(arguments)
    console = Console(width=130)
    loads: dict[str, list[Load]] = {name: [] for name in SERVERS}
    for sessions in options.sessions:
        for name, program in SERVERS.items():
            with serve(*program) as (port, process):
                loads[name].append(asyncio.run(put_under_load(port, process, sessions, options.seconds)))
    console.print(tabulate_loads(loads, options.sessions))
    served, developed = loads.values()
    ratios = ", ".join(
        f"{number}: {a.rate / b.rate:.1f}" for number, a, b in zip(options.sessions, served, developed, strict=True)
    )
    console.print(f"Page runs a second, as served over as developed, by sessions: {ratios}")
    console.print(tabulate_pages(served, options.sessions))
    for error in {str(error) for measured in loads.values() for load in measured for error in load.errors}:
        console.print(f"Failed: {error}")
    with serve(*SERVERS["as served"]) as (port, process):
        followed = asyncio.run(follow_memory(port, process, options.runs))
    memory = Table(title="Memory", caption=f"{AT_ONCE} sessions at once, each gone after {STAYING} page runs")
    memory.add_column("page runs", justify="right")
    memory.add_column("MB", justify="right")
    for runs, megabytes in followed:
        memory.add_row(f"{runs:,}", f"{megabytes:,.0f}")
    console.print(memory)
    grown = followed[-1][1] - followed[1][1]
    console.print(f"Grown by {grown:+.0f} MB in the last nine tenths (aim for 10,000 runs: at most {GROWTH_MB}).")


if __name__ == "__main__":
    main()
