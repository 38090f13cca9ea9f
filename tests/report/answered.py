"""Findings without a folder: a shipped trial, drawn by a published seed, with outcomes that a test makes up."""

from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import numpy as np

from trialkit.canonical import digest
from trialkit.design.compile import build
from trialkit.draw.announce import prepare
from trialkit.draw.official import official
from trialkit.draw.sources import announce
from trialkit.estimate.beside import Beside, beside
from trialkit.estimate.neighbours import Map
from trialkit.estimate.registered import chance_of, registered
from trialkit.panel import Panel
from trialkit.population import population
from trialkit.protocol.load import load
from trialkit.protocol.plan import plan, plan_hash
from trialkit.report.findings import Findings

PROTOCOLS = Path(__file__).parents[2] / "protocols"
MONTHS = tuple(f"2012-{month:02d}" for month in range(1, 13))
QUARTERS = ("2023q1", "2023q2", "2023q3", "2023q4")


@cache
def drawn(name):
    """Protocol, plan and draw of a shipped trial."""
    folder = PROTOCOLS / name
    protocol = load(folder / "draft.yaml")
    people = population(protocol, folder)
    document = plan(protocol, people.units, people.outside)
    said = announce(
        protocol, build(protocol, people.units), draw_id=protocol.protocol, plan_hash=plan_hash(document),
        rehearsal="PRØVE 1", published=datetime(2012, 1, 1, tzinfo=UTC), commitments=None,
    )  # fmt: skip
    said["draw_id"], said["title"] = protocol.protocol, protocol.title.told("en")
    return protocol, document, official(prepare(said), [{"kind": "published"}])


def findings(
    name="copenhagen_2012_rollout", *, periods=MONTHS, share=0.06, effect=0.0, people=60, seed=1, snapshot="ab" * 32,
    protocol=None, counts=None, others=None, **marks,
):  # fmt: skip
    """An answer on binomial counts; ``counts`` replaces (numerator, denominator), ``marks`` go to the panel.

    ``others``: outcome id -> what its numerators are multiplied by; with them everything beside the answer is answered too.
    """
    own, document, draw = drawn(name)
    protocol = protocol or own
    pilots = [unit["id"] for unit in document.get("outside", ())]
    units = tuple(sorted([*draw.assignment.units.ids, *pilots], key=str.encode))
    rng = np.random.default_rng(seed)
    first = {
        unit: label == draw.design.label_names[0] for unit, label in zip(units, labels_of(draw, units), strict=True)
    }
    rate = share + effect * np.array([first[unit] for unit in units])[:, None]
    bottom = np.full((len(units), len(periods)), float(people))
    top = rng.binomial(people, np.broadcast_to(rate, bottom.shape)).astype(float)
    if counts is not None:
        top, bottom = counts(top, bottom, units)
    panel = Panel(units=units, periods=periods, numerator=top, denominator=bottom, **{"synthetic": True, **marks})
    answer = registered(protocol, draw.design, draw.assignment, panel, rng=chance_of(digest(draw.record())))
    found = Beside()
    if others is not None:
        people_ = population(protocol, PROTOCOLS / name)
        steps = {outcome.id: outcome.unit or outcome.type for outcome in protocol.outcomes}
        panels = {
            key: replace(panel, numerator=panel.numerator[:, ::-1] * times, unit=steps[key])
            for key, times in others.items()
        }
        outside = [(pilot.unit.id, pilot.group.arm or "") for pilot in people_.pilots]
        found = beside(
            protocol, draw.design, draw.assignment, {protocol.estimand.what: panel, **panels},
            neighbours=Map.of(protocol, people_.touching, outside), rng=chance_of(digest(draw.record())),
        )  # fmt: skip
    return Findings(
        protocol=protocol, plan=document, record=draw.record(), answer=answer, panel=panel, as_of=date(2013, 1, 5),
        snapshot=snapshot, unfinished=np.zeros(top.shape, bool), beside=found,
    )  # fmt: skip


def labels_of(draw, units):
    """What each unit drew; empty for a pilot."""
    known = dict(zip(draw.assignment.units.ids, draw.assignment.labels, strict=True))
    return [known.get(unit, "") for unit in units]
