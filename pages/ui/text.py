"""Text and figures as the Markdown of a page shows them."""

import math
import re
from collections.abc import Iterable


def escape(text: str) -> str:
    """Text of a user or a corpus, safe to put into Markdown."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])", r"\\\1", text)


def link_sources(text: str) -> str:
    """A text in which numbers of arXiv and addresses there or on GitHub are links, and everything else is escaped.

    Addresses elsewhere stay text: a study may come from a stranger.

    >>> link_sources("A paper, arXiv 2404.04125; https://github.com/a_b, https://example.org")
    'A paper, [arXiv 2404\\\\.04125](https://arxiv.org/abs/2404.04125); [github\\\\.com/a\\\\_b](https://github.com/a_b), https\\\\://example\\\\.org'
    """
    parts = re.split(r"(https://(?:github\.com|arxiv\.org)/[\w./-]*\w|arXiv[ :]\d{4}\.\d{4,5})", text)
    return "".join(_link(part) if i % 2 else escape(part) for i, part in enumerate(parts))


def _link(source: str) -> str:
    """A link to a web address or to a paper of arXiv."""
    address = source if source.startswith("http") else f"https://arxiv.org/abs/{source[len('arXiv ') :]}"
    return f"[{escape(re.sub('^https?://', '', source))}]({address})"


def shorten(text: str, characters: int) -> str:
    """The beginning of a text on one line, with an ellipsis where there is more; nothing that a browser cannot show.

    >>> shorten("a red\n rose", 20), shorten("a red rose", 6)
    ('a red rose', 'a red…')
    """
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    return line if len(line) <= characters else f"{line[: characters - 1].rstrip()}…"


def format_figure(value: float, form: str) -> str:
    """A figure in a format, or "undetermined" where there is none.

    >>> format_figure(0.126, ".2f"), format_figure(float("nan"), ".2f")
    ('0.13', 'undetermined')
    """
    return "undetermined" if math.isnan(value) else f"{value:{form}}"


def tell_range(figures: Iterable[float], form: str) -> str:
    """The least and the greatest of some figures; one of them where both read the same.

    >>> tell_range([0.1, 0.26, 0.2], ".1f"), tell_range([0.11, 0.12], ".1f")
    ('0.1 to 0.3', '0.1')
    """
    figures = list(figures)
    return " to ".join(dict.fromkeys(f"{figure:{form}}" for figure in (min(figures), max(figures))))


def tell_interval(low: float, high: float, form: str) -> str:
    """An interval in brackets, with a space before it, or nothing where there is none.

    >>> tell_interval(5.32, 9.5, "+.1f"), tell_interval(float("nan"), 1.0, ".2f")
    (' [+5.3, +9.5]', '')
    """
    return "" if math.isnan(low) or math.isnan(high) else f" [{low:{form}}, {high:{form}}]"
