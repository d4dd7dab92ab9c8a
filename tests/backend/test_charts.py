"""Every figure draws every point that it is given, in its corpus's own colour, on axes that a browser can draw."""

import inspect
import json
import math
from itertools import combinations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from backend import bands, charts, compare, fits, frequency, scaling
from backend.scaling import ModelLine

TITLES = {"small": "Small", "large": "Large", "third": "Third"}
# Colours as a person without the middle cone sees them, on linear RGB: Machado, Oliveira and Fernandes 2009, severity 1.
DEUTERANOPIA = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]])
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
WHITE = np.array([0.95047, 1, 1.08883])


def ranked(counts: list[int], corpora=tuple(TITLES)) -> pd.DataFrame:
    """What `count_concepts` gives: the same falling counts in each corpus."""
    frames = [
        pd.DataFrame(
            {
                "corpus": corpus,
                "concept": [f"c{i}" for i in range(len(counts))],
                "count": counts,
                "rank": range(1, len(counts) + 1),
            }
        )
        for corpus in corpora
    ]
    return pd.concat(frames, ignore_index=True)


def points_of(counts: list[int], values: list[float]) -> pd.DataFrame:
    """What `join_points` gives."""
    names = [f"c{i}" for i in range(len(counts))]
    return pd.DataFrame({"task": "t", "label": names, "concept": names, "count": counts, "value": values, "n": pd.NA})


def fit_of(counts: list[int], values: list[float]) -> fits.Fit:
    return fits.fit_points(points_of(counts, values), "classification")


def line_of(name: str, corpus: str, counts=(0, 1, 10, 100), values=(5.0, 10.0, 20.0, 30.0)) -> ModelLine:
    """What `fit_models` gives for one model."""
    bins = fits.bin_points(np.array(counts), np.array(values), "classification")
    return ModelLine(name, corpus, fit_of(list(counts), list(values)), bins, (min(values), max(values)))


def draw_scaling(counts: list[int], values: list[float], bounds=(0, 100)) -> go.Figure:
    points = points_of(counts, values)
    bins = fits.bin_points(points["count"].to_numpy(), points["value"].to_numpy(), "classification")
    fit = fits.fit_points(points, "classification")
    band = bands.trace_band(bands.gather_peers(points, bounds))
    return charts.draw_scaling(points, bins, fit, band, unit="accuracy (%)", name="Small")


def draw_change(tenfolds: list[float], gained: list[float], slope: float = 10.0) -> go.Figure:
    points = points_of([1] * len(gained), gained).assign(
        tenfolds=tenfolds, gained=gained, count_before=0, count_after=10, value_before=0.0, value_after=gained
    )
    return charts.draw_change(points, slope, 1.0, unit="accuracy (%)")


def concept_counts(low: list[int], high: list[int], modalities=("text", "image", "joint")) -> pd.DataFrame:
    rows = list(zip(modalities, low, high, strict=False))
    frame = pd.DataFrame(rows, columns=["modality", "low", "high"])
    return frame.assign(corpus="small", method_title="a method")


