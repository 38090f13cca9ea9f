"""Write golden records: draws of the first version, which every later version must repeat byte for byte.

Run once, and again only to add one; a record that is there is never written over.  The units are real names, all
else is made up for testing.

    python -m tests.draw.golden.make
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trialkit.draw import ledger, witness
from trialkit.draw.announce import prepare
from trialkit.draw.drand import CHAIN, round_stamp
from trialkit.draw.evidence import seal
from trialkit.draw.official import Draw, official
from trialkit.draw.publish import write_new

HERE = Path(__file__).parent

DISTRICTS = ("Indre By", "Østerbro", "Nørrebro", "Vesterbro-Kongens Enghave", "Ålekistekvarteret", "Vanløse",
             "Brønshøj-Husum", "Bispebjerg", "Amager Øst", "Amager Vest")  # fmt: skip
CHILDREN = ("1880", "2990", "2791", "3126", "1275", "1512", "1606", "2214", "2474", "2696")
EVEN = [{"name": "nu", "weight": 1}, {"name": "senere", "weight": 1}]
WAVES = [{"name": "bølge 1", "places": 4}, {"name": "bølge 2", "places": 3}, {"name": "bølge 3", "places": 3}]

DICE = {"kind": "rolls", "low": 0, "high": 9, "count": 20, "distinct": False}
THROWN = {"kind": "rolls", "values": [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4]}
BALLS = {"kind": "rolls", "low": 1, "high": 90, "count": 12, "distinct": True}
BALLS_DRAWN = {"kind": "rolls", "values": [17, 4, 88, 23, 61, 90, 1, 45, 72, 9, 33, 56]}
DRAND = {"kind": "drand", "chain": CHAIN, "round": 1000}
PULSE = {
    "kind": "drand",
    "round": 1000,
    "signature": "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
}
SECRETS = ("11" * 32, "a5" * 32)
KEYS = {"Borgerrådgiveren": "01" * 32, "Ældrerådet": "02" * 32}


def units(**columns: Any) -> list[dict[str, Any]]:
    """The districts, with one value of each column per district."""
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [{"id": name, **row} for name, row in zip(DISTRICTS, rows or [{}] * len(DISTRICTS), strict=True)]


def fixed(listed: list[dict[str, Any]], **labels: str) -> list[dict[str, Any]]:
    """The same with some units fixed; a keyword is the first word of a district."""
    return [unit | {"fixed": labels[word]} if (word := unit["id"].split()[0]) in labels else unit for unit in listed]


def one(value: str) -> list[str]:
    return [value] * len(DISTRICTS)


REGIONS = ("midt", "øst", "nord", "vest", "vest", "vest", "nord", "nord", "øst", "øst")
PAIRS = ("1", "1", "2", "2", "3", "3", "4", "4", "5", "5")
CHILDREN_X = [[count] for count in CHILDREN]
TOLERANCE = {"kind": "tolerance", "covariates": ["børn 0-2"], "tolerances": ["914.4"], "max_attempts": 1000}
MAHALANOBIS = {"kind": "mahalanobis", "covariates": ["børn 0-2"], "threshold": "0.5", "max_attempts": 1000}
QUOTAS = [{"block": block, "places": places}
          for block, places in (("øst", [2, 1]), ("vest", [1, 2]), ("nord", [2, 1]), ("midt", [0, 1]))]  # fmt: skip

CASES: dict[str, tuple[str, dict[str, Any], list[dict[str, Any]], list[tuple[dict[str, Any], dict[str, Any]]]]] = {
    "complete": ("shuffle", {"kind": "complete", "level": "unit", "labels": EVEN}, units(), [(DRAND, PULSE)]),
    "complete_leftover_fixed": (
        "shuffle",
        {"kind": "complete", "level": "unit", "labels": [{"name": "A", "weight": 3}, {"name": "B", "weight": 2}]},
        fixed(units(), Vanløse="B"), [(DICE, THROWN)],
    ),
    "complete_number": (
        "rank", {"kind": "complete", "level": "unit", "labels": EVEN}, units(),
        [({"kind": "number"}, {"kind": "number", "tries": ["711", "252", "097"]})],
    ),
    "complete_mahalanobis": (
        "shuffle", {"kind": "complete", "level": "unit", "labels": EVEN, "constraint": MAHALANOBIS},
        units(x=CHILDREN_X), [(DICE, THROWN), (DRAND, PULSE)],
    ),
    "complete_mahalanobis_rank": (
        "rank", {"kind": "complete", "level": "unit", "labels": EVEN, "constraint": MAHALANOBIS},
        units(x=CHILDREN_X), [(BALLS, BALLS_DRAWN)],
    ),
    "blocked": (
        "shuffle", {"kind": "blocked", "level": "unit", "labels": EVEN}, units(block=REGIONS), [(BALLS, BALLS_DRAWN)]
    ),
    "blocked_clusters": (
        "shuffle", {"kind": "blocked", "level": "cluster", "labels": EVEN},
        units(cluster=PAIRS, block=("x", "x", "x", "x", "x", "x", "y", "y", "y", "y")), [(DICE, THROWN)],
    ),
    "matched_rank": (
        "rank", {"kind": "matched", "level": "unit", "labels": EVEN}, units(block=PAIRS), [(DRAND, PULSE)]
    ),
    "stepped_wedge_tolerance": (
        "shuffle", {"kind": "stepped_wedge", "level": "unit", "labels": WAVES, "constraint": TOLERANCE},
        fixed(units(x=CHILDREN_X), Nørrebro="bølge 1"), [(DICE, THROWN)],
    ),
    "rollout": (
        "shuffle", {"kind": "rollout", "level": "unit", "labels": WAVES[:2]},
        fixed(units(), Bispebjerg="bølge 1"), [(DRAND, PULSE)],
    ),
    "blocked_wedge": (
        "shuffle",
        {"kind": "blocked_wedge", "level": "unit", "labels": [{"name": "2024"}, {"name": "2025"}], "quotas": QUOTAS},
        units(block=REGIONS), [(DICE, THROWN)],
    ),
    "lottery_tiers": (
        "shuffle", {"kind": "lottery", "level": "unit", "places": 4}, units(tier=(1, 1, 2, 2, 2, 2, 2, 3, 3, 3)),
        [(DRAND, PULSE)],
    ),
    "lottery_rank": (
        "rank", {"kind": "lottery", "level": "unit", "places": 4}, units(tier=(1,) * 10), [(BALLS, BALLS_DRAWN)]
    ),
    "sequential": (
        "shuffle",
        {"kind": "sequential", "labels": EVEN, "strata": ["førstegang", "flergang"], "blocks": [2, 4], "length": 13},
        [],
        [(seal("sequential", "Statistisk kontor", SECRETS[0]), {"kind": "commit", "secret": SECRETS[0]}),
         (DRAND, PULSE)],
    ),
    "two_parties": (
        "shuffle", {"kind": "complete", "level": "unit", "labels": EVEN}, units(),
        [(seal("two_parties", party, secret), {"kind": "commit", "secret": secret})
         for party, secret in zip(("Forvaltningen", "Forældrerådet"), SECRETS, strict=True)],
    ),
    "published": (
        "shuffle", {"kind": "complete", "level": "unit", "labels": EVEN}, units(),
        [({"kind": "published", "value": "PRØVE 1"}, {"kind": "published"})],
    ),
}  # fmt: skip


def drawn(name: str, **members: Any) -> Draw:
    """The draw of one case."""
    method, design, listed, chance = CASES[name]
    draft = {
        "draw_id": name, "title": f"Guld: {name}", "method": method, "design": design, "units": listed,
        "entropy": [source for source, _ in chance], "witnesses": [], "quorum": 0, **members,
    }  # fmt: skip
    return official(prepare(draft), [given for _, given in chance])


def story() -> tuple[Draw, bytes]:
    """A whole draw with its ledger: committed, signed, dice opened and signed, drawn, signed."""
    listed = [{"name": name, "public_key": witness.public_key(key)} for name, key in KEYS.items()]
    found = drawn("complete_mahalanobis", draw_id="story", witnesses=listed, quorum=2)
    day = "2023-08-23T"
    body: dict[str, Any] = {
        "draw_id": "story", "protocol_hash": found.protocol_hash, "entropy_time": round_stamp(1000),
    }  # fmt: skip
    data = ledger.append(b"", "commit", body, day + "10:00:00Z")
    data = _signed(data, "commit", found.protocol_hash, day + "10:30:00Z")
    thrown = ",".join(map(str, THROWN["values"]))
    data = ledger.append(data, "open", {"source": "0", "value": thrown}, day + "15:00:00Z")
    data = _signed(data, "commit", found.protocol_hash, day + "15:30:00Z")
    body = {"protocol_hash": found.protocol_hash, "record_hash": found.record_hash}
    data = ledger.append(data, "draw", body, day + "16:00:00Z")
    data = ledger.append(data, "note", {"text": "Mødet hævet."}, day + "16:05:00Z")
    return found, _signed(data, "draw", found.record_hash, day + "16:10:00Z")


def _signed(data: bytes, stage: str, digest: str, time: str) -> bytes:
    for name, key in KEYS.items():
        head = ledger.read(data)[-1]["hash"]
        signature = witness.sign(key, witness.message(stage, digest, head, time))
        body = {"name": name, "stage": stage, "hash": digest, "head": head, "time": time, "signature": signature}
        data = ledger.append(data, "witness", body, time)
    return data


if __name__ == "__main__":
    found, chained = story()
    for path, written in [
        *((HERE / f"{name}.json", drawn(name).record_bytes) for name in CASES),
        (HERE / "story.json", found.record_bytes),
        (HERE / "story.jsonl", chained),
    ]:
        if not path.exists():
            write_new(path, written)
