"""The first screen of the five shipped trials, and of designs people ask for beside them."""

from __future__ import annotations

import csv
import re
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import trialkit
from trialkit.errors import UsageError
from trialkit.population import Population, population
from trialkit.power.analytic import two_groups
from trialkit.power.candidates import Frame, in_waves, menu, near_equal, wave_places
from trialkit.power.checkup import HOPELESS, checkup, spread_starts
from trialkit.power.groups import groups, needed_per_group
from trialkit.power.money import agreement
from trialkit.power.notices import notices
from trialkit.power.smallest import View
from trialkit.protocol.load import load, loads
from trialkit.units import Units

PROTOCOLS = Path(trialkit.__file__).parent.parent / "protocols"


def rng():
    return np.random.default_rng(7)


@cache
def trial(name):
    """A shipped trial and who is drawn in it; the synthetic folder where the real list is not published."""
    folder = PROTOCOLS / name
    if name == "family_houses_2022":
        folder /= "synthetic"
    protocol = load(folder)
    if name == "hfi_2023":
        return protocol, Population(units=Units(()))
    return protocol, population(protocol, folder)


def text_of(name):
    return (PROTOCOLS / name / "draft.yaml").read_text(encoding="utf-8")


def copenhagen(change=lambda text: text, **asked):
    protocol = loads(change(text_of("copenhagen_2012_rollout")), file="draft.yaml")
    return checkup(protocol, population(protocol, PROTOCOLS / "copenhagen_2012_rollout"), rng=rng(), **asked)


def without_accepts(text):
    return re.sub(r"\naccepts:.*?(?=\n\S)", "", text, flags=re.DOTALL)


def accepting(text, words):
    return without_accepts(text).replace("\nbudget:", f"\naccepts: {words}\nbudget:")


def test_copenhagen_says_what_it_can_and_cannot_see():
    found = copenhagen()
    assert found.feasibility is not None
    assert found.outlook is not None
    draft = found.rows[0]
    assert (draft.count.total, draft.count.accepted, draft.places) == (210, 142, ((3, 2, 2),))
    assert draft.smallest_p.two_sided == pytest.approx(1 / 142)
    assert set(found.pilots) == {"w_amager_vest", "w_city_osterbro"}
    assert found.outlook.periods == ("2012-02", "2012-03", "2012-04", "2012-05", "2012-06")
    assert found.outlook.dropped == ("2012-07", "2012-08", "2012-09")
    assert len(found.outlook.scenarios) == 9
    assert (found.outlook.middle.icc, found.outlook.middle.cac) == (0.02, 0.8)
    # the draft's own rough count: 5 to 9 percentage points at ICC 0.005 to 0.02
    by_icc = {one.icc: one.smallest.t for one in found.outlook.scenarios if one.cac == 0.8}
    assert 0.05 < by_icc[0.005] < 0.06
    assert 0.085 < by_icc[0.02] < 0.095


def test_copenhagen_neighbours_count_the_pilots():
    around = copenhagen().feasibility.neighbourhood
    assert set(around.beside_pilot) == {"w_norrebro", "w_vesterbro_kgs_enghave", "w_amager_ost", "w_bispebjerg"}
    assert all(step.fewest_borders >= 1 for step in around.steps)


def test_hopeless_power_stops_unless_the_draft_accepts_it_in_words():
    stopped = copenhagen(without_accepts)
    assert [reason.code for reason in stopped.stops] == ["low_power"]
    assert stopped.outlook.middle.power.t < HOPELESS
    accepted = copenhagen(lambda text: accepting(text, "{low_power: An order is needed anyway}"))
    assert accepted.stops == ()
    assert accepted.reasons[0].accepted.en == "An order is needed anyway"


def test_a_larger_effect_worth_finding_lifts_the_stop():
    found = copenhagen(lambda text: without_accepts(text).replace("absolute: 0.03", "absolute: 0.15"))
    assert found.reasons == ()


