"""What is done to each item while something else is done with those before it, by threads, a bounded number ahead.

Pillow decodes and resizes without holding Python's lock, so threads are enough to keep a model fed.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def map_ahead(function: Callable[[Item], Done], items: Iterable[Item], *, threads: int, ahead: int) -> Iterator[Done]:
    """function(item) of each item, in their order; at most `ahead` are begun before they are asked for.

    Items are drawn as they are begun. What a call raises is raised in its place, and nothing more is begun then.
    """
    with ThreadPoolExecutor(threads) as pool:
        begun: deque[Future[Done]] = deque()
        try:
            for item in items:
                begun.append(pool.submit(function, item))
                if len(begun) >= ahead:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
