"""Columns from a second list, joined by code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trialkit.canonical import nfc
from trialkit.errors import UnitsError
from trialkit.registers.number import no_column
from trialkit.units import Unit, Units


def join(units: Units, table: Units, *, on: str, columns: Sequence[str]) -> Units:
    """The units with ``columns`` of ``table`` added to their facts, row by row where ``on`` agrees.

    Both lists must name the same units: a unit without a row, or a row without a unit, would change who is drawn.

    Parameters
    ----------
    table : a list read by `read_units`
    on : the column whose text names the unit in both; a list without it is matched by its ids
    columns : columns of ``table`` to add

    Raises
    ------
    UnitsError
        ``E_COLUMN``: ``table`` lacks a column, or the units have one with other values.  ``E_DUPLICATE``: two units
        or two rows with one code.  ``E_JOIN``: units without a row or rows without a unit, all listed by name.
    """
    missing = [column for column in columns if any(column not in row.facts for row in table)]
    if missing:
        raise no_column(missing[0], sorted({heading for row in table for heading in row.facts}))
    rows = _by_code(table, on)
    known = _by_code(units, on)
    without = [unit for code, unit in known.items() if code not in rows]
    extra = [row for code, row in rows.items() if code not in known]
    if without or extra:
        raise _unmatched(on, without, extra)
    for column in columns:
        _check_free(column, known, rows)
    facts = {unit.id: {column: nfc(rows[code].facts[column]) for column in columns} for code, unit in known.items()}
    return units.map(lambda unit: replace(unit, facts={**unit.facts, **facts[unit.id]}))


def _by_code(units: Units, on: str) -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for unit in units:
        code = nfc(unit.facts.get(on, unit.id))
        if code in found:
            raise UnitsError(
                f"{_called(found[code])} and {_called(unit)} have the same {on} {code!r}, so one would get the "
                "other's values. Correct one.",
                {"on": on, "units": [found[code].id, unit.id]},
                da=f"{_called(found[code])} og {_called(unit)} har samme {on} {code!r}, så den ene ville få den andens "
                "værdier. Ret den ene.",
                code="E_DUPLICATE",
            )
        found[code] = unit
    return found


def _unmatched(on: str, without: Sequence[Unit], extra: Sequence[Unit]) -> UnitsError:
    lacking = f"No row for {len(without)} units: {_listed(without)}. " if without else ""
    unknown = f"No unit for {len(extra)} rows: {_listed(extra)}. " if extra else ""
    mangler = f"Ingen række til {len(without)} enheder: {_listed(without)}. " if without else ""
    ukendt = f"Ingen enhed til {len(extra)} rækker: {_listed(extra)}. " if extra else ""
    return UnitsError(
        f"The two lists do not name the same units by {on}, so it would be unclear who is drawn. {lacking}{unknown}"
        "Correct the codes (zeros in front count), or complete the file.",
        {"on": on, "missing": [unit.id for unit in without], "extra": [row.id for row in extra]},
        da=f"De to lister nævner ikke de samme enheder efter {on}, så det ville være uklart, hvem der trækkes lod om. "
        f"{mangler}{ukendt}Ret koderne (nuller foran tæller), eller gør filen færdig.",
        code="E_JOIN",
    )


def _check_free(column: str, known: dict[str, Unit], rows: dict[str, Unit]) -> None:
    """A column the units have already may be joined again only if it says the same."""
    differ = [
        unit
        for code, unit in known.items()
        if unit.facts.get(column, rows[code].facts[column]) != rows[code].facts[column]
    ]
    if differ:
        raise UnitsError(
            f"The units have a column {column!r} already, and it says something else for {_listed(differ)}. "
            "Rename the column in the file that is joined.",
            {"column": column, "units": [unit.id for unit in differ]},
            da=f"Enhederne har allerede en kolonne {column!r}, og den siger noget andet for {_listed(differ)}. "
            "Omdøb kolonnen i den fil, der føjes til.",
            code="E_COLUMN",
        )


def _listed(units: Sequence[Unit]) -> str:
    return ", ".join(_called(unit) for unit in units)


def _called(unit: Unit) -> str:
    return f"{unit.id} {unit.name}".strip()
