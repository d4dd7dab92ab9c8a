"""Bands, means and forecasts held against scores that they have not seen.

Reads: the published study, and the invented world. The command: python -m benchmarks.bands
Each task is left out in turn, of every published model that has its corpus counted, in every setting and modality; tasks count
the same. The named peer is one band of pooled residuals around the least-squares line. An interval score is the width of the
80% band and ten times the distance of what lies outside (Gneiting and Raftery 2007, equation 43): lower is better.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from backend import bands, expected, scaling, transfer
from backend.bands import Peers
from backend.models.loading import load_model
from backend.models.prompts import build_classifier
from backend.study import ROOT, STUDIES, Study
from precompute.synthetic.pictures import Studio
from precompute.synthetic.species import draw_species

KIND = "classification"
METHODS = {"text": "lemmatized", "image": "rampp@0.7", "joint": "lemmatized+rampp@0.7"}
MISSED = 2 / 0.2  # what a point outside an 80% band costs
WORLDS, IMAGES = 200, (2, 10, 50, 1000)  # of the invented world: how often it is drawn anew; images of a new test
FRESH = 50  # new pictures of a species


def score_bands(study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(a row a concept left out, a row a task left out), of every model, setting and modality."""
    settings = scaling.list_settings(study)
    concepts, tasks = [], []
    for setting in settings.loc[settings["kind"] == KIND, "setting"]:
        for modality, method in METHODS.items():
            groups = expected.read_peers(study, kind=KIND, setting=setting, method=method)
            for (model, group), peers in groups.items():
                if group == expected.POOLED:
                    for others, rest in bands.leave_out(peers):
                        concepts.append(_score_rest(others, rest).assign(modality=modality))
                        tasks.append(_score_mean(others, rest) | {"modality": modality, "model": model})
    return pd.concat(concepts, ignore_index=True), pd.DataFrame(tasks)


def _score_rest(others: Peers, rest: Peers) -> pd.DataFrame:
    """x, weight (1 over the task's size), and for the band and the peer: inside, interval score; errors with and without x."""
    low, middle, high = bands.find_band(others, 10**rest.x, rest.images)
    slope, intercept = np.polyfit(others.x, others.values, 1)
    residuals = np.percentile(others.values - intercept - slope * others.x, (10, 90))
    line = np.clip(intercept + slope * rest.x + residuals[:, None], *rest.bounds)
    columns = {"x": rest.x, "weight": 1 / len(rest)}
    columns |= {"error": np.abs(rest.values - middle), "without": np.abs(rest.values - np.median(others.values))}
    for name, (bottom, top) in {"band": (low, high), "line": line}.items():
        outside = np.maximum(bottom - rest.values, 0) + np.maximum(rest.values - top, 0)
        columns |= {f"{name}_inside": 100.0 * (outside == 0), f"{name}_score": top - bottom + MISSED * outside}
    return pd.DataFrame(columns)


def _score_mean(others: Peers, rest: Peers) -> dict:
    """Whether the mean of a test set that is left out lies in its range, the range's width, and the error."""
    mean, value = bands.expect_mean(others, 10**rest.x), rest.values.mean()
    return {"inside": 100.0 * (mean.low <= value <= mean.high), "width": mean.high - mean.low, "error": abs(mean.value - value)}


def average(rows: pd.DataFrame, by: pd.Series | str) -> pd.DataFrame:
    """The mean of each column by a key, tasks weighted equally, and the number of concepts."""
    columns = rows.drop(columns=["modality", "weight"])
    weights = rows["weight"]
    sums = columns.mul(weights, axis=0).groupby(rows[by] if isinstance(by, str) else by).sum()
    key = rows[by] if isinstance(by, str) else by
    return sums.div(weights.groupby(key).sum(), axis=0).assign(concepts=rows.groupby(key).size())


def tabulate(title: str, heads: tuple[str, ...], rows: Iterator[tuple]) -> Table:
    """A table for the console; the first column is text."""
    table = Table(title=title)
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i else "left")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    return table