def six_areas(tmp_path, accepts=""):
    """Eight family units in all: six remain, three against three."""
    text = without_accepts(text_of("copenhagen_2012_rollout"))
    head, rest = text[: text.index("\nunits:")], text[text.index("\narms:") :]
    text = head + "\nunits: {file: units.csv, size: children_0_2}\n" + rest
    waves = text[text.index("\nwaves:") : text.index("\nstrata:")]
    two = "\nwaves:\n  - {id: a, start: 2012-02-01, places: 3}\n  - {id: b, start: 2013-01-01, places: 3}"
    balance = text[text.index("\nbalance:") : text.index("\nlottery:")]
    text = text.replace(waves, two).replace(balance, "\n").replace("\nbudget:", f"{accepts}\nbudget:")
    (tmp_path / "units.csv").write_text("id,children_0_2\n" + "".join(f"u{k},2000\n" for k in range(6)))
    (tmp_path / "draft.yaml").write_text(text)
    protocol = load(tmp_path)
    return checkup(protocol, population(protocol, tmp_path), rng=rng())


def test_p_that_cannot_reach_alpha_stops_and_power_is_nought(tmp_path):
    found = six_areas(tmp_path)
    assert found.rows[0].smallest_p.two_sided == pytest.approx(0.1)
    assert [reason.code for reason in found.stops] == ["unreachable_p"]
    assert found.outlook.middle.power.t == 0
    assert np.isinf(found.outlook.middle.smallest.t)
    assert "0,1000" in found.stops[0].said.da
    accepted = six_areas(tmp_path, "\naccepts: {unreachable_p: We want the order}")
    assert accepted.stops == ()
    assert accepted.reasons[0].accepted is not None


def test_a_balance_rule_that_nothing_passes_stops():
    found = copenhagen(lambda text: text.replace("share_of_mean: 0.4", "share_of_mean: 0.0001"))
    assert [reason.code for reason in found.stops] == ["no_allocation"]
    assert found.feasibility is None


def test_other_waves_for_the_same_areas_keep_the_balance_rule():
    found = copenhagen(waves=[wave_places("3,4"), wave_places("1,1,1,1,1,1,1")])
    _, two, single = found.rows
    assert (two.count.total, two.n_drawn) == (35, 7)
    assert two.count.accepted == 32  # counted apart: 3 of the 35 have means more than 914.4 children apart
    assert two.smallest_p.two_sided == pytest.approx(1 / 32)
    assert single.count.total == 5040


@pytest.mark.parametrize(
    ("text", "rows"),
    [  # the project's arithmetic: 6, 7 and 8 units
        ("6", [((3, 3), 20, 0.1), ((2, 2, 2), 90, 2 / 90), ((1,) * 6, 720, 2 / 720), ((3, 3), 8, 0.25)]),
        ("7", [((3, 4), 35, 1 / 35), ((3, 2, 2), 210, 1 / 210), ((1,) * 7, 5040, 2 / 5040)]),
        ("8", [((4, 4), 70, 2 / 70), ((3, 3, 2), 560, 1 / 560), ((1,) * 8, 40320, 2 / 40320), ((4, 4), 16, 0.125)]),
    ],
)
def test_units_without_names_and_without_waves_show_a_small_menu(text, rows):
    found = copenhagen(frames=[Frame.of_text(text)])
    assert [(row.places[0], row.count.accepted) for row in found.rows[1:]] == [(places, n) for places, n, _ in rows]
    assert [row.smallest_p.two_sided for row in found.rows[1:]] == pytest.approx([p for *_, p in rows])


def test_waves_that_sum_to_the_units_less_the_pilots_leave_the_pilots_out():
    found = copenhagen(frames=[Frame.of_text("8")], waves=[wave_places("3,3")])
    row = found.rows[1]
    assert (row.n_drawn, row.count.total, row.candidate.frame.pilots_inside) == (6, 20, 2)
    assert not row.reaches


