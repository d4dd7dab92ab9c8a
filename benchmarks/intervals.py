"""Coverage of the 95% intervals: how often they hold the truth where tasks have levels and slopes of their own.

Reads: the published study. The command: python -m benchmarks.intervals [--runs N]
Each run draws scores anew over the counts of a fit, as its own data has them: a task's level and slope from the covariance that
they have in the data, and residuals of the data. The true slope is the one put in, the true r that of a thousand such worlds
together. "Points" is the interval that draws single points, "clusters" the one that `backend.clusters` gives, "mixed" Wald's of
`backend.mixed`.
"""

import argparse
from dataclasses import dataclass

import numpy as np
import statsmodels.formula.api as smf
from rich.console import Console
from rich.table import Table

from backend.clusters import bootstrap_lines, find_clusters
from backend.fits import log_count
from backend.mixed import fit_mixed_slopes
from backend.scaling import join_points, pooled_tasks
from backend.study import STUDIES, Study

KIND, SETTING = "classification", "ensemble"
FITS = [
    ("ViT-B-16/cc12m", "cc12m", "lemmatized+rampp@0.7"),
    ("ViT-L-14/laion400m", "laion400m", "rampp@0.7"),
    ("RN50/yfcc15m", "yfcc15m", "lemmatized"),
]
RUNS = 200
WORLDS = 1000  # that the true r is taken over
AIM = 85  # percent


@dataclass(frozen=True)
class World:
    """What scores are drawn from: x and task (n), the common level and slope, the tasks' covariance, and the residuals (n)."""

    x: np.ndarray
    tasks: np.ndarray
    line: np.ndarray
    covariance: np.ndarray
    residuals: np.ndarray

    def draw(self, generator: np.random.Generator, number: int) -> np.ndarray:
        """Scores of a number of worlds (n × number)."""
        own = generator.multivariate_normal(np.zeros(2), self.covariance, size=(self.tasks.max() + 1, number))
        level, slope = (self.line + own).transpose(2, 0, 1)
        noise = generator.choice(self.residuals, (len(self.x), number))
        return level[self.tasks] + slope[self.tasks] * self.x[:, None] + noise


def build_world(study: Study, model: str, corpus: str, method: str) -> World:
    """The world that statsmodels' mixed model finds behind a fit."""
    points = join_points(
        study, model=model, corpus=corpus, method=method, setting=SETTING, kind=KIND, tasks=pooled_tasks(study, KIND)
    ).assign(x=lambda rows: log_count(rows["count"].to_numpy()))
    found = smf.mixedlm("value ~ x", points, groups="task", re_formula="~x").fit()
    tasks = points["task"].astype("category").cat.codes.to_numpy()
    return World(points["x"].to_numpy(), tasks, found.fe_params.to_numpy(), found.cov_re.to_numpy(), found.resid.to_numpy())


def cover(world: World, runs: int) -> dict[tuple[str, str], tuple[float, float]]:
    """(statistic, interval) -> percent of runs whose interval holds the truth, and its median width."""
    values = world.draw(np.random.default_rng(1), runs)
    points, clusters = np.arange(len(world.x)), world.tasks
    alone = bootstrap_lines(world.x, values, np.zeros(len(world.x)), find_clusters(np.zeros(len(world.x)), points))
    whole = bootstrap_lines(world.x, values, clusters, find_clusters(clusters, points))
    mixed = fit_mixed_slopes(world.x, values, clusters)[1:]
    slope, r = world.line[1], find_true_r(world)
    intervals = {
        ("pooled slope", "points"): (alone.slope, slope),
        ("pooled slope", "clusters"): (whole.slope, slope),
        ("slope within tasks", "clusters"): (whole.within, slope),
        ("mixed slope", "mixed"): (mixed, slope),
        ("raw r", "points"): (alone.pearson, r),
        ("raw r", "clusters"): (whole.pearson, r),
    }
    return {
        name: (100 * float(((low <= truth) & (truth <= high)).mean()), float(np.median(high - low)))
        for name, ((low, high), truth) in intervals.items()
    }


def find_true_r(world: World) -> float:
    """Pearson's r over the points of a thousand worlds together."""
    values = world.draw(np.random.default_rng(2), WORLDS)
    x = world.x - world.x.mean()
    centred = values - values.mean()
    return float(x @ centred.mean(axis=1) / np.sqrt((x @ x) * (centred**2).mean(axis=1).sum()))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS)
    runs = parser.parse_args().runs
    study = Study(STUDIES / "published")
    table = Table(title=f"95% intervals that hold the truth, % of {runs} runs (median width); aim: {AIM}% or more")
    columns = {f"{model}, {method}": cover(build_world(study, model, corpus, method), runs) for model, corpus, method in FITS}
    for name in ("statistic", "interval", *columns):
        table.add_column(name, justify="left" if name in ("statistic", "interval") else "right")
    for statistic, interval in next(iter(columns.values())):
        cells = (column[statistic, interval] for column in columns.values())
        table.add_row(statistic, interval, *(f"{percent:.1f} ({width:.2f})" for percent, width in cells))
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
