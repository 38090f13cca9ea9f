"""An outcome by group and quarter, as it may be published: small counts hidden, and what would give them away."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import Lang
from trialkit.estimate.within_months import STARTED, WAITING
from trialkit.panel import Panel
from trialkit.report.disclosure import SMALLEST, shown
from trialkit.report.page import say, texts
from trialkit.report.unit_list import harmless
from trialkit.report.words import SMALLEST_BASE, date_long, listing

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ALL: Final = "all"  # the row of all drawn groups together, and the column of all quarters


@dataclass(frozen=True, slots=True)
class Counts:
    """A numerator and a denominator as they may be shown; None is hidden."""

    numerator: float | None
    denominator: float | None

    @property
    def share(self) -> float:
        """Numerator over denominator; nan where one is hidden or the base is too small for a per cent."""
        known = self.numerator is not None and self.denominator is not None and self.denominator >= SMALLEST_BASE
        return self.numerator / self.denominator if known else float("nan")  # type: ignore[operator]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Units that are shown as one: a wave or arm, or the pilots (``compared`` is False)."""

    key: str
    units: tuple[str, ...]
    compared: bool = True


@dataclass(frozen=True, kw_only=True)
class Quarters:
    """What may be published of one outcome.

    Parameters
    ----------
    columns : the quarters (or years), in time order
    cells : by group and quarter; `ALL` for the drawn groups together, and for all quarters together
    started, waiting : the two sides of the comparison, as far as they may be shown
    hidden : how many numbers are hidden
    """

    groups: tuple[Group, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Counts]
    started: Counts
    waiting: Counts
    hidden: int


def quarters(
    panel: Panel,
    groups: Sequence[Group],
    states: NDArray[np.int8],
    used: Bools,
    *,
    smallest: int = SMALLEST,
    whole: bool = True,
    of: Callable[[str], str] | None = None,
) -> Quarters:
    """Sum an outcome by group and quarter.

    Parameters
    ----------
    panel : counts of all units that are shown
    states, used : (n, t) of the panel: the side of each cell, and whether it enters the answer
    smallest : counts from 1 up to this one are hidden
    whole : numerators are counts too; otherwise they are hidden where their denominators are
    of : the column of a period; its quarter unless given
    """
    of = of or quarter
    columns = tuple(dict.fromkeys(of(period) for period in panel.periods))
    atoms, sums, names = _parts(panel, groups, states, used, columns, of)
    seen = panel.observed
    people = np.where(seen, panel.denominator, 0.0).ravel() @ atoms
    events = np.where(seen, panel.numerator, 0.0).ravel() @ atoms
    show_people = shown(people, sums, smallest=smallest)
    show_events = shown(events, sums, smallest=smallest, also=~show_people) if whole else show_people
    counts = [
        Counts(
            float(sums[row] @ events) if show_events[row] else None,
            float(sums[row] @ people) if show_people[row] else None,
        )
        for row in range(len(names))
    ]
    return Quarters(
        groups=tuple(groups),
        columns=columns,
        cells=dict(zip(names[2:], counts[2:], strict=True)),
        started=counts[0],
        waiting=counts[1],
        hidden=int((~show_people).sum() + (~show_events).sum()),
    )


def quarter(period: str) -> str:
    """``2012q1`` for a month of it; a quarter or year as it stands."""
    year, _, month = period.partition("-")
    return f"{year}q{(int(month) + 2) // 3}" if month.isdigit() else period


def spans(periods: Sequence[str]) -> list[tuple[str, str]]:
    """Runs of consecutive months as (first, last); other periods one by one."""
    found: list[tuple[str, str]] = []
    for period in periods:
        if found and _next(found[-1][1]) == period:
            found[-1] = (found[-1][0], period)
        else:
            found.append((period, period))
    return found


def _next(period: str) -> str:
    year, _, month = period.partition("-")
    if not month.isdigit():
        return ""
    number = int(year) * 12 + int(month)
    return f"{number // 12}-{number % 12 + 1:02d}"


def spans_told(periods: Sequence[str], lang: Lang) -> str:
    """Periods as ranges: ``February 2012 – June 2012``."""
    told = [tuple(period_name(end, lang) for end in ends) for ends in spans(periods)]
    return listing((first if first == last else f"{first} – {last}" for first, last in told), lang)


def period_name(name: str, lang: Lang, form: str = "quarter_name") -> str:
    """A month, quarter or year in words."""
    month = name.partition("-")[2]
    if month.isdigit():
        return date_long(f"{name}-01", lang).split(" ", 1)[1]
    year, _, place = name.replace("-", "").partition("q")
    return say(texts(lang)["effect"][form], quarter=place, year=year) if place else name


def _parts(
    panel: Panel,
    groups: Sequence[Group],
    states: NDArray[np.int8],
    used: Bools,
    columns: Sequence[str],
    of_period: Callable[[str], str],
) -> tuple[Floats, Bools, list[tuple[str, str]]]:
    """(cells, atoms) which atom each cell of the panel is in; (sums, atoms) what each published number adds up."""
    of = {unit: place for place, group in enumerate(groups) for unit in group.units}
    side = np.where(used, states, 0)
    side = np.where(used & (states == WAITING), 2, side)
    known: dict[tuple[int, int, int], int] = {}
    place = np.full(panel.numerator.shape, -1)
    for row, unit in enumerate(panel.units):
        for column, period in enumerate(panel.periods):
            if unit in of:
                part = (of[unit], columns.index(of_period(period)), int(side[row, column]))
                place[row, column] = known.setdefault(part, len(known))
    member = (place.ravel()[:, None] == np.arange(len(known))).astype(np.float64)
    group, when, which = np.array(list(known), int).reshape(-1, 3).T
    drawn = np.array([one.compared for one in groups])[group]
    names = [("", "started"), ("", "waiting")]
    sums = [drawn & (which == STARTED), drawn & (which == 2)]
    rows = [(one.key, group == number) for number, one in enumerate(groups)] + [(ALL, drawn)]
    for key, here in rows:
        for name, then in [*((c, when == k) for k, c in enumerate(columns)), (ALL, np.ones(len(known), bool))]:
            names.append((key, name))
            sums.append(here & then)
    return member, np.array(sums), names


def curve_csv(
    found: Quarters, *, outcome: str, titles: Mapping[str, str], synthetic: bool, preliminary: bool
) -> str:  # fmt: skip
    """The published numbers as CSV text, ``hidden`` where a number is; write it as UTF-8 with a byte order mark."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(["synthetic", "preliminary", "outcome", "group", "title", "quarter", "numerator", "denominator"])
    for (key, column), counts in found.cells.items():
        numbers = ["hidden" if n is None else f"{n:.10g}" for n in (counts.numerator, counts.denominator)]
        marks = ["yes" if mark else "no" for mark in (synthetic, preliminary)]
        writer.writerow([*marks, *map(harmless, (outcome, key, titles.get(key, key), column)), *numbers])
    return text.getvalue()


__all__ = [
    "ALL", "Counts", "Group", "Quarters", "curve_csv", "period_name", "quarter", "quarters", "spans", "spans_told",
]  # fmt: skip
