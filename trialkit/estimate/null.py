"""The distribution of a statistic over the reference set, for any hypothesised effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal, Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.design.sums import LabelSums
from trialkit.estimate.arms import Bound, Straight, Summed
from trialkit.estimate.curves import TIE, Curves
from trialkit.estimate.drawn import ReferenceSet, size

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

Tail = Literal["distance", "mirror", "greater", "less"]
Place = slice | tuple[int, int]  # of a block: rows, or two halves of a table

KEPT: Final = 10_000_000  # codes of one byte or two
SLICE: Final = 2**15  # allocations evaluated at a time, so that they stay in the cache


class Null(Protocol):
    """What inversion asks of a distribution."""

    @property
    def total(self) -> float:
        """The weight of all allocations."""
        ...

    @property
    def n(self) -> int:
        """How many allocations there are."""
        ...

    def share(self, tau: float, tail: Tail) -> float:
        """The p-value of the hypothesis that the effect is ``tau``."""
        ...


class Curved(Null, Protocol):
    """A distribution whose statistic is known as a function of the effect."""

    @property
    def observed(self) -> Curves:
        """The one curve of what was drawn."""
        ...

    @property
    def size(self) -> float:
        """The size of the statistic at no effect; a plain difference grows with the effect."""
        ...

    def mean(self, tau: float) -> float:
        """The design mean of the statistic."""
        ...

    def changing(self, low: float, high: float, tail: Tail) -> tuple[Curves, Floats]:
        """The allocations, with their weights, that are extreme at one of two effects and not at the other."""
        ...


def extreme(values: Floats, own: Floats | float, tail: Tail, size: Floats | float, *, tie: float = TIE) -> Bools:
    """Which values are at least as extreme as ``own``; ties are, and so is a value that does not exist.

    For ``distance`` take the design mean off both first; it is then the same as ``mirror``.
    """
    if tail == "less":
        values, own = -values, -np.asarray(own)
    elif tail != "greater":
        values, own = np.abs(values), np.abs(own)
    with np.errstate(invalid="ignore"):  # no slack of an infinite value
        slack = tie * np.maximum(np.abs(own), size)
    bound = np.where(np.isfinite(slack), own - np.where(np.isfinite(slack), slack, 0.0), own)
    return np.asarray(~(values < bound), bool)


class Counting:
    """Counts of extreme allocations, block by block; what a `Curved` distribution of any kind inherits."""

    observed: Curves
    size: float
    centre: float | None

    @property
    def total(self) -> float:
        """The weight of all allocations."""
        raise NotImplementedError

    def values(self, tau: float) -> Iterator[tuple[Place, Floats]]:
        """The statistic of all allocations, block by block."""
        raise NotImplementedError

    def weigh(self, place: Place, which: Bools) -> float:
        """The weight of some allocations of a block."""
        raise NotImplementedError

    def average(self, place: Place, values: Floats) -> tuple[float, float]:
        """The weighted sum of a block's finite values, and their weight."""
        raise NotImplementedError

    def taken(self, found: Sequence[tuple[Place, Bools]]) -> tuple[Curves, Floats]:
        """Curves and weights of some allocations of each block."""
        raise NotImplementedError

    def mean(self, tau: float) -> float:
        """The design mean of the statistic, over allocations where it is finite; 0 where it is nowhere."""
        if self.centre is not None:
            return self.centre
        sums = [self.average(place, values) for place, values in self.values(tau)]
        weight = sum(weight for _, weight in sums)
        return sum(top for top, _ in sums) / weight if weight else 0.0

    def size_at(self, tau: Floats | float) -> Floats | float:
        """What ties are measured against."""
        return self.size if self.observed.variance is not None else self.size + np.abs(tau)

    def _extreme(self, tau: float, tail: Tail) -> Iterator[tuple[Place, Bools]]:
        mean = self.mean(tau) if tail == "distance" else 0.0
        own = float(self.observed.at(tau)[0]) - mean
        for place, values in self.values(tau):
            yield place, extreme(values - mean if mean else values, own, tail, float(self.size_at(tau)))

    def share(self, tau: float, tail: Tail) -> float:
        """The p-value of the hypothesis that the effect is ``tau``."""
        return sum(self.weigh(place, which) for place, which in self._extreme(tau, tail)) / self.total

    def changing(self, low: float, high: float, tail: Tail) -> tuple[Curves, Floats]:
        """Allocations extreme at one of two effects and not at the other."""
        both = zip(self._extreme(low, tail), self._extreme(high, tail), strict=True)
        return self.taken([(place, one != other) for (place, one), (_, other) in both])


