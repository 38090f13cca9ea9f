"""An answer with everything a page about it names: what was promised, what was drawn, which data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from trialkit.canonical import digest, jcs
from trialkit.estimate.beside import Beside
from trialkit.estimate.looks import final_day
from trialkit.estimate.registered import Answer
from trialkit.estimate.within_months import LEFT_OUT, STARTED, WAITING, Calendar, states
from trialkit.panel import Panel
from trialkit.protocol.model import Protocol
from trialkit.protocol.outcomes import Outcome
from trialkit.report.document import beside_document, decimal, estimate_numbers
from trialkit.report.quarters import Group, Quarters, quarters

Bools = NDArray[np.bool_]
Reason = Literal["live", "early", "look"]

FORMAT: Final = "trialkit-estimate/1"
MANY: Final = 24  # units shown one by one; above that by wave
PILOTS: Final = "pilots"
_WHOLE: Final = frozenset({"share", "yes_no", "count"})


@dataclass(frozen=True, kw_only=True)
class Findings:
    """One answered question.

    Parameters
    ----------
    protocol : the committed plan's
    plan : ``plan.json``
    record : the draw's record
    answer : what was found
    beside : what else the plan registers: answers, and reasons where there is none
    panel : the primary outcome of drawn units and pilots, in every period there are data of
    as_of : the day at whose end the data were known so
    snapshot : digest of the frozen data; empty where they are live
    unfinished : cells of `panel`, (n, t), recorded before the window of every child had closed
    confirmed : the draw is confirmed as official
    """

    protocol: Protocol
    plan: Mapping[str, Any]
    record: Mapping[str, Any]
    answer: Answer
    panel: Panel
    as_of: date
    snapshot: str
    unfinished: Bools
    confirmed: bool = True
    beside: Beside = field(default_factory=Beside)

    @cached_property
    def outcome(self) -> Outcome:
        """What was asked about."""
        return next(one for one in self.protocol.outcomes if one.id == self.protocol.estimand.what)

    @cached_property
    def plan_hash(self) -> str:
        """SHA-256 of the plan."""
        return digest(self.plan)

    @cached_property
    def record_hash(self) -> str:
        """SHA-256 of the draw's record."""
        return digest(self.record)

    @cached_property
    def preliminary(self) -> tuple[Reason, ...]:
        """Why the answer is not final: data not frozen, windows still open, a planned look; empty where it is."""
        compared = set(self.answer.panel.periods)
        early = self.unfinished[:, [period in compared for period in self.panel.periods]].any()
        final = final_day(self.protocol)
        look = final is not None and self.as_of < final
        return (*(() if self.snapshot else ("live",)), *(("early",) if early else ()), *(("look",) if look else ()))

    @property
    def alpha(self) -> float:
        """The limit set beforehand."""
        return self.answer.alpha

    @property
    def synthetic(self) -> bool:
        """Whether anything here is made up."""
        return self.panel.synthetic or self.protocol.synthetic

    @cached_property
    def pilots(self) -> tuple[str, ...]:
        """Ids of the units that no lot decided about."""
        drawn = set(self.answer.panel.units)
        return tuple(unit for unit in self.panel.units if unit not in drawn)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """What may be shown by itself: the drawn labels in their order, then the pilots."""
        answer = self.answer
        order = [label["name"] for label in self.record["protocol"]["design"].get("labels", ())]
        labels = [*order, *(label for label in dict.fromkeys(answer.labels) if label not in order)]
        if self.protocol.privacy.publish == "totals":
            found = [Group(key="drawn", units=answer.panel.units)]
        else:
            by_label = {label: self._units_of(label) for label in labels}
            found = [Group(key=label, units=units) for label, units in by_label.items() if units]
        return (*found, *([Group(key=PILOTS, units=self.pilots, compared=False)] if self.pilots else []))

    def _units_of(self, label: str) -> tuple[str, ...]:
        pairs = zip(self.answer.panel.units, self.answer.labels, strict=True)
        return tuple(unit for unit, own in pairs if own == label)

    @cached_property
    def quarters(self) -> Quarters:
        """The outcome by group and quarter, as it may be published."""
        wide = np.full(self.panel.numerator.shape, LEFT_OUT, np.int8), np.zeros(self.panel.numerator.shape, bool)
        rows = [self.panel.units.index(unit) for unit in self.answer.panel.units]
        columns = [self.panel.periods.index(period) for period in self.answer.panel.periods]
        wide[0][np.ix_(rows, columns)] = self.answer.states
        wide[1][np.ix_(rows, columns)] = self.answer.used
        return quarters(
            self.panel, self.groups, *wide, smallest=self.protocol.privacy.hide_counts_below,
            whole=self.outcome.type in _WHOLE,
        )  # fmt: skip

    def name_of(self, unit: str) -> str:
        """A unit's name for people, as the plan gives it."""
        return self._names.get(unit, unit)

    @cached_property
    def _names(self) -> dict[str, str]:
        listed = [*self.plan.get("units", ()), *self.plan.get("outside", ())]
        return {unit["id"]: unit.get("name") or unit["id"] for unit in listed}

    @property
    def compared(self) -> tuple[str, ...]:
        """The periods that enter the answer."""
        used = np.asarray(self.answer.used.any(axis=0))
        return tuple(period for period, here in zip(self.answer.panel.periods, used.tolist(), strict=True) if here)

    @cached_property
    def starts(self) -> Mapping[str, date]:
        """The start of each wave."""
        return {wave.id: wave.start for wave in self.protocol.waves}

    def cells(self, unit: str) -> tuple[str, ...]:
        """The state of a unit in each period of `panel`, by the names of `plots.STATES`."""
        row = self.panel.units.index(unit)
        if unit in self.pilots:
            return ("pilot",) * len(self.panel.periods)
        place = self.answer.panel.units.index(unit)
        if self.answer.way == "within_months":
            start = self.starts.get(self.answer.labels[place])
            mine = states(Calendar.of(self.panel.periods), [start], window_days=self.answer.window_days)[0]
        else:
            mine = np.full(len(self.panel.periods), self.answer.states[place, 0])
        named = {STARTED: "started", WAITING: "waiting", LEFT_OUT: "crossing"}
        seen, stopped = self.panel.observed[row], self.panel.interrupted[row]
        return tuple(
            "missing" if not seen[t] else "interrupted" if stopped[t] else named[int(mine[t])] for t in range(len(mine))
        )

    def document(self) -> bytes:
        """The answer for machines: canonical JSON, numbers as decimal strings, absent where there is none."""
        answer, test, estimate = self.answer, self.answer.test, self.answer.estimate
        numbers = {
            name: decimal(getattr(estimate, name))
            for name in ("estimate", "p_value", "smallest_p", "conf_low", "conf_high", "level", "mc_error", "statistic")
        }
        found: dict[str, Any] = {
            "format": FORMAT,
            "kind": "estimate",
            "trial": self.protocol.protocol,
            "outcome": self.outcome.id,
            "method": estimate.method,
            "registered": answer.registered,
            **({"sides": test.sides, "exact": test.exact} if test else _resting(answer)),
            "allocations": estimate.n_allocations,
            "units": estimate.n_units,
            "unit": estimate.unit,
            "counted_per": self.answer.counted_per,
            "compared": list(self.compared),
            "dropped": list(answer.dropped),
            "left_out": [{"unit": unit, "period": period} for unit, period in answer.left_out],
            "started": decimal(self.answer.started.level),
            "waiting": decimal(self.answer.waiting.level),
            "as_of": self.as_of.isoformat(),
            "preliminary": list(self.preliminary),
            "synthetic": self.synthetic,
            "plan_hash": self.plan_hash,
            "draw_id": self.record["protocol"]["draw_id"],
            "record_hash": self.record_hash,
            **{name: value for name, value in numbers.items() if value},
            **({"connected": test.connected} if test and test.connected is not None else {}),
            **({"snapshot": self.snapshot} if self.snapshot else {}),
            **beside_document(self.beside),
        }
        return jcs(found)


def _resting(answer: Answer) -> dict[str, Any]:
    """Of an answer that no test through the lot gives: its error and freedom, and the check through the lot."""
    own = {name: decimal(getattr(answer.estimate, name)) for name in ("std_error", "df")}
    found: dict[str, Any] = {name: value for name, value in own.items() if value}
    if answer.check is not None:
        one = answer.check.estimate
        numbers = {name: value for name, value in estimate_numbers(one).items() if value}
        found["check"] = {
            "method": one.method,
            "exact": answer.check.exact,
            "allocations": one.n_allocations,
            **numbers,
        }
    if answer.unchecked is not None:
        found["unchecked"] = answer.unchecked.code
    return found


__all__ = ["FORMAT", "MANY", "PILOTS", "Findings", "Reason"]
