"""Replay the published vectors: does this program draw, and check, as the specification says? (section 11)"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from trialkit.canonical import digest, jcs, nfc, parse, text_fault
from trialkit.design.parts import arrangements, shuffle, unrank
from trialkit.draw import drand, witness
from trialkit.draw.announce import prepare
from trialkit.draw.evidence import commitment
from trialkit.draw.official import official
from trialkit.draw.stream import PublicChance
from trialkit.draw.verify import Verdict, verify_ledger, verify_record
from trialkit.errors import TrialkitError

Vector = Mapping[str, Any]
Outcome = Literal["passed", "failed", "skipped"]
Replay = Callable[[str, Vector, bool], "Iterator[Checked]"]


@dataclass(frozen=True, slots=True)
class Checked:
    """One check: its list, its name and how it went; ``why`` where it did not pass."""

    group: str
    name: str
    outcome: Outcome
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many checks passed, failed and were skipped (those that need BLS), and which failed."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[Checked] = field(default_factory=list)

    @classmethod
    def of(cls, checks: Sequence[Checked]) -> Counts:
        """The counts of finished checks."""
        outcomes = [check.outcome for check in checks]
        return cls(
            passed=outcomes.count("passed"),
            failed=outcomes.count("failed"),
            skipped=outcomes.count("skipped"),
            failures=[check for check in checks if check.outcome == "failed"],
        )


def replay(vectors: Mapping[str, Any], *, bls: bool = True) -> Counts:
    """Replay all vectors.  Without ``bls``, or without py-ecc, checks that need it are skipped and counted so."""
    return Counts.of(list(checks(vectors, bls=bls)))


def total(vectors: Mapping[str, Any]) -> int:
    """How many checks the file holds, by the counting of section 11."""
    return sum(_size(name, vector) for name in _REPLAY for vector in vectors.get(name, ())) + ("drand_chain" in vectors)


def _size(group: str, vector: Any) -> int:
    if group == "uniform":
        return len(vector["moduli"]) if isinstance(vector, dict) and isinstance(vector.get("moduli"), list) else 1
    return 2 if group == "records_bls" else 1


def is_vector_file(found: Any) -> bool:
    """Whether ``found`` holds lists of vectors, and at least one that is known here."""
    lists = [found[name] for name in _REPLAY if name in found] if isinstance(found, dict) else []
    return bool(lists) and all(isinstance(one, list) for one in lists)


def checks(vectors: Mapping[str, Any], *, bls: bool = True) -> Iterator[Checked]:
    """Every check as it is done, for a progress bar; a list the file does not hold has no checks."""
    pairing = bls and drand.available()
    for group, test in _REPLAY.items():
        for vector in vectors.get(group, ()):
            yield from _replayed(group, test, vector, pairing)
    if "drand_chain" in vectors:
        yield from _replayed(
            "drand_chain", lambda group, vector, pairing: iter([_chain(vector)]), vectors["drand_chain"], pairing
        )


def _replayed(group: str, test: Replay, vector: Vector, pairing: bool) -> Iterator[Checked]:
    """The checks of one vector; one that is no vector of its list fails, whatever it is."""
    try:
        yield from test(group, vector, pairing)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        yield Checked(group, "?", "failed", f"this is no vector of the list: {error!r}"[:2000])


def _compared(group: str, name: str, found: object, wanted: object) -> Checked:
    if found == wanted:
        return Checked(group, name, "passed")
    return Checked(group, name, "failed", f"found {found!r}, expected {wanted!r}"[:2000])


def _canonical(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    found = jcs(vector["value"])
    wanted = vector["jcs"].encode(), vector["sha256"]
    yield _compared(group, vector["name"], (found, hashlib.sha256(found).hexdigest()), wanted)


def _parse(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    yield _compared(group, vector["name"], _code(lambda: parse(bytes.fromhex(vector["bytes_hex"]))), vector["expect"])


def _text(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    text = nfc(vector["input"])
    if text_fault(text):
        yield _compared(group, vector["name"], "E_TEXT", vector["expect"])
    else:
        yield _compared(group, vector["name"], ("OK", text), (vector["expect"], vector["output"]))


def _stream(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    found = PublicChance(vector["seed"]).stream(*vector["label"]).read(vector["bytes"]).hex()
    yield _compared(group, vector["name"], found, vector["hex"])


def _uniform(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    stream = PublicChance(vector["seed"]).stream(*vector["label"])
    for modulus, value in zip(vector["moduli"], vector["values"], strict=True):
        yield _compared(group, f"{vector['name']} below {modulus}", str(stream.below(int(modulus))), value)


def _shuffle(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    found = shuffle(range(vector["n"]), PublicChance(vector["seed"]).stream(*vector["label"]))
    order = vector.get("order", found)
    yield _compared(group, vector["name"], (digest(found), found), (vector["sha256"], order))


def _rank(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    counts = vector["counts"]
    found = str(arrangements(counts)), unrank(counts, int(vector["rank"]))
    yield _compared(group, vector["name"], found, (vector["total"], vector["arrangement"]))


def _commitment(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    found = commitment(vector["draw_id"], vector["party"], vector["secret"])
    yield _compared(group, vector["name"], found, vector["commitment"])


def _draw(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    """Prepare and draw without BLS; every expected member is compared, and the record must verify."""
    wanted = vector["expect"]
    try:
        draw = official(prepare(_with_units(vector["draft"])), vector["evidence"])
    except TrialkitError as error:
        yield _compared(group, vector["name"], error.code, wanted.get("error", "OK"))
        return
    result = draw.result
    known: dict[str, Callable[[], object]] = {
        "protocol_hash": lambda: draw.protocol_hash,
        "seed": lambda: draw.seed,
        "result": lambda: result,
        "result_sha256": lambda: digest(result),
        "record_sha256": lambda: draw.record_hash,
        "grade": lambda: draw.grade,
        "warnings": lambda: list(draw.warnings),
        "error": lambda: "OK",
    }
    found = {name: known[name]() if name in known else "unknown" for name in wanted}
    verified = verify_record(draw.record_bytes, bls=False)
    found_all = (found, verified.failure, list(verified.warnings))
    yield _compared(group, vector["name"], found_all, (wanted, "", list(draw.warnings)))


def _with_units(draft: Vector) -> dict[str, Any]:
    """The draft, with its units written out where a rule stands for them."""
    found = dict(draft)
    if rule := found.pop("units_rule", None):
        numbers = range(rule["from"], rule["to"] + 1)
        ids = (f"{rule['prefix']}{number:0{rule['width']}d}" for number in numbers)
        found["units"] = [{"id": unit, **rule["members"]} for unit in ids]
    return found


def _record(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    found = verify_record(vector["record"].encode(), bls=False)
    yield _compared(group, vector["name"], _told(found), (vector["expect"], vector["warnings"]))


def _record_bls(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    for how, pairing in (("without", False), ("with", True)):
        name = f"{vector['name']}, {how} BLS"
        if pairing and not bls:
            yield Checked(group, name, "skipped")
            continue
        found = verify_record(vector["record"].encode(), bls=pairing)
        wanted = vector[f"expect_{how}_bls"], vector[f"warnings_{how}_bls"]
        yield _compared(group, name, _told(found), wanted)


def _ledger(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    found = _verified(vector, bls=False)
    yield _compared(group, vector["name"], _told(found), (vector["expect"], vector["warnings"]))


def _confirmed(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    if vector["bls"] and not bls:
        yield Checked(group, vector["name"], "skipped")
    else:
        yield _compared(group, vector["name"], _verified(vector, bls=vector["bls"]).confirmed, vector["confirmed"])


def _verified(vector: Vector, *, bls: bool) -> Verdict:
    record = vector["record"].encode() if "record" in vector else None
    return verify_ledger(vector["ledger"].encode(), record, vector.get("head"), bls=bls)


def _witness(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    data = witness.message(vector["stage"], vector["hash"], vector["head"], vector["time"])
    found = data.decode(), witness.verify(vector["public_key"], data, vector["signature"])
    yield _compared(group, vector["name"], found, (vector["message"], vector["valid"]))


def _drand(group: str, vector: Vector, bls: bool) -> Iterator[Checked]:
    if not bls:
        yield Checked(group, vector["name"], "skipped")
        return
    signature = vector["signature"]
    found = (
        drand.verify_signature(vector["round"], signature),
        drand.round_stamp(vector["round"]),
        drand.randomness(signature),
    )
    yield _compared(group, vector["name"], found, (vector["valid"], vector["time"], vector["randomness"]))


def _chain(vector: Vector) -> Checked:
    """The numbers of the vector, and ours, hash to the chain's name."""
    told: list[Any] = [vector[name] for name in ("period", "genesis_time", "public_key", "group_hash", "beacon_id")]
    ours: list[Any] = [drand.PERIOD, drand.GENESIS, drand.PUBLIC_KEY, drand.GROUP_HASH, drand.BEACON]
    found = drand.chain_hash(*told), drand.chain_hash(*ours), drand.CHAIN
    return _compared("drand_chain", vector["name"], found, (vector["chain_hash"],) * 3)


def _told(verdict: Verdict) -> tuple[str, list[str]]:
    return verdict.failure or "OK", list(verdict.warnings)


def _code(step: Callable[[], object]) -> str:
    try:
        step()
    except TrialkitError as error:
        return error.code
    return "OK"


_REPLAY: Final[Mapping[str, Replay]] = {
    "canonical": _canonical,
    "parse": _parse,
    "text": _text,
    "stream": _stream,
    "uniform": _uniform,
    "shuffle": _shuffle,
    "rank": _rank,
    "commitments": _commitment,
    "draws": _draw,
    "records": _record,
    "records_bls": _record_bls,
    "ledgers": _ledger,
    "confirmed": _confirmed,
    "witness": _witness,
    "drand": _drand,
}
