"""The slope of an average task: a level and a slope of each task's own, drawn at random around common ones.

y = (b + u) + (c + v) x + e, with (u, v) of each task normal with a common covariance, fitted by restricted maximum likelihood
(Laird and Ware, Biometrics 1982): what `statsmodels.MixedLM` fits with `re_formula="~x"`, here from sums over each task alone,
so that a fit costs some milliseconds whatever its number of points.
"""

import numpy as np
import pandas as pd
from scipy import optimize, stats

from backend.clusters import FEWEST_TASKS

_ROUNDING = 1e-12  # of the scores' sum of squares: less is left where each task's points lie on a line
_STEP = 1e-3  # of the factors, where derivatives are taken as differences
_START = (0.3, 0.0, 0.05)  # factors of the tasks' covariance, in units of the residuals; a second start finds the same


def fit_mixed_slopes(x: np.ndarray, values: np.ndarray, tasks: np.ndarray) -> np.ndarray:
    """The slope of an average task with its 95% Wald interval, for each column of `values` (n × k): slope, low, high (3 × k).

    nan below five tasks, without spread in x or in the scores, and where each task's points lie on a line.
    """
    codes, names = pd.factorize(np.asarray(tasks))
    result = np.full((3, values.shape[1]), np.nan)
    if len(names) < FEWEST_TASKS or not np.ptp(x):
        return result
    unit_x = x.std()
    x = (x - x.mean()) / unit_x
    gram = _sums(codes, len(names), np.stack([np.ones_like(x), x, x**2]))
    for k, column in enumerate(values.T):
        unit_y = column.std()
        if not unit_y:
            continue
        y = (column - column.mean()) / unit_y
        task_sums = _TaskSums(gram, _sums(codes, len(names), np.stack([y, x * y])), float(y @ y))
        estimate = task_sums.estimate()
        if estimate:
            slope, error = (figure * unit_y / unit_x for figure in estimate)
            reach = stats.norm.ppf(0.975) * error
            result[:, k] = slope, slope - reach, slope + reach
    return result


def _sums(codes: np.ndarray, number: int, rows: np.ndarray) -> np.ndarray:
    return np.stack([np.bincount(codes, row, number) for row in rows])


class _TaskSums:
    """The likelihood of one column, from each task's sums: of 1, x, x² (3 × tasks), of y, x y (2 × tasks), and of all y²."""

    def __init__(self, gram: np.ndarray, products: np.ndarray, squares: float):
        self.gram, self.products, self.squares = gram, products, squares
        self.freedom = gram[0].sum() - 2

    def estimate(self) -> tuple[float, float] | None:
        """The slope and its standard error; None where the tasks' own lines leave nothing but rounding."""
        if self._left_by_own_lines() <= _ROUNDING * self.squares:
            return None
        best = optimize.minimize(self._deviance, _START, method="BFGS", options={"gtol": 1e-4}).x
        _, information, beta, rss = self._solve(best)
        determinant = information[0] * information[2] - information[1] ** 2
        return float(beta[1]), float(np.sqrt(rss / self.freedom * information[0] / determinant + self._unsure_of(best)))

    def _unsure_of(self, factors: np.ndarray) -> float:
        """What the slope's variance owes to the covariance being estimated too: the delta method over its factors."""
        steps = _STEP * np.eye(3)
        slopes = np.array([self._solve(factors + step)[2][1] - self._solve(factors - step)[2][1] for step in steps]) / (
            2 * _STEP
        )
        curvature = np.array(
            [
                [
                    sum(
                        sign * other * self._deviance(factors + sign * first + other * second)
                        for sign in (1, -1)
                        for other in (1, -1)
                    )
                    for second in steps
                ]
                for first in steps
            ]
        ) / (8 * _STEP**2)
        return max(float(slopes @ np.linalg.pinv(curvature, rcond=1e-6, hermitian=True) @ slopes), 0.0)

    def _left_by_own_lines(self) -> float:
        """The sum of squares that remains after each task has its own least-squares line."""
        n, sx, sxx = self.gram
        sy, sxy = self.products
        centred = sxx - sx**2 / n
        rise = np.where(centred > _ROUNDING * n, (sxy - sx * sy / n) ** 2 / np.maximum(centred, _ROUNDING), 0)
        return float(self.squares - (sy**2 / n + rise).sum())

    def _deviance(self, factors: np.ndarray) -> float:
        """Minus twice the restricted log-likelihood, less a constant, with the residuals' variance at its best."""
        logs, information, _, rss = self._solve(factors)
        determinant = information[0] * information[2] - information[1] ** 2
        return float(self.freedom * np.log(rss) + logs + np.log(determinant))

    def _solve(self, factors: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, float]:
        """For the Cholesky factors (a, b, c) of the tasks' covariance in units of the residuals' variance: the sum of the log
        determinants, the information (3: the corners of a symmetric 2 × 2), the coefficients, and the weighted residuals."""
        a, b, c = factors
        n, sx, sxx = self.gram
        sy, sxy = self.products
        # Z L, seen from each task: the products of its columns with 1, x and y.
        one = np.stack([a * n + b * sx, c * sx])
        rise = np.stack([a * sx + b * sxx, c * sxx])
        score = np.stack([a * sy + b * sxy, c * sxy])
        # M = I + L' Z'Z L, inverted by hand.
        m00 = 1 + a * one[0] + b * rise[0]
        m01 = c * rise[0]
        m11 = 1 + c * rise[1]
        determinant = m00 * m11 - m01**2

        def spared(left: np.ndarray, right: np.ndarray) -> float:
            """What the tasks' own levels and slopes take of a product, summed over the tasks."""
            crossed = m11 * left[0] * right[0] - m01 * (left[0] * right[1] + left[1] * right[0]) + m00 * left[1] * right[1]
            return (crossed / determinant).sum()

        i00, i01, i11 = n.sum() - spared(one, one), sx.sum() - spared(one, rise), sxx.sum() - spared(rise, rise)
        y0, y1 = sy.sum() - spared(one, score), sxy.sum() - spared(rise, score)
        spread = i00 * i11 - i01**2
        beta = np.array([i11 * y0 - i01 * y1, i00 * y1 - i01 * y0]) / spread
        rss = self.squares - spared(score, score) - beta[0] * y0 - beta[1] * y1
        return float(np.log(determinant).sum()), np.array([i00, i01, i11]), beta, rss
