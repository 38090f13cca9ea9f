"""What the protocol asks of one outcome, bound to what was drawn: which cells are compared, how, and with what weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.drawn import ENUMERATED, Drawn, size
from trialkit.estimate.randomization import RandomizationTest, randomization_test
from trialkit.estimate.statistics import DifferenceInMeans, DifferenceWithinMonths, Statistic, Studentized, default
from trialkit.estimate.waves import WithinMonths
from trialkit.estimate.within_months import LEFT_OUT, STARTED, WAITING, Calendar, states
from trialkit.panel import Panel
from trialkit.protocol.analysis import MODELS

if TYPE_CHECKING:
    from trialkit.protocol.analysis import Method
    from trialkit.protocol.model import Protocol
    from trialkit.protocol.outcomes import Outcome

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Way = Literal["within_months", "two_arms"]
Per = Literal["child", "unit"]

DRAWS: Final = 99_999  # of a Monte Carlo test, where the draft registers none
USUAL_ALPHA: Final = 0.05
_MONTHS: Final = {"quarter": 3, "year": 12}
_BY_DATE: Final = MODELS | {"staggered_rollout"}


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
class Question:
    """What is compared in one outcome, and how.

    Parameters
    ----------
    protocol : what was promised
    lot : what was drawn from, and what the lot gave
    outcome : the primary one, or another that the primary analysis is asked about
    panel : the outcome of the drawn units, in the design's order, in the periods of the question
    """

    protocol: Protocol
    lot: Drawn
    outcome: Outcome
    panel: Panel

    @classmethod
    def of(cls, protocol: Protocol, lot: Drawn, panel: Panel, outcome: Outcome | None = None) -> Question:
        """The question about one outcome, left out the primary, in the panel's drawn units and asked periods.

        Raises
        ------
        EstimateError
            The panel lacks a unit that was drawn.
        PanelError
            It lacks a period of the question.
        """
        what = outcome or asked_about(protocol)
        return cls(protocol=protocol, lot=lot, outcome=what, panel=_asked(protocol, what, _ids(lot), panel))

    @property
    def primary(self) -> Method:
        """The registered way to the primary answer."""
        return self.protocol.analysis.primary

    @property
    def way(self) -> Way:
        """By months where the draft says so, or where waves are more than two or told apart by their dates: no two arms."""
        named = self.primary.statistic
        several = len(self.lot.design.label_names) > 2 or self.primary.method in _BY_DATE
        waves = bool(self.protocol.waves) and several
        return "within_months" if named == "difference_within_months" or (named is None and waves) else "two_arms"

    @property
    def counted_per(self) -> Per:
        """What the estimand weighs the same."""
        return "unit" if self.protocol.estimand.counted_per in (None, "unit") else "child"

    @property
    def window_days(self) -> int:
        """How long an event may take, where cells whose windows cross the unit's own start are left out; otherwise 0."""
        return (self.outcome.window_days or 0) if self.outcome.leave_out_if_window_crosses_start else 0

    @property
    def alpha(self) -> float:
        """The limit set beforehand."""
        return float(self.primary.alpha or USUAL_ALPHA)

    @property
    def excluded(self) -> bool:
        """Whether interrupted periods are left out, as registered."""
        return self.primary.months_excluded_by == "interruptions"

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

    @property
    def labels(self) -> NDArray[np.intp]:
        """(n,) the code of what each unit drew."""
        return np.asarray(self.lot.codes[self.lot.design.item_of_unit], np.intp)

    @property
    def free(self) -> Bools:
        """(n,) the units that were drawn; the others were fixed beforehand."""
        return np.asarray(self.lot.free[self.lot.design.item_of_unit], bool)

    def test(
        self,
        *,
        excluded: bool,
        rng: np.random.Generator | None,
        digests: tuple[str, ...],
        asked: Method | None = None,
    ) -> RandomizationTest:
        """The randomization test; ``asked`` may name another statistic or another number of draws than the primary."""
        method, design = asked or self.primary, self.lot.design
        return randomization_test(
            design,
            self.lot.codes,
            self.statistic(excluded, method),
            unit=self.panel.unit,
            term=self.outcome.label.told("en"),
            sides=self.tail(method),
            level=1 - self.alpha,
            draws=(method.draws or self.primary.draws or DRAWS) if size(design) > ENUMERATED else 0,
            rng=rng,
            exploratory=False,
            digests=digests,
        )

    def tail(self, asked: Method | None = None) -> Literal["distance", "greater", "less"]:
        """What counts as extreme: either side, or the better one where the plan has one side."""
        if ((asked or self.primary).sides or self.primary.sides) != "one":
            return "distance"
        return "less" if self.outcome.better == "lower" else "greater"

    def statistic(self, excluded: bool, asked: Method | None = None) -> Statistic:
        """What is compared, over the cells that count."""
        if self.way == "within_months":
            return DifferenceWithinMonths(
                panel=self.panel, starts=self.starts(), window_days=self.window_days, counted_per=self.counted_per,
                interruptions=not excluded,
            )  # fmt: skip
        values = self.unit_values(excluded)
        by_name: dict[str, type[DifferenceInMeans]] = {
            "difference_in_means": DifferenceInMeans,
            "studentized_difference": Studentized,
        }
        named = by_name.get((asked or self.primary).statistic or "")
        return named(outcome=values, compare=self.compare) if named else default(self.lot, values, self.compare)

    def seen(self, excluded: bool) -> Bools:
        """(n, t) cells with somebody in them."""
        found: Bools = self.panel.observed & (self.panel.denominator > 0)
        return found & ~self.panel.interrupted if excluded else found

    def unit_values(self, excluded: bool) -> Floats:
        """(n_units,) the sum over a unit's people in all periods by their number; nan where nothing is known."""
        seen = self.seen(excluded)
        top, bottom = (np.where(seen, part, 0.0).sum(axis=1) for part in (self.panel.numerator, self.panel.denominator))
        if self.counted_per == "child" and np.unique(bottom).size > 1:
            raise not_built(f"counted_per: {self.protocol.estimand.counted_per} (two_arms)")
        return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0))

    def by_date(self) -> NDArray[np.int8]:
        """(n, t) 1 started, 0 waiting, -1 left out by its window or label: by date for waves, otherwise by label."""
        if self.protocol.waves:
            calendar, starts = Calendar.of(self.panel.periods), [*self.starts().values()]
            return np.asarray(states(calendar, starts, window_days=self.window_days)[self.labels])
        return self._by_label()

    def _by_label(self) -> NDArray[np.int8]:
        new, usual = (self.lot.code(name) for name in self.compare)
        side = np.select([self.labels == new, self.labels == usual], [STARTED, WAITING], LEFT_OUT).astype(np.int8)
        return np.repeat(np.where(self.free, side, np.int8(LEFT_OUT))[:, None], len(self.panel.periods), axis=1)

    def within(self) -> WithinMonths | None:
        """The comparison month by month, as it was drawn; None where two arms are compared over all periods together."""
        bound = self.statistic(self.excluded).bind(self.lot) if self.way == "within_months" else None
        return bound if isinstance(bound, WithinMonths) else None

    def cells(self, within: WithinMonths | None) -> tuple[NDArray[np.int8], Bools]:
        """(n, t) which side each cell is on, and whether it is compared with one of the other side."""
        if within is not None:
            return within.own.states[self.labels], within.own.coefficients[0] != 0
        found = self._by_label()
        return found, self.seen(self.excluded) & (found != LEFT_OUT)

    def sides(self, within: WithinMonths | None, found: NDArray[np.int8], used: Bools) -> tuple[Side, Side]:
        """Started and waiting, of `cells`."""
        weights = self._weights(within, found)
        return self._side(STARTED, weights, found, used), self._side(WAITING, -weights, found, used)

    def _side(self, side: int, weights: Floats, found: NDArray[np.int8], used: Bools) -> Side:
        here = used & (found == side)
        value = np.where(here, np.nan_to_num(self.panel.value), 0.0)
        return Side(
            level=float((weights * value)[here].sum()),
            numerator=float(self.panel.numerator[here].sum()),
            denominator=float(self.panel.denominator[here].sum()),
            units=int(here.any(axis=1).sum()),
        )

    def _weights(self, within: WithinMonths | None, found: NDArray[np.int8]) -> Floats:
        """(n, t) the difference is the sum of these times the cells' means; positive where started."""
        if within is not None:
            return np.asarray(within.own.coefficients[0])
        people = np.where(self.seen(self.excluded), self.panel.denominator, 0.0)
        each = people.sum(axis=1) if self.counted_per == "child" else np.ones(len(people))
        side, block = found[:, 0], self.lot.blocks[self.lot.design.item_of_unit]
        per_unit = np.zeros(len(side))
        total = 0.0
        for number in np.unique(block):
            new, usual = (block == number) & (side == STARTED), (block == number) & (side == WAITING)
            if not (each[new].any() and each[usual].any()):
                continue
            share = float(each[(block == number) & self.free].sum())
            per_unit[new] = share * each[new] / each[new].sum()
            per_unit[usual] = -share * each[usual] / each[usual].sum()
            total += share
        weights: Floats = (per_unit / total)[:, None] * people / np.maximum(people.sum(axis=1, keepdims=True), 1e-300)
        return weights


