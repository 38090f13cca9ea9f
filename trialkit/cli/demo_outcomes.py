"""The demonstration's outcomes: made up in a world that is written down beside them, with a known effect."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from trialkit.canonical import decimal_text, jcs
from trialkit.design.parts_design import PartsDesign
from trialkit.draw.official import Draw
from trialkit.draw.publish import replace as write
from trialkit.panel import Panel
from trialkit.power.outlook import setting
from trialkit.power.studies import planned_world
from trialkit.trial import Trial

EFFECT: Final = 0.08  # more than twice the smallest worth finding: a demonstration should have something to find
ICC: Final = 0.005  # the lowest of the draft's planning figures
MONTHS: Final = tuple(f"{year}-{month:02d}" for year in (2011, 2012) for month in range(1, 13))
FILE, TRUTH = "synthetic_outcomes.csv", "synthetic_truth.json"


def write_outcomes(trial: Trial, drawn: Draw) -> Path:
    """Write the outcomes of the drawn order and, beside them, the truth they were made from; the outcomes' file.

    The stream is seeded by the draw's record, so that whoever has the record can make them again.
    """
    design, protocol, people = drawn.design, trial.promised, trial.population()
    assert isinstance(design, PartsDesign)
    starts = tuple({wave.id: wave.start for wave in protocol.waves}[name] for name in design.label_names)
    world = planned_world(protocol, people, design, setting(protocol), "rising", starts, periods=MONTHS)
    world = replace(world, ramp=0.0, icc=ICC).with_effect(EFFECT)  # at once, so that the effect is the one estimated
    codes = np.array([design.label_names.index(label) for label in drawn.assignment.labels])
    made = world.panel(codes, np.random.default_rng(seed_of(drawn.record_hash)))
    truth = {
        "synthetic": "yes",
        "seed": str(seed_of(drawn.record_hash)),
        "baseline": _text(world.baseline),
        "trend": _text(world.trend),
        "icc": _text(world.icc),
        "cac": _text(world.cac),
        "effect": _text(world.effect),
        "spillover": _text(world.spillover),
    }
    write(trial.folder / TRUTH, jcs(truth))
    write(trial.folder / FILE, _csv(made))
    return trial.folder / FILE


def seed_of(record_hash: str) -> int:
    """The world's seed: the first sixteen digits of the record's SHA-256; not the stream of a Monte Carlo test."""
    return int(record_hash[:16], 16)


def _text(value: float) -> str:
    return decimal_text(round(value * 10**9))


def _csv(made: Panel) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["synthetic", "unit", "month", "numerator", "denominator"])
    for row, unit in enumerate(made.units):
        for column, month in enumerate(made.periods):
            counts = (int(part[row, column]) for part in (made.numerator, made.denominator))
            writer.writerow(["yes", unit, month, *counts])
    return out.getvalue().encode()


__all__ = ["EFFECT", "FILE", "TRUTH", "seed_of", "write_outcomes"]
