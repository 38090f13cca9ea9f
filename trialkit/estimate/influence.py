"""Comparisons of cohorts in two periods, and the influence functions that all their errors come from.

Given its cohort, a unit's influence on any such estimate is linear in its outcomes; so covariances over all units need
no more than cohort moments.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from trialkit.errors import EstimateError
from trialkit.estimate.cohorts import Bools, Cohorts, Floats, Ints

ControlGroup = Literal["never_treated", "not_yet_treated"]
Base = Literal["varying", "universal"]


class Influence(NamedTuple):
    """Influence functions, one per row: for a unit of cohort c, ``slope[:, c] @ y + level[:, c]``."""

    slope: Floats  # (k, g, t)
    level: Floats  # (k, g)

    def of(self, weights: Floats) -> Influence:
        """Of linear combinations, (m, k)."""
        return Influence(np.tensordot(weights, self.slope, 1), weights @ self.level)

    def covariance(self, cohorts: Cohorts) -> Floats:
        """(k, k) mean product over all units, over n: divisor N within cohorts, as the influence functions have it."""
        mean = self._means(cohorts)
        found: Floats = (mean * cohorts.sizes) @ mean.T
        for c, size in enumerate(cohorts.sizes):
            found += (size - 1) * self.slope[:, c] @ cohorts.covariances[c] @ self.slope[:, c].T
        return found / cohorts.n**2

    def std_errors(self, cohorts: Cohorts) -> Floats:
        """(k,) the roots of the covariance's diagonal, without the rest of it."""
        found = self._means(cohorts) ** 2 @ cohorts.sizes
        for c, size in enumerate(cohorts.sizes):
            own = self.slope[:, c]
            found += (size - 1) * np.einsum("kt,kt->k", own @ cohorts.covariances[c], own)
        return np.asarray(np.sqrt(found) / cohorts.n)

    def _means(self, cohorts: Cohorts) -> Floats:
        found: Floats = (self.slope * cohorts.means).sum(axis=2) + self.level
        return found


class Comparisons(NamedTuple):
    """Every comparison: cohort, period, base period, and who is compared with."""

    group: Ints  # (k,) the cohort's first period
    period: Ints  # (k,)
    base: Ints  # (k,) the period compared with
    controls: Bools  # (k, g)

    @classmethod
    def of(cls, starts: Ints, n_periods: int, control: ControlGroup, base: Base) -> Comparisons:
        last = int(starts.max())
        rows: list[tuple[int, int, int]] = []
        for g in starts[starts < last].tolist():
            for t in range(min(last, n_periods)):
                before = g - 1 if base == "universal" or t >= g else t - 1
                if before >= 0:
                    rows.append((g, t, before))
        if not rows:
            raise no_never()
        group, period, against = np.array(rows, np.int64).T
        waiting = starts[None, :] > np.maximum(period, against)[:, None]
        if control == "never_treated":
            waiting = waiting & (starts == n_periods)
        return cls(group, period, against, waiting & (starts != group[:, None]))

    def influence(self, cohorts: Cohorts) -> tuple[Influence, Floats]:
        """Influence functions (k,) and estimates (k,) of all comparisons."""
        k, n = self.group.size, cohorts.n
        own = np.searchsorted(cohorts.starts, self.group)
        treated = np.zeros(self.controls.shape)
        treated[np.arange(k), own] = 1.0
        sides = np.stack([treated, self.controls.astype(np.float64)])  # (2, k, g)
        change = cohorts.means[:, self.period].T - cohorts.means[:, self.base].T  # (k, g)
        size = (sides * cohorts.sizes).sum(axis=2)
        mean = (sides * cohorts.sizes * change).sum(axis=2) / size
        weight = sides * (n / size)[:, :, None]
        signed = weight[0] - weight[1]  # (k, g)
        slope = np.zeros((k, cohorts.sizes.size, cohorts.n_periods))
        each = np.arange(k)
        slope[each, :, self.period] += signed
        slope[each, :, self.base] -= signed
        level = weight[1] * mean[1][:, None] - weight[0] * mean[0][:, None]
        return Influence(slope, level), np.asarray(mean[0] - mean[1])


def joined(parts: list[Influence]) -> Influence:
    """All comparisons of all parts, in order."""
    return Influence(np.concatenate([p.slope for p in parts]), np.concatenate([p.level for p in parts]))


def no_never() -> EstimateError:
    """The refusal where no unit shows what would have been."""
    return EstimateError(
        "There are no units that are never treated (or no cohort besides one), so nobody shows what would have been. "
        "Compare with those not yet treated, or say which cohort is the reference and drop the periods from its start.",
        da="Der er ingen enheder, der aldrig begynder (eller kun ét hold), så ingen viser, hvad der ellers ville være "
        "sket. Sammenlign med dem, der endnu ikke er begyndt.",
    )


__all__ = ["Base", "Comparisons", "ControlGroup", "Influence", "joined", "no_never"]
