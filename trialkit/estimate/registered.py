"""The protocol's primary question, answered the way it was registered; no other question, and no other way.

What is registered and not built yet is refused by name: a page never shows another analysis in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from trialkit.design.parts_design import PartsDesign
from trialkit.errors import EstimateError
from trialkit.estimate.drawn import ENUMERATED, Drawn, size
from trialkit.estimate.randomization import RandomizationTest, randomization_test
from trialkit.estimate.statistics import DifferenceInMeans, DifferenceWithinMonths, Statistic, Studentized, default
from trialkit.estimate.waves import WithinMonths
from trialkit.estimate.within_months import LEFT_OUT, STARTED, WAITING, Calendar
from trialkit.panel import Panel

if TYPE_CHECKING:
    from trialkit.design.assignment import Assignment
    from trialkit.design.base import Design
    from trialkit.estimate.result import Estimate
    from trialkit.protocol.model import Protocol
    from trialkit.protocol.outcomes import Outcome

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Way = Literal["within_months", "two_arms"]
Per = Literal["child", "unit"]

DRAWS: Final = 99_999  # of a Monte Carlo test, where the draft registers none
USUAL_ALPHA: Final = 0.05
_DIFFERENCES: Final = ("risk_difference", "mean_difference", "rate_difference")
_MONTHS: Final = {"quarter": 3, "year": 12}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of the comparison: its level, and the raw counts it comes from.

    ``level`` is weighed as the estimate is, so that started less waiting is the estimate; numerator over denominator is
    the plain share of the same cells, which a trend over months may shift.
    """

    level: float
    numerator: float
    denominator: float
    units: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer:
    """The registered answer and what a page says about it.

    Parameters
    ----------
    test : estimate, accepted effects, distribution over the allocations, periods dropped
    way : ``within_months`` for waves, ``two_arms`` where two labels are compared over all periods together
    counted_per : what the estimand weighs the same
    window_days : how long an event may take; cells whose windows cross the unit's own start are left out; 0: none are
    panel : the drawn units in the periods of the question
    labels : (n,) what each unit drew
    states : (n, t) int8, 1 started (or the new arm), 0 waiting (or the usual one), -1 left out by its window or label
    used : (n, t) bool, the cells that were compared
    started, waiting : the two sides of the difference
    excluded : interrupted periods were left out, as registered
    sensitivity : the same with interrupted periods the other way; None where nothing was interrupted
    """

    test: RandomizationTest
    way: Way
    counted_per: Per
    window_days: int
    alpha: float
    panel: Panel
    labels: tuple[str, ...]
    states: NDArray[np.int8]
    used: Bools
    started: Side
    waiting: Side
    excluded: bool = False
    sensitivity: Estimate | None = None

    @property
    def estimate(self) -> Estimate:
        """The answer as a table has it."""
        return self.test.estimate


def chance_of(record_hash: str) -> np.random.Generator:
    """The stream of a Monte Carlo test, seeded by the SHA-256 of the draw's record: nobody chooses it."""
    return np.random.default_rng(int(record_hash, 16))


def registered(
    protocol: Protocol,
    design: Design,
    assignment: Assignment,
    panel: Panel,
    *,
    rng: np.random.Generator | None = None,
    digests: tuple[str, ...] = (),
) -> Answer:
    """Answer the primary question.

    Parameters
    ----------
    protocol : what was promised; its estimand and ``analysis.primary`` decide everything here
    design, assignment : what was drawn from, and what the lot gave
    panel : the primary outcome; at least the drawn units and the periods of the question.  Other units (pilots) and
        periods are not compared.
    rng : for a Monte Carlo test, where allocations are too many to go through (`chance_of`)
    digests : of plan, draw record and snapshot, for the estimate to name

    Raises
    ------
    EstimateError
        ``E_NOT_DRAWN``: no lot was drawn.  ``E_NOT_BUILT``: the registered analysis is not one that trialkit has yet.
        Outcomes that are missing or do not fit.
    """
    check_built(protocol)
    lot = Drawn.of(design, assignment)
    if not isinstance(design, PartsDesign):
        raise _not_built(f"design: {design.kind}")
    asked = _asked(protocol, design.units.ids, panel)
    question = _Question(protocol, lot, asked)
    own = question.excluded
    test = question.test(excluded=own, rng=rng, digests=digests)
    other = question.test(excluded=not own, rng=rng, digests=digests) if asked.interrupted.any() else None
    states, used = question.cells(test)
    started, waiting = question.sides(test, states, used)
    return Answer(
        test=test,
        way=question.way,
        counted_per=question.counted_per,
        window_days=question.window_days,
        alpha=question.alpha,
        panel=asked,
        labels=tuple(design.label_names[code] for code in lot.codes[design.item_of_unit].tolist()),
        states=states,
        used=used,
        started=started,
        waiting=waiting,
        excluded=own,
        sensitivity=None if other is None else replace(other.estimate, exploratory=True),
    )


