"""Honest draws to be damaged: protocols of every kind with witnesses, their records, and the ledgers told of them.

Everything here hashes and signs without asking whether it may: a damaged draw must be as consistent as its forger can
make it, so that only the rule that was meant is broken.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed

from tests.draw.golden.make import CASES, DRAND, PULSE
from tests.strategies import draws
from trialkit.canonical import NO_HASH
from trialkit.design.build import from_spec
from trialkit.draw.announce import prepare
from trialkit.draw.drand import round_stamp
from trialkit.draw.evidence import hashed_values
from trialkit.draw.official import Draw, official
from trialkit.draw.stream import PublicChance
from trialkit.draw.witness import public_key, sign
from trialkit.errors import TrialkitError

Json = dict[str, Any]

FORMAT = "trialkit-draw/1"
DAY = "2023-08-23T"  # quicknet's round 1000, which every drand source here names, came at 15:59:24
ROUND = round_stamp(1000)
MORNING, AFTERNOON, EVENING = 600, 900, 960  # minutes: before the round, shortly before it, after it
KEYS = {"Borgerrådgiveren": "01" * 32, "Formanden": "03" * 32, "Ældrerådet": "02" * 32}


def written(value: Any) -> bytes:
    """Compact JSON with sorted keys: the canonical form where there is one, and something like it where there is not."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass")


def hashed(value: Any) -> str:
    return hashlib.sha256(written(value)).hexdigest()


def clock(minute: int, second: int = 0) -> str:
    """A moment of the day."""
    return f"{DAY}{minute // 60:02d}:{minute % 60:02d}:{second:02d}Z"


@dataclass(frozen=True, kw_only=True)
class World:
    """A protocol and the chance that came to it; `record` follows from them."""

    name: str
    protocol: Json
    evidence: list[Json]
    result: Json = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=lambda: dict(KEYS))

    @property
    def kind(self) -> str:
        return str(self.protocol["design"]["kind"])

    @property
    def sources(self) -> list[str]:
        return [source["kind"] for source in self.protocol["entropy"]]

    @property
    def comes(self) -> str:
        """When the round comes; empty without drand."""
        return ROUND if "drand" in self.sources else ""

    @property
    def quorum(self) -> int:
        return int(self.protocol["quorum"])

    @property
    def protocol_hash(self) -> str:
        return hashed(self.protocol)

    def copy(self) -> World:
        """The same, to be changed in place."""
        return replace(self, protocol=copy.deepcopy(self.protocol), evidence=copy.deepcopy(self.evidence))

    def changed(self, **members: Any) -> World:
        """The same with other members of the protocol."""
        return replace(self.copy(), protocol=copy.deepcopy(self.protocol) | members)

    def record(self, **members: Any) -> Json:
        """The record with everything that follows from protocol and evidence worked out again, as far as it can be."""
        stated = self.protocol_hash
        seed = hashed([FORMAT, "seed", stated, _values(self)])
        record = {
            "format": FORMAT,
            "kind": "record",
            "protocol": self.protocol,
            "protocol_hash": stated,
            "evidence": self.evidence,
            "seed": seed,
            "result": _result(self, seed),
        }
        return record | members


def _values(world: World) -> Any:
    try:
        return hashed_values(world.protocol, world.evidence)
    except (KeyError, TypeError, ValueError, AttributeError):
        return []


