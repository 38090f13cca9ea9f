"""A file at the door: every form of a good file says the same, and every fault of a bad one is told with its place."""

import unicodedata

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.records.counts import OUTCOME, at, copied, rollout
from trialkit.errors import RecordError
from trialkit.protocol.model import Protocol
from trialkit.records.entry import Measurement
from trialkit.records.intake import receive
from trialkit.units import Units

HEADING = ["unit", "month", "numerator", "denominator"]


def written(tmp_path, rows, *, name="counts.csv", mark=",", **encoding):
    path = tmp_path / name
    path.write_bytes("\n".join(mark.join(row) for row in rows).encode(**encoding))
    return path


def read(tmp_path, rows, **how):
    protocol, units = rollout()
    options = {key: how.pop(key) for key in ("outcome", "as_encoding") if key in how}
    path = written(tmp_path, rows, **how)
    return receive(path, protocol, units, outcome=options.get("outcome", ""), encoding=options.get("as_encoding"))


def faults(tmp_path, rows, **how):
    """(code, line, column) of every fault, and the whole error."""
    with pytest.raises(RecordError) as caught:
        read(tmp_path, rows, **how)
    told = caught.value.facts.get("faults", [])
    assert "Nothing was recorded" in caught.value.message or not told
    assert caught.value.told("da") != caught.value.message
    return [(one["code"], one["line"], one["column"]) for one in told], caught.value


def said(found):
    return {one.cell[1:]: one.value for one in found.measurements}


def test_a_file_of_counts_says_what_stands_in_it(tmp_path):
    found = read(tmp_path, [HEADING, ["Valby", "2012-02", "3", "40"], ["w_vanlose", "2012-02", "0", "31"]])
    assert found.measurements == (
        Measurement(outcome=OUTCOME, unit="w_valby", period="2012-02", row=2, numerator="3", denominator="40"),
        Measurement(outcome=OUTCOME, unit="w_vanlose", period="2012-02", row=3, numerator="0", denominator="31"),
    )
    assert found.file == "counts.csv"
    assert not found.synthetic


COUNTS = {
    ("w_bronshoj_husum", "2012-02"): ("3", "40"),
    ("w_norrebro", "2012-03"): ("0", "51"),
    ("w_city_osterbro", "2012-02"): (None, None),
    ("w_vesterbro_kgs_enghave", "2012-11"): ("12", "120"),
}
NAMES = {
    "w_bronshoj_husum": ("w_bronshoj_husum", "Brønshøj-Husum", "BRØNSHØJ-HUSUM"),
    "w_norrebro": ("w_norrebro", "Nørrebro", " nørrebro"[1:]),
    "w_city_osterbro": ("w_city_osterbro", "City/Østerbro", "city / østerbro"),
    "w_vesterbro_kgs_enghave": ("w_vesterbro_kgs_enghave", "Vesterbro/Kongens Enghave", "Vesterbro / Kongens Enghave"),
}
DANISH = ["enhed", "måned", "udfald", "tæller", "nævner"]


