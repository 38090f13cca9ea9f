"""A ledger whose story breaks one rule; entries chained and signatures made again, so that nothing else is wrong.

Specification section 10, steps 4 and 5.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.attack.broken_chains import TIMES, Answer, Told, lies
from tests.attack.worlds import (
    EVENING,
    KEYS,
    MORNING,
    ROUND,
    Teller,
    World,
    clock,
    hashed,
    honest,
    lines,
    rechained,
    written,
)
from trialkit.canonical import NO_HASH

# -- 4: commit and void --------------------------------------------------------------------------------------------


@lies("E_REROLL")
def a_second_commitment(rng: Random, world: World) -> Answer:
    teller = Teller(world).before()
    other = {} if rng.random() < 0.5 else {"protocol_hash": "a" * 64, "entropy_time": ""}
    return teller.commit(**other) if rng.random() < 0.5 else teller.after().commit(**other)


@lies("E_NOT_COMMITTED")
def a_commitment_of_another_draw(rng: Random, world: World) -> Answer:
    return Teller(world).commit(draw_id=world.protocol["draw_id"] + rng.choice(("x", " ", "")).ljust(1, "-"))


@lies("E_COMMIT_TOO_LATE")
def a_commitment_when_the_round_was_out(rng: Random, world: World) -> Answer:
    return Teller(world).commit(rng.choice((ROUND, clock(EVENING))), entropy_time=ROUND)


@lies("E_NOT_COMMITTED")
def a_round_at_another_time(rng: Random, world: World) -> Answer:
    """In time by what the entry says, but the protocol's round comes at another time, or never."""
    teller = Teller(world)
    other = "" if world.comes and rng.random() < 0.5 else clock(EVENING - 10)
    teller.commit(entropy_time=other)
    teller.minute = EVENING
    return teller.draw()


@lies("E_NOT_COMMITTED")
def a_ledger_of_another_protocol(rng: Random, world: World) -> Answer:
    return Teller(world).commit(protocol_hash="a" * 64)


@lies("E_REROLL")
def a_withdrawal_without_a_round(rng: Random, world: World) -> Answer:
    return None if world.comes else Teller(world).before().void()


@lies("E_REROLL")
def a_withdrawal_when_the_round_was_out(rng: Random, world: World) -> Answer:
    return Teller(world).before().void(rng.choice((ROUND, clock(EVENING)))) if world.comes else None


@lies("E_REROLL")
def a_withdrawal_after_the_draw(rng: Random, world: World) -> Answer:
    return honest(world).void()


@lies("E_REROLL")
def a_withdrawal_when_somebody_was_assigned(rng: Random, world: World) -> Answer:
    return Teller(world).commit().assigned(1).void() if world.comes and world.kind == "sequential" else None


@lies("E_NOT_COMMITTED")
def a_withdrawal_of_something_else(rng: Random, world: World) -> Answer:
    teller = Teller(world)
    if rng.random() < 0.5:
        teller.commit()
    return teller.void(protocol_hash=rng.choice(("a" * 64, "", world.protocol_hash[:-1])))


@lies("OK")
def withdrawn_in_time_and_committed_again(rng: Random, world: World) -> Answer:
    if not world.comes:
        return None
    teller = Teller(world)
    for _ in range(rng.choice((1, 1, 2))):
        other = rng.choice(({}, {"protocol_hash": "b" * 64}))
        teller.commit(**other)
        if not other:
            teller.witnesses("commit").openings(("rolls",))
        teller.void(**other)
    return teller.before().after()


@lies("E_QUORUM")
def signatures_of_a_withdrawn_commitment(rng: Random, world: World) -> Answer:
    if not world.comes or not world.quorum:
        return None
    return Teller(world).commit().witnesses("commit").void().commit().openings(("rolls",)).draw(clock(EVENING))


@lies("E_QUORUM")
def committed_again_before_a_later_round_but_after_the_withdrawn_one(rng: Random, world: World) -> Answer:
    """The first round was seen and disliked; the withdrawal is dated back, and the witnesses' clocks tell."""
    if not world.comes or not world.quorum:
        return None
    teller = Teller(world).commit(entropy_time=clock(MORNING + 60)).void()
    teller.minute = MORNING + 60
    return teller.before().after()


# -- 4: open, draw, assign -----------------------------------------------------------------------------------------


@lies("E_NOT_COMMITTED")
def opened_when_nothing_was_open(rng: Random, world: World) -> Answer:
    teller = honest(world) if rng.random() < 0.5 else Teller(world)
    return teller.add("open", {"source": "0", "value": "x"})


