"""Budget tables: do rows, columns and tables agree with one another and with the draft?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from trialkit.errors import UsageError
from trialkit.power.said import Said


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a table: what it pays for, and its amounts by period."""

    table: str
    name: str
    quantity: str
    cells: dict[str, Decimal]

    @property
    def sums_up(self) -> bool:
        return self.quantity.startswith("total")

    @property
    def years(self) -> dict[str, Decimal]:
        return {period: amount for period, amount in self.cells.items() if "-" not in period}


def agreement(rows: Sequence[Mapping[str, str]], totals: Mapping[str, Decimal]) -> tuple[Said, ...]:
    """What the tables of a budget add up to, and every place where they do not agree.

    Each line agrees with the total printed at its end; a table with a line of totals agrees with it, and with the
    draft, year by year; a table without one divides some quantities of the others further (by administration, say),
    and its sums agree with the lines it divides.

    Parameters
    ----------
    rows : of the draft's ``detail`` file, with columns ``section`` (``Tabel 1 (line 83)``: a table and one of its
        lines), ``quantity``, ``unit`` (thousand DKK; other rows are not read), ``period`` (a year, or first-last for
        a printed total) and ``value``; a cell that is not there is 0
    totals : year -> thousand DKK, as the draft says

    Raises
    ------
    UsageError
        A value that is not an amount.
    """
    lines = _lines(rows)
    if not lines:
        return ()
    whole = {line.table for line in lines if line.sums_up}
    wrong = [said for line in lines for said in _printed(line)]
    for line in lines:
        if line.sums_up:
            columns = _summed(other for other in lines if other.table == line.table and not other.sums_up)
            wrong += _same(line.name, line.years, line.table, columns)
            wrong += _same("the draft", totals, line.table, columns, da="udkastet") if totals else []
    divided = dict.fromkeys((line.table, line.quantity) for line in lines if line.table not in whole)
    for table, quantity in divided:
        parts = _summed(line for line in lines if (line.table, line.quantity) == (table, quantity))
        for line in lines:
            if line.table in whole and line.quantity.startswith(quantity):
                wrong += _same(line.name, line.years, f"{table} ({quantity})", parts)
    return tuple(wrong) if wrong else (_agree(lines),)


def _lines(rows: Sequence[Mapping[str, str]]) -> list[_Line]:
    found: dict[str, _Line] = {}
    for row in rows:
        if row.get("unit", "").startswith("1000 DKK"):
            name = row["section"]
            line = found.setdefault(name, _Line(name.partition(" (")[0], name, row["quantity"], {}))
            line.cells[row["period"]] = _amount(row["value"])
    return list(found.values())


def _summed(lines: Iterable[_Line]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        for year, amount in line.years.items():
            found[year] += amount
    return dict(found)


def _amount(text: str) -> Decimal:
    if not text.strip():
        return Decimal(0)
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        raise UsageError(
            f"{text!r} in the table of costs is not an amount, so nothing can be added up. Write it as 8720.",
            {"value": text},
            da=f"{text!r} i tabellen over udgifter er ikke et beløb, så intet kan lægges sammen. Skriv det som 8720.",
        ) from None


def _printed(line: _Line) -> Iterator[Said]:
    """A line's years against the total printed at its end."""
    total = sum(line.years.values(), Decimal(0))
    for period, printed in line.cells.items():
        if "-" in period and printed != total:
            yield Said(
                f"Budget mismatch: {line.name} adds up to {in_english(total)} thousand DKK, and {in_english(printed)} "
                "is printed.",
                f"Budgettet stemmer ikke: {line.name} giver {in_danish(total)} t.kr., men der står "
                f"{in_danish(printed)}.",
            )


def _same(
    name: str, expected: Mapping[str, Decimal], table: str, found: Mapping[str, Decimal], da: str = ""
) -> list[Said]:
    """Every year in which two sums differ."""
    return [
        Said(
            f"Budget mismatch in {year}: {table} has {in_english(found.get(year, Decimal(0)))} thousand DKK, and {name} "
            f"{in_english(expected.get(year, Decimal(0)))}.",
            f"Budgettet stemmer ikke i {year}: {table} har {in_danish(found.get(year, Decimal(0)))} t.kr., og {da or name} "
            f"{in_danish(expected.get(year, Decimal(0)))}.",
        )
        for year in sorted(set(expected) | set(found))
        if expected.get(year, Decimal(0)) != found.get(year, Decimal(0))
    ]


def _agree(lines: Sequence[_Line]) -> Said:
    whole = [line for line in lines if line.sums_up] or lines
    total = sum(whole[0].years.values(), Decimal(0)) if whole[0].sums_up else sum(_summed(whole).values(), Decimal(0))
    names = ", ".join(dict.fromkeys(line.table for line in lines))
    return Said(
        f"The budget's tables agree ({names}): lines, years and the total of {in_english(total)} thousand DKK.",
        f"Budgettets tabeller stemmer ({names}): linjer, år og totalen på {in_danish(total)} t.kr.",
    )


def in_english(amount: Decimal) -> str:
    """An amount with separators, as in English."""
    return f"{amount:,f}"


def in_danish(amount: Decimal) -> str:
    """The same as in Danish."""
    return in_english(amount).translate(str.maketrans(",.", ".,"))
