"""The plan: a protocol as one canonical document, and its fingerprint.

Decimals are their shortest plain strings, days and moments ISO strings, a map whose keys a person chose an array of
pairs in canonical order, and what is not said is absent.  So nothing about the draft's form (order of keys, quotes,
comments, Unicode form) can change the fingerprint, and everything it means does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from trialkit.canonical import digest
from trialkit.errors import ProtocolError
from trialkit.protocol import rules
from trialkit.protocol.model import SCHEMA_VERSION, Protocol
from trialkit.protocol.text import shortest
from trialkit.units import Unit

FORMAT: Final = f"trialkit-plan/{SCHEMA_VERSION}"


def plan(
    protocol: Protocol,
    units: Iterable[Unit] = (),
    outside: Iterable[Unit] = (),
    touching: Iterable[tuple[str, str]] = (),
) -> dict[str, Any]:
    """The canonical document of a protocol: what ``plan.json`` holds.

    Parameters
    ----------
    protocol : what was promised
    units : the units the lot is drawn among, in canonical order; left out where people come one by one or queue up,
        since each draw then has its own
    outside : units whose arm was known beforehand and is not drawn (pilots); ``fixed`` is their arm
    touching : pairs of ids that are neighbours, where the protocol names a list of them; those of other units are left out

    Of a unit's facts only the columns that the protocol names are written, so that a column nobody asked for is
    never published.
    """
    named = set(columns(protocol))
    document: dict[str, Any] = {"format": FORMAT, "kind": "plan", "protocol": _written(protocol)}
    if protocol.units.created is not None:
        return document
    for member, listed in (("units", units), ("outside", outside)):
        if found := [_unit(unit, named) for unit in listed]:
            document[member] = found
    known = {unit["id"] for member in ("units", "outside") for unit in document.get(member, ())}
    pairs = sorted({(min(pair), max(pair)) for pair in touching if known.issuperset(pair)})
    if protocol.units.neighbours is not None and pairs:
        document["neighbours"] = [list(pair) for pair in pairs]
    return document


def plan_hash(document: Mapping[str, Any]) -> str:
    """The plan's fingerprint: SHA-256 of its canonical bytes, 64 hex digits."""
    return digest(document)


def from_plan(document: Mapping[str, Any]) -> Protocol:
    """The protocol a plan holds: the inverse of `plan`.

    Raises
    ------
    ProtocolError
        Not a plan of this version, or not in the canonical form `plan` writes (code ``E_PLAN``).
    """
    if document.get("format") != FORMAT or document.get("kind") != "plan":
        raise _not_a_plan(f"its format is {document.get('format')!r}, not {FORMAT!r}")
    try:
        found = Protocol.model_validate(document.get("protocol"))
    except ValidationError as error:
        first = error.errors()[0]
        raise _not_a_plan(f"{'.'.join(map(str, first['loc']))} does not hold what is asked there") from None
    if _written(found) != document["protocol"]:
        raise _not_a_plan("it is not written the way trialkit writes a plan")
    return found


def columns(protocol: Protocol) -> tuple[str, ...]:
    """The columns of the list of units that the protocol names, each once."""
    listed = protocol.units
    asked = [*protocol.eligible, *(aside.rule for aside in protocol.never_in_lottery), listed.where or ""]
    in_rules = [name for rule in asked if rule for name in rules.columns(rules.parse(rule))]
    balanced = [name for rule in protocol.balance for name in (rule.variable, *rule.variables)]
    joined = listed.joined_with.columns if listed.joined_with else ()
    single = [listed.size, listed.wave_column, protocol.matched, protocol.clusters]
    priority = protocol.lottery.priority if protocol.lottery else None
    adjusting = [name for _, method in protocol.analysis.methods for name in method.adjust]
    every = [*single, priority, *listed.columns, *joined, *in_rules, *protocol.strata.columns, *balanced, *adjusting]
    return tuple(dict.fromkeys(name for name in every if name))


def _written(value: Any) -> Any:
    """A part of the protocol in the plan's form."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        members = {field.alias or name: getattr(value, name) for name, field in fields.items()}
        return {name: _written(member) for name, member in members.items() if member is not None}
    if isinstance(value, Mapping):
        return [[key, _written(value[key])] for key in sorted(value, key=str.encode)]
    if isinstance(value, (tuple, list)):
        return [_written(item) for item in value]
    if isinstance(value, Decimal):
        return shortest(format(value, "f"))
    return value.isoformat() if isinstance(value, date) else value


def _unit(unit: Unit, named: set[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"id": unit.id}
    if unit.name:
        found["name"] = unit.name
    if unit.fixed is not None:
        found["fixed"] = unit.fixed
    if facts := [[key, unit.facts[key]] for key in sorted(named, key=str.encode) if key in unit.facts]:
        found["facts"] = facts
    return found


def _not_a_plan(why: str) -> ProtocolError:
    return ProtocolError(
        f"The plan cannot be used: {why}. A plan that was changed after it was committed binds nobody. Use the plan.json "
        "exactly as `trialkit commit` wrote it.",
        da=f"Planen kan ikke bruges ({why}). En plan, der er ændret, efter at den blev bundet, forpligter ingen. Brug "
        "plan.json præcis, som `trialkit commit` skrev den.",
        code="E_PLAN",
    )