@lies("E_EVIDENCE")
def a_source_that_cannot_be_opened(rng: Random, world: World) -> Answer:
    closed = [str(place) for place, kind in enumerate(world.sources) if kind not in ("rolls", "commit")]
    odd = ["00", "01", "", "-1", "+0", " 0", "0 ", "x", "16", "99", "100", "٠", "0.0", "0\n", "length"]
    return Teller(world).commit().add("open", {"source": rng.choice(closed + odd), "value": "1"})


@lies("E_COMMITMENT")
def a_secret_nobody_sealed(rng: Random, world: World) -> Answer:
    if "commit" not in world.sources:
        return None
    place = world.sources.index("commit")
    right = world.evidence[place]["secret"]
    wrong = ("", f"{int(right, 16) ^ 1:064x}", right[:-1], right + "0", right[:-1] + "F", right + "\n", " " + right)
    return Teller(world).commit().opened(place, value=rng.choice(wrong))


@lies("E_LATE_OPENING")
def throws_nobody_drew_with(rng: Random, world: World) -> Answer:
    if "rolls" not in world.sources:
        return None
    place = world.sources.index("rolls")
    values = list(map(str, world.evidence[place]["values"]))
    wrong = (
        ",".join(values[:-1]),
        ", ".join(values),
        ",".join(values) + ",",
        "",
        ",".join(["0" + values[0], *values[1:]]),
    )
    return Teller(world).commit().opened(place, value=rng.choice(wrong))


@lies("E_LATE_OPENING")
def throws_entered_after_the_round(rng: Random, world: World) -> Answer:
    if not world.comes or "rolls" not in world.sources:
        return None
    teller = Teller(world).commit().witnesses("commit").openings(("commit",) if world.kind != "sequential" else ())
    teller.minute = EVENING
    return teller.openings(("rolls",)).witnesses("commit").assigned(1).draw().witnesses("draw")


@lies("E_LATE_OPENING")
def throws_entered_in_time_that_nobody_saw(rng: Random, world: World) -> Answer:
    if not world.comes or "rolls" not in world.sources or not world.quorum:
        return None
    teller = Teller(world).commit().witnesses("commit").openings(("rolls",))
    if world.quorum > 1:
        teller.witnesses("commit", world.quorum - 1)
    teller.minute = EVENING
    return teller.witnesses("commit").draw().witnesses("draw")


@lies("OK")
def secrets_opened_after_the_round(rng: Random, world: World) -> Answer:
    """W_LATE_OPENING."""
    if world.kind == "sequential" or not world.comes or "commit" not in world.sources:
        return None
    teller = Teller(world).commit().openings(("rolls",)).witnesses("commit")
    teller.minute = EVENING
    if rng.random() < 0.5:
        teller.openings(("commit",))
    return teller.draw().witnesses("draw")


@lies("OK")
def a_secret_that_stays_sealed_while_people_come(rng: Random, world: World) -> Answer:
    """No warning: whoever is enrolled one by one is concealed by it."""
    if world.kind != "sequential" or not world.comes or "commit" not in world.sources:
        return None
    return honest(world)


@lies("E_NOT_COMMITTED")
def drawn_by_something_else(rng: Random, world: World) -> Answer:
    teller = Teller(world) if rng.random() < 0.5 else Teller(world).commit()
    teller.minute = EVENING
    return teller.draw(protocol_hash=rng.choice(("a" * 64, "", world.protocol_hash + " ")))


@lies("E_REROLL")
def drawn_twice(rng: Random, world: World) -> Answer:
    return honest(world).draw(**rng.choice(({}, {"record_hash": "a" * 64}, {"protocol_hash": "a" * 64})))


@lies("E_LEDGER_TIME")
def drawn_before_the_round(rng: Random, world: World) -> Answer:
    return Teller(world).before().draw() if world.comes else None


@lies("E_RECORD_HASH")
def another_record_or_none_entered(rng: Random, world: World) -> Answer:
    teller = Teller(world).before()
    teller.minute = EVENING
    return (
        teller.draw(record_hash=rng.choice(("a" * 64, "", teller.record_hash + "0"))) if rng.random() < 0.6 else teller
    )


