"""How extreme what was drawn is: the p-value of any effect, by each definition, and the effects that are accepted."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, nan, sqrt
from typing import Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from trialkit.estimate.arms import Bound, Straight
from trialkit.estimate.curves import TIE
from trialkit.estimate.drawn import ReferenceSet
from trialkit.estimate.half_sums import EqualArms, HalfSums
from trialkit.estimate.inversion import by_points, by_scan, region
from trialkit.estimate.null import ComputedNull, CurvedNull, Null, Tail
from trialkit.estimate.own_statistic import Own
from trialkit.estimate.ranks import Ranked
from trialkit.estimate.region import Region
from trialkit.estimate.two_arms import TwoArms

Floats = NDArray[np.float64]
Sides = Literal["distance", "mirror", "doubled", "greater", "less"]

TIED: Final = 36  # pairs of distinct outcomes up to which the effects at which they tie are looked at
SEEN: Final = 100_000  # up to so many allocations the smallest p is found by looking, beyond by counting


@dataclass(frozen=True, eq=False, kw_only=True)
class Judge:
    """A bound statistic with its distribution over the reference set."""

    bound: Bound
    reference: ReferenceSet
    null: CurvedNull | HalfSums | ComputedNull

    @classmethod
    def of(cls, bound: Bound, reference: ReferenceSet) -> Judge:
        """By tables of halves, by every allocation's curve, or computed anew for every effect."""
        if reference.exact and HalfSums.fits(bound):
            return cls(bound=bound, reference=reference, null=HalfSums.of(cast(TwoArms, bound)))
        if hasattr(bound, "curves"):
            return cls(bound=bound, reference=reference, null=CurvedNull.of(cast(Straight, bound), reference))
        return cls(bound=bound, reference=reference, null=ComputedNull(bound=bound, reference=reference))

    def tail(self, tail: Tail) -> tuple[Null, Tail]:
        """The distribution and the tail that decide: the same answer, by the cheapest of equal ways.

        Distance from a mean of 0 is distance from 0; straight lines less their mean have mean 0; and a studentized
        statistic in the order of its difference is judged by the difference.
        """
        null = self.null
        if isinstance(null, ComputedNull):
            return null, tail
        if tail == "distance" and null.centre == 0:
            tail = "mirror"
        if isinstance(null, HalfSums):
            return (self._equal_arms or null), tail
        if tail == "distance" and null.curves.variance is None:
            return self._centred, "mirror"
        return (self._lines if cast(Straight, self.bound).monotone and tail != "distance" else null), tail

    @cached_property
    def _equal_arms(self) -> EqualArms | None:
        null = self.null
        if not isinstance(null, HalfSums) or null.n_new != null.n_usual:
            return None
        return EqualArms(
            left=null.left, right=null.right, whole=null.whole, n_new=null.n_new, n_usual=null.n_usual,
            observed=null.observed.lines(), size=null.observed.size, centre=0.0,
        )  # fmt: skip

    @cached_property
    def _centred(self) -> CurvedNull:
        return cast(CurvedNull, self.null).centred()

    @cached_property
    def _lines(self) -> CurvedNull:
        return cast(CurvedNull, self.null).lines()

    def p_value(self, tau: float, sides: Sides) -> float:
        """The p-value of the hypothesis that the effect is ``tau``."""
        if sides == "doubled":
            return min(1.0, 2 * min(self.p_value(tau, "greater"), self.p_value(tau, "less")))
        null, tail = self.tail(sides)
        return null.share(tau, tail)

    @property
    def undefined(self) -> float:
        """The share of allocations without a statistic."""
        return self.null.undefined / self.null.total

    @property
    def has_effect(self) -> bool:
        """Whether a constant effect says what every unit's outcome would have been: with a third arm it does not."""
        if len(self.reference.drawn.design.label_names) > 2 and isinstance(self.bound, TwoArms):
            return False
        return not isinstance(self.bound, Own) or bool(self.bound.treated.any())

    def listed(self) -> tuple[Floats, Floats]:
        """Every value under no effect, with its weight."""
        null = self.null
        if isinstance(null, ComputedNull):
            return null.at_zero
        values = np.concatenate([np.asarray(found).ravel() for _, found in null.values(0.0)])
        return values, null.weight(slice(None)) if isinstance(null, CurvedNull) else np.ones(values.size)

    def mean(self) -> float:
        """The design mean of the statistic under no effect."""
        if isinstance(self.null, ComputedNull):
            values, weights = self.null.at_zero
            return float(weights @ values / weights.sum())
        return self.null.mean(0.0)

    def smallest(self, sides: Sides) -> float:
        """The smallest p-value that any outcomes without ties could give.

        Up to `SEEN` allocations made-up outcomes show which of them the statistic cannot tell apart; beyond that,
        every allocation is taken to be alone, or alone with its mirror image.
        """
        if not self.reference.exact:
            return 1 / (1 + self.reference.draws)
        factor = 2 if sides == "doubled" else 1
        if self.null.n > SEEN:
            weights = self.null.weights if isinstance(self.null, CurvedNull) else None
            alone = 1.0 if weights is None else float(weights.min())
            pair = 2 if sides in ("distance", "mirror") and self.reference.drawn.mirrored else factor
            return min(1.0, pair * alone / self.null.total)
        noise = self.bound.with_noise(np.random.default_rng(0))  # which outcomes does not matter, only that none tie
        noisy = Judge.of(noise, self.reference)
        values, weights = noisy.listed()
        known = np.isfinite(values)
        if sides in ("distance", "mirror"):
            values = np.abs(values - (noisy.mean() if sides == "distance" else 0.0))
        order = np.argsort(values[known], kind="stable")
        first = firsts(values[known][order], float(np.abs(values[known]).max(initial=0.0)))
        alike = np.add.reduceat(weights[known][order], first)
        return min(1.0, factor * float(alike.min() + weights[~known].sum()) / float(weights.sum()))


