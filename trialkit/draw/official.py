"""Protocol and evidence -> Draw: what the published record holds (specification sections 5, 6.4 and 10)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from trialkit.canonical import FORMAT, digest, jcs, parse
from trialkit.design.assignment import Assignment
from trialkit.design.parts_design import PartsDesign
from trialkit.design.sequential import SequentialDesign
from trialkit.draw.announce import At, design_of, unheard
from trialkit.draw.evidence import check_evidence, grade, hashed_values, seed_of
from trialkit.draw.schema import check_format
from trialkit.draw.stream import PublicChance
from trialkit.errors import DrawError


@dataclass(frozen=True, eq=False, kw_only=True)
class Draw:
    """One draw: everything its record says, and the design it was drawn from.

    ``drand_verified`` tells whether the round's signature was checked by pairing; True where no round is named.
    """

    protocol: Mapping[str, Any]
    protocol_hash: str
    design: PartsDesign | SequentialDesign
    evidence: Sequence[Mapping[str, Any]]
    seed: str
    assignment: Assignment
    drand_verified: bool

    @cached_property
    def result(self) -> dict[str, Any]:
        """The result as the record writes it (section 6.4)."""
        drawn = self.assignment
        found: dict[str, Any] = {"attempt": drawn.attempt, "rank": drawn.rank}
        if isinstance(self.design, SequentialDesign):
            return found | {"lists": [{"stratum": name, "labels": list(labels)} for name, labels in drawn.lists]}
        named = zip(drawn.units.ids, drawn.labels, strict=True)
        if not drawn.positions:
            return found | {"allocation": [{"id": unit, "label": label} for unit, label in named]}
        placed = zip(named, drawn.positions, strict=True)
        return found | {
            "allocation": [{"id": unit, "label": label, "position": place} for (unit, label), place in placed]
        }

    @property
    def grade(self) -> Literal["official", "research"]:
        """Whether nobody alone knew the chance beforehand."""
        return grade(self.protocol)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The record's warnings, sorted."""
        kinds = {source["kind"] for source in self.protocol["entropy"]}
        sealed = self.protocol["design"]["kind"] != SequentialDesign.kind or "commit" in kinds
        found = {
            "W_RESEARCH_ONLY": self.grade == "research",
            "W_DRAND_UNVERIFIED": not self.drand_verified,
            "W_NO_WITNESS": self.protocol["quorum"] == 0,
            "W_NOT_CONCEALED": not sealed,
        }
        return tuple(sorted({*self.design.warnings, *(name for name, warned in found.items() if warned)}))

    def record(self) -> dict[str, Any]:
        """The record as JSON."""
        return {
            "format": FORMAT,
            "kind": "record",
            "protocol": self.protocol,
            "protocol_hash": self.protocol_hash,
            "evidence": list(self.evidence),
            "seed": self.seed,
            "result": self.result,
        }

    @cached_property
    def record_bytes(self) -> bytes:
        """The record's canonical bytes, without a final LF: their SHA-256 is `record_hash`."""
        return jcs(self.record())

    @cached_property
    def record_hash(self) -> str:
        """The SHA-256 that the ledger names."""
        return hashlib.sha256(self.record_bytes).hexdigest()

    def summary(self) -> str:
        """One line for a log."""
        title, units = self.protocol["title"], len(self.assignment.units)
        return f"{title}: {self.design.kind}, {units} units, {self.grade}, record {self.record_hash}"


def official(
    protocol: Mapping[str, Any], evidence: Sequence[Mapping[str, Any]], *, bls: bool = False, at: At = unheard
) -> Draw:
    """The draw that ``protocol`` and ``evidence`` decide: nothing is left to choose.

    Parameters
    ----------
    protocol : a prepared protocol
    evidence : one object per source, in the same order
    bls : also check the drand signature by pairing (seconds); needs ``py-ecc``
    at : told each step of section 10 as it begins

    Raises
    ------
    TrialkitError
        The first failure of steps 4 and 6 to 13, by the specification's name.
    """
    design = design_of(protocol, at)
    return _drawn(protocol, digest(protocol), design, evidence, bls=bls, at=at)


