"""How alike people of one cluster are (ICC), and how far that lasts from period to period (CAC), from earlier data.

A power calculation stands or falls with these two numbers, and a pilot knows them badly: the interval is the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import inf, sqrt
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, norm
from scipy.stats import f as f_distribution
from scipy.stats.qmc import Sobol

from trialkit.errors import EstimateError
from trialkit.estimate.given import labelled, numbers, one_of, same_rows
from trialkit.estimate.moments import check_level
from trialkit.estimate.result import percent
from trialkit.estimate.whole import check_generator
from trialkit.estimate.within_months import check_panel

if TYPE_CHECKING:
    import pandas as pd

    from trialkit.panel import Panel

Floats = NDArray[np.float64]
Interval = Literal["f", "fisher", "bootstrap"]

REPLICATES: Final = 1999  # bootstrap samples of clusters
GRID: Final = 4096  # points of a generalized interval, a power of 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """One correlation with its interval; shares of variance, without unit.

    Parameters
    ----------
    name : ``ICC`` or ``CAC``
    estimate : an ICC is not cut off and may come out below 0, with unequal sizes even below ``low``, where chance outweighs
        the clusters
    low, high : the interval at ``level``
    method : estimator and interval, by name
    n_clusters, n_periods : what it was estimated from
    between, cluster_period, within : components of variance in the outcome's unit squared, 0 where the model has none
    """

    name: str
    estimate: float
    low: float
    high: float
    level: float
    method: str
    n_clusters: int
    n_periods: int
    between: float
    cluster_period: float
    within: float

    def to_frame(self) -> pd.DataFrame:
        """One row; frames of several stack."""
        import pandas as pd

        return pd.DataFrame([asdict(self)])

    def summary(self) -> str:
        """The number with its interval in one line."""
        return (
            f"{self.name} {self.estimate:.3g} ({percent(self.level)} interval {self.low:.3g} to {self.high:.3g}; "
            f"{self.n_clusters} clusters, {self.method})"
        )


def icc(
    outcome: ArrayLike,
    cluster: ArrayLike,
    *,
    interval: Interval = "f",
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Correlation:
    """The correlation of two people of one cluster, by analysis of variance.

    ``(MSB - MSW) / (MSB + (n0 - 1) MSW)`` with ``n0 = (N - sum n_i^2 / N) / (k - 1)``.  For a 0/1 outcome this is the
    correlation on the outcome's own scale, as power formulas need it.

    Parameters
    ----------
    outcome : (n,) float, one per person, without gaps
    cluster : (n,) names
    interval : ``f`` inverts Wald's F test of the ratio of variances: exact for normal outcomes and any cluster sizes, for
        0/1 outcomes approximate (it held .93 to .96 with 8 and 12 clusters); ``fisher`` is Fisher's z for k clusters of
        n0, too short where sizes differ much; ``bootstrap`` draws whole clusters
        anew (percentiles), for any outcome and at least some 20 clusters, with ``rng``
    level : float in (0, 1)

    Raises
    ------
    EstimateError
        Fewer than two clusters, or no cluster with two people; no variation; a gap; a bootstrap without ``rng``.

    References
    ----------
    Fisher (1925), Statistical Methods for Research Workers, section 39; Searle (1971), Linear Models, chapter 9 (the
    interval for equal sizes); Wald (1940), doi:10.1214/aoms/1177731946 (for any); Ridout, Demetrio and Firth (1999),
    doi:10.1111/j.0006-341X.1999.00137.x (0/1 outcomes).
    """
    check_level(level)
    one_of(interval, get_args(Interval), "interval")
    check_generator(rng)
    same_rows({"outcome": outcome, "cluster": cluster})
    y, names = numbers(outcome, "outcome"), labelled(cluster, "cluster")
    if y.ndim != 1 or names.shape != y.shape or not np.isfinite(y).all():
        raise _unfit(f"{y.shape} outcomes and {names.shape} clusters, or a gap", "udfald og klynger passer ikke sammen")
    group = np.unique(names, return_inverse=True)[1].ravel()
    sizes = np.bincount(group).astype(np.float64)
    means = np.bincount(group, y) / sizes
    inside = np.bincount(group, (y - means[group]) ** 2).astype(np.float64)
    return _Groups(sizes, means, inside).correlation(interval, level, rng, "analysis of variance")


def icc_of_counts(
    numerator: ArrayLike,
    denominator: ArrayLike,
    *,
    interval: Interval = "f",
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Correlation:
    """As `icc`, for 0/1 outcomes of which only each cluster's count is known: the same number.

    Parameters
    ----------
    numerator, denominator : (k,) events and people per cluster, 0 <= numerator <= denominator; clusters without people
        are left out
    interval, level, rng : as `icc`

    Raises
    ------
    EstimateError
        As `icc`; a count that is none.
    """
    check_level(level)
    one_of(interval, get_args(Interval), "interval")
    check_generator(rng)
    same_rows({"numerator": numerator, "denominator": denominator})
    top, n = numbers(numerator, "numerator"), numbers(denominator, "denominator")
    if top.ndim != 1 or top.shape != n.shape or not ((top >= 0) & (top <= n)).all():
        raise _unfit(
            "counts that are not 0 <= numerator <= denominator", "tællere, der ikke ligger mellem 0 og nævneren"
        )
    top, n = top[n > 0], n[n > 0]
    share = top / n
    return _Groups(n, share, n * share * (1 - share)).correlation(interval, level, rng, "analysis of variance, 0/1")


def cluster_autocorrelation(
    panel: Panel,
    *,
    within: float | None = None,
    interval: Literal["generalized", "bootstrap"] = "generalized",
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> tuple[Correlation, Correlation]:
    """ICC within a period and CAC between periods, from baseline means by cluster and period.

    The nested exchangeable model y = period + C_j + CP_jt + e: ICC = (C + CP) / (C + CP + e) and CAC = C / (C + CP),
    components by the analysis of unweighted means with the harmonic mean of the sizes, which equals the two-way analysis
    of variance where all sizes are the same.

    Parameters
    ----------
    panel : Panel
        At least two clusters (its units) and two periods, every cell filled.
    within : variance of one person about the cluster-period mean, in the outcome's unit squared; unless given the
        outcome is 0/1 and it is found from the shares
    interval : ``generalized`` puts every mean square over its chi-square distribution (normal means, sizes near equal);
        ``bootstrap`` draws whole clusters anew, with ``rng``, for some 20 clusters or more
    level : float in (0, 1)

    Returns
    -------
    icc, cac : Correlation, Correlation
        A negative component is taken as 0; where nothing is left to share the CAC could be anything from 0 to 1.

    Raises
    ------
    EstimateError
        Too few clusters or periods, a gap, shares outside 0 to 1 without ``within``; no variation.

    References
    ----------
    Hooper, Teerenstra, de Hoop and Eldridge (2016), doi:10.1002/sim.7028 (the model); Searle, Casella and McCulloch
    (1992), Variance Components, section 4.7 (unweighted means); Weerahandi (1993), doi:10.1080/01621459.1993.10476355,
    and Burdick, Borror and Montgomery (2005), Design and Analysis of Gauge R&R Studies (generalized intervals).
    """
    check_panel(panel)
    check_level(level)
    one_of(interval, ("generalized", "bootstrap"), "interval")
    check_generator(rng)
    mean, size = panel.value, panel.denominator
    if min(mean.shape) < 2 or not np.isfinite(mean).all():
        raise _unfit(
            f"{mean.shape[0]} clusters and {mean.shape[1]} periods with {int(np.isnan(mean).sum())} empty cells",
            f"{mean.shape[0]} klynger og {mean.shape[1]} perioder, hvor felter er tomme",
        )
    if within is None and not ((mean >= 0) & (mean <= 1)).all():
        raise _unfit("means that are not shares, and no `within`", "gennemsnit, der ikke er andele, uden `within`")
    cells = _Cells(mean, size, within)
    found = cells.components()
    if interval == "bootstrap":
        icc_ends, cac_ends = cells.resampled(level, rng)
    else:
        icc_ends, cac_ends = cells.generalized(level)
    how = {"generalized": "generalized interval", "bootstrap": "bootstrap of clusters"}[interval]
    shared: dict[str, Any] = {
        "level": level, "method": f"unweighted cluster-period means, {how}", "n_clusters": mean.shape[0],
        "n_periods": mean.shape[1], "between": found[0], "cluster_period": found[1], "within": found[2],
    }  # fmt: skip
    ours, kept = _ratios(*found)
    return (
        Correlation(name="ICC", estimate=ours, low=icc_ends[0], high=icc_ends[1], **shared),
        Correlation(name="CAC", estimate=kept, low=cac_ends[0], high=cac_ends[1], **shared),
    )


@dataclass(frozen=True, eq=False)
class _Groups:
    """Clusters by their size, mean and sum of squares about it; all (k,)."""

    size: Floats
    mean: Floats
    inside: Floats

    def correlation(
        self, interval: Interval, level: float, rng: np.random.Generator | None, method: str
    ) -> Correlation:
        k, total = self.size.size, float(self.size.sum())
        if k < 2 or total <= k:
            raise _unfit(f"{k} clusters of {total:.0f} people in all", f"{k} klynger med {total:.0f} personer i alt")
        value, between, within = self.estimate(np.arange(k)[None, :])
        if within[0] <= 0 and between[0] <= 0:
            raise _unfit("outcomes that are all the same", "udfald, der alle er ens")
        ends: Callable[[], tuple[float, float]] = {
            "f": lambda: self.by_f(float(within[0]), level),
            "fisher": lambda: self.by_z(float(value[0]), level),
            "bootstrap": lambda: _percentiles(self.estimate(_resampled(k, rng))[0], level),
        }[interval]
        low, high = ends()
        how = {"f": "F interval", "fisher": "Fisher's z", "bootstrap": "bootstrap of clusters"}[interval]
        return Correlation(
            name="ICC", estimate=float(value[0]), low=low, high=high, level=level, method=f"{method}, {how}", n_clusters=k,
            n_periods=1, between=float(between[0]), cluster_period=0.0, within=float(within[0]),
        )  # fmt: skip

    def estimate(self, rows: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
        """ICC and both components for each row of clusters, (b, k) places."""
        n, mean = self.size[rows], self.mean[rows]
        total, k = n.sum(axis=1), rows.shape[1]
        grand = (n * mean).sum(axis=1) / total
        msb = (n * (mean - grand[:, None]) ** 2).sum(axis=1) / (k - 1)
        msw = self.inside[rows].sum(axis=1) / np.maximum(total - k, 1)
        n0 = (total - (n**2).sum(axis=1) / total) / (k - 1)
        between = (msb - msw) / n0
        whole = between + msw
        return np.where(whole > 0, between / np.where(whole > 0, whole, 1.0), 0.0), between, msw

    @property
    def typical(self) -> float:
        """n0."""
        total = float(self.size.sum())
        return (total - float(self.size @ self.size) / total) / (self.size.size - 1)

    def by_f(self, within: float, level: float) -> tuple[float, float]:
        """Wald's exact interval: W(theta) = sum w (y_i - y_w)^2 / ((k - 1) MSW), w = n / (1 + n theta), falls with
        theta = between / within and has an F distribution at the true one."""
        if within <= 0:
            return 1.0, 1.0
        k, left = self.size.size, float(self.size.sum()) - self.size.size
        least = -1 / float(self.size.max())

        def ratio(theta: float) -> float:
            weight = self.size / (1 + self.size * theta)
            mean = float(weight @ self.mean / weight.sum())
            return float(weight @ (self.mean - mean) ** 2) / ((k - 1) * within)

        ends = []
        for tail in ((1 + level) / 2, (1 - level) / 2):
            wanted = float(f_distribution.ppf(tail, k - 1, left))
            low, high = least * (1 - 1e-9), 1.0
            while ratio(high) > wanted and high < 1e12:
                high *= 4
            theta = least if ratio(low) <= wanted else float(brentq(lambda at, w=wanted: ratio(at) - w, low, high))
            ends.append(theta / (1 + theta))
        return ends[0], ends[1]

    def by_z(self, value: float, level: float) -> tuple[float, float]:
        """Fisher's z for k clusters of n: half the log of (1 + (n - 1) r) / (1 - r), variance n / (2 (n - 1) (k - 2))."""
        n, k = self.typical, self.size.size
        if k < 3 or value >= 1:
            return -1 / (n - 1), 1.0
        z = 0.5 * np.log((1 + (n - 1) * value) / (1 - value)) if value > -1 / (n - 1) else -inf
        reach = float(norm.ppf((1 + level) / 2)) * sqrt(n / (2 * (n - 1) * (k - 2)))
        low, high = (float(np.exp(2 * (z + sign * reach))) for sign in (-1, 1))
        return (low - 1) / (low + n - 1), (high - 1) / (high + n - 1)


