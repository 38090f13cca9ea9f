"""The first screen as people read it, in two languages, and as machines do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import trialkit
from trialkit.population import Population, population
from trialkit.power.candidates import Frame, wave_places
from trialkit.power.checkup import checkup
from trialkit.protocol.load import load
from trialkit.report.checkup import as_text, round_to
from trialkit.report.checkup_facts import as_facts, plain
from trialkit.report.words import number
from trialkit.units import Units

PROTOCOLS = Path(trialkit.__file__).parent.parent / "protocols"


def screen(name, folder="", **asked):
    protocol = load(PROTOCOLS / name / folder)
    if protocol.design == "place_lottery":
        people = Population(units=Units(()))
    else:
        people = population(protocol, PROTOCOLS / name / folder)
    return checkup(protocol, people, rng=np.random.default_rng(3), **asked)


@pytest.fixture(scope="module")
def copenhagen():
    return screen("copenhagen_2012_rollout", waves=[wave_places("3,4")])


def flat(text):
    return " ".join(text.split())


def test_the_first_lines_say_what_can_be_seen_in_danish(copenhagen):
    text = flat(as_text(copenhagen, "da"))
    assert "Der trækkes lod mellem 7 enheder. Ikke med i lodtrækningen: Amager Vest og City/Østerbro." in text
    assert "Loddet kan falde på 142 måder; 210 før balancekravet." in text
    assert "Den mindste mulige p-værdi er 0,0070 (tosidet); 0,05 kan nås." in text
    assert "omkring 9,1 procentpoint" in text
    assert "4 af 7 grænser op til en pilot: Amager Øst, Bispebjerg, Nørrebro og Vesterbro/Kongens Enghave." in text
    assert "Falder bort, fordi ingen venter eller ingen er begyndt: 2012-07, 2012-08 og 2012-09." in text
    assert text.index("kan nås") < text.index("Design ved siden af hinanden")


def test_the_same_in_english(copenhagen):
    text = flat(as_text(copenhagen, "en"))
    assert "7 units are drawn by lot. Not part of the lottery: Amager Vest and City/Østerbro." in text
    assert "The lot can fall in 142 ways; 210 before the balance rule." in text
    assert "The smallest possible p-value is 0.0070 (two-sided); 0.05 can be reached." in text
    assert "waves 3/4 7 32 (35) 0.0313 0.0313 yes" in text
    assert "Accepted in the draft:" in text  # the shipped draft accepts in words that it sees large effects only
    assert "STOP" not in text


def test_a_stop_is_said_with_the_way_out(tmp_path):
    text = (PROTOCOLS / "copenhagen_2012_rollout" / "draft.yaml").read_text(encoding="utf-8")
    cut = text[: text.index("\naccepts:")] + text[text.index("\nbudget:") :]
    (tmp_path / "draft.yaml").write_text(cut, encoding="utf-8")
    protocol = load(tmp_path)
    found = checkup(protocol, population(protocol, tmp_path), rng=np.random.default_rng(3))
    told = flat(as_text(found, "da"))
    assert "STOP: Har det nye netop den mindste effekt" in told
    assert "accepts: low_power" in told
    assert as_facts(found)["stop"] is True


def test_large_numbers_are_exact_in_words_and_short_in_tables():
    found = screen("family_houses_2022", "synthetic")
    text = flat(as_text(found, "da"))
    assert "8.164.755.937.800 før balancekravet" in text
    assert "omkring 3." in text  # estimated, so only three digits are told
    assert "8,16 x 10^12" in text
    assert "0,83 standardafvigelser mellem enheder" in text


def test_people_one_by_one_and_housing_areas():
    found = screen("hfi_2023", frames=[Frame.of_text("4+4")], waves=[wave_places("2,2")])
    text = flat(as_text(found, "en"))
    assert "waves 2/2 + 2/2 8 36 0.0278 0.0556 NO" in text
    assert "20 / 20 137,846,528,820 0.91 0.89 0.34" in text
    assert "takes 64 in each group" in text


def test_what_was_not_drawn_is_described_only():
    text = flat(as_text(screen("thousand_days_two_rounds"), "da"))
    assert "Ikke trukket ved lod" in text
    assert "p-værdi er" not in text
    assert "Design ved siden af hinanden" not in text


def test_lines_fit_the_page_and_colour_is_only_for_terminals(copenhagen):
    text = as_text(copenhagen, "da", width=100)
    assert max(map(len, text.splitlines())) <= 100
    assert "\x1b" not in text
    assert "\x1b" in as_text(copenhagen, "da", terminal=True)


def test_user_text_is_never_markup(tmp_path):
    text = (PROTOCOLS / "copenhagen_2012_rollout" / "draft.yaml").read_text(encoding="utf-8")
    (tmp_path / "draft.yaml").write_text(
        text.replace("en: Who gets the strengthened collaboration first?", "en: '[bold red]Who[/]' #", 1),
        encoding="utf-8",
    )
    protocol = load(tmp_path)
    found = checkup(protocol, population(protocol, tmp_path), rng=np.random.default_rng(3))
    assert "[bold red]Who[/]" in as_text(found, "en")


def test_facts_are_json_and_say_the_same(copenhagen):
    facts = json.loads(json.dumps(as_facts(copenhagen), allow_nan=False))
    assert facts["draft"]["count"] == {"total": 210, "accepted": 142, "mc_error": 0.0}
    assert facts["designs"][1]["allocations_before_balance"] == 35
    assert facts["designs"][1]["places"] == [[3, 4]]
    assert facts["outlook"]["middle"]["smallest"]["t"] == pytest.approx(0.0909, abs=1e-4)
    assert facts["reasons"][0]["accepted"]["da"].startswith("Med syv områder")
    assert len(facts["draft"]["neighbours"]["beside_pilot"]) == 4
    shares = facts["draft"]["probabilities"]["w_valby"]
    assert sum(shares.values()) == pytest.approx(1)


def test_numbers_without_a_value_are_null():
    assert plain({"a": float("inf"), "b": (np.float64("nan"), 1)}) == {"a": None, "b": [None, 1]}


def test_every_digit_of_a_large_whole_number_is_kept():
    # C(120, 60), counted apart: Python's math.comb
    assert number(96614908840363322603893139521372656, "en") == "96,614,908,840,363,322,603,893,139,521,372,656"
    assert number(-(10**30) - 1, "da") == "−1.000.000.000.000.000.000.000.000.000.001"


@pytest.mark.parametrize(("n", "kept"), [(3435198589490, 3440000000000), (999, 999), (9996, 10000), (7, 7)])
def test_an_estimate_is_told_with_the_digits_it_has(n, kept):
    assert round_to(n, 3) == kept