def test_housing_areas_two_and_two_in_each_district():
    """Row S3.3: 36 draws, smallest two-sided p 0.056; without strata 70 draws would do."""
    protocol, people = trial("hfi_2023")
    found = checkup(protocol, people, rng=rng(), frames=[Frame.of_text("4+4")], waves=[wave_places("2,2")])
    (row,) = found.rows
    assert row.count.total == 36
    assert row.smallest_p.two_sided == pytest.approx(2 / 36)
    assert not row.reaches
    beside = checkup(protocol, people, rng=rng(), frames=[Frame.of_text("4+4")])
    whole = next(other for other in beside.rows if other.places == ((4, 4),))
    assert (whole.count.total, whole.reaches) == (70, True)


def test_another_list_of_units_by_its_name():
    _, people = trial("copenhagen_2012_rollout")
    frame = Frame.of_units(people.units, "working_9")
    found = copenhagen(frames=[frame], waves=[wave_places("3,4")])
    assert (found.rows[1].n_drawn, found.rows[1].count.total) == (7, 35)
    assert found.rows[1].candidate.frame.label == "working_9"


def test_family_houses_count_and_see_in_standard_deviations():
    protocol, people = trial("family_houses_2022")
    found = checkup(protocol, people, rng=rng())
    draft = found.rows[0]
    assert draft.count.total == 8164755937800
    assert not draft.count.exact
    assert draft.reaches
    assert found.outlook.scale == "sd_between_units"
    assert found.outlook.middle.smallest.t == pytest.approx(0.83, abs=0.01)  # the draft's own note
    assert found.outlook.middle.power is None  # 2 percentage points cannot be told in those units
    assert found.stops == ()
    assert any("planning: icc" in assumed.en for assumed in found.outlook.assumed)


def test_what_was_not_drawn_has_no_p_value():
    protocol, people = trial("thousand_days_two_rounds")
    found = checkup(protocol, people, rng=rng())
    assert not found.drawn
    assert found.feasibility is None
    assert found.rows == found.reasons == ()
    assert "Ikke trukket ved lod" in found.notes[0].da


def test_people_one_by_one():
    protocol, people = trial("hfi_2023")
    found = checkup(protocol, people, rng=rng())
    assert found.feasibility is None
    by_size = {row.n_a: row for row in found.groups.rows}
    assert set(by_size) == {20, 35, 60}  # the places at the same time, and the usual two
    assert by_size[20].allocations == 137846528820
    assert by_size[20].smallest.t == pytest.approx(0.91, abs=0.005)
    assert by_size[60].smallest.t == pytest.approx(0.52, abs=0.005)
    icc, grouped = by_size[20].grouped[1]
    assert icc == 0.05
    # ten posts make five pairs of four families: one arm counts 1 + 3 x 0.05 times
    assert grouped.t == pytest.approx(two_groups(20, 20, design_effect_a=1.15).smallest_effect().t)


def test_how_many_families_a_small_effect_takes():
    # R 4.2.2: power.t.test(delta = .35, power = .8)$n is 129.1 (noncentral t); the convention's quantiles give 130
    assert needed_per_group(0.35) == 130
    assert needed_per_group(0.35) == min(n for n in range(2, 200) if two_groups(n, n).smallest_effect().t <= 0.35)
    assert needed_per_group(1e-9) is None
    found = groups(trial("early_screening_2017")[0])
    assert (found.needed, found.needed_with_loss) == (130, 163)  # 20 percent are expected to be lost


def test_notices_of_the_five_trials():
    told = {name: " ".join(said.en for said in notices(trial(name)[0])) for name in (
        "copenhagen_2012_rollout", "early_screening_2017", "hfi_2023", "family_houses_2022")}  # fmt: skip
    assert "3 million DKK a year for 4 years = 12 million" in told["copenhagen_2012_rollout"]
    assert "awaiting" in told["copenhagen_2012_rollout"]
    assert "did not exist on 2012-01-20" in told["copenhagen_2012_rollout"]
    assert "could compute the next entry" in told["early_screening_2017"]
    assert "3.5 + 1.5 = 5" in told["early_screening_2017"]
    assert "8,720 + 7,950 + 8,200 + 7,950 = 32,820" in told["hfi_2023"]
    assert "could compute the next entry" not in told["family_houses_2022"]
    assert "no command acts on it yet" in told["hfi_2023"]
    for name in told:
        assert all(said.da and said.da != said.en for said in notices(trial(name)[0]))


