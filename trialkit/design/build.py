"""Design <-> the members ``method``, ``design`` and ``units`` of a draw protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trialkit.design.constraint import Constraint, Mahalanobis, Tolerance
from trialkit.design.kind import Kind
from trialkit.design.labels import Label, Quota
from trialkit.design.parts_design import PartsDesign
from trialkit.design.sequential import SequentialDesign
from trialkit.errors import DesignError
from trialkit.units import Unit, Units

_NO_FACTS: Mapping[str, str] = {}  # shared: a million empty mappings would be the largest thing in memory


def from_spec(
    method: str, design: Mapping[str, Any], units: Sequence[Mapping[str, Any]]
) -> PartsDesign | SequentialDesign:
    """The design of a draw protocol whose members have passed the schema (specification sections 4.1 and 4.2).

    Raises
    ------
    DesignError
        A design that cannot be drawn, in the order of section 10 step 9; an unknown kind.
    UnitsError
        ``E_ORDER``: units out of canonical order.
    """
    labels = tuple(Label(**label) for label in design.get("labels", ()))
    if design["kind"] == SequentialDesign.kind:
        return SequentialDesign(
            labels=labels,
            strata=tuple(design["strata"]),
            blocks=tuple(design["blocks"]),
            length=design["length"],
            method=method,  # type: ignore[arg-type]
        )
    constraint = design.get("constraint")
    return PartsDesign(
        kind=design["kind"],
        units=Units(tuple(_unit(unit) for unit in units)),
        labels=labels,
        level=design["level"],
        method=method,  # type: ignore[arg-type]
        quotas=tuple(Quota(quota["block"], tuple(quota["places"])) for quota in design.get("quotas", ())),
        places=design.get("places", 0),
        constraint=_constraint(constraint) if constraint else None,
    )


def _unit(unit: Mapping[str, Any]) -> Unit:
    return Unit(
        id=unit["id"],
        block=unit.get("block"),
        cluster=unit.get("cluster"),
        tier=unit.get("tier"),
        fixed=unit.get("fixed"),
        x=tuple(unit.get("x", ())),
        facts=_NO_FACTS,
    )


def _constraint(spec: Mapping[str, Any]) -> Constraint:
    names, most = tuple(spec["covariates"]), spec["max_attempts"]
    if spec["kind"] == "tolerance":
        return Tolerance(covariates=names, tolerances=tuple(spec["tolerances"]), max_attempts=most)
    if spec["kind"] == "mahalanobis":
        return Mahalanobis(covariates=names, threshold=spec["threshold"], max_attempts=most)
    raise DesignError(
        f"There is no constraint called {spec['kind']!r}; use tolerance or mahalanobis, for another rule would accept "
        "other allocations.",
        {"kind": spec["kind"]},
        da=f"Der er intet balancekrav, der hedder {spec['kind']!r}; brug tolerance eller mahalanobis, for en anden "
        "regel ville godtage andre tildelinger.",
    )


def to_spec(design: PartsDesign | SequentialDesign) -> dict[str, Any]:
    """The members ``method``, ``design`` and ``units`` that commit this design: the inverse of `from_spec`.

    Only what the kind reads is written; a unit's block, say, stays out of a complete design.
    """
    labels = [label.spec() for label in design.labels]
    if isinstance(design, SequentialDesign):
        found = {"strata": list(design.strata), "blocks": list(design.blocks), "length": design.length}
        return {"method": design.method, "design": {"kind": design.kind, "labels": labels, **found}, "units": []}
    spec: dict[str, Any] = {"kind": design.kind, "level": design.level}
    if design.labels:
        spec["labels"] = labels
    else:
        spec["places"] = design.places
    if design.quotas:
        spec["quotas"] = [quota.spec() for quota in design.quotas]
    if design.constraint:
        spec["constraint"] = design.constraint.spec()
    return {"method": design.method, "design": spec, "units": [_unit_spec(design, unit) for unit in design.units]}


def _unit_spec(design: PartsDesign, unit: Unit) -> dict[str, Any]:
    kind: Kind = design.rules
    read = {
        "block": unit.block if kind.block else None,
        "cluster": unit.cluster if design.level == "cluster" else None,
        "tier": unit.tier if kind.tier else None,
        "fixed": unit.fixed,
        "x": list(unit.x) if design.constraint else None,
    }
    return {"id": unit.id} | {member: value for member, value in read.items() if value is not None}
