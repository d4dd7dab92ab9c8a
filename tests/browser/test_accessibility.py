"""Every page in both themes as axe-core judges it, and what axe leaves out: text of charts, gaps in headings, the focus."""

import re
from itertools import pairwise

import pytest
from axe_playwright_python.sync_playwright import Axe

from pages.ui.navigation import ENTRIES
from tests.browser.conftest import Visitor

ADDRESSES = (
    "",
    "distributions",
    "scaling",
    "scaling?view=Several+models",
    "scaling?view=Causal+comparison",
    "concept?concept=striped+daxu",
    "misalignment",
    "let_it_wag",
    "search_quality",
    "test_set?names=striped+daxu%0Anonesuch",
    "probe",
)
THEMES = ("light", "dark")
GRAVE = ("serious", "critical")
STREAMLITS_OWN: tuple[tuple[str, str], ...] = ()  # axe's rule, and a part of the markup that Streamlit alone decides on
LEAST = 4.5  # to one: the contrast of text by WCAG 2.2, 1.4.3
CHART_TEXTS = """() => [...document.querySelectorAll(
    '.js-plotly-plot :is(.xaxislayer-above, .yaxislayer-above, .g-xtitle, .g-ytitle, .legend) text'
    )].map(text => [text.textContent, getComputedStyle(text).fill])"""
GROUND = "() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
HEADINGS = "() => [...document.querySelectorAll('[data-testid=stMain] :is(h1, h2, h3, h4, h5, h6)')].map(h => +h.tagName[1])"
FOCUS = """() => { const style = getComputedStyle(document.activeElement);
    return [document.activeElement.tagName, style.outlineStyle, parseFloat(style.outlineWidth), style.outlineColor]; }"""


def luminance(color: str) -> float:
    """Relative luminance of an rgb() colour, as WCAG defines it."""
    channels = [int(number) / 255 for number in re.findall(r"\d+", color)[:3]]
    linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def find_grave(visitor: Visitor) -> list[str]:
    """What axe finds serious or critical, but for what Streamlit itself draws."""
    found = Axe().run(visitor.page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:300]} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
        if not any(rule["id"] == known and mark in node["html"] for known, mark in STREAMLITS_OWN)
    ]


def find_faint(visitor: Visitor) -> list[str]:
    """Texts of charts with too little contrast."""
    ground = visitor.page.evaluate(GROUND)
    return [f"{text}: {fill}" for text, fill in visitor.page.evaluate(CHART_TEXTS) if contrast(fill, ground) < LEAST]


@pytest.mark.parametrize("address", ADDRESSES)
def test_page_has_no_grave_finding_in_either_theme_and_no_gap_in_its_headings(world_server, visit, address):
    visitor = visit(f"{world_server}/{address}")
    levels = visitor.page.evaluate(HEADINGS)
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels)), levels
    for theme in THEMES:
        visitor.page.emulate_media(color_scheme=theme)
        visitor.wait()
        assert find_grave(visitor) == [], theme
        assert find_faint(visitor) == [], theme


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_who_walks_by_keyboard_sees_where_they_are(world_server, visit, dark):
    visitor = visit(world_server, dark=dark)
    ground, seen = visitor.page.evaluate(GROUND), []
    for _ in range(len(ENTRIES) + 3):  # the links at the side, and what comes behind them
        visitor.page.keyboard.press("Tab")
        seen.append(visitor.page.evaluate(FOCUS))
    assert {"A", "INPUT"} <= {tag for tag, *_ in seen}
    for tag, style, width, color in seen:
        assert style == "solid", tag
        assert width >= 2
        assert contrast(color, ground) >= 3


def test_contrast_is_that_of_wcag():
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    assert contrast("rgb(119, 119, 119)", "rgb(255, 255, 255)") == pytest.approx(4.48, abs=0.01)
