"""Units: one order, one way to find them, and no guessing."""

from __future__ import annotations

import pickle
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialkit.errors import UnitsError
from trialkit.units import Unit, Units, plain

NAMES = st.text("abcæøåÆØÅ /.-", min_size=1, max_size=12).map(lambda text: " ".join(text.split())).filter(bool)


def towns() -> Units:
    return Units.of(
        [
            Unit(id="101", name="København", spellings=("Københavns Kommune",)),
            Unit(id="169", name="Høje-Taastrup", spellings=("Høje Taastrup",)),
            Unit(id="751", name="Aarhus", spellings=("Århus",)),
        ]
    )


def test_order_is_by_utf8_bytes_whatever_the_order_given() -> None:
    names = ["Ø", "z", "Å", "Æ", "A", "\U00010348", "\uffee"]
    assert list(Units.of(names).ids) == sorted(names, key=str.encode) == list(Units.of(reversed(names)).ids)


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        (["A", "A"], "E_DUPLICATE"),
        (["A", "a"], "E_LOOKALIKE"),
        (["Å", "A\u030a"], "E_DUPLICATE"),
        (["①", "1"], "E_LOOKALIKE"),
        ([" A"], "E_TEXT"),
        (["A\u200b"], "E_TEXT"),
        ([""], "E_TEXT"),
    ],
)
def test_ids_that_cannot_be_told_apart_or_read_aloud_are_refused(ids: list[str], code: str) -> None:
    with pytest.raises(UnitsError) as caught:
        Units.of(ids)
    assert caught.value.code == code


def test_units_out_of_order_are_refused() -> None:
    with pytest.raises(UnitsError) as caught:
        Units((Unit(id="b"), Unit(id="a")))
    assert caught.value.code == "E_ORDER"


def test_neighbours_must_be_units() -> None:
    with pytest.raises(UnitsError):
        Units.of(["a", "b"], [("a", "c")])
    assert Units.of(["a", "b"], [("b", "a")]).neighbours == {("a", "b")}


def test_where_keeps_the_neighbours_that_are_left() -> None:
    units = Units.of(["a", "b", "c"], [("a", "b"), ("b", "c")])
    assert units.where(lambda unit: unit.id != "c").neighbours == {("a", "b")}


@pytest.mark.parametrize(
    "text",
    ["751", "Aarhus", "aarhus", " AARHUS ", "Århus", "A\u030arhus", "Aar\u00adhus", "\u00a0Aarhus"],
)
def test_a_unit_is_found_by_id_name_or_known_spelling(text: str) -> None:
    assert towns().find(text).id == "751"


@pytest.mark.parametrize("text", ["Høje Taastrup", "høje - taastrup", "Høje–Taastrup", "Høje\u2011Taastrup"])
def test_hyphens_and_the_spaces_around_them_do_not_matter(text: str) -> None:
    assert towns().find(text).id == "169"


def test_near_names_are_told_and_never_used() -> None:
    with pytest.raises(UnitsError) as caught:
        towns().find("Aarhuss")
    assert caught.value.code == "E_UNIT_UNKNOWN"
    assert caught.value.facts["suggestions"][0] in ("Aarhus", "Århus")
    assert "Aarhus" in caught.value.told("da")


@pytest.mark.parametrize("text", ["", " ", "75", "Kommune", "Høje", "7510"])
def test_a_piece_of_a_name_finds_nothing(text: str) -> None:
    with pytest.raises(UnitsError):
        towns().find(text)


def test_a_name_of_two_units_is_ambiguous_and_an_id_is_not() -> None:
    units = Units.of([Unit(id="1", name="Skolen"), Unit(id="2", name="skolen"), Unit(id="3", name="1")])
    assert units.find("1").id == "1"
    with pytest.raises(UnitsError) as caught:
        units.find("SKOLEN")
    assert caught.value.code == "E_UNIT_AMBIGUOUS"
    assert caught.value.facts["units"] == ["1", "2"]


def merged() -> Units:
    both = Unit(id="c_o", name="City/Østerbro", members=("indre", "oster"))
    return Units.of([Unit(id="indre", name="Indre By"), Unit(id="oster", name="Østerbro"), "valby"], areas=[both])


def test_a_merged_name_stands_for_all_its_members() -> None:
    assert [unit.id for unit in merged().find_all("City / østerbro")] == ["indre", "oster"]
    with pytest.raises(UnitsError) as caught:
        merged().find("City/Østerbro")
    assert caught.value.code == "E_UNIT_AMBIGUOUS"


def test_a_merged_name_says_more_than_a_list_that_lost_a_member() -> None:
    left = merged().where(lambda unit: unit.id != "indre")
    with pytest.raises(UnitsError) as caught:
        left.find_all("City/Østerbro")
    assert (caught.value.code, caught.value.facts["units"]) == ("E_UNIT_PART", ["oster"])


def test_two_areas_of_one_name_must_mean_the_same_units() -> None:
    areas = [Unit(id="x1", name="Nord", members=("a", "b")), Unit(id="x2", name="nord", members=("a", "b"))]
    assert [unit.id for unit in Units.of(["a", "b", "c"], areas=areas).find_all("Nord")] == ["a", "b"]
    areas.append(Unit(id="x3", name="NORD", members=("b", "c")))
    with pytest.raises(UnitsError) as caught:
        Units.of(["a", "b", "c"], areas=areas).find_all("Nord")
    assert (caught.value.code, caught.value.facts["units"]) == ("E_UNIT_AMBIGUOUS", ["a", "b", "c"])


def test_a_part_of_a_unit_is_not_the_unit_but_the_same_place_is() -> None:
    areas = [Unit(id="indre", name="Indre By"), Unit(id="oster", name="Østerbro"), Unit(id="valby", name="Valby")]
    units = Units.of([Unit(id="w1", members=("indre", "oster")), Unit(id="w2", members=("valby",))], areas=areas)
    assert units.find("Valby").id == "w2"
    with pytest.raises(UnitsError) as caught:
        units.find("Indre By")
    assert (caught.value.code, caught.value.facts["unit"]) == ("E_UNIT_PART", "w1")


def test_an_error_never_repeats_a_long_number() -> None:
    with pytest.raises(UnitsError) as caught:
        towns().find("010190-1234")
    assert "1234" not in str(caught.value.args)


@given(NAMES)
def test_plain_is_idempotent_and_blind_to_case_and_unicode_form(name: str) -> None:
    once = plain(name)
    assert plain(once) == once
    assert plain(unicodedata.normalize("NFD", name)) == once
    assert plain(name.upper()) == once
    assert plain(f"  {name}\u00a0") == once


@given(st.lists(NAMES, min_size=1, max_size=8, unique_by=plain), st.data())
def test_every_unit_is_found_by_its_own_name_and_no_other(names: list[str], data: st.DataObject) -> None:
    units = Units.of(Unit(id=f"u{k}", name=name) for k, name in enumerate(names))
    name = data.draw(st.sampled_from(names))
    assert units.find(name).name == name
    assert units.find_all(name) == (units.find(name),)


def test_units_survive_a_worker_process_after_they_were_searched() -> None:
    units = merged()
    units.find("Indre By")
    again = pickle.loads(pickle.dumps(units))
    assert again == units
    assert again.find("Indre By").id == "indre"