def _drawn(
    protocol: Mapping[str, Any],
    protocol_hash: str,
    design: PartsDesign | SequentialDesign,
    evidence: Sequence[Mapping[str, Any]],
    *,
    bls: bool,
    at: At,
    claimed_seed: str | None = None,
) -> Draw:
    """Steps 11 to 13, without comparing the result."""
    at(11)
    by_hand = check_evidence(protocol, design, evidence, bls=bls)
    at(12)
    seed = seed_of(protocol_hash, hashed_values(protocol, evidence))
    if claimed_seed is not None and claimed_seed != seed:
        raise _other("E_SEED", "seed", "frø", claimed_seed, seed)
    at(13)
    return Draw(
        protocol=protocol,
        protocol_hash=protocol_hash,
        design=design,
        evidence=evidence,
        seed=seed,
        assignment=by_hand or design.assign(PublicChance(seed)),
        drand_verified=bls or not any(source["kind"] == "drand" for source in protocol["entropy"]),
    )


def redraw(data: bytes, *, bls: bool = False, at: At = unheard) -> Draw:
    """The draw of a published record, drawn again; trusts nothing stored (steps 1 to 13).

    Raises
    ------
    TrialkitError
        The first failure, by the specification's name.
    """
    at(1)
    record = parse(data)
    at(2)
    if not isinstance(record, dict) or (record.get("format"), record.get("kind")) != (FORMAT, "record"):
        raise _no_record("E_FORMAT", "its format and kind are not a record's", "format og kind er ikke en resultatfils")
    at(3)
    _check_members(record)
    protocol, stated = record["protocol"], record["protocol_hash"]
    at(4)
    check_format(protocol)
    at(5)
    if (found := digest(protocol)) != stated:
        raise _other("E_PROTOCOL_HASH", "protocol hash", "fingeraftryk af protokollen", stated, found)
    design = design_of(protocol, lambda step: at(max(step, 6)))
    drawn = _drawn(protocol, found, design, record["evidence"], bls=bls, at=at, claimed_seed=record["seed"])
    if jcs(drawn.result) != jcs(record["result"]):
        raise _other("E_RESULT", "result", "resultat", digest(record["result"]), digest(drawn.result))
    return drawn


_RECORD_MEMBERS = {
    "format": str, "kind": str, "protocol": dict, "protocol_hash": str, "evidence": list, "seed": str, "result": dict,
}  # fmt: skip


def _check_members(record: Mapping[str, Any]) -> None:
    if record.keys() != _RECORD_MEMBERS.keys():
        raise _no_record("E_SCHEMA", "members are missing or unknown", "medlemmer mangler eller er ukendte")
    for name, kind in _RECORD_MEMBERS.items():
        if not isinstance(record[name], kind):
            raise _no_record("E_SCHEMA", f"{name} has the wrong type", f"{name} har forkert type")


def _no_record(code: str, why: str, hvorfor: str) -> DrawError:
    return DrawError(
        f"This is not the record of a draw ({why}), so there is nothing to draw again. Choose the published "
        "record.json.",
        da=f"Det er ikke resultatfilen fra en lodtrækning ({hvorfor}), så der er intet at trække om. Vælg den "
        "offentliggjorte record.json.",
        code=code,
    )


def _other(code: str, what: str, hvad: str, stated: str, found: str) -> DrawError:
    return DrawError(
        f"The record states the {what} {stated}, and drawing again gives {found}: something was changed. "
        "Compare it with the file that was published on the day.",
        {"stated": stated, "found": found},
        da=f"Resultatfilen angiver {hvad} {stated}, men en ny udregning giver {found}: noget er ændret. "
        "Sammenlign med den fil, der blev offentliggjort på dagen.",
        code=code,
    )
