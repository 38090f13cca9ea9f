"""How the five drafts compile to the specification: the table in design.md section 2, row by row."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialkit.design.compile import build
from trialkit.design.constraint import Tolerance
from trialkit.design.observed import observed
from trialkit.design.parts_design import PartsDesign
from trialkit.design.places import DrawKey, draws, free_places, room_on
from trialkit.design.sequential import SequentialDesign
from trialkit.draw.announce import prepare
from trialkit.draw.drand import round_time
from trialkit.draw.sources import announce, first_round_after, sources
from trialkit.errors import DesignError, DrawError, ProtocolError, TrialkitError
from trialkit.population import Population, entry, population, unnamed
from trialkit.protocol.load import load, loads
from trialkit.protocol.model import Protocol
from trialkit.protocol.plan import plan, plan_hash
from trialkit.units import Unit, Units

PROTOCOLS = Path(__file__).parents[2] / "protocols"


def trial(name: str) -> tuple[Protocol, Path]:
    return load(PROTOCOLS / name), PROTOCOLS / name


def drawn(name: str, draw: DrawKey | None = None) -> tuple[Protocol, Population, PartsDesign]:
    protocol, folder = trial(name)
    found = population(protocol, folder, draw=draw)
    design = build(protocol, found.units, draw=draw)
    assert isinstance(design, PartsDesign)
    return protocol, found, design


def changed(name: str, *changes: tuple[str, str]) -> Protocol:
    text = (PROTOCOLS / name / "draft.yaml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return loads(text, file="draft.yaml")


# copenhagen_2012_rollout


def test_copenhagen_is_a_stepped_wedge_over_the_seven_free_areas():
    _, found, design = drawn("copenhagen_2012_rollout")
    assert design.kind == "stepped_wedge"
    assert [(label.name, label.places) for label in design.labels] == [("wave_1", 3), ("wave_2", 2), ("wave_3", 2)]
    assert len(found.units) == len(design.free) == 7
    # 0.4 x 16002 / 7, the mean of the seven areas' children aged 0-2 in the register
    assert design.constraint == Tolerance(covariates=("children_0_2_2011",), tolerances=("914.4",), max_attempts=10_000)
    assert Fraction(sum(int(unit.facts["children_0_2_2011"]) for unit in found.units), 7) == 2286
    assert (design.count().total, design.count().accepted) == (210, 142)


def test_the_pilots_are_in_the_plan_and_never_among_the_drawn():
    protocol, found, design = drawn("copenhagen_2012_rollout")
    assert dict(found.named) == {"Amager Vest": ("w_amager_vest",), "City/Østerbro": ("w_city_osterbro",)}
    document = plan(protocol, found.units, found.outside)
    outside = {unit["id"]: unit["fixed"] for unit in document["outside"]}
    assert outside == {"w_amager_vest": "strengthened", "w_city_osterbro": "strengthened"}
    assert not set(outside) & {unit["id"] for unit in document["units"]}
    assert not set(outside) & set(design.items)


@pytest.mark.parametrize(("frame", "left"), [("working_9", 7), ("bydel", 7)])
def test_another_frame_has_other_units(frame: str, left: int):
    """systems.md S0.2: City/Østerbro is two of the ten districts, so seven are left on both frames."""
    protocol, folder = trial("copenhagen_2012_rollout")
    found = population(protocol, folder, frame=frame)
    assert len(found.units) == left
    assert len(found.pilots) == (2 if frame == "working_9" else 3)


def test_two_waves_beside_the_draft():
    """design_arithmetic.csv: 3 against 4 of seven areas, 35 orders; six areas 3/3, 20 orders."""
    protocol, folder = trial("copenhagen_2012_rollout")
    found = population(protocol, folder)
    three, four = (
        wave.model_copy(update={"places": places}) for wave, places in zip(protocol.waves, (3, 4), strict=False)
    )
    other = protocol.model_copy(update={"waves": (three, four), "balance": ()})
    assert build(other, found.units).count().total == 35
    equal = other.model_copy(update={"waves": (three, four.model_copy(update={"places": 3}))})
    assert build(equal, unnamed(6).units).count().total == 20


def test_a_pilot_that_keeps_its_place_in_a_wave_is_fixed_in_the_draw():
    protocol = changed(
        "copenhagen_2012_rollout",
        ("    arm: strengthened\n", "    wave: wave_1\n"),
        ("places: 3}", "places: 5}"),
        ("    compare: mean_per_wave", "    compare: mean_per_wave"),
    )
    found = population(protocol, PROTOCOLS / "copenhagen_2012_rollout")
    design = build(protocol, found.units)
    assert not found.pilots
    assert isinstance(design, PartsDesign)
    assert (len(found.units), len(design.free), design.count().total) == (9, 7, 210)
    assert isinstance(design.constraint, Tolerance)
    assert design.constraint.tolerances == ("914.4",), "the mean is of the drawn units, without the fixed ones"


def test_a_tolerance_is_rounded_down_to_nine_decimals():
    protocol = changed("copenhagen_2012_rollout", ("share_of_mean: 0.4", "share_of_mean: 0.333333333"))
    units = Units.of(Unit(id=f"u{n}", facts={"children_0_2_2011": str(n)}) for n in range(1, 8))
    units = units.map(
        lambda unit: Unit(id=unit.id, facts={"children_0_2_2011": f"{unit.facts['children_0_2_2011']}.1"})
    )
    design = build(protocol, units)
    assert isinstance(design, PartsDesign)
    assert isinstance(design.constraint, Tolerance)
    exact = Fraction("0.333333333") * Fraction("4.1")
    limit = Fraction(design.constraint.tolerances[0])
    assert limit <= exact < limit + Fraction(1, 10**9)


def test_a_name_nobody_has_is_told_at_its_line_of_the_draft(tmp_path: Path):
    text = (PROTOCOLS / "copenhagen_2012_rollout" / "draft.yaml").read_text(encoding="utf-8")
    text = text.replace("units: [Amager Vest, City/Østerbro]", "units: [Amager Vesst, Christianshavn]")
    text = text.replace("strata: none ", "eligible: [lacking > 3]\nstrata: none ")
    (tmp_path / "draft.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ProtocolError) as caught:
        population(load(tmp_path), tmp_path)
    found = caught.value.facts["faults"]
    line = text[: text.index("Amager Vesst")].count("\n") + 1
    assert [(fault["line"], fault["code"]) for fault in found] == [(line, "E_UNIT_UNKNOWN")] * 2
    assert "Amager Vest" in found[0]["en"]


# family_houses_2022


def test_family_houses_fails_by_name_while_its_file_is_not_published():
    protocol, folder = trial("family_houses_2022")
    with pytest.raises(ProtocolError) as caught:
        population(protocol, folder)
    assert caught.value.code == "E_FILE"
    assert "typology_by_municipality.csv" in caught.value.told("da")
    assert caught.value.facts["faults"][0]["line"] > 0


def test_family_houses_is_a_blocked_wedge_balanced_on_five_regions():
    _, found, design = drawn("family_houses_2022/synthetic")
    assert design.kind == "blocked_wedge"
    assert [(quota.block, quota.places) for quota in design.quotas] == [("3", (18, 19)), ("4", (5, 6))]
    assert [label.name for label in design.labels] == ["first", "second"]
    assert isinstance(design.constraint, Tolerance)
    assert len(design.constraint.covariates) == 5
    assert design.constraint.tolerances == ("0.15",) * 5
    assert all(Counter(unit.x) == {"1": 1, "0": 4} for unit in design.units)
    assert (len(found.units), len(found.left_out)) == (48, 50)
    # systems.md S4.1: 37!/(18! 19!) x 11!/(5! 6!)
    assert design.count(rng=np.random.default_rng(1)).total == 8_164_755_937_800


def test_the_synthetic_typology_has_the_published_counts_and_says_that_it_is_invented():
    protocol, folder = trial("family_houses_2022/synthetic")
    found = population(protocol, folder)
    everybody = [*found.units, *(left.unit for left in found.left_out)]
    assert {unit.facts["synthetic"] for unit in everybody} == {"yes"}
    assert Counter(unit.facts["group"] for unit in everybody) == {"1": 19, "2": 25, "3": 37, "4": 11, "": 6}
    assert protocol.title.told("da").startswith("Syntetiske data")


def test_strata_without_places_are_refused_by_name():
    protocol = changed("family_houses_2022/synthetic", ("group in [3, 4]", "group in [2, 3, 4]"))
    found = population(protocol, PROTOCOLS / "family_houses_2022" / "synthetic")
    with pytest.raises(DesignError, match="2, 3, 4"):
        build(protocol, found.units)


# early_screening_2017


def test_early_screening_is_sequential_with_a_sealed_secret_and_drand():
    protocol, folder = trial("early_screening_2017")
    found = population(protocol, folder)
    assert len(found.units) == 0
    design = build(protocol, found.units)
    assert isinstance(design, SequentialDesign)
    assert design.strata == ("unborn", "0-5 months", "6-11 months", "12-35 months")
    assert (design.blocks, design.length, design.weights) == ((2, 4), 400, (1, 1))
    later = changed("early_screening_2017", ("2017-01-09 12:00", "2024-01-09 12:00"))
    assert later.lottery is not None
    entropy = sources(later.lottery, commitments={"keeper outside the team": "ab" * 32})
    assert [source["kind"] for source in entropy] == ["commit", "drand"]
    prepared = prepare(
        announce(later, design, draw_id="a", plan_hash="0" * 64, commitments={"keeper outside the team": "ab" * 32})
    )
    assert prepared["units"] == []


def test_who_must_not_wait_never_enters_the_lottery():
    protocol, _ = trial("early_screening_2017")
    family = {"family_code": "F1", "child_age_years": "1", "needs_visits_granted": "ja", "screening": "positive"}
    assert entry(protocol, {**family, "acute_concern": "nej"}) is None
    aside = entry(protocol, {**family, "acute_concern": "ja"})
    assert aside is not None
    assert aside.goes_to == "training_now"
    too_old = entry(protocol, {**family, "acute_concern": "nej", "child_age_years": "3"})
    assert too_old is not None
    assert (too_old.rule, too_old.goes_to) == ("child_age_years < 3", "")


# hfi_2023


def test_hfi_is_one_lottery_per_district_and_quarter_with_one_tier():
    protocol, _ = trial("hfi_2023")
    keys = draws(protocol)
    assert len(keys) == 24
    assert (keys[0].id, keys[1].id) == ("hfi_2023.2023q1.norrebro", "hfi_2023.2023q1.bispebjerg")
    assert keys[-1].id == "hfi_2023.2025q4.bispebjerg"
    first = draws(load(PROTOCOLS / "hfi_2023" / "synthetic"))
    designs = [drawn("hfi_2023/synthetic", key)[2] for key in first[:2]]
    assert [design.kind for design in designs] == ["lottery", "lottery"]
    assert all({unit.tier for unit in design.units} == {1} for design in designs)
    assert sum(design.places for design in designs) == 20
    assert {unit.block for unit in designs[0].units} == {"norrebro"}


def test_strata_never_become_tiers():
    protocol, folder = trial("hfi_2023/synthetic")
    found = population(protocol, folder, draw=draws(protocol)[0])
    with pytest.raises(DesignError, match="strata never become tiers") as caught:
        build(protocol, found.units)
    assert caught.value.code == "E_TIERS"


def test_a_later_round_must_say_how_many_places_are_free():
    protocol, folder = trial("hfi_2023/synthetic")
    found = population(protocol, folder, draw=draws(protocol)[0])
    later = draws(protocol)[2]
    with pytest.raises(DesignError) as caught:
        build(protocol, found.units, draw=later)
    assert caught.value.code == "E_FREE_PLACES"
    design = build(protocol, found.units, draw=later, free=3)
    assert isinstance(design, PartsDesign)
    assert design.places == 2  # 3 x 26 / 46 = 1.7
    with pytest.raises(DesignError, match="room for 20"):
        build(protocol, found.units, draw=later, free=21)


def test_there_is_never_more_room_than_the_capacity():
    protocol, _ = trial("hfi_2023")
    assert {room_on(protocol, key.day) for key in draws(protocol) if key.round.startswith("2023")} == {20}
    assert {room_on(protocol, key.day) for key in draws(protocol) if not key.round.startswith("2023")} == {35}


def test_equal_remainders_go_to_the_stratum_listed_first():
    protocol, _ = trial("hfi_2023")
    assert free_places(protocol, {"norrebro": 10, "bispebjerg": 10}, 5) == {"norrebro": 3, "bispebjerg": 2}
    turned = changed("hfi_2023", ("[norrebro, bispebjerg]}", "[bispebjerg, norrebro]}"))
    assert free_places(turned, {"norrebro": 10, "bispebjerg": 10}, 5) == {"bispebjerg": 3, "norrebro": 2}


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 40))
def test_free_places_are_all_given_and_never_more_than_the_queue(north: int, west: int, free: int):
    given_places = free_places(HFI, {"norrebro": north, "bispebjerg": west}, free)
    assert sum(given_places.values()) == min(free, north + west)
    assert given_places["norrebro"] <= north
    assert given_places["bispebjerg"] <= west
    if north + west:
        exact = Fraction(north * min(free, north + west), north + west)
        assert abs(given_places["norrebro"] - exact) < 1


HFI = load(PROTOCOLS / "hfi_2023")


def test_a_number_of_places_of_its_own_and_priorities():
    protocol = changed(
        "hfi_2023/synthetic", ("norrebro: share_of_queue", "norrebro: 4"), ("  queue: keep", "  priority: "
        "oldest_child_age\n  queue: keep")
    )  # fmt: skip
    key = draws(protocol)[0]
    found = population(protocol, PROTOCOLS / "hfi_2023" / "synthetic", draw=key)
    older = found.units.where(lambda unit: unit.facts["oldest_child_age"] != "0")
    design = build(protocol, older, draw=key)
    assert isinstance(design, PartsDesign)
    assert design.places == 4
    assert {unit.tier for unit in design.units} == {int(unit.facts["oldest_child_age"]) for unit in design.units}
    with pytest.raises(DesignError, match="promises 4 places"):
        build(protocol, older, draw=key, free=3)


# thousand_days_two_rounds


def test_thousand_days_was_not_drawn():
    protocol, folder = trial("thousand_days_two_rounds")
    assert draws(protocol) == ()
    found = population(protocol, folder)
    with pytest.raises(DesignError, match="was not drawn by lot") as caught:
        build(protocol, found.units)
    assert "ikke afgjort ved lodtrækning" in caught.value.told("da")
    assignment = observed(protocol, found.units)
    assert Counter(assignment.waves) == {"round_1": 12, "round_2": 9}
    assert not hasattr(assignment, "enumerate"), "an observed assignment is no design"


def test_an_observed_assignment_must_agree_with_the_draft():
    protocol, folder = trial("thousand_days_two_rounds")
    found = population(protocol, folder)
    with pytest.raises(DesignError, match="12 units entered"):
        observed(protocol, found.units.where(lambda unit: unit.id != found.units[0].id))
    with pytest.raises(DesignError, match="names no single wave"):
        observed(protocol, Units.of([Unit(id="a", facts={"round": "3"})]))
    with pytest.raises(DesignError, match="is drawn by lot"):
        observed(load(PROTOCOLS / "copenhagen_2012_rollout"), found.units)


# every other kind the specification knows


PLAIN = """
protocol: plain
version: "1"
title: A plain trial
design: {design}
units: {{file: units.csv}}
arms: {{a: {{en: A, da: A, weight: 2}}, b: {{en: B, da: B, weight: 1}}}}
{more}
lottery: {{method: {method}, sources: [{{dice: ten-sided, throws: 20}}]}}
outcomes:
  - {{id: y, primary: yes, type: number, level: unit, frequency: month, reported_by: register_extract, label: Y}}
