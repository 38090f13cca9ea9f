"""Designs in one line, for scripts.

Units are a `Units`, or any iterable of ids and `Unit`s.  What a unit carries (block, cluster, tier, fixed label) can
also be given as a mapping from id; the mapping wins.  Every constructor raises `UnitsError` for names that cannot be
published and `DesignError` for a design that cannot be drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from trialkit.canonical import nfc
from trialkit.design.constraint import Constraint
from trialkit.design.labels import Label, Quota, placed, weighted
from trialkit.design.parts_design import PartsDesign
from trialkit.design.sequential import SequentialDesign
from trialkit.errors import UnitsError
from trialkit.units import Unit, Units, check_names

Listed = Units | Iterable[Unit | str]
Level = Literal["unit", "cluster"]
Method = Literal["shuffle", "rank"]


def complete(
    units: Listed,
    weights: Mapping[str, int],
    *,
    level: Level = "unit",
    constraint: Constraint | None = None,
    method: Method = "shuffle",
    clusters: Mapping[str, str] | None = None,
    fixed: Mapping[str, str] | None = None,
) -> PartsDesign:
    """One draw over all units (or clusters), arms in proportion to whole-number ``weights``."""
    found = _units(units, cluster=clusters, fixed=fixed)
    return _design("complete", found, weighted(weights), level=level, constraint=constraint, method=method)


def blocked(
    units: Listed,
    weights: Mapping[str, int],
    *,
    blocks: Mapping[str, str] | None = None,
    level: Level = "unit",
    constraint: Constraint | None = None,
    method: Method = "shuffle",
    clusters: Mapping[str, str] | None = None,
    fixed: Mapping[str, str] | None = None,
) -> PartsDesign:
    """One draw per block (stratum), arms in proportion to ``weights`` within each."""
    found = _units(units, block=blocks, cluster=clusters, fixed=fixed)
    return _design("blocked", found, weighted(weights), level=level, constraint=constraint, method=method)


def matched(
    units: Listed,
    weights: Mapping[str, int],
    *,
    blocks: Mapping[str, str] | None = None,
    level: Level = "unit",
    constraint: Constraint | None = None,
    method: Method = "shuffle",
    clusters: Mapping[str, str] | None = None,
) -> PartsDesign:
    """Pairs or tuples: every block holds exactly as many items as the weights sum to."""
    found = _units(units, block=blocks, cluster=clusters)
    return _design("matched", found, weighted(weights), level=level, constraint=constraint, method=method)


def stepped_wedge(
    units: Listed,
    places: Mapping[str, int],
    *,
    level: Level = "unit",
    constraint: Constraint | None = None,
    method: Method = "shuffle",
    clusters: Mapping[str, str] | None = None,
    fixed: Mapping[str, str] | None = None,
) -> PartsDesign:
    """Waves whose places sum to the number of items; fixed units occupy places."""
    found = _units(units, cluster=clusters, fixed=fixed)
    return _design("stepped_wedge", found, placed(places), level=level, constraint=constraint, method=method)


def blocked_wedge(
    units: Listed,
    labels: Sequence[str],
    quotas: Mapping[str, Sequence[int]],
    *,
    blocks: Mapping[str, str] | None = None,
    level: Level = "unit",
    constraint: Constraint | None = None,
    method: Method = "shuffle",
    clusters: Mapping[str, str] | None = None,
    fixed: Mapping[str, str] | None = None,
) -> PartsDesign:
    """Waves within blocks: ``quotas`` gives each block its places per label."""
    found = _units(units, block=blocks, cluster=clusters, fixed=fixed)
    listed = sorted((Quota(nfc(block), tuple(places)) for block, places in quotas.items()), key=_by_block)
    named = tuple(Label(name) for name in labels)
    return _design(
        "blocked_wedge", found, named, level=level, constraint=constraint, method=method, quotas=tuple(listed)
    )


def rollout(
    units: Listed,
    places: Mapping[str, int],
    *,
    level: Level = "unit",
    method: Method = "shuffle",
    clusters: Mapping[str, str] | None = None,
    fixed: Mapping[str, str] | None = None,
) -> PartsDesign:
    """Waves with capacities, filled in order; who gets none is ``waiting``."""
    found = _units(units, cluster=clusters, fixed=fixed)
    return _design("rollout", found, placed(places), level=level, method=method)


def lottery(
    units: Listed,
    places: int,
    *,
    tiers: Mapping[str, int] | None = None,
    level: Level = "unit",
    method: Method = "shuffle",
    clusters: Mapping[str, str] | None = None,
) -> PartsDesign:
    """An order of priority, tier 1 first (everybody's tier unless given); the first ``places`` get an offer."""
    tiered = _units(units, cluster=clusters, tier=tiers).map(lambda unit: replace(unit, tier=unit.tier or 1))
    return _design("lottery", tiered, (), level=level, method=method, places=places)


def sequential(
    strata: Sequence[str], weights: Mapping[str, int], blocks: Sequence[int], length: int
) -> SequentialDesign:
    """Lists of ``length`` labels in permuted blocks, one per stratum, for people who come later."""
    names = tuple(nfc(name) for name in strata)
    check_names(names, "strata", "strata")
    labels = tuple(replace(label, name=nfc(label.name)) for label in weighted(weights))
    check_names([label.name for label in labels], "labels", "navnene")
    return SequentialDesign(labels=labels, strata=names, blocks=tuple(blocks), length=length)


def _design(kind: str, units: Units, labels: tuple[Label, ...], **members: Any) -> PartsDesign:
    normal = tuple(replace(label, name=nfc(label.name)) for label in labels)
    check_names([label.name for label in normal], "labels", "navnene")
    for member, da in (("block", "blokke"), ("cluster", "klynger")):
        names = {getattr(unit, member) for unit in units} - {None}
        check_names(sorted(names), f"{member}s", da)
    return PartsDesign(kind=kind, units=units, labels=normal, **members)


def _units(units: Listed, **given: Mapping[str, Any] | None) -> Units:
    """The units with what the mappings say of them; texts in NFC."""
    found = units if isinstance(units, Units) else Units.of(units)
    for member, mapping in given.items():
        if mapping is not None:
            found = _with(found, member, {nfc(unit): value for unit, value in mapping.items()})
    return found


def _with(units: Units, member: str, values: Mapping[str, Any]) -> Units:
    if unknown := sorted(set(values) - set(units.ids)):
        raise UnitsError(
            f"A {member} is given for {unknown[0]!r}, which is not among the units, so it would be lost. Correct it.",
            {"units": unknown},
            da=f"Der er angivet {member} for {unknown[0]!r}, som ikke er blandt enhederne, så det ville gå tabt. "
            "Ret det.",
        )
    normal: dict[str, Any] = {key: nfc(value) if isinstance(value, str) else value for key, value in values.items()}
    return units.map(lambda unit: replace(unit, **{member: normal[unit.id]}) if unit.id in normal else unit)


def _by_block(quota: Quota) -> bytes:
    return quota.block.encode()
