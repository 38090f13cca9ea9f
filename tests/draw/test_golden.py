"""Draws of the first version, repeated byte for byte by every later one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.draw.golden.make import CASES, drawn, story
from trialkit.design.parts_design import KINDS
from trialkit.draw.announce import prepare
from trialkit.draw.official import official, redraw
from trialkit.draw.verify import verify_ledger, verify_record

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"), key=lambda path: path.name)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_record_is_drawn_again_byte_for_byte(path):
    data = path.read_bytes()
    assert redraw(data).record_bytes == data
    record = json.loads(data)
    assert official(prepare(record["protocol"]), record["evidence"]).record_bytes == data
    assert verify_record(data, bls=False).failure == ""


def test_every_case_has_its_record_and_draws_it():
    """The drafts are written in another order than the protocols, with quotas and units unsorted."""
    assert {path.stem for path in GOLDEN} == {*CASES, "story"}
    for path in GOLDEN:
        found = story()[0] if path.stem == "story" else drawn(path.stem)
        assert found.record_bytes == path.read_bytes()


def test_the_golden_draws_hold_every_kind_and_both_methods():
    protocols = [json.loads(path.read_bytes())["protocol"] for path in GOLDEN]
    assert {protocol["design"]["kind"] for protocol in protocols} == {*KINDS, "sequential"}
    assert {protocol["method"] for protocol in protocols} == {"shuffle", "rank"}
    assert {source["kind"] for protocol in protocols for source in protocol["entropy"]} == {
        "drand", "rolls", "number", "commit", "published",
    }  # fmt: skip


def test_the_golden_ledger_is_written_again_and_holds():
    data, record = (GOLDEN[0].parent / name for name in ("story.jsonl", "story.json"))
    assert story()[1] == data.read_bytes()
    found = verify_ledger(data.read_bytes(), record.read_bytes(), bls=False)
    assert (found.failure, found.warnings, found.all_warnings) == ("", (), ("W_DRAND_UNVERIFIED",))
