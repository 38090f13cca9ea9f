"""A ledger's form, chain and head broken, one rule at a time (specification section 9; section 10, steps 1 to 3)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.attack.broken_records import TOKENS, found, paths, put, with_token
from tests.attack.worlds import (
    MORNING,
    Teller,
    World,
    clock,
    hashed,
    honest,
    lines,
    rechained,
    written,
)  # fmt: skip
from trialkit.canonical import NO_HASH


@dataclass(frozen=True)
class Told:
    """A ledger, perhaps with a head that somebody kept, perhaps without its record or with a record of its own."""

    ledger: bytes
    head: str | None = None
    alone: bool = False
    record: bytes | None = None  # where it is not the world's


Answer = Teller | Told | bytes | None  # None: this world has nothing of the kind to break
Liar = Callable[[Random, World], Answer]

LIARS: list[tuple[str, str, Liar]] = []  # name, the failure the specification gives ("?": whatever it is), damage


def lies(expected: str) -> Callable[[Liar], Liar]:
    def register(liar: Liar) -> Liar:
        LIARS.append((liar.__name__, expected, liar))
        return liar

    return register


# -- 1 to 3: form, chain, head -------------------------------------------------------------------------------------


@lies("E_LEDGER_FORMAT")
def a_token_in_a_line(rng: Random, world: World) -> Answer:
    entries = honest(world).entries
    place = rng.randrange(len(entries))
    told = [written(entry) for entry in entries]
    told[place] = with_token(rng, copy.deepcopy(entries[place]), rng.choice([one for one in TOKENS if one != b'"\n"']))
    return b"\n".join(told) + b"\n"


@lies("E_LEDGER_FORMAT")
def bytes_around_the_lines(rng: Random, world: World) -> Answer:
    data = honest(world).told()
    return rng.choice([
        *(data[:-1], data + b"\n", b"\n" + data, data.replace(b"\n", b"\r\n"), data.replace(b"\n", b"\n\n", 1), b"", b"\n"),
        *(b"\xef\xbb\xbf" + data, data + b"\x00", data.replace(b"\n", b" \n", 1), data.replace(b"\n", b"\r"), data[:-2]),
        *(data + b"[]\n", data + b"7\n", data + b'"x"\n', data + b"{}\n", data[:-1].replace(b"\n", b"")),
    ])  # fmt: skip


WRONG: list[Any] = [True, False, [], {}, 7, "", "x", "commit", -1, "0" * 64, "A" * 64, ["commit"], 2**53 - 1]


@lies("E_LEDGER_FORMAT")
def a_member_of_another_type(rng: Random, world: World) -> Answer:
    entries = copy.deepcopy(honest(world).entries)
    entry = rng.choice(entries)
    where = rng.choice([path for path in paths(entry) if path != ("seq",)])
    right = found(entry, where)
    put(entry, where, rng.choice([value for value in (True, [], {}, "x", 7) if type(value) is not type(right)]))
    if where[-1] == "body" and isinstance(right, dict):
        entry["body"] = rng.choice(("x", [], 7, {"zz": "x"}))
    return lines(entries if where[0] in ("prev", "hash") else rechained(entries))


@lies("E_LEDGER_FORMAT")
def members_of_an_entry(rng: Random, world: World) -> Answer:
    entries = copy.deepcopy(honest(world).entries)
    entry = rng.choice(entries)
    holder = rng.choice((entry, entry["body"]))
    if rng.random() < 0.5:
        holder[rng.choice(("zz", "__proto__", "constructor", "signature_2"))] = "x"
    else:
        del holder[rng.choice([key for key in holder if key not in ("seq", "prev", "hash")])]
    return lines(rechained(entries))


TIMES = ["2023-02-29T10:00:00Z", "1900-02-29T10:00:00Z", "2023-08-23T24:00:00Z", "2023-08-23T10:60:00Z", "",
         "2023-08-23T10:00:60Z", "0000-01-01T00:00:00Z", "2023-8-23T10:00:00Z", "2023-08-23 10:00:00Z", "now",
         "2023-08-23T10:00:00+00:00", "2023-08-23T10:00:00.0Z", "2023-08-23T10:00:00z", "2023-13-01T10:00:00Z",
         "2023-04-31T10:00:00Z", "2023-00-10T10:00:00Z", "２023-08-23T10:00:00Z", "2023-08-23T10:00:00Z\n",
         "12023-08-23T10:00:00Z", "2023-08-00T10:00:00Z", "-023-08-23T10:00:00Z", "2100-02-29T00:00:00Z"]  # fmt: skip


@lies("E_LEDGER_FORMAT")
def a_time_that_never_was(rng: Random, world: World) -> Answer:
    entries = copy.deepcopy(honest(world).entries)
    rng.choice(entries)["time"] = rng.choice(TIMES)
    return lines(rechained(entries))


@lies("E_LEDGER_FORMAT")
def a_round_at_a_time_that_never_was(rng: Random, world: World) -> Answer:
    entries = copy.deepcopy(honest(world).entries)
    entries[0]["body"]["entropy_time"] = rng.choice([time for time in TIMES if time])
    return lines(rechained(entries))


@lies("OK")
def dates_at_the_edge_of_the_calendar(rng: Random, world: World) -> Answer:
    times = ("2024-02-29T00:00:00Z", "2000-02-29T23:59:59Z", "9999-12-31T23:59:59Z", "2400-02-29T12:00:00Z")
    return Told(Teller(world).add("note", {"text": "x"}, rng.choice(times)).told(), alone=True)


@lies("E_LEDGER_FORMAT")
def a_type_nobody_knows(rng: Random, world: World) -> Answer:
    kind = rng.choice(("regret", "", "Commit", "__proto__", "constructor", "toString", "hasOwnProperty"))
    return Teller(world).commit().add(kind, {"text": "x"})


@lies("E_LEDGER_FORMAT")
def a_position_that_is_none(rng: Random, world: World) -> Answer:
    body = {"stratum": "A", "unit": "x", "label": "nu", "position": rng.choice((0, -1, True, "1", 2**53 - 1 + 1, [1]))}
    return Teller(world).commit().add("assign", body)


@lies("E_LEDGER_SEQ")
def entries_left_out_doubled_or_moved(rng: Random, world: World) -> Answer:
    entries = honest(world).entries
    if len(entries) < 3:
        return None
    place = rng.randrange(len(entries) - 1)
    moved = [*entries[:place], entries[place + 1], entries[place], *entries[place + 2 :]]
    less = entries[:place] + entries[place + 1 :]
    return lines(rng.choice((moved, less, entries[: place + 1] + entries[place:], entries[::-1], entries[1:])))


@lies("E_LEDGER_SEQ")
def a_number_out_of_turn(rng: Random, world: World) -> Answer:
    entries = copy.deepcopy(honest(world).entries)
    entry = rng.choice(entries)
    entry["seq"] += rng.choice((1, -1, 7, -entry["seq"] - 1))
    entry["hash"] = hashed({key: value for key, value in entry.items() if key != "hash"})
    return lines(entries)


@lies("E_LEDGER_CHAIN")
def an_entry_left_out_and_renumbered(rng: Random, world: World) -> Answer:
    entries = copy.deepcopy(honest(world).entries)
    place = rng.randrange(len(entries) - 1)
    del entries[place]
    for number, entry in enumerate(entries):
        entry["seq"] = number
        entry["hash"] = hashed({key: value for key, value in entry.items() if key != "hash"})
    return lines(entries)


@lies("E_LEDGER_CHAIN")
def a_link_to_something_else(rng: Random, world: World) -> Answer:
    entries = copy.deepcopy(honest(world).entries)
    entry = rng.choice(entries)
    entry["prev"] = rng.choice(("f" * 64, entry["hash"], NO_HASH if entry["seq"] else "1" * 64))
    entry["hash"] = hashed({key: value for key, value in entry.items() if key != "hash"})
    return lines(entries)


@lies("E_LEDGER_HASH")
def an_entry_changed_after_its_hash(rng: Random, world: World) -> Answer:
    entries = copy.deepcopy(honest(world).entries)
    entry = rng.choice(entries)
    body = entry["body"]
    key = rng.choice([key for key in body if isinstance(body[key], str) and key != "entropy_time"])
    body[key] += "0"
    return lines(entries)


@lies("E_LEDGER_HASH")
def a_hash_of_something_else(rng: Random, world: World) -> Answer:
    entries = copy.deepcopy(honest(world).entries)
    entries[-1]["hash"] = rng.choice(("0" * 64, entries[-1]["prev"], hashed(entries[-1])))
    return lines(entries)


@lies("E_LEDGER_TIME")
def an_entry_before_the_one_before(rng: Random, world: World) -> Answer:
    entries = copy.deepcopy(honest(world).entries)
    place = rng.randrange(1, len(entries))
    entries[place]["time"] = clock(MORNING - 1) if rng.random() < 0.8 else "0001-01-01T00:00:00Z"
    return lines(rechained(entries))


@lies("OK")
def two_entries_at_one_moment(rng: Random, world: World) -> Answer:
    note = {"text": "x"}
    return Told(Teller(world).commit(clock(MORNING)).add("note", note, clock(MORNING)).told(), alone=True)


@lies("E_LEDGER_HEAD")
def a_head_that_is_gone(rng: Random, world: World) -> Answer:
    entries = honest(world).entries
    if rng.random() < 0.5:
        return Told(lines(entries[:-1]), head=entries[-1]["hash"], alone=rng.random() < 0.5)
    head = entries[0]["hash"]
    return Told(lines(entries), head=rng.choice((NO_HASH, head.upper() + "F", head[:-1], head + "0", "x", " " + head)))


@lies("OK")
def a_head_of_any_entry(rng: Random, world: World) -> Answer:
    entries = honest(world).entries
    return Told(lines(entries), head=rng.choice(entries)["hash"])


@lies("?")
def any_byte_of_a_ledger(rng: Random, world: World) -> Answer:
    data = bytearray(honest(world).told())
    for _ in range(rng.choice((1, 1, 1, 3))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


@lies("?")
def any_member_of_any_entry_chained_again(rng: Random, world: World) -> Answer:
    """Without signing again: what a witness signed no longer stands where she saw it."""
    entries = copy.deepcopy(honest(world).entries)
    for _ in range(rng.choice((1, 1, 2))):
        entry = rng.choice(entries)
        where = rng.choice([path for path in paths(entry) if path not in (("seq",), ("prev",), ("hash",))])
        old = found(entry, where)
        values: list[Any] = [*WRONG, rng.choice(entries)["hash"], rng.choice(TIMES), clock(rng.randrange(1440))]
        put(entry, where, old + "0" if isinstance(old, str) and rng.random() < 0.2 else rng.choice(values))
    return lines(rechained(entries))


@lies("?")
def entries_in_any_order_chained_again(rng: Random, world: World) -> Answer:
    entries = copy.deepcopy(honest(world).entries)
    how = rng.randrange(4)
    if how == 0:
        rng.shuffle(entries)
    elif how == 1:
        del entries[rng.randrange(len(entries))]
    elif how == 2:
        entries.insert(rng.randrange(len(entries) + 1), copy.deepcopy(rng.choice(entries)))
    else:
        one, other = rng.randrange(len(entries)), rng.randrange(len(entries))
        entries[one], entries[other] = entries[other], entries[one]
    if rng.random() < 0.7:
        for entry, time in zip(entries, sorted(entry["time"] for entry in entries), strict=True):
            entry["time"] = time
    return lines(rechained(entries))