@settings(max_examples=40)
@given(st.data())
def test_the_form_of_a_file_never_changes_what_it_says(tmp_path_factory, data):
    draw = data.draw
    mark = draw(st.sampled_from([",", ";", "\t"]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    form = draw(st.sampled_from(["NFC", "NFD"])) if encoding != "cp1252" else "NFC"
    comma = draw(st.booleans()) and mark != ","
    headings = draw(st.sampled_from([["unit", "month", "outcome", "numerator", "denominator"], DANISH]))
    columns = draw(st.permutations(range(5)))
    rows = [headings]
    for (unit, month), (top, bottom) in draw(st.permutations(list(COUNTS.items()))):
        numbers = [f"{one},0" if one and comma and draw(st.booleans()) else one or "" for one in (top, bottom)]
        rows.append([draw(st.sampled_from(NAMES[unit])), month, OUTCOME, *numbers])
    text = end.join(mark.join(row[k] for k in columns) for row in rows) + draw(st.sampled_from(["", end, end * 3]))
    path = tmp_path_factory.mktemp("form") / "counts.csv"
    path.write_bytes(unicodedata.normalize(form, text).encode(encoding))
    protocol, units = rollout()
    found = receive(path, protocol, units, encoding="cp1252" if encoding == "cp1252" else None)
    assert said(found) == COUNTS


def test_windows_letters_are_never_guessed_and_the_error_names_the_encoding(tmp_path):
    rows = [HEADING, ["Nørrebro", "2012-02", "3", "40"]]
    found, error = faults(tmp_path, rows, encoding="cp1252")
    assert found == [("E_ENCODING", 2, 1)]
    assert "--encoding cp1252" in error.message
    assert said(read(tmp_path, rows, encoding="cp1252", as_encoding="cp1252")) == {
        ("w_norrebro", "2012-02"): ("3", "40")
    }


def test_a_sheet_says_the_same_and_its_dates_on_the_first_are_months(tmp_path):
    import datetime

    path = tmp_path / "counts.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(0, 0, HEADING)
        sheet.write_row(1, 0, ["Valby", None, 3, 40])
        sheet.write_datetime(1, 1, datetime.datetime(2012, 2, 1), day)
    protocol, units = rollout()
    assert said(receive(path, protocol, units)) == {("w_valby", "2012-02"): ("3", "40")}


def test_blank_is_not_reported_and_zero_is_none(tmp_path):
    rows = [HEADING, ["Valby", "2012-02", "", ""], ["Valby", "2012-03", "0", "12"], ["Valby", "2012-04", "0", "0"]]
    assert list(said(read(tmp_path, rows)).values()) == [(None, None), ("0", "12"), ("0", "0")]


def test_every_fault_is_told_at_once_with_its_row_and_column(tmp_path):
    found, error = faults(
        tmp_path,
        [
            HEADING,
            ["Valby", "feb-12", "3", "40"],
            ["Oddense", "2012-02", "3", "40"],
            ["Valby", "2012-02", "", "40"],
            ["Valby", "2012-03", "41", "40"],
            ["Valby", "2012-04", "1.5", "40"],
            ["Valby", "2012-05", "-1", "40"],
            ["Valby", "2012-06", "x", "40"],
            ["Vanløse", "2012-02", "1", "9"],
            ["w_vanlose", "2012-02", "1", "9"],
            ["Indre By", "2012-02", "1", "9"],
            ["", "2012-02", "1", "9"],
            ["Valby", "", "1", "9"],
        ],
    )
    assert found == [
        ("E_PERIOD", 2, 2),
        ("E_UNIT_UNKNOWN", 3, 1),
        ("E_HALF", 4, 3),
        ("E_ABOVE", 5, 3),
        ("E_COUNT", 6, 3),
        ("E_COUNT", 7, 3),
        ("E_NUMBER", 8, 3),
        ("E_DUPLICATE", 10, 1),
        ("E_UNIT_PART", 11, 1),
        ("E_BLANK", 12, 1),
        ("E_BLANK", 13, 2),
    ]
    assert "counts.csv:2:2" in error.message


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("feb-12", "2012-02"), ("februar 2012", "2012-02"), ("Feb. 2012", "2012-02"), ("01-02-2012", "2012-02"),
        ("1.2.2012", "2012-02"), ("2012-02-01", "2012-02"), ("02/2012", "2012-02"), ("2012-2", "2012-02"),
        ("2012M02", "2012-02"), ("okt 2012", "2012-10"), ("maj-12", "2012-05"), ("2012-13", ""), ("40940", "2012-02"),
    ],
)  # fmt: skip
def test_a_month_in_another_form_is_refused_with_what_it_should_be(tmp_path, text, meant):
    _, error = faults(tmp_path, [HEADING, ["Valby", text, "3", "40"]])
    (fault,) = error.facts["faults"]
    assert (fault["code"], fault["corrected"]) == ("E_PERIOD", meant)


