"""drand quicknet: round times, and signatures by pairing (the only tests that pair: half a second each)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.draw.golden.make import PULSE, drawn, story
from trialkit.draw import drand, ledger
from trialkit.draw.announce import prepare
from trialkit.draw.official import official
from trialkit.draw.selftest import replay
from trialkit.draw.verify import verify_ledger, verify_record
from trialkit.errors import DrawError

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "draw_vectors.json").read_text(encoding="utf-8"))

# RFC 9380, J.9.1 (BLS12381G1_XMD:SHA-256_SSWU_RO_): msg "abc", P.x and P.y
RFC_9380_ABC = (
    0x03567BC5EF9C690C2AB2ECDF6A96EF1C139CC0B2F284DCA0A9A7943388A49A3AEE664BA5379A7655D3C68900BE2F6903,
    0x0B9C15F3FE6E5CF4211F346271D7B01C8F3B28BE689C8429C85B67AF215533311F0B8DFAAA154FA6B88176C229F2885D,
)


def test_all_515_checks_of_the_vectors_pass():
    found = replay(VECTORS, bls=True)
    assert (found.passed, found.failed, found.skipped, found.failures) == (515, 0, 0, [])


def test_hashing_to_the_curve_is_rfc_9380():
    from hashlib import sha256

    from py_ecc.bls.hash_to_curve import hash_to_G1
    from py_ecc.optimized_bls12_381 import normalize

    point = hash_to_G1(b"abc", b"QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_", sha256)
    assert tuple(coordinate.n for coordinate in normalize(point)) == RFC_9380_ABC


def test_a_signature_with_one_bit_turned_is_refused():
    signature = VECTORS["drand"][0]["signature"]
    for place in (0, 1, 47, 95):
        other = signature[:place] + f"{int(signature[place], 16) ^ 1:x}" + signature[place + 1 :]
        assert not drand.verify_signature(1000, other)


def test_a_forged_round_is_named_when_all_else_holds():
    """A record and its ledger around the next round's signature: only the pairing sees it."""
    protocol, evidence = prepare(drawn("complete").protocol), [{**PULSE, "signature": VECTORS["drand"][1]["signature"]}]
    forged = official(protocol, evidence)
    names = {"draw_id": "complete", "protocol_hash": forged.protocol_hash, "entropy_time": drand.round_stamp(1000)}
    data = ledger.append(b"", "commit", names, "2023-08-23T12:00:00Z")
    names = {"protocol_hash": forged.protocol_hash, "record_hash": forged.record_hash}
    data = ledger.append(data, "draw", names, "2023-08-23T16:00:00Z")
    unseen = verify_ledger(data, forged.record_bytes, bls=False)
    assert (unseen.failure, unseen.confirmed) == ("", False)
    assert verify_ledger(data, forged.record_bytes, bls=True).failure == "E_DRAND_SIGNATURE"
    assert verify_record(forged.record_bytes, bls=True).step == 11
    with pytest.raises(DrawError, match="E_DRAND_SIGNATURE"):
        official(protocol, evidence, bls=True)


def test_a_genuine_round_is_confirmed_and_no_longer_warned_of():
    found, data = story()
    verdict = verify_ledger(data, found.record_bytes, bls=True)
    assert (verdict.failure, verdict.confirmed, verdict.all_warnings) == ("", True, ())
    assert verdict.draw.drand_verified


def test_without_py_ecc_nothing_is_confirmed_that_names_a_round(monkeypatch):
    monkeypatch.setattr(drand, "available", lambda: False)
    genuine = VECTORS["confirmed"][0]
    found = verify_ledger(genuine["ledger"].encode(), genuine["record"].encode(), bls=True)
    assert (found.failure, found.confirmed, found.all_warnings) == ("", False, ("W_DRAND_UNVERIFIED",))
    drand.verify_signature.cache_clear()
    with pytest.raises(DrawError, match="E_NO_BLS"):
        drand.verify_signature(1000, VECTORS["drand"][0]["signature"])


def test_round_1_is_the_genesis_and_rounds_come_every_three_seconds():
    assert drand.round_stamp(1) == "2023-08-23T15:09:27Z"
    assert drand.round_stamp(2) == "2023-08-23T15:09:30Z"
    assert drand.round_stamp(drand.LAST_ROUND) == "8556-07-17T13:46:12Z"  # date -u -d @207851233572


@given(st.integers(1, drand.LAST_ROUND - 1), st.integers(-2_999_999, 0))
def test_round_at_is_the_first_at_or_after_the_moment(number, microseconds):
    moment = drand.round_time(number) + timedelta(microseconds=microseconds)
    assert drand.round_at(moment) == number


def test_round_at_reads_the_time_zone_and_refuses_to_guess_one():
    noon = datetime(2030, 6, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert drand.round_at(noon) == drand.round_at(datetime(2030, 6, 1, 10, tzinfo=UTC))
    assert drand.round_at(datetime(2001, 1, 1, tzinfo=UTC)) == 1
    with pytest.raises(ValueError, match="time zone"):
        drand.round_at(datetime(2030, 6, 1, 12))
