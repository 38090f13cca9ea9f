"""The difference within months as a statistic of the randomization test.

Months, weights and cells whose windows cross a unit's own start are found anew for every order
(`trialkit.estimate.within_months`); the hypothesised effect is added to the unit-months that had started.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from math import nan
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.errors import EstimateError
from trialkit.estimate.arms import Bound
from trialkit.estimate.curves import Curves
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.given import one_of
from trialkit.estimate.within_months import STARTED, Calendar, Contrast, check_panel, contrast, start_dates
from trialkit.panel import Panel

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CELLS: Final = 2**19  # allocations x units x months in hand at once


@dataclass(frozen=True, eq=False, kw_only=True)
class DifferenceWithinMonths:
    """In each month the mean of started minus the mean of waiting units; months weigh n_t n_c / (n_t + n_c).

    Parameters
    ----------
    panel : Panel
        The design's units, in order, by month, quarter or year.
    starts : date of each label, None for one that never starts
        Every label of the design must be there.
    window_days : int
        How long after birth an event may still count.
    counted_per : ``child`` weighs means and months by the panel's denominators, ``unit`` counts every unit the same
    interruptions : bool
        Whether marked periods are used; without them they are left out for every order alike.
    """

    panel: Panel
    starts: Mapping[str, date | None]
    window_days: int = 0
    counted_per: Literal["child", "unit"] = "child"
    interruptions: bool = True

    def bind(self, drawn: Drawn) -> Bound:
        """The statistic of what was drawn.

        Raises
        ------
        EstimateError
            The panel has other units than the design, a label has no start, or no month has both started and
            waiting units under the allocation drawn.
        """
        one_of(self.counted_per, ("child", "unit"), "counted_per")
        check_panel(self.panel)
        names = drawn.design.label_names
        units = getattr(drawn.design, "units", None)
        if units is None or tuple(units.ids) != self.panel.units:
            raise _other_units()
        found = self._bound(drawn, start_dates(names, self.starts))
        if not found.own.usable[0]:
            raise EstimateError(
                "No month has both units that had started and units that waited with whole windows, so there is "
                "nothing to compare. Look at more months, or a shorter window.",
                {"window_days": self.window_days, "periods": list(self.panel.periods)},
                da="Ingen måned har både enheder, der var begyndt, og enheder, der ventede, med hele vinduer, så der "
                "er intet at sammenligne. Tag flere måneder med, eller vælg et kortere vindue.",
            )
        return found

    def _bound(self, drawn: Drawn, starts: tuple[date | None, ...]) -> WithinMonths:
        panel = self.panel
        used = panel.observed & (panel.denominator > 0) & drawn.free[drawn.design.item_of_unit][:, None]
        if not self.interruptions:
            used &= ~panel.interrupted
        weight = np.where(used, panel.denominator if self.counted_per == "child" else 1.0, 0.0)
        mean = float((np.where(used, panel.value, 0.0) * weight).sum() / max(weight.sum(), 1e-300))
        return WithinMonths(
            drawn=drawn,
            values_=np.where(used, panel.value - mean, 0.0),
            weight=weight,
            calendar=Calendar.of(panel.periods),
            starts=starts,
            window_days=self.window_days,
            floor=1e-14 * float(np.abs(np.where(used, panel.value, 0.0)).max(initial=0.0)),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class WithinMonths:
    """The difference within months, bound; satisfies `trialkit.estimate.arms.Straight`."""

    drawn: Drawn
    values_: Floats  # (n, t) centred unit-month means
    weight: Floats  # (n, t)
    calendar: Calendar
    starts: tuple[date | None, ...]
    window_days: int
    floor: float
    name: str = "difference within months"
    monotone: bool = True
    centre: float | None = None

    def contrast(self, codes: Codes) -> Contrast:
        """Coefficients of the allocations (k, n_items)."""
        per_unit = codes[:, self.drawn.design.item_of_unit]
        return contrast(
            per_unit, self.calendar, self.starts, window_days=self.window_days, sizes=self.weight,
            observed=self.weight > 0,
        )  # fmt: skip

    @cached_property
    def own(self) -> Contrast:
        """Of the allocation that was drawn."""
        return self.contrast(self.drawn.codes[None, :])

    @cached_property
    def treated(self) -> Floats:
        """(n, t) 1 in the unit-months that had started."""
        labels = self.drawn.codes[self.drawn.design.item_of_unit]
        found: Floats = (self.own.states[labels] == STARTED).astype(float)
        return found

    @property
    def dropped(self) -> tuple[str, ...]:
        """Periods without both arms under the allocation drawn."""
        return tuple(p for p, used in zip(self.calendar.periods, self.own.used[0], strict=True) if not used)

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """(unit, period) cells in a period that is used, whose windows cross the unit's own start."""
        crossing = self.own.left_out(self.drawn.codes[self.drawn.design.item_of_unit]) & self.own.used[0]
        ids = self._unit_ids
        return tuple((ids[u], self.calendar.periods[t]) for u, t in np.argwhere(crossing & (self.weight > 0)))

    @property
    def _unit_ids(self) -> tuple[str, ...]:
        units = getattr(self.drawn.design, "units", None)
        return tuple(units.ids) if units is not None else self.drawn.design.items

    @property
    def estimate(self) -> float:
        """The difference found."""
        return float(self.curves(self.drawn.codes[None, :]).level[0])

    @property
    def std_error(self) -> float:
        """None from the design alone."""
        return nan

    @property
    def n_units(self) -> int:
        """Units with any month compared."""
        return int(np.abs(self.own.coefficients[0]).any(axis=1).sum())

    def size(self, tau: float) -> float:
        """Of the unit-month means."""
        return max(float(np.abs(self.values_).max(initial=0.0)), self.floor) + abs(tau)

    def values(self, codes: Codes, tau: float = 0.0) -> Floats:
        """(k,) the statistic; nan where an order leaves no month to compare."""
        return self.curves(codes).at(tau)

    def with_noise(self, rng: np.random.Generator) -> WithinMonths:
        """Made-up outcomes."""
        return replace(self, values_=np.where(self.weight > 0, rng.normal(size=self.weight.shape), 0.0))

    def curves(self, codes: Codes) -> Curves:
        """The statistic under each allocation as a function of the effect."""
        both = np.stack([self.values_, self.treated])
        rows = max(1, CELLS // self.weight.size)
        parts = [self.contrast(codes[k : k + rows]).estimates(both) for k in range(0, len(codes), rows)]
        level, slope = np.concatenate(parts).T if parts else np.zeros((2, 0))
        return Curves(level=level, slope=slope, size=self.size(0.0))


def _other_units() -> EstimateError:
    return EstimateError(
        "The panel has other units than the design, or in another order, so outcomes would be credited to the wrong "
        "unit. Make the panel with the design's units.",
        da="Tallene gælder andre enheder end designet, eller står i en anden rækkefølge, så udfald ville blive regnet "
        "til den forkerte enhed. Dan tabellen med designets enheder.",
    )


__all__ = ["DifferenceWithinMonths", "WithinMonths"]
