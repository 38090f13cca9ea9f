"""The public stream: bytes, whole numbers, and the draw of section 12 done by hand."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialkit.draw.announce import prepare
from trialkit.draw.official import official
from trialkit.draw.stream import PublicChance

LABEL = ("shuffle", "all", "", 0)


def stream(seed: str = "12" * 32):
    return PublicChance(seed).stream(*LABEL)


@given(st.lists(st.integers(0, 3000), max_size=12))
def test_bytes_come_in_order_however_they_are_read(sizes):
    read = stream()
    whole = b"".join(read.read(size) for size in sizes)
    assert whole == stream().read(sum(sizes))


@pytest.mark.parametrize("block", [0, 1, 2, 9, 10, 999, 4000])
def test_block_i_is_the_hash_anyone_can_redo(block):
    """printf '%s' '["trialkit-draw/1","stream",...,i]' | sha256sum"""
    seed = "12" * 32
    printed = f'["trialkit-draw/1","stream","{seed}",["shuffle","block","Ø",3],{block}]'
    found = PublicChance(seed).stream("shuffle", "block", "Ø", 3).read(32 * (block + 1))[-32:]
    assert found == hashlib.sha256(printed.encode()).digest()


def test_a_stream_belongs_to_its_label():
    labels = [("shuffle", "all", "", 0), ("leftover", "all", "", 0), ("shuffle", "block", "", 0),
              ("shuffle", "all", "a", 0), ("shuffle", "all", "", 1)]  # fmt: skip
    assert len({PublicChance("00" * 32).stream(*label).read(8) for label in labels}) == len(labels)


@given(st.integers(1, 2**200))
def test_a_number_is_below_its_modulus(m):
    read = stream()
    assert all(0 <= read.below(m) < m for _ in range(5))


def test_below_1_reads_nothing():
    read = stream()
    assert read.below(1) == 0
    assert read.read(4) == stream().read(4)


@pytest.mark.parametrize(("m", "quantile"), [(2, 23.9), (3, 27.6), (6, 35.9), (10, 44.8), (97, 176.8), (256, 377.1)])
def test_every_number_below_m_is_equally_likely(m, quantile):
    """Chi-square, 300 draws per number, seed fixed; quantile: scipy 1.17, chi2.isf(1e-6, m - 1)."""
    read = stream("7a" * 32)
    found = Counter(read.below(m) for _ in range(300 * m))
    assert sum((found[k] - 300) ** 2 / 300 for k in range(m)) < quantile


def test_large_moduli_reach_every_quarter():
    m = 3 * 2**80
    read = stream()
    found = Counter(4 * read.below(m) // m for _ in range(1200))
    assert sum((found[k] - 300) ** 2 / 300 for k in range(4)) < 30.7  # scipy 1.17: chi2.isf(1e-6, 3)


def test_the_draw_by_hand_of_section_12():
    draft = {
        "draw_id": "eksempel", "title": "Eksempel", "method": "shuffle", "quorum": 0, "witnesses": [],
        "design": {"kind": "complete", "level": "unit",
                   "labels": [{"name": "nu", "weight": 1}, {"name": "senere", "weight": 1}]},
        "entropy": [{"kind": "published", "value": "63454660390103169462"}],
        "units": [{"id": name} for name in ("Østerbro", "Ålmen", "Nørrebro", "Valby")],
    }  # fmt: skip
    found = official(prepare(draft), [{"kind": "published"}])
    assert found.protocol_hash == "e3531614186ce78c7ef8fdc23c14995061911007e6a15ea54a36fe063116ccbd"
    assert found.seed == "12f5b57fd09f340dfb8ef744cdf19fed37139615e59687bb0b8775a44ce699f2"
    assert dict(zip(found.assignment.units.ids, found.assignment.labels, strict=True)) == {
        "Nørrebro": "senere", "Valby": "nu", "Ålmen": "senere", "Østerbro": "nu",
    }  # fmt: skip
