"""Two arms drawn from all units at once: every allocation from two tables of half the units.

An allocation is what it takes from the first half of the units beside what it takes from the second, so its sums are
sums of two table entries (meet in the middle: Horowitz and Sahni 1974, doi:10.1145/321812.321823).  With equal arms
the studentized difference grows with the sum itself at every effect, and allocations need not be listed at all: one
half is sorted, and the other half's thresholds are looked up in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb
from typing import Final, NamedTuple, Self, cast

import numpy as np
from numpy.typing import NDArray

from trialkit.estimate.curves import TIE, Curves
from trialkit.estimate.null import Counting, Place, Tail, extreme
from trialkit.estimate.two_arms import TwoArms

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

FEWEST: Final = 5_000  # below this many allocations listing them costs less than the tables


class Half(NamedTuple):
    """Every subset of half the units, by its number of units."""

    taken: Ints  # (k,) units in the subset, ascending
    sums: Floats  # (4, k) sum, sum of squares, treated units, their sum
    first: Ints  # (units + 2,) where subsets of each number begin

    @classmethod
    def of(cls, y: Floats, z: Floats) -> Half:
        """The subsets of the units with outcomes ``y``, of whom ``z`` were treated."""
        bits = (np.arange(2**y.size)[:, None] >> np.arange(y.size)) & 1
        taken = bits.sum(axis=1)
        order = np.argsort(taken, kind="stable")
        sums = (bits[order].astype(float) @ np.stack([y, y * y, z, y * z], axis=1)).T
        first = np.searchsorted(taken[order], np.arange(y.size + 2))
        return cls(taken[order], np.ascontiguousarray(sums), first)


@dataclass(frozen=True, eq=False, kw_only=True)
class HalfSums(Counting):
    """All allocations of ``n_new`` of n units, from two tables; satisfies `trialkit.estimate.null.Curved`."""

    left: Half
    right: Half
    whole: Floats  # (4,) the sums over all units
    n_new: int
    n_usual: int
    observed: Curves
    size: float
    centre: float | None
    undefined: float = 0.0

    @classmethod
    def of(cls, bound: TwoArms) -> Self:
        """The tables of a difference between two arms of all units."""
        arms = bound.arms
        unit = arms.included & (arms.drawn.free[arms.item])
        y, z = arms.outcome[unit], arms.treated[unit]
        left, right = Half.of(y[: y.size // 2], z[: y.size // 2]), Half.of(y[y.size // 2 :], z[y.size // 2 :])
        n_new = int(z.sum())
        return cls(
            left=left, right=right, whole=np.array([y.sum(), y @ y, z.sum(), y @ z]), n_new=n_new,
            n_usual=y.size - n_new, observed=bound.curves(arms.drawn.codes[None, :]), size=bound.size(0.0),
            centre=bound.centre,
        )  # fmt: skip

    @classmethod
    def fits(cls, bound: object) -> bool:
        """Whether this is a difference of single units drawn at once, unconstrained, with many allocations.

        Few of many units have fewer allocations than their halves have subsets; then they are listed.
        """
        if not isinstance(bound, TwoArms) or len(bound.shares) > 1 or not bound.arms.two_labels:
            return False
        drawn = bound.arms.drawn
        if len(drawn.parts) != 1 or not drawn.steady or drawn.constrained:
            return False
        single = bool((bound.columns[0][drawn.free] == 1).all())
        new, usual = drawn.parts[0].counts
        total = comb(new + usual, new)
        return single and total >= FEWEST and 2 ** ((new + usual + 1) // 2) <= total

    @property
    def n(self) -> int:
        """Allocations."""
        return comb(self.n_new + self.n_usual, self.n_new)

    @property
    def total(self) -> float:
        """The weight of all allocations."""
        return float(self.n)

    @property
    def _pairs(self) -> Iterator[tuple[slice, slice]]:
        """The subsets of the left half with those of the right that make up an allocation."""
        for k in range(self.left.first.size - 1):
            other = self.n_new - k
            if 0 <= other < self.right.first.size - 1:
                yield (
                    slice(int(self.left.first[k]), int(self.left.first[k + 1])),
                    slice(int(self.right.first[other]), int(self.right.first[other + 1])),
                )

    def values(self, tau: float) -> Iterator[tuple[Place, Floats]]:
        """The statistic, by pairs of subsets."""
        left, right = (self._shifted(half.sums, tau) for half in (self.left, self.right))
        whole = self._shifted(self.whole[:, None], tau)[:, 0]
        for here, there in self._pairs:
            total = np.add.outer(left[0, here], right[0, there])
            squares = np.add.outer(left[1, here], right[1, there])
            yield (here.start, there.start), self._statistic(total, squares, whole, tau)

    @staticmethod
    def _shifted(sums: Floats, tau: float) -> Floats:
        """(2, k) sum and sum of squares of outcomes less the effect where it was had."""
        return np.stack([sums[0] - tau * sums[2], sums[1] - 2 * tau * sums[3] + tau**2 * sums[2]])

    def _statistic(self, total: Floats, squares: Floats, whole: Floats, tau: float) -> Floats:
        """The difference, over Neyman's error if studentized: V is a parabola in the sum, linear in the squares."""
        n, m = self.n_new, self.n_usual
        top: Floats = total * (1 / n + 1 / m) - whole[0] / m
        if self.observed.variance is None:
            return top
        a, b = 1 / (n * (n - 1)), 1 / (m * (m - 1))
        variance = total * (-(a / n + b / m)) + 2 * b / m * whole[0]
        variance *= total
        squares *= a - b
        variance += squares
        variance += b * (whole[1] - whole[0] ** 2 / m)
        floor = 1e-14 * (self.observed.size + abs(tau)) ** 2
        if variance.min() > floor:
            return cast(Floats, np.divide(top, np.sqrt(variance, out=variance), out=top))
        flat = variance <= floor
        zero = np.abs(top) <= TIE * (self.observed.size + abs(tau))
        ends = np.where(zero, 0.0, np.copysign(np.inf, top))
        return np.asarray(np.where(flat, ends, top / np.sqrt(np.where(flat, 1.0, variance))), np.float64)

    def weigh(self, place: Place, which: Bools) -> float:
        """How many."""
        return float(np.count_nonzero(which))

    def average(self, place: Place, values: Floats) -> tuple[float, float]:
        """Sum and number of the finite values."""
        with np.errstate(invalid="ignore"):  # infinite ones of both signs
            total = float(values.sum())
        if np.isfinite(total):
            return total, float(values.size)
        finite = np.isfinite(values)
        return float(values[finite].sum()), float(finite.sum())

    def taken(self, found: Sequence[tuple[Place, Bools]]) -> tuple[Curves, Floats]:
        """The curves of some pairs of subsets."""
        left, right = [], []
        for place, which in found:
            rows, columns = np.nonzero(which)
            start = cast(tuple[int, int], place)
            left.append(start[0] + rows)
            right.append(start[1] + columns)
        return self._curves(np.concatenate(left), np.concatenate(right))

    def _curves(self, left: NDArray[np.intp], right: NDArray[np.intp]) -> tuple[Curves, Floats]:
        s, q, z, x = self.left.sums[:, left] + self.right.sums[:, right]
        n, m = self.n_new, self.n_usual
        rest = self.whole[:, None] - np.stack([s, q, z, x])
        variance = None
        if self.observed.variance is not None:
            new, usual = _parabola(s, q, z, x, n), _parabola(rest[0], rest[1], rest[2], rest[3], m)
            variance = np.stack([a + b for a, b in zip(new, usual, strict=True)])
        curves = Curves(
            level=s / n - rest[0] / m, slope=z / n - rest[2] / m, variance=variance, size=self.observed.size
        )
        return curves, np.ones(left.size)