def asked_about(protocol: Protocol) -> Outcome:
    """The primary outcome."""
    return next(one for one in protocol.outcomes if one.id == protocol.estimand.what)


def periods_of(protocol: Protocol, outcome: Outcome | None = None) -> tuple[str, ...]:
    """The periods of the question, in the outcome's own length; none where the estimand names no days.

    An outcome that is measured so many months after the start is asked about in the month of the last measurement,
    counted from the first wave's start.
    """
    what, period = outcome or asked_about(protocol), protocol.estimand.period
    if what.at_months and protocol.waves:
        first = protocol.waves[0].start
        number = first.year * 12 + first.month - 1 + max(what.at_months)
        return (f"{number // 12}-{number % 12 + 1:02d}",)
    if period is None:
        return ()
    return Calendar.between(period.from_, period.to, months=_MONTHS.get(what.frequency or "", 1)).periods


def _ids(lot: Drawn) -> tuple[str, ...]:
    units = getattr(lot.design, "units", None)
    return tuple(units.ids) if units is not None else lot.design.items


def _asked(protocol: Protocol, outcome: Outcome, ids: tuple[str, ...], panel: Panel) -> Panel:
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
    return found.only(periods_of(protocol, outcome) or panel.periods)


def not_built(what: str) -> EstimateError:
    """Something registered that cannot be computed; nothing else takes its place."""
    return EstimateError(
        f"The plan registers `{what}`, which trialkit cannot compute yet. Another analysis in its place would be one chosen "
        "after the data were seen, so there is no answer.",
        {"registered": what},
        da=f"Planen har registreret `{what}`, og det kan trialkit ikke beregne endnu. En anden analyse i stedet ville være "
        "valgt, efter at tallene var set, så der gives intet svar.",
        code="E_NOT_BUILT",
    )


__all__ = ["DRAWS", "USUAL_ALPHA", "Per", "Question", "Side", "Way", "asked_about", "not_built", "periods_of"]
