"""The page of a year on the way: what was counted in each group, and no comparison of any kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final

import numpy as np

from trialkit.canonical import digest, jcs
from trialkit.errors import Lang
from trialkit.estimate.looks import final_day
from trialkit.estimate.within_months import Calendar
from trialkit.panel import Panel
from trialkit.protocol.model import Protocol
from trialkit.protocol.outcomes import Outcome
from trialkit.report.certificate import masthead
from trialkit.report.document import decimal
from trialkit.report.drawn import Drawn
from trialkit.report.naming import readable
from trialkit.report.page import render, say, texts
from trialkit.report.quarters import ALL, Counts, Group, Quarters, period_name, quarters
from trialkit.report.words import SMALLEST_BASE, date_long, number

FORMAT: Final = "trialkit-estimate/1"
PILOTS: Final = "pilots"
_SHARES: Final = ("share", "yes_no")
_WHOLE: Final = frozenset({"share", "yes_no", "count"})


@dataclass(frozen=True, kw_only=True)
class Early:
    """What may be seen after a year.

    Parameters
    ----------
    protocol, plan, record : what was promised, and the draw's record
    labels : id -> what each drawn unit drew
    panels : outcome id -> Panel of drawn units and pilots, cut at ``until``
    year, until : which year, and its last day
    as_of : the day at whose end the data were known so
    snapshot : digest of the frozen data; empty where they are live
    """

    protocol: Protocol
    plan: Mapping[str, Any]
    record: Mapping[str, Any]
    labels: Mapping[str, str]
    panels: Mapping[str, Panel]
    year: int
    until: date
    as_of: date
    snapshot: str

    @property
    def synthetic(self) -> bool:
        """Whether anything here is made up."""
        return self.protocol.synthetic or any(panel.synthetic for panel in self.panels.values())

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Those with something recorded in the year, in the plan's order."""
        return tuple(one for one in self.protocol.outcomes if self._seen(one.id))

    @cached_property
    def silent(self) -> tuple[Outcome, ...]:
        """Those without."""
        return tuple(one for one in self.protocol.outcomes if not self._seen(one.id))

    def _seen(self, name: str) -> bool:
        return name in self.panels and bool((self.panels[name].observed & (self.panels[name].denominator > 0)).any())

    def quarters(self, outcome: Outcome) -> Quarters:
        """One outcome by group and quarter, as it may be published."""
        panel = self.panels[outcome.id]
        sides = np.zeros(panel.numerator.shape, np.int8)
        return quarters(
            panel, self._groups(panel), sides, np.zeros(sides.shape, bool),
            smallest=self.protocol.privacy.hide_counts_below, whole=outcome.type in _WHOLE,
        )  # fmt: skip

    def _groups(self, panel: Panel) -> tuple[Group, ...]:
        drawn = [unit for unit in panel.units if unit in self.labels]
        if self.protocol.privacy.publish == "totals":
            found = [Group(key=ALL, units=tuple(drawn))]
        else:
            order = [label["name"] for label in self.record["protocol"]["design"].get("labels", ())]
            names = [*order, *(name for name in dict.fromkeys(self.labels.values()) if name not in order)]
            members = {name: tuple(unit for unit in drawn if self.labels[unit] == name) for name in names}
            found = [Group(key=name, units=units) for name, units in members.items() if units]
        rest = tuple(unit for unit in panel.units if unit not in self.labels)
        return (*found, *([Group(key=PILOTS, units=rest, compared=False)] if rest else []))

    def document(self) -> bytes:
        """The counts for machines: canonical JSON; a hidden number is absent."""
        return jcs(
            {
                "format": FORMAT, "kind": "early_report", "trial": self.protocol.protocol, "year": self.year,
                "until": self.until.isoformat(), "as_of": self.as_of.isoformat(), "tested": False,
                "synthetic": self.synthetic, "plan_hash": digest(self.plan), "record_hash": digest(self.record),
                **({"snapshot": self.snapshot} if self.snapshot else {}),
                "outcomes": [self._counts(outcome) for outcome in self.outcomes],
                "nothing_recorded": [outcome.id for outcome in self.silent],
            }
        )  # fmt: skip

    def _counts(self, outcome: Outcome) -> dict[str, Any]:
        shown = self.quarters(outcome)
        rows = []
        for (key, column), counts in shown.cells.items():
            numbers = {"numerator": counts.numerator, "denominator": counts.denominator}
            known = {name: decimal(value) for name, value in numbers.items() if value is not None}
            rows.append({"group": key, "quarter": column, **known})
        return {"outcome": outcome.id, "counts": rows}


