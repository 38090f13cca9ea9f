"""The numbered list of units, on paper and in a spreadsheet."""

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import Page, official, record_of

from trialkit.canonical import digest
from trialkit.errors import DrawError
from trialkit.report.spelling import fingerprint
from trialkit.report.unit_list import harmless, unit_csv, unit_list


def test_the_list_numbers_every_unit_in_the_protocols_order():
    record, _ = official()
    told = Page(
        unit_list(record["protocol"], "da", names={"Valby": "x", "Indre By": "Indre By og Christianshavn"})
    ).text
    assert "10 enheder i protokollens rækkefølge" in told
    assert "5 Indre By og Christianshavn Indre By 6 Nørrebro Nørrebro" in told
    assert fingerprint(digest(record["protocol"])) in told
    assert Page(unit_list(record, "da")).text == Page(unit_list(record["protocol"], "da")).text


def test_fixed_units_and_groups_are_shown_before_the_draw():
    pilots = Page(unit_list(record_of("rollout, capacity short, one pilot")["protocol"], "da")).text
    assert "6 Nørrebro Nørrebro bølge 1" in pilots
    tiers = Page(unit_list(record_of("lottery with tiers")["protocol"], "en")).text
    assert "3 Bispebjerg Bispebjerg group 1" in tiers


def test_a_list_nobody_is_on_yet_says_so():
    assert "personerne optages efterhånden" in Page(
        unit_list(record_of("sequential, sealed secret plus drand")["protocol"], "da")
    ).text.replace("Personerne", "personerne")


def test_a_thousand_units_are_listed():
    record, _ = official()
    protocol = {**record["protocol"], "units": [{"id": f"<{n:04d}>"} for n in range(1000)]}
    told = Page(unit_list(protocol, "da"))
    assert told.tags.count("tr") == 1001
    assert "1.000 <0999> <0999>" in told.text


def test_csv_is_number_id_name():
    record, _ = official()
    lines = unit_csv(record["protocol"], names={"Valby": "x", "Indre By": 'Indre "By"; centrum'}).split("\r\n")
    assert lines[0] == "number;id;name"
    assert lines[5] == '5;"Indre By";"Indre ""By""; centrum"'
    assert lines[-1] == ""
    rows = list(csv.reader(io.StringIO("\r\n".join(lines[1:-1])), delimiter=";"))
    assert [row[0] for row in rows] == [str(n) for n in range(1, 11)]


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+45 33 66 33 66", "'+45 33 66 33 66"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2", "'-2"),
        ("＝cmd", "'＝cmd"),
        ("  =cmd", "  '=cmd"),
        ("a,=cmd", "a,'=cmd"),
        ("Brønshøj-Husum", "Brønshøj-Husum"),
        ("A+B = C", "A+B = C"),
        ("", ""),
    ],
)
def test_formulas_become_text(cell, safe):
    assert harmless(cell) == safe


@given(st.text(alphabet="ab =+-@,;\t\"'＝＋", max_size=12))
def test_no_cell_begins_a_formula_whatever_parts_the_cells(name):
    record, _ = official()
    protocol = {**record["protocol"], "units": [{"id": "enhed"}]}
    line = unit_csv(protocol, names={"enhed": name}).split("\r\n", 1)[1]
    for delimiter in ";,\t":
        for row in csv.reader(io.StringIO(line), delimiter=delimiter):
            for cell in row:
                assert unicodedata.normalize("NFKC", cell).lstrip(' "')[:1] not in {"=", "+", "-", "@"}


@given(st.text(max_size=12))
def test_making_a_cell_harmless_only_adds_apostrophes(cell):
    assert harmless(cell).replace("'", "") == cell.replace("'", "")


def test_something_else_is_refused():
    with pytest.raises(DrawError):
        unit_csv({"kind": "record", "protocol": {}})
