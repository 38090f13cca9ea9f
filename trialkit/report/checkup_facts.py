"""The first screen for machines: the same numbers as JSON-ready facts."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import date
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from trialkit.power.said import Said

if TYPE_CHECKING:
    from trialkit.power.checkup import Checkup, Row
    from trialkit.power.feasibility import Feasibility


def as_facts(checkup: Checkup) -> dict[str, Any]:
    """Everything the screen shows.  Infinite and missing numbers are null; both languages stand side by side."""
    screen = checkup.feasibility
    return {
        "trial": checkup.trial,
        "title": plain(checkup.title),
        "design": checkup.design,
        "drawn_by_lot": checkup.drawn,
        "alpha": checkup.alpha,
        "sides": checkup.sides,
        "stop": bool(checkup.stops),
        "reasons": [plain(reason) for reason in checkup.reasons],
        "pilots": list(checkup.pilots),
        "names": dict(checkup.names),
        "draft": None if screen is None else _screen(screen),
        "outlook": plain(checkup.outlook),
        "people": plain(checkup.groups),
        "designs": [_row(row) for row in checkup.rows],
        "notes": [plain(note) for note in checkup.notes],
    }


def _screen(screen: Feasibility) -> dict[str, Any]:
    return {
        "kind": screen.kind,
        "drawn": list(screen.drawn),
        "fixed": dict(screen.fixed),
        "labels": list(screen.labels),
        "count": plain(screen.count),
        "smallest_p": plain(screen.smallest_p),
        "probabilities": {
            item: dict(zip(screen.labels, row.tolist(), strict=True))
            for item, row in zip(screen.drawn, screen.probabilities, strict=True)
        },
        "probability_mc_error": screen.probability_error,
        "pairs": plain(screen.pairs),
        "balance": plain(screen.balance),
        "neighbours": plain(screen.neighbourhood),
    }


def _row(row: Row) -> dict[str, Any]:
    candidate = row.candidate
    frame = candidate.frame if candidate else None
    return {
        "draft": candidate is None,
        "frame": frame.label if frame else "",
        "pilots_left_out": frame.pilots_inside if frame else 0,
        "matched_pairs": bool(candidate and candidate.pairs),
        "units": row.n_drawn,
        "places": [list(line) for line in row.places],
        "allocations": row.count.accepted,
        "allocations_before_balance": row.count.total,
        "allocations_mc_error": plain(row.count.mc_error),
        "smallest_p": plain(row.smallest_p),
        "reaches_alpha": row.reaches,
        "smallest_effect": plain(row.outlook.middle.smallest) if row.outlook else None,
        "scale": row.outlook.scale if row.outlook else None,
    }


def plain(value: Any) -> Any:
    """A value of our own classes as lists, maps, texts and numbers that JSON holds."""
    if isinstance(value, Said):
        return {"en": value.en, "da": value.da}
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (float, np.floating)):
        return float(value) if isfinite(value) else None
    return value