CPR = "010112-1234"


@pytest.mark.parametrize(
    "rows",
    [
        [HEADING, [CPR, "2012-02", "3", "40"]],
        [HEADING, ["Valby", CPR, "3", "40"]],
        [HEADING, ["Valby", "2012-02", CPR.replace("-", ""), "40"]],
        [["unit", "birth_month", "event", "child"], ["Valby", "2012-02", "yes", CPR]],
        [["unit", "birth_month", CPR, "event"], ["Valby", "2012-02", "3", "yes"]],
    ],
)
def test_a_civil_registration_number_is_refused_at_the_door_and_never_echoed(tmp_path, rows):
    found, error = faults(tmp_path, rows)
    assert "E_CPR" in {code for code, _, _ in found}
    assert "1234" not in f"{error.args}"


def test_a_file_named_by_a_civil_registration_number_is_refused(tmp_path):
    _, error = faults(tmp_path, [HEADING], name=f"{CPR}.csv")
    assert error.code == "E_CPR"
    assert "1234" not in f"{error.args}"


@pytest.mark.parametrize(
    ("headings", "code"),
    [
        ([*HEADING, "address"], "E_COLUMN"),
        (["unit", "birth_month", "event", "name"], "E_COLUMN"),
        (["unit", "month", "denominator"], "E_HEADER"),
        (["unit", "event"], "E_HEADER"),
        (["unit", "birth_month", "event_date"], "E_HEADER"),
        (["unit", "enhed", "month", "numerator"], "E_HEADER"),
        (["", "month", "numerator"], "E_HEADER"),
    ],
)
def test_columns_nobody_asked_for_and_columns_that_are_missing_are_refused(tmp_path, headings, code):
    found, _ = faults(tmp_path, [headings, ["1"] * len(headings)])
    assert code in {one[0] for one in found}


def test_a_share_without_a_column_for_its_denominator_is_refused_once_and_by_that_name(tmp_path):
    found, error = faults(
        tmp_path, [["unit", "month", "numerator"], ["Valby", "2012-02", "3"], ["Valby", "2012-03", "4"]]
    )
    assert [code for code, _, _ in found] == ["E_HEADER"]
    assert "no column denominator" in error.message
    assert "ingen kolonne nævner" in error.told("da")
    rows = [["unit", "month", "outcome", "numerator"], ["Valby", "2012-02", "early_support", "7"]]
    found, error = faults(tmp_path, rows)  # the file could hold plain counts, so the row is told of
    assert found == [("E_HALF", 2, 4)]
    assert "no column denominator" in error.message


def test_an_empty_file_and_one_without_rows_are_refused(tmp_path):
    assert faults(tmp_path, [[""]])[1].code == "E_EMPTY"
    assert faults(tmp_path, [HEADING])[1].code == "E_EMPTY"
    protocol, units = rollout()
    with pytest.raises(RecordError, match="E_FILE"):
        receive(tmp_path / "nowhere.csv", protocol, units)


def test_a_row_that_was_cut_is_refused(tmp_path):
    assert faults(tmp_path, [HEADING, ["Valby", "2012-02", "3"]])[0] == [("E_RAGGED", 2, 4)]


def test_only_promised_outcomes_are_taken_in(tmp_path):
    rows = [["unit", "month", "outcome", "numerator"], ["Valby", "2012-02", "joint_meetings", "7"]]
    assert read(tmp_path, rows).measurements[0].value == ("7", "1")  # a count in the unit itself
    rows[1][2] = "grades"
    assert faults(tmp_path, rows)[0] == [("E_OUTCOME", 2, 3)]
    assert faults(tmp_path, [HEADING, ["Valby", "2012-02", "3", "40"]], outcome="grades")[1].code == "E_OUTCOME"


