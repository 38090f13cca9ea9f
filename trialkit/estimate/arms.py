"""Two arms of what was drawn, and what a statistic must be able to do to be tested.

A statistic is bound to what was drawn; bound, it gives its value under any allocations, many at once, from sums per
item (a unit, or a cluster) that are made once.  Fixed items take no part: no lot fell on them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.design.sums import Columns, LabelSums
from trialkit.errors import EstimateError
from trialkit.estimate.curves import Curves
from trialkit.estimate.drawn import Drawn

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
    def of(cls, drawn: Drawn, outcome: Floats, compare: tuple[str, str]) -> Self:
        """Outcomes checked, centred, fixed items left out.

        Raises
        ------
        EstimateError
            A gap, a wrong length, or an unknown label.
        """
        new, usual = (drawn.code(label) for label in compare)
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


def aligned(drawn: Drawn, outcome: Floats, *, table: bool = False) -> tuple[Floats, NDArray[np.intp]]:
    """Outcomes as floats with the item of each: one per unit, or one per item; with ``table``, a row of them.

    Raises
    ------
    EstimateError
        Another length, or a missing value.
    """
    values = np.asarray(outcome, np.float64)
    item = np.asarray(drawn.design.item_of_unit)
    n_items = len(drawn.design.items)
    shape = values.shape[:1] if table else values.shape
    if shape == (n_items,) and item.size != n_items:
        item = np.arange(n_items)
    if shape != item.shape or not np.isfinite(values).all():
        gaps = np.flatnonzero(~np.isfinite(values.ravel())).tolist()
        raise EstimateError(
            f"Outcomes have shape {values.shape} with {len(gaps)} missing, and the design needs one for each of its "
            f"{item.size} units. A unit without an outcome cannot be re-assigned. Give one value per unit, in order; "
            "what is done about missing ones must be decided and said before.",
            {"shape": values.shape, "missing": gaps},
            da=f"Der er {values.size} udfald, hvoraf {len(gaps)} mangler, men designet har {item.size} enheder. Angiv "
            "ét tal pr. enhed i rækkefølge; hvad der gøres ved manglende tal, skal besluttes og siges først.",
        )
    return values, item


def indicator(codes: Codes, arm: int) -> Floats:
    """(n_items, k) 1.0 where an item has the label ``arm``."""
    return np.equal(codes.T, arm).astype(np.float64)


__all__ = ["Arms", "Bound", "Statistic", "Straight", "Summed", "aligned", "indicator"]
