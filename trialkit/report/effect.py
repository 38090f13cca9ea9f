"""The page of an answer: what was asked, what was found, how sure that is, and what it does not say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import isclose
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from trialkit.errors import Lang
from trialkit.estimate.null import extreme
from trialkit.report import plots
from trialkit.report.answer import Said
from trialkit.report.beside import SaidBeside
from trialkit.report.certificate import masthead
from trialkit.report.drawn import Drawn
from trialkit.report.findings import MANY, PILOTS, Findings
from trialkit.report.page import counted, render, say
from trialkit.report.quarters import ALL, quarter
from trialkit.report.words import danish_key, date_long, listing, number

if TYPE_CHECKING:
    from trialkit.estimate.randomization import RandomizationTest

Bools = NDArray[np.bool_]
DOTS: Final = 400  # allocations shown one by one
AROUND: Final = 3  # periods shown before and after those of the question


@dataclass(frozen=True, slots=True)
class Wave:
    """One line of the table of groups."""

    title: str
    begins: str
    units: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line of the table of numbers."""

    title: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers behind the curves: quarters down, groups across."""

    titles: tuple[str, ...]
    rows: tuple[TableRow, ...]


def effect(found: Findings, lang: Lang) -> str:
    """One self-contained HTML page for A4 paper and for a screen; same findings, same bytes."""
    said, beside = Said(found, lang), SaidBeside(found, lang)
    drawn = Drawn.of(found.record, lang, plan=found.plan)
    head = masthead(drawn, found.plan, None)
    values: dict[str, Any] = {
        **head,
        "protocol": {**found.record["protocol"], "title": found.protocol.title.told(lang)},
        "synthetic": found.synthetic,
        "preliminary": said.preliminary(),
        "said": said,
        "by_months": found.answer.way == "within_months",
        "counted_whole": said.share,
        "gaps": found.quarters.hidden > 0,
        "dots": found.answer.estimate.n_allocations <= DOTS,
        "distribution": None if found.answer.test is None else _distribution(said, found.answer.test),
        "schematic": _schematic(said),
        "legend": _legend(said),
        "waves": _waves(said),
        "curves": _curves(said),
        "table": _table(said),
        "suppression": _suppression(said),
        "beside": beside,
        "rows": beside.rows(),
        "neighbours": beside.neighbours(),
        "map": beside.map(),
        "unanswered": beside.unanswered(),
        "plan_hash": found.plan_hash,
        "record_hash": found.record_hash,
        "snapshot": found.snapshot,
        "as_of": date_long(found.as_of, lang),
    }
    return render("effect.html", lang, values)


def _distribution(said: Said, test: RandomizationTest) -> Markup:
    w, shown = said.words, test.distribution()
    n = said.found.answer.estimate.n_allocations
    own_steps = said.found.answer.way == "within_months" and isclose(test.observed, test.estimate.estimate)
    scale = 100.0 if said.share and own_steps else 1.0
    centre = test.mean if test.sides == "distance" else 0.0
    tail = test.sides if test.sides in ("greater", "less") else "mirror"
    size = float(np.abs(shown.values).max(initial=0.0))
    own = test.observed - centre
    far = extreme(shown.values - centre, own, tail, size)
    sides = {"greater": [(own, np.inf)], "less": [(-np.inf, own)]}.get(
        test.sides, [(-np.inf, -abs(own)), (abs(own), np.inf)]
    )
    reached = {"low": float(shown.values.min()), "high": float(shown.values.max()), "observed": test.observed}
    ends = {name: said.signed(end) if scale == 100 else number(end, said.lang, 2) for name, end in reached.items()}
    return plots.distribution(
        shown.values * scale,
        shown.shares * n,
        observed=test.observed * scale,
        extreme=far,
        xlabel=w["distribution_x"] if scale == 100 else w["distribution_x_other"],
        ylabel=w["distribution_y"],
        words={name: w[name] for name in ("observed", "extreme", "others", "region")},
        title=say(w["distribution_alt"], total=said.total, count=number(round(said.extreme), said.lang), **ends),
        key="lots",
        number=lambda value: number(round(value, 6), said.lang),
        width=shown.width * scale,
        region=[((centre + low) * scale, (centre + up) * scale) for low, up in sides],
    )


def _schematic(said: Said) -> Markup:
    found, w = said.found, said.words
    window = _window(found)
    periods = found.panel.periods[window]
    asked = set(found.answer.panel.periods)
    marks = ["compared" if p in found.compared else "dropped" if p in asked else "outside" for p in periods]
    waves = "; ".join(f"{wave.title}: {wave.begins or '–'}, {wave.units}" for wave in _waves(said))
    return plots.schematic(
        [plots.Row(row.name, row.cells[window]) for row in _rows(said)],
        periods,
        marks=marks,
        title=say(
            w["design_alt"], units=counted(len(found.panel.units), "unit", said.lang),
            periods=f"{said.period(periods[0])} – {said.period(periods[-1])}", waves=waves,
        ),
        key="months",
    )  # fmt: skip


def _window(found: Findings) -> slice:
    """The periods of the question and a few around them."""
    places = [found.panel.periods.index(period) for period in found.answer.panel.periods]
    return slice(max(0, places[0] - AROUND), places[-1] + AROUND + 1)


def _rows(said: Said) -> list[plots.Row]:
    """Unit by unit within groups; a row per group where units are many."""
    found = said.found
    if len(found.panel.units) > MANY:
        return [
            plots.Row(f"{said.title(one.key, short=True)} ({len(one.units)})", found.cells(one.units[0]))
            for one in found.groups
        ]
    return [
        plots.Row(_cut(found.name_of(unit)), found.cells(unit))
        for one in found.groups
        for unit in _sorted(said, one.units)
    ]


def _sorted(said: Said, units: Sequence[str]) -> list[str]:
    return sorted(units, key=lambda unit: danish_key(said.found.name_of(unit)))


def _cut(name: str, most: int = 26) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _legend(said: Said) -> Markup:
    seen = set(chain.from_iterable(row.cells[_window(said.found)] for row in _rows(said)))
    states = [state for state in plots.STATES if state in seen]
    words = {state: said.words[f"state_{state}"] for state in states}
    return plots.legend(
        states, words, title=say(said.words["legend_alt"], names=listing(words.values(), said.lang)), key="key"
    )


def _waves(said: Said) -> list[Wave]:
    found = said.found
    starts = {key: date_long(day, said.lang) for key, day in found.starts.items()}
    pilots = {pilot.from_ for pilot in found.protocol.fixed if pilot.arm is not None and pilot.from_ is not None}
    if len(pilots) == 1:
        starts[PILOTS] = date_long(min(pilots), said.lang)
    rows = []
    for one in found.groups:
        names = [found.name_of(unit) for unit in _sorted(said, one.units)]
        listed = listing(names, said.lang) if len(names) <= MANY else counted(len(names), "unit", said.lang)
        rows.append(Wave(said.title(one.key), starts.get(one.key, ""), listed))
    return rows


def _curves(said: Said) -> Markup:
    found, quarters = said.found, said.found.quarters
    scale = 100.0 if said.share else 1.0
    lines = [
        plots.Line(
            said.title(one.key, short=True),
            tuple(scale * quarters.cells[one.key, column].share for column in quarters.columns),
            start=_place(found, one.key),
            aside=not one.compared,
        )
        for one in quarters.groups
    ]
    names = listing((line.name for line in lines), said.lang)
    return plots.curves(
        lines,
        [said.quarter(column) for column in quarters.columns],
        ylabel=said.words["curves_y"] if said.share else found.panel.unit,
        title=say(said.words["curves_alt"], groups=names, count=len(quarters.columns)),
        key="curves",
        number=lambda value: number(round(value, 6), said.lang),
    )


def _place(found: Findings, key: str) -> float:
    """Where on the axis of quarters a wave began; nan where it is no wave or began elsewhere."""
    start, columns = found.starts.get(key), found.quarters.columns
    if start is None:
        return float("nan")
    column = quarter(f"{start.year}-{start.month:02d}")
    if column not in columns:
        return float("nan")
    return columns.index(column) - 0.5 + ((start.month - 1) % 3 + (start.day - 1) / 31) / 3


def _table(said: Said) -> Table:
    quarters = said.found.quarters
    keys = [one.key for one in quarters.groups if one.compared] + [ALL]
    keys += [one.key for one in quarters.groups if not one.compared]
    rows = [
        TableRow(
            said.words["all"] if column == ALL else said.quarter(column),
            tuple(said.of(quarters.cells[key, column]) for key in keys),
        )
        for column in (*quarters.columns, ALL)
    ]
    titles = tuple(said.title("drawn" if key == ALL else key, short=True) for key in keys)
    return Table(titles, tuple(rows))


def _suppression(said: Said) -> str:
    most = said.found.protocol.privacy.hide_counts_below - 1
    count = said.found.quarters.hidden
    key = "hidden_text" if count else "hidden_none"
    return say(said.words[key], most=most, count=number(count, said.lang)) if most > 0 else ""


__all__ = ["effect"]
