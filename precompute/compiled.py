"""Compiles loops over arrays by numba, and keeps them on disk."""

from collections.abc import Callable

from numba import njit


def compile_kernel(function: Callable) -> Callable:
    """The function compiled when it is first called, and kept on disk where there is a place that can be written.

    It holds no Python object and releases Python's lock.
    """
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba finds no such place
        return njit(nogil=True)(function)
