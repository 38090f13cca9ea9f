"""Exposure to neighbours as a statistic of the randomization test."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from math import nan
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.errors import EstimateError
from trialkit.estimate.curves import TIE, Curves
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.exposure import CELLS, Exposure
from trialkit.estimate.exposure_effect import Per
from trialkit.estimate.given import one_of
from trialkit.estimate.within_months import WAITING, check_panel
from trialkit.panel import Panel

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class ExposureWeighted:
    """How the outcome of those who wait goes with the share of their neighbours that have started, within periods.

    A statistic for `trialkit.estimate.randomization.randomization_test`: the slope of least squares over waiting
    unit-periods with a level per period, ``sum w (e - e_t) y / sum w (e - e_t)^2``, exposure e found anew for every
    allocation.  The hypothesis is sharp: nothing moves an outcome but exposure, by ``tau`` per whole neighbourhood; a
    unit's own start too must then do nothing.  For any effect of the own start use `no_spillover`.

    Parameters
    ----------
    panel : Panel
        The design's units, in order.
    starts : date of each label, None for one that never starts
    window_days : as `trialkit.estimate.statistics.DifferenceWithinMonths`
    neighbours, pilots : as `Exposure.of_rollout`
    counted_per : ``child`` weighs unit-periods by the panel's denominators

    References
    ----------
    Bowers, Fredrickson and Panagopoulos (2013), doi:10.1093/pan/mps038: sharp hypotheses about interference.
    """

    panel: Panel
    starts: Mapping[str, date | None]
    window_days: int = 0
    neighbours: Iterable[tuple[str, str]] | None = None
    pilots: Collection[str] = ()
    counted_per: Per = "unit"

    def bind(self, drawn: Drawn) -> Sloped:
        """The statistic of what was drawn.

        Raises
        ------
        EstimateError
            As `Exposure.of_rollout`; another panel; ``E_NEVER_CLEAN``: all waiting units of a period are equally
            exposed, in every period.
        """
        one_of(self.counted_per, get_args(Per), "counted_per")
        check_panel(self.panel)
        exposure = Exposure.of_rollout(
            drawn, self.panel.periods, self.starts, window_days=self.window_days, neighbours=self.neighbours,
            pilots=self.pilots,
        )  # fmt: skip
        exposure.check(self.panel)
        known = self.panel.observed & (self.panel.denominator > 0)
        weight = np.where(known, self.panel.denominator if self.counted_per == "child" else 1.0, 0.0)
        values = np.where(known, self.panel.value, 0.0)
        mean = float((weight * values).sum() / max(weight.sum(), 1e-300))
        floor = 1e-14 * float(np.abs(values).max(initial=0.0))
        found = Sloped(exposure=exposure, outcome=np.where(known, values - mean, 0.0), weight=weight, floor=floor)
        if not np.isfinite(found.estimate):
            raise EstimateError(
                "In every period all waiting units have the same share of neighbours started, so nothing can be "
                "compared. Look at more periods.",
                {"periods": list(self.panel.periods)},
                da="I hver periode har alle ventende enheder samme andel begyndte naboer, så intet kan sammenlignes. Tag "
                "flere perioder med.",
                code="E_NEVER_CLEAN",
            )
        return found


@dataclass(frozen=True, eq=False, kw_only=True)
class Sloped:
    """`ExposureWeighted`, bound; satisfies `trialkit.estimate.arms.Straight`."""

    exposure: Exposure
    outcome: Floats  # (n, t) centred
    weight: Floats  # (n, t)
    floor: float
    name: str = "outcome by share of neighbours started, waiting units within periods"
    monotone: bool = True
    centre: float | None = None
    std_error: float = nan

    @cached_property
    def own(self) -> Floats:
        """(n, t) exposure as drawn."""
        found: Floats = self.exposure.shares(self.exposure.drawn.codes[None, :])[0]
        return found

    @property
    def estimate(self) -> float:
        """The slope found."""
        return float(self.curves(self.exposure.drawn.codes[None, :]).level[0])

    @property
    def n_units(self) -> int:
        """Units with any outcome."""
        return int((self.weight > 0).any(axis=1).sum())

    def size(self, tau: float) -> float:
        """Of the outcomes."""
        return max(float(np.abs(self.outcome).max(initial=0.0)), self.floor) + abs(tau)

    def values(self, codes: Codes, tau: float = 0.0) -> Floats:
        """(k,) the slope; nan where an allocation leaves nothing to compare."""
        return self.curves(codes).at(tau)

    def with_noise(self, rng: np.random.Generator) -> Sloped:
        """Made-up outcomes."""
        return replace(self, outcome=np.where(self.weight > 0, rng.normal(size=self.weight.shape), 0.0))

    def curves(self, codes: Codes) -> Curves:
        """The slope under each allocation as a function of the effect."""
        both = np.stack([self.outcome.ravel(), self.own.ravel()], axis=1)
        rows = max(1, CELLS // self.weight.size)
        parts = [self._lines(codes[k : k + rows]) @ both for k in range(0, len(codes), rows)]
        level, slope = np.concatenate(parts).T if parts else np.zeros((2, 0))
        return Curves(level=level, slope=slope, size=self.size(0.0))

    def _lines(self, codes: Codes) -> Floats:
        """(k, n x t) coefficients of the outcomes."""
        share = self.exposure.shares(codes)
        here = np.where(self.exposure.own(codes) == WAITING, self.weight, 0.0)
        mass = here.sum(axis=1, keepdims=True)
        gap = share - (here * share).sum(axis=1, keepdims=True) / np.where(mass > 0, mass, 1.0)
        top = here * gap
        bottom = (top * gap).sum(axis=(1, 2))
        flat = bottom <= TIE * np.maximum(mass.sum(axis=(1, 2)), TIE)
        found: Floats = (top / np.where(flat, 1.0, bottom)[:, None, None]).reshape(len(codes), -1)
        found[flat] = np.nan
        return found


__all__ = ["ExposureWeighted", "Sloped"]
