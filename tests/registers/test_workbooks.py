"""Spreadsheets: what Excel does to codes, and files that are not what they seem."""

from __future__ import annotations

import zipfile
from datetime import date, datetime
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lists import GOOD, as_ods, as_text, as_xlsx, faults

from trialkit.errors import UnitsError
from trialkit.registers import number, read_units


@pytest.fixture
def expected(tmp_path: Path) -> object:
    path = tmp_path / "ens.csv"
    path.write_text(as_text(GOOD), encoding="utf-8")
    return read_units(path)


def test_a_workbook_gives_the_units_of_the_same_csv(tmp_path: Path, expected: object) -> None:
    assert read_units(as_xlsx(tmp_path / "a.xlsx", GOOD)) == expected
    assert read_units(as_ods(tmp_path / "a.ods", GOOD)) == expected


@pytest.mark.parametrize("write", [as_xlsx, as_ods])
def test_numbers_and_dates_become_the_text_one_sees(tmp_path: Path, write: object) -> None:
    rows = [["id", "n", "dag"], [101.0, 914.4, date(2011, 1, 10)], [147.0, 2286.0, None]]
    path = write(tmp_path / ("a.xlsx" if write is as_xlsx else "a.ods"), rows)  # type: ignore[operator]
    assert [dict(unit.facts) for unit in read_units(path)] == [
        {"id": "101", "n": "914.4", "dag": "2011-01-10"},
        {"id": "147", "n": "2286", "dag": ""},
    ]


def test_a_number_of_the_sheet_is_never_ambiguous(tmp_path: Path) -> None:
    path = as_xlsx(tmp_path / "a.xlsx", [["id", "n"], ["a", 1.234], ["b", 0.1 + 0.2], ["c", 1234567.0]])
    assert [number(unit.facts["n"]) for unit in read_units(path)] == ["1.234", "0.3", "1234567"]


@pytest.mark.parametrize("changed", [date(2012, 2, 1), datetime(2012, 2, 1, 3), 1.1, 12345678901234567.0])
def test_an_id_the_sheet_has_changed_is_told(tmp_path: Path, changed: object) -> None:
    rows = [["id"], ["1-2"], [changed]]
    assert faults(as_xlsx(tmp_path / "a.xlsx", rows)) == [("E_CHANGED", 3, 1)]  # type: ignore[arg-type]


def test_a_zero_in_front_that_is_lost_is_told_and_not_invented(tmp_path: Path) -> None:
    codes = [[float(code)] for code in (101, 147, 151, 153, 155, 20)]
    path = as_xlsx(tmp_path / "a.xlsx", [["kode"], *codes])
    assert faults(path) == [("E_ZEROS", 7, 1)]
    with pytest.raises(UnitsError, match="cannot invent"):
        read_units(path)
    texts = [[f"{code[0]:g}"] for code in codes]  # typed as text: then it is meant so
    assert len(read_units(as_xlsx(tmp_path / "b.xlsx", [["kode"], *texts]))) == 6


def test_a_registration_number_stored_as_a_number_is_found(tmp_path: Path) -> None:
    rows = [["id", "n"], ["a", 112990000.0], ["b", 3112990000.0], ["c", 123456789.0], ["d", 321299000.0]]
    path = as_xlsx(tmp_path / "a.xlsx", rows)
    assert faults(path) == [("E_CPR", 2, 2), ("E_CPR", 3, 2)]
    with pytest.raises(UnitsError) as caught:
        read_units(path)
    assert "112990000" not in str(caught.value.args)


@pytest.mark.parametrize("write", [as_xlsx, as_ods])
def test_faults_have_the_row_and_column_of_the_sheet(tmp_path: Path, write: object) -> None:
    rows = [["id", "navn"], ["a", " A"], ["", ""], ["a", "B"], ["\u0430b", "C"]]
    path = write(tmp_path / ("a.xlsx" if write is as_xlsx else "a.ods"), rows)  # type: ignore[operator]
    assert faults(path) == [("E_SPACE", 2, 2), ("E_BLANK", 3, 0), ("E_DUPLICATE", 4, 1), ("E_LOOKALIKE", 5, 1)]


def test_a_list_that_begins_further_in_keeps_its_places(tmp_path: Path) -> None:
    path = as_xlsx(tmp_path / "a.xlsx", [[None, "id"], [None, "a "]])
    assert faults(path) == [("E_HEADER", 1, 1), ("E_SPACE", 2, 2)]
    assert faults(as_xlsx(tmp_path / "b.xlsx", [[], ["id"], ["a"]])) == [("E_HEADER", 1, 0)]


