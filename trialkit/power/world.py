"""Made-up worlds: baseline, correlations and a planted effect -> outcomes under any assignment.

A world is what a power study and a demonstration believe about outcomes.  Nothing in it is data: every panel made
from it is marked synthetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, lru_cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.errors import DesignError
from trialkit.estimate.within_months import NEVER, Calendar
from trialkit.panel import Panel
from trialkit.power.counts import binomial
from trialkit.power.logit import Logit

Floats = NDArray[np.float64]


class Outcomes(NamedTuple):
    """Counts of many data sets, both (k, n_units, n_periods): events, and those they are counted among."""

    numerator: Floats
    denominator: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class World:
    """Shares by unit and period, for drawn units and pilots alike.

    In a period with mean m a unit's share is logit-normal with mean m and variance ICC x m (1 - m): on the scale of
    shares, as a beta distribution would have it.  The unit's part lasts from one period to another with the
    correlation CAC, on the same scale (`trialkit.power.logit`).  To it are added, in percentage points and cut off at 0
    and 1: the effect, as far as the ramp has brought it, and the spillover.

    Parameters
    ----------
    units : (n,) ids in canonical order, pilots among them
    drawn : (n_drawn,) places in ``units`` of those a lot decides about, in the design's order
    periods : labels of consecutive months, quarters or years
    starts : one date per label code of the design; None for one that never starts
    since : (n,) the start of each unit that no lot decides about; None elsewhere
    people : (n, t) float > 0
        Expected number of people per unit and period; infinite where nobody knows, so that only units vary.
    random_people : bool
        Poisson around ``people``; otherwise exactly so many, rounded.
    baseline : float in (0, 1)
        Mean share without the new way in the first period.
    trend : float
        Added to it with every period.
    icc, cac : float in [0, 1)
        Correlation of two people of one unit and period, and the share of it that lasts to another period.
    decay : bool
        CAC is the correlation with the next period only and fades as CAC^|t - s|.
    effect : float
        Full effect, a difference of shares.
    ramp : float
        Months from the start until the effect is full, linearly; 0: at once.
    spillover : float
        Part of the effect that reaches a unit without it, times the share of its neighbours that have it.
    neighbours : pairs of ids in ``units`` that touch

    Raises
    ------
    DesignError
        Parameters that no share can have.

    References
    ----------
    The common parts of the project's page on synthetic outcomes; nested exchangeable correlation as in Hooper et al.
    (2016), doi:10.1002/sim.7028.
    """

    units: tuple[str, ...]
    drawn: tuple[int, ...]
    periods: tuple[str, ...]
    starts: tuple[date | None, ...]
    since: tuple[date | None, ...]
    people: Floats
    baseline: float
    random_people: bool = True
    trend: float = 0.0
    icc: float = 0.0
    cac: float = 1.0
    decay: bool = False
    effect: float = 0.0
    ramp: float = 0.0
    spillover: float = 0.0
    neighbours: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        shape = (len(self.units), len(self.periods))
        if self.people.shape != shape or len(self.since) != shape[0]:
            raise _impossible(f"people has shape {self.people.shape}, and {shape} is needed", "people", shape)
        if not (float(self.levels.min()) > 0 and float(self.levels.max()) < 1):
            raise _impossible("the mean share leaves 0 to 1 in some period", "baseline", self.baseline)
        for name in ("icc", "cac"):
            if not 0 <= getattr(self, name) <= 1 or (name == "icc" and self.icc == 1):
                raise _impossible(f"{name} is no correlation", name, getattr(self, name))
        if self.ramp < 0 or not np.all(self.people >= 0):
            raise _impossible("a ramp or a number of people is negative", "ramp", self.ramp)

    @property
    def levels(self) -> Floats:
        """(t,) the mean share of each period without the new way."""
        return np.asarray(self.baseline + self.trend * np.arange(len(self.periods)), np.float64)

    @cached_property
    def logit(self) -> Logit:
        """The unit's share as a function of a normal number."""
        return Logit.of(tuple(self.levels.tolist()), icc=self.icc, cac=self.cac)

    @cached_property
    def reached(self) -> Floats:
        """(n_labels, t) how much of the effect a unit with each label has, 0 to 1."""
        return exposure(self.periods, self.starts, ramp=self.ramp)

    @cached_property
    def touching(self) -> Floats:
        """(n, n) row i: 1 over the number of i's neighbours, at each of them."""
        place = {unit: k for k, unit in enumerate(self.units)}
        found = np.zeros((len(self.units), len(self.units)))
        for a, b in self.neighbours:
            found[place[a], place[b]] = found[place[b], place[a]] = 1.0
        return np.asarray(found / np.maximum(found.sum(axis=1, keepdims=True), 1.0))

    def with_effect(self, effect: float) -> Self:
        """The same world with another effect; the same stream gives the same people and the same units' shares."""
        return replace(self, effect=effect)

    def during(self, periods: Sequence[str], *, only_drawn: bool = False) -> Self:
        """The same world in some consecutive periods, for all units or the drawn ones.

        Without spillover this is the same distribution of those cells, for less work.

        Raises
        ------
        DesignError
            The periods are not a run of the world's own.
        """
        first = self.periods.index(periods[0]) if periods[0] in self.periods else -1
        if self.periods[first : first + len(periods)] != tuple(periods):
            raise _impossible("the world has no such run of periods", "periods", list(periods))
        rows = list(self.drawn) if only_drawn and not self.spillover else list(range(len(self.units)))
        place = {unit: k for k, unit in enumerate(rows)}
        kept = {self.units[row] for row in rows}
        return replace(
            self,
            units=tuple(self.units[row] for row in rows),
            drawn=tuple(place[row] for row in self.drawn),
            since=tuple(self.since[row] for row in rows),
            periods=tuple(periods),
            people=self.people[rows, first : first + len(periods)],
            baseline=float(self.levels[first]),
            neighbours=tuple(pair for pair in self.neighbours if kept.issuperset(pair)),
        )

    def added(self, codes: Codes) -> Floats:
        """(k, n, t) what effect and spillover add to each unit's share, before it is cut off at 0 and 1.

        Parameters
        ----------
        codes : (k, n_drawn) int
            Label of each drawn unit (``design.sample(...)[:, design.item_of_unit]``).
        """
        has = np.broadcast_to(self._pilots, (len(codes), *self.people.shape)).copy()
        has[:, list(self.drawn)] = self.reached[codes]
        spilled = self.spillover * (1 - has) * np.matmul(self.touching, has) if self.spillover else 0.0
        return np.asarray(self.effect * (has + spilled))

    @cached_property
    def _pilots(self) -> Floats:
        """(n, t) how much of the effect units have that no lot decides about."""
        return exposure(self.periods, self.since, ramp=self.ramp)

    def shares(self, codes: Codes, rng: np.random.Generator) -> Floats:
        """(k, n, t) each unit's true share, under assignments given as in `added`."""
        shape = (len(codes), *self.people.shape)
        return np.clip(self.logit.shares(shape, rng, decay=self.decay) + self.added(codes), 0.0, 1.0)

    def outcomes(self, codes: Codes, rng: np.random.Generator) -> Outcomes:
        """Counts under assignments given as in `added`, one independent data set for each.

        The stream is read in an order that does not depend on the effect, and every count is the inverse distribution
        function of its own uniform number: with the same stream a larger effect never lowers a treated count.
        """
        shape = (len(codes), *self.people.shape)
        if not np.isfinite(self.people).all():
            return Outcomes(self.shares(codes, rng), np.ones(shape))
        expected = rng.poisson(self.people, shape) if self.random_people else np.rint(self.people)
        people = np.asarray(np.broadcast_to(expected, shape), np.float64)
        shares = self.shares(codes, rng)
        return Outcomes(binomial(people, shares, rng.random(shape)), people)

    def panel(self, codes: Codes, rng: np.random.Generator, *, only_drawn: bool = False) -> Panel:
        """One data set, marked synthetic, under one assignment (n_drawn,)."""
        found = self.outcomes(np.asarray(codes)[None, :], rng)
        rows = list(self.drawn) if only_drawn else list(range(len(self.units)))
        return Panel(
            units=tuple(self.units[row] for row in rows),
            periods=self.periods,
            numerator=found.numerator[0, rows],
            denominator=found.denominator[0, rows],
            synthetic=True,
        )


