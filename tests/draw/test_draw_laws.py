"""Laws an administrator would recognise, for random drafts of every kind."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.strategies import KINDS, draws, nfd
from trialkit.canonical import jcs, parse
from trialkit.draw.announce import design_of, prepare
from trialkit.draw.official import Draw, official, redraw
from trialkit.draw.verify import verify_record
from trialkit.errors import DesignError


def drawn(draft: dict, evidence: list) -> Draw:
    try:
        return official(prepare(draft), evidence)
    except DesignError as error:
        assume(error.code != "E_NO_ACCEPT")
        raise


@given(draws(), st.data())
def test_neither_row_order_nor_unicode_form_ever_moves_a_unit(case, data):
    draft, evidence = case
    other = nfd(draft) | {"units": data.draw(st.permutations(nfd(draft["units"])))}
    assert drawn(other, evidence).record_bytes == drawn(draft, evidence).record_bytes


@given(draws())
def test_preparing_is_idempotent_and_leaves_the_draft_alone(case):
    draft, _ = case
    before = copy.deepcopy(draft)
    protocol = prepare(draft)
    assert draft == before
    assert jcs(prepare(protocol)) == jcs(protocol)


@given(draws())
def test_sizes_are_exact_fixed_units_stay_and_clusters_agree(case):
    draft, evidence = case
    assume(draft["design"]["kind"] != "sequential")
    found = drawn(draft, evidence)
    labels = dict(zip(found.assignment.units.ids, found.assignment.labels, strict=True))
    clusters: dict[str, set[str]] = {}
    for unit in found.protocol["units"]:
        assert unit.get("fixed", labels[unit["id"]]) == labels[unit["id"]]
        clusters.setdefault(unit.get("cluster", unit["id"]), set()).add(labels[unit["id"]])
    assert all(len(held) == 1 for held in clusters.values())
    held = Counter(label for (label,) in clusters.values())
    check_sizes(found, held)


def check_sizes(found: Draw, held: Counter) -> None:
    design, items = found.protocol["design"], sum(held.values())
    if design["kind"] == "lottery":
        assert held["offer"] == min(design["places"], items)
        assert Counter(found.assignment.positions).keys() == set(range(1, items + 1))
    for label in design.get("labels", ()):
        if "places" in label:
            assert held[label["name"]] <= label["places"]
        if design["kind"] == "stepped_wedge":
            assert held[label["name"]] == label["places"]
    if design["kind"] == "blocked_wedge":
        places = [sum(quota["places"][k] for quota in design["quotas"]) for k in range(len(design["labels"]))]
        assert [held[label["name"]] for label in design["labels"]] == places


@given(draws(kinds=("complete", "blocked", "matched")))
def test_each_part_gives_every_label_its_share_or_one_more(case):
    draft, evidence = case
    found = drawn(draft, evidence)
    codes = {label["name"]: place for place, label in enumerate(found.protocol["design"]["labels"])}
    of_item = dict(zip(found.design.places_of_units, found.assignment.labels, strict=True))
    for part in found.design.parts:
        held = Counter(codes[of_item[item]] for item in part.items)
        for label, base in enumerate(part.counts):
            assert held[label] in (base, base + 1 if part.remainders[label] else base)


@given(draws(kinds=("sequential",)))
def test_every_whole_block_of_a_sequence_holds_the_promised_shares(case):
    draft, evidence = case
    found = drawn(draft, evidence)
    design = found.protocol["design"]
    weight = sum(label["weight"] for label in design["labels"])
    for held in found.result["lists"]:
        assert len(held["labels"]) == design["length"]
    if design["blocks"] == [weight]:
        whole = Counter({label["name"]: label["weight"] for label in design["labels"]})
        for held in found.result["lists"]:
            full = len(held["labels"]) // weight * weight
            for start in range(0, full, weight):
                assert Counter(held["labels"][start : start + weight]) == whole


@given(draws())
def test_a_record_reads_back_verifies_and_is_drawn_again_byte_for_byte(case):
    found = drawn(*case)
    assert parse(found.record_bytes) == json.loads(found.record_bytes)
    assert redraw(found.record_bytes).record_bytes == found.record_bytes
    verdict = verify_record(found.record_bytes + b"\n", bls=False)
    assert (verdict.failure, verdict.warnings, verdict.confirmed) == ("", found.warnings, False)
    assert verdict.facts["record_hash"] == found.record_hash


@given(draws())
def test_the_design_read_from_a_protocol_is_the_design_that_was_drawn(case):
    found = drawn(*case)
    assert design_of(found.protocol) == found.design


@settings(max_examples=100)
@given(draws(), st.data())
def test_a_changed_byte_anywhere_in_a_record_fails_by_name(case, data):
    record = bytearray(drawn(*case).record_bytes)
    place = data.draw(st.integers(0, len(record) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != record[place]))
    record[place] = other
    assert verify_record(bytes(record), bls=False).failure.startswith("E_")


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=3)
@given(st.data())
def test_every_changed_byte_of_a_record_fails_by_name(kind, data):
    record = drawn(*data.draw(draws(kinds=(kind,)))).record_bytes
    for place in range(len(record)):
        for bit in range(8):
            changed = bytearray(record)
            changed[place] ^= 1 << bit
            assert verify_record(bytes(changed), bls=False).failure.startswith("E_"), (place, bit)


@given(draws(), st.integers(0, 2**32))
def test_a_cut_record_fails_by_name(case, where):
    record = drawn(*case).record_bytes
    assert verify_record(record[: where % len(record)], bls=False).failure == "E_JSON"


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_file_makes_the_verifier_raise(data):
    assert verify_record(data, bls=False).failure.startswith("E_")


def deep_replacements(value: object, path: tuple = ()) -> list[tuple]:
    """Every path into a record."""
    paths = [path]
    if isinstance(value, dict):
        paths += [found for key in value for found in deep_replacements(value[key], (*path, key))]
    elif isinstance(value, list):
        paths += [found for key, member in enumerate(value) for found in deep_replacements(member, (*path, key))]
    return paths


@settings(max_examples=200)
@given(draws(), st.data())
def test_no_member_of_another_type_makes_the_verifier_raise(case, data):
    record = parse(drawn(*case).record_bytes)
    path = data.draw(st.sampled_from(deep_replacements(record)[1:]))
    holder = record
    for key in path[:-1]:
        holder = holder[key]
    values = st.sampled_from([True, False, 0, 1, -1, 2**53 - 1, "", "x", "\u00c5", [], {}, [[]], [True], {"kind": []}])
    before, holder[path[-1]] = holder[path[-1]], data.draw(values)
    verdict = verify_record(jcs(record), bls=False)
    same = type(before) is type(holder[path[-1]]) and before == holder[path[-1]]
    assert verdict.failure.startswith("E_") != same


def test_a_whole_draw_and_its_check_load_no_generator_of_random_numbers():
    program = """
