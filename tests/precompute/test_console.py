"""The bar of a stage tells time left, rate and memory."""

import io
import re

from rich.console import Console
from rich.progress import Progress, TextColumn

from precompute.commands.console import PaceColumn, StageBars
from precompute.search.run_log import Expected, Took


def test_bar_tells_time_left_rate_and_memory_of_the_stage_under_way():
    now, written = [0.0], io.StringIO()
    screen = Console(file=written, width=200, force_terminal=False)
    with Progress(TextColumn("{task.description}"), PaceColumn(), console=screen, auto_refresh=False) as progress:
        say = StageBars(progress, lambda: now[0])
        say("reading", 0.0)
        assert re.fullmatch(r"[\d.]+ [MG]B", say.describe())
        now[0] = 10.0
        say.note(Took("a.tar", 900, 100, {}, 0))
        say("reading", 0.25)
        assert re.fullmatch(r"30\.0 s left · 100 samples/s · [\d.]+ [MG]B", say.describe())
        say("merging", 0.5)
        now[0] = 20.0
        say("merging", 0.75)
        assert re.fullmatch(r"10\.0 s left · [\d.]+ [MG]B", say.describe())
    assert re.search(r"reading *\nmerging 10\.0 s left · [\d.]+ [MG]B", written.getvalue())


def test_bar_tells_the_time_left_in_the_run_with_the_stages_that_are_expected():
    now = [0.0]
    with Progress(console=Console(file=io.StringIO()), auto_refresh=False) as progress:
        say = StageBars(progress, lambda: now[0])
        say("searching", 0.0)
        now[0] = 10.0
        say("searching", 0.25)
        say.note(Expected("merging", 20.0))
        say.note(Expected("describing", 5.0))
        assert say.left() == (30.0, 25.0)
        assert say.describe().startswith("55.0 s left, 25.0 s of it in later stages · ")
        say("merging", 0.0)
        now[0] = 14.0
        assert say.left() == (16.0, 5.0)  # as it was expected, for nothing of it is done
        say("describing", 0.0)
        assert say.describe().startswith("5.0 s left · ")
