"""One draw's folder: each step made once, by one process, whole or not at all."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.attack.results import seed, write
from trialkit.canonical import digest
from trialkit.draw.announce import prepare
from trialkit.draw.drand import CHAIN, round_time
from trialkit.draw.evidence import new_secret, seal
from trialkit.draw.folder import DrawFolder
from trialkit.draw.refusals import stamp
from trialkit.draw.witness import message, new_key, sign
from trialkit.errors import DrawError

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
THROWS = [6, 3, 4, 5, 4, 6, 6, 0, 3, 9, 0, 1, 0, 3, 1, 6, 9, 4, 6, 2]
DICE = {"kind": "rolls", "low": 0, "high": 9, "count": 20, "distinct": False}
THROWN = {"kind": "rolls", "values": THROWS}
ROUND = {"kind": "drand", "chain": CHAIN, "round": 1000}  # a real pulse, 2023-08-23T15:59:24Z
PULSE = {
    "kind": "drand",
    "round": 1000,
    "signature": "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
}
BEFORE, AFTER = round_time(1000) - timedelta(days=1), round_time(1000)


def rollout(entropy=(DICE,), witnesses=(), quorum=0, draw_id="proeve"):
    labels = [{"name": "first", "weight": 1}, {"name": "later", "weight": 1}]
    return prepare(
        {
            "draw_id": draw_id,
            "title": "Udrulning",
            "method": "shuffle",
            "design": {"kind": "complete", "level": "unit", "labels": labels},
            "units": [{"id": name} for name in ("Valby", "Ålholm", "Nørrebro", "Østerbro")],
            "entropy": list(entropy),
            "witnesses": list(witnesses),
            "quorum": quorum,
        }
    )


def queue(secret, draw_id="koe"):
    return prepare(
        {
            "draw_id": draw_id,
            "title": "Kø",
            "method": "shuffle",
            "design": {
                "kind": "sequential",
                "labels": [{"name": "now", "weight": 1}, {"name": "later", "weight": 1}],
                "strata": ["unborn", "born"],
                "blocks": [2, 4],
                "length": 40,
            },
            "units": [],
            "entropy": [seal(draw_id, "Keeper", secret), DICE],
            "witnesses": [],
            "quorum": 0,
        }
    )


@pytest.fixture
def folder(tmp_path):
    return DrawFolder(tmp_path / "draws" / "proeve")


def refused(code, step, *args, **kwargs):
    with pytest.raises(DrawError) as error:
        step(*args, **kwargs)
    assert error.value.code == code
    assert error.value.told("da") != error.value.message


def test_commit_open_draw_leaves_a_folder_that_verifies(folder):
    head = folder.commit(rollout(), NOW)
    assert folder.head == head
    folder.open(0, ",".join(map(str, THROWS)), NOW)
    drawn = folder.draw([THROWN], NOW)
    assert digest(json.loads(folder.record_bytes)) == drawn.record_hash
    verdict = folder.verify()
    assert (verdict.failure, verdict.confirmed) == ("", False)  # nobody signed
    assert sorted(path.name for path in folder.path.iterdir()) == [
        ".lock",
        "ledger.jsonl",
        "protocol.json",
        "record.json",
    ]


def test_a_witnessed_draw_by_dice_is_confirmed(folder):
    private, public = new_key()
    folder.commit(rollout(witnesses=[{"name": "Formanden", "public_key": public}], quorum=1), NOW)
    refused("E_QUORUM", folder.draw, [THROWN], NOW)
    _signed(folder, "Formanden", private, "commit", folder.story().live)
    folder.draw([THROWN], NOW)
    assert folder.verify().failure == "E_QUORUM"  # until she signs the record
    _signed(folder, "Formanden", private, "draw", folder.story().drawn)
    assert folder.verify().confirmed


def _signed(folder, name, private, stage, hashed, moment=NOW):
    head, when = folder.head, stamp(moment)
    signature = sign(private, message(stage, hashed, head, when))
    folder.witness(
        {"name": name, "stage": stage, "hash": hashed, "head": head, "time": when, "signature": signature}, moment
    )


def test_nothing_happens_before_the_commitment_or_twice(folder):
    refused("E_NOT_COMMITTED", folder.draw, [THROWN], NOW)
    refused("E_NOT_COMMITTED", folder.open, 0, "1", NOW)
    folder.commit(rollout(), NOW)
    refused("E_REROLL", folder.commit, rollout(), NOW)
    folder.draw([THROWN], NOW)
    before = (folder.record_bytes, folder.ledger_bytes)
    refused("E_REROLL", folder.draw, [THROWN], NOW)
    refused("E_REROLL", folder.draw, [THROWN | {"values": THROWS[::-1]}], NOW)
    refused("E_REROLL", folder.commit, rollout(), NOW)
    refused("E_REROLL", folder.void, "regret", NOW)
    assert before == (folder.record_bytes, folder.ledger_bytes)


def test_dice_are_entered_once_and_are_the_ones_drawn_with(folder):
    folder.commit(rollout(), NOW)
    refused("E_EVIDENCE", folder.open, 0, "1,2,3", NOW)
    refused("E_EVIDENCE", folder.open, 0, ",".join(["10"] * 20), NOW)
    refused("E_EVIDENCE", folder.open, 7, "1", NOW)
    folder.open(0, ",".join(map(str, THROWS)), NOW)
    refused("E_REROLL", folder.open, 0, ",".join(map(str, THROWS[::-1])), NOW)
    refused("E_LATE_OPENING", folder.draw, [THROWN | {"values": THROWS[::-1]}], NOW)
    assert folder.opened() == {0: ",".join(map(str, THROWS))}


def test_the_beacon_comes_after_the_commitment_and_before_the_draw(folder):
    refused("E_COMMIT_TOO_LATE", folder.commit, rollout([ROUND]), AFTER)
    folder.commit(rollout([ROUND]), BEFORE)
    refused("E_LEDGER_TIME", folder.draw, [PULSE], BEFORE)
    drawn = folder.draw([PULSE], AFTER)
    assert drawn.drand_verified
    assert folder.verify().confirmed


def test_a_mistyped_beacon_draws_nothing(folder):
    folder.commit(rollout([ROUND]), BEFORE)
    forged = PULSE | {"signature": PULSE["signature"][:-1] + "8"}
    refused("E_DRAND_SIGNATURE", folder.draw, [forged], AFTER)
    assert not folder.record_bytes
    assert not folder.story().drawn


def test_dice_beside_a_beacon_are_entered_before_it(folder):
    folder.commit(rollout([DICE, ROUND]), BEFORE)
    refused("E_LATE_OPENING", folder.draw, [THROWN, PULSE], AFTER)
    folder.open(0, ",".join(map(str, THROWS)), BEFORE)
    folder.draw([THROWN, PULSE], AFTER)
    assert folder.verify().confirmed


def test_a_withdrawal_is_possible_only_while_the_chance_is_unknown(folder):
    folder.commit(rollout([ROUND]), BEFORE)
    first = folder.protocol
    folder.void("a unit was missing", BEFORE)
    refused("E_NOT_COMMITTED", folder.draw, [PULSE], AFTER)
    folder.commit(rollout([ROUND]), BEFORE)
    refused("E_REROLL", folder.void, "a pity", AFTER)
    folder.draw([PULSE], AFTER)
    assert folder.verify().warnings == ("W_VOIDED",)
    kept = list(folder.path.glob("protocol.*.json"))
    assert [digest(json.loads(path.read_bytes())) for path in kept] == [digest(first)]


def test_the_clock_of_the_machine_cannot_run_backwards(folder):
    folder.commit(rollout(), NOW)
    refused("E_LEDGER_TIME", folder.open, 0, ",".join(map(str, THROWS)), NOW - timedelta(seconds=1))


@pytest.mark.parametrize("name", ["ledger.jsonl", "protocol.json"])
def test_a_changed_file_stops_every_step(folder, name):
    folder.commit(rollout(), NOW)
    path = folder.path / name
    path.write_bytes(path.read_bytes().replace(b"proeve", b"proeva"))
    with pytest.raises(DrawError):
        folder.draw([THROWN], NOW)
    assert not folder.record_bytes


def test_a_signature_of_something_else_is_refused(folder):
    private, public = new_key()
    folder.commit(rollout(witnesses=[{"name": "Formanden", "public_key": public}], quorum=1), NOW)
    for change in ({"name": "Andre"}, {"hash": "0" * 64}, {"time": stamp(NOW + timedelta(1))}, {"stage": "draw"}):
        body = {
            "name": "Formanden",
            "stage": "commit",
            "hash": folder.story().live,
            "head": folder.head,
            "time": stamp(NOW),
        }
        body["signature"] = sign(private, message(body["stage"], body["hash"], body["head"], body["time"]))
        refused("E_SIGNATURE", folder.witness, body | change, NOW)


def test_assignments_follow_the_sealed_list_and_nobody_gets_two(folder):
    secret = new_secret()
    evidence = [{"kind": "commit", "secret": secret}, THROWN]
    folder = DrawFolder(folder.path.with_name("koe"))
    folder.commit(queue(secret), NOW)
    given = [folder.assign(f"F{number:03}", "born", evidence, NOW) for number in range(6)]
    refused("E_ASSIGN", folder.assign, "F001", "unborn", evidence, NOW)
    refused("E_ASSIGN", folder.assign, "f001", "born", evidence, NOW)  # the same code in small letters
    refused("E_ASSIGN", folder.assign, "F100", "unknown", evidence, NOW)
    refused("E_ASSIGN", folder.assign, " F100", "born", evidence, NOW)
    refused("E_COMMITMENT", folder.assign, "F100", "born", [{"kind": "commit", "secret": new_secret()}, THROWN], NOW)
    refused("E_REROLL", folder.void, "regret", NOW)
    folder.open(0, secret, NOW)
    drawn = folder.draw(evidence, NOW)
    assert given == list(dict(drawn.assignment.lists)["born"][:6])
    assert folder.verify().failure == ""


def lottery(n=6, places=2):
    return prepare(
        {
            "draw_id": "pladser",
            "title": "Pladser",
            "method": "shuffle",
            "design": {"kind": "lottery", "level": "unit", "places": places},
            "units": [{"id": f"F{number:03}", "tier": 1} for number in range(n)],
            "entropy": [DICE],
            "witnesses": [],
            "quorum": 0,
        }
    )


def test_a_place_given_up_goes_to_the_next_in_the_order_of_lots(folder):
    folder = DrawFolder(folder.path.with_name("pladser"))
    folder.commit(lottery(), NOW)
    refused("E_NOT_DRAWN", folder.give_up, "F000", NOW)
    drawn = folder.draw([THROWN], NOW)
    order = [one["id"] for one in sorted(drawn.result["allocation"], key=lambda one: one["position"])]
    refused("E_ASSIGN", folder.give_up, order[2], NOW)  # waits, holds nothing
    assert folder.give_up(order[0], NOW)["id"] == order[2]
    refused("E_ASSIGN", folder.give_up, order[0], NOW)
    assert folder.give_up(order[2], NOW)["id"] == order[3]
    assert [folder.give_up(name, NOW)["id"] for name in (order[1], order[3])] == order[4:]
    refused("E_ASSIGN", folder.give_up, order[4], NOW)  # nobody waits any more
    assert folder.verify().failure == ""


# -- several processes -----------------------------------------------------------------------------------------


def _race(path, number, ready, results):
    ready.wait()
    try:
        values = THROWS if number % 2 else THROWS[::-1]
        results.put((number, DrawFolder(path).draw([THROWN | {"values": values}], NOW).record_hash))
    except DrawError as error:
        results.put((number, error.code))


def _queue_up(path, number, ready, results, evidence):
    ready.wait()
    results.put((number, DrawFolder(path).assign(f"F{number}", "born", evidence, NOW)))


def _together(target, path, n, *more):
    spawn = multiprocessing.get_context("fork")
    ready, results = spawn.Event(), spawn.Queue()
    workers = [spawn.Process(target=target, args=(path, number, ready, results, *more)) for number in range(n)]
    for worker in workers:
        worker.start()
    ready.set()
    found = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    return [answer for _, answer in sorted(found)]


@pytest.mark.parametrize("races", [3, pytest.param(200, marks=pytest.mark.nightly)])
def test_of_eight_processes_exactly_one_draws_and_the_others_say_why(tmp_path, races):
    for race in range(races):
        folder = DrawFolder(tmp_path / f"r{race}" / "proeve")
        folder.commit(rollout(), NOW)
        found = _together(_race, folder.path, 8)
        assert found.count("E_REROLL") == 7
        assert folder.story().drawn in found
        assert folder.verify().failure == ""
    if races >= 200:
        write("races_draw", seed(), [("count", "races of 8 processes", races), ("count", "second draws", 0)])


@pytest.mark.parametrize("races", [2, pytest.param(200, marks=pytest.mark.nightly)])
def test_eight_processes_get_eight_different_entries_and_skip_none(tmp_path, races):
    secret = new_secret()
    evidence = [{"kind": "commit", "secret": secret}, THROWN]
    for race in range(races):
        folder = DrawFolder(tmp_path / f"r{race}" / "koe")
        folder.commit(queue(secret), NOW)
        _together(_queue_up, folder.path, 8, evidence)
        positions = [entry["body"]["position"] for entry in folder.entries() if entry["type"] == "assign"]
        assert positions == list(range(1, 9))
    if races >= 200:
        write("races_next", seed(), [("count", "races of 8 processes", races), ("count", "entries skipped", 0)])


# -- death -----------------------------------------------------------------------------------------------------

STEPS = """
import sys
from pathlib import Path
from tests.draw.test_folder import *
from trialkit.draw import drand
drand.available = lambda: False   # a pairing takes seconds in which nothing is written
folder = DrawFolder(Path(sys.argv[1]))
print("ready", flush=True)
folder.commit(rollout([ROUND]), BEFORE)
folder.void("again", BEFORE)
folder.commit(rollout([ROUND]), BEFORE)
folder.draw([PULSE], AFTER)
print("done", flush=True)
"""
LIFE = 0.03  # seconds the four steps take, with room: kills fall before, between and after them


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.nightly)])
def test_a_killed_process_leaves_a_folder_that_verifies_and_can_go_on(tmp_path, kills):
    root = Path(__file__).parents[2]
    for kill in range(kills):
        path = tmp_path / f"k{kill}" / "proeve"
        worker = subprocess.Popen([sys.executable, "-c", STEPS, str(path)], cwd=root, stdout=subprocess.PIPE)
        worker.stdout.readline()
        time.sleep(LIFE * kill / kills)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
        folder = DrawFolder(path)
        if folder.ledger_bytes:
            assert folder.verify(bls=False).failure == ""
        if not folder.story().live:
            folder.commit(rollout([ROUND]), BEFORE)
        if not folder.record_bytes or folder.pending():
            folder.draw([PULSE], AFTER)  # the same command, simply run again
        assert folder.record_bytes
        assert folder.verify(bls=False).failure == ""
        assert not list(path.glob("record.pending"))


def test_a_full_disk_leaves_what_was_there(folder, monkeypatch):
    folder.commit(rollout(), NOW)
    before = folder.ledger_bytes

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            folder.draw([THROWN], NOW)
    assert folder.ledger_bytes == before
    assert not [path for path in folder.path.iterdir() if path.name.startswith(".ledger") or "record" in path.name]
    folder.draw([THROWN], NOW)
    assert folder.verify().failure == ""