def show_bands(console: Console, study: Study) -> None:
    """Bands and means of the published study."""
    concepts, tasks = score_bands(study)
    heads = ("inside, % (aim 76-84)", "interval score", "peer: inside, %", "peer: score", "mean error", "without frequency")
    columns = ["band_inside", "band_score", "line_inside", "line_score", "error", "without"]
    for title, table in (
        ("by modality", pd.concat([average(concepts, "modality"), average(concepts, concepts["weight"].map(lambda _: "all"))])),
        ("by decade of the count (aim at least 70% inside each)", average(concepts, np.floor(concepts["x"]).astype(int))),
    ):
        rows = (
            (key, f"{row['concepts']:,.0f}", *(f"{row[column]:.1f}" for column in columns)) for key, row in table.iterrows()
        )
        console.print(tabulate(f"Scores of tasks left out, {title}", (title.split(" (")[0], "scores", *heads), rows))
    means = pd.concat([tasks, tasks.assign(modality="all")]).groupby("modality", sort=False)
    rows = (
        (name, f"{len(part):,}", *(f"{part[column].mean():.1f}" for column in ("inside", "width", "error")))
        for name, part in means
    )
    heads = ("modality", "test sets", "inside, % (aim 75-85)", "mean width", "mean error")
    console.print(tabulate("Means of test sets left out, their own effect in the range", heads, rows))


def show_forecasts(console: Console, study: Study, method: str, setting: str) -> None:
    """What smaller corpora's lines foretold for larger ones, and change against change."""
    choice = {"kind": KIND, "setting": setting, "method": method}
    checked = transfer.check_forecasts(study, **choice)
    rows = (
        (f"{row.architecture}: {row.corpus} to {row.larger}", f"{row.tenfolds:+.2f}", f"{row.by_line:+.1f}")
        + (f"{row.foretold:+.1f} [{row.foretold_low:+.1f}, {row.foretold_high:+.1f}]", f"{row.seen:+.1f}")
        for row in checked.itertuples()
    )
    heads = ("trained on", "tenfolds more", "line foretold", "average task's slope foretold", "seen")
    console.print(tabulate(f"Forecasts of a larger corpus, {study.name}, {method}, points", heads, rows))
    rows = []
    for pair in transfer.list_pairs(study, **choice).itertuples():
        found = transfer.compare_change(study, pair.first, pair.second, **choice)
        slope, within, r = (
            f"{one:{form}} [{low:{form}}, {high:{form}}]"
            for (one, low, high), form in ((found.slope, "+.1f"), (found.within, "+.1f"), (found.pearson, ".2f"))
        )
        rows.append((f"{pair.architecture}: {pair.corpus} to {pair.larger}", slope, within, r, f"{found.intercept:+.1f}"))
    heads = ("trained on", "points per tenfold more", "within tasks", "r", "with a count that stayed")
    console.print(tabulate(f"Change against change, {study.name}, {method}", heads, iter(rows)))


def score_world(study: Study, model: str, setting: str) -> pd.DataFrame:
    """Coverage in worlds drawn anew from the laws that the invented world's own scores follow, where accuracies are known.

    Each world: every concept's accuracy from the beta law at its frequency, a study of as many images as the real one, and a
    test of other images (a row each of `IMAGES`; infinite: the accuracy itself). binomial, quantiles: % inside each band.
    """
    peers = expected.read_peers(study, kind=KIND, setting=setting, method="lemmatized")[model, expected.POOLED]
    alpha, beta = bands.fit_beta(peers, peers.x)
    generator = np.random.default_rng(0)
    inside = np.zeros((WORLDS, len(IMAGES) + 1, 2))
    for world in inside:
        truth, again = generator.beta(alpha, beta), generator.beta(alpha, beta)
        drawn = replace(peers, values=100 * generator.binomial(peers.images.astype(int), truth) / peers.images)
        low, _, high = bands.find_band(replace(drawn, images=None), 10**peers.x)
        for place, images in enumerate((*IMAGES, np.inf)):
            few = np.isfinite(images)
            scores = 100 * (generator.binomial(int(images), again) / images if few else again)
            bottom, _, top = bands.find_band(drawn, 10**peers.x, np.full(len(peers), images if few else 1e9))
            world[place] = ((scores >= bottom) & (scores <= top)).mean(), ((scores >= low) & (scores <= high)).mean()
    return pd.DataFrame(100 * inside.mean(axis=0), columns=["binomial", "quantiles"], index=[*IMAGES, np.inf])


