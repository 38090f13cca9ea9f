"""Assignments as tests write them: who was treated, in which block and cluster."""

from __future__ import annotations

from trialkit.design import Assignment
from trialkit.units import Unit, Units

ARMS = ("new", "usual")


def lot(treated, blocks=None, clusters=None, ids=None) -> Assignment:
    ids = ids or [f"u{k:03d}" for k in range(len(treated))]
    units = [Unit(id=ids[k], block=blocks and blocks[k], cluster=clusters and clusters[k]) for k in range(len(treated))]
    labels = {ids[k]: "new" if z else "usual" for k, z in enumerate(treated)}
    found = Units.of(units)
    return Assignment(units=found, labels=tuple(labels[unit.id] for unit in found))