def check_built(protocol: Protocol) -> None:
    """Refuse what cannot be answered the way it was registered.

    Raises
    ------
    EstimateError
        ``E_NOT_DRAWN`` or ``E_NOT_BUILT``.
    """
    primary = protocol.analysis.primary
    if not protocol.drawn:
        raise _not_drawn(protocol)
    if primary.method != "randomization_test":
        raise _not_built(primary.method)
    if protocol.estimand.measure not in _DIFFERENCES:
        raise _not_built(f"measure: {protocol.estimand.measure}")
    if protocol.analysis.interval == "model_based":
        raise _not_built("interval: model_based")
    if protocol.design in ("rolling_lottery", "place_lottery"):
        raise _not_built(f"design: {protocol.design}")


@dataclass(frozen=True, eq=False)
class _Question:
    """What is compared, and how; bound to what was drawn."""

    protocol: Protocol
    lot: Drawn
    panel: Panel

    @property
    def outcome(self) -> Outcome:
        return _outcome(self.protocol)

    @property
    def way(self) -> Way:
        """By months where the draft says so, or where the waves are more than two and so no two arms."""
        named = self.protocol.analysis.primary.statistic
        waves = bool(self.protocol.waves) and len(self.lot.design.label_names) > 2
        return "within_months" if named == "difference_within_months" or (named is None and waves) else "two_arms"

    @property
    def counted_per(self) -> Per:
        return "unit" if self.protocol.estimand.counted_per in (None, "unit") else "child"

    @property
    def window_days(self) -> int:
        return (self.outcome.window_days or 0) if self.outcome.leave_out_if_window_crosses_start else 0

    @property
    def alpha(self) -> float:
        return float(self.protocol.analysis.primary.alpha or USUAL_ALPHA)

    @property
    def excluded(self) -> bool:
        return self.protocol.analysis.primary.months_excluded_by == "interruptions"

    @property
    def compare(self) -> tuple[str, str]:
        """The new label and the usual one; of waves the first and the second."""
        names, wanted = self.lot.design.label_names, self.protocol.estimand.compare
        if len(wanted) == 2 and set(wanted) <= set(names):
            return wanted[0], wanted[1]
        return names[0], names[1]

    def starts(self) -> Mapping[str, date | None]:
        """When each label starts; one that is no wave never does."""
        dates = {wave.id: wave.start for wave in self.protocol.waves}
        return {name: dates.get(name) for name in self.lot.design.label_names}

    def test(self, *, excluded: bool, rng: np.random.Generator | None, digests: tuple[str, ...]) -> RandomizationTest:
        primary, design = self.protocol.analysis.primary, self.lot.design
        draws = primary.draws or DRAWS
        down = self.outcome.better == "lower"
        return randomization_test(
            design,
            self.lot.codes,
            self._statistic(excluded),
            unit=self.panel.unit,
            term=self.outcome.label.told("en"),
            sides=("less" if down else "greater") if primary.sides == "one" else "distance",
            level=1 - self.alpha,
            draws=draws if size(design) > ENUMERATED else 0,
            rng=rng,
            exploratory=False,
            digests=digests,
        )

    def _statistic(self, excluded: bool) -> Statistic:
        if self.way == "within_months":
            return DifferenceWithinMonths(
                panel=self.panel, starts=self.starts(), window_days=self.window_days, counted_per=self.counted_per,
                interruptions=not excluded,
            )  # fmt: skip
        values = self._unit_values(excluded)
        by_name: dict[str, type[DifferenceInMeans]] = {
            "difference_in_means": DifferenceInMeans,
            "studentized_difference": Studentized,
        }
        named = by_name.get(self.protocol.analysis.primary.statistic or "")
        return named(outcome=values, compare=self.compare) if named else default(self.lot, values, self.compare)

    def _seen(self, excluded: bool) -> Bools:
        found: Bools = self.panel.observed & (self.panel.denominator > 0)
        return found & ~self.panel.interrupted if excluded else found

    def _unit_values(self, excluded: bool) -> Floats:
        """(n_units,) the sum over a unit's people in all periods by their number; nan where nothing is known."""
        seen = self._seen(excluded)
        top, bottom = (np.where(seen, part, 0.0).sum(axis=1) for part in (self.panel.numerator, self.panel.denominator))
        if self.counted_per == "child" and np.unique(bottom).size > 1:
            raise _not_built(f"counted_per: {self.protocol.estimand.counted_per} (two_arms)")
        return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0))

    def cells(self, test: RandomizationTest) -> tuple[NDArray[np.int8], Bools]:
        """(n, t) which side each cell is on, and whether it was compared."""
        bound = test.judge.bound
        labels = self.lot.codes[self.lot.design.item_of_unit]
        if isinstance(bound, WithinMonths):
            return bound.own.states[labels], bound.own.coefficients[0] != 0
        new, usual = (self.lot.code(name) for name in self.compare)
        side = np.select([labels == new, labels == usual], [STARTED, WAITING], LEFT_OUT).astype(np.int8)
        free = self.lot.free[self.lot.design.item_of_unit]
        states = np.repeat(np.where(free, side, np.int8(LEFT_OUT))[:, None], len(self.panel.periods), axis=1)
        return states, self._seen(self.excluded) & (states != LEFT_OUT)

    def sides(self, test: RandomizationTest, states: NDArray[np.int8], used: Bools) -> tuple[Side, Side]:
        """Started and waiting."""
        weights = self._weights(test, states)
        return self._side(STARTED, weights, states, used), self._side(WAITING, -weights, states, used)

    def _side(self, side: int, weights: Floats, states: NDArray[np.int8], used: Bools) -> Side:
        here = used & (states == side)
        value = np.where(here, np.nan_to_num(self.panel.value), 0.0)
        return Side(
            level=float((weights * value)[here].sum()),
            numerator=float(self.panel.numerator[here].sum()),
            denominator=float(self.panel.denominator[here].sum()),
            units=int(here.any(axis=1).sum()),
        )

    def _weights(self, test: RandomizationTest, states: NDArray[np.int8]) -> Floats:
        """(n, t) the estimate is the sum of these times the cells' means; positive where started."""
        bound = test.judge.bound
        if isinstance(bound, WithinMonths):
            return np.asarray(bound.own.coefficients[0])
        seen = self._seen(self.excluded)
        block = self.lot.blocks[self.lot.design.item_of_unit]
        side = states[:, 0]
        per_unit = np.zeros(len(side))
        total = 0.0
        for number in np.unique(block):
            new, usual = (block == number) & (side == STARTED), (block == number) & (side == WAITING)
            if not (new.any() and usual.any()):
                continue
            share = float(((block == number) & self.lot.free[self.lot.design.item_of_unit]).sum())
            per_unit[new], per_unit[usual] = share / new.sum(), -share / usual.sum()
            total += share
        people = np.where(seen, self.panel.denominator, 0.0)
        found: Floats = (per_unit / total)[:, None] * people / np.maximum(people.sum(axis=1, keepdims=True), 1e-300)
        return found