def photograph_anew(study: Study, model: str, setting: str, concepts: Sequence[str]) -> np.ndarray:
    """Whether a model names species right (concepts × `FRESH`), in pictures that no study and no training has seen."""
    seed = study.manifest.arguments["synthetic"]["seed"]
    species = draw_species(seed)
    numbers = {one.name: one.number for one in species}
    studio = Studio(species, seed)
    checkpoint = study.query("SELECT checkpoint FROM models WHERE model = $model", model=model)["checkpoint"].iloc[0]
    clip = load_model(str(ROOT / checkpoint))
    classifier = build_classifier(clip, [one.name for one in species], setting)
    right = np.empty((len(concepts), FRESH), bool)
    for row, concept in zip(right, concepts, strict=True):
        number = numbers[concept]
        pictures = [studio.develop("fresh", number * FRESH + i, (number,)) for i in range(FRESH)]
        row[:] = (clip.encode_images(pictures) @ classifier.T).argmax(axis=1) == number
    return right


def score_fresh(study: Study, model: str, setting: str) -> pd.DataFrame:
    """Coverage of what the study's ten pictures a species say, over fresh pictures of every third species.

    A row a number of fresh pictures; binomial, quantiles: % inside each band, whose peers leave out the species' own tenth.
    """
    corpus = study.query("SELECT corpus FROM models WHERE model = $model", model=model)["corpus"].iloc[0]
    points = scaling.join_points(
        study,
        model=model,
        corpus=corpus,
        method="lemmatized",
        setting=setting,
        kind=KIND,
        tasks=scaling.pooled_tasks(study, KIND),
    )
    chosen = points.iloc[::3]
    right = photograph_anew(study, model, setting, list(chosen["concept"]))
    rows = []
    for images in (2, 10, FRESH):
        inside = []
        for place, (index, point) in enumerate(chosen.iterrows()):
            peers = bands.gather_peers(points[points.index % bands.FOLDS != index % bands.FOLDS], (0, 100))
            score, count = 100 * right[place, :images].mean(), np.array([float(point["count"])])
            found = (bands.find_band(peers, count, np.array([images])), bands.find_band(replace(peers, images=None), count))
            inside.append([low[0] <= score <= high[0] for low, _, high in found])
        rows.append((images, *100 * np.mean(inside, axis=0)))
    return pd.DataFrame(rows, columns=["images", "binomial", "quantiles"]).set_index("images")


def show_world(console: Console, study: Study) -> None:
    """Bands of own studies: real scores left out, and worlds whose accuracies are known."""
    model, setting = study.manifest.main.model, study.manifest.default_settings[KIND]
    rows = []
    for (name, _), peers in expected.read_peers(study, kind=KIND, setting=setting, method="lemmatized").items():
        for title, known in (("beta-binomial", peers), ("quantiles alone", replace(peers, images=None))):
            scored = pd.concat([_score_rest(others, rest) for others, rest in bands.leave_out(known)])
            figures = scored[["band_inside", "band_score", "line_inside", "line_score", "error", "without"]].mean()
            rows.append((f"{name}, {title}", *(f"{figure:.1f}" for figure in figures)))
    heads = ("inside, %", "interval score", "peer: inside, %", "peer: score", "mean error", "without frequency")
    console.print(tabulate("The invented world: tenths of its species left out", ("model", *heads), iter(rows)))
    heads = ("a test of", "beta-binomial: inside, %", "quantiles alone: inside, %")
    for title, table in (
        ("Fresh pictures of every third species, which the study's ten images a species foretell", score_fresh),
        (f"{WORLDS} worlds whose accuracies are known, each studied with 10 images a species", score_world),
    ):
        rows = (
            (
                f"{images:,.0f} images" if np.isfinite(images) else "the accuracy itself",
                *(f"{row[column]:.1f}" for column in ("binomial", "quantiles")),
            )
            for images, row in table(study, model, setting).iterrows()
        )
        console.print(tabulate(title, heads, rows))


def main() -> None:
    """Prints the tables."""
    console = Console(width=150)
    published, world = Study(STUDIES / "published"), Study(STUDIES / "synthetic")
    show_bands(console, published)
    show_forecasts(console, published, METHODS["image"], published.manifest["default_settings"][KIND])
    show_forecasts(console, world, METHODS["text"], world.manifest["default_settings"][KIND])
    show_world(console, world)


if __name__ == "__main__":
    main()
