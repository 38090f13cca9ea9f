"""Stepped-wedge trials of events and counts: periods as factors, the effect as immediate or by exposure time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from trialkit.estimate.given import side_by_side
from trialkit.estimate.glmm import generalized_mixed_model
from trialkit.estimate.glmm_cells import Family
from trialkit.estimate.glmm_result import By, CountDf, GlmmFit, Intercepts
from trialkit.estimate.random_effects import Labels
from trialkit.estimate.result import Estimate
from trialkit.estimate.wedge import TREATED, check_exposure, columns, over_exposures


@dataclass(frozen=True, eq=False, kw_only=True)
class CountWedge:
    """A stepped-wedge trial of events or counts, fitted: the model and the exposure times it knows.

    Parameters
    ----------
    fit : the generalized linear mixed model
    exposures : the exposure times with an effect of their own; empty where the effect is immediate and constant
    """

    fit: GlmmFit
    exposures: tuple[int, ...] = ()

    def effect(
        self, *, as_ratio: bool = False, by: By = "likelihood", df: CountDf = "clusters", level: float = 0.95
    ) -> Estimate:  # fmt: skip
        """The effect that is there at once and stays, or its plain average over exposure times, on the log scale.

        With ``as_ratio`` as an odds or rate ratio: of an average, the geometric mean of the ratios at each time.
        """
        if self.exposures:
            return self.over(dict.fromkeys(self.exposures, 1.0), as_ratio=as_ratio, by=by, df=df, level=level)
        told = self.fit.ratio if as_ratio else self.fit.estimate
        return told(TREATED, term="immediate effect", by=by, df=df, level=level)

    def over(
        self, weights: Mapping[int, float], *, as_ratio: bool = False, by: By = "likelihood", df: CountDf = "clusters",
        level: float = 0.95,
    ) -> Estimate:  # fmt: skip
        """The average effect over exposure times with these weights, which are scaled to sum to 1.

        Raises
        ------
        EstimateError
            The model has no effect by exposure time, a time was never seen, or the weights sum to 0.
        """
        contrast, term = over_exposures(weights, self.exposures)
        told = self.fit.ratio if as_ratio else self.fit.estimate
        return told(contrast, term=term, by=by, df=df, level=level)

    def at(
        self, exposure: int, *, as_ratio: bool = False, by: By = "likelihood", df: CountDf = "clusters", level: float = 0.95
    ) -> Estimate:  # fmt: skip
        """The effect at one exposure time; 1 is the first treated period."""
        return self.over({exposure: 1.0}, as_ratio=as_ratio, by=by, df=df, level=level)


def stepped_wedge_counts(
    outcome: ArrayLike,
    *,
    family: Family,
    clusters: Labels,
    periods: Labels,
    exposure: ArrayLike,
    effect: str = "immediate",
    random: Intercepts = "nested",
    covariates: Mapping[str, ArrayLike] | None = None,
    sizes: ArrayLike | None = None,
    nodes: int | None = None,
) -> CountWedge:
    """The effect of a stepped-wedge trial on events or counts, with every period's own level.

    Parameters
    ----------
    outcome, family, clusters, random, sizes, nodes : as in ``generalized_mixed_model``
    periods : (n,) labels that sort in time order
    exposure : (n,) int >= 0
        Periods since the cluster's start: 0 before it, 1 in the first treated period.
    effect : "immediate" or "exposure"
        One effect from the first treated period on, or one effect per exposure time, averaged by ``CountWedge.effect``.
    covariates : name -> (n,) float

    Raises
    ------
    EstimateError
        As ``generalized_mixed_model``; also an exposure that is not a whole number from 0, that falls within a cluster or
        differs within one of its periods, or an unknown ``effect``.

    References
    ----------
    Hussey & Hughes (2007), doi:10.1016/j.cct.2006.05.007; exposure time: Kenny et al. (2022), doi:10.1002/sim.9511, and
    Maleyeff et al. (2023), doi:10.1111/biom.13803.
    """
    side_by_side(covariates, outcome=outcome, clusters=clusters, periods=periods, exposure=exposure)
    time = check_exposure(exposure, clusters, periods)
    given = columns(time, periods, effect=effect, covariates=covariates)
    fit = generalized_mixed_model(
        outcome, given, family=family, clusters=clusters, random=random, periods=periods, sizes=sizes, nodes=nodes
    )  # fmt: skip
    seen = tuple(int(one) for one in np.unique(time) if one > 0)
    return CountWedge(fit=fit, exposures=seen if effect == "exposure" else ())


__all__ = ["CountWedge", "stepped_wedge_counts"]
