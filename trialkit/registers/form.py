"""A form as a workbook: a sheet of questions with their help, a sheet for a list, and the way back, cell by cell."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from trialkit.errors import Fault, UnitsError
from trialkit.registers.archive import checked_kind
from trialkit.registers.read import missing_file
from trialkit.registers.table import MOST_BYTES, refused
from trialkit.registers.workbook import read_workbook

if TYPE_CHECKING:
    from trialkit.registers.table import Row

MARK: Final = "trialkit:"  # before a question's key, in a hidden column, so that rows may be moved
ANSWER: Final = 2  # the column of the answers, from 0
_KEY: Final = 4
_FIRST: Final = 3  # the first row of questions, from 0
_LIST_ROWS: Final = 500
_LONGEST_MESSAGE: Final = 255  # what a spreadsheet shows beside a cell
_CHOICES: Final = "trialkit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One cell to fill in; several of one ``key`` stand below each other."""

    key: str
    question: str
    help: str = ""
    kind: Literal["text", "day", "number", "choice"] = "text"
    choices: tuple[str, ...] = ()
    usual: str = ""  # what an empty cell means


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the list; ``whole`` asks for whole numbers, ``choices`` for one of a few words."""

    heading: str
    help: str
    whole: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a form looks like in one language."""

    title: str
    intro: str
    sheet: str
    headings: tuple[str, str, str, str]  # number, question, answer, help
    fields: tuple[Field, ...]
    list_sheet: str
    list_intro: str
    columns: tuple[Column, ...]
    not_a_day: str
    not_a_choice: str
    not_a_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What stands in one cell."""

    text: str
    cell: str  # such as C7


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A form that came back: answers by key, in the order of the cells, and the rows of the list that are not blank."""

    file: str
    form: Form
    answers: Mapping[str, tuple[Answer, ...]]
    rows: Sequence[Row]

    def fault(self, sheet: str, cell: str, en: str, da: str, code: str = "E_FORM") -> Fault:
        """Something wrong at a cell."""
        return Fault(en=en, da=da, code=code, file=f"{self.file} {sheet}!{cell}")


def cell_name(row: int, column: int) -> str:
    """The name of a cell, from row and column counted from 1.

    >>> cell_name(7, 3)
    'C7'
    """
    letters = ""
    while column:
        column, left = divmod(column - 1, 26)
        letters = chr(ord("A") + left) + letters
    return f"{letters}{row}"


def form_bytes(form: Form) -> bytes:
    """The workbook; every text is written as text, so nothing in it is ever calculated."""
    import xlsxwriter

    out = io.BytesIO()
    workbook = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    workbook.set_properties({"title": form.title, "created": _NO_CLOCK})
    _Pages(workbook, form).write()
    workbook.close()
    return out.getvalue()


_FIRST_DAY: Final = date(2000, 1, 1)
_NO_CLOCK: Final = datetime(2000, 1, 1, tzinfo=UTC)  # so that the same form is the same file


