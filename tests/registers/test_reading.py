"""What never matters about a file, and what is always told, with its row and column."""

from __future__ import annotations

import codecs
import subprocess
import sys
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lists import GOOD, as_text, as_xlsx, faults

from trialkit.errors import UnitsError
from trialkit.registers import read_units, units_csv, write_units
from trialkit.registers.table import MOST_FAULTS, TOLD_FAULTS
from trialkit.units import Unit, Units

WORDS = st.text("abcdefæøåÆØÅé123", min_size=1, max_size=6)
TEXTS = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
FACTS = TEXTS | st.just("") | st.sampled_from(["1,5", "a;b", 'x "y" z', "to\nlinjer", "-4,5"])


@st.composite
def lists(draw: st.DrawFn) -> list[list[str]]:
    """A heading, and rows with ids that nobody can mix up."""
    ids = draw(st.lists(WORDS.map(lambda word: f"u{word}"), min_size=1, max_size=8, unique_by=str.lower))
    more = draw(st.integers(0, 3))
    rows = [[code, draw(TEXTS), *(draw(FACTS) for _ in range(more))] for code in ids]
    return [["id", "navn", *(f"kolonne_{k}" for k in range(more))], *rows]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "enheder.csv"
    path.write_text(as_text(GOOD), encoding="utf-8")
    return path


def spoiled(file: Path, *lines: str) -> Path:
    file.write_text("\n".join(["id;navn;tal", *lines, ""]), encoding="utf-8")
    return file


def test_codes_are_text_and_every_column_is_a_fact(file: Path) -> None:
    units = read_units(file)
    assert units.ids == ("020", "101", "147", "751")
    assert units[0] == Unit(id="020", name="Nørrebro", facts=dict(zip(GOOD[0], GOOD[1], strict=True)))
    assert units[3].name == 'Den "lille" by'


def test_columns_are_named_or_go_by_their_usual_names(file: Path) -> None:
    assert read_units(file, id="navn", name="kode")[0] == Unit(
        id="Amager Øst", name="101", facts=dict(zip(GOOD[0], GOOD[2], strict=True))
    )
    assert faults(file, id="nummer") == [("E_HEADER", 1, 0)]
    assert faults(file, name="titel") == [("E_HEADER", 1, 0)]


def test_spellings_and_members_are_split(file: Path) -> None:
    file.write_text("unit_id,name_da,other_spelling,members\nx,Midt,Midten; C,a;b\n", encoding="utf-8")
    (unit,) = read_units(file)
    assert (unit.spellings, unit.members) == (("Midten", "C"), ("a", "b"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=lists(), data=st.data())
def test_the_form_of_the_file_never_changes_the_units(
    tmp_path: Path, rows: list[list[str]], data: st.DataObject
) -> None:
    plain, other = tmp_path / "a.csv", tmp_path / "b.csv"
    plain.write_text(as_text(rows), encoding="utf-8", newline="")
    body = data.draw(st.permutations(rows[1:]))
    text = as_text(
        [rows[0], *body], data.draw(st.sampled_from(",;\t")), data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    )
    text += data.draw(st.sampled_from(["", "\n\n", "\r\n"]))
    text = unicodedata.normalize(data.draw(st.sampled_from(["NFC", "NFD"])), text)
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    other.write_bytes(text.encode(encoding))
    assert read_units(other) == read_units(plain)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(rows=lists(), encoding=st.sampled_from(["cp1252", "iso-8859-1", "cp865", "mac-roman", "windows-1252"]))
def test_an_encoding_that_is_named_is_believed(tmp_path: Path, rows: list[list[str]], encoding: str) -> None:
    plain, other = tmp_path / "a.csv", tmp_path / "b.csv"
    plain.write_text(as_text(rows), encoding="utf-8", newline="")
    try:
        other.write_bytes(as_text(rows).encode(encoding))
    except UnicodeEncodeError:
        return
    assert read_units(other, encoding=encoding) == read_units(plain)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=lists())
