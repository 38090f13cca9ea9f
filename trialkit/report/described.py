"""The page of a trial that was not drawn by lot: what was counted, by wave and month, and nothing about causes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from trialkit.canonical import digest, jcs
from trialkit.errors import Lang
from trialkit.estimate.beside import Beside
from trialkit.estimate.described import Description
from trialkit.panel import Panel
from trialkit.protocol.model import Protocol
from trialkit.protocol.outcomes import Outcome
from trialkit.report import plots
from trialkit.report.beside import SaidBeside
from trialkit.report.document import beside_document, decimal, estimate_numbers
from trialkit.report.naming import own_words, readable
from trialkit.report.page import counted, render, say, texts
from trialkit.report.quarters import ALL, Counts, Group, Quarters, period_name, quarter, quarters, spans_told
from trialkit.report.words import SMALLEST_BASE, danish_key, date_long, listing, number

FORMAT: Final = "trialkit-estimate/1"
MONTHS: Final = 24  # columns shown one by one; more are gathered in quarters
_WHOLE: Final = frozenset({"share", "yes_no", "count"})


@dataclass(frozen=True, kw_only=True)
class Described:
    """One description with everything a page about it names.

    Parameters
    ----------
    protocol, plan : what was promised, and its canonical document
    description : what was found
    as_of : the day at whose end the data were known so
    snapshot : digest of the frozen data; empty where they are live
    """

    protocol: Protocol
    plan: Mapping[str, Any]
    description: Description
    as_of: date
    snapshot: str

    @cached_property
    def outcome(self) -> Outcome:
        """What was asked about."""
        return next(one for one in self.protocol.outcomes if one.id == self.protocol.estimand.what)

    @property
    def panel(self) -> Panel:
        """The outcome of every unit."""
        return self.description.panel

    @cached_property
    def beside(self) -> Beside:
        """What else is registered; the curve is a figure and no line."""
        lines = self.description.lines
        return Beside(lines=tuple(line for line in lines if line.estimate is not None or line.reason is not None))

    @property
    def alpha(self) -> float:
        """One less the level of the interval."""
        return 1 - self.description.estimate.level

    @cached_property
    def plan_hash(self) -> str:
        """SHA-256 of the plan."""
        return digest(self.plan)

    @property
    def preliminary(self) -> tuple[str, ...]:
        """Why the numbers are not final."""
        return () if self.snapshot else ("live",)

    @property
    def synthetic(self) -> bool:
        """Whether anything here is made up."""
        return self.panel.synthetic or self.protocol.synthetic

    def name_of(self, unit: str) -> str:
        """A unit's name for people, as the plan gives it."""
        return self._names.get(unit, unit)

    @cached_property
    def _names(self) -> dict[str, str]:
        return {unit["id"]: unit.get("name") or unit["id"] for unit in self.plan.get("units", ())}

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The waves; all together where the plan publishes totals only."""
        if self.protocol.privacy.publish == "totals":
            return (Group(key=ALL, units=self.panel.units),)
        pairs = list(zip(self.panel.units, self.description.waves, strict=True))
        by_wave = {wave: tuple(unit for unit, own in pairs if own == wave) for wave in self.description.starts}
        return tuple(Group(key=wave, units=units) for wave, units in by_wave.items() if units)

    @cached_property
    def by_month(self) -> bool:
        """Whether every period is shown by itself."""
        return len(self.panel.periods) <= MONTHS

    @cached_property
    def quarters(self) -> Quarters:
        """The outcome by wave and period, as it may be published; its two sides are counted and left out of the share."""
        used = self.description.used
        sides = np.where(used, np.int8(1), np.int8(0))
        left = self.panel.observed & ~used
        return quarters(
            self.panel, self.groups, sides, used | left, smallest=self.protocol.privacy.hide_counts_below,
            whole=self.outcome.type in _WHOLE, of=str if self.by_month else quarter,
        )  # fmt: skip

    def document(self) -> bytes:
        """The description for machines: canonical JSON, numbers as decimal strings, absent where there is none."""
        found, one = self.description, self.description.estimate
        figures = {name: value for name, value in estimate_numbers(one).items() if value}
        other = {} if found.sensitivity is None else {
            "interruptions_the_other_way": {k: v for k, v in estimate_numbers(found.sensitivity).items() if v}
        }  # fmt: skip
        total = self.quarters.started
        counts = {"numerator": total.numerator, "denominator": total.denominator}
        return jcs(
            {
                "format": FORMAT, "kind": "description", "trial": self.protocol.protocol, "outcome": self.outcome.id,
                "drawn_by_lot": False, "method": self.protocol.analysis.primary.method, "computed": one.method,
                "units": one.n_units, "unit": one.unit, "as_of": self.as_of.isoformat(),
                "preliminary": list(self.preliminary), "synthetic": self.synthetic, "plan_hash": self.plan_hash,
                **({"snapshot": self.snapshot} if self.snapshot else {}), **figures, **other,
                **{name: decimal(value) for name, value in counts.items() if value is not None},
                **beside_document(self.beside),
            }
        )  # fmt: skip


@dataclass(frozen=True)
class SaidOfCounts:
    """What the page says, in one language."""

    found: Described
    lang: Lang

    @cached_property
    def words(self) -> dict[str, Any]:
        """The page's words."""
        return dict(texts(self.lang)["described"])

    @cached_property
    def outcome(self) -> str:
        """The outcome's label."""
        return self.found.outcome.label.told(self.lang)

    def promised(self) -> list[tuple[str, str]]:
        """What was laid down, by name."""
        w, outcome = self.words, self.found.outcome
        facts = [own_words(w["who"], self.found.protocol.estimand.who, self.lang)]
        if outcome.funnel:
            steps = say(w["steps"], to=outcome.to, base=outcome.from_, funnel=", ".join(outcome.funnel))
            facts.append((w["counted"], steps))
        facts += [(w[name], text) for name in ("numerator", "denominator") if (text := getattr(outcome, name))]
        counts = say(w["periods_text"], periods=spans_told(self.found.panel.periods, self.lang))
        return [
            *facts,
            (w["periods"], counts),
            (w["clusters"], counted(len(self.found.panel.units), "unit", self.lang)),
        ]

    def level(self) -> str:
        """The share with its counts."""
        return say(self.words["level"], outcome=self.outcome, counts=self.of(self.found.quarters.started))

    def of(self, counts: Counts) -> str:
        """``52.8% (689 of 1,305)``; no per cent on a small base, ``hidden`` where a number is."""
        shown = [
            self.words["hidden"] if n is None else number(n, self.lang, None if float(n).is_integer() else 2)
            for n in (counts.numerator, counts.denominator)
        ]
        text = say(self.words["of"], k=shown[0], n=shown[1])
        if math.isnan(counts.share) or (counts.denominator or 0) < SMALLEST_BASE:
            return text
        return f"{number(100 * counts.share, self.lang, 1)}{' %' if self.lang == 'da' else '%'} ({text})"

    def interval(self) -> str:
        """Where the share can lie."""
        one = self.found.description.estimate
        if math.isnan(one.conf_low):
            return str(self.words["no_interval"])
        return say(self.words["interval"], level=number(100 * one.level, self.lang, 0), **self._ends(one))

    def _ends(self, one: Any) -> dict[str, str]:
        return {name: number(100 * end, self.lang, 1) for name, end in (("low", one.conf_low), ("high", one.conf_high))}

    def not_drawn(self) -> str:
        """That no lot decided, and how it was decided."""
        how = self.found.protocol.assignment.how if self.found.protocol.assignment else ""
        return say(self.words["not_drawn"], how=how)

    def limits(self) -> list[str]:
        """What the description does not say."""
        w, found = self.words, self.found
        only = say(
            w["limit_only"], units=counted(len(found.panel.units), "unit", self.lang),
            periods=spans_told(found.panel.periods, self.lang),
        )  # fmt: skip
        return [*([w["limit_synthetic"]] if found.synthetic else []), only, w["limit_groups"], w["limit_test"]]

    def interruptions(self) -> list[str]:
        """The marked months, and the share with and without them."""
        w, found = self.words, self.found.description
        said = [
            say(w["interrupted"], label=mark.label.told(self.lang) if mark.label else mark.id, dates=self._dates(mark))
            for mark in self.found.protocol.interruptions
            if not (mark.affects and mark.affects.funnel and mark.affects.funnel not in self.found.outcome.funnel)
        ]
        if not found.panel.interrupted.any():
            return []
        here = np.array(found.panel.periods)[found.panel.interrupted.any(axis=0)].tolist()
        said.append(say(w["interrupted_whole"], periods=spans_told(tuple(here), self.lang)))
        if (other := found.sensitivity) is not None and not math.isnan(other.estimate):
            key = "with_interrupted" if found.excluded else "without_interrupted"
            share = number(100 * other.estimate, self.lang, 1)
            ends = self._ends(other) if not math.isnan(other.conf_low) else {"low": "–", "high": "–"}
            said.append(say(w[key], share=share, **ends))
        return said

    def _dates(self, mark: Any) -> str:
        first = date_long(mark.from_, self.lang)
        return f"{first} – {date_long(mark.to, self.lang)}" if mark.to else say(self.words["from_day"], day=first)

    def measured(self) -> list[str]:
        """Who counted, and the outcome's own caution."""
        outcome = self.found.outcome
        caution = [outcome.caution.told(self.lang)] if outcome.caution else []
        return [self.words[f"measured_{outcome.reported_by}"], *caution]

    def title(self, key: str) -> str:
        """A wave's name for people."""
        return str(self.words["everybody"]) if key == ALL else readable(key, self.lang)

    def changes(self) -> list[str]:
        """What the comparison of changes compares."""
        if not any(line.method == "difference_in_differences" for line in self.found.beside.answered):
            return []
        first, second = (self.title(wave) for wave in list(self.found.description.starts)[:2])
        return [say(self.words["changes"], first=first, second=second)]

    def waves(self) -> list[tuple[str, str, str]]:
        """Title, start and units of each wave."""
        rows = []
        for one in self.found.groups:
            names = sorted((self.found.name_of(unit) for unit in one.units), key=danish_key)
            start = self.found.description.starts.get(one.key)
            rows.append((self.title(one.key), date_long(start, self.lang) if start else "–", listing(names, self.lang)))
        return rows

    def curves(self) -> Markup:
        """The curves by wave."""
        found, columns = self.found, self.found.quarters.columns
        scale = 100.0 if found.panel.unit == "share" else 1.0
        lines = [
            plots.Line(
                self.title(one.key), tuple(scale * found.quarters.cells[one.key, column].share for column in columns),
                start=self._place(one.key, columns),
            )
            for one in found.quarters.groups
        ]  # fmt: skip
        return plots.curves(
            lines,
            [plots.short(column) for column in columns],
            ylabel=self.words["percent"] if scale == 100 else found.panel.unit,
            title=say(self.words["curves_alt"], groups=listing((line.name for line in lines), self.lang)),
            key="curves",
            number=lambda value: number(round(value, 6), self.lang),
            shaded=[k for k, column in enumerate(columns) if self._marked(column)],
        )

    def _place(self, wave: str, columns: tuple[str, ...]) -> float:
        """Where on the axis a wave began; nan where it is outside."""
        start = self.found.description.starts.get(wave)
        name = "" if start is None else f"{start.year}-{start.month:02d}"
        column = name if self.found.by_month else quarter(name) if name else ""
        if start is None or column not in columns:
            return float("nan")
        within = (start.day - 1) / 31
        return columns.index(column) - 0.5 + (within if self.found.by_month else ((start.month - 1) % 3 + within) / 3)

    def _marked(self, column: str) -> bool:
        panel = self.found.panel
        here = [(period if self.found.by_month else quarter(period)) == column for period in panel.periods]
        return bool(panel.interrupted[:, np.array(here)].any())

    def table(self) -> tuple[list[str], list[tuple[str, list[str]]]]:
        """Titles of the waves, and the rows: period, with a mark where it was interrupted, and its counts."""
        shown = self.found.quarters
        keys = [*(one.key for one in shown.groups), *([ALL] if self.found.groups[0].key != ALL else [])]
        rows = [
            (
                self.words["in_all"] if column == ALL
                else period_name(column, self.lang) + (" !" if self._marked(column) else ""),
                [self.of(shown.cells[key, column]) for key in keys],
            )
            for column in (*shown.columns, ALL)
        ]  # fmt: skip
        return [self.title(key) for key in keys], rows

    def suppression(self) -> str:
        """What is hidden."""
        most, count = self.found.protocol.privacy.hide_counts_below - 1, self.found.quarters.hidden
        key = "hidden_text" if count else "hidden_none"
        return say(self.words[key], most=most, count=number(count, self.lang)) if most > 0 else ""


def description(found: Described, lang: Lang) -> str:
    """One self-contained HTML page for A4 paper and for a screen; same findings, same bytes."""
    said, beside = SaidOfCounts(found, lang), SaidBeside(found, lang)
    filed = found.plan["protocol"].get("case") or {}
    case = {
        "authority": "", "case_number": filed.get("number", ""), "document_number": filed.get("document", ""),
        "officer": filed.get("officer_role", ""), "date": "",
    }  # fmt: skip
    values = {
        "protocol": {"title": found.protocol.title.told(lang), "draw_id": found.protocol.protocol},
        "case": case,
        "rehearsal": "",
        "synthetic": found.synthetic,
        "preliminary": [said.words["live"]] if found.preliminary else [],
        "said": said,
        "beside": beside,
        "rows": beside.rows(),
        "unanswered": beside.unanswered(),
        "table": said.table(),
        "plan_hash": found.plan_hash,
        "snapshot": found.snapshot,
        "as_of": date_long(found.as_of, lang),
    }
    return render("description.html", lang, values)


__all__ = ["Described", "SaidOfCounts", "description"]