estimand: {{who: all, what: y, measure: mean_difference, compare: [a, b]}}
analysis: {{primary: {{method: randomization_test, alpha: 0.05, sides: two}}}}
planning: {{smallest_effect_worth_finding: none}}
privacy: {{hide_counts_below: 5}}
"""
WAVES = "waves: [{{id: w1, start: 2024-01-01, places: {0}}}, {{id: w2, start: 2024-06-01, places: {1}}}]"


@pytest.mark.parametrize(
    ("design", "more", "method", "kind", "total"),
    [
        ("complete", "", "shuffle", "complete", 924 * 70 // 1),
        ("blocked", "strata: [region]", "rank", "blocked", 15 * 15 * 15 * 15),
        ("matched", "matched: trio", "rank", "matched", 3**4),
        ("complete", "clusters: trio", "shuffle", "complete", None),
        ("phased_rollout", WAVES.format(5, 7), "rank", "stepped_wedge", 792),
        ("phased_rollout", WAVES.format(2, 2) + "\nclusters: trio", "rank", "stepped_wedge", 6),
        ("capacity_rollout", WAVES.format(3, 4), "shuffle", "rollout", 12 * 11 * 10 // 6 * 126),
        ("complete", "balance: [{variables: [size], compare: mahalanobis, threshold: 1.5}]", "shuffle", "complete", None),
        ("complete", "fixed: [{units: [u01], arm: a, reason: pilot}]", "shuffle", "complete", None),
    ],
)  # fmt: skip
def test_every_kind_of_draw_can_be_reached_from_a_draft(
    tmp_path: Path, design: str, more: str, method: str, kind: str, total: int | None
):
    rows = [f"u{n:02d},{'ns'[n % 2]},t{n % 4},{n * n}" for n in range(1, 13)]
    (tmp_path / "units.csv").write_text("id,region,trio,size\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "draft.yaml").write_text(PLAIN.format(design=design, more=more, method=method), encoding="utf-8")
    protocol = load(tmp_path)
    found = population(protocol, tmp_path)
    made = build(protocol, found.units)
    assert isinstance(made, PartsDesign)
    assert made.kind == kind
    assert made.method == method
    prepared = prepare(announce(protocol, made, draw_id="plain", plan_hash=plan_hash(plan(protocol, found.units))))
    assert prepared["design"]["kind"] == kind
    if total is not None:
        assert made.count().total == expected_total(design, total)


def expected_total(design: str, total: int) -> int:
    """12 units, weights 2:1: 8 and 4, so 12!/(8! 4!) = 495; within two strata of 6: (6!/(4! 2!))^2 = 225."""
    return {"complete": 495, "blocked": 225}.get(design, total)


def test_a_numbered_table_needs_no_computer(tmp_path: Path):
    text = PLAIN.format(design="phased_rollout", more=WAVES.format(5, 5), method="rank")
    text = text.replace("{dice: ten-sided, throws: 20}", "{numbered_table: three ten-sided dice}")
    protocol = loads(text, file="draft.yaml")
    made = build(protocol, unnamed(10).units)
    prepared = prepare(announce(protocol, made, draw_id="table", plan_hash="0" * 64))
    assert prepared["entropy"] == [{"kind": "number"}]
    assert made.count().total == 252


# the lottery's sources


def test_dice_and_balls_in_the_words_of_the_specification():
    protocol = changed("copenhagen_2012_rollout", ("{dice: ten-sided, throws: 20}", "{dice: six-sided, throws: 25}"),
                       ("2012-01-20 12:00", "2030-01-20 12:00"))  # fmt: skip
    assert protocol.lottery is not None
    rolls, drand = sources(protocol.lottery)
    assert rolls == {"kind": "rolls", "low": 1, "high": 6, "count": 25, "distinct": False}
    noon = datetime(2030, 1, 20, 11, tzinfo=UTC)  # Danish winter time
    assert round_time(drand["round"]) > noon >= round_time(drand["round"] - 1)
    balls = changed("copenhagen_2012_rollout", ("{dice: ten-sided, throws: 20}", "{balls: 90, drawn: 12}"))
    assert balls.lottery is not None
    assert not hasattr(balls.lottery.sources[0], "dice")


@given(st.integers(0, 10**9))
def test_the_first_round_strictly_after_a_moment(seconds: int):
    moment = datetime.fromtimestamp(1692803367 + seconds / 2, UTC)
    number = first_round_after(moment)
    assert round_time(number) > moment
    assert number == 1 or round_time(number - 1) <= moment


def test_a_round_before_the_chain_existed_cannot_be_committed_but_rehearsed():
    protocol, found, design = drawn("copenhagen_2012_rollout")
    assert protocol.lottery is not None
    with pytest.raises(DrawError, match="did not exist on 2012-01-20"):
        announce(protocol, design, draw_id="copenhagen_2012_rollout", plan_hash="0" * 64)
    rehearsed = prepare(
        announce(protocol, design, draw_id="copenhagen_2012_rollout", plan_hash="0" * 64, rehearsal="2012-01-10")
    )
    assert rehearsed["title"].startswith("PRØVE: ")
    assert rehearsed["draw_id"] != "copenhagen_2012_rollout"
    assert rehearsed["entropy"] == [{"kind": "published", "value": "2012-01-10"}]
    assert len(rehearsed["units"]) == len(found.units)


def test_a_round_after_each_commitment_needs_the_moment_it_is_published():
    protocol, _ = trial("hfi_2023")
    assert protocol.lottery is not None
    with pytest.raises(DrawError, match="commitment is published"):
        sources(protocol.lottery)
    moment = datetime(2026, 2, 1, 12, tzinfo=UTC)
    assert sources(protocol.lottery, published=moment)[1]["round"] == first_round_after(moment)


def test_a_sealed_secret_without_a_commitment_is_not_announced():
    protocol, _ = trial("early_screening_2017")
    assert protocol.lottery is not None
    with pytest.raises(DrawError, match="has no commitment yet"):
        sources(protocol.lottery)


def test_a_file_outside_the_folder_is_never_read(tmp_path: Path):
    (tmp_path / "secret.csv").write_text("id\na\nb\n", encoding="utf-8")
    folder = tmp_path / "trial"
    folder.mkdir()
    text = PLAIN.format(design="complete", more="", method="shuffle").replace("units.csv", "../secret.csv")
    (folder / "draft.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(TrialkitError, match="outside the trial's folder"):
        population(load(folder), folder)


def test_a_list_saved_by_danish_excel_is_read_when_the_draft_names_its_encoding(tmp_path):
    text = (PROTOCOLS / "family_houses_2022/synthetic/draft.yaml").read_text(encoding="utf-8")
    listed = (PROTOCOLS / "family_houses_2022/synthetic/synthetic_typology_by_municipality.csv").read_text(
        encoding="utf-8"
    )
    (tmp_path / "synthetic_typology_by_municipality.csv").write_bytes(listed.replace(",", ";").encode("cp1252"))
    plain = loads(text, file="draft.yaml")
    named = re.sub(
        r"(?m)^( +)(file: synthetic_typology_by_municipality.csv.*)$", r"\1\2\n\1encoding: windows-1252", text
    )
    assert named != text
    with pytest.raises(ProtocolError) as refused:
        population(plain, tmp_path)
    assert "windows-1252" in refused.value.told("da")
    assert len(population(loads(named, file="draft.yaml"), tmp_path).units) == 48
