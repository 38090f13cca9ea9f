"""Entries -> Panel: one outcome by unit and period, with what an analysis must know about each cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from trialkit.panel import Panel
from trialkit.protocol.model import Protocol
from trialkit.protocol.outcomes import Interruption, Outcome
from trialkit.records import periods
from trialkit.records.entry import Cell, Version
from trialkit.records.intake import SHARES, countable, primary
from trialkit.records.refusals import no_outcome

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Tabulation:
    """A panel and what the records say beside it.

    Parameters
    ----------
    panel : the outcome, every period with data and every period of the protocol's question
    outcome : as the protocol promised it
    outside : (t,) bool
        Periods outside the question's own; kept and marked, never dropped.
    unfinished : (n, t) bool
        Recorded before the window of every child of the period had closed, so events may be missing.
    frozen : from a snapshot; pages stamp anything else "foreløbig"
    snapshot : the snapshot's digest; empty for live data
    """

    panel: Panel
    outcome: Outcome
    outside: Bools
    unfinished: Bools
    frozen: bool
    snapshot: str = ""

    @property
    def asked(self) -> Panel:
        """The periods of the protocol's question only."""
        inside = zip(self.panel.periods, self.outside, strict=True)
        return self.panel.only([period for period, outside in inside if not outside])


def promised(protocol: Protocol, name: str = "") -> Outcome:
    """The outcome of this id; without one the primary.

    Raises
    ------
    RecordError
        ``E_OUTCOME``: not promised, or not counted by unit and period.
    """
    known = countable(protocol)
    if (name or primary(protocol)) not in known:
        raise no_outcome(name or primary(protocol), list(known))
    return known[name or primary(protocol)]


def cells(versions: Iterable[Version], protocol: Protocol) -> list[Cell]:
    """Versions as an analysis reads them."""
    windows = {one.id: one.window_days or 0 for one in protocol.outcomes}
    return [
        Cell(
            **{name: getattr(one, name) for name in ("outcome", "unit", "period", "numerator", "denominator")},
            closed=closes(one.period, windows.get(one.outcome, 0)) <= date.fromisoformat(one.recorded[:10]),
        )
        for one in versions
    ]


def closes(period: str, window_days: int) -> date:
    """The day the window closes of a child born on the period's last day."""
    return periods.last_day(period) + timedelta(days=window_days)


def tabulate(
    found: Iterable[Cell],
    protocol: Protocol,
    outcome: Outcome,
    units: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
    synthetic: bool = False,
    snapshot: str = "",
) -> Tabulation:
    """One outcome's cells as a panel.

    Parameters
    ----------
    found : cells; those of other outcomes and of other units are passed over
    units : ids of the panel's rows, in any order
    labels : each unit's wave, for interruptions that touch some waves only; without them they mark every unit
    synthetic : the numbers are made up
    snapshot : the digest they come from; empty for live data
    """
    rows = tuple(sorted(units, key=str.encode))
    kept = [one for one in found if one.outcome == outcome.id and one.unit in set(rows)]
    asked = _asked(protocol, outcome)
    columns = tuple(sorted({one.period for one in kept} | set(asked)))
    values = [
        {"unit": one.unit, "period": one.period, "numerator": one.numerator, "denominator": one.denominator}
        for one in kept
        if one.numerator is not None
    ]
    panel = Panel.from_rows(values, units=rows, periods=columns, unit=_step(outcome))
    open_cells = {(one.unit, one.period) for one in kept if not one.closed and one.numerator is not None}
    return Tabulation(
        panel=Panel(
            units=rows,
            periods=columns,
            numerator=panel.numerator,
            denominator=panel.denominator,
            interrupted=interrupted(protocol.interruptions, outcome, rows, columns, labels),
            unit=panel.unit,
            synthetic=synthetic,
        ),
        outcome=outcome,
        outside=np.array([bool(asked) and period not in asked for period in columns], bool),
        unfinished=np.array([[(unit, period) in open_cells for period in columns] for unit in rows], bool).reshape(
            len(rows), len(columns)
        ),
        frozen=bool(snapshot),
        snapshot=snapshot,
    )


def interrupted(
    interruptions: Sequence[Interruption],
    outcome: Outcome,
    units: Sequence[str],
    columns: Sequence[str],
    labels: Mapping[str, str] | None = None,
) -> Bools:
    """(n, t) bool: periods with at least one day of an interruption that touches the unit and the outcome."""
    found = np.zeros((len(units), len(columns)), bool)
    for one in interruptions:
        affected = one.affects
        if affected and affected.funnel and affected.funnel not in outcome.funnel:
            continue
        end = one.to or date.max
        when = [one.from_ <= periods.last_day(name) and periods.first_day(name) <= end for name in columns]
        waves = affected.waves if affected else ()
        who = [not waves or labels is None or labels.get(unit) in waves for unit in units]
        found |= np.outer(np.array(who, bool), np.array(when, bool))
    return found


def exposure(columns: Sequence[str], starts: Sequence[date | None]) -> Ints:
    """Periods since each unit's own start: 1 in the first whole period after it, 0 before, (n, t).

    Parameters
    ----------
    columns : (t,) periods of one length, e.g. ``2012-02``; counted by calendar, so gaps between them count
    starts : (n,) the day each unit started; None for one that never does

    A start in the middle of a period leaves that period at 0, as `within_months` leaves it out.
    """
    numbers = np.array([_number(periods.first_day(name)) for name in columns], np.int64)
    months = 3 if any("q" in name for name in columns) else 12 if all(len(name) == 4 for name in columns) else 1
    found = np.zeros((len(starts), len(columns)), np.int64)
    for place, start in enumerate(starts):
        if start is not None:
            whole = [periods.first_day(name) >= start for name in columns]
            first = -(-(_number(start) + (start.day > 1)) // months) * months
            found[place] = np.where(whole, (numbers - first) // months + 1, 0)
    return found


def _number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _asked(protocol: Protocol, outcome: Outcome) -> tuple[str, ...]:
    """The periods of the protocol's question, in the outcome's own length; none where it names no days."""
    asked = protocol.estimand.period
    return periods.between(asked.from_, asked.to, periods.length(outcome)) if asked else ()


def _step(outcome: Outcome) -> str:
    """What one step of the outcome means."""
    return "share" if outcome.type in SHARES else outcome.unit or outcome.type