@dataclass(frozen=True, eq=False, kw_only=True)
class CurvedNull(Counting):
    """Every allocation's curve, kept: 16 bytes for each, or 40 if it is studentized; satisfies `Curved`.

    ``centre`` is the design mean if it is the same for every effect, otherwise None.
    """

    curves: Curves
    weights: Floats | None  # None: all 1
    observed: Curves
    size: float
    centre: float | None

    @classmethod
    def of(cls, bound: Straight, reference: ReferenceSet) -> Self:
        """The curves of all allocations, in chunks."""
        weights = None
        if reference.exact:
            found = [(bound.curves(codes), weight) for codes, weight in reference.chunks()]
            sizes, given = [len(part) for part, _ in found], [weight for _, weight in found]
            curves = Curves.joined((part for part, _ in found), sum(sizes))
            weights = np.repeat(given, sizes) if len(set(given)) > 1 else None
        else:
            curves = Curves.joined(_sampled(bound, reference), 1 + reference.draws)
        return cls(
            curves=curves,
            weights=weights,
            observed=bound.curves(reference.drawn.codes[None, :]),
            size=bound.size(0.0),
            centre=bound.centre,
        )

    @cached_property
    def total(self) -> float:
        """The weight of all allocations."""
        return float(len(self.curves)) if self.weights is None else float(self.weights.sum())

    @property
    def n(self) -> int:
        """Allocations."""
        return len(self.curves)

    @cached_property
    def undefined(self) -> float:
        """The weight of allocations that have no statistic."""
        return self.weigh(slice(None), np.isnan(self.curves.level))

    def values(self, tau: float) -> Iterator[tuple[Place, Floats]]:
        """The statistic of all allocations, slice by slice."""
        for start in range(0, self.n, SLICE):
            here = slice(start, start + SLICE)
            yield here, self.curves.take(here).at(tau)

    def weight(self, place: Place) -> Floats:
        """The weights of a slice."""
        here = cast(slice, place)
        return np.ones(len(range(*here.indices(self.n)))) if self.weights is None else self.weights[here]

    def weigh(self, place: Place, which: Bools) -> float:
        """The weight of some allocations of a slice."""
        if self.weights is None:
            return float(np.count_nonzero(which))
        return float(self.weight(place)[which].sum())

    def average(self, place: Place, values: Floats) -> tuple[float, float]:
        """The weighted sum of a slice's finite values, and their weight."""
        finite = np.isfinite(values)
        if self.weights is None:
            return float(values[finite].sum()), float(np.count_nonzero(finite))
        weight = self.weight(place)[finite]
        return float((weight * values[finite]).sum()), float(weight.sum())

    def taken(self, found: Sequence[tuple[Place, Bools]]) -> tuple[Curves, Floats]:
        """Curves and weights of some allocations of each slice."""
        which = np.concatenate([cast(slice, place).start + np.flatnonzero(here) for place, here in found])
        return self.curves.take(which), self.weight(slice(None))[which]

    def centred(self) -> CurvedNull:
        """Straight lines less their design mean: distance from it is then distance from 0."""
        if self.centre is not None:
            return self
        level, slope = (_mean(values, self.weight(slice(None))) for values in (self.curves.level, self.curves.slope))
        return replace(
            self, curves=self.curves.less(level, slope), observed=self.observed.less(level, slope), centre=0.0
        )

    def lines(self) -> CurvedNull:
        """The differences alone, for a statistic that puts allocations in the same order."""
        return replace(self, curves=self.curves.lines(), observed=self.observed.lines(), size=self.curves.size)


def _sampled(bound: Straight, reference: ReferenceSet) -> Iterator[Curves]:
    """The curves of Monte Carlo draws, from sums alone where they tell everything."""
    summed: LabelSums | None = getattr(bound, "summed", None)
    if summed is not None:
        return (cast(Summed, bound).along(sums, k) for sums, k in reference.sums(summed))
    return (bound.curves(codes) for codes, _ in reference.chunks())


def _mean(values: Floats, weights: Floats) -> float:
    defined = ~np.isnan(values)
    return float((weights[defined] * values[defined]).sum() / weights[defined].sum())


@dataclass(frozen=True, eq=False, kw_only=True)
class ComputedNull:
    """A statistic that must be computed anew for every effect; satisfies `Null`."""

    bound: Bound
    reference: ReferenceSet
    undefined: float = 0.0

    @cached_property
    def at_zero(self) -> tuple[Floats, Floats]:
        """Values and weights at no effect."""
        return self.at(0.0)

    def at(self, tau: float) -> tuple[Floats, Floats]:
        """Values and weights of all allocations."""
        parts = [(self.bound.values(c, tau), np.full(len(c), w)) for c, w in self._chunks]
        return np.concatenate([v for v, _ in parts]), np.concatenate([w for _, w in parts])

    @property
    def _chunks(self) -> Iterable[tuple[Codes, float]]:
        """All allocations; kept where they are few, made anew where they are many."""
        drawn = self.reference.drawn.design
        n = self.reference.draws or size(drawn)
        return self._kept if n * len(drawn.items) <= KEPT else self.reference.chunks()

    @cached_property
    def _kept(self) -> list[tuple[Codes, float]]:
        return list(self.reference.chunks())

    @property
    def total(self) -> float:
        """The weight of all allocations."""
        return float(self.at_zero[1].sum())

    @property
    def n(self) -> int:
        """Allocations."""
        return self.at_zero[0].size

    def own(self, tau: float) -> float:
        """The statistic of what was drawn."""
        return float(self.bound.values(self.reference.drawn.codes[None, :], tau)[0])

    def share(self, tau: float, tail: Tail) -> float:
        """The p-value of the hypothesis that the effect is ``tau``."""
        values, weights = self.at_zero if tau == 0 else self.at(tau)
        centre = self.bound.centre
        mean = 0.0
        if tail == "distance":
            mean = float(weights @ values / weights.sum()) if centre is None else centre
        found = extreme(values - mean, self.own(tau) - mean, tail, self.bound.size(tau))
        return float(weights[found].sum() / weights.sum())


__all__ = ["ComputedNull", "Curved", "CurvedNull", "Null", "Tail", "extreme"]
