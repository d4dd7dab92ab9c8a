"""Long work with a bar: how far it is and how long it takes, without holding up other visitors."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import streamlit as st

PATIENCE_SECONDS = 0.4  # what is done by then shows no bar
STEP_SECONDS = 0.2
SURE_SECONDS = 2  # from which on the time left is worth telling

Result = TypeVar("Result")


def follow(label: str, work: Callable[[Callable[[float], None]], Result]) -> Result:
    """What `work(say)` gives or raises; a bar shows the fraction that it says while it runs.

    The work has a thread of its own, which goes on where the visitor turns to something else: others may wait for the same
    model, and Streamlit ends a script within its next call, which must not happen within the work.
    """
    fractions = [0.0]
    worker = ThreadPoolExecutor(1)
    future = worker.submit(work, fractions.append)
    worker.shutdown(wait=False)
    start = time.monotonic()
    wait((future,), PATIENCE_SECONDS)
    if not future.done():
        bar = st.progress(0.0, label)
        while not future.done():
            fraction = min(max(fractions[-1], 0.0), 1.0)
            bar.progress(fraction, f"{label}{tell_time(fraction, time.monotonic() - start)}")
            wait((future,), STEP_SECONDS)
        bar.empty()
    return future.result()


def tell_time(fraction: float, seconds: float) -> str:
    """How long it still takes by what is done, or has taken; nothing in the first seconds.

    >>> tell_time(0.5, 10), tell_time(0.0, 10), tell_time(0.1, 1)
    (' · 50%, some 10 s left', ' · 10 s', '')
    """
    if seconds < SURE_SECONDS:
        return ""
    if fraction <= 0:
        return f" · {seconds:.0f} s"
    return f" · {fraction:.0%}, some {seconds * (1 - fraction) / fraction:.0f} s left"