def until(panel: Panel, day: date) -> Panel | None:
    """The panel's periods that end by ``day``; None where there is none."""
    if not panel.periods:
        return None
    last = Calendar.of(panel.periods).last
    kept = [period for period, end in zip(panel.periods, last.tolist(), strict=True) if end <= day.toordinal()]
    return panel.only(kept) if kept else None


@dataclass(frozen=True)
class SaidEarly:
    """What the page says, in one language."""

    found: Early
    lang: Lang

    @cached_property
    def words(self) -> dict[str, Any]:
        """The page's words."""
        return dict(texts(self.lang)["early"])

    def intro(self) -> str:
        """That nothing is tested, and when the answer comes."""
        final = final_day(self.found.protocol)
        key = "intro" if final is None else "intro_final"
        day = date_long(final, self.lang) if final else ""
        return say(
            self.words[key], year=self.found.year, until=date_long(self.found.until, self.lang), final=day
        )  # fmt: skip

    def levels(self, outcome: Outcome) -> list[str]:
        """One sentence for each group: what was counted."""
        shown = self.found.quarters(outcome)
        return [
            say(self.words["level"], group=self.title(one.key), counts=self.of(shown.cells[one.key, ALL], outcome))
            for one in shown.groups
        ]

    def table(self, outcome: Outcome) -> tuple[list[str], list[tuple[str, list[str]]]]:
        """Titles of the groups, and rows: quarter and counts."""
        shown = self.found.quarters(outcome)
        rows = [
            (
                self.words["in_all"] if column == ALL else period_name(column, self.lang, "quarter_short"),
                [self.of(shown.cells[one.key, column], outcome) for one in shown.groups],
            )
            for column in (*shown.columns, ALL)
        ]
        return [self.title(one.key) for one in shown.groups], rows

    def of(self, counts: Counts, outcome: Outcome) -> str:
        """``163 of 1,264 (12.9%)``; no per cent on a small base, ``hidden`` where a number is."""
        shown = [
            self.words["hidden"] if n is None else number(n, self.lang, None if float(n).is_integer() else 2)
            for n in (counts.numerator, counts.denominator)
        ]
        text = say(self.words["of"], k=shown[0], n=shown[1])
        if counts.numerator is None or counts.denominator is None or counts.denominator < SMALLEST_BASE:
            return text
        if outcome.type not in _SHARES:
            return f"{text} ({number(counts.share, self.lang, 2)})"
        return f"{text} ({number(100 * counts.share, self.lang, 1)}{' %' if self.lang == 'da' else '%'})"

    def title(self, key: str) -> str:
        """A group for people."""
        if key in (PILOTS, ALL):
            return str(self.words[key])
        arms = self.found.protocol.arms
        return arms[key].told(self.lang) if key in arms else readable(key, self.lang)

    def source(self, outcome: Outcome) -> str:
        """Who counted."""
        return say(self.words["source"], source=texts(self.lang)["effect"][f"source_{outcome.reported_by}"])

    def silent(self) -> list[str]:
        """Labels of the outcomes nothing is recorded of."""
        return [outcome.label.told(self.lang) for outcome in self.found.silent]

    def suppression(self) -> str:
        """What is hidden."""
        most = self.found.protocol.privacy.hide_counts_below - 1
        return say(self.words["hidden_text"], most=most) if most > 0 else ""


def early(found: Early, lang: Lang) -> str:
    """One self-contained HTML page; same findings, same bytes."""
    said = SaidEarly(found, lang)
    drawn = Drawn.of(found.record, lang, plan=found.plan)
    values = {
        **masthead(drawn, found.plan, None),
        "protocol": {**found.record["protocol"], "title": found.protocol.title.told(lang)},
        "synthetic": found.synthetic,
        "preliminary": [] if found.snapshot else [said.words["live"]],
        "said": said,
        "found": found,
        "lang": lang,
        "plan_hash": digest(found.plan),
        "record_hash": digest(found.record),
        "as_of": date_long(found.as_of, lang),
    }
    return render("early.html", lang, values)


__all__ = ["Early", "SaidEarly", "early", "until"]