def _parabola(s: Floats, q: Floats, z: Floats, x: Floats, n: int) -> tuple[Floats, Floats, Floats]:
    """Coefficients in tau of an arm's variance over its size."""
    scale = n * (n - 1)
    return (q - s * s / n) / scale, -2 * (x - s * z / n) / scale, (z - z * z / n) / scale


@dataclass(frozen=True, eq=False, kw_only=True)
class EqualArms(HalfSums):
    """The same with as many new as usual, where the order of the sums is the order of the statistics."""

    @cached_property
    def _needed(self) -> Ints:
        """(k,) how many units the right half must add to each subset of the left."""
        return np.asarray(self.n_new - self.left.taken, np.int64)

    def _sorted(self, tau: float) -> tuple[Floats, NDArray[np.intp], float]:
        """The right half's sums, ascending within each number of units, as one ascending key."""
        sums = self.right.sums[0] - tau * self.right.sums[2]
        largest = float(np.abs(sums).max()) + float(np.abs(self.left.sums[0] - tau * self.left.sums[2]).max())
        step = 4 * largest or 1.0
        key = sums + step * self.right.taken
        order = np.argsort(key, kind="stable")
        return key[order], order, step

    def _bounds(self, tau: float, cut: float) -> tuple[Ints, Ints, NDArray[np.intp]]:
        """For each left subset, the right subsets (places in an order) with a whole sum of at least ``cut``."""
        key, order, step = self._sorted(tau)
        need = self._needed
        possible = (need >= 0) & (need < self.right.first.size - 1)
        whole = np.clip(need, 0, self.right.first.size - 2)
        own = self.left.sums[0] - tau * self.left.sums[2]
        span = step / 2.5
        from_ = np.searchsorted(key, np.clip(cut - own, -span, span) + step * need)
        ends = self.right.first[whole + 1]
        return np.where(possible, from_, ends), ends, order

    def _cut(self, tau: float, tail: Tail) -> tuple[float, bool]:
        """The least sum that is extreme above, and whether as many are extreme below."""
        middle = (self.whole[0] - tau * self.whole[2]) / 2
        own = float(self.observed.lines().at(tau)[0]) / (1 / self.n_new + 1 / self.n_usual)
        two = tail in ("mirror", "distance")
        away = abs(own) if two else own if tail == "greater" else -own
        slack = TIE * max(abs(own), self.observed.size + abs(tau))
        return middle + away - slack, two

    def share(self, tau: float, tail: Tail) -> float:
        """The p-value; below the middle there are as many as above, for arms can be exchanged."""
        cut, two = self._cut(tau, tail)
        if two and cut <= (self.whole[0] - tau * self.whole[2]) / 2:
            return 1.0
        start, end, _ = self._bounds(tau, cut)
        return float((end - start).sum()) * (2 if two else 1) / self.n

    def changing(self, low: float, high: float, tail: Tail) -> tuple[Curves, Floats]:
        """Allocations extreme at one of two effects and not at the other, found among those whose sum is near the cut.

        Two-sided, each stands for itself and for its mirror image, and the one above the middle is kept.
        """
        tau, reach = (low + high) / 2, abs(high - low)
        cut, two = self._cut(tau, tail)
        near = reach * (self.n_new + self.n_usual) + 4 * TIE * (self.observed.size + abs(tau))
        start, _, order = self._bounds(tau, cut - near)
        end, _, _ = self._bounds(tau, cut + near)
        count = np.maximum(end - start, 0)
        left = np.repeat(np.arange(count.size), count)
        place = np.repeat(start - np.append(0, np.cumsum(count)[:-1]), count) + np.arange(int(count.sum()))
        found = self._curves(left, order[place])[0].lines()
        if tail == "less":  # the cut was found above; what is extreme below is its mirror image
            found = Curves(level=-found.level, slope=-found.slope, size=found.size)
        values = [found.at(effect) for effect in (low, high)]
        own = [(float(self.observed.at(effect)[0]), float(self.size_at(effect))) for effect in (low, high)]
        one, other = (extreme(v, o, tail, size) for v, (o, size) in zip(values, own, strict=True))
        kept = (one != other) & ((np.where(one, *values) > 0) | (not two))
        return found.take(kept), np.full(int(kept.sum()), 2.0 if two else 1.0)