def test_what_is_written_is_read_back(tmp_path: Path, rows: list[list[str]]) -> None:
    first, again = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(as_text(rows), encoding="utf-8", newline="")
    units = read_units(first)
    write_units(units, again)
    assert read_units(again) == units
    assert units_csv(read_units(again)) == units_csv(units)


def test_units_made_by_hand_are_written_with_their_fields(tmp_path: Path) -> None:
    made = Units.of([Unit(id="b", name="By", spellings=("B", "Byen"), members=("x", "y")), "a"])
    write_units(made, tmp_path / "u.csv")
    again = read_units(tmp_path / "u.csv")
    assert [(u.id, u.name, u.spellings, u.members) for u in again] == [
        ("a", "", (), ()),
        ("b", "By", ("B", "Byen"), ("x", "y")),
    ]
    renamed = again.map(lambda unit: Unit(id=unit.id, name="Ny", facts=unit.facts))
    write_units(renamed, tmp_path / "v.csv")
    assert [unit.name for unit in read_units(tmp_path / "v.csv")] == ["Ny", "Ny"]


def test_a_data_frame_reads_like_its_file(file: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(file, dtype=str)
    assert read_units(frame) == read_units(file)
    assert read_units(frame.set_index("kode")) == read_units(file)
    numbers = pd.DataFrame({"id": [101, 102], "n": [1.5, None], "dag": pd.to_datetime(["2020-01-02", None])})
    assert [dict(unit.facts) for unit in read_units(numbers)] == [
        {"id": "101", "n": "1.5", "dag": "2020-01-02"},
        {"id": "102", "n": "", "dag": ""},
    ]


def test_reading_a_register_needs_neither_pandas_nor_calamine() -> None:
    code = (
        "import sys, trialkit.registers as r; r.register('danish_municipalities');"
        "print(sorted({'numpy', 'pandas', 'python_calamine'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- dirty copies: (what is wrong, the file's text, what must be told) -------------------------------------------

HEAD = "id;navn;tal\n"
DIRTY: dict[str, tuple[str, list[tuple[str, int, int]]]] = {
    "duplicate": (HEAD + "a;A;1\nb;B;2\na;C;3\n", [("E_DUPLICATE", 4, 1)]),
    "duplicate in another Unicode form": (HEAD + "Å;A;1\nA\u030a;B;2\n", [("E_DUPLICATE", 3, 1)]),
    "look-alike": (HEAD + "øst;A;1\nØst;B;2\n", [("E_LOOKALIKE", 3, 1)]),
    "wide letters": (HEAD + "A1;A;1\n\uff211;B;2\n", [("E_LOOKALIKE", 3, 1)]),
    "Cyrillic o": (HEAD + "N\u043erd;A;1\n", [("E_LOOKALIKE", 2, 1)]),
    "Cyrillic o in a name": (HEAD + "a;N\u043erd;1\n", [("E_LOOKALIKE", 2, 2)]),
    "blank id": (HEAD + "a;A;1\n;B;2\n", [("E_BLANK", 3, 1)]),
    "blank row inside": (HEAD + "a;A;1\n\n;;\nb;B;2\n\n", [("E_BLANK", 3, 0)]),
    "space before": (HEAD + " a;A;1\n", [("E_SPACE", 2, 1)]),
    "space after": (HEAD + "a;A ;1\n", [("E_SPACE", 2, 2)]),
    "two spaces": (HEAD + "a;A  B;1\n", [("E_SPACE", 2, 2)]),
    "no-break space": (HEAD + "a;A\u00a0B;1\n", [("E_SPACE", 2, 2)]),
    "zero-width space": (HEAD + "a\u200b;A;1\n", [("E_SPACE", 2, 1)]),
    "space in a fact": (HEAD + "a;A;ja \n", [("E_SPACE", 2, 3)]),
    "invisible letter": (HEAD + "a\u3164b;A;1\n", [("E_TEXT", 2, 1)]),
    "too long": (HEAD + "a" * 201 + ";A;1\n", [("E_TEXT", 2, 1)]),
    "too few cells": (HEAD + "a;A\nb;B;2\n", [("E_RAGGED", 2, 3)]),
    "too many cells": (HEAD + "a;A;1;2\n", [("E_RAGGED", 2, 4)]),
    "cut in a row": (HEAD + "a;A;1\nb;B", [("E_RAGGED", 3, 3)]),
    "cut in a quotation": (HEAD + 'a;A;1\nb;"B;2\nc;C;3\n', [("E_CUT", 3, 0)]),
    "bad quotation": (HEAD + 'a;"A"B;1\n', [("E_CUT", 2, 0)]),
    "no heading": ("101;København;1\n147;Frederiksberg;2\n", [("E_HEADER", 1, 0)]),
    "first row blank": ("\n" + HEAD + "a;A;1\n", [("E_HEADER", 1, 0)]),
    "heading twice": ("id;navn;navn\na;A;1\n", [("E_HEADER", 1, 3)]),
    "heading alike": ("id;tal;Tal\na;A;1\n", [("E_HEADER", 1, 3)]),
    "heading left out": ("id;;tal\na;A;1\n", [("E_HEADER", 1, 2)]),
    "cells without heading": ("id;navn;\na;A;1\n", [("E_RAGGED", 2, 3)]),
    "only a heading": (HEAD, [("E_EMPTY", 0, 0)]),
    "NUL": (HEAD + "a;A\0;1\n", [("E_NUL", 2, 0)]),
    "formula in an id": (HEAD + "=1+1;A;1\n", [("E_FORMULA", 2, 1)]),
    "formula in a name": (HEAD + "a;@SUM(A1);1\n", [("E_FORMULA", 2, 2)]),
    "formula in a fact": (HEAD + "a;A;-2+3+cmd|' /C calc'!A0\n", [("E_FORMULA", 2, 3)]),
    "formula in a heading": ("id;+navn\na;A\n", [("E_FORMULA", 1, 2)]),
    "tab first": ('id;navn\na;"\tA"\n', [("E_FORMULA", 2, 2), ("E_SPACE", 2, 2)]),
    "UTF-8 read as Windows-1252 and saved": (HEAD + "a;NÃ¸rrebro;1\n", [("E_ENCODING", 2, 2)]),
    "lost letters": (HEAD + "a;N\ufffdrrebro;1\n", [("E_ENCODING", 2, 2)]),
    "error of a sheet": (HEAD + "a;A;#DIVISION/0!\n", [("E_CELL_ERROR", 2, 3)]),
    "zeros lost": (HEAD + "001;A;1\n002;B;1\n3;C;1\n", [("E_ZEROS", 4, 1)]),
    "zeros lost after a letter": (HEAD + "M01;A;1\nM02;B;1\nM3;C;1\n", [("E_ZEROS", 4, 1)]),
    "scientific": (HEAD + "1,01E+02;A;1\n", [("E_CHANGED", 2, 1)]),
    "CPR": (HEAD + "a;A;311299-0000\n", [("E_CPR", 2, 3)]),
    "CPR in a heading": ("id;3112990000\na;A\n", [("E_CPR", 1, 2)]),
}


@pytest.mark.parametrize("what", DIRTY)
def test_a_dirty_copy_is_caught_at_its_place(what: str, tmp_path: Path) -> None:
    text, expected = DIRTY[what]
    path = tmp_path / "snavs.csv"
    path.write_bytes(text.encode())
    assert faults(path) == expected


def test_all_faults_come_at_once_by_row_and_column(file: Path) -> None:
    found = faults(spoiled(file, " a;A;1", "a;A ;1", ";B;2", "=b;B;x", "c;C", "c;C;1", "c;C;2"))
    assert found == [
        ("E_SPACE", 2, 1),
        ("E_SPACE", 3, 2),
        ("E_BLANK", 4, 1),
        ("E_FORMULA", 5, 1),
        ("E_RAGGED", 6, 3),
        ("E_DUPLICATE", 7, 1),
        ("E_DUPLICATE", 8, 1),
    ]


def test_a_corrected_text_is_shown(file: Path) -> None:
    with pytest.raises(UnitsError) as caught:
        read_units(spoiled(file, "a;Amager\u00a0 Øst ;1"))
    assert "Skriv: Amager Øst" in caught.value.told("da")
    assert caught.value.told("da").startswith("enheder.csv:2:2: ")


@pytest.mark.parametrize(
    "cell", ["311299-0000", "3112990000", "Født 31.12.99 0000", "311299\u20110000", " 311299-0000"]
)
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_civil_registration_number_is_never_repeated(file: Path, cell: str, column: int) -> None:
    row = ["a", "A", "1"]
    row[column] = cell
    with pytest.raises(UnitsError) as caught:
        read_units(spoiled(file, ";".join(row), ";".join(row)))
    assert ("E_CPR", 2, column + 1) in [(f["code"], f["line"], f["column"]) for f in caught.value.facts["faults"]]
    for secret in ("3112", "0000", "31.12"):
        assert secret not in str(caught.value.args)


def test_other_numbers_of_ten_digits_can_be_named(file: Path) -> None:
    spoiled(file, "a;A;1003250000")
    assert faults(file) == [("E_CPR", 2, 3)]
    assert read_units(file, not_cpr=["tal"])[0].facts["tal"] == "1003250000"
    spoiled(file, "a;A;100325-0000")
    with pytest.raises(UnitsError):
        read_units(file, not_cpr=["tal"])


def test_bytes_that_are_not_utf8_show_what_they_say_in_windows_1252(file: Path) -> None:
    file.write_bytes("id;navn\na;Valby\nb;Nørrebro\n".encode("cp1252"))
    with pytest.raises(UnitsError) as caught:
        read_units(file)
    (fault,) = caught.value.facts["faults"]
    assert (fault["code"], fault["line"], fault["column"]) == ("E_ENCODING", 3, 2)
    assert '"Nørrebro"' in fault["en"]
    assert "encoding: windows-1252" in fault["da"]
    assert read_units(file, encoding="cp1252").ids == ("a", "b")


def test_a_hint_about_letters_hides_a_person(file: Path) -> None:
    file.write_bytes("id;navn\na;3112990000ø\n".encode("cp1252"))
    with pytest.raises(UnitsError) as caught:
        read_units(file)
    assert "3112" not in str(caught.value.args)


def test_an_encoding_that_contradicts_the_bytes_is_refused(file: Path) -> None:
    assert faults(file, encoding="cp1252") == [("E_ENCODING", 0, 0)]
    assert faults(file, encoding="klingon") == [("E_ENCODING", 0, 0)]
    assert faults(file, encoding="rot13") == [("E_ENCODING", 0, 0)]
    file.write_bytes(codecs.BOM_UTF8 + b"id;navn\na;A\n")
    assert faults(file, encoding="utf-16") == [("E_ENCODING", 0, 0)]


def test_a_file_cut_inside_a_letter_is_told_as_cut(file: Path) -> None:
    whole = "id;navn\na;Nørrebro\nb;Ø".encode()
    file.write_bytes(whole[:-1])
    assert faults(file) == [("E_CUT", 3, 0)]


def test_a_missing_empty_or_strange_file(file: Path, tmp_path: Path) -> None:
    assert faults(tmp_path / "væk.csv") == [("E_FILE", 0, 0)]
    file.write_bytes(b" \n")
    assert faults(file) == [("E_EMPTY", 0, 0)]
    other = tmp_path / "enheder.docx"
    other.write_bytes(b"x")
    assert faults(other) == [("E_FILE", 0, 0)]


def test_a_file_that_is_not_published_says_who_has_it(tmp_path: Path) -> None:
    with pytest.raises(UnitsError) as caught:
        read_units(tmp_path / "typology_by_municipality.csv", id="code")
    assert caught.value.message.startswith("typology_by_municipality.csv: ")
    assert "is not published; the owner of the survey has it" in caught.value.message
    assert "ikke offentliggjort" in caught.value.told("da")


def test_more_columns_than_a_sheet_holds_are_refused_by_name(file: Path) -> None:
    file.write_text(",".join(f"k{k}" for k in range(16_385)) + "\n", encoding="utf-8")
    assert faults(file) == [("E_COLUMNS", 1, 0)]


def test_more_units_than_a_draw_holds_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trialkit.registers.read.MOST_ROWS", 2)
    assert faults(spoiled(file, "a;A;1", "b;B;1", "c;C;1")) == [("E_SIZE", 0, 0)]
    assert len(read_units(spoiled(file, "a;A;1", "b;B;1"))) == 2


def test_endless_faults_are_counted_not_kept(file: Path) -> None:
    with pytest.raises(UnitsError) as caught:
        read_units(spoiled(file, *[f"{k} ;A;1" for k in range(MOST_FAULTS + 5)]))
    assert len(caught.value.facts["faults"]) == MOST_FAULTS + 1
    assert caught.value.message.endswith(f"... and {MOST_FAULTS + 5 - TOLD_FAULTS} more; --json lists them.")
    assert caught.value.message.count("enheder.csv:") == TOLD_FAULTS + 1


def test_a_semicolon_inside_a_cell_does_not_split_it(file: Path) -> None:
    file.write_text("id,navn\na,Valby; Vigerslev\nb,City\n", encoding="utf-8")
    assert read_units(file)[0].name == "Valby; Vigerslev"
    file.write_text("id;navn\na;Valby, Vigerslev\nb;City\n", encoding="utf-8")
    assert read_units(file)[0].name == "Valby, Vigerslev"
    file.write_text("id\na\nb\n", encoding="utf-8")
    assert read_units(file).ids == ("a", "b")


def test_the_line_excel_writes_to_name_the_delimiter(file: Path) -> None:
    file.write_text("sep=;\nid;navn\na;A\n a;B\n", encoding="utf-8")
    assert faults(file) == [("E_SPACE", 4, 1)]


@pytest.mark.parametrize("codes", [["1", "2", "10", "11"], ["98", "99", "100", "101"], ["7", "15", "123"], ["A", "B1"]])
def test_running_numbers_have_lost_no_zeros(file: Path, codes: list[str]) -> None:
    assert len(read_units(spoiled(file, *[f"{code};A;1" for code in codes]))) == len(codes)


def test_a_synthetic_list_says_so_in_its_facts(file: Path) -> None:
    rows = [["synthetic", "code", "group", "answered", "region"]]
    rows += [["yes", f"M{k:03d}", str(1 + k % 4), "yes", f"Region {k % 5}"] for k in range(1, 99)]
    file.write_text(as_text(rows), encoding="utf-8")
    units = read_units(file, id="code")
    assert (len(units), units.ids[0], units.ids[-1]) == (98, "M001", "M098")
    assert {unit.facts["synthetic"] for unit in units} == {"yes"}


def test_a_workbook_called_csv_and_the_reverse(tmp_path: Path) -> None:
    book = as_xlsx(tmp_path / "bog.xlsx", GOOD)
    assert faults(book.rename(tmp_path / "bog.csv")) == [("E_CONTENT", 0, 0)]
    (tmp_path / "tekst.xlsx").write_text(as_text(GOOD), encoding="utf-8")
    assert faults(tmp_path / "tekst.xlsx") == [("E_CONTENT", 0, 0)]
    (tmp_path / "side.xls").write_text("<html><table><tr><td>id</td></tr></table></html>", encoding="utf-8")
    assert faults(tmp_path / "side.xls") == [("E_CONTENT", 0, 0)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_place(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"id;navn\n" + data)
    try:
        units = read_units(path)
    except UnitsError as error:
        told = error
    else:
        assert Units.of(units) == units  # whatever is read may be published
        return
    assert told.facts["faults"]
