"""The ledger: form, chain, and the story its entries tell, beyond what the published vectors hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.draw.golden.make import KEYS, drawn, story
from trialkit import chain
from trialkit.canonical import NO_HASH, jcs, parse
from trialkit.draw import ledger, witness
from trialkit.draw.verify import Verdict, verify_ledger
from trialkit.errors import CanonicalError, DrawError

DRAWN, WHOLE = story()
RECORD = DRAWN.record_bytes
LINES = WHOLE.splitlines(keepends=True)
DAY = "2024-01-01T"

Step = tuple[str, dict[str, Any]]


def told(*steps: Step, start: int = 0) -> bytes:
    """A ledger of these entries, one minute apart."""
    data = b""
    for minute, (kind, body) in enumerate(steps, start=start):
        data = ledger.append(data, kind, body, f"{DAY}{minute // 60:02d}:{minute % 60:02d}:00Z")
    return data


def failure(*steps: Step, record: bytes | None = None) -> str:
    found = verify_ledger(told(*steps), record, bls=False)
    if found.failure:
        assert found.told("da") != found.told("en")
    return found.failure


def commit(protocol_hash: str = "aa" * 32, draw_id: str = "a", entropy_time: str = "") -> Step:
    return "commit", {"draw_id": draw_id, "protocol_hash": protocol_hash, "entropy_time": entropy_time}


def draw(protocol_hash: str = "aa" * 32, record_hash: str = "bb" * 32) -> Step:
    return "draw", {"protocol_hash": protocol_hash, "record_hash": record_hash}


def void(protocol_hash: str = "aa" * 32) -> Step:
    return "void", {"protocol_hash": protocol_hash, "reason": "Fejl i listen."}


def opened(source: str, value: str) -> Step:
    return "open", {"source": source, "value": value}


def assign(position: int, unit: str, stratum: str = "A", label: str = "nu") -> Step:
    return "assign", {"stratum": stratum, "position": position, "unit": unit, "label": label}


LATER, NOW = f"{DAY}12:00:00Z", f"{DAY}00:00:30Z"


@settings(max_examples=150)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_changed_byte_anywhere_in_a_ledger_fails_by_name(place, turned):
    changed = bytearray(WHOLE)
    changed[place] ^= turned
    assert verify_ledger(bytes(changed), RECORD, bls=False).failure.startswith("E_LEDGER_")


@pytest.mark.nightly
def test_every_changed_byte_of_a_ledger_fails_by_name():
    for place in range(len(WHOLE)):
        for bit in range(8):
            changed = bytearray(WHOLE)
            changed[place] ^= 1 << bit
            assert verify_ledger(bytes(changed), RECORD, bls=False).failure.startswith("E_LEDGER_"), (place, bit)


@given(st.integers(0, len(WHOLE) - 1))
def test_a_cut_ledger_fails_where_its_head_was_kept(length):
    head = json.loads(LINES[-1])["hash"]
    assert verify_ledger(WHOLE[:length], head=head, bls=False).failure in ("E_LEDGER_FORMAT", "E_LEDGER_HEAD")


@given(st.permutations(range(len(LINES))))
def test_lines_in_another_order_fail(order):
    found = verify_ledger(b"".join(LINES[place] for place in order), RECORD, bls=False).failure
    assert found == ("E_LEDGER_SEQ" if order != list(range(len(LINES))) else "")


@given(st.binary(max_size=80) | st.lists(st.sampled_from(LINES), max_size=6).map(b"".join))
def test_no_ledger_and_no_record_make_the_verifier_raise(data):
    assert isinstance(verify_ledger(data, data, head="x", bls=False), Verdict)
    assert isinstance(verify_ledger(data, RECORD, bls=False), Verdict)


@given(st.data())
def test_a_ledger_whose_members_are_of_other_types_fails_by_name(data):
    entry = parse(data.draw(st.sampled_from(LINES))[:-1])
    member = data.draw(st.sampled_from([*entry, *entry["body"]]))
    holder = entry if member in entry else entry["body"]
    others = [value for value in (True, 0, [], {}, ["commit"], -1) if value != holder[member]]
    holder[member] = data.draw(st.sampled_from(others))
    if member != "seq" or isinstance(holder[member], (bool, list, dict)):
        assert verify_ledger(jcs(entry) + b"\n", bls=False).failure == "E_LEDGER_FORMAT"
    else:
        assert verify_ledger(jcs(entry) + b"\n", bls=False).failure.startswith("E_LEDGER_")


def test_facts_say_what_the_verdict_is_about():
    found = verify_ledger(WHOLE, RECORD, bls=False)
    assert (found.failure, found.step) == ("", 5)
    assert found.facts["head"] == json.loads(LINES[-1])["hash"]
    assert (found.facts["protocol_hash"], found.facts["record_hash"]) == (DRAWN.protocol_hash, DRAWN.record_hash)
    broken = verify_ledger(told(commit(), draw(), draw()), bls=False)
    assert (broken.failure, broken.step, broken.facts["seq"]) == ("E_REROLL", 4, 2)


def test_a_record_that_fails_is_the_ledgers_failure():
    broken = verify_ledger(WHOLE, RECORD.replace(b'"attempt":0', b'"attempt":1') + b" ", bls=False)
    assert (broken.failure, broken.step) == ("E_JSON", 1)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([commit(), commit("cc" * 32)], "E_REROLL"),
        ([commit(entropy_time=LATER), void(), commit("cc" * 32, entropy_time=LATER)], ""),
        ([commit(entropy_time=LATER), void("cc" * 32)], "E_NOT_COMMITTED"),
        ([void()], "E_NOT_COMMITTED"),
        ([commit(), void()], "E_REROLL"),
        ([commit(entropy_time=NOW), void()], "E_REROLL"),
        ([commit(), draw(), void()], "E_REROLL"),
        ([commit(), draw(), commit("cc" * 32)], "E_REROLL"),
        ([commit(entropy_time=LATER), assign(1, "x"), void()], "E_REROLL"),
        ([commit(entropy_time=DAY + "00:00:00Z")], "E_COMMIT_TOO_LATE"),
        ([draw()], "E_NOT_COMMITTED"),
        ([commit(), draw("cc" * 32)], "E_NOT_COMMITTED"),
        ([commit(entropy_time=LATER), draw()], "E_LEDGER_TIME"),
        ([opened("0", "1")], "E_NOT_COMMITTED"),
        ([commit(), draw(), opened("0", "1")], "E_NOT_COMMITTED"),
        ([commit(), opened("nonsens", "1")], ""),
        ([commit(), assign(1, "x"), assign(2, "y"), assign(1, "z", stratum="B")], ""),
        ([commit(), assign(2, "x")], "E_ASSIGN"),
        ([commit(), assign(1, "x"), assign(2, "X")], "E_ASSIGN"),
        ([commit(), assign(1, "x "), assign(2, "y")], "E_ASSIGN"),
        ([commit(), draw(), assign(1, "x")], "E_ASSIGN"),
        ([("note", {"text": "Velkommen."}), commit(), ("timestamp", {"hash": "x", "token": "y"}), draw()], ""),
    ],
)
def test_the_rules_of_an_open_ledger(steps, expected):
    assert failure(*steps) == expected


def test_empty_names_are_names_too():
    """A commitment to the hash "" is live, and a draw of the record "" is a draw: neither opens a way around."""
    assert failure(commit(""), commit()) == "E_REROLL"
    assert failure(commit(), draw(record_hash=""), draw()) == "E_REROLL"
    assert failure(commit(), draw(record_hash=""), assign(1, "x")) == "E_ASSIGN"
    assert failure(void("")) == "E_NOT_COMMITTED"
    assert failure(draw("")) == "E_NOT_COMMITTED"


def test_a_voided_commitment_is_warned_of():
    found = verify_ledger(told(commit(entropy_time=LATER), void()), bls=False)
    assert (found.warnings, found.confirmed, found.facts["protocol_hash"]) == (("W_VOIDED",), False, "")


SEQUENTIAL = drawn("sequential")
LISTS = dict(SEQUENTIAL.assignment.lists)


def test_an_assignment_must_be_the_lists_once_the_record_is_known():
    body = {
        "draw_id": "sequential", "protocol_hash": SEQUENTIAL.protocol_hash, "entropy_time": "2023-08-23T15:59:24Z",
    }  # fmt: skip
    base = ledger.append(b"", "commit", body, "2023-08-23T12:00:00Z")

    def told_with(position: int, stratum: str, label: str) -> str:
        step = assign(position, "p1", stratum, label)
        data = ledger.append(base, *step, "2023-08-24T12:00:00Z")
        body = {"protocol_hash": SEQUENTIAL.protocol_hash, "record_hash": SEQUENTIAL.record_hash}
        data = ledger.append(data, "draw", body, "2023-08-25T12:00:00Z")
        return verify_ledger(data, SEQUENTIAL.record_bytes, bls=False).failure

    right = LISTS["flergang"][0]
    assert told_with(1, "flergang", right) == ""
    assert told_with(1, "flergang", {"nu": "senere", "senere": "nu"}[right]) == "E_ASSIGN"
    assert told_with(1, "tredjegang", right) == "E_ASSIGN"


def test_a_list_that_is_used_up_assigns_nobody():
    steps = [("commit", {"draw_id": "sequential", "protocol_hash": SEQUENTIAL.protocol_hash, "entropy_time": ""})]
    steps += [assign(k + 1, f"p{k}", "flergang", label) for k, label in enumerate(LISTS["flergang"])]
    assert verify_ledger(told(*steps), SEQUENTIAL.record_bytes, bls=False).failure == "E_NOT_COMMITTED"
    steps.append(assign(14, "p14", "flergang", "nu"))
    assert verify_ledger(told(*steps), SEQUENTIAL.record_bytes, bls=False).failure == "E_ASSIGN"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("commit", {"draw_id": "a", "protocol_hash": "b"}),
        ("commit", {"draw_id": "a", "protocol_hash": "b", "entropy_time": "i morgen"}),
        ("assign", {"stratum": "A", "position": 0, "unit": "x", "label": "nu"}),
        ("assign", {"stratum": "A", "position": True, "unit": "x", "label": "nu"}),
        ("note", {"text": 1}),
        ("note", {"text": 1.5}),
        ("regret", {"text": "x"}),
    ],
)
def test_no_ill_formed_entry_is_written(kind, body):
    with pytest.raises(DrawError, match="E_LEDGER_FORMAT"):
        ledger.append(b"", kind, body, DAY + "00:00:00Z")
    with pytest.raises(DrawError, match="E_LEDGER_FORMAT"):
        ledger.append(b"x\n", "note", {"text": "x"}, DAY + "00:00:00Z")


def test_appending_links_to_the_last_line_and_leaves_the_rest_alone():
    one = ledger.append(b"", "note", {"text": "en\nlinje"}, DAY + "00:00:00Z")
    two = ledger.append(one, "note", {"text": "to"}, DAY + "00:00:01Z")
    assert two.startswith(one)
    first, second = ledger.read(two)
    assert (first["seq"], first["prev"], second["seq"], second["prev"]) == (0, NO_HASH, 1, first["hash"])


def witnessed(stage: str, time: str, *, name: str = "Ældrerådet", signs: str = "") -> str:
    """The failure of the golden story with one more signature at its end."""
    digest = signs or (DRAWN.protocol_hash if stage == "commit" else DRAWN.record_hash)
    head = json.loads(LINES[-1])["hash"]
    signature = witness.sign(KEYS["Ældrerådet"], witness.message(stage, digest, head, time))
    body = {"name": name, "stage": stage, "hash": digest, "head": head, "time": time, "signature": signature}
    return verify_ledger(ledger.append(WHOLE, "witness", body, "2023-08-23T17:00:00Z"), RECORD, bls=False).failure


def test_a_late_signature_of_the_commitment_counts_for_nothing_and_harms_nothing():
    assert witnessed("commit", "2023-08-23T16:30:00Z") == ""


def test_signatures_that_are_not_hers_are_named():
    assert witnessed("draw", "2023-08-23T16:30:00Z", name="Borgerrådgiveren") == "E_SIGNATURE"
    assert witnessed("draw", "2023-08-23T16:30:00Z", name="En forbipasserende") == "E_SIGNATURE"
    assert witnessed("draw", "2023-08-23T15:59:23Z") == "E_SIGNATURE"
    assert witnessed("draw", "i går") == "E_SIGNATURE"
    assert witnessed("draw", "2023-08-23T16:30:00Z", signs=DRAWN.protocol_hash) == "E_SIGNATURE"


@pytest.mark.parametrize(
    ("text", "real"),
    [("2024-02-29T23:59:59Z", True), ("0001-01-01T00:00:00Z", True), ("2000-02-29T00:00:00Z", True),
     ("1900-02-29T00:00:00Z", False), ("2024-02-30T00:00:00Z", False), ("2024-01-01T24:00:00Z", False),
     ("2024-01-01T23:59:60Z", False), ("0000-01-01T00:00:00Z", False), ("2024-01-01t00:00:00Z", False),
     ("2024-01-01T00:00:00+00:00", False), ("2024-01-01T00:00:00Z\n", False), ("２024-01-01T00:00:00Z", False)],
)  # fmt: skip
def test_times_are_real_dates_written_in_one_way(text, real):
    assert chain.is_time(text) == real


def test_a_chain_names_the_first_entry_and_member_that_break_it():
    data = b""
    for minute in range(3):
        data = chain.appended(data, {"time": f"{DAY}00:0{minute}:00Z", "what": "x"})
    good = chain.entries(data)
    assert chain.first_break(good) is None
    for member, value in (("seq", 7), ("prev", NO_HASH), ("hash", NO_HASH), ("time", DAY + "00:00:00Z")):
        changed = [dict(entry) for entry in good]
        changed[2][member] = value
        if member == "time":
            rest = {key: found for key, found in changed[2].items() if key not in ("hash", "seq", "prev")}
            changed[2] = chain.linked(rest, seq=2, prev=good[1]["hash"])
        assert chain.first_break(changed) == (2, member)
    with pytest.raises(CanonicalError):
        chain.entries(data[:-1])
    with pytest.raises(CanonicalError):
        chain.entries(b"[]\n")