class _Pages:
    """The sheets of one form."""

    def __init__(self, workbook: Any, form: Form) -> None:
        self.workbook, self.form = workbook, form
        plain = {"font_name": "Calibri", "font_size": 11, "valign": "top", "text_wrap": True}
        box = {**plain, "bg_color": "#FFF8DC", "border": 1, "border_color": "#B8A96A"}
        self.title = workbook.add_format({**plain, "font_size": 16, "bold": True, "text_wrap": False})
        self.text = workbook.add_format(plain)
        self.number = workbook.add_format({**plain, "align": "left", "font_color": "#444444"})
        self.quiet = workbook.add_format({**plain, "font_color": "#444444", "font_size": 10})
        self.heading = workbook.add_format({**plain, "bold": True, "bottom": 1})
        self.answer = {
            "text": workbook.add_format({**box, "num_format": "@"}),
            "choice": workbook.add_format({**box, "num_format": "@"}),
            "number": workbook.add_format({**box, "align": "left"}),
            "day": workbook.add_format({**box, "num_format": "dd-mm-yyyy", "align": "left"}),
        }

    def write(self) -> None:
        page = self.workbook.add_worksheet(self.form.sheet)
        rows = self.workbook.add_worksheet(self.form.list_sheet)
        self.choices = self.workbook.add_worksheet(_CHOICES)
        self.choices.hide()
        self.lists = 0
        self._questions(page)
        self._list(rows)
        page.activate()

    def _questions(self, page: Any) -> None:
        form = self.form
        for column, width in enumerate((5, 48, 44, 70)):
            page.set_column(column, column, width, self.text)
        page.set_column(_KEY, _KEY, 4, None, {"hidden": True})
        page.write_string(0, 0, form.title, self.title)
        page.set_row(0, 26)
        page.merge_range(1, 0, 1, 3, form.intro, self.text)
        page.set_row(1, 48)
        for column, heading in enumerate(form.headings):
            page.write_string(2, column, heading, self.heading)
        number, before = 0, ""
        for row, field in enumerate(form.fields, start=_FIRST):
            if field.key != before:
                number += 1
                page.write_number(row, 0, number, self.number)
                page.write_string(row, 3, field.help, self.quiet)
            before = field.key
            page.write_string(row, 1, field.question, self.text)
            lines = max(_lines(field.question, 50), _lines(field.help, 88))
            page.set_row(row, 4 + 14 * lines)
            page.write_blank(row, ANSWER, None, self.answer[field.kind])
            page.write_string(row, _KEY, MARK + field.key)
            self._check(page, row, field)
        page.freeze_panes(_FIRST, 0)
        self._print(page)

    def _check(self, page: Any, row: int, field: Field) -> None:
        """What the spreadsheet itself refuses in a cell."""
        told = {"input_title": field.question[:32], "input_message": (field.help or field.question)[:_LONGEST_MESSAGE]}
        rule: dict[str, Any]
        if field.kind == "choice":
            rule = {"validate": "list", "source": self._range(field.choices), "error_message": self.form.not_a_choice}
        elif field.kind == "day":
            rule = {"validate": "date", "criteria": ">", "value": _FIRST_DAY, "error_message": self.form.not_a_day}
        else:
            rule = {"validate": "any"}
        page.data_validation(row, ANSWER, row, ANSWER, {**rule, **told})

    def _range(self, choices: Sequence[str]) -> str:
        """Where a list of choices stands; written out it could be longer than a spreadsheet takes."""
        for row, choice in enumerate(choices):
            self.choices.write_string(row, self.lists, choice)
        self.lists += 1
        letter = cell_name(1, self.lists)[:-1]
        return f"={_CHOICES}!${letter}$1:${letter}${len(choices)}"

    def _list(self, page: Any) -> None:
        for place, column in enumerate(self.form.columns):
            kind = self.answer["number" if column.whole else "text"]
            page.set_column(place, place, 36 if place == 0 else 16, None)
            page.write_string(0, place, column.heading, self.heading)
            for row in range(1, 41):
                page.write_blank(row, place, None, kind)
            rule: dict[str, Any] = {"validate": "any"}
            if column.choices:
                rule = {"validate": "list", "source": list(column.choices), "error_message": self.form.not_a_choice}
            elif column.whole:
                rule = {"validate": "integer", "criteria": ">=", "value": 1, "error_message": self.form.not_a_number}
            told = {"input_title": column.heading[:32], "input_message": column.help[:_LONGEST_MESSAGE]}
            page.data_validation(1, place, _LIST_ROWS, place, {**rule, **told})
        page.insert_textbox(
            0, len(self.form.columns) + 1, self.form.list_intro,
            {"width": 420, "height": 150, "font": {"size": 11}, "fill": {"color": "#F4F4F4"}, "line": {"color": "#B8B8B8"}},
        )  # fmt: skip
        page.freeze_panes(1, 0)
        self._print(page)

    def _print(self, page: Any) -> None:
        page.set_landscape()
        page.set_paper(9)
        page.fit_to_pages(1, 0)
        page.hide_gridlines(2)


def _lines(text: str, width: int) -> int:
    """How many lines a text takes in a cell about so many letters wide; spreadsheets do not find out by themselves."""
    return max(len(textwrap.wrap(text, width)), 1)


def read_filled(path: Path, forms: Sequence[Form]) -> Filled:
    """The answers in a form that one of ``forms`` was made from.

    Raises
    ------
    UnitsError
        The file is not there, cannot be read (as `read_units`), or is none of the forms (``E_FORM``).
    """
    if not path.is_file():
        raise missing_file(path.name)
    if path.stat().st_size > MOST_BYTES:
        raise _not_a_form(path.name)
    data = path.read_bytes()
    if not data or checked_kind(path.name, path.suffix.lower(), data) != "xlsx":
        raise _not_a_form(path.name)
    form = next((form for form in forms if _has(path.name, data, form.sheet)), None)
    if form is None or not _has(path.name, data, form.list_sheet):
        raise _not_a_form(path.name)
    answers: dict[str, tuple[Answer, ...]] = {}
    for row in _sheet(path.name, data, form.sheet):
        key = next((cell.removeprefix(MARK) for cell in row.cells if cell.startswith(MARK)), "")
        if key:
            text = row.cells[ANSWER].strip() if len(row.cells) > ANSWER else ""
            answers[key] = (*answers.get(key, ()), Answer(text=text, cell=cell_name(row.line, ANSWER + 1)))
    if not answers:
        raise _not_a_form(path.name)
    rows = [row for row in _sheet(path.name, data, form.list_sheet) if any(row.cells)]
    return Filled(file=path.name, form=form, answers=answers, rows=rows)


def _sheet(file: str, data: bytes, sheet: str) -> list[Row]:
    """The rows under the first of a sheet."""
    table = read_workbook(file, data, "xlsx", sheet)
    rows = list(table.rows)
    if table.faults:
        raise table.faults.error()
    return rows


def _has(file: str, data: bytes, sheet: str) -> bool:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        return sheet in CalamineWorkbook.from_filelike(io.BytesIO(data)).sheet_names
    except CalamineError:
        raise _not_a_form(file) from None


def _not_a_form(file: str) -> UnitsError:
    return refused(
        file,
        "E_FORM",
        "This is not a form that trialkit made, so nobody knows which cell answers what. Make one with `trialkit new DIR "
        "--form`, fill it in and save it as .xlsx.",
        "Det her er ikke et skema, som trialkit har lavet, så ingen ved, hvilken celle der svarer på hvad. Lav et med "
        "`trialkit new MAPPE --form`, udfyld det, og gem det som .xlsx.",
    )
