"""Sources of chance and the evidence for them: what is refused, in which order, and numbers drawn by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import ROUND_1000
from trialkit.canonical import jcs
from trialkit.draw.announce import prepare
from trialkit.draw.drand import CHAIN
from trialkit.draw.evidence import commitment, grade, new_secret, outcomes, seal
from trialkit.draw.official import official
from trialkit.draw.verify import verify_record
from trialkit.errors import DrawError, TrialkitError

SECRET = "0f" * 32
DICE = {"kind": "rolls", "low": 1, "high": 6, "count": 25, "distinct": False}
THROWN = {"kind": "rolls", "values": [1, 2, 3, 4, 5] * 5}
DRAND = {"kind": "drand", "chain": CHAIN, "round": 1000}
SEALED = seal("prøve", "Ældrerådet", SECRET) | {"commitment": commitment("a", "Ældrerådet", SECRET)}
PUBLISHED = {"kind": "published", "value": "1"}


def draft(*entropy: dict, method: str = "shuffle", n: int = 4, **members: Any) -> dict:
    labels = [{"name": "nu", "weight": 1}, {"name": "senere", "weight": 1}]
    return {
        "draw_id": "a", "title": "A", "method": method, "entropy": list(entropy), "witnesses": [], "quorum": 0,
        "design": {"kind": "complete", "level": "unit", "labels": labels},
        "units": [{"id": name} for name in "abcdefghij"[:n]], **members,
    }  # fmt: skip


def failure(entropy: list[dict], evidence: list, **options: Any) -> str:
    with pytest.raises(TrialkitError) as refused:
        official(prepare(draft(*entropy, **options)), evidence)
    assert refused.value.told("da") != refused.value.told("en")
    return refused.value.code


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([], "E_EVIDENCE"),
        ([THROWN, THROWN], "E_EVIDENCE"),
        ([{"kind": "rolls"}], "E_EVIDENCE"),
        ([THROWN | {"note": "sidste terning faldt på gulvet"}], "E_EVIDENCE"),
        ([THROWN | {"kind": "number"}], "E_EVIDENCE"),
        ([THROWN | {"values": THROWN["values"][1:]}], "E_EVIDENCE"),
        ([THROWN | {"values": [7, *THROWN["values"][1:]]}], "E_EVIDENCE"),
        ([THROWN | {"values": [True, *THROWN["values"][1:]]}], "E_EVIDENCE"),
        ([THROWN | {"values": ["1", *THROWN["values"][1:]]}], "E_EVIDENCE"),
        ([THROWN | {"values": "1" * 25}], "E_EVIDENCE"),
        (["1,2,3"], "E_EVIDENCE"),
    ],
)
def test_dice_that_are_not_what_was_promised_are_refused(given, code):
    assert failure([DICE], given) == code


@pytest.mark.parametrize("change", [{"round": 1001}, {"round": True}, {"round": "1000"}, {"signature": "ab"},
                                    {"signature": 1}, {"signature": ROUND_1000["signature"].upper()}])  # fmt: skip
def test_a_round_that_is_not_the_named_one_is_refused(change):
    assert failure([DRAND], [ROUND_1000 | change]) == "E_EVIDENCE"


def test_balls_come_once():
    balls = {"kind": "rolls", "low": 1, "high": 90, "count": 12, "distinct": True}
    assert failure([balls], [{"kind": "rolls", "values": [1] * 12}]) == "E_EVIDENCE"


def test_sources_are_judged_one_after_the_other():
    """The first source's wrong secret comes before the second's wrong dice, and the other way round."""
    wrong_secret, wrong_dice = {"kind": "commit", "secret": "00" * 32}, {"kind": "rolls", "values": [0] * 25}
    assert failure([SEALED, DICE], [wrong_secret, wrong_dice]) == "E_COMMITMENT"
    assert failure([DICE, SEALED], [wrong_dice, wrong_secret]) == "E_EVIDENCE"
    assert failure([SEALED, DICE], [wrong_secret, "no object"]) == "E_EVIDENCE"


@pytest.mark.parametrize(
    ("entropy", "method", "code"),
    [
        ([DRAND, DRAND], "shuffle", "E_DESIGN"),
        ([{"kind": "number"}], "shuffle", "E_DESIGN"),
        ([{"kind": "number"}, DICE], "rank", "E_DESIGN"),
        ([DICE | {"count": 24}], "shuffle", "E_ENTROPY_SHORT"),
        ([DICE | {"count": 24}, DRAND, DRAND], "shuffle", "E_DESIGN"),
        ([DICE | {"count": 7, "distinct": True}], "shuffle", "E_ENTROPY_SHORT"),
        ([DICE | {"low": 6}], "shuffle", "E_SCHEMA"),
        ([DICE | {"count": True}], "shuffle", "E_SCHEMA"),
        ([], "shuffle", "E_SCHEMA"),
        ([PUBLISHED] * 17, "shuffle", "E_SCHEMA"),
        ([{"kind": "horoscope"}], "shuffle", "E_SCHEMA"),
        ([{"kind": ["rolls"]}], "shuffle", "E_SCHEMA"),
    ],
)
def test_sources_that_cannot_stand_together_are_refused(entropy, method, code):
    assert failure(entropy, [], method=method) == code


def test_a_wrong_source_is_found_after_a_wrong_name_and_a_wrong_design():
    doubled = draft(DRAND, DRAND) | {"units": [{"id": "a"}, {"id": "A"}]}
    with pytest.raises(TrialkitError, match="E_LOOKALIKE"):
        prepare(doubled)
    fixed = draft(DICE | {"count": 1}) | {"units": [{"id": "a", "fixed": "nu"}]}
    with pytest.raises(TrialkitError, match="E_DESIGN"):
        prepare(fixed)


@pytest.mark.parametrize(
    ("low", "high", "count", "distinct", "expected"),
    [(0, 9, 48, False, 10**48), (1, 90, 3, True, 90 * 89 * 88), (1, 6, 7, True, 0), (0, 1, 64, False, 2**64)],
)
def test_outcomes_are_counted_exactly(low, high, count, distinct, expected):
    assert outcomes({"low": low, "high": high, "count": count, "distinct": distinct}) == expected


@pytest.mark.parametrize(
    ("entropy", "expected"),
    [([PUBLISHED], "research"), ([SEALED], "research"), ([SEALED, SEALED], "official"), ([DICE], "official"),
     ([PUBLISHED, DRAND], "official"), ([{"kind": "number"}], "official")],
)  # fmt: skip
def test_a_draw_is_official_if_nobody_alone_knew_the_chance(entropy, expected):
    assert grade({"entropy": entropy}) == expected


def test_a_secret_is_bound_to_its_draw_and_its_party():
    secret = new_secret()
    assert secret != new_secret()
    sealed = seal("a", "A\u030ast", secret)
    assert sealed["party"] == "Åst"
    assert sealed["commitment"] == commitment("a", "Åst", secret)
    assert len({commitment(draw, party, secret) for draw in "ab" for party in "xy"}) == 4
    with pytest.raises(DrawError, match="E_EVIDENCE"):
        seal("a", "Å", "for kort")


def by_hand(tries: Any, **options: Any) -> Any:
    options = {"n": 10, **options}
    return official(prepare(draft({"kind": "number"}, method="rank", **options)), [{"kind": "number", "tries": tries}])


def test_a_number_drawn_by_hand_is_the_allocation_s_number():
    """C(10,5) = 252: three digits.  Number 0 gives the first five units the first label, 251 the last five."""
    for tries, rank, first in ((["000"], "0", "nu"), (["999", "252", "251"], "251", "senere")):
        found = by_hand(tries)
        assert (found.result["rank"], found.assignment.labels[:5]) == (rank, (first,) * 5)
        assert found.assignment.attempt == 0
        assert verify_record(found.record_bytes, bls=False).warnings == ("W_NO_WITNESS",)


@given(st.integers(0, 251), st.lists(st.integers(252, 999), max_size=5))
def test_numbers_too_large_are_skipped_and_written_down(rank, too_large):
    tries = [f"{number:03d}" for number in [*too_large, rank]]
    found = by_hand(tries)
    assert found.result["rank"] == str(rank)
    assert jcs(found.evidence[0]["tries"]) == jcs(tries)


@pytest.mark.parametrize("tries", [[], ["252"], ["000", "001"], ["0000"], ["00"], ["+01"], ["٠٠١"], ["001\n"], [1], "001",
                                   ["12a"]])  # fmt: skip
def test_other_tries_are_refused(tries):
    with pytest.raises(DrawError) as refused:
        by_hand(tries)
    assert refused.value.code == "E_EVIDENCE"


def test_one_allocation_still_needs_one_throw_of_one_digit():
    design = {
        "kind": "stepped_wedge",
        "level": "unit",
        "labels": [{"name": "1", "places": 2}, {"name": "2", "places": 0}],
    }
    assert by_hand(["7", "0"], n=2, design=design).result["rank"] == "0"
    with pytest.raises(DrawError, match="E_EVIDENCE"):
        by_hand([], n=2, design=design)


@given(st.integers(0, 24), st.integers(1, 5))
def test_every_throw_moves_the_seed(place, turned):
    protocol = prepare(draft(DICE, PUBLISHED))
    values = list(THROWN["values"])
    values[place] = (values[place] - 1 + turned) % 6 + 1
    seeds = {official(protocol, [given, {"kind": "published"}]).seed for given in (THROWN, THROWN | {"values": values})}
    assert len(seeds) == 2
