"""The published vectors (tests/vectors/draw_vectors.json, section 11 of the specification), list by list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trialkit.draw import drand
from trialkit.draw.selftest import Checked, Counts, checks, replay, total

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "draw_vectors.json").read_text(encoding="utf-8"))

WITHOUT_BLS = {
    "canonical": 5, "parse": 17, "text": 26, "stream": 4, "shuffle": 5, "rank": 24, "commitments": 2, "draws": 176,
    "records": 42, "ledgers": 120, "witness": 15,
}  # fmt: skip


@pytest.fixture(scope="module")
def replayed() -> list[Checked]:
    return list(checks(VECTORS, bls=False))


def failed(found: list[Checked]) -> list[str]:
    return [f"{check.group}: {check.name}: {check.why}" for check in found if check.outcome == "failed"]


def test_the_file_counts_515_checks():
    assert total(VECTORS) == 515


@pytest.mark.parametrize("group", WITHOUT_BLS)
def test_every_vector_of_a_list_passes(replayed, group):
    found = [check for check in replayed if check.group == group]
    assert failed(found) == []
    assert [check.outcome for check in found] == ["passed"] * WITHOUT_BLS[group]


def test_every_modulus_of_the_uniform_vectors_passes(replayed):
    found = [check for check in replayed if check.group == "uniform"]
    assert failed(found) == []
    assert len(found) == sum(len(vector["moduli"]) for vector in VECTORS["uniform"])


def test_without_pairings_what_needs_them_is_skipped_and_said(replayed):
    counts = Counts.of(replayed)
    assert (counts.passed, counts.failed, counts.skipped) == (497, 0, 18)
    assert {check.group for check in replayed if check.outcome == "skipped"} == {"records_bls", "confirmed", "drand"}


def test_without_py_ecc_the_replay_says_what_it_skipped(monkeypatch):
    monkeypatch.setattr(drand, "available", lambda: False)
    counts = replay({**VECTORS, "draws": [], "ledgers": []}, bls=True)
    assert (counts.failed, counts.skipped) == (0, 18)


def test_a_wrong_expectation_fails():
    vector = {**VECTORS["records"][0], "expect": "E_JSON"}
    found = replay({**{name: [] for name in VECTORS}, "drand_chain": VECTORS["drand_chain"], "records": [vector]})
    assert (found.passed, found.failed) == (1, 1)
    assert found.failures[0].name == vector["name"]
    assert "E_JSON" in found.failures[0].why