def _result(world: World, seed: str) -> Json:
    """The result, also of a protocol whose texts or names may not be published; the honest one where none follows."""
    try:
        if "number" in world.sources:
            return official(world.protocol, world.evidence).result
        design = from_spec(world.protocol["method"], world.protocol["design"], world.protocol["units"])
        drawn = Draw(
            protocol=world.protocol,
            protocol_hash="",
            design=design,
            evidence=world.evidence,
            seed=seed,
            assignment=design.assign(PublicChance(seed)),
            drand_verified=False,
        )
        return drawn.result
    except (TrialkitError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        return world.result


def worlds(seed: int, n: int) -> list[World]:
    """The golden draws and ``n`` random ones, each with its witnesses."""
    rng = Random(seed)
    drafts = [*_golden(), *_random(seed, n)]
    return [world for name, draft, evidence in drafts if (world := _world(rng, name, draft, evidence))]


def _golden() -> Iterator[tuple[str, Json, list[Json]]]:
    for name, (method, design, units, chance) in CASES.items():
        draft = {"draw_id": name, "title": name, "method": method, "design": design, "units": units}
        yield name, draft | {"entropy": [source for source, _ in chance]}, [given for _, given in chance]
        if name == "two_parties":  # and the same with a round after the secrets
            entropy = [*(source for source, _ in chance), DRAND]
            yield "a round after secrets", draft | {"entropy": entropy}, [*(given for _, given in chance), PULSE]


def _random(seed: int, n: int) -> list[tuple[str, Json, list[Json]]]:
    found: list[tuple[str, Json, list[Json]]] = []

    @hypothesis_seed(seed)
    @settings(max_examples=n, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(draws())
    def collect(drawn: tuple[Json, list[Json]]) -> None:
        found.append((f"random {len(found)}", *drawn))

    if n:
        collect()
    return found


def _world(rng: Random, name: str, draft: Json, evidence: list[Json]) -> World | None:
    names = sorted(rng.sample(sorted(KEYS), rng.choice((0, 1, 2, 2, 3))))
    witnesses = [{"name": name, "public_key": public_key(KEYS[name])} for name in names]
    quorum = rng.randint(min(1, len(names)), len(names)) if rng.random() < 0.8 else 0
    try:
        protocol = prepare({**draft, "witnesses": witnesses, "quorum": quorum})
        return World(name=name, protocol=protocol, evidence=evidence, result=official(protocol, evidence).result)
    except TrialkitError:
        return None  # a constraint that accepts nothing


@dataclass
class Teller:
    """Tells a ledger entry by entry, chained and signed, true or not."""

    world: World
    record_hash: str = ""
    minute: int = MORNING
    entries: list[Json] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.record_hash = self.record_hash or hashed(self.world.record())
        self.protocol_hash = self.world.protocol_hash

    def add(self, kind: str, body: Json, time: str = "") -> Teller:
        self.minute += 1
        prev = self.entries[-1]["hash"] if self.entries else NO_HASH
        entry = {"format": FORMAT, "kind": "entry", "seq": len(self.entries), "prev": prev}
        entry |= {"time": time or clock(self.minute), "type": kind, "body": body}
        self.entries.append({**entry, "hash": hashed(entry)})
        return self

    def commit(self, time: str = "", **body: str) -> Teller:
        said = {"draw_id": self.world.protocol["draw_id"], "protocol_hash": self.protocol_hash}
        return self.add("commit", {**said, "entropy_time": self.world.comes, **body}, time)

    def void(self, time: str = "", **body: str) -> Teller:
        return self.add("void", {"protocol_hash": self.protocol_hash, "reason": "Fejl i listen.", **body}, time)

    def draw(self, time: str = "", **body: str) -> Teller:
        return self.add("draw", {"protocol_hash": self.protocol_hash, "record_hash": self.record_hash, **body}, time)

    def opened(self, place: int, time: str = "", **body: str) -> Teller:
        return self.add("open", {"source": str(place), "value": _opening(self.world, place), **body}, time)

    def assign(self, stratum: str, position: int, unit: str, label: str, time: str = "") -> Teller:
        return self.add("assign", {"stratum": stratum, "position": position, "unit": unit, "label": label}, time)

    def witness(self, name: str, stage: str, at: str = "", **said: str) -> Teller:
        """A witness signs what she is told; ``said`` replaces ``hash, head, time`` before it, ``signature`` after."""
        hashes = {"commit": self.protocol_hash, "draw": self.record_hash}
        signs = {"stage": stage, "hash": hashes.get(stage, ""), "time": clock(self.minute + 1)}
        signs |= {"head": self.entries[-1]["hash"] if self.entries else NO_HASH, **said}
        said_to = written([FORMAT, "witness", *(signs[key] for key in ("stage", "hash", "head", "time"))])
        signature = sign(self.world.keys.get(name, "09" * 32), said_to)
        return self.add("witness", {"signature": signature, **signs, "name": name}, at)

    def witnesses(self, stage: str, count: int | None = None) -> Teller:
        """As many of the listed witnesses as the quorum wants."""
        wanted = self.world.quorum if count is None else count
        for one in self.world.protocol["witnesses"][:wanted]:
            self.witness(one["name"], stage)
        return self

    def openings(self, kinds: tuple[str, ...] = ("rolls", "commit")) -> Teller:
        for place, kind in enumerate(self.world.sources):
            if kind in kinds:
                self.opened(place)
        return self

    def before(self) -> Teller:
        """Committed, signed; dice and secrets opened before the round and seen."""
        self.commit().witnesses("commit")
        self.minute = AFTERNOON
        sealed = ("rolls",) if self.world.kind == "sequential" else ("rolls", "commit")
        return self.openings(sealed).witnesses("commit")

    def after(self) -> Teller:
        """The round is out: assigned if people come, drawn, signed."""
        self.minute = EVENING
        self.assigned(3)
        return self.draw().witnesses("draw")

    def assigned(self, most: int) -> Teller:
        for listed in self.world.record()["result"].get("lists", ()):
            for place, label in enumerate(listed["labels"][:most], start=1):
                self.assign(listed["stratum"], place, f"{listed['stratum'][:20]} {place}", label)
        return self

    def told(self) -> bytes:
        return b"".join(written(entry) + b"\n" for entry in self.entries)


def honest(world: World) -> Teller:
    """The ledger of a draw in which everybody did the right thing."""
    return Teller(world).before().after()


def rechained(entries: list[Json]) -> list[Json]:
    """The entries in this order with seq, prev and hash worked out again; signatures stay what they were."""
    found: list[Json] = []
    for place, entry in enumerate(entries):
        rest = {key: value for key, value in entry.items() if key != "hash"}
        rest |= {"seq": place, "prev": found[-1]["hash"] if found else NO_HASH}
        found.append({**rest, "hash": hashed(rest)})
    return found


def lines(entries: list[Any]) -> bytes:
    return b"".join(written(entry) + b"\n" for entry in entries)


def _opening(world: World, place: int) -> str:
    given = world.evidence[place]
    return ",".join(map(str, given["values"])) if given["kind"] == "rolls" else str(given.get("secret", ""))