@lru_cache(maxsize=32)  # every chunk of a study asks again
def exposure(periods: tuple[str, ...], starts: tuple[date | None, ...], *, ramp: float = 0.0) -> Floats:
    """(n_labels, t) how much of an effect is reached, averaged over the days of each period.

    A month has length 1 whatever its days, so a start on a first and a ramp of two months give 1/4, 3/4, 1, 1, ...;
    without a ramp a day counts from the start on.
    """
    calendar = Calendar.of(periods)
    since = [NEVER if day is None else day.toordinal() for day in starts]
    found = np.zeros((len(since), len(calendar.periods)))
    for place, (first, last) in enumerate(zip(calendar.first.tolist(), calendar.last.tolist(), strict=True)):
        days = np.arange(first, last + 1)
        at = np.array([_months(day) for day in days.tolist()]) if ramp else days
        for label, start in enumerate(since):
            if start != NEVER:
                gone = (at - _months(start, 0.0)) / ramp if ramp else (at >= start).astype(float)
                found[label, place] = np.clip(gone, 0.0, 1.0).mean()
    found.flags.writeable = False
    return found


def _months(day: int, within: float = 0.5) -> float:
    """A day as months since the year 0: its middle, or (``within`` 0) its beginning."""
    when = date.fromordinal(day)
    length = (date(when.year + when.month // 12, when.month % 12 + 1, 1) - when.replace(day=1)).days
    return when.year * 12 + when.month - 1 + (when.day - 1 + within) / length


def _impossible(what: str, name: str, value: object) -> DesignError:
    return DesignError(
        f"No world can be made like this: {what} ({name} = {value}). Power computed in it would mean nothing. "
        "Correct the planning figures.",
        {"name": name, "value": value},
        da=f"Sådan kan ingen syntetiske data se ud ({name} = {value}), og en styrke beregnet på dem ville intet sige. "
        "Ret planlægningstallene.",
    )


__all__ = ["Outcomes", "World", "exposure"]