def test_formulas_that_failed_or_never_ran_are_no_blanks(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet()
        page.write_row(0, 0, ["id", "n", "m"])
        page.write_string(1, 0, "a")
        page.write_formula(1, 1, "=1/0", None, "#DIV/0!")
        page.write_formula(1, 2, "=6*7", None, 42)
    assert faults(path) == [("E_CELL_ERROR", 2, 2)]
    _rewrite(path, "xl/worksheets/sheet1.xml", b"<v>42</v>", b"")
    assert faults(path) == [("E_CELL_ERROR", 2, 2), ("E_CELL_ERROR", 2, 3)]
    inner = (
        '<table:table-row><table:table-cell office:value-type="string"><text:p>id</text:p></table:table-cell>'
        '<table:table-cell office:value-type="string"><text:p>n</text:p></table:table-cell></table:table-row>'
        '<table:table-row><table:table-cell office:value-type="string"><text:p>a</text:p></table:table-cell>'
        '<table:table-cell table:formula="of:=1/0" office:value-type="string" office:string-value=""'
        ' calcext:value-type="error"><text:p>#DIV/0!</text:p></table:table-cell></table:table-row>'
    )
    assert faults(as_ods(tmp_path / "a.ods", inner=inner)) == [("E_CELL_ERROR", 2, 2)]


def _rewrite(path: Path, member: str, old: bytes, new: bytes) -> None:
    """Change bytes inside a member of the archive."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old in parts[member]
    parts[member] = parts[member].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def test_the_sheet_is_named_when_several_hold_something(tmp_path: Path, expected: object) -> None:
    path = as_xlsx(tmp_path / "a.xlsx", GOOD, more=["Vejledning"])
    assert faults(path) == [("E_SHEET", 0, 0)]
    assert read_units(path, sheet="Enheder") == expected
    assert faults(path, sheet="Ark1") == [("E_SHEET", 0, 0)]
    (tmp_path / "a.csv").write_text(as_text(GOOD), encoding="utf-8")
    assert faults(tmp_path / "a.csv", sheet="Ark1") == [("E_SHEET", 0, 0)]


def test_empty_and_hidden_sheets_are_no_choice(tmp_path: Path, expected: object) -> None:
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path) as book:
        hidden = book.add_worksheet("Lister")
        page = book.add_worksheet("Enheder")
        book.add_worksheet("Tom")
        hidden.write(0, 0, "x")
        for line, row in enumerate(GOOD):
            page.write_row(line, 0, row, book.add_format({"num_format": "@"}))
        page.activate()
        page.set_first_sheet()
        hidden.hide()
    assert read_units(path, sheet="Enheder").ids == ("020", "101", "147", "751")
    assert read_units(path).ids == ("020", "101", "147", "751")


def test_an_empty_workbook_is_told(tmp_path: Path) -> None:
    assert faults(as_xlsx(tmp_path / "a.xlsx", [])) == [("E_EMPTY", 0, 0)]
    assert faults(as_xlsx(tmp_path / "b.xlsx", [["id"]])) == [("E_EMPTY", 0, 0)]


def test_a_zip_that_is_no_workbook(tmp_path: Path) -> None:
    for name in ("a.xlsx", "a.ods"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("enheder.csv", "id\na\n")
        assert faults(tmp_path / name) == [("E_CONTENT", 0, 0)]
    as_ods(tmp_path / "b.xlsx", GOOD)
    assert faults(tmp_path / "b.xlsx") == [("E_CONTENT", 0, 0)]
    (tmp_path / "c.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert faults(tmp_path / "c.xlsx") == [("E_CONTENT", 0, 0)]
    (tmp_path / "c.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert faults(tmp_path / "c.xls") == [("E_CONTENT", 0, 0)]


def test_a_bomb_is_refused_before_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trialkit.registers.archive.MOST_BYTES", 2**20)
    path = as_xlsx(tmp_path / "a.xlsx", GOOD)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/image1.png", bytes(2**21))
    assert path.stat().st_size < 2**17
    assert faults(path) == [("E_SIZE", 0, 0)]


def test_one_cell_in_the_far_corner_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet()
        page.write(0, 0, "id")
        page.write(1, 0, "a")
        page.write(1_048_575, 16_383, "x")
    assert faults(path) == [("E_SIZE", 1_048_576, 16_384)]
    _rewrite(path, "xl/worksheets/sheet1.xml", b'"XFD1048576"', b'"ZZZ2"')
    assert faults(path) == [("E_COLUMNS", 0, 0)]
    inner = (
        '<table:table-row table:number-rows-repeated="1048576"><table:table-cell office:value-type="string"'
        ' table:number-columns-repeated="9999"><text:p>x</text:p></table:table-cell></table:table-row>'
    )
    assert faults(as_ods(tmp_path / "a.ods", inner=inner)) == [("E_SIZE", 1_048_576, 9999)]


def test_a_document_type_is_refused(tmp_path: Path) -> None:
    path = as_xlsx(tmp_path / "a.xlsx", GOOD)
    declared = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><worksheet '
    _rewrite(path, "xl/worksheets/sheet1.xml", b"<worksheet ", declared)
    assert faults(path) == [("E_CONTENT", 0, 0)]


def test_a_workbook_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    path = as_xlsx(tmp_path / "a.xlsx", GOOD)
    _rewrite(path, "xl/worksheets/sheet1.xml", b"<v>3</v>", b"<v>999</v>")  # a text that is not in its table
    assert faults(path) == [("E_CONTENT", 0, 0)]
    path = as_xlsx(tmp_path / "b.xlsx", GOOD, more=["Lister"])
    _rewrite(path, "xl/workbook.xml", b'"Lister"', b'"Enheder"')
    assert faults(path, sheet="Enheder") == [("E_CONTENT", 0, 0)]
    path = as_xlsx(tmp_path / "c.xlsx", GOOD)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("XL/WORKSHEETS/SHEET1.XML", "<worksheet/>")
    assert faults(path) == [("E_CONTENT", 0, 0)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return as_xlsx(tmp_path_factory.mktemp("hel") / "a.xlsx", GOOD).read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(cut=st.booleans(), share=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_damaged_workbook_is_refused_in_words(
    tmp_path: Path, whole: bytes, cut: bool, share: float, flip: int
) -> None:
    path = tmp_path / "a.xlsx"
    place = 4 + int(share * (len(whole) - 4))
    path.write_bytes(whole[:place] + (b"" if cut else bytes([whole[place] ^ flip]) + whole[place + 1 :]))
    try:
        units = read_units(path)
    except UnitsError as error:
        told = error
    else:
        assert units.ids == ("020", "101", "147", "751")  # a byte that says nothing was changed
        return
    assert told.facts["faults"]
