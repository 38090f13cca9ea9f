"""The t of the differences within matched pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.design.sums import Columns, LabelSums
from trialkit.errors import EstimateError
from trialkit.estimate.arms import Arms, Bound, indicator
from trialkit.estimate.curves import Curves
from trialkit.estimate.drawn import Drawn

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class PairedT:
    """The t of the differences within matched pairs, df pairs - 1; a cluster counts by its mean.

    ``mean(d) / (sd(d) / sqrt(pairs))`` with d the new one's outcome less the other's.

    Parameters
    ----------
    outcome : (n_units,) or (n_items,) float
        One value per unit in the design's order, or one per cluster.
    compare : two labels, the new one first

    References
    ----------
    Student (1908), doi:10.1093/biomet/6.1.1; through the lot: Fisher (1935), The Design of Experiments, section 21.
    """

    outcome: Floats
    compare: tuple[str, str]

    def bind(self, drawn: Drawn) -> Bound:
        """The statistic of what was drawn.

        Raises
        ------
        EstimateError
            A block is not a pair with one of each arm.
        """
        arms = Arms.of(drawn, self.outcome, self.compare)
        return Pairs.of(arms)


@dataclass(frozen=True, eq=False, kw_only=True)
class Pairs:
    """The t of pair differences; satisfies `Straight`."""

    arms: Arms
    first: NDArray[np.intp]  # (pairs,) the item of each pair that comes first
    second: NDArray[np.intp]  # (pairs,) the other
    difference: Floats  # (pairs,) first minus second
    name: str = "paired t"
    monotone: bool = True
    centre: float | None = 0.0

    @classmethod
    def of(cls, arms: Arms) -> Pairs:
        """One item of each arm in every pair, or it is refused."""
        pairs = []
        for block in np.unique(arms.drawn.blocks[arms.drawn.free]):
            items = np.flatnonzero((arms.drawn.blocks == block) & arms.drawn.free)
            if sorted(arms.drawn.codes[items].tolist()) != sorted([arms.new, arms.usual]):
                raise EstimateError(
                    f"Block number {block + 1} is not a pair with one of each arm, so there is no pair difference. "
                    "Use the studentized difference within blocks.",
                    {"items": [arms.drawn.design.items[item] for item in items]},
                    da=f"Blok nummer {block + 1} er ikke et par med én i hver gruppe, så der er ingen forskel i parret. "
                    "Brug forskellen inden for blokke.",
                )
            pairs.append(items)
        first, second = np.array(pairs).T
        return cls(arms=arms, first=first, second=second, difference=_means(arms)[first] - _means(arms)[second])

    @property
    def _sign(self) -> Floats:
        return np.where(self.arms.drawn.codes[self.first] == self.arms.new, 1.0, -1.0)

    @property
    def df(self) -> float:
        """Pairs less one."""
        return float(len(self.first) - 1)

    @property
    def estimate(self) -> float:
        """The mean difference."""
        return float((self._sign * self.difference).mean())

    @property
    def std_error(self) -> float:
        """Of the mean difference."""
        return float((self._sign * self.difference).std(ddof=1)) / sqrt(len(self.first))

    @property
    def n_units(self) -> int:
        """Units in the pairs."""
        return int(self.arms.included.sum())

    def size(self, tau: float) -> float:
        """Of order 1."""
        return 1.0

    def values(self, codes: Codes, tau: float = 0.0) -> Floats:
        """(k,) the statistic."""
        return self.curves(codes).at(tau)

    def with_noise(self, rng: np.random.Generator) -> Pairs:
        """Made-up outcomes."""
        return replace(self, difference=rng.normal(size=self.difference.size))

    @property
    def summed(self) -> LabelSums | None:
        """Over the new items, of each pair's difference and of its observed sign, both turned round for its second."""
        drawn = self.arms.drawn
        values = np.zeros((2, len(drawn.codes)))
        values[:, self.first] = found = np.stack([self.difference, self._sign])
        values[:, self.second] = -found
        return LabelSums.whole(drawn.design, self.arms.new, values) if drawn.steady else None

    def curves(self, codes: Codes) -> Curves:
        """The mean of the signed differences."""
        sign = 2 * indicator(codes[:, self.first], self.arms.new) - 1
        return self.along([(self.difference @ sign)[None, :], (self._sign @ sign)[None, :]], len(codes))

    def along(self, sums: Columns, k: int) -> Curves:
        """The same from the sums; the differences' sum of squares is the same under every allocation."""
        n = len(self.first)
        level, slope = (np.broadcast_to(column[0] / n, k) for column in sums)
        squares = np.array([self.difference @ self.difference, -2 * self._sign @ self.difference, n])
        mean = np.stack([level**2, -2 * level * slope, slope**2])
        variance = (squares[:, None] - n * mean) / (n * (n - 1))
        return Curves(level=level, slope=slope, variance=variance, size=self.arms.largest)


def _means(arms: Arms) -> Floats:
    return arms.per_item(arms.outcome) / np.maximum(arms.per_item(np.ones(arms.item.size)), 1)


__all__ = ["PairedT", "Pairs"]