def concept_scores(models: int) -> pd.DataFrame:
    limits = (35.0, 46.0), (math.nan, math.nan)
    rows = [(f"m{i}/small", "t", "small", 10 * i, 40.0, *limits[i % 2], 50.0, 30.0, 70.0) for i in range(models)]
    columns = ["model", "task", "corpus", "count", "value", "value_low", "value_high", "expected", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def degrees(corpora: int) -> pd.DataFrame:
    return pd.DataFrame({"title": list(TITLES.values())[:corpora], "degree": 0.1, "degree_extracted": 0.2})


def tail_models(references: list[float]) -> pd.DataFrame:
    sides = ["below" if reference < 50 else "above" for reference in references]
    return pd.DataFrame({"model": [f"m{r}" for r in references], "reference": references, "tail": 1.0, "side": sides})


def draw_tail_models(references: list[float]) -> go.Figure:
    models = tail_models(references)
    lines = pd.DataFrame([("above", 3, 1.5, -40.0, 0.9, 60.0, 80.0)] if len(models) > 2 else [])
    lines.columns = ["side", "models", "slope", "intercept", "r", "low", "high"][: lines.shape[1]]
    if lines.empty:
        lines = pd.DataFrame(columns=["side", "models", "slope", "intercept", "r", "low", "high"])
    return charts.draw_tail_models(models, lines, tail="The tail", reference="imagenet")


def against(x: list[int], y: list[int]) -> go.Figure:
    rows = pd.DataFrame({"concept": [f"c{i}" for i in range(len(x))], "x": x, "y": y})
    return charts.draw_counts_against(rows, "x", "y", "text", "image")


def heatmap(r: list[list[float]], names: list[str]) -> go.Figure:
    matrix = pd.DataFrame(r, index=names, columns=names)
    return charts.draw_heatmap(matrix, matrix.fillna(0).astype(int), TITLES)


def thresholds(medians: list[float], corpora=("small",), y: str = "median") -> go.Figure:
    rows = [(corpus, 0.5 + i / 10, median, 10.0) for corpus in corpora for i, median in enumerate(medians)]
    return charts.draw_thresholds(
        pd.DataFrame(rows, columns=["corpus", "threshold", "median", "zero_share"]), y, "samples", TITLES
    )


def comparison(counts: list[int], first: list[float], second: list[float]) -> go.Figure:
    sides = []
    for name, values in (("a", first), ("b", second)):
        line = line_of(name, "small", tuple(counts), tuple(values))
        sides.append(scaling.Side(name, "small", line.fit, line.bins))
    points = points_of(counts, first).assign(first=first, second=second)
    found = scaling.Comparison("small", *sides, points, (0.0, -1.0, 1.0))
    return charts.draw_comparison(found, ("one", "other"), unit="%", name="Small")


def disagreements(shares: list[float]) -> go.Figure:
    rows = [(0.2 + i / 100, kind, 5, share) for i, share in enumerate(shares) for kind in ("conflicting", "text-only")]
    return charts.draw_disagreements(pd.DataFrame(rows, columns=["threshold", "kind", "samples", "share"]), 0.2)


def quality(precision: list[float], chosen: int | None) -> go.Figure:
    rows = [(0.2 + i / 100, value, i == chosen) for i, value in enumerate(precision)]
    return charts.draw_quality(
        pd.DataFrame(rows, columns=["threshold", "precision", "chosen"]), {"precision": "precision"}, "%"
    )


def truth_of(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["modality", "count", "truth"])
    return table.assign(concept=[f"c{i}" for i in range(len(rows))], corpus="small")


def versus(counts: list[int], differences: list[float], stands_out: list[bool]) -> go.Figure:
    points = points_of(counts, differences).assign(first=differences, second=0.0, difference=differences, stands_out=stands_out)
    found = compare.Versus(points, (0.0, -1.0, 1.0), fits.fit_points(points, "classification"), "3 concepts")
    return charts.draw_versus(found, ("one", "other"), unit="%", corpus="Small")


def rate_curves(rates: list[float], corpora=("Small", "Large")) -> go.Figure:
    rows = [(corpus, f"c{i}", i + 1, rate) for corpus in corpora for i, rate in enumerate(rates)]
    return charts.draw_rate_curves(pd.DataFrame(rows, columns=["corpus", "concept", "rank", "per_million"]))


# Each figure with several rows, with one, and with the least that a page can pass.
FIGURES = {
    "draw_rank_curves": [
        lambda: charts.draw_rank_curves(ranked([9, 5, 1]), ranked([9, 0]), TITLES),
        lambda: charts.draw_rank_curves(ranked([7], ["small"]), ranked([7], ["small"]), TITLES),
        lambda: charts.draw_rank_curves(frequency.thin_curves(ranked([0, 0])), ranked([0, 0]), TITLES),
    ],
    "draw_tail_shares": [
        lambda: charts.draw_tail_shares(frequency.share_tails(ranked([9, 5, 1])), TITLES),
        lambda: charts.draw_tail_shares(frequency.share_tails(ranked([0], ["small"])), TITLES),
    ],
    "draw_lorenz": [
        lambda: charts.draw_lorenz(frequency.compute_lorenz(ranked([9, 5, 1])), TITLES),
        lambda: charts.draw_lorenz(frequency.compute_lorenz(ranked([3], ["small"])), TITLES),
        lambda: charts.draw_lorenz(frequency.compute_lorenz(ranked([0, 0], ["small"])), TITLES),
    ],
    "draw_counts_against": [
        lambda: against([0, 1, 10**9], [5, 0, 3]),
        lambda: against([4], [4]),
        lambda: against([0], [0]),
    ],
    "draw_thresholds": [
        lambda: thresholds([30, 3, 1], TITLES),
        lambda: thresholds([30, 3, 0]),
        lambda: thresholds([0, 0]),
        lambda: thresholds([3, 1], y="zero_share"),
    ],
    "draw_heatmap": [
        lambda: heatmap([[1, 0.5], [0.5, 1]], ["small", "large"]),
        lambda: heatmap([[1, math.nan], [math.nan, math.nan]], ["small", "large"]),
    ],
    "draw_scaling": [
        lambda: draw_scaling([0, 0, 1, 10, 100, 1_000], [0, 10, 20, 30, 45, 50]),
        lambda: draw_scaling([0, 1, 10], [60, 60, 60]),
        lambda: draw_scaling([0, 1, 10], [-3, 60, 0.5], bounds=None),
    ],
    "draw_lines": [
        lambda: charts.draw_lines([line_of("a", "small"), line_of("b", "small"), line_of("c", "large")], TITLES, unit="%"),
        lambda: charts.draw_lines([line_of("a", "small")], TITLES, unit="%"),
        lambda: charts.draw_lines([line_of("a", "small", values=(7.0,) * 4)], TITLES, unit="%"),
    ],
    "draw_comparison": [
        lambda: comparison([0, 1, 10, 100], [1, 2, 3, 4], [4, 4, 4, 4]),
        lambda: comparison([7, 7, 7], [1, 2, 3], [4, 4, 4]),
    ],
    "draw_versus": [
        lambda: versus([0, 10, 100], [-5.0, 0.0, 30.0], [False, False, True]),
        lambda: versus([7, 7, 7], [1.0, 1.0, 1.0], [False] * 3),
    ],
    "draw_rate_curves": [lambda: rate_curves([900.0, 30.0, 1.0]), lambda: rate_curves([7.0], ["Small"])],
    "draw_lengths": [
        lambda: charts.draw_lengths(pd.DataFrame({"value": [3, 8, 100, 110], "count": [5, 90, 4, 1]}), "words"),
        lambda: charts.draw_lengths(pd.DataFrame({"value": [7], "count": [1]}), "words"),
    ],
    "draw_change": [
        lambda: draw_change([-1.0, 0.0, 2.0], [-5.0, 0.0, 30.0]),
        lambda: draw_change([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], slope=math.nan),
    ],
    "draw_disagreements": [lambda: disagreements([50.0, 0.0]), lambda: disagreements([0.0])],
    "draw_quality": [
        lambda: quality([50.0, 60.0, 70.0], 1),
        lambda: quality([50.0, math.nan], None),
        lambda: quality([50.0], 0),
    ],
    "draw_truth": [
        lambda: charts.draw_truth(truth_of([("text", 0, 5), ("image", 10**6, 10), ("joint", 3, 3)])),
        lambda: charts.draw_truth(truth_of([("text", 0, 0)])),
    ],
    "draw_small_multiples": [
        lambda: charts.draw_small_multiples([line_of(f"m{i}/small", "small") for i in range(7)], TITLES, unit="%"),
        lambda: charts.draw_small_multiples([line_of("a", "small")], TITLES, unit="%"),
    ],
    "draw_concept_counts": [
        lambda: charts.draw_concept_counts(concept_counts([0, 1, 5], [9, 1, 5]), TITLES),
        lambda: charts.draw_concept_counts(concept_counts([0], [0]), TITLES),
        lambda: charts.draw_concept_counts(concept_counts([], []), TITLES),
        lambda: charts.draw_concept_counts(concept_counts([0], [4]), TITLES, truth_of([("text", 4, 90), ("image", 4, 0)])),
    ],
    "draw_concept_scores": [
        lambda: charts.draw_concept_scores(concept_scores(3), TITLES, unit="accuracy (%)"),
        lambda: charts.draw_concept_scores(concept_scores(1), TITLES, unit="accuracy (%)"),
    ],
    "draw_degrees": [lambda: charts.draw_degrees(degrees(3)), lambda: charts.draw_degrees(degrees(1))],
    "draw_tail_models": [
        lambda: draw_tail_models([20.0, 60.0, 70.0, 80.0]),
        lambda: draw_tail_models([20.0]),
        lambda: draw_tail_models([60.0, 70.0]),
    ],
}
CASES = [pytest.param(draw, id=f"{name}-{i}") for name, draws in FIGURES.items() for i, draw in enumerate(draws)]


def test_every_figure_of_the_app_is_drawn_here():
    drawn = {name for name, value in inspect.getmembers(charts, inspect.isfunction) if name.startswith("draw_")}
    assert drawn == set(FIGURES)


@pytest.mark.parametrize("draw", CASES)
def test_figure_is_whole(draw):
    figure = draw()
    assert isinstance(figure, go.Figure)
    assert figure.layout.height > 100
    for trace in figure.data:
        if trace.type == "heatmap":
            continue
        assert len(trace.x) == len(trace.y)
        for numbers in (trace.x, trace.y):
            assert not pd.isna(np.asarray(numbers, dtype=object)).any()
        for rows in (trace.customdata, trace.text):
            assert rows is None or isinstance(rows, str) or len(rows) == len(trace.x)


@pytest.mark.parametrize("draw", CASES)
def test_axes_can_be_drawn_and_say_what_they_show(draw):
    layout = draw().to_plotly_json()["layout"]
    axes = {name: axis for name, axis in layout.items() if name[:5] in ("xaxis", "yaxis")}
    assert axes
    for axis in axes.values():
        assert np.isfinite([float(number) for number in axis.get("range", [])]).all()
        assert np.isfinite([float(number) for number in axis.get("tickvals", [])]).all()
        assert len(axis.get("tickvals", [])) == len(axis.get("ticktext", []))


@pytest.mark.parametrize("draw", CASES)
def test_no_point_falls_off_a_logarithmic_axis(draw):
    figure = draw()
    layout = figure.layout
    for trace in (trace for trace in figure.data if trace.name != "equal"):  # the diagonal may leave the plot
        for numbers, axis in ((trace.x, trace.xaxis or "x"), (trace.y, trace.yaxis or "y")):
            place = layout[f"{axis[0]}axis{axis[1:]}"]
            if place.type == "log" and len(numbers):
                assert (np.asarray(numbers, float) > 0).all()
                if place.range:
                    exponents = np.log10(np.asarray(numbers, float))
                    assert place.range[0] <= exponents.min() and exponents.max() <= place.range[1]


@pytest.mark.parametrize("draw", CASES)
def test_figure_travels_as_strict_json(draw):
    json.loads(draw().to_json(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


# Zeros


def test_zero_counts_of_a_scaling_plot_stand_in_their_own_column():
    figure = draw_scaling([0, 0, 1, 10, 100], [0, 10, 20, 30, 45])
    cloud = figure.data[0]
    assert list(cloud.x) == [charts.ZERO_AT, charts.ZERO_AT, 1, 10, 100]
    assert list(cloud.y) == [0, 10, 20, 30, 45]
    assert "%{x:,.0f} samples" in cloud.hovertemplate  # a reader who hovers is told zero: what stands for it is below a half
    assert charts.ZERO_AT < 0.5
    assert cloud.name == "a concept of a task (5)"
    assert (figure.layout.xaxis.tickvals[0], figure.layout.xaxis.ticktext[0]) == (charts.ZERO_AT, "0")


def test_every_concept_is_a_point_where_counts_are_set_against_each_other():
    figure = against([0, 0, 5, 10**9], [0, 7, 0, 10])
    points = figure.data[1]
    assert list(points.x) == [charts.ZERO_AT, charts.ZERO_AT, 5, 10**9]
    assert list(points.y) == [charts.ZERO_AT, 7, charts.ZERO_AT, 10]
    assert [row[0] for row in points.customdata] == ["c0", "c1", "c2", "c3"]
    assert "%{x:,.0f}" in points.hovertemplate  # what stands for zero is told as 0


def test_of_a_crowd_those_that_would_lie_on_one_another_are_one_mark():
    points = against([1_000, 1_000, 1_010, 2_000, *[0] * 2_000], [7, 7, 7, 7, *[0] * 2_000]).data[1]
    assert [row[0] for row in points.customdata] == ["c0", "c3", "c4"]
    assert len(against([0] * 2_000, [0] * 2_000).data[1].customdata) == 2_000


def test_zero_count_of_a_concept_is_a_bar_with_its_number():
    figure = charts.draw_concept_counts(concept_counts([0, 0, 3], [0, 4_000, 3]), TITLES)
    bars = {trace.name: (list(trace.x), list(trace.text), list(trace.error_x.arrayminus)) for trace in figure.data}
    zero = charts.ZERO_AT
    assert bars == {"text": ([zero], ["0"], [0]), "image": ([4_000], ["4,000"], [4_000 - zero]), "both": ([3], ["3"], [0])}


def test_bars_stand_in_the_order_of_their_rows():
    counts = pd.concat([concept_counts([1], [1]).assign(corpus=corpus) for corpus in reversed(TITLES)])
    figure = charts.draw_concept_counts(counts, TITLES)
    assert list(figure.layout.yaxis.categoryarray) == [TITLES[corpus] for corpus in reversed(TITLES)]


def test_median_of_zero_is_a_point_of_the_threshold_figure():
    assert list(thresholds([30, 3, 0]).data[0].y) == [30, 3, charts.ZERO_AT]
    assert list(thresholds([3, 1], y="zero_share").data[0].y) == [10, 10]


def test_zero_column_lies_left_of_one_and_ones_beside_it():
    assert 0 < charts.ZERO_AT < 1
    figure = against([0, 1], [0, 1])
    assert figure.layout.xaxis.range[0] < math.log10(charts.ZERO_AT)
    assert figure.layout.xaxis.tickvals[:2] == (charts.ZERO_AT, 1)


def test_paper_points_are_all_drawn(published_study):
    tasks = scaling.pooled_tasks(published_study, "classification")
    selection = {
        "model": "RN50/cc3m",
        "corpus": "cc3m",
        "method": "lemmatized",
        "setting": "ensemble",
        "kind": "classification",
    }
    points = scaling.join_points(published_study, **selection, tasks=tasks)
    figure = draw_scaling(points["count"].tolist(), points["value"].tolist())
    assert len(figure.data[0].x) == len(points)
    assert (np.asarray(figure.data[0].x) == charts.ZERO_AT).sum() == (points["count"] == 0).sum() > 0


# Colours


def colors_of(figure: go.Figure) -> dict[str, str]:
    """The colour of each named trace, by the first word of its name."""
    return {
        trace.name.split(" ")[0]: (trace.line.color or trace.marker.color) for trace in figure.data if trace.name and trace.line
    }


@pytest.mark.parametrize(
    "draw",
    [
        lambda corpora: charts.draw_rank_curves(ranked([9, 1], corpora), ranked([9], corpora), TITLES),
        lambda corpora: charts.draw_tail_shares(frequency.share_tails(ranked([9, 1], corpora)), TITLES),
        lambda corpora: charts.draw_lorenz(frequency.compute_lorenz(ranked([9, 1], corpora)), TITLES),
        lambda corpora: thresholds([9, 1], corpora),
    ],
    ids=["rank curves", "tail shares", "Lorenz curves", "thresholds"],
)
@pytest.mark.parametrize("left_out", TITLES)
def test_corpus_keeps_its_colour_when_another_is_left_out(draw, left_out):
    whole, part = colors_of(draw(list(TITLES))), colors_of(draw([corpus for corpus in TITLES if corpus != left_out]))
    assert set(TITLES.values()) - set(part) == {TITLES[left_out]}
    assert all(whole[name] == color for name, color in part.items())
    assert [whole[title] for title in TITLES.values()] == list(charts.COLORS[:3])


def test_model_has_the_colour_of_its_corpus_whatever_stands_beside_it():
    alone = charts.draw_lines([line_of("c", "large")], TITLES, unit="%")
    among = charts.draw_lines([line_of("a", "small"), line_of("b", "small"), line_of("c", "large")], TITLES, unit="%")
    assert {trace.marker.color for trace in alone.data if trace.name} == {charts.COLORS[1]}
    marks = [trace for trace in among.data if trace.name]
    assert [trace.marker.color for trace in marks] == [charts.COLORS[0], charts.COLORS[0], charts.COLORS[1]]
    looks = [(trace.marker.color, trace.marker.symbol) for trace in marks]
    assert len(set(looks)) == 3


def test_order_of_rows_changes_neither_legend_nor_colours():
    rows = ranked([9, 5, 1])
    there = charts.draw_rank_curves(rows, rows.head(0), TITLES)
    back = charts.draw_rank_curves(rows.iloc[::-1], rows.head(0), TITLES)
    assert [trace.name for trace in back.data] == [trace.name for trace in there.data] == list(TITLES.values())
    assert colors_of(back) == colors_of(there)


def test_corpus_of_another_study_is_never_drawn():
    assert [trace.name for trace in charts.draw_rank_curves(ranked([9], ["unheard of"]), ranked([]), TITLES).data] == []


@pytest.mark.parametrize("corpora", [7, 8, 15, 40])
def test_many_corpora_all_look_different(corpora):
    styles = charts.style_of([f"corpus {i}" for i in range(corpora)])
    looks = [tuple(style.values()) for style in styles.values()]
    assert len(set(looks)) == corpora


def lab(color: str, seen_by: np.ndarray) -> np.ndarray:
    """A colour in CIE L*a*b* (D65), as an eye sees it."""
    srgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(seen_by @ linear, 0, 1) / WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize(("eyes", "least"), [(np.eye(3), 25), (DEUTERANOPIA, 8)], ids=["common", "deuteranopia"])
def test_colours_can_be_told_apart(eyes, least):
    # A distance of 2.3 is just noticeable. The nearest pairs: 26.4 (blue, sky blue); without the middle cone 9.0 (grey and
    # purple) and 9.5 (grey and green), then 17.9.
    distances = [np.linalg.norm(lab(a, eyes) - lab(b, eyes)) for a, b in combinations(charts.COLORS, 2)]
    assert min(distances) > least


def test_nearest_colours_differ_in_dash_and_symbol_too():
    styles = list(charts.style_of(range(len(charts.COLORS))).values())
    for one, other in combinations(styles, 2):
        if np.linalg.norm(lab(one["color"], DEUTERANOPIA) - lab(other["color"], DEUTERANOPIA)) < 20:
            assert one["dash"] != other["dash"]
            assert one["symbol"] != other["symbol"]


# Lines and bands


def test_band_follows_the_scores_at_each_frequency():
    counts, values = [1] * 100 + [1_000] * 100, [*range(100), *[50] * 100]
    band = draw_scaling(counts, values).data[1]
    at = {x: [y for place, y in zip(band.x, band.y, strict=True) if place == pytest.approx(x)] for x in (1, 1_000)}
    assert [sorted(at[x]) for x in at] == [pytest.approx([9.9, 89.1]), pytest.approx([50, 50])]


def test_line_of_changes_runs_over_all_of_them():
    cloud, line = draw_change([-1.0, 0.0, 2.0], [-5.0, 0.0, 30.0]).data
    assert (list(cloud.x), list(cloud.y)) == ([-1, 0, 2], [-5, 0, 30])
    assert (list(line.x), list(line.y)) == ([-1, 2], [-9, 21])


def test_line_runs_over_the_counts_that_it_was_fitted_to():
    line = next(trace for trace in draw_scaling([1, 10, 100], [20, 30, 40]).data if trace.name and "fit" in trace.name)
    assert list(line.x) == pytest.approx([1, 100])
    assert list(line.y) == pytest.approx([20, 40])


def test_line_ends_where_the_scores_end():
    counts, values = (1, 10, 100, 1_000, 10_000), (0.0, 0.0, 0.0, 100.0, 100.0)
    figures = [
        draw_scaling(list(counts), list(values)),
        comparison(list(counts), list(values), list(values)),
        charts.draw_lines([line_of("a", "small", counts, values)], TITLES, unit="%"),
        charts.draw_small_multiples([line_of("a", "small", counts, values)], TITLES, unit="%"),
    ]
    for figure in figures:
        lines = [trace for trace in figure.data if trace.mode == "lines" and trace.fill is None and trace.line.width == 2.5]
        assert lines
        for line in lines:  # by least squares it would go from -20 to 100 and beyond
            assert min(line.y) == pytest.approx(0)
            assert max(line.y) == pytest.approx(100)


def test_logarithmic_axes_have_small_ticks_between_their_powers():
    axes = charts.draw_lines([line_of("a", "small")], TITLES, unit="%").layout.xaxis
    assert {2, 9, 20, 90} <= set(axes.minor.tickvals)
    assert axes.minor.ticks == "inside"


def test_figures_on_bars_stand_beside_them():
    for bars in charts.draw_degrees(degrees(2)).data:
        assert bars.textposition == "outside"


def test_small_multiples_have_a_plot_and_a_title_a_model():
    figure = charts.draw_small_multiples([line_of(f"m{i}/small", "small") for i in range(7)], TITLES, unit="%")
    assert len(figure.layout.annotations) == 7
    assert len({trace.xaxis for trace in figure.data}) == 7
    assert figure.layout.grid.rows == 3


def test_heatmap_writes_figures_into_its_cells_and_leaves_unknown_ones_empty():
    cells = heatmap([[1, 0.126, math.nan], [0.126, 1, -1], [math.nan, -1, 1]], ["small", "large", "third"]).data[0]
    assert [list(row) for row in cells.text] == [["1.00", "0.13", ""], ["0.13", "1.00", "-1.00"], ["", "-1.00", "1.00"]]


def test_heatmap_follows_the_order_of_the_titles():
    assert list(heatmap([[1, 0.5], [0.5, 1]], ["large", "small"]).data[0].x) == ["Small", "Large"]


@pytest.mark.parametrize("name", ["<b>bold</b>", "a & b", "$x$", "a" * 5_000, "花 🌹"])
def test_any_title_can_stand_in_a_legend(name):
    rows = ranked([9, 1], ["small"])
    figure = charts.draw_rank_curves(rows, rows, {"small": name})
    assert figure.data[0].name == name
    json.loads(figure.to_json())