import sys
from trialkit.draw.announce import prepare
from trialkit.draw.official import official
from trialkit.draw.verify import verify_ledger, verify_record
from trialkit.draw import ledger
units = [{"id": name, "x": [str(place)]} for place, name in enumerate("abcdef")]
labels = [{"name": "nu", "weight": 1}, {"name": "senere", "weight": 1}]
constraint = {"kind": "mahalanobis", "covariates": ["børn"], "threshold": "3", "max_attempts": 50}
design = {"kind": "complete", "level": "unit", "labels": labels, "constraint": constraint}
draft = {"draw_id": "a", "title": "A", "method": "shuffle", "design": design, "units": units,
         "entropy": [{"kind": "published", "value": "1"}], "witnesses": [], "quorum": 0}
drawn = official(prepare(draft), [{"kind": "published"}])
body = {"draw_id": "a", "protocol_hash": drawn.protocol_hash, "entropy_time": ""}
data = ledger.append(b"", "commit", body, "2024-01-01T00:00:00Z")
body = {"protocol_hash": drawn.protocol_hash, "record_hash": drawn.record_hash}
data = ledger.append(data, "draw", body, "2024-01-02T00:00:00Z")
assert not verify_record(drawn.record_bytes).failure
assert not verify_ledger(data, drawn.record_bytes).failure
print(sorted({"numpy", "numpy.random", "scipy", "pandas"} & sys.modules.keys()))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