@dataclass(frozen=True, eq=False)
class _Cells:
    """Means and sizes by cluster and period, (j, t); the variance within a cell if it is known."""

    mean: Floats
    size: Floats
    within: float | None

    def components(self, rows: NDArray[np.intp] | None = None) -> tuple[float, float, float]:
        """Between clusters, between the periods of a cluster, within a cell; none below 0."""
        mean, size = (self.mean, self.size) if rows is None else (self.mean[rows], self.size[rows])
        of_cluster, of_cell, noise, within = self._squares(mean, size)
        return max((of_cluster - of_cell) / mean.shape[1], 0.0), max(of_cell - noise, 0.0), within

    def _squares(self, mean: Floats, size: Floats) -> tuple[float, float, float, float]:
        """Mean squares of clusters and of cells, what sampling adds to either, and the variance within."""
        j, t = mean.shape
        rows, columns = mean.mean(axis=1, keepdims=True), mean.mean(axis=0, keepdims=True)
        of_cluster = t * float(((rows - mean.mean()) ** 2).sum()) / (j - 1)
        of_cell = float(((mean - rows - columns + mean.mean()) ** 2).sum()) / ((j - 1) * (t - 1))
        within = self.within
        if within is None:
            within = float((size * mean * (1 - mean)).sum() / max(float((size - 1).sum()), 1.0))
        return of_cluster, of_cell, within * float((1 / size).mean()), within

    def generalized(self, level: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """Generalized intervals: every mean square over its chi-square, on a fixed grid of `GRID` points."""
        j, t = self.mean.shape
        of_cluster, of_cell, noise, within = self._squares(self.mean, self.size)
        freedom = (j - 1, (j - 1) * (t - 1), max(float((self.size - 1).sum()), 1.0))
        scale = _scales(freedom)
        between = np.maximum((of_cluster * scale[0] - of_cell * scale[1]) / t, 0.0)
        cell = np.maximum(of_cell * scale[1] - noise * scale[2], 0.0)
        clustered = between + cell
        known = clustered > 0
        share = between / np.where(known, clustered, 1.0)
        ours = _percentiles(clustered / np.maximum(clustered + within * scale[2], 1e-300), level)
        low, high = (_percentiles(np.where(known, share, end), level)[k] for k, end in enumerate((0.0, 1.0)))
        return ours, (low, high)

    def resampled(
        self, level: float, rng: np.random.Generator | None
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """Percentiles over clusters drawn anew."""
        drawn = np.array([_ratios(*self.components(rows)) for rows in _resampled(len(self.mean), rng)])
        return _percentiles(drawn[:, 0], level), _percentiles(drawn[:, 1], level)


@lru_cache(maxsize=8)
def _scales(freedom: tuple[float, ...]) -> tuple[Floats, ...]:
    """For each mean square, its degrees of freedom over chi-squares; together they fill the cube evenly."""
    points = (Sobol(len(freedom), scramble=False).random(GRID) + 0.5 / GRID).T
    return tuple(df / chi2.ppf(u, df) for df, u in zip(freedom, points, strict=True))


def _ratios(between: float, cell: float, within: float) -> tuple[float, float]:
    """ICC and CAC of three components; 0 where there is nothing to share."""
    clustered = between + cell
    whole = clustered + within
    return clustered / whole if whole > 0 else 0.0, between / clustered if clustered > 0 else 0.0


def _resampled(k: int, rng: np.random.Generator | None) -> NDArray[np.intp]:
    """(REPLICATES, k) places of clusters drawn with replacement."""
    if rng is None:
        raise EstimateError(
            "A bootstrap draws clusters anew and needs a generator, so that it can be repeated. Give "
            "rng=numpy.random.default_rng(seed).",
            da="En bootstrap trækker klynger på ny og skal have en generator, så den kan gentages. Angiv "
            "rng=numpy.random.default_rng(seed).",
        )
    return rng.integers(k, size=(REPLICATES, k)).astype(np.intp)


def _percentiles(values: Floats, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _unfit(en: str, da: str) -> EstimateError:
    return EstimateError(
        f"A correlation cannot be found from {en}; a power calculation on it would be a guess. Give at least two clusters, "
        "more people than clusters, and no gaps.",
        {"why": en},
        da=f"En korrelation kan ikke findes: {da}. En styrkeberegning på den ville være et gæt. Angiv mindst to klynger, "
        "flere personer end klynger og ingen huller.",
    )


__all__ = ["Correlation", "cluster_autocorrelation", "icc", "icc_of_counts"]