@lies("E_ASSIGN")
def an_assignment_out_of_turn(rng: Random, world: World) -> Answer:
    if world.kind != "sequential":
        return None
    listed = rng.choice(world.record()["result"]["lists"])
    name, labels = listed["stratum"], listed["labels"]
    others = [label["name"] for label in world.protocol["design"]["labels"] if label["name"] != labels[0]]
    teller = Teller(world).commit()
    how = rng.randrange(8)
    if how == 0:
        return teller.assign(name, 2, "p", labels[0])
    if how == 1:
        return teller.assign(name, 1, "p", others[0])
    if how == 2:
        return teller.assign("Intet stratum", 1, "p", labels[0])
    if how == 3:
        return teller.assign(
            name, 1, rng.choice(("", " p", "p ", "A\u030a", "p\u200b", "x" * 201, "\u0000")), labels[0]
        )
    if how == 4:
        return honest(world).assign(name, 1, "p", labels[0])
    if how == 5:
        return Teller(world).assign(name, 1, "p", labels[0])
    if how == 6:
        for place, label in enumerate(labels, start=1):
            teller.assign(name, place, f"p{place}", label)
        return teller.assign(name, len(labels) + 1, "sidste", labels[0])
    teller.assign(name, 1, "Åse", labels[0])
    return teller.assign(name, 2, rng.choice(("Åse", "åse", "ÅSE", "ÅＳE")), labels[1]) if len(labels) > 1 else None


@lies("E_ASSIGN")
def assigned_where_nobody_is(rng: Random, world: World) -> Answer:
    return None if world.kind == "sequential" else Teller(world).commit().assign("A", 1, "p", "nu")


@lies("OK")
def assigned_while_the_list_is_sealed(rng: Random, world: World) -> Answer:
    """Without the record only order and names can be judged, so any label passes."""
    teller = Teller(world).commit()
    for place in range(1, 4):
        teller.assign(rng.choice(("A",)), place, f"p{place}", rng.choice(("nu", "senere")))
    return Told(teller.assign("B", 1, "q", "nu").told(), alone=True)


# -- 4: witnesses --------------------------------------------------------------------------------------------------


@lies("E_SIGNATURE")
def a_signature_of_something_else(rng: Random, world: World) -> Answer:
    if not (listed := [one["name"] for one in world.protocol["witnesses"]]):
        return None
    name = rng.choice(listed)
    teller = Teller(world).commit()
    how = rng.randrange(9)
    if how == 0:
        return teller.witness(rng.choice(("En forbipasserende", name.upper(), name + " ", "")), "commit")
    if how == 1:
        return teller.witness(name, rng.choice(("draw", "void", "", "Commit", "__proto__", "constructor")))
    if how == 2:
        return teller.witness(name, "commit", hash=rng.choice(("a" * 64, "", teller.record_hash)))
    if how == 3:
        return teller.witness(
            name, "commit", head=rng.choice((NO_HASH, "a" * 64, "", teller.entries[0]["hash"].upper() + "A"))
        )
    if how == 4:
        return teller.witness(name, "commit", time=rng.choice(TIMES))
    if how == 5:
        return teller.witness(name, "commit", signature=rng.choice(("", "0" * 128, "F" * 128, "0" * 127)))
    if how == 6:
        return _another_reading(teller.witness(name, "commit"), rng)
    if how == 7:
        other = next(one for one in KEYS if one != name)
        return _said_by(teller.witness(other, "commit"), name)
    teller.minute = EVENING
    if not world.comes:
        return teller.witness(name, "draw")
    return teller.draw().witness(name, "draw", time=clock(MORNING))


def _said_by(teller: Teller, name: str) -> Teller:
    teller.entries[-1]["body"]["name"] = name
    teller.entries = rechained(teller.entries)
    return teller


ORDER = 2**252 + 27742317777372353535851937790883648493


def _another_reading(teller: Teller, rng: Random) -> Teller:
    """A signature that some programs accept and RFC 8032 does not: S + L, a changed R, another letter's case."""
    body = teller.entries[-1]["body"]
    raw = bytes.fromhex(body["signature"])
    larger = (int.from_bytes(raw[32:], "little") + ORDER).to_bytes(32, "little")
    flipped = bytes([raw[0] ^ 1]) + raw[1:]
    forged = (raw[:32] + larger, flipped, raw[32:] + raw[:32], raw[:31] + bytes([raw[31] ^ 128]) + raw[32:])
    body["signature"] = rng.choice(forged).hex()
    teller.entries = rechained(teller.entries)
    return teller


WEAK_KEYS = ["01" + "00" * 31, "00" * 32, "00" * 31 + "80", "ec" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f",
             "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
             "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"]  # fmt: skip


@lies("E_SIGNATURE")
def a_key_that_anybody_can_sign_for(rng: Random, world: World) -> Answer:
    """Keys of small order or written non-canonically, with the signature R = identity, S = 0 that some accept."""
    listed = [{"name": "Formanden", "public_key": rng.choice(WEAK_KEYS)}]
    weak = world.changed(witnesses=listed, quorum=1)
    told = Teller(weak).commit().witness("Formanden", "commit", signature="01" + "00" * 63)
    return Told(told.told(), record=written(weak.record()))


