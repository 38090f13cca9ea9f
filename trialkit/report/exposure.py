"""The page of neighbours: who touched whom that had begun, when, and how probable that was by the lot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Final

from trialkit.canonical import digest, jcs
from trialkit.errors import Lang
from trialkit.estimate.beside import Beside
from trialkit.estimate.neighbours import Spillover
from trialkit.protocol.model import Protocol
from trialkit.report.beside import map_rows, spillover_told
from trialkit.report.certificate import masthead
from trialkit.report.document import spillover_document
from trialkit.report.drawn import Drawn
from trialkit.report.page import counted, render, texts
from trialkit.report.plots import short
from trialkit.report.words import date_long, number

FORMAT: Final = "trialkit-estimate/1"
_SIGNS: Final = {0: "○", 1: "◐", 2: "●", 3: "●", -1: "–"}


@dataclass(frozen=True, kw_only=True)
class Exposures:
    """Exposure to neighbours with everything a page about it names.

    Parameters
    ----------
    protocol, plan, record : what was promised, and the draw's record
    found : exposure, test and effect
    registered : the plan asks for it; otherwise everything here is exploratory
    as_of, snapshot : the data
    synthetic : anything is made up
    """

    protocol: Protocol
    plan: Mapping[str, Any]
    record: Mapping[str, Any]
    found: Spillover
    registered: bool
    as_of: date
    snapshot: str
    synthetic: bool
    alpha: float
    beside: Beside = field(default_factory=Beside)

    def name_of(self, unit: str) -> str:
        """A unit's name for people, as the plan gives it."""
        return self._names.get(unit, unit)

    @cached_property
    def _names(self) -> dict[str, str]:
        listed = [*self.plan.get("units", ()), *self.plan.get("outside", ())]
        return {unit["id"]: unit.get("name") or unit["id"] for unit in listed}

    def document(self) -> bytes:
        """Exposure for machines."""
        return jcs(
            {
                "format": FORMAT, "kind": "spillover", "trial": self.protocol.protocol, "exploratory": not self.registered,
                "as_of": self.as_of.isoformat(), "synthetic": self.synthetic, "plan_hash": digest(self.plan),
                "record_hash": digest(self.record), **({"snapshot": self.snapshot} if self.snapshot else {}),
                **spillover_document(self.found),
            }
        )  # fmt: skip

    def rows(self) -> list[tuple[str, list[str]]]:
        """Unit by unit: in each period its own state and how many of its neighbours had begun."""
        it = self.found.exposed
        found = []
        for row, unit in enumerate(it.ids):
            n = sum(unit in pair for pair in self.found.pairs)
            cells = [
                f"{_SIGNS[int(state)]} {round(share * n)}/{n}"
                for state, share in zip(it.conditions[row].tolist(), it.shares[row].tolist(), strict=True)
            ]
            found.append((self.name_of(unit), cells))
        return found

    def chances(self, lang: Lang) -> list[tuple[str, list[str]]]:
        """Unit by unit: in each period the chance, of 100, to wait alone and to wait beside one that had begun."""
        alone, beside = 100 * self.found.exposed.probabilities[:2]
        return [
            (
                self.name_of(unit),
                [
                    f"{number(a, lang, 0)} / {number(b, lang, 0)}"
                    for a, b in zip(alone[row].tolist(), beside[row].tolist(), strict=True)
                ],
            )
            for row, unit in enumerate(self.found.exposed.ids)
        ]


def told(found: Exposures, lang: Lang) -> list[str]:
    """The page's sentences, for a terminal too; the stamp first where the plan did not ask."""
    stamp = [] if found.registered else [texts(lang)["exposure"]["exploratory"]]
    return [*stamp, *spillover_told(found.found, found, lang)]


def exposure_page(found: Exposures, lang: Lang) -> str:
    """One self-contained HTML page; same findings, same bytes."""
    drawn = Drawn.of(found.record, lang, plan=found.plan)
    values = {
        **masthead(drawn, found.plan, None),
        "protocol": {**found.record["protocol"], "title": found.protocol.title.told(lang)},
        "synthetic": found.synthetic,
        "registered": found.registered,
        "sentences": spillover_told(found.found, found, lang),
        "counted": counted(len(found.found.exposed.periods), "period", lang),
        "map": map_rows(found.found, found, lang),
        "periods": [short(period) for period in found.found.exposed.periods],
        "rows": found.rows(),
        "chances": found.chances(lang),
        "plan_hash": digest(found.plan),
        "record_hash": digest(found.record),
        "snapshot": found.snapshot,
        "as_of": date_long(found.as_of, lang),
    }
    return render("exposure.html", lang, values)


__all__ = ["Exposures", "exposure_page", "told"]