def test_sums_may_have_decimals(tmp_path):
    rows = [
        ["unit", "month", "outcome", "numerator", "denominator"],
        ["Valby", "2012-02", "days_to_support", "12,5", "4"],
    ]
    assert read(tmp_path, rows, mark=";").measurements[0].value == ("12.5", "4")


def test_quarters_are_counted_where_the_protocol_counts_in_quarters(tmp_path):
    protocol, units = rollout()
    counted = [{**one.model_dump(by_alias=True), "frequency": "quarter"} for one in protocol.outcomes[:1]]
    rest = protocol.model_dump(by_alias=True) | {"outcomes": counted}
    quarterly = Protocol.model_validate(rest)
    path = written(tmp_path, [["unit", "quarter", "numerator", "denominator"], ["Valby", "2012q1", "3", "40"]])
    assert said(receive(path, quarterly, units)) == {("w_valby", "2012q1"): ("3", "40")}


# --- children

BIRTHS = ["unit", "birth_date", "first_support"]


def test_children_are_counted_by_the_protocols_own_window(tmp_path):
    rows = [
        BIRTHS,
        ["Valby", "2012-02-01", "2012-05-01"],  # 90 days after
        ["Valby", "2012-02-01", "2012-05-02"],  # 91
        ["Valby", "2012-02-29", "2011-12-24"],  # in pregnancy
        ["Valby", "2012-02-10", ""],
        ["Indre By", "2012-03-10", "2012-03-10"],  # a part of a merged unit lies in it
    ]
    found = [(one.unit, one.period, one.event, one.row) for one in read(tmp_path, rows).children]
    assert found == [
        ("w_valby", "2012-02", True, 2),
        ("w_valby", "2012-02", False, 3),
        ("w_valby", "2012-02", True, 4),
        ("w_valby", "2012-02", False, 5),
        ("w_city_osterbro", "2012-03", True, 6),
    ]


def test_children_with_yes_or_no_need_no_dates(tmp_path):
    rows = [["enhed", "fødselsmåned", "støtte"], ["Valby", "2012-02", "Ja"], ["Valby", "2012-02", "0"]]
    assert [one.event for one in read(tmp_path, rows).children] == [True, False]


def test_faults_of_children_are_told_at_once(tmp_path):
    headings = ["unit", "birth_date", "birth_month", "first_support", "child"]
    found, _ = faults(
        tmp_path,
        [
            headings,
            ["Valby", "2012-02-01", "2012-02", "", "a"],
            ["Valby", "01-02-2012", "2012-02", "", "b"],
            ["Valby", "2012-02-01", "2012-03", "", "c"],
            ["Valby", "2012-02-01", "2012-02", "2010-01-01", "d"],
            ["Valby", "2012-02-30", "2012-02", "", "e"],
            ["Valby", "2012-02-02", "2012-02", "", "a"],
            ["Udenbys", "2012-02-02", "2012-02", "", "f"],
        ],
    )
    assert found == [
        ("E_DATE", 3, 2), ("E_PERIOD", 4, 3), ("E_DATE", 5, 4), ("E_DATE", 6, 2), ("E_DUPLICATE", 7, 5),
        ("E_UNIT_UNKNOWN", 8, 1),
    ]  # fmt: skip


def test_children_are_not_counted_into_something_that_is_no_share(tmp_path):
    rows = [["unit", "birth_month", "event", "outcome"], ["Valby", "2012-02", "yes", "joint_meetings"]]
    assert faults(tmp_path, rows)[0] == [("E_OUTCOME", 2, 4)]


def test_no_code_and_no_date_of_a_child_is_kept(tmp_path):
    trial = copied(tmp_path)
    rows = [[*BIRTHS, "child"], ["Valby", "2012-02-17", "2012-03-23", "barn-kode-0815"]]
    trial.record(written(tmp_path, rows, name="children.csv"), by="register", moment=at(1))
    data = trial.records.path.read_bytes()
    assert b"children.csv" in data
    for private in (b"0815", b"2012-02-17", b"2012-03-23"):
        assert private not in data


# --- made up or real


