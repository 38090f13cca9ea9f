"""The questions of `new` as a form, and a filled form as answers."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from trialkit.cli import listing
from trialkit.cli.interview import Interview
from trialkit.cli.questions import QUESTIONS, Question
from trialkit.cli.readers import at_least_one, yes
from trialkit.errors import Fault, Lang, TrialkitError, UnitsError, UsageError
from trialkit.power.said import Said
from trialkit.registers.form import Answer, Column, Field, Filled, Form, cell_name, form_bytes, read_filled

_SEPARATOR: Final = "; "
_IN_A_FORM: Final = {
    "units": Said(
        "Leave empty and write the units on the other sheet; or choose a register that comes with trialkit.",
        "Lad feltet stå tomt, og skriv enhederne på det andet ark; eller vælg et register, der følger med.",
    ),
    "pilots": Said(
        "Only with a register: names with commas. Otherwise mark them on the other sheet.",
        "Kun ved et register: navne med komma. Ellers markeres de på det andet ark.",
    ),
    "people": Said(
        "Only with a register: the name of one of its columns. Otherwise write the numbers on the other sheet.",
        "Kun ved et register: navnet på en af dets kolonner. Ellers skrives tallene på det andet ark.",
    ),
}


def made(lang: Lang) -> bytes:
    """The form in one language, as a workbook."""
    return form_bytes(_form(lang))


def read_form(path: Path) -> Interview:
    """The answers of a filled form.

    Raises
    ------
    UnitsError
        The file is no such form, or answers cannot be used: all of them, each by sheet and cell
        (``facts["faults"]``).
    """
    filled = read_filled(path, [_form("da"), _form("en")])
    interview, faults = Interview(QUESTIONS), list[Fault]()
    for question in QUESTIONS:
        cells = filled.answers.get(question.key, ())
        try:
            if question.applies(interview.known):
                faults += _taken(interview, question, cells, filled)
        except KeyError:  # it depends on an answer that was refused, and is read when that one is right
            continue
    if faults:
        raise UnitsError.listing(faults, code="E_FORM")
    return interview


def _form(lang: Lang) -> Form:
    da = lang == "da"
    return Form(
        title="Skema til et lodtrækningsforsøg" if da else "Form for a trial decided by lot",
        intro=_INTRO.told(lang),
        sheet="Spørgsmål" if da else "Questions",
        headings=("Nr.", "Spørgsmål", "Svar", "Hjælp") if da else ("No.", "Question", "Answer", "Help"),
        fields=tuple(field for question in QUESTIONS for field in _fields(question, lang)),
        list_sheet="Enheder" if da else "Units",
        list_intro=_LIST_INTRO.told(lang),
        columns=_COLUMNS[lang],
        not_a_day="Skriv en dato, fx 01-02-2027." if da else "Write a date, e.g. 01-02-2027.",
        not_a_choice="Vælg fra listen." if da else "Choose from the list.",
        not_a_number="Skriv et helt tal over 0." if da else "Write a whole number above 0.",
    )


_INTRO: Final = Said(
    "Write in the yellow cells. A cell left empty takes what is said in the help, or means that nothing is known. "
    "Then: trialkit new FOLDER --filled form.xlsx",
    "Skriv i de gule felter. Et tomt felt betyder det, der står i hjælpen, eller at det ikke vides. "
    "Derefter: trialkit new MAPPE --filled skema.xlsx",
)
_LIST_INTRO: Final = Said(
    "One unit per row: a district, an institution, a municipality. No blank rows between them.\n\n"
    "people: how many are counted in the unit in a month; leave the column empty if it is not known.\n\n"
    "pilot: yes for units that have the new way already.",
    "Én enhed pr. række: en bydel, en institution, en kommune. Ingen tomme rækker imellem.\n\n"
    "personer: hvor mange der tælles i enheden på en måned; lad kolonnen stå tom, hvis det ikke vides.\n\n"
    "pilot: ja ved enheder, der allerede har det nye.",
)
_COLUMNS: Final[dict[Lang, tuple[Column, ...]]] = {
    "en": (
        Column(heading="name", help="The name of the unit, as people know it."),
        Column(heading="people", help="How many are counted in the unit in a month.", whole=True),
        Column(heading="pilot", help="yes, if the unit has the new way already.", choices=("yes", "no")),
    ),
    "da": (
        Column(heading="navn", help="Enhedens navn, som folk kender det."),
        Column(heading="personer", help="Hvor mange der tælles i enheden på en måned.", whole=True),
        Column(heading="pilot", help="ja, hvis enheden allerede har det nye.", choices=("ja", "nej")),
    ),
}


def _fields(question: Question, lang: Lang) -> list[Field]:
    """The cells of a question."""
    help = _IN_A_FORM.get(question.key, question.help).told(lang)
    choices = tuple(choice.said.told(lang) for choice in question.choices)
    if question.key == "units":
        choices = tuple("/".join(filter(None, item)) for item in listing.shelf())
    if question.key == "births":
        choices = ("ja", "nej") if lang == "da" else ("yes", "no")
    usual = _USUAL[question.key].told(lang) if question.key in _USUAL else ""
    asked = _plain(question.ask.told(lang))
    return [
        Field(
            key=question.key,
            question=" - ".join(filter(None, (asked if place == 0 else "", part.told(lang)))),
            help=" ".join(filter(None, (help, usual))) if place == 0 else "",
            kind="choice" if choices else question.kind,
            choices=choices,
        )
        for place, part in enumerate(question.parts or (Said("", ""),))
    ]


_USUAL: Final = {
    "trial": Said("Empty: made from the title.", "Tomt: laves ud fra titlen."),
    "births": Said("Empty: yes.", "Tomt: ja."),
    "waves": Said("Empty: 2.", "Tomt: 2."),
    "places": Said("Empty: near-equal waves.", "Tomt: næsten lige store bølger."),
    "kind": Said("Empty: a share.", "Tomt: en andel."),
    "reported_by": Said("Empty: a register.", "Tomt: et register."),
    "period": Said("Empty: from the first start until the last wave.", "Tomt: fra første start til sidste bølge."),
    "throws": Said("Empty: 20.", "Tomt: 20."),
}


def _plain(text: str) -> str:
    """The question without what only a dialogue can do."""
    for aside in ("(Enter: ", "Datoer med komma", "Dates with commas", "Skriv navne med", "Type names with"):
        text = text.partition(aside)[0].strip()
    return text


def _taken(interview: Interview, question: Question, cells: tuple[Answer, ...], filled: Filled) -> list[Fault]:
    """Take one answer; what is wrong with it."""
    text = _SEPARATOR.join(cell.text for cell in cells if cell.text)
    sheet = filled.form.sheet
    place = next((cell.cell for cell in cells if cell.text), cells[0].cell if cells else "A1")
    if question.key == "units" and (not text or text not in _names_of_registers()):
        return _units(interview, filled) if not text else [filled.fault(sheet, place, *_NO_REGISTER)]
    if question.key in interview.known and not text:  # the sheet of units has said it
        return []
    if not text and not question.optional and not question.suggest(interview.known):
        return [filled.fault(sheet, place, f"{question.ask.en} An answer is needed here.",
                             f"{question.ask.da} Her skal stå et svar.")]  # fmt: skip
    try:
        interview.take(question, text)
    except TrialkitError as error:
        return [filled.fault(sheet, place, error.told("en"), error.told("da"), error.code)]
    return []


def _names_of_registers() -> list[str]:
    return ["/".join(filter(None, item)) for item in listing.shelf()]


_NO_REGISTER: Final = (
    "No register is called so. Choose from the list, or leave the cell empty and write the units on the other sheet.",
    "Intet register hedder sådan. Vælg fra listen, eller lad feltet stå tomt, og skriv enhederne på det andet ark.",
)


def _units(interview: Interview, filled: Filled) -> list[Fault]:
    """The units of the list's sheet, with their people and pilots."""
    sheet, rows = filled.form.list_sheet, filled.rows
    if not rows:
        return [filled.fault(sheet, "A2", "No unit is written here, so there is nobody to draw among.",
                             "Her står ingen enheder, så der er ingen at trække lod imellem.")]  # fmt: skip
    columns = [[*row.cells, "", "", ""][:3] for row in rows]
    names = [cells[0].strip() for cells in columns]
    try:
        interview.known["units"] = listing.typed(names)
    except UnitsError as error:
        return _placed(error, filled)
    except TrialkitError as error:
        return [filled.fault(sheet, "A2", error.told("en"), error.told("da"), error.code)]
    interview.typed["units"] = ""
    faults = _people(interview, [cells[1].strip() for cells in columns], filled)
    return faults + _pilots(interview, names, [cells[2].strip() for cells in columns], filled)


