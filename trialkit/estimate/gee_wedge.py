"""Stepped-wedge trials by estimating equations: every period's own level, the effect at once or by exposure time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.estimate.cells import fixed_effects, one_per_row
from trialkit.estimate.gee import Df, GeeFit, gee
from trialkit.estimate.gee_family import FamilyName, Link
from trialkit.estimate.gee_sandwich import Errors
from trialkit.estimate.gee_working import Correlation
from trialkit.estimate.given import by_name, labelled, numbers, side_by_side
from trialkit.estimate.result import Estimate
from trialkit.estimate.wedge import TREATED, check_exposure, columns, over_exposures

Labels = Sequence[object] | NDArray[np.generic]


@dataclass(frozen=True, eq=False, kw_only=True)
class GeeWedge:
    """A stepped-wedge trial, fitted: the marginal model and the exposure times it knows.

    Parameters
    ----------
    fit : the marginal model
    exposures : the exposure times with an effect of their own; empty where the effect is immediate and constant
    """

    fit: GeeFit
    exposures: tuple[int, ...] = ()

    def effect(
        self, *, as_ratio: bool = False, errors: Errors | None = None, df: Df = "clusters - 2", level: float = 0.95
    ) -> Estimate:
        """The effect that is there at once and stays, or its average over exposure times.

        The average weighs every exposure time that was seen alike, on the scale of the link (Kenny et al. 2022,
        doi:10.1002/sim.9511).  ``as_ratio`` gives its exponential, as ``GeeFit.ratio``.
        """
        if self.exposures:
            even = dict.fromkeys(self.exposures, 1.0)
            return self.over(even, as_ratio=as_ratio, errors=errors, df=df, level=level)
        told = self.fit.ratio if as_ratio else self.fit.estimate
        return told(TREATED, term="immediate effect", errors=errors, df=df, level=level)

    def over(
        self,
        weights: Mapping[int, float],
        *,
        as_ratio: bool = False,
        errors: Errors | None = None,
        df: Df = "clusters - 2",
        level: float = 0.95,
    ) -> Estimate:
        """The average effect over exposure times with these weights, which are scaled to sum to 1.

        Raises
        ------
        EstimateError
            The model has no effect by exposure time, a time was never seen, or the weights sum to 0.
        """
        contrast, term = over_exposures(weights, self.exposures)
        told = self.fit.ratio if as_ratio else self.fit.estimate
        return told(contrast, term=term, errors=errors, df=df, level=level)

    def at(
        self,
        exposure: int,
        *,
        as_ratio: bool = False,
        errors: Errors | None = None,
        df: Df = "clusters - 2",
        level: float = 0.95,
    ) -> Estimate:
        """The effect at one exposure time; 1 is the first treated period."""
        return self.over({exposure: 1.0}, as_ratio=as_ratio, errors=errors, df=df, level=level)


def gee_wedge(
    outcome: ArrayLike,
    *,
    clusters: Labels,
    periods: Labels,
    exposure: ArrayLike,
    unit: str,
    effect: str = "immediate",
    family: FamilyName = "gaussian",
    link: Link | None = None,
    correlation: Correlation = "nested",
    covariates: Mapping[str, ArrayLike] | None = None,
    sizes: ArrayLike | None = None,
    squares: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    offset: ArrayLike | None = None,
) -> GeeWedge:
    """The average effect of a stepped-wedge trial over the population, with every period's own level.

    Parameters
    ----------
    outcome : (n,) float, in ``unit``
        One value per person and period, or sums over the persons of a cell (then give ``sizes``).
    clusters, periods : (n,) labels
        Periods sort in time order; those in which nobody is seen have no level.
    exposure : (n,) int >= 0
        Periods since the cluster's start: 0 before it, 1 in the first treated period.
    effect : "immediate" or "exposure"
        One effect from the first treated period on, or one per exposure time, averaged by ``GeeWedge.effect``.
    covariates : name -> (n,) float
    family, link, correlation, sizes, squares, weights, offset : as in ``gee``

    Raises
    ------
    EstimateError
        As ``gee``; also an exposure that is not a whole number from 0, that falls within a cluster or differs within one
        of its periods, or an unknown ``effect``.

    References
    ----------
    Li, Turner & Preisser (2018), doi:10.1111/biom.12918; exposure time: Kenny et al. (2022), doi:10.1002/sim.9511.
    """
    side_by_side(covariates, outcome=outcome, clusters=clusters, periods=periods, exposure=exposure)
    time = one_per_row(exposure, "exposure")
    somebody = _somebody(sizes, len(time))
    names = by_name(covariates, "covariates")
    fixed_effects(names, len(time))  # refuses covariates that are no numbers, or not one per row
    place, when = labelled(clusters, "clusters"), labelled(periods, "periods")
    if not len(place) == len(when) == len(time):
        check_exposure(time, place, when)  # refuses unlike lengths in words
    check_exposure(time[somebody], place[somebody], when[somebody])
    seen = {name: np.asarray(column)[somebody] for name, column in names.items()}
    fixed = columns(time[somebody], when[somebody], effect=effect, covariates=seen)
    times = tuple(int(value) for value in np.unique(time[somebody]) if value > 0) if effect == "exposure" else ()
    return GeeWedge(
        fit=gee(
            outcome, {name: _widened(column, somebody) for name, column in fixed.items()}, clusters=clusters,
            unit=unit, family=family, link=link, correlation=correlation, periods=periods, sizes=sizes,
            squares=squares, weights=weights, offset=offset,
        ),
        exposures=times,
    )  # fmt: skip


def _somebody(sizes: ArrayLike | None, n: int) -> NDArray[np.bool_]:
    """(n,) rows that hold somebody; all, where sizes are not one per row, which ``gee`` refuses in words."""
    size = None if sizes is None else numbers(sizes, "sizes")
    return np.ones(n, bool) if size is None or size.shape != (n,) else np.asarray(size > 0)


def _widened(column: ArrayLike, somebody: NDArray[np.bool_]) -> NDArray[np.float64]:
    found = np.zeros(len(somebody))
    found[somebody] = np.asarray(column, np.float64)
    return found


__all__ = ["GeeWedge", "gee_wedge"]
