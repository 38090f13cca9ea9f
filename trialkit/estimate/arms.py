"""Two arms of what was drawn, and what a statistic must be able to do to be tested.

A statistic is bound to what was drawn; bound, it gives its value under any allocations, many at once, from sums per
item (a unit, or a cluster) that are made once.  Fixed items take no part: no lot fell on them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.design.base import Codes
from trialkit.design.sums import Columns, LabelSums
from trialkit.errors import EstimateError
from trialkit.estimate.curves import Curves
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.given import by_unit, numbers
from trialkit.estimate.whole import check_whole

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Bound(Protocol):
    """A statistic that knows its outcomes and what was drawn."""

    @property
    def name(self) -> str:
        """What is printed."""
        ...

    @property
    def estimate(self) -> float:
        """The effect as the statistic itself finds it; nan where it is not an effect."""
        ...

    @property
    def std_error(self) -> float:
        """Neyman's, where the statistic has one; otherwise nan."""
        ...

    @property
    def n_units(self) -> int:
        """Units compared."""
        ...

    @property
    def centre(self) -> float | None:
        """The design mean of the statistic, if it is known to be the same for every effect; otherwise None."""
        ...

    def values(self, codes: Codes, tau: float = 0.0) -> Floats:
        """(k,) the statistic under each allocation (k, n_items) if the effect were ``tau``."""
        ...

    def size(self, tau: float) -> float:
        """What ties are measured against: how large the statistic can be."""
        ...

    def with_noise(self, rng: np.random.Generator) -> Self:
        """The same statistic of made-up outcomes without ties: what it can tell apart."""
        ...


class Straight(Bound, Protocol):
    """A statistic whose numerator is linear in the outcomes."""

    @property
    def monotone(self) -> bool:
        """Whether, at any one effect, it puts the allocations in the same order as the difference itself."""
        ...

    def curves(self, codes: Codes) -> Curves:
        """The statistic under each allocation as a function of the effect."""
        ...


class Summed(Straight, Protocol):
    """One that depends on an allocation through sums over the items of one arm."""

    @property
    def summed(self) -> LabelSums | None:
        """The sums, or None where this design needs more than them."""
        ...

    def along(self, sums: Columns, k: int) -> Curves:
        """The statistic under ``k`` allocations with these sums."""
        ...


class Statistic(Protocol):
    """A statistic with its outcomes."""

    def bind(self, drawn: Drawn) -> Bound:
        """The same, knowing what was drawn.

        Raises
        ------
        EstimateError
            Outcomes that do not fit the design, or an arm without units.
        """
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Arms:
    """Two arms of what was drawn, with outcomes in sums per item."""

    drawn: Drawn
    new: int
    usual: int
    outcome: Floats  # (n_units,) centred; 0 where not compared
    item: NDArray[np.intp]  # (n_units,)
    included: Bools  # (n_units,)
    floor: float  # rounding of the raw outcomes

    @classmethod
    def of(cls, drawn: Drawn, outcome: ArrayLike, compare: tuple[str, str]) -> Self:
        """Outcomes checked, centred, fixed items left out.

        Raises
        ------
        EstimateError
            A gap, a wrong length, or an unknown label.
        """
        new, usual = drawn.arms(compare)
        values, item = aligned(drawn, outcome)
        included = drawn.free[item]
        centred = np.where(included, values - values[included].mean(), 0.0)
        floor = (float(np.abs(values).max(initial=0.0)) or 1.0) * 1e-14
        return cls(drawn=drawn, new=new, usual=usual, outcome=centred, item=item, included=included, floor=floor)

    @cached_property
    def treated(self) -> Floats:
        """(n_units,) 1 for those in the new arm."""
        found: Floats = ((self.drawn.codes[self.item] == self.new) & self.included).astype(float)
        return found

    @cached_property
    def largest(self) -> float:
        """The largest centred outcome."""
        return max(float(np.abs(self.outcome).max(initial=0.0)), self.floor)

    @property
    def two_labels(self) -> bool:
        """Whether every item that is not new is usual."""
        return len(self.drawn.design.label_names) == 2

    def per_item(self, values: Floats) -> Floats:
        """(n_items,) sums of one value per unit."""
        weights = np.where(self.included, values, 0.0)
        return np.bincount(self.item, weights, minlength=len(self.drawn.design.items)).astype(np.float64, copy=False)

    def noisy(self, rng: np.random.Generator) -> Self:
        """The same with made-up outcomes."""
        return replace(self, outcome=np.where(self.included, rng.normal(size=self.outcome.size), 0.0))


def aligned(
    drawn: Drawn, outcome: ArrayLike, *, table: bool = False, name: str = "outcome"
) -> tuple[Floats, NDArray[np.intp]]:
    """Outcomes as floats with the item of each: one per unit, or one per item; with ``table``, a row of them.

    A Series or DataFrame labelled by the units (or items) is put in the design's order.

    Raises
    ------
    EstimateError
        Another length, labels that are not the units', no numbers, a missing or an infinite value.
    """
    n_items, item = len(drawn.design.items), np.asarray(drawn.design.item_of_unit)
    ids = drawn.unit_ids
    if numbers(outcome, name).shape[:1] == (n_items,) and item.size != n_items:
        item, ids = np.arange(n_items), drawn.design.items
    values = by_unit(outcome, ids, name)
    if (values.shape[:1] if table else values.shape) != item.shape:
        raise EstimateError(
            f"{name} has shape {values.shape}, and the design needs one for each of its {item.size} units. A shifted list "
            "would credit one unit with another's. Give one value per unit, in order.",
            {"shape": values.shape, "units": item.size},
            da=f"{name} har formen {values.shape}, men designet har {item.size} enheder. En forskudt liste ville give én "
            "enhed en andens tal. Angiv ét tal pr. enhed i rækkefølge.",
        )
    check_whole(values, ids, name)
    return values, item


def bind(statistic: Statistic, drawn: Drawn) -> Bound:
    """The statistic of what was drawn.

    Raises
    ------
    EstimateError
        It is none: nothing at all, bare numbers, a function, or a statistic without its outcomes.  Otherwise as its own.
    """
    if isinstance(statistic, type) or not callable(getattr(statistic, "bind", None)):
        name = statistic.__name__ if isinstance(statistic, type) else type(statistic).__name__
        raise EstimateError(
            f"{name} is not a statistic with its outcomes, so there is nothing to compare between allocations. Give one of "
            "trialkit.estimate.statistics, e.g. Studentized(outcome=y, compare=('new', 'usual')); a function of your own "
            "goes into UserStatistic(function=..., outcome=y).",
            {"type": name},
            da=f"{name} er ikke en statistik med sine udfald, så der er intet at sammenligne mellem tildelingerne. Giv en fra "
            "trialkit.estimate.statistics, f.eks. Studentized(outcome=y, compare=('new', 'usual')); en egen funktion "
            "hører i UserStatistic(function=..., outcome=y).",
        )
    return statistic.bind(drawn)


def indicator(codes: Codes, arm: int) -> Floats:
    """(n_items, k) 1.0 where an item has the label ``arm``."""
    return np.equal(codes.T, arm).astype(np.float64)


__all__ = ["Arms", "Bound", "Statistic", "Straight", "Summed", "aligned", "bind", "indicator"]
