"""Answers for machines: figures as decimal strings, absent where there is none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from trialkit.canonical import decimal_text

if TYPE_CHECKING:
    from trialkit.estimate.beside import Beside, Line
    from trialkit.estimate.neighbours import Spillover
    from trialkit.estimate.result import Estimate


def decimal(value: float) -> str:
    """A decimal string to 9 places; an infinite end by name, nothing where there is no number."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    return decimal_text(round(value * 10**9))


def beside_document(found: Beside) -> dict[str, Any]:
    """What stands beside the answer for machines; absent where there is nothing."""
    lines = [_line(line) for line in found.lines]
    parts: dict[str, Any] = {"beside": lines} if lines else {}
    if found.adjusted_by:
        parts["adjusted_by"] = found.adjusted_by
    if found.spillover is not None:
        parts["spillover"] = spillover_document(found.spillover)
    return parts


def _line(line: Line) -> dict[str, Any]:
    own: dict[str, Any] = {"part": line.part, "method": line.method, "outcome": line.outcome}
    if line.administration:
        own["administration"] = line.administration
    if line.reason is not None:
        return own | {"not_answered": line.reason.code, "reason": line.reason.message}
    one = line.estimate
    assert one is not None
    own |= {"computed": one.method, "units": one.n_units, "unit": one.unit, "exploratory": one.exploratory}
    own |= {"digests": list(one.digests)}
    if one.n_allocations:
        own["allocations"] = one.n_allocations
    numbers = estimate_numbers(one) | {"p_adjusted": decimal(line.p_adjusted)}
    if line.bounds is not None:
        numbers |= {"lower": decimal(line.bounds.lower), "upper": decimal(line.bounds.upper)}
    if line.sides is not None:
        numbers |= {name: decimal(side.level) for name, side in zip(("started", "waiting"), line.sides, strict=True)}
    own |= {name: value for name, value in numbers.items() if value}
    if line.sensitivity is not None:
        own["interruptions_the_other_way"] = {k: v for k, v in estimate_numbers(line.sensitivity).items() if v}
    return own


def estimate_numbers(one: Estimate) -> dict[str, str]:
    """The figures of an estimate as decimal strings; empty where there is none."""
    names = (
        "estimate", "std_error", "statistic", "df", "p_value", "smallest_p", "conf_low", "conf_high", "level", "mc_error",
    )  # fmt: skip
    return {name: decimal(getattr(one, name)) for name in names}


def spillover_document(found: Spillover) -> dict[str, Any]:
    """Exposure for machines: as drawn, and how probable by the design, by unit and period."""
    it = found.exposed
    names = ("waiting_clean", "waiting_exposed", "started_alone", "started_beside")
    cells = [
        {
            "unit": unit,
            **({"period": period} if period else {}),
            "neighbours_started": decimal(float(it.shares[row, column])),
            **({"condition": names[it.conditions[row, column]]} if it.conditions[row, column] >= 0 else {}),
            "probabilities": [[name, decimal(float(it.probabilities[k, row, column]))] for k, name in enumerate(names)],
        }
        for row, unit in enumerate(it.ids)
        for column, period in enumerate(it.periods)
    ]
    tested = {} if found.test is None else {"test": {k: v for k, v in estimate_numbers(found.test).items() if v}}
    effect = {} if found.effect is None else {"effect": {k: v for k, v in estimate_numbers(found.effect).items() if v}}
    return {
        "exact": it.exact, "pairs": [list(pair) for pair in found.pairs], "focal": list(found.focal), "cells": cells,
        "never": [name.replace(", ", "_").replace(" ", "_") for name in it.never],
        "most_clean": int(np.max(it.most_clean, initial=0)), **tested, **effect,
    }  # fmt: skip


__all__ = ["beside_document", "decimal", "estimate_numbers", "spillover_document"]
