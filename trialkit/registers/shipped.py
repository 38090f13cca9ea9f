"""The registers trialkit ships: districts of Copenhagen, Danish municipalities, and two lists from the sources.

Where every figure comes from, and under which licence, stands in ``data/README.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from importlib.resources import files
from typing import Final

from trialkit.errors import UnitsError
from trialkit.registers.delimited import read_delimited
from trialkit.registers.read import units_of
from trialkit.units import Unit, Units

FIVE_REGIONS_UNTIL: Final = date(2026, 12, 31)


def registers() -> dict[str, tuple[str, ...]]:
    """The registers by name, each with its frames; none where there is one list only."""
    return {name: frames for name, (frames, _) in _REGISTERS.items()}


def register(name: str, *, frame: str | None = None, on: date | None = None) -> Units:
    """The units of a shipped register, with every column as facts.

    Parameters
    ----------
    name : one of `registers`
    frame : which units, where the register knows several; never assumed, because it is part of the promise
    on : the day whose regions count (`danish_municipalities`, `thousand_days`); without one, the five regions in
        force until 2026-12-31.  From 2027-01-01 Hovedstaden and Sjælland are Region Østdanmark.  The facts
        ``region_from`` and ``region_to`` (empty: still in force) say how long the region given holds.

    Raises
    ------
    UnitsError
        There is no such register or frame (``E_REGISTER``), or ``on`` is before 2007 (``E_DATE``).
    """
    if name not in _REGISTERS:
        raise _no_register(name)
    frames, build = _REGISTERS[name]
    if frame not in (frames or (None,)):
        raise _no_frame(name, frame, frames)
    return build(frame or "", on)


def unpublished(file: str) -> tuple[str, str]:
    """Who can provide a file that is missing, in English and Danish."""
    known = {unit.id: unit.facts for unit in _read("unpublished.csv", "file")}
    if file in known:
        return known[file]["en"], known[file]["da"]
    return (
        "It does not come with trialkit; if it is not published, whoever keeps it can provide it.",
        "Den følger ikke med trialkit; er den ikke offentliggjort, kan den, der har den, levere den.",
    )


def _read(file: str, id: str, name: str | None = None) -> Units:
    data = files("trialkit.registers").joinpath("data", file).read_bytes()
    return units_of(read_delimited(file, data, None), id=id, name=name)


def _rows(file: str) -> list[Mapping[str, str]]:
    """Rows of a data file that lists no units."""
    data = files("trialkit.registers").joinpath("data", file).read_bytes()
    table = read_delimited(file, data, None)
    return [dict(zip(table.header.cells, row.cells, strict=True)) for row in table.rows]


def _spelled(units: Units, register: str) -> Units:
    """The units with the spellings people are known to use."""
    known: dict[str, list[str]] = {}
    for row in _rows("spellings.csv"):
        if row["register"] == register:
            known.setdefault(row["id"], []).append(row["spelling"])
    return units.map(lambda unit: replace(unit, spellings=(*unit.spellings, *known.get(unit.id, ()))))


def _copenhagen(frame: str, on: date | None) -> Units:
    every = _read("copenhagen_districts.csv", "unit_id", "name_da")
    chosen = every.where(lambda unit: unit.facts["frame"] == frame)
    districts = {district: unit.id for unit in chosen for district in unit.members or (unit.id,)}
    pairs = [(districts.get(row["unit_a"]), districts.get(row["unit_b"])) for row in _rows("copenhagen_adjacency.csv")]
    touching = [(a, b) for a, b in pairs if a and b and a != b]
    if frame == "bydel":
        areas = [unit for unit in every if len(unit.members) > 1]
    else:
        areas = [unit for unit in every if unit.facts["frame"] == "bydel"]
    return Units.of(chosen, touching, areas)


def _municipalities(_: str, on: date | None) -> Units:
    units = _spelled(_read("danish_municipalities.csv", "code", "name_da"), "danish_municipalities")
    return _with_region(units.map(_with_official_names), on)


def _with_official_names(unit: Unit) -> Unit:
    short = [unit.facts["short_name"], *unit.spellings]
    written = [unit.facts["official_name"], *short, *(f"{name} Kommune" for name in (unit.name, *short))]
    return replace(unit, spellings=tuple(name for name in dict.fromkeys(written) if name != unit.name))


def _thousand_days(_: str, on: date | None) -> Units:
    units = _read("thousand_days_municipalities.csv", "code", "name_da")
    known = {unit.id: unit.spellings for unit in _municipalities("", None)}
    return _with_region(units.map(lambda unit: replace(unit, spellings=known[unit.id])), on)


def _housing_areas(_: str, on: date | None) -> Units:
    return _spelled(_read("hfi_housing_areas.csv", "unit_id", "name_da"), "hfi_housing_areas")


def _with_region(units: Units, on: date | None) -> Units:
    """The units with the region that holds on the day, and for how long."""
    day = (on or FIVE_REGIONS_UNTIL).isoformat()
    valid = {
        row["region_2007"]: {"region": row["region"], "region_from": row["valid_from"], "region_to": row["valid_to"]}
        for row in _rows("regions.csv")
        if row["valid_from"] <= day <= (row["valid_to"] or day)
    }
    if not valid:
        raise UnitsError(
            f"On {day} there were no regions, so no unit can have one. Ask for a day from 2007-01-01.",
            {"on": day},
            da=f"Den {day} var der ingen regioner, så ingen enhed kan have en. Spørg om en dag fra 2007-01-01.",
            code="E_DATE",
        )
    return units.map(lambda unit: replace(unit, facts={**unit.facts, **valid[unit.facts["region"]]}))


def _no_register(name: str) -> UnitsError:
    listed = ", ".join(_REGISTERS)
    return UnitsError(
        f"trialkit ships no register {name!r}, so there is nobody to draw among. It ships: {listed}. "
        "A file of your own works the same way.",
        {"register": name, "registers": list(_REGISTERS)},
        da=f"trialkit har intet register {name!r}, så der er ingen at trække lod imellem. Det har: {listed}. "
        "En fil af din egen virker på samme måde.",
        code="E_REGISTER",
    )


def _no_frame(name: str, frame: str | None, frames: tuple[str, ...]) -> UnitsError:
    listed = ", ".join(frames) or "-"
    return UnitsError(
        f"The register {name} has no frame {frame!r}; which areas count as units is part of the promise and is never "
        f"assumed. Its frames: {listed}." + ("" if frames else " Leave the frame out."),
        {"register": name, "frame": frame, "frames": list(frames)},
        da=f"Registeret {name} har ingen ramme {frame!r}; hvilke områder der er enheder, er en del af løftet og "
        f"antages aldrig. Rammerne er: {listed}." + ("" if frames else " Udelad rammen."),
        code="E_REGISTER",
    )


_REGISTERS: Final[dict[str, tuple[tuple[str, ...], Callable[[str, date | None], Units]]]] = {
    "copenhagen_2011": (("bydel", "family_unit_2010_named", "working_9"), _copenhagen),
    "danish_municipalities": ((), _municipalities),
    "hfi_housing_areas": ((), _housing_areas),
    "thousand_days": ((), _thousand_days),
}