@lies("E_SIGNATURE")
def a_head_she_cannot_have_seen(rng: Random, world: World) -> Answer:
    """The head of an entry that comes later, from the same ledger told twice."""
    if not world.protocol["witnesses"]:
        return None
    name = world.protocol["witnesses"][0]["name"]
    later = hashed({"later": rng.random().hex()})
    return Teller(world).commit().witness(name, "commit", head=later).add("note", {"text": "x"})


@lies("E_QUORUM")
def signed_by_too_few(rng: Random, world: World) -> Answer:
    if not world.quorum:
        return None
    teller = Teller(world).commit()
    if rng.random() < 0.5:
        teller.witnesses("commit", world.quorum - 1)
        teller.minute = EVENING
        teller.witnesses("commit") if world.comes else None
        return teller.draw().witnesses("draw")
    teller.witnesses("commit").openings(("rolls",)).witnesses("commit")
    teller.minute = EVENING
    return teller.draw().witnesses("draw", world.quorum - 1)


@lies("E_QUORUM")
def one_witness_signs_for_two(rng: Random, world: World) -> Answer:
    if world.quorum < 2:
        return None
    name = world.protocol["witnesses"][0]["name"]
    teller = Teller(world).commit()
    for _ in range(world.quorum):
        teller.witness(name, "commit")
    teller.minute = EVENING
    return teller.draw().witnesses("draw")


@lies("E_QUORUM")
def her_own_clock_says_late(rng: Random, world: World) -> Answer:
    """The ledger is dated back; the witness's own time is not."""
    if not world.comes or not world.quorum:
        return None
    teller = Teller(world).commit()
    for one in world.protocol["witnesses"]:
        teller.witness(one["name"], "commit", clock(MORNING + 2), time=rng.choice((ROUND, clock(EVENING))))
    teller.minute = EVENING
    return teller.draw().witnesses("draw")


# -- 5, and everything at once -------------------------------------------------------------------------------------


@lies("OK")
def everybody_does_the_right_thing(rng: Random, world: World) -> Answer:
    teller = honest(world)
    for _ in range(rng.randrange(3)):
        teller.add(*rng.choice((("note", {"text": rng.choice(("Mødet hævet.", "", "\u0000", "A\u030a", "\U0001f600"))}),
                                ("timestamp", {"hash": "x", "token": "y"}))))  # fmt: skip
    return teller


@lies("OK")
def a_draw_still_open(rng: Random, world: World) -> Answer:
    entries = honest(world).entries
    return Told(lines(entries[: rng.randrange(1, len(entries) + 1)]), alone=True)


def anybody(rng: Random) -> str:
    return rng.choice(sorted(KEYS))


STEPS: list[Callable[[Random, Teller], Any]] = [
    lambda rng, told: told.commit(),
    lambda rng, told: told.commit(**rng.choice(({"protocol_hash": "b" * 64}, {"entropy_time": ""}, {"entropy_time": ROUND}))),
    lambda rng, told: told.void(),
    lambda rng, told: told.void(protocol_hash="b" * 64),
    lambda rng, told: told.openings(),
    lambda rng, told: told.opened(0),
    lambda rng, told: told.witnesses("commit"),
    lambda rng, told: told.witnesses("draw"),
    lambda rng, told: told.witness(anybody(rng), rng.choice(("commit", "draw")), time=clock(rng.randrange(600, 1020))),
    lambda rng, told: told.witness(anybody(rng), "commit", head=rng.choice(told.entries or [{"hash": NO_HASH}])["hash"]),
    lambda rng, told: told.assigned(rng.choice((1, 2))),
    lambda rng, told: told.assign("A", 1, "p", "nu"),
    lambda rng, told: told.draw(),
    lambda rng, told: told.add("note", {"text": "x"}),
]  # fmt: skip


@lies("?")
def a_meeting_that_goes_wrong(rng: Random, world: World) -> Answer:
    """Any steps in any order, often a right beginning, at times around the round."""
    teller = Teller(world)
    if rng.random() < 0.6:
        teller.before() if rng.random() < 0.5 else teller.commit()
    for _ in range(rng.randrange(1, 7)):
        if rng.random() < 0.3:
            teller.minute = max(teller.minute, rng.choice((MORNING, 958, 959, EVENING, 1000)))
        rng.choice(STEPS)(rng, teller)
    if rng.random() < 0.4:
        teller.minute = max(teller.minute, EVENING)
        teller.draw().witnesses("draw")
    return Told(teller.told(), alone=True) if rng.random() < 0.3 and teller.entries else teller
