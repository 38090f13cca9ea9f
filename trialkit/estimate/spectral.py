"""One variance ratio for thousands of data sets: the restricted likelihood in its eigenbasis, Newton in a bracket.

With S = W - WX(X'WX)^-1X'W and Z'SZ = Q diag(delta) Q', h = Q'Z'Sy,
    y'Py = y'Sy - sum h^2 lambda / (1 + lambda delta),   log|V| + log|X'V^-1X| = const + sum log(1 + lambda delta),
so that a data set is its h^2 and y'Sy: one factorization serves all of them.  ML has the eigenvalues of Z'WZ in the
logarithms.  Patterson & Thompson (1971), doi:10.1093/biomet/58.3.545.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from trialkit.estimate.cells import Floats, Ints, Sums
from trialkit.estimate.covariances import NOTHING
from trialkit.estimate.mixed_fit import Criterion

POINTS: Final = 24
STEPS: Final = 60


@dataclass(frozen=True, eq=False, kw_only=True)
class Spectrum:
    """The criterion of one ratio for d data sets, -2 log-likelihood without constants.

    Equal eigenvalues are one, with their squares added up and their number in ``counts``: a balanced design has a few.
    Eigenvalues that are 0 up to rounding add nothing and are gone.

    Parameters
    ----------
    squares : (d, e) float
        h^2, added up over equal eigenvalues.
    rest : (d,) float
        y'Sy: the weighted sum of squares about the fixed effects alone.
    delta : (e,) float
        Distinct eigenvalues of Z'SZ.
    logs : (l,) float
        Distinct eigenvalues in the logarithms: those of Z'SZ (REML) or of Z'WZ (ML).
    counts : (l,) float
        How often each is there.
    free : int
        Rows, less the fixed effects for REML.

    References
    ----------
    Patterson & Thompson (1971), doi:10.1093/biomet/58.3.545.
    """

    squares: Floats
    rest: Floats
    delta: Floats
    logs: Floats
    counts: Floats
    free: int

    @classmethod
    def of(cls, sums: Sums, by: Criterion) -> Spectrum:
        """One slot per cluster."""
        a, sizes = sums.a[:, 0], sums.m[:, 0, 0]
        inverse = np.linalg.inv(sums.xx)
        start = sums.xy @ inverse
        delta, q = np.linalg.eigh(np.diag(sizes) - a @ inverse @ a.T)
        delta = np.maximum(delta, 0)
        h = (sums.b[:, :, 0] - start @ a.T) @ q
        first, members = _distinct(delta)
        logs, free = (delta, sums.n_rows - len(inverse)) if by == "REML" else (sizes, sums.n_rows)
        some, among = _distinct(logs)
        return cls(
            squares=h**2 @ members, rest=sums.yy - np.einsum("dp,dp->d", start, sums.xy), delta=delta[first],
            logs=logs[some], counts=among.sum(axis=0), free=free,
        )  # fmt: skip

    def heights(self, grid: Floats) -> Floats:
        """(d, g) the criterion on a shared grid."""
        left = self.rest[:, None] - self.squares @ (grid / (1 + self.delta[:, None] * grid))
        return np.asarray(self.counts @ np.log1p(self.logs[:, None] * grid) + self.free * np.log(left), np.float64)

    def slopes(self, ratio: Floats, sets: Ints) -> tuple[Floats, Floats]:
        """First and second derivative of the criterion at one ratio (d,) per data set."""
        one = 1 / (1 + ratio[:, None] * self.delta)
        squares = self.squares[sets] * one
        left = self.rest[sets] - ratio * np.einsum("de->d", squares)
        squares *= one
        first = np.einsum("de->d", squares) / left
        second = 2 * np.einsum("de,de,e->d", squares, one, self.delta) / left
        share = self.logs / (1 + ratio[:, None] * self.logs)
        log1, log2 = share @ self.counts, -(share**2 @ self.counts)
        return log1 - self.free * first, log2 + self.free * (second - first**2)


def _distinct(values: Floats) -> tuple[Ints, Floats]:
    """Places (e,) of distinct values above 0, and which are equal to each (n, e) as 0 and 1; equal up to rounding."""
    order = np.argsort(values)
    apart = np.diff(values[order], prepend=-1.0) > 1e-11 * float(values.max())
    group = np.empty(len(values), np.intp)
    group[order] = np.cumsum(apart) - 1
    first = order[apart]
    some = values[first] > 1e-11 * float(values.max())
    return first[some], np.asarray(group[:, None] == np.flatnonzero(some), np.float64)


def one_ratio(sums: Sums, *, by: Criterion) -> Floats:
    """(d, 1) the best ratio of each data set: the best of a grid, then Newton between its neighbours."""
    spectrum = Spectrum.of(sums, by)
    scale = float(sums.m[:, 0, 0].mean())
    grid = np.r_[0.0, np.geomspace(0.01, 1e4, POINTS)] / scale
    best = spectrum.heights(grid).argmin(axis=1)
    found: Floats = np.asarray(grid[best], np.float64)
    slope = spectrum.slopes(found, np.arange(len(found)))[0]
    low = np.where(slope < 0, found, grid[np.maximum(best - 1, 0)])
    high = np.where(slope < 0, np.where(best == POINTS, np.inf, grid[np.minimum(best + 1, POINTS)]), found)
    inside = np.flatnonzero((best > 0) | (slope < 0))
    found[inside] = _between(spectrum, inside, found[inside], low[inside], high[inside])
    found[found <= NOTHING / sums.mean_weight] = 0
    return np.asarray(found[:, None], np.float64)


def _between(spectrum: Spectrum, sets: Ints, ratio: Floats, low: Floats, high: Floats) -> Floats:
    """Where the slope vanishes: Newton steps, halving the bracket where one would leave it."""
    ratio, todo = np.array(ratio, np.float64), np.arange(len(ratio))
    for _ in range(STEPS):
        slope, curve = spectrum.slopes(ratio[todo], sets[todo])
        here = ratio[todo]
        low[todo], high[todo] = np.where(slope < 0, here, low[todo]), np.where(slope < 0, high[todo], here)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = here - slope / curve
        middle = np.where(np.isinf(high[todo]), 10 * here, (low[todo] + high[todo]) / 2)
        steady = (curve > 0) & (step > low[todo]) & (step < high[todo])
        ratio[todo] = np.where(steady, step, middle)
        todo = todo[np.abs(ratio[todo] - here) > 1e-10 * (here + 1e-12)]
        if not todo.size:
            break
    return ratio


__all__ = ["Spectrum", "one_ratio"]
