"""The registers trialkit ships, checked against counts and names that stand in the sources."""

from __future__ import annotations

from collections import Counter
from datetime import date
from itertools import combinations

import pytest

from trialkit.errors import UnitsError
from trialkit.registers import OUTSIDE, place, read_units, register, registers, units_csv
from trialkit.units import Units

BYDEL = register("copenhagen_2011", frame="bydel")
WORKING = register("copenhagen_2011", frame="working_9")
TOWNS = register("danish_municipalities")
EVERY = [(name, frame) for name, frames in registers().items() for frame in frames or (None,)]


def test_the_registers_and_their_frames() -> None:
    sizes = {pair: len(register(pair[0], frame=pair[1])) for pair in EVERY}
    assert sizes == {
        ("copenhagen_2011", "bydel"): 10,
        ("copenhagen_2011", "family_unit_2010_named"): 3,
        ("copenhagen_2011", "working_9"): 9,
        ("danish_municipalities", None): 98,
        ("hfi_housing_areas", None): 8,
        ("thousand_days", None): 21,
    }


@pytest.mark.parametrize(("name", "frame"), EVERY)
def test_every_unit_is_found_by_everything_it_is_called(name: str, frame: str | None) -> None:
    units = register(name, frame=frame)
    assert Units.of(units).ids == units.ids  # every id may be published
    for unit in units:
        for text in (unit.id, unit.name, unit.name.upper(), *unit.spellings):
            assert units.find(text) is unit


@pytest.mark.parametrize(
    ("name", "frame"),
    [("bydeler", None), ("copenhagen_2011", None), ("copenhagen_2011", "bydele"), ("thousand_days", "bydel")],
)
def test_an_unknown_register_or_frame_is_told_what_exists(name: str, frame: str | None) -> None:
    with pytest.raises(UnitsError) as caught:
        register(name, frame=frame)
    assert caught.value.code == "E_REGISTER"
    known = registers().get(name)
    listed = caught.value.facts["registers" if known is None else "frames"]
    assert listed == (list(registers()) if known is None else list(known))


# --- Copenhagen (systems S0.2, S0.5, S0.6) ------------------------------------------------------------------------


def test_working_9_merges_two_districts_and_keeps_every_child() -> None:
    (merged,) = [unit for unit in WORKING if len(unit.members) > 1]
    assert merged.members == ("indre_by", "osterbro")
    for column in ("population_2011", "children_0_2_2011", "infants_0_2011", "population_2015", "children_0_2_2015"):
        assert sum(int(u.facts[column]) for u in WORKING) == sum(int(u.facts[column]) for u in BYDEL)
    assert next(u for u in BYDEL if u.id == "bispebjerg").facts["population_2011"] == "49362"  # two public pages


def test_seven_areas_are_left_and_they_measure_2286_children_on_average() -> None:
    left = WORKING.where(lambda unit: unit.facts["pilot_2011"] == "no")
    children = [int(unit.facts["children_0_2_2011"]) for unit in left]
    assert len(left) == 7
    assert (min(children), max(children), round(sum(children) / 7)) == (1484, 3319, 2286)


def test_a_merged_unit_touches_whatever_its_members_touch() -> None:
    inside = {district: unit.id for unit in WORKING for district in unit.members}
    lifted = {tuple(sorted((inside[a], inside[b]))) for a, b in BYDEL.neighbours} - {("w_city_osterbro",) * 2}
    assert lifted == WORKING.neighbours
    assert len(BYDEL.neighbours) == 15


def test_spillover_facts_of_the_source_hold() -> None:
    pilots = {unit.id for unit in WORKING if unit.facts["pilot_2011"] == "yes"}
    free = [unit.id for unit in WORKING if unit.id not in pilots]
    touching = {a if b in pilots else b for a, b in WORKING.neighbours if (a in pilots) != (b in pilots)}
    assert len(touching) == 4  # of 7 areas touch a pilot (S0.5)
    clean = []
    for started in combinations(free, 3):
        on = pilots | set(started)
        border = {a if b in on else b for a, b in WORKING.neighbours if (a in on) != (b in on)}
        assert any((a in started) != (b in started) for a, b in WORKING.neighbours if {a, b} <= set(free))
        clean.append(len(set(free) - on - border))
    assert max(clean) == 2


# --- names as people write them (S3.9, S4.2) ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("Brønshøj/Husum", "bronshoj_husum"),
        ("Vesterbro/Kgs . Enghave", "vesterbro_kgs_enghave"),
        ("Vesterbro / Kongens Enghave", "vesterbro_kgs_enghave"),
        ("Indre by", "indre_by"),
        ("City", "indre_by"),
        ("Bispebjerg", "bispebjerg"),
    ],
)
def test_tick_boxes_find_their_district_in_every_frame(text: str, unit: str) -> None:
    assert place(text, BYDEL) is BYDEL.find(unit)
    found = place(text, WORKING)
    assert found is not OUTSIDE
    assert unit in found.members  # type: ignore[union-attr]


