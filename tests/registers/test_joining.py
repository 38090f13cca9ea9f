"""A second list joined by code: the typology of family houses (systems S4.1), on invented municipalities."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lists import as_text

from trialkit.errors import UnitsError
from trialkit.registers import danish_key, join, read_units
from trialkit.units import Unit, Units


def listed(rows: dict[str, dict[str, str]]) -> Units:
    return Units.of(Unit(id=code, name=f"By {code}", facts={"code": code, **facts}) for code, facts in rows.items())


UNITS = listed({f"M{k:03d}": {"size": str(k)} for k in range(1, 6)})


def test_columns_are_added_by_code(tmp_path: Path) -> None:
    path = tmp_path / "synthetic_typology.csv"
    rows = [[f"M{k:03d}", str(k % 4), "yes"] for k in (5, 3, 1, 2, 4)]
    path.write_text(as_text([["code", "group", "answered"], *rows]), encoding="utf-8")
    found = join(UNITS, read_units(path, id="code"), on="code", columns=["group", "answered"])
    assert found.ids == UNITS.ids
    assert [unit.facts["group"] for unit in found] == ["1", "2", "3", "0", "1"]
    assert found[0].facts == {"code": "M001", "size": "1", "group": "1", "answered": "yes"}


def test_units_without_a_row_and_rows_without_a_unit_are_listed() -> None:
    table = listed({code: {"group": "3"} for code in ("M001", "M002", "M003", "M4", "M006")})
    with pytest.raises(UnitsError) as caught:
        join(UNITS, table, on="code", columns=["group"])
    assert caught.value.code == "E_JOIN"
    assert (caught.value.facts["missing"], caught.value.facts["extra"]) == (["M004", "M005"], ["M006", "M4"])
    assert "M004 By M004, M005 By M005" in caught.value.told("da")


def test_a_code_that_stands_twice_is_refused() -> None:
    table = Units.of([Unit(id="x", facts={"code": "M001"}), Unit(id="y", facts={"code": "M001"})])
    with pytest.raises(UnitsError) as caught:
        join(UNITS, table, on="code", columns=[])
    assert (caught.value.code, caught.value.facts["units"]) == ("E_DUPLICATE", ["x", "y"])


def test_a_column_that_is_missing_or_says_something_else() -> None:
    same = listed({unit.id: {"size": unit.facts["size"]} for unit in UNITS})
    assert join(UNITS, same, on="code", columns=["size"]) == UNITS
    with pytest.raises(UnitsError) as caught:
        join(UNITS, same, on="code", columns=["group"])
    assert caught.value.facts["columns"] == ["code", "size"]
    other = listed({unit.id: {"size": "7"} for unit in UNITS})
    with pytest.raises(UnitsError) as caught:
        join(UNITS, other, on="code", columns=["size"])
    assert caught.value.facts["units"] == ["M001", "M002", "M003", "M004", "M005"]


@given(st.permutations(range(1, 6)))
def test_the_order_of_the_second_list_never_matters(order: list[int]) -> None:
    table = Units.of(Unit(id=f"M{k:03d}", facts={"group": str(k)}) for k in order)
    found = join(UNITS, table, on="code", columns=["group"])
    assert [unit.facts["group"] for unit in found] == ["1", "2", "3", "4", "5"]


def test_danish_order_for_people() -> None:
    names = ["Aabenraa", "Aalborg", "Aarhus", "Ærø", "Øst", "Zealand", "Århus", "assens", "Åbenrå"]
    assert sorted(names, key=danish_key) == [
        *("assens", "Zealand", "Ærø", "Øst"),
        *("Aabenraa", "Åbenrå", "Aalborg", "Aarhus", "Århus"),
    ]