def budget_rows():
    text = (PROTOCOLS / "hfi_2023" / "facts_003_hfi_2023.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_both_budget_tables_agree_to_the_total_of_the_draft():
    """Row S3.8: rows, columns and tables agree to 32,820 thousand DKK; blanks are zero."""
    protocol, people = trial("hfi_2023")
    found = checkup(protocol, people, rng=rng(), budget=budget_rows())
    assert "Tabel 1, Tabel 2" in found.notes[-1].en
    assert "32.820" in found.notes[-1].da


def test_a_changed_cell_of_the_budget_is_found_in_its_line_its_year_and_against_the_draft():
    rows = budget_rows()
    cell = next(k for k, row in enumerate(rows) if row["section"] == "Tabel 1 (line 84)" and row["period"] == "2024")
    rows[cell] = rows[cell] | {"value": "700"}
    told = [said.en for said in agreement(rows, trial("hfi_2023")[0].budget.total_thousand_dkk)]
    assert told[0] == "Budget mismatch: Tabel 1 (line 84) adds up to 2,200 thousand DKK, and 2,000 is printed."
    assert all("2024" in line for line in told[1:])
    assert any("the draft 7,950" in line and "8,150" in line for line in told)
    assert any("Tabel 2 (administration and management) has 500" in line and "(line 84) 700" in line for line in told)


def test_waves_that_fit_nothing_are_refused_with_the_numbers():
    with pytest.raises(UsageError, match="9 places and there are 7 units") as error:
        copenhagen(waves=[wave_places("4,5")])
    assert error.value.facts == {"places": [[4, 5]], "units": [7]}
    with pytest.raises(UsageError, match="not whole numbers"):
        wave_places("3;4")
    with pytest.raises(UsageError, match="not whole numbers"):
        Frame.of_text("0")
    protocol, people = trial("hfi_2023")
    with pytest.raises(UsageError, match="--units"):
        checkup(protocol, people, rng=rng(), waves=[wave_places("2,2")])


def test_places_stratum_by_stratum():
    made = in_waves(Frame.of_text("5+3"), wave_places("2,3+1,2"))
    assert made.design.count().total == 10 * 3
    assert near_equal(11, 2) == (5, 6)
    assert near_equal(8, 3) == (3, 3, 2)
    assert all(len(one.design.free) == 9 for one in menu(Frame.of_text("9")))
    assert not any(one.pairs for one in menu(Frame.of_text("9")))


def test_starts_are_spread_between_the_drafts_first_and_last():
    days = [date(2012, 2, 1), date(2012, 6, 1), date(2012, 10, 1)]
    assert spread_starts(days, 3) == tuple(days)
    assert spread_starts(days, 2) == (days[0], days[2])
    assert spread_starts(days, 5) == (*days[:1], date(2012, 4, 1), date(2012, 6, 1), date(2012, 8, 1), days[2])
    assert spread_starts([], 4) == ()


def test_waves_that_start_after_the_period_are_one_wave_to_the_test():
    states = np.array([[1, 1], [0, 1], [0, 0], [0, 0]])
    view = View.by_state(states)
    assert view.roles == (0, 1, 2, 2)
    assert view.mirror is None
    assert View.by_state(states[:3]) == View.ordered(3)


def test_a_window_longer_than_every_wait_compares_nothing_and_stops():
    longer = {"window_days: 90": "window_days: 365", "complete_on: 2012-12-29": "complete_on: 2013-12-29"}
    found = copenhagen(lambda text: re.sub("|".join(longer), lambda hit: longer[hit[0]], text))
    assert found.outlook is None
    assert "nothing_compared" in [reason.code for reason in found.stops]