def firsts(ascending: Floats, size: float) -> NDArray[np.intp]:
    """Where a new value begins, ties to within rounding of ``size`` being one value."""
    return np.flatnonzero(np.append(True, np.diff(ascending) > TIE * size))


def hodges_lehmann(judge: Judge) -> float:
    """The effect at which the statistic lies at its design mean (Hodges and Lehmann 1963, doi:10.1214/aoms/1177704172).

    nan where there is none, as for a user's own statistic.
    """
    null = judge.null
    if isinstance(null, ComputedNull):
        bound = judge.bound
        return _rank_shift(null, bound) if isinstance(bound, Ranked) and bound.kind == "sum" else nan
    if null.centre is None and null.observed.variance is None:
        own = judge._centred.observed
        return float(own.level[0] / own.slope[0])
    tau = float(null.observed.level[0] / null.observed.slope[0])
    for _ in range(0 if null.centre == 0 else 6):  # its own error does not change with the effect, so this converges
        tau = float(null.observed.level[0] / null.observed.slope[0]) - null.mean(tau) * _error(null, tau)
    return tau


def _error(null: CurvedNull | HalfSums, tau: float) -> float:
    """The observed standard error, per unit of effect."""
    own = null.observed
    if own.variance is None:
        return 0.0
    v0, v1, v2 = own.variance[:, 0]
    return sqrt(max(v0 + v1 * tau + v2 * tau**2, 0.0)) / abs(float(own.slope[0]))


def _rank_shift(null: ComputedNull, bound: Ranked) -> float:
    """The middle of the effects at which the rank sum equals its mean; it never rises with the effect."""
    points = bound.breakpoints()

    along = np.sort(np.concatenate([points, (points[1:] + points[:-1]) / 2, points[[0, -1]] + (-1.0, 1.0)]))

    def above(place: int) -> float:
        values, weights = null.at(float(along[place]))
        return null.own(float(along[place])) - float((weights * values).sum() / weights.sum())

    slack = TIE * bound.size(0.0)
    first = bisect_left(range(along.size), True, key=lambda place: above(place) <= slack)
    after = bisect_left(range(along.size), True, key=lambda place: above(place) < -slack)
    if first == after:  # it jumps over its mean, at a breakpoint or just beside one
        return float(points[first // 2 if first % 2 else (first - 1) // 2])
    low = points[max(first // 2 - (first % 2 == 0), 0)]  # the effects at which it equals its mean
    high = points[min((after - 1) // 2, points.size - 1)]
    return float((low + high) / 2)


def accepted(judge: Judge, sides: Sides, alpha: float, point: float) -> Region:
    """The effects whose p-value lies above ``alpha``."""
    if sides == "doubled":
        return accepted(judge, "greater", alpha / 2, point).meet(accepted(judge, "less", alpha / 2, point))
    bound, null = judge.bound, judge.null
    if isinstance(bound, Ranked):
        points = bound.breakpoints()
        return by_points(null, points, sides, alpha, peak=point if isfinite(point) else float(np.median(points)))
    if isinstance(bound, Own):
        new = bound.treated > 0
        start = float(bound.outcome[new].mean() - bound.outcome[~new].mean())
        error = float(bound.outcome.std()) * sqrt(1 / new.sum() + 1 / (~new).sum())
        return by_scan(null, sides, alpha, start=start, reach=10 * error)
    decides, tail = judge.tail(sides)
    own = cast(CurvedNull | HalfSums, null).observed
    step = _error(cast(CurvedNull | HalfSums, null), point) or own.size / sqrt(bound.n_units)
    start = float(own.level[0] / own.slope[0]) if sides == "mirror" else point
    return region(cast(CurvedNull, decides), tail, alpha, start=start, step=step, ties=_ties(bound))


def _ties(bound: Bound) -> Floats:
    """No effect, and what differs between a treated and an untreated unit, if that is few numbers."""
    if not isinstance(bound, TwoArms):
        return np.zeros(1)
    arms = bound.arms

    def distinct(values: Floats) -> Floats:
        ascending = np.sort(values)
        return ascending[firsts(ascending, arms.largest)]

    new, usual = (distinct(arms.outcome[arms.included & here]) for here in (arms.treated > 0, arms.treated == 0))
    if new.size * usual.size > TIED:
        return np.zeros(1)
    found = distinct(np.append(np.subtract.outer(new, usual).ravel(), 0.0))
    return np.where(np.abs(found) <= TIE * arms.largest, 0.0, found)


__all__ = ["Judge", "Sides", "accepted", "firsts", "hodges_lehmann"]
