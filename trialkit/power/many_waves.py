"""The difference within months for many made-up data sets at once, whose numbers of people all differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from math import nan
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes, Design
from trialkit.estimate.within_months import STARTED, WAITING, Calendar, states
from trialkit.power.registered import Reference, Sides, Verdicts, unasked

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class WithinMonthsTests:
    """`trialkit.estimate.waves.DifferenceWithinMonths` for many data sets, whose numbers of people all differ.

    Parameters
    ----------
    starts : one date per label; None for one that never starts
    """

    design: Design
    reference: Reference
    calendar: Calendar
    starts: tuple[date | None, ...]
    window_days: int = 0
    counted_per: Literal["child", "unit"] = "child"
    sides: Sides = "distance"
    name: str = "difference within months"

    @cached_property
    def states(self) -> NDArray[np.int8]:
        """(n_labels, t) started, waiting or left out."""
        return states(self.calendar, self.starts, window_days=self.window_days)

    @cached_property
    def free(self) -> Bools:
        """(n_units,) units that were drawn; the others take no part."""
        found = np.zeros(len(self.design.items), bool)
        found[list(self.design.free)] = True
        return found[self.design.item_of_unit]

    def verdicts(
        self, codes: Codes, top: Floats, bottom: Floats, planted: float | None, rng: np.random.Generator
    ) -> Verdicts:
        """Judge data sets of numerators and denominators."""
        weight, total, largest = self._cells(top, bottom)
        treated = weight * (self.states[codes[:, self.design.item_of_unit]] == STARTED)
        allocations, shares = self.reference.allocations(rng)
        values, slopes = self._among(allocations, weight, total, treated if planted else None)
        own, slope = self._own(codes[:, self.design.item_of_unit], weight, total, treated)
        p = self.reference.p_values(values, own, shares, sides=self.sides, scale=largest)
        if not planted:
            return Verdicts(own, p, unasked(p) if planted is None else p)
        at, mine = values - planted * slopes, own - planted * slope
        scale = largest + abs(planted)
        return Verdicts(own, p, self.reference.p_values(at, mine, shares, sides=self.sides, scale=scale))

    def _cells(self, top: Floats, bottom: Floats) -> tuple[Floats, Floats, Floats]:
        """Weights and weighted values (m, n, t), centred; and the largest centred value (m,)."""
        used = (bottom > 0) & self.free[:, None]
        weight = np.where(used, bottom if self.counted_per == "child" else 1.0, 0.0)
        value = np.divide(top, bottom, out=np.zeros_like(top), where=used)
        mean = (value * weight).sum(axis=(1, 2)) / np.maximum(weight.sum(axis=(1, 2)), 1e-300)
        value = np.where(used, value - mean[:, None, None], 0.0)
        return weight, weight * value, np.abs(value).max(axis=(1, 2))

    def _among(
        self, allocations: Codes, weight: Floats, total: Floats, treated: Floats | None
    ) -> tuple[Floats, Floats]:
        """(k, m) the statistic of every data set under every allocation, and what an effect of 1 adds to it."""
        sums = _Sums()
        for t, (on, off, which) in enumerate(self._listed if self.reference.exact else self._patterns(allocations)):
            columns = [weight[:, :, t].T, total[:, :, t].T] + ([] if treated is None else [treated[:, :, t].T])
            sums.add([on @ column for column in columns], [off @ column for column in columns], which)
        return sums.means()

    @cached_property
    def _listed(self) -> list[_Pattern]:
        return self._patterns(self.reference.listed[0])

    def _patterns(self, allocations: Codes) -> list[_Pattern]:
        """Per period the ways in which units are started and waiting, and which of them each allocation has."""
        found = []
        for t in range(len(self.calendar.periods)):
            state = self.states[:, t][allocations[:, self.design.item_of_unit]]
            patterns, which = np.unique(state, axis=0, return_inverse=True)
            found.append(
                _Pattern((patterns == STARTED).astype(float), (patterns == WAITING).astype(float), which.ravel())
            )
        return found

    def _own(self, codes: Codes, weight: Floats, total: Floats, treated: Floats) -> tuple[Floats, Floats]:
        """(m,) the same of each data set under its own allocation."""
        state = self.states[codes]  # (m, n, t)
        sums = _Sums()
        for t in range(len(self.calendar.periods)):
            on, off = (state[:, :, t] == kind for kind in (STARTED, WAITING))
            columns = [one[:, :, t] for one in (weight, total, treated)]
            sums.add([(on * c).sum(axis=1) for c in columns], [(off * c).sum(axis=1) for c in columns], slice(None))
        return sums.means()


class _Pattern(NamedTuple):
    """One period: (p, n) started and (p, n) waiting, and the (k,) place of each allocation among them."""

    started: Floats
    waiting: Floats
    which: NDArray[np.intp]


class _Sums:
    """Differences within months, weighed by n_t n_c / (n_t + n_c) and added up month by month."""

    def __init__(self) -> None:
        self.information: Floats | float = 0.0
        self.value: Floats | float = 0.0
        self.slope: Floats | float = 0.0

    def add(self, on: list[Floats], off: list[Floats], which: NDArray[np.intp] | slice) -> None:
        """One month: people, sums and treated people of started and waiting units."""
        both = (on[0] > 0) & (off[0] > 0)
        if not both.any():
            return
        n_on, n_off = np.where(both, on[0], 1.0), np.where(both, off[0], 1.0)
        information = np.where(both, n_on * n_off / (n_on + n_off), 0.0)
        self.information = self.information + information[which]
        self.value = self.value + (information * (on[1] / n_on - off[1] / n_off))[which]
        if len(on) > 2:
            self.slope = self.slope + (information * (on[2] / n_on - off[2] / n_off))[which]

    def means(self) -> tuple[Floats, Floats]:
        """Statistic and slope; nan where no month has both."""
        weight = np.asarray(self.information, np.float64)
        seen = np.where(weight > 0, weight, nan)
        return np.asarray(self.value) / seen, np.asarray(self.slope) / seen


__all__ = ["WithinMonthsTests"]
