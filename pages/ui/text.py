"""Text and figures as the Markdown of a page shows them."""

import math
import re


def escape(text: str) -> str:
    """Text of a user or a corpus, safe to put into Markdown."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])", r"\\\1", text)


def format_figure(value: float, form: str) -> str:
    """A figure in a format, or "undetermined" where there is none.

    >>> format_figure(0.126, ".2f"), format_figure(float("nan"), ".2f")
    ('0.13', 'undetermined')
    """
    return "undetermined" if math.isnan(value) else f"{value:{form}}"