def _placed(error: UnitsError, filled: Filled) -> list[Fault]:
    """What the registers refuse, at the row the unit stands in."""
    sheet, rows = filled.form.list_sheet, filled.rows
    return [
        filled.fault(sheet, cell_name(rows[found["line"] - 2].line, 1), found["en"], found["da"], found["code"])
        for found in error.facts.get("faults", ())
        if 0 <= found["line"] - 2 < len(rows)
    ]


def _people(interview: Interview, texts: list[str], filled: Filled) -> list[Fault]:
    """How many are counted in each unit: for all of them, or for none."""
    if not any(texts):
        return []
    faults, numbers = [], []
    for row, text in zip(filled.rows, texts, strict=True):
        try:
            numbers.append(at_least_one(text) if text else _no_number())
        except TrialkitError as error:
            cell = cell_name(row.line, 2)
            faults.append(filled.fault(filled.form.list_sheet, cell, error.told("en"), error.told("da"), error.code))
    if not faults:
        interview.known["people"] = tuple(numbers)
    return faults


def _no_number() -> int:
    raise UsageError(
        "The other units have a number here and this one has none. Write it, or leave the whole column empty.",
        da="De andre enheder har et tal her, og denne har intet. Skriv det, eller lad hele kolonnen stå tom.",
    )


def _pilots(interview: Interview, names: list[str], texts: list[str], filled: Filled) -> list[Fault]:
    """The units marked as pilots."""
    faults, found = [], []
    for row, name, text in zip(filled.rows, names, texts, strict=True):
        try:
            found += [name] if text and yes(text, {}) else []
        except TrialkitError as error:
            cell = cell_name(row.line, 3)
            faults.append(filled.fault(filled.form.list_sheet, cell, error.told("en"), error.told("da"), error.code))
    if len(names) - len(found) < 2:
        faults.append(filled.fault(filled.form.list_sheet, "C2", "Fewer than two units are left to draw among.",
                                   "Der er under to enheder tilbage at trække lod imellem."))  # fmt: skip
    if not faults and found:
        interview.known["pilots"] = tuple(found)
    return faults
