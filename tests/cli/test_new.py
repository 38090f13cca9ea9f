"""`new` as an officer meets it: questions on a terminal, a blank draft, a form in a spreadsheet."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from trialkit.canonical import skeleton, text_fault
from trialkit.cli import listing
from trialkit.cli.form import made, read_form
from trialkit.cli.main import pressed
from trialkit.errors import TrialkitError, UnitsError, UsageError
from trialkit.protocol.blank import FILL
from trialkit.protocol.load import load
from trialkit.registers.read import read_table, read_units
from trialkit.trial import Trial

Press = Callable[..., tuple[int, str, str]]

DANISH = {
    "title": 'Tidlig hjælp: hvem "først"? #1', "units": "Amager, Bispebjerg, Nørrebro, Valby, Vanløse, Østerbro, Ydre",
    "pilots": "", "people": "120", "waves": "", "starts": "01-02-2027, 1. juni 2027", "places": "", "new": "Ny model",
    "usual": "Som hidtil", "outcome": "Støtte inden 90 dage", "kind": "", "among": "alle nyfødte", "window": "",
    "reported_by": "", "period": "", "baseline": "40 %", "effect": "30", "approvals": "", "write": "",
}  # fmt: skip
ENGLISH = {
    **DANISH, "title": "Early help: who is first?", "units": "North; South, West; East; Centre; Mill; Hill; Quay",
    "starts": "2027-02-01, 01/06/2027", "new": "New", "usual": "As before", "outcome": "Support within 90 days",
    "among": "all births", "baseline": "0.4", "effect": "30 percentage points",
}  # fmt: skip


RUN = (sys.executable, "-c", "from trialkit.cli.main import run; run()")


def lines(answers: Mapping[str, str | Sequence[str]]) -> str:
    """What is typed: one line per answer; several where an answer is a list."""
    typed = [[answer] if isinstance(answer, str) else answer for answer in answers.values()]
    return "".join(f"{line}\n" for answer in typed for line in answer)


@pytest.fixture
def press(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Press:
    def pressing(*words: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        status = pressed(list(words))
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out, err

    return pressing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "trial"


def asked(press: Press, folder: Path, lang: str = "da", **changes: str | Sequence[str]) -> tuple[int, str, str]:
    base = DANISH if lang == "da" else ENGLISH
    return press("new", str(folder), "--lang", lang, typed=lines({**base, **changes}))


def refused_and_gone(told: tuple[int, str, str], folder: Path) -> str:
    """A refusal that left nothing behind, hidden files included; what it said."""
    assert told[0] in (1, 2, 130)
    assert not folder.exists()
    assert not list(folder.parent.iterdir()), "nothing is left beside it either"
    return told[2]


# The dialogue


@pytest.mark.parametrize("lang", ["da", "en"])
def test_plain_answers_end_in_a_draft_that_passes_check(press, folder, lang):
    status, out, err = asked(press, folder, lang)
    assert status == 0, err
    assert {path.name for path in folder.iterdir()} == {"draft.yaml", "units.csv"}
    found = load(folder)
    assert found.title.told(lang) == (DANISH if lang == "da" else ENGLISH)["title"]
    assert [(wave.start, wave.places) for wave in found.waves] == [(date(2027, 2, 1), 3), (date(2027, 6, 1), 4)]
    assert found.estimand.period is not None
    assert (found.estimand.period.from_, found.estimand.period.to) == (date(2027, 2, 1), date(2027, 5, 31))
    assert press("check", str(folder), "--lang", lang)[0] == 0
    assert ("Hvad hedder" in err) == (lang == "da")
    assert str(folder / "draft.yaml") in out


def test_the_same_through_a_real_terminal_line_by_line(folder):
    run = subprocess.run(
        [*RUN, "new", str(folder), "--lang", "da"],
        input=lines(DANISH).encode(), capture_output=True, env={**os.environ, "PYTHONUTF8": "1"}, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr.decode()
    assert load(folder).title.told("da") == DANISH["title"]
    assert b"Traceback" not in run.stderr


def test_letters_of_another_encoding_are_refused_not_written(folder):
    run = subprocess.run(
        [*RUN, "new", str(folder), "--lang", "da"],
        input="Hjælp\n".encode("cp1252"), capture_output=True,
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8:surrogateescape"}, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 2
    assert b"Traceback" not in run.stderr
    assert not folder.exists()


WRONG = [
    ("title", "Født 311299-1234", "CPR"),
    ("title", "x" * 200, "Forkort"),
    ("title", "", "Skriv ? for hjælp"),
    ("units", "=SUM(A1), Valby", "formel"),
    ("units", "Valby", "mindst to"),
    ("units", "Valby, Valby", "to gange"),
    ("units", "17", "1 til 6"),
    ("units", "findes_ikke.csv", "findes ikke"),
    ("pilots", "Valbi", "Valby"),
    ("pilots", "Amager, Bispebjerg, Nørrebro, Valby, Vanløse, Østerbro", "under to"),
    ("people", "10 20", "7 enheder og 2 tal"),
    ("waves", "to", "ikke et helt tal"),
    ("waves", "8", "Vælg færre"),
    ("starts", "31-02-2027, 01-06-2027", "31-02-2027"),
    ("starts", "01-02-2027", "2 bølger og 1 datoer"),
    ("starts", "01-06-2027, 01-02-2027", "efter hinanden"),
    ("places", "3, 5", "flere end de 7"),
    ("places", "7", "2 bølger og 1 tal"),
    ("kind", "4", "1 til 3"),
    ("window", "nitten", "ikke et helt tal"),
    ("reported_by", "mig", "1 til 7"),
    ("period", "01-02-2027", "første og sidste dag"),
    ("period", "01-02-2026 til 01-03-2026", "før den første bølge"),
    ("baseline", "1", "1 % eller 100 %"),
    ("baseline", "120 %", "under 100 %"),
    ("effect", "0", "over 0 %"),
    ("effect", "=1+1", "ikke et tal"),
    ("approvals", "Udvalg\u200b", "usynlige"),
]


@pytest.mark.parametrize(("key", "wrong", "said"), WRONG, ids=lambda value: str(value)[:12])
def test_a_wrong_answer_is_explained_and_asked_again(press, folder, key, wrong, said):
    status, _, err = asked(press, folder, **{key: [wrong, DANISH[key]]})
    assert status == 0, err
    assert said in err
    assert "1234" not in err, "nobody's number is repeated"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("5 %", "0.05"), ("5", "0.05"), ("0,05", "0.05"), ("0.5 %", "0.005"), ("2,5 pct.", "0.025"), ("1 %", "0.01")],
)
def test_a_share_is_read_as_people_write_it(press, folder, typed, meant):
    assert asked(press, folder, baseline=typed)[0] == 0
    assert str(load(folder).planning.baseline["stotte_inden_90_dage"]) == meant


def test_a_question_mark_explains_and_asks_again(press, folder):
    status, _, err = asked(press, folder, outcome=["?", DANISH["outcome"]])
    assert status == 0
    assert "Første støtte inden 90 dage efter fødslen" in err


@pytest.mark.parametrize("back", ["tilbage", "back", "<"])
def test_back_goes_one_question_back_and_keeps_what_was_said(press, folder, back):
    status, _, err = asked(press, folder, usual=[back, "Helt ny model", DANISH["usual"]])
    assert status == 0
    assert load(folder).arms["new"].told("da") == "Helt ny model"
    assert "[Ny model]" in err, "the earlier answer is what Enter takes"


def test_back_at_the_first_question_stays_there(press, folder):
    assert asked(press, folder, title=["tilbage", DANISH["title"]])[0] == 0


def test_going_back_to_the_waves_asks_again_only_what_no_longer_fits(press, folder):
    status, _, err = asked(press, folder, write=["6", "3", "01-02-2027, 01-06-2027, 01-10-2027", ""])
    assert status == 0, err
    found = load(folder)
    assert [wave.places for wave in found.waves] == [3, 2, 2], "the suggestion follows the waves"
    assert found.estimand.period is not None
    assert found.estimand.period.to == date(2027, 9, 30)


def test_the_summary_lets_any_answer_be_changed(press, folder):
    assert asked(press, folder, write=["2", "kort_navn", "99", ""])[0] == 0
    assert load(folder).protocol == "kort_navn"


@pytest.mark.parametrize("lang", ["da", "en"])
def test_a_trial_that_cannot_answer_says_so_and_is_accepted_in_words(press, folder, lang):
    words = 'Alle får det: rækkefølgen "skal" afgøres' if lang == "da" else 'All get it: the order "must" be decided'
    status, _, err = asked(press, folder, lang, effect="1", write=["accepter" if lang == "da" else "accept", words, ""])
    assert status == 0, err
    assert ("af 100 sådanne forsøg" if lang == "da" else "of 100 such trials") in err
    accepts = load(folder).accepts
    assert accepts is not None
    assert accepts.low_power is not None
    assert accepts.low_power.told(lang) == words
    assert press("check", str(folder))[0] == 0


def test_too_few_units_stop_until_the_waves_are_other(press, folder):
    answers = {"units": "A1, B2, C3, D4, E5, F6", "places": "3, 3"}
    status, _, err = asked(press, folder, **answers, write=["8", "2, 4", "accepter", "Vi kan ikke andet", ""])
    assert status == 0, err
    assert "0,1000" in err, "the smallest p of 20 orders"
    accepts = load(folder).accepts
    assert accepts is not None
    assert accepts.unreachable_p is not None


def test_a_window_longer_than_the_waves_must_be_shortened(press, folder):
    municipalities = {"units": "danish_municipalities", "effect": "5", "write": ["13", "60", ""]}
    answers: dict[str, str | Sequence[str]] = {**DANISH, **municipalities, "window": "365"}
    answers.pop("people")  # the register has no column to choose
    status, _, err = press("new", str(folder), "--lang", "da", typed=lines(answers))
    assert status == 0, err
    assert "Gør vinduet kortere" in err
    assert "over 10^" in err
    assert load(folder).outcomes[0].window_days == 60


def test_an_accepted_weakness_does_not_outlive_a_change(press, folder):
    status, _, _ = asked(press, folder, effect="1", write=["accepter", "Fint", "18", "30", ""])
    assert status == 0
    assert load(folder).accepts is None


def test_one_group_starts_and_the_rest_go_on_as_now(press, folder):
    status, _, err = asked(press, folder, waves="1", starts="01-02-2027")
    assert status == 0, err
    found = load(folder)
    assert found.design == "capacity_rollout"
    assert [wave.places for wave in found.waves] == [3]
    assert found.estimand.period is not None
    assert found.estimand.period.to == date(2028, 1, 31)


def test_a_number_as_outcome_asks_for_its_spread(press, folder):
    answers = dict(DANISH) | {"kind": "3", "baseline": "20", "effect": "8"}
    order = {key: answers[key] for key in answers if key not in ("effect", "approvals", "write")}
    status, _, err = press(
        "new", str(folder), "--lang", "da", typed=lines({**order, "spread": "10", "e": "8", "a": "", "w": ""})
    )
    assert status == 0, err
    found = load(folder)
    assert found.estimand.measure == "mean_difference"
    assert {key: str(value) for key, value in found.planning.standard_deviation.items()} == {
        "stotte_inden_90_dage": "10"
    }


def test_a_register_brings_its_units_neighbours_and_columns(press, folder):
    answers = {key: DANISH[key] for key in DANISH}
    answers |= {"units": "copenhagen_2011/working_9", "pilots": "Amager Vest, City/Østerbro"}
    typed: dict[str, str | Sequence[str]] = {}
    for key, value in answers.items():
        typed[key] = ["children_0_2_2011", "ja"] if key == "people" else value
    status, _, err = press("new", str(folder), "--lang", "da", typed=lines(typed))
    assert status == 0, err
    found = load(folder)
    assert [path.name for path in folder.iterdir()] == ["draft.yaml"], "a register needs no file"
    assert (found.units.register_name, found.units.frame, found.units.neighbours) == (
        "copenhagen_2011",
        "working_9",
        "register",
    )
    assert found.outcomes[0].frequency == "month_of_birth"
    assert len(Trial.open(folder).population().units) == 7
    assert press("check", str(folder))[0] == 0


def test_a_file_of_units_is_copied_with_its_columns(press, folder, tmp_path):
    names = ["Alfa", "Bravo", "Charlie, øst", "Delta", "Ekko", "Foxtrot", "Golf", "Hotel"]
    rows = "".join(f'{k};"{name}";{100 + k}\n' for k, name in enumerate(names, start=1))
    (tmp_path / "mine.csv").write_bytes(f"kode;navn;antal\n{rows}".encode("utf-8-sig"))
    target = tmp_path / "in" / "trial"
    status, _, err = asked(press, target, units=str(tmp_path / "mine.csv"), people="antal", pilots="Charlie, øst")
    assert status == 0, err
    found = read_units(target / "units.csv")
    assert sorted(unit.name for unit in found) == sorted(names)
    assert found.find("Ekko").facts["antal"] == "105"
    assert load(target).units.size == "antal"


# What is left when it stops


@pytest.mark.parametrize("n", range(0, 19, 3))
def test_input_that_ends_leaves_nothing(press, folder, n):
    typed = "".join(lines(DANISH).splitlines(keepends=True)[:n])
    said = refused_and_gone(press("new", str(folder), "--lang", "da", typed=typed), folder)
    assert "intet er skrevet" in said


def test_ctrl_c_leaves_nothing(monkeypatch, capsys, folder):
    typed = iter(lines(DANISH).splitlines(keepends=True)[:9])

    class Interrupted:
        def readline(self) -> str:
            for line in typed:
                return line
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Interrupted())
    status = pressed(["new", str(folder), "--lang", "da"])
    assert "Stoppet; intet er skrevet" in refused_and_gone((status, *capsys.readouterr()), folder)


def test_a_folder_with_something_in_it_is_left_alone(press, folder):
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    for way in ([], ["--blank"], ["--form"]):
        status, _, err = press("new", str(folder), "--lang", "da", *way, typed=lines(DANISH))
        assert status == 2
        assert "bliver aldrig overskrevet" in err
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_an_empty_folder_is_filled(press, folder):
    folder.mkdir()
    assert asked(press, folder)[0] == 0
    assert (folder / "draft.yaml").is_file()


@pytest.mark.parametrize("empty", [True, False])
def test_a_disk_that_fills_up_leaves_nothing(press, folder, monkeypatch, empty):
    from trialkit.cli import new

    def full(path: Path, data: bytes) -> None:
        if path.name == "draft.yaml":
            raise OSError(28, "No space left on device", str(path))
        real(path, data)

    real = new.replace
    monkeypatch.setattr(new, "replace", full)
    if empty:
        folder.mkdir()
    status, _, err = asked(press, folder)
    assert status == 1
    assert "No space left" in err
    assert not list(folder.iterdir()) if empty else not list(folder.parent.iterdir())


def test_two_ways_at_once_are_refused(press, folder):
    assert press("new", str(folder), "--blank", "--form")[0] == 2


# Names of units


def unit_names() -> st.SearchStrategy[list[str]]:
    pieces = st.sampled_from(
        ["- a", "a: b", "#", '"', "'", "\\", ", ", ";", "Nørrebro", "020", "é", "æ/ø", "Hold 1", "(x)"]
    )
    name = st.lists(pieces | st.text(max_size=5), min_size=1, max_size=3).map("".join)
    normal = name.map(lambda text: unicodedata.normalize("NFC", text)).filter(lambda text: text_fault(text) is None)
    return st.lists(normal, min_size=2, max_size=6, unique_by=skeleton)


@settings(max_examples=150)
@given(unit_names(), st.sampled_from(["da", "en"]))
def test_names_come_back_from_the_list_unchanged_or_are_refused_by_name(tmp_path_factory, names, lang):
    try:
        found = listing.typed(names)
    except (UnitsError, UsageError) as error:
        told = error.told(lang)
    else:
        told = ""
    if told:
        return
    path = tmp_path_factory.mktemp("list") / "units.csv"
    path.write_bytes(found.with_people([7]).csv())
    back = read_units(path)
    assert sorted(unit.name or unit.id for unit in back) == sorted(names)
    assert {unit.facts["people"] for unit in back} == {"7"}
    assert [back.find_all(name)[0].id for name in names] == list(found.order)


def test_numbers_follow_the_units_in_the_order_they_were_typed():
    found = listing.typed(["Zeta", "Alfa", "Midt"]).with_people([1, 2, 3])
    assert {unit.name: unit.facts["people"] for unit in found.units} == {"Zeta": "1", "Alfa": "2", "Midt": "3"}


def test_names_whose_ids_would_be_the_same_are_their_own_ids():
    assert set(listing.typed(["Ærø", "Aero"]).units.ids) == {"Ærø", "Aero"}
    assert set(listing.typed(["東京", "Aero"]).units.ids) == {"東京", "Aero"}


# A blank


@pytest.mark.parametrize("lang", ["da", "en"])
def test_a_blank_passes_check_once_it_is_filled(press, folder, lang):
    assert press("new", str(folder), "--blank", "--lang", lang)[0] == 0
    status, _, err = press("check", str(folder), "--lang", lang)
    assert status == 1
    assert "draft.yaml:3" in err
    dates = iter(["2027-02-01", "3", "2027-06-01", "4"])
    values = {"protocol": "blank", lang: "Ord: ord", "numerator": "x", "denominator": "y", "who": "y", "to": "2027-05-31",
              "reported_by": "register_extract", "from": "2027-02-01", "absolute": "0.3"}  # fmt: skip

    def fill(line: str) -> str:
        if FILL[lang] not in line:
            return line
        key = line.partition(":")[0].strip()
        return f"{line.partition(':')[0]}: '{next(dates) if key in ('start', 'places') else values[key]}'"

    draft = folder / "draft.yaml"
    draft.write_text("\n".join(map(fill, draft.read_text(encoding="utf-8").splitlines())), encoding="utf-8")
    with (folder / "units.csv").open("a", encoding="utf-8") as file:
        between = ";" if lang == "da" else ","
        file.writelines(f"{name}{between}Enhed {name}{between}100\n" for name in "abcdefg")
    status, out, err = press("check", str(folder), "--lang", lang)
    assert status == 0, err
    assert "35" in out


# A form


ANSWERS: dict[str, Sequence[object]] = {
    "title": ['Skema: "prøve"'], "trial": [""], "units": [""], "pilots": [""], "people": [""], "births": [""], "waves": [2],
    "starts": [date(2027, 2, 1), date(2027, 6, 1)], "places": [3, 4], "new": ["Ny"], "usual": ["Som nu"],
    "outcome": ["Støtte"], "kind": ["en andel af dem, der tælles"], "among": ["alle"], "window": [90],
    "reported_by": ["trækkes fra et register"], "period": [date(2027, 2, 1), date(2027, 5, 31)], "baseline": [0.4],
    "spread": [""], "effect": [0.3], "approvals": ["Udvalget, Rådet"], "throws": [""],
}  # fmt: skip
UNITS: list[list[object]] = [[f"Enhed {letter}", 100 + k, ""] for k, letter in enumerate("ABCDEFGH")]
UNITS[7][2] = "ja"


def places_of(form: Path, lang: str) -> dict[str, list[int]]:
    """The rows of each question in the form we hand out."""
    rows: dict[str, list[int]] = {}
    for row in read_table(form, sheet="Spørgsmål" if lang == "da" else "Questions").rows:
        for cell in row.cells:
            if cell.startswith("trialkit:"):
                rows.setdefault(cell.removeprefix("trialkit:"), []).append(row.line)
    return rows


def fill_in(
    path: Path,
    lang: str = "da",
    units: Sequence[Sequence[object]] = UNITS,
    register: str = "",
    **changes: Sequence[object],
) -> Path:
    """A filled form as a spreadsheet program would save it: our rows and keys, with answers in the third column."""
    blank = path.with_suffix(".blank.xlsx")
    blank.write_bytes(made(lang))
    rows = places_of(blank, lang)
    assert set(rows) == set(ANSWERS)
    workbook = xlsxwriter.Workbook(path, {"strings_to_formulas": False})
    days = workbook.add_format({"num_format": "dd-mm-yyyy"})
    page = workbook.add_worksheet("Spørgsmål" if lang == "da" else "Questions")
    page.write_string(0, 0, "Skema")
    for key, answers in {**ANSWERS, "units": [register], **changes}.items():
        for row, answer in zip(rows[key], [*answers, *[""] * 6], strict=False):
            page.write_string(row - 1, 4, f"trialkit:{key}")
            if isinstance(answer, date):
                page.write_datetime(row - 1, 2, answer, days)
            elif answer != "":
                page.write(row - 1, 2, answer)
    page = workbook.add_worksheet("Enheder" if lang == "da" else "Units")
    for row, cells in enumerate([["navn", "personer", "pilot"], *units]):
        for column, cell in enumerate(cells):
            if cell != "":
                page.write(row, column, cell)
    workbook.close()
    return path


def faults_of(path: Path) -> list[str]:
    with pytest.raises(TrialkitError) as caught:
        read_form(path)
    return caught.value.told("da").splitlines()


@pytest.mark.parametrize("lang", ["da", "en"])
def test_the_form_is_made_and_nothing_in_it_is_calculated(press, folder, lang):
    import zipfile

    assert press("new", str(folder), "--form", "--lang", lang)[0] == 0
    (form,) = folder.iterdir()
    with zipfile.ZipFile(form) as archive:
        sheets = [archive.read(name).decode() for name in archive.namelist() if "worksheets/sheet" in name]
        book = archive.read("xl/workbook.xml").decode()
    assert not any("<f>" in sheet for sheet in sheets)
    assert 'type="list"' in sheets[0]
    assert 'type="date"' in sheets[0]
    assert 'state="hidden"' in book
    assert made(lang) == form.read_bytes(), "the same form on every day"


@pytest.mark.parametrize("lang", ["da", "en"])
def test_a_form_nobody_filled_is_refused_cell_by_cell(tmp_path, lang):
    path = tmp_path / "form.xlsx"
    path.write_bytes(made(lang))
    told = faults_of(path)
    sheet = "Spørgsmål" if lang == "da" else "Questions"
    assert any(line.startswith(f"form.xlsx {sheet}!C4: ") for line in told)
    assert any(line.startswith(f"form.xlsx {'Enheder' if lang == 'da' else 'Units'}!A2: ") for line in told)


@pytest.mark.parametrize("lang", ["da", "en"])
def test_a_filled_form_becomes_a_draft_that_passes_check(press, folder, tmp_path, lang):
    form = fill_in(tmp_path / "in.xlsx", lang, kind=[""], reported_by=[""], window=[""])
    status, _, err = press("new", str(folder), "--lang", lang, "--filled", str(form))
    assert status == 0, err
    found = load(folder)
    assert found.title.told(lang) == 'Skema: "prøve"'
    assert [(wave.start, wave.places) for wave in found.waves] == [(date(2027, 2, 1), 3), (date(2027, 6, 1), 4)]
    assert [one.by for one in found.approvals] == ["Udvalget", "Rådet"]
    assert found.fixed[0].units == ("Enhed H",)
    assert found.units.size == "people"
    assert read_units(folder / "units.csv").find("Enhed B").facts["people"] == "101"
    assert press("check", str(folder))[0] == 0


def test_words_of_the_lists_are_the_words_read_back(tmp_path):
    known = read_form(fill_in(tmp_path / "in.xlsx", kind=["et tal for hver person"], reported_by=["projektlederen"],
                              baseline=[20], effect=[8])).known  # fmt: skip
    assert (known["kind"], known["reported_by"]) == ("number", "project_manager")


def test_a_register_in_the_form_needs_no_second_sheet(tmp_path):
    changes = {"pilots": ["Amager Vest, City/Østerbro"], "people": ["children_0_2_2011"]}
    form = tmp_path / "in.xlsx"
    fill_in(form, units=[], register="copenhagen_2011/working_9", **changes)
    known = read_form(form).known
    assert (known["units"].register, known["units"].frame) == ("copenhagen_2011", "working_9")
    assert (known["pilots"], known["people"]) == (("Amager Vest", "City/Østerbro"), "children_0_2_2011")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"title": [""]}, "Spørgsmål!C4"),
        ({"new": ["to\nlinjer\u200b"]}, "Spørgsmål!C"),
        ({"starts": ["31-02-2027", date(2027, 6, 1)]}, "Spørgsmål!C11"),
        ({"places": [9, 9]}, "Spørgsmål!C17"),
        ({"kind": ["noget andet"]}, "Spørgsmål!C"),
        ({"baseline": [7.5, ""], "kind": ["ja eller nej for hver person"], "effect": ["meget"]}, "Spørgsmål!C"),
        ({"approvals": ["311299-1234"]}, "Spørgsmål!C"),
    ],
)
def test_a_wrong_cell_is_named_by_sheet_and_cell(tmp_path, changes, place):
    told = faults_of(fill_in(tmp_path / "in.xlsx", **changes))
    assert len(told) == 1, told
    assert told[0].startswith(f"in.xlsx {place}")
    assert re.match(r"in\.xlsx \w+!C\d+: ", told[0])
    assert "1234" not in told[0]


@pytest.mark.parametrize(
    ("row", "column", "value", "cell"),
    [
        (2, 0, "=1+1 x", "A4"),
        (3, 0, "Enhed A", "A5"),
        (1, 1, "mange", "B3"),
        (1, 1, "", "B3"),
        (4, 2, "måske", "C6"),
        (0, 0, "311299-1234", "A2"),
    ],
)
def test_a_wrong_unit_is_named_by_sheet_and_cell(tmp_path, row, column, value, cell):
    units = [list(cells) for cells in UNITS]
    units[row][column] = value
    told = faults_of(fill_in(tmp_path / "in.xlsx", units=units))
    assert told[0].startswith(f"in.xlsx Enheder!{cell}: "), told
    assert "1234" not in "".join(told)


def test_a_formula_that_failed_is_no_answer(tmp_path):
    path = tmp_path / "in.xlsx"
    workbook = xlsxwriter.Workbook(path)
    for sheet in ("Spørgsmål", "Enheder"):
        page = workbook.add_worksheet(sheet)
        page.write(0, 0, "navn")
        page.write(3, 4, "trialkit:title")
        page.write_formula(3, 2, "=1/0", None, "#DIV/0!")
    workbook.close()
    assert "Formlen her er fejlet" in faults_of(path)[0]


def test_a_row_without_a_name_is_no_unit(tmp_path):
    units = [list(cells) for cells in UNITS]
    units[3][0] = ""
    told = faults_of(fill_in(tmp_path / "in.xlsx", units=units))
    assert any(line.startswith("in.xlsx Enheder!A5: ") for line in told), told


@pytest.mark.parametrize("name", ["other.xlsx", "list.csv", "form.xlsx"])
def test_what_is_no_form_is_refused(press, folder, tmp_path, name):
    path = tmp_path / name
    if name == "other.xlsx":
        workbook = xlsxwriter.Workbook(path)
        workbook.add_worksheet("Ark1").write(0, 0, "id")
        workbook.close()
    elif name == "list.csv":
        path.write_text("id\na\n")
    else:
        path.write_bytes(b"PK\x03\x04 not a workbook")
    status, _, err = press("new", str(folder), "--lang", "da", "--filled", str(path))
    assert status == 1
    assert name in err
    assert not folder.exists()