def test_a_file_says_that_it_is_made_up_in_every_row_or_in_none(tmp_path):
    headings = ["synthetic", *HEADING]
    rows = [headings, ["yes", "Valby", "2012-02", "3", "40"], ["yes", "Valby", "2012-03", "3", "40"]]
    assert read(tmp_path, rows).synthetic
    rows[2][0] = "no"
    assert faults(tmp_path, rows)[0] == [("E_SYNTHETIC", 1, 1)]


def test_a_trial_that_is_made_up_makes_its_files_so(tmp_path):
    protocol, units = rollout()
    made_up = protocol.model_copy(update={"synthetic": True})
    assert receive(written(tmp_path, [HEADING, ["Valby", "2012-02", "3", "40"]]), made_up, units).synthetic


def test_where_people_come_one_by_one_nothing_is_counted_by_unit(tmp_path):
    protocol, _ = rollout()
    with pytest.raises(RecordError, match="E_UNITS"):
        receive(written(tmp_path, [HEADING]), protocol, Units(()))


@pytest.mark.parametrize(
    ("serial", "day"),
    [("20000", "1954-10-03"), ("40544", "2011-01-01"), ("44620", "2022-02-28"), ("60000", "2064-04-08")],
)
def test_a_date_as_a_spreadsheet_keeps_it_is_known_again(tmp_path, serial, day):
    """Counted from 25569, the number of 1970-01-01 in every spreadsheet."""
    _, error = faults(tmp_path, [HEADING, ["Valby", serial, "3", "40"]])
    assert [fault["corrected"] for fault in error.facts["faults"]] == [day[:7]]
    assert day in error.message
    rows = [["unit", "birth_date", "event_date"], ["Valby", serial, ""]]
    found, error = faults(tmp_path, rows)
    assert found == [("E_DATE", 2, 2)]
    assert [fault["corrected"] for fault in error.facts["faults"]] == [day]


@pytest.mark.parametrize("number", ["19999", "60001", "4054", "405440"])
def test_other_numbers_are_no_dates(tmp_path, number):
    _, error = faults(tmp_path, [HEADING, ["Valby", number, "3", "40"]])
    assert "1899" not in error.message


@pytest.mark.parametrize("mark", ["<5", "< 5", "≤4", "1-4", "NA", "na", "n/a", "N.A.", "..", ":", "-", "–", "*", "x"])
def test_a_hidden_count_is_told_how_to_be_recorded(tmp_path, mark):
    found, error = faults(tmp_path, [HEADING, ["Valby", "2012-02", mark, "40"]])
    assert found == [("E_NUMBER", 2, 3)]
    assert "leave numerator and denominator both blank" in error.message
    assert "lad både tæller og nævner stå tomme" in error.told("da")


def test_what_is_no_mark_of_a_register_is_no_number(tmp_path):
    for text in ("five", "3 of 4", "5x"):
        _, error = faults(tmp_path, [HEADING, ["Valby", "2012-02", text, "40"]])
        assert "hidden or missing" not in error.message


def test_a_wrong_encoding_shows_what_the_right_one_would_read(tmp_path):
    rows = [["enhed", "måned", "tæller", "nævner"], ["Valby", "2012-02", "3", "40"]]
    for odd in ("", "x"):  # an even and an odd number of bytes: UTF-16 takes the even one without a word
        found, error = faults(
            tmp_path, [*rows, [f"Vanløse{odd}", "2012-02", "3", "40"]], encoding="cp1252", as_encoding="utf-16"
        )
        assert found == [("E_ENCODING", 1, 2)]
        assert '"måned"' in error.message
        assert "--encoding cp1252" in error.told("da")
    _, error = faults(tmp_path, rows, as_encoding="utf-16")
    assert "The file is utf-8" in error.message
    assert said(read(tmp_path, rows, encoding="utf-16-le", as_encoding="utf-16")) == {
        ("w_valby", "2012-02"): ("3", "40")
    }