def test_outside_is_kept_and_unknown_is_refused() -> None:
    assert place("Udenbys", BYDEL) is OUTSIDE
    assert place(" udenbys ", WORKING) is OUTSIDE
    for text in ("Uden bys", "", "Frederiksberg"):
        with pytest.raises(UnitsError):
            place(text, BYDEL)
    with pytest.raises(UnitsError) as caught:
        place("City/Østerbro", BYDEL)
    assert caught.value.code == "E_UNIT_AMBIGUOUS"


def test_city_osterbro_is_one_unit_or_two() -> None:
    assert [unit.id for unit in BYDEL.find_all("City/Østerbro")] == ["indre_by", "osterbro"]
    assert WORKING.find("City/Østerbro").id == "w_city_osterbro"
    assert register("copenhagen_2011", frame="family_unit_2010_named").find("city/østerbro").id == "fam_city_osterbro"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Vesthimmerland", "820"),
        ("Vesthimmerlands", "820"),
        ("Vesthimmerlands Kommune", "820"),
        ("Århus", "751"),
        ("A\u030arhus", "751"),
        ("Nordfyn", "480"),
        ("Nordfyns Kommune", "480"),
        ("Brønderslev-Dronninglund", "810"),
        ("Høje Taastrup", "169"),
        ("Lyngby-Tårbæk", "173"),
        ("Åbenrå", "580"),
        ("Ålborg", "851"),
        ("Ålborg Kommune", "851"),
        ("Fåborg-Midtfyn", "430"),
        ("Københavns Kommune", "101"),
        ("Københavns kommune", "101"),
        ("Bornholms Regionskommune", "400"),
        ("Ringkøbing - Skjern", "760"),
    ],
)
def test_municipalities_by_all_their_spellings(text: str, code: str) -> None:
    assert TOWNS.find(text).id == code


def test_codes_are_text_of_three_digits() -> None:
    assert all(len(unit.id) == 3 and unit.id.isdigit() for unit in TOWNS)
    assert read_units_again(TOWNS).ids == TOWNS.ids


def read_units_again(units: Units) -> Units:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "units.csv"
        path.write_text(units_csv(units), encoding="utf-8", newline="")
        return read_units(path)


# --- regions with dates (danish.md) -------------------------------------------------------------------------------


def regions(on: date | None) -> dict[str, int]:
    return dict(Counter(unit.facts["region"] for unit in register("danish_municipalities", on=on)))


def test_five_regions_until_the_end_of_2026_and_four_after() -> None:
    five = {"Hovedstaden": 29, "Sjælland": 17, "Syddanmark": 22, "Midtjylland": 19, "Nordjylland": 11}
    assert regions(None) == regions(date(2026, 12, 31)) == {f"Region {name}": n for name, n in five.items()}
    four = {"Østdanmark": 46, "Syddanmark": 22, "Midtjylland": 19, "Nordjylland": 11}  # 46: the reform's own figure
    assert regions(date(2027, 1, 1)) == {f"Region {name}": n for name, n in four.items()}
    roskilde = register("danish_municipalities", on=date(2027, 1, 1)).find("Roskilde")
    assert (roskilde.facts["region_from"], roskilde.facts["region_to"]) == ("2027-01-01", "")
    assert TOWNS.find("Roskilde").facts["region_to"] == "2026-12-31"
    with pytest.raises(UnitsError) as caught:
        register("danish_municipalities", on=date(2006, 12, 31))
    assert caught.value.code == "E_DATE"


def test_the_two_rounds_of_the_thousand_days() -> None:
    units = register("thousand_days")
    assert Counter(unit.facts["round"] for unit in units) == {"1": 12, "2": 9}
    for unit in units:
        town = TOWNS.find(unit.id)
        assert (town.name, town.facts["region"]) == (unit.name, unit.facts["region"])
        assert town.facts["thousand_days_round"] == unit.facts["round"]
    assert {town.id for town in TOWNS if town.facts["thousand_days_round"]} == set(units.ids)
    later = register("thousand_days", on=date(2028, 1, 1))
    assert later.find("Næstved").facts["region"] == "Region Østdanmark"


def test_four_housing_areas_in_each_of_two_districts() -> None:
    areas = register("hfi_housing_areas")
    assert Counter(unit.facts["bydel"] for unit in areas) == {"norrebro": 4, "bispebjerg": 4}
    assert areas.find("Stærevej").id == "staerevej"
    assert all(BYDEL.find(unit.facts["bydel"]) for unit in areas)
