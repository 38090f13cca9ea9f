"""Statistics of ranks: the rank sum, and the largest gap between two distributions (Kolmogorov and Smirnov).

They change with the hypothesised effect only where two outcomes change places, so the effects to look at are the
differences between a treated and an untreated unit: finitely many, and no grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from trialkit.design.base import Codes
from trialkit.errors import EstimateError
from trialkit.estimate.arms import Arms, Bound, indicator
from trialkit.estimate.curves import TIE
from trialkit.estimate.drawn import Drawn

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class RankSum:
    """The sum of the new arm's mid-ranks, among all units or within blocks (Wilcoxon 1945, doi:10.2307/3001968).

    Parameters
    ----------
    outcome : (n_units,) or (n_items,) float
    compare : two labels, the new one first; both arms are ranked, others are not
    blocks : bool
        Rank within blocks, if the design has them.
    """

    outcome: Floats
    compare: tuple[str, str]
    blocks: bool = True

    def bind(self, drawn: Drawn) -> Bound:
        """The statistic of what was drawn.

        Raises
        ------
        EstimateError
            Three arms or more: whom to rank would change with the allocation.
        """
        arms = _two(Arms.of(drawn, self.outcome, self.compare))
        block = drawn.blocks if self.blocks else np.zeros_like(drawn.blocks)
        name = "rank sum" + (" within blocks" if block.any() else "")
        return Ranked(arms=arms, block=block[arms.item], kind="sum", name=name)


@dataclass(frozen=True, eq=False, kw_only=True)
class KolmogorovSmirnov:
    """The largest gap between the two arms' distribution functions; only large values speak against no effect.

    Parameters
    ----------
    outcome : (n_units,) or (n_items,) float
    compare : two labels, the new one first
    """

    outcome: Floats
    compare: tuple[str, str]

    def bind(self, drawn: Drawn) -> Bound:
        """The statistic of what was drawn.

        Raises
        ------
        EstimateError
            Three arms or more.
        """
        arms = _two(Arms.of(drawn, self.outcome, self.compare))
        return Ranked(arms=arms, block=np.zeros(arms.item.size, np.intp), kind="gap", name="Kolmogorov-Smirnov gap")


@dataclass(frozen=True, eq=False, kw_only=True)
class Ranked:
    """A statistic of ranks, bound."""

    arms: Arms
    block: NDArray[np.intp]  # (n_units,)
    kind: Literal["sum", "gap"]
    name: str
    std_error: float = nan
    estimate: float = nan

    @property
    def centre(self) -> float | None:
        """Not known beforehand: the mean rank sum of clusters depends on their sizes."""
        return None

    @property
    def n_units(self) -> int:
        """Units ranked."""
        return int(self.arms.included.sum())

    def size(self, tau: float) -> float:
        """Ranks are of the order of the units; a gap is a share."""
        return float(self.n_units) if self.kind == "sum" else 1.0

    def breakpoints(self) -> Floats:
        """Every effect at which a treated and an untreated unit of one block tie, ascending."""
        z, here, y = self.arms.treated.astype(bool), self.arms.included, self.arms.outcome
        found: list[Floats] = [np.zeros(0)]
        for b in np.unique(self.block[here]):
            own = here & (self.block == b)
            found.append(np.subtract.outer(y[own & z], y[own & ~z]).ravel())
        every = np.unique(np.concatenate(found))
        apart = np.append(True, np.diff(every) > TIE * (self.arms.largest + np.abs(every[1:])))
        return np.asarray(every[apart], np.float64)

    def values(self, codes: Codes, tau: float = 0.0) -> Floats:
        """(k,) the statistic."""
        y = self.arms.outcome - tau * self.arms.treated
        y = _tied(y, (self.arms.largest + abs(tau)) * TIE)
        new = indicator(codes, self.arms.new)
        return self._rank_sums(y, new) if self.kind == "sum" else self._gaps(y, new)

    def _rank_sums(self, y: Floats, new: Floats) -> Floats:
        ranks = np.zeros(y.size)
        for b in np.unique(self.block[self.arms.included]):
            here = self.arms.included & (self.block == b)
            ranks[here] = rankdata(y[here])
        return np.asarray(self.arms.per_item(ranks) @ new, np.float64)

    def _gaps(self, y: Floats, new: Floats) -> Floats:
        here = np.flatnonzero(self.arms.included)
        order = here[np.argsort(y[here], kind="stable")]
        last = np.append(np.diff(y[order]) > 0, True)  # read the steps only after all units that tie
        drawn = new[self.arms.item[order]]
        below, beside = np.cumsum(drawn, axis=0), np.cumsum(1 - drawn, axis=0)
        found: Floats = np.abs(below / below[-1] - beside / beside[-1])[last].max(axis=0)
        return found

    def with_noise(self, rng: np.random.Generator) -> Ranked:
        """Made-up outcomes."""
        return replace(self, arms=self.arms.noisy(rng))


def _tied(y: Floats, apart: float) -> Floats:
    """The order of ``y`` as whole numbers; ties stay ties when taking an effect off has rounded them apart."""
    order = np.argsort(y, kind="stable")
    found = np.empty(y.size)
    found[order] = np.cumsum(np.append(0, np.diff(y[order]) > apart))
    return found


def _two(arms: Arms) -> Arms:
    if arms.two_labels:
        return arms
    raise EstimateError(
        f"Ranks compare two arms, and the design has {len(arms.drawn.design.label_names)}: who is ranked would change "
        "with the allocation. Use the difference in means, or a statistic of your own.",
        da=f"Rangtal sammenligner to grupper, men designet har {len(arms.drawn.design.label_names)}. Brug forskellen i "
        "gennemsnit, eller en egen statistik.",
    )


__all__ = ["KolmogorovSmirnov", "RankSum", "Ranked"]