def _outcome(protocol: Protocol) -> Outcome:
    return next(one for one in protocol.outcomes if one.id == protocol.estimand.what)


def periods_of(protocol: Protocol) -> tuple[str, ...]:
    """The periods of the question, in the outcome's own length; none where the estimand names no days."""
    period = protocol.estimand.period
    if period is None:
        return ()
    return Calendar.between(period.from_, period.to, months=_MONTHS.get(_outcome(protocol).frequency or "", 1)).periods


def _asked(protocol: Protocol, ids: tuple[str, ...], panel: Panel) -> Panel:
    """The drawn units and the periods of the question, in the design's order."""
    if missing := [unit for unit in ids if unit not in panel.units]:
        raise EstimateError(
            f"The data hold nothing of {', '.join(missing[:5])}, so not every unit that was drawn can be compared. Record "
            "what these units reported, or that they reported nothing.",
            {"units": missing},
            da=f"Tallene rummer intet om {', '.join(missing[:5])}, så ikke alle trukne enheder kan sammenlignes. Indlæs "
            "det, enhederne har indberettet, eller at de intet har indberettet.",
        )
    rows = [panel.units.index(unit) for unit in ids]
    found = replace(
        panel,
        units=ids,
        numerator=panel.numerator[rows],
        denominator=panel.denominator[rows],
        interrupted=panel.interrupted[rows],
    )
    return found.only(periods_of(protocol) or panel.periods)


def _not_drawn(protocol: Protocol) -> EstimateError:
    method = protocol.analysis.primary.method
    return EstimateError(
        f"{protocol.protocol} was not drawn by lot, so there is no randomization test and nothing may be said about causes. "
        f"The answer it registers, {method}, describes; it is not built yet, and no other is given in its place.",
        {"protocol": protocol.protocol, "registered": method},
        da=f"{protocol.protocol} er ikke afgjort ved lodtrækning, så der er ingen randomiseringstest, og der kan intet siges "
        f"om årsager. Det registrerede svar, {method}, beskriver; det er ikke bygget endnu, og der gives ikke et andet i "
        "stedet.",
        code="E_NOT_DRAWN",
    )


def _not_built(what: str) -> EstimateError:
    return EstimateError(
        f"The plan registers `{what}`, which trialkit cannot compute yet. Another analysis in its place would be one chosen "
        "after the data were seen, so there is no answer. What can be computed is `method: randomization_test` of a "
        "difference, for waves and for arms.",
        {"registered": what},
        da=f"Planen har registreret `{what}`, og det kan trialkit ikke beregne endnu. En anden analyse i stedet ville være "
        "valgt, efter at tallene var set, så der gives intet svar. Det, der kan beregnes, er `method: randomization_test` "
        "af en forskel, for bølger og for grupper.",
        code="E_NOT_BUILT",
    )


__all__ = ["Answer", "Side", "chance_of", "check_built", "periods_of", "registered"]
