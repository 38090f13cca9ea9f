"""How alike persons of a cluster are by the mixed model: ICC and CAC, given fixed effects, with profiled intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import chdtri

from trialkit.estimate.cells import Floats, Layout, check_rank, check_rows, fixed_effects, least_squares, one_per_row
from trialkit.estimate.given import by_name, side_by_side
from trialkit.estimate.mixed_fit import Clustered, fitted_ratios, level_of
from trialkit.estimate.moments import check_level
from trialkit.estimate.nested import Nested, likelihood_of
from trialkit.estimate.random_effects import Labels, RandomEffects
from trialkit.estimate.sandwich import numbered

ALMOST_ONE: Final = 1 - 1e-6
ROUNDS, POINTS = 4, 25  # a minimum on [0, 1] to about 1e-5 of its place, so 1e-10 of its height


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfiledCorrelations:
    """Of an outcome on persons in clusters, given the fixed effects.

    ``icc`` is the correlation of two persons of one cluster in one period.  ``cac`` is that of two persons of one
    cluster in different periods over ``icc``: 1 where periods do not matter, nan where no periods were given or the ICC
    is 0.  Intervals are at ``level``; an end at 0 or 1 means that the data do not rule it out.
    """

    icc: float
    icc_low: float
    icc_high: float
    cac: float
    cac_low: float
    cac_high: float
    level: float
    n_clusters: int
    n_rows: int


def profiled_correlations(
    outcome: ArrayLike,
    *,
    clusters: Labels,
    periods: Labels | None = None,
    columns: Mapping[str, ArrayLike] | None = None,
    level: float = 0.95,
) -> ProfiledCorrelations:
    """Intraclass correlation and cluster autocorrelation by REML, with intervals from the profiled likelihood.

    Parameters
    ----------
    outcome : (n,) float
        One row per person and period, from a pilot or a baseline.
    clusters : (n,) labels
    periods : (n,) labels, optional
        Where given, each has its own level, and the cluster autocorrelation is found too.
    columns : name -> (n,) float, optional
        Further fixed effects; the correlations are those of what they leave.
    level : float in (0, 1)

    Raises
    ------
    EstimateError
        As ``mixed_model``; also one row in every cluster-period.

    References
    ----------
    Hooper et al. (2016), doi:10.1002/sim.7028 (ICC and CAC); profile likelihood: Venzon & Moolgavkar (1988),
    doi:10.2307/2347496, on the restricted likelihood of Patterson & Thompson (1971), doi:10.1093/biomet/58.3.545.
    """
    check_level(level)
    side_by_side(columns, outcome=outcome, clusters=clusters, periods=periods)
    y = one_per_row(outcome)
    given = by_name(columns, "columns")
    if periods is not None:
        code, labels = numbered(periods, "periods")
        given |= {f"period {name}": (code == k).astype(np.float64) for k, name in enumerate(labels) if k > 0}
    names, x = fixed_effects(given, len(y))
    effects = RandomEffects.of("cluster" if periods is None else "nested", clusters, periods=periods)
    w = np.ones_like(y)
    check_rows(y, x, effects.cluster, w)
    check_rank(x, names)
    left = least_squares(x, y, w)[1]
    sums = Layout(x=x, z=effects.z, cluster=effects.cluster, weights=w).sums(left[None])
    surface = Surface(likelihood_of(sums, effects.structure), nested=periods is not None)
    return surface.correlations(level, n_clusters=len(effects.clusters))


@dataclass(frozen=True, eq=False)
class Surface:
    """-2 restricted log-likelihood by ICC and CAC; the CAC is 1 where the model has no periods."""

    likelihood: Nested | Clustered
    nested: bool

    def heights(self, icc: Floats, cac: Floats) -> Floats:
        """(d,) at pairs of correlations."""
        total = np.minimum(icc, ALMOST_ONE) / (1 - np.minimum(icc, ALMOST_ONE))
        ratios = np.stack([total * cac, total * (1 - cac)], axis=1) if self.nested else total[:, None]
        here = self.likelihood.of(np.zeros(len(total), np.intp))
        return level_of(*here.level(ratios), n_rows=here.sums.n_rows, by="REML")

    def correlations(self, level: float, *, n_clusters: int) -> ProfiledCorrelations:
        """Both with their intervals."""
        ratios = fitted_ratios(self.likelihood, by="REML")[0]
        icc = float(ratios.sum() / (1 + ratios.sum()))
        cac = float(ratios[0] / ratios.sum()) if self.nested and ratios.any() else np.nan
        at = np.array([cac if np.isfinite(cac) else 1.0])
        least = float(self.heights(np.array([icc]), at)[0])
        limit = least + float(chdtri(1, 1 - level))
        icc_low, icc_high = ends(lambda value: self.over_cac(value) - limit, icc)
        cac_low, cac_high = ends(lambda value: self.over_icc(value) - limit, cac) if np.isfinite(cac) else (np.nan,) * 2
        return ProfiledCorrelations(
            icc=icc, icc_low=icc_low, icc_high=icc_high, cac=cac, cac_low=cac_low, cac_high=cac_high, level=level,
            n_clusters=n_clusters, n_rows=self.likelihood.sums.n_rows,
        )  # fmt: skip

    def over_cac(self, icc: float) -> float:
        """The criterion at an ICC, at its best CAC."""
        if not self.nested:
            return float(self.heights(np.array([icc]), np.ones(1))[0])
        return lowest(lambda cac: self.heights(np.full(len(cac), icc), cac))

    def over_icc(self, cac: float) -> float:
        """The criterion at a CAC, at its best ICC."""
        return lowest(lambda root: self.heights(root**2, np.full(len(root), cac)))  # many points near 0, where ICCs are


def lowest(height: Callable[[Floats], Floats]) -> float:
    """The smallest value of a function on [0, 1], by grids around the best point so far."""
    low, high, best = 0.0, 1.0, np.inf
    for _ in range(ROUNDS):
        grid = np.linspace(low, high, POINTS)
        values = height(grid)
        k = int(values.argmin())
        best = min(best, float(values[k]))
        low, high = float(grid[max(k - 1, 0)]), float(grid[min(k + 1, POINTS - 1)])
    return best


def ends(excess: Callable[[float], float], best: float) -> tuple[float, float]:
    """Where a profile crosses its limit on both sides of the best value; 0 or 1 where it does not."""
    low = float(brentq(excess, 0.0, best, xtol=1e-8)) if best > 0 and excess(0.0) > 0 else 0.0
    high = float(brentq(excess, best, ALMOST_ONE, xtol=1e-8)) if best < ALMOST_ONE and excess(ALMOST_ONE) > 0 else 1.0
    return low, high


__all__ = ["ProfiledCorrelations", "profiled_correlations"]
