"""Every kind of design: what it refuses, in which order, and that it is the published protocol and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from tests.strategies import drafts
from trialkit.design import (
    Mahalanobis,
    Tolerance,
    blocked,
    blocked_wedge,
    complete,
    from_spec,
    lottery,
    matched,
    rollout,
    sequential,
    stepped_wedge,
    to_spec,
)
from trialkit.design.base import Design
from trialkit.design.labels import Label
from trialkit.design.parts_design import PartsDesign
from trialkit.design.sequential import SequentialDesign
from trialkit.draw.announce import prepare
from trialkit.draw.stream import PublicChance
from trialkit.errors import DesignError, TrialkitError, UnitsError
from trialkit.units import Unit, Units

CHANCE = PublicChance("ab" * 32)
EVEN = {"nu": 1, "senere": 1}
PILOT = {"a": "bølge 1"}


def x(values: str, **members: Any) -> list[Unit]:
    """Units a, b, c, ... with one covariate each."""
    return [Unit(id=name, x=(value,), **members) for name, value in zip("abcdefgh", values.split(), strict=False)]


@given(drafts())
def test_from_spec_and_to_spec_are_inverse(draft):
    protocol = prepare(draft)
    committed = {member: protocol[member] for member in ("method", "design", "units")}
    design = from_spec(**committed)
    assert to_spec(design) == committed
    assert from_spec(**to_spec(design)) == design


def test_every_design_is_a_design():
    designs: list[Design] = [complete("ab", EVEN), sequential(["A"], EVEN, [2], 4)]
    assert [design.kind for design in designs] == ["complete", "sequential"]


def test_an_assignment_stands_in_the_order_of_the_units():
    found = blocked(["å", "b", "a", "z"], EVEN, blocks={"a": "1", "b": "1", "z": "2", "å": "2"}).assign(CHANCE)
    assert found.units.ids == ("a", "b", "z", "å")
    assert set(found.labels[:2]) == set(found.labels[2:]) == {"nu", "senere"}


def test_a_rollout_fills_its_waves_in_order_and_lets_the_rest_wait():
    found = rollout("abcdef", {"bølge 1": 2, "bølge 2": 3}, fixed=PILOT).assign(CHANCE)
    assert found.labels[0] == "bølge 1"
    assert sorted(found.labels) == ["bølge 1", "bølge 1", "bølge 2", "bølge 2", "bølge 2", "waiting"]


def test_a_lottery_serves_tier_one_first():
    found = lottery("abcdef", 3, tiers={"f": 2, "e": 2, "d": 2, "c": 2}).assign(CHANCE)
    assert sorted(found.positions[:2]) == [1, 2]
    assert sorted(found.positions) == [1, 2, 3, 4, 5, 6]
    assert [label == "offer" for label in found.labels] == [place <= 3 for place in found.positions]


def test_a_lottery_of_clusters_counts_clusters():
    found = lottery("abcd", 1, level="cluster", clusters=dict(zip("abcd", "xxyy", strict=True))).assign(CHANCE)
    assert sorted(set(found.positions)) == [1, 2]
    assert found.positions[0] == found.positions[1]
    assert found.labels.count("offer") == 2


def test_no_places_are_no_offers():
    assert set(lottery("abc", 0).assign(CHANCE).labels) == {"waiting"}


def test_wholly_fixed_blocks_make_no_part():
    quotas = {"1": [1, 1], "2": [1, 1]}
    blocks = dict(zip("abcd", "1122", strict=True))
    design = blocked_wedge("abcd", ["nu", "senere"], quotas, blocks=blocks, fixed={"a": "nu", "b": "senere"})
    assert [part.name for part in design.parts] == ["2"]


def test_fixed_units_take_no_share_of_weights():
    assert complete("abcde", {"nu": 1, "senere": 3}, fixed={"a": "nu"}).parts[0].counts == (1, 3)


def test_a_units_block_stays_out_of_a_complete_design():
    design = complete([Unit(id="a", block="1", tier=4, cluster="k"), Unit(id="b", block="2")], EVEN)
    assert to_spec(design)["units"] == [{"id": "a"}, {"id": "b"}]


def test_leftovers_are_warned_of():
    assert complete("abc", EVEN).warnings == ("W_LEFTOVER",)
    assert complete("abcd", EVEN).warnings == sequential(["A"], EVEN, [2], 3).warnings == ()


def test_the_first_part_is_the_most_significant_digit_of_a_rank():
    class Numbered:
        def stream(self, *label: object) -> Numbered:
            assert label == ("rank", "all", "", 0)
            return self

        def below(self, m: int) -> int:
            assert m == 2 * 6
            return 7  # 1 * 6 + 1

    design = blocked("abcdef", EVEN, blocks=dict(zip("abcdef", "112222", strict=True)), method="rank")
    found = design.assign(Numbered())
    assert found.labels == ("senere", "nu", "nu", "senere", "nu", "senere")
    assert found.rank == "7"


REFUSED = {
    "cluster split": ("E_CLUSTER_SPLIT", lambda: blocked(
        "abc", EVEN, level="cluster", clusters={"a": "k", "b": "k", "c": "l"}, blocks={"a": "1", "b": "2", "c": "1"})),
    "cluster half fixed": ("E_CLUSTER_SPLIT", lambda: complete(
        "abc", EVEN, level="cluster", clusters={"a": "k", "b": "k", "c": "l"}, fixed={"a": "nu"})),
    "fixed to nothing": ("E_DESIGN", lambda: complete("abc", EVEN, fixed={"a": "aldrig"})),
    "all fixed": ("E_DESIGN", lambda: complete("ab", EVEN, fixed={"a": "nu", "b": "nu"})),
    "no units": ("E_DESIGN", lambda: complete([], EVEN)),
    "one label": ("E_DESIGN", lambda: complete("ab", {"nu": 1})),
    "weight 0": ("E_DESIGN", lambda: complete("ab", {"nu": 1, "senere": 0})),
    "no block": ("E_DESIGN", lambda: blocked("ab", EVEN)),
    "uneven pair": ("E_DESIGN", lambda: matched("abc", EVEN, blocks=dict(zip("abc", "112", strict=True)))),
    "fixed in a lottery": ("E_DESIGN", lambda: lottery([Unit(id="a", fixed="offer"), Unit(id="b")], 1)),
    "a wave called waiting": ("E_DESIGN", lambda: rollout("ab", {"WAITING": 1})),
    "rank with leftover": ("E_DESIGN", lambda: complete("abc", EVEN, method="rank")),
    "quota missing": ("E_DESIGN", lambda: blocked_wedge(
        "ab", ["nu", "senere"], {"1": [1, 1]}, blocks={"a": "1", "b": "2"})),
    "quota too long": ("E_DESIGN", lambda: blocked_wedge(
        "ab", ["nu", "senere"], {"1": [1, 1, 0]}, blocks={"a": "1", "b": "1"})),
    "too many attempts": ("E_DESIGN", lambda: complete(
        [Unit(id=f"{k:03d}", x=("1",)) for k in range(101)], EVEN,
        constraint=Tolerance(covariates=("børn",), tolerances=("1",), max_attempts=1_000_000))),
    "no constraint there": ("E_DESIGN", lambda: PartsDesign(
        kind="rollout", units=Units.of("ab"), labels=(Label("1", places=1),),
        constraint=Tolerance(covariates=("børn",), tolerances=("1",), max_attempts=1))),
    "unknown kind": ("E_DESIGN", lambda: PartsDesign(kind="urn", units=Units.of("ab"))),
    "unknown constraint": ("E_DESIGN", lambda: from_spec("shuffle", {
        "kind": "complete", "level": "unit", "labels": [{"name": "nu", "weight": 1}, {"name": "senere", "weight": 1}],
        "constraint": {"kind": "even", "covariates": ["x"], "max_attempts": 1}}, [{"id": "a", "x": ["1"]}])),
    "places do not add up": ("E_PLACES", lambda: stepped_wedge("abc", {"1": 1, "2": 1})),
    "more pilots than places": ("E_PLACES", lambda: rollout("abc", {"bølge 1": 0}, fixed=PILOT)),
    "right in sum, not by block": ("E_PLACES", lambda: blocked_wedge(
        "abcd", ["nu", "senere"], {"1": [1, 2], "2": [1, 0]}, blocks=dict(zip("abcd", "1122", strict=True)))),
    "covariate missing": ("E_COVARIATES", lambda: complete("ab", EVEN, constraint=Tolerance(
        covariates=("børn",), tolerances=("1",), max_attempts=1))),
    "tolerance missing": ("E_COVARIATES", lambda: complete(x("1 2"), EVEN, constraint=Tolerance(
        covariates=("børn",), tolerances=(), max_attempts=1))),
    "constant covariate": ("E_COVARIATES", lambda: complete(x("1 1 1 1"), EVEN, constraint=Mahalanobis(
        covariates=("børn",), threshold="1", max_attempts=1))),
    "rank too large": ("E_RANK_SIZE", lambda: complete([f"{k:03d}" for k in range(64)], EVEN, method="rank")),
    "sequence by rank": ("E_DESIGN", lambda: SequentialDesign(
        labels=(Label("a", weight=1), Label("b", weight=1)), strata=("A",), blocks=(2,), length=2, method="rank")),
    "uneven block": ("E_DESIGN", lambda: sequential(["A"], EVEN, [3], 3)),
    "one size twice": ("E_DESIGN", lambda: sequential(["A"], EVEN, [2, 2], 3)),
    "no length": ("E_DESIGN", lambda: sequential(["A"], EVEN, [2], 0)),
    "lists too long": ("E_DESIGN", lambda: sequential(["A", "B"], EVEN, [2], 500_001)),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_design_that_cannot_be_drawn_is_refused_by_name(name):
    code, build = REFUSED[name]
    with pytest.raises(DesignError) as refused:
        build()
    assert refused.value.code == code
    assert refused.value.told("da") != refused.value.told("en")


FAULTS = (
    (
        "E_CLUSTER_SPLIT",
        {"clusters": {"a": "k", "b": "k", "c": "l", "d": "m", "e": "n", "f": "o"}, "fixed": {"a": "1"}},
    ),
    ("E_DESIGN", {"fixed": {"c": "aldrig"}}),
    ("E_PLACES", {"places": {"1": 1, "2": 1}}),
    ("E_COVARIATES", {"constraint": Tolerance(covariates=("v",), tolerances=("1", "2"), max_attempts=9)}),
)


@pytest.mark.parametrize("first", range(len(FAULTS)))
def test_of_several_faults_the_first_name_of_the_specification_is_the_failure(first):
    """All faults from ``first`` on, at once."""
    given: dict[str, Any] = {
        "clusters": dict(zip("abcdef", "klmnop", strict=True)), "places": {"1": 3, "2": 3}, "fixed": {},
        "constraint": Tolerance(covariates=("v",), tolerances=("1",), max_attempts=9),
    }  # fmt: skip
    for _, fault in FAULTS[first:]:
        given |= {name: {**given[name], **value} if name == "fixed" else value for name, value in fault.items()}
    places = given.pop("places")
    with pytest.raises(DesignError) as refused:
        stepped_wedge(x("1 2 3 4 5 6"), places, level="cluster", **given)
    assert refused.value.code == FAULTS[first][0]


@pytest.mark.parametrize(
    ("code", "build"),
    [
        ("E_LOOKALIKE", lambda: complete("ab", {"Nu": 1, "nu": 1})),
        ("E_LOOKALIKE", lambda: blocked("ab", EVEN, blocks={"a": "øst", "b": "Øst"})),
        ("E_TEXT", lambda: sequential(["A "], EVEN, [2], 2)),
        ("E_UNITS", lambda: complete("ab", EVEN, fixed={"c": "nu"})),
    ],
)
def test_names_nobody_can_tell_apart_are_refused(code, build):
    with pytest.raises(UnitsError) as refused:
        build()
    assert refused.value.code == code


def test_a_constraint_nothing_meets_is_named():
    rule = Tolerance(covariates=("børn",), tolerances=("0",), max_attempts=7)
    with pytest.raises(TrialkitError) as refused:
        complete(x("1 2 4 8"), EVEN, constraint=rule).assign(CHANCE)
    assert (refused.value.code, refused.value.facts["attempts"]) == ("E_NO_ACCEPT", 7)


def test_the_accepted_attempt_is_recorded_and_meets_the_constraint():
    rule = Tolerance(covariates=("børn",), tolerances=("0.5",), max_attempts=1000)
    design = complete(x("1 2 3 4 5 6 7 8"), EVEN, constraint=rule)
    found = design.assign(CHANCE)
    codes = [design.label_names.index(label) for label in found.labels]
    sums = [sum(k + 1 for k, code in enumerate(codes) if code == label) for label in (0, 1)]
    assert abs(sums[0] - sums[1]) <= 2
    assert found.attempt < 1000
