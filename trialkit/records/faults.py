"""What a cell of a received file may say, and what is told where it says something else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from trialkit.errors import TrialkitError, UnitsError
from trialkit.protocol.outcomes import Outcome
from trialkit.protocol.text import NO, YES, meant_day
from trialkit.records import periods
from trialkit.registers.cpr import masked
from trialkit.registers.number import number
from trialkit.registers.table import DATE, Faults, Row

_WORDS: Final = {
    **dict.fromkeys([*YES, "1", "true", "sand"], True),
    **dict.fromkeys([*NO, "0", "false", "falsk"], False),
}
_HIDDEN: Final = re.compile(  # "<5", "1-4", "..", ":", "-", "*", "x", "NA", "n/a": as registers and statistics write it
    r"[<≤]\s*[0-9]+|[0-9]+\s*[-–]\s*[0-9]+|[.…:*–—-]{1,3}|x|na|n\.?/?a\.?|nan|null|i/t", re.IGNORECASE
)
PREGNANCY: Final = 300  # days; an earlier event belongs to another child
_FORMS: Final = {1: "2012-02", 3: "2012q1", 12: "2012"}


class Noted:
    """The cells of one row after another; what is wrong goes to the file's faults, each at its row and column.

    A cell with a fault already (a CPR number, a formula) yields nothing and is told of once.  Places count from 0.
    """

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.row = Row(0, ())
        self.told: set[int] = set()

    def begin(self, row: Row, told: set[int]) -> None:
        """The next row; ``told`` are the columns (from 1) that have a fault already."""
        self.row, self.told = row, told

    def text(self, place: int) -> str | None:
        """What stands in a cell that must not be blank."""
        if place + 1 in self.told:
            return None
        if cell := self.row.cells[place]:
            return cell
        self._add(
            "E_BLANK",
            place,
            "Nothing stands here, so nobody knows what the row is about. Fill it in, or delete the row.",
            "Her står ikke noget, så ingen ved, hvad rækken handler om. Udfyld cellen, eller slet rækken.",
        )
        return None

    def period(self, place: int, outcome: Outcome | None) -> str:
        """The period in a cell; empty if it is none.  A sheet's own date on the first of a month is that month."""
        text, months = self.text(place), periods.length(outcome) if outcome else 1
        if text is None:
            return ""
        if self.row.kind(place) == DATE and text.endswith("-01") and len(text) == 10:
            text = periods.containing(date.fromisoformat(text), months)
        if found := periods.period(text, months):
            return found
        if day := periods.serial_day(text):
            self._add_serial("E_PERIOD", place, day, periods.containing(day, months))
            return ""
        form = _FORMS[months]
        self._add(
            "E_PERIOD",
            place,
            f"{masked(text)!r} is not written as {form}. Spreadsheets turn months into days such as 01-02-2012 or feb-12, "
            "which others read otherwise. Format the column as text, and write year-month.",
            f"{masked(text)!r} er ikke skrevet som {form}. Regneark laver måneder om til datoer som 01-02-2012 eller feb-12, "
            "og de læses forskelligt. Formatér kolonnen som tekst, og skriv år-måned.",
            periods.meant(text, months),
        )
        return ""

    def day(self, place: int, *, needed: bool = True) -> date | None:
        """The day in a cell; None if it is none, or blank where it need not be filled in."""
        text = self.text(place) if needed or self.row.cells[place] else None
        if text is None:
            return None
        if len(text) == 10 and text[4] == text[7] == "-":
            try:
                return date.fromisoformat(text)
            except ValueError:
                pass
        if stored := periods.serial_day(text):
            self._add_serial("E_DATE", place, stored, stored.isoformat())
            return None
        self._add(
            "E_DATE",
            place,
            f"{masked(text)!r} is not a day written year-month-day. Days such as 01-02-2012 are read differently in other "
            "countries, and a spreadsheet may turn them round. Write 2012-02-01.",
            f"{masked(text)!r} er ikke en dag skrevet år-måned-dag. Dage som 01-02-2012 læses forskelligt i andre lande, og et "
            "regneark kan bytte om på dem. Skriv 2012-02-01.",
            meant_day(text),
        )
        return None

    def _add_serial(self, code: str, place: int, day: date, corrected: str) -> None:
        """A date as a spreadsheet keeps it, which the file shows bare."""
        self._add(
            code,
            place,
            f"This is the number by which a spreadsheet keeps {day}: days since 1899-12-30. Nobody can see that it is a date. "
            "Format the column as text, and write it out.",
            f"Det er det tal, et regneark gemmer {day} som: dage siden 1899-12-30. Ingen kan se, at det er en dato. Formatér "
            "kolonnen som tekst, og skriv den helt ud.",
            corrected,
        )

    def yes_no(self, place: int) -> bool | None:
        """Yes or no, 1 or 0; None if it is neither."""
        text = self.text(place)
        if text is None or (found := _WORDS.get(text.lower())) is not None:
            return None if text is None else found
        self._add(
            "E_YES_NO",
            place,
            f"{masked(text)!r} is neither yes nor no. Write yes or no, 1 or 0.",
            f"{masked(text)!r} er hverken ja eller nej. Skriv ja eller nej, 1 eller 0.",
        )
        return None

    def counted(self, top: int, bottom: int, outcome: Outcome) -> tuple[str | None, str | None] | None:
        """Numerator and denominator; (None, None) where nothing was reported, None where they make no sense."""
        given = self.row.cells[top], self.row.cells[bottom] if bottom >= 0 else ""
        if {top + 1, bottom + 1} & self.told:
            return None
        if not any(given):
            return None, None
        if outcome.type == "count" and not given[1]:  # so many in the unit and period itself
            given = given[0], "1"
        if not all(given):
            if bottom < 0:
                self._add_no_denominator(top, outcome)
            else:
                self._add_half(bottom if given[0] else top)
            return None
        values = [self._number(place, text) for place, text in zip((top, bottom), given, strict=True)]
        if values[0] is None or values[1] is None:
            return None
        return self._sensible(top, bottom, values[0], values[1], outcome)

    def _add_half(self, place: int) -> None:
        self._add(
            "E_HALF",
            place,
            "Only one of numerator and denominator is filled in. A blank means not reported and 0 means none, and they are "
            "not the same: write 0 if there were none, or leave both blank.",
            "Kun én af tæller og nævner er udfyldt. Tomt betyder ikke indberettet, og 0 betyder ingen, og det er ikke det "
            "samme: skriv 0, hvis der ingen var, eller lad begge stå tomme.",
        )

    def _add_no_denominator(self, place: int, outcome: Outcome) -> None:
        self._add(
            "E_HALF",
            place,
            f"{outcome.id} is counted among somebody, and the file has no column denominator that says among how many. Add "
            "the column, and leave it blank for plain counts.",
            f"{outcome.id} tælles blandt nogen, og filen har ingen kolonne nævner, der siger blandt hvor mange. Tilføj "
            "kolonnen, og lad den stå tom ved rene optællinger.",
        )

    def _number(self, place: int, text: str) -> str | None:
        if text.isascii() and text.isdecimal() and len(text) <= 15 and (text == "0" or text[0] != "0"):
            return text
        if _HIDDEN.fullmatch(text):
            self._add_hidden(place, text)
            return None
        try:
            return number(text)
        except UnitsError as error:
            self.error(place, error)
            return None

    def _add_hidden(self, place: int, text: str) -> None:
        """A mark that a register puts where it hides a small count, or has none."""
        self._add(
            "E_NUMBER",
            place,
            f"{masked(text)!r} says that the count is hidden or missing. Ask the register for the number itself: pages hide "
            "small counts anyway. If it cannot be had, leave numerator and denominator both blank: not reported. Never write "
            "0 for it.",
            f"{masked(text)!r} siger, at antallet er skjult eller mangler. Bed registeret om selve tallet: siderne skjuler "
            "alligevel små antal. Kan det ikke fås, så lad både tæller og nævner stå tomme: ikke indberettet. Skriv aldrig 0 "
            "i stedet.",
        )

    def _sensible(self, top: int, bottom: int, over: str, under: str, outcome: Outcome) -> tuple[str, str] | None:
        upper, lower = Decimal(over), Decimal(under)
        share = outcome.type in ("share", "yes_no")
        whole = [(top, upper)] if share or outcome.type == "count" else []
        odd = [place for place, value in [*whole, (bottom, lower)] if value != int(value) or value < 0]
        for place in odd:
            self._add(
                "E_COUNT",
                place,
                "This is counted, so it is a whole number from 0.",
                "Det er en optælling og altså et helt tal fra 0 og op.",
            )
        if not odd and ((share and upper > lower) or (lower == 0 and upper != 0)):
            odd = [top]
            self._add(
                "E_ABOVE",
                top,
                f"{over} of {under}: more than there are. The columns may be swapped, or the denominator may count only some. "
                "Correct the row.",
                f"{over} af {under}: flere, end der er. Kolonnerne kan være byttet om, eller nævneren tæller kun nogle. Ret "
                "rækken.",
            )
        return None if odd else (over, under)

    def birth_period(self, place: int, born: date | None, outcome: Outcome) -> str:
        """The period of birth, from its own column or from the day of birth; they must agree."""
        if place < 0:
            return periods.containing(born, periods.length(outcome)) if born else ""
        found = self.period(place, outcome)
        if found and born and found != periods.containing(born, periods.length(outcome)):
            self._add(
                "E_PERIOD",
                place,
                f"The child was not born in {found} by its date of birth. Correct one of them.",
                f"Barnet er ifølge fødselsdatoen ikke født i {found}. Ret en af dem.",
            )
        return found

    def in_time(self, place: int, born: date | None, outcome: Outcome) -> bool | None:
        """Whether the event came in pregnancy or within the outcome's window; a blank means that it did not come."""
        if place + 1 in self.told:
            return None
        if outcome.window_days is None:
            self._add(
                "E_WINDOW",
                place,
                f"The protocol gives {outcome.id} no window_days, so nobody can say from a date whether it came in time. Give "
                "a column event with yes or no.",
                f"Protokollen giver ikke {outcome.id} noget window_days, så ingen kan sige ud fra en dato, om det kom i tide. "
                "Giv en kolonne event med ja eller nej.",
            )
            return None
        if not self.row.cells[place]:
            return False
        event = self.day(place)
        if event is None or born is None:
            return None
        if event < born - timedelta(days=PREGNANCY):
            self._add(
                "E_DATE",
                place,
                f"This is more than {PREGNANCY} days before the birth, so it was before this pregnancy and belongs to another "
                "child. Correct the date, or leave it blank.",
                f"Det er mere end {PREGNANCY} dage før fødslen, altså før graviditeten, og hører til et andet barn. Ret den, "
                "eller lad den stå tom.",
            )
            return None
        return event <= born + timedelta(days=outcome.window_days)

    def error(self, place: int, error: TrialkitError) -> None:
        """What another room says of a cell."""
        self._add(error.code, place, error.told("en"), error.told("da"))

    def repeated(self, place: int, cell: str, first: int) -> None:
        self._add(
            "E_DUPLICATE",
            place,
            f"{cell} stands in row {first} already, and nobody can tell which row is right. Keep one.",
            f"{cell} står allerede i række {first}, og ingen kan se, hvilken række der er rigtig. Behold én.",
        )

    def same_child(self, place: int, first: int) -> None:
        self._add(
            "E_DUPLICATE",
            place,
            f"The child of row {first} stands here again and would be counted twice. Keep one.",
            f"Barnet fra række {first} står her igen og ville blive talt to gange. Behold ét.",
        )

    def unknown_outcome(self, place: int, name: str, known: Sequence[str]) -> None:
        self._add(
            "E_OUTCOME",
            place,
            f"The protocol promised no outcome {masked(name)!r} that can be counted. It promised: {', '.join(known)}.",
            f"Protokollen har ikke lovet noget udfald {masked(name)!r}, der kan tælles. Den lovede: {', '.join(known)}.",
        )

    def not_a_share(self, place: int, name: str) -> None:
        self._add(
            "E_OUTCOME",
            place,
            f"{name} is not a share, so children are not counted into it one by one. Give sums per unit and month.",
            f"{name} er ikke en andel, så børn tælles ikke ind i det ét for ét. Giv summer pr. enhed og måned.",
        )

    def unasked(self, line: int, column: int, heading: str, asked: Sequence[Sequence[str]]) -> None:
        self.faults.add(
            "E_COLUMN",
            f"Nobody asked for the column {masked(heading)!r}, and data that nobody needs are not taken in. Delete it. Read: "
            f"{', '.join(one[0] for one in asked)}.",
            f"Ingen har bedt om kolonnen {masked(heading)!r}, og data, som ingen har brug for, tages ikke imod. Slet den. Der "
            f"læses: {', '.join(one[1] for one in asked)}.",
            line=line,
            column=column,
        )

    def twice_named(self, line: int, column: int, name: str) -> None:
        self.faults.add(
            "E_HEADER",
            f"Two columns are the {name}, so one would hide the other. Keep one.",
            f"To kolonner er {name}, så den ene ville skjule den anden. Behold én.",
            line=line,
            column=column,
        )

    def missing(self, line: int, asked: Sequence[Sequence[str]]) -> None:
        """Columns that are not there, each by its names: the English first, then the Danish."""
        for name, navn, *_ in asked:
            self.faults.add(
                "E_HEADER",
                f"The first row has no column {name}. Counts have unit, month, outcome, numerator, denominator; children have "
                "unit, birth_date (or birth_month) and event_date (or event).",
                f"Første række har ingen kolonne {navn}. Optællinger har enhed, måned, udfald, tæller, nævner; børn har enhed, "
                "fødselsdato (eller fødselsmåned) og hændelsesdato (eller hændelse).",
                line=line,
            )

    def half_synthetic(self, line: int, column: int) -> None:
        self.faults.add(
            "E_SYNTHETIC",
            "Some rows are marked as made up and others are not; mixed, neither can be told from the other. Split the file.",
            "Nogle rækker er mærket som opdigtede, og andre er ikke; blandet kan de ikke skelnes. Del filen.",
            line=line,
            column=column,
        )

    def _add(self, code: str, place: int, en: str, da: str, corrected: str = "") -> None:
        self.faults.add(code, en, da, line=self.row.line, column=place + 1, corrected=corrected)
