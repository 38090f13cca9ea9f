"""Who is drawn: the units a protocol names, read from their lists, with the pilots beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from trialkit.design.places import DrawKey
from trialkit.errors import Fault, ProtocolError, TrialkitError, UnitsError
from trialkit.protocol import rules
from trialkit.protocol.load import located
from trialkit.protocol.model import Protocol
from trialkit.protocol.units import Fixed
from trialkit.registers import join, read_units, register
from trialkit.registers.number import numbers
from trialkit.registers.read import read_table
from trialkit.units import Unit, Units

Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """A unit whose arm was known beforehand; it is listed and shown, and no lot decides anything about it."""

    unit: Unit  # ``fixed`` is the arm
    group: Fixed
    written: str  # as the draft names it


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A listed unit that is not drawn, and the rule that says so; ``goes_to`` is an arm, where it has one."""

    unit: Unit
    rule: str
    goes_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """The units of a draw and everybody who is not among them.

    ``units`` are eligible, each with its block, cluster and fixed label; ``named`` tells which units each name of the
    draft stands for; ``touching`` holds the pairs of neighbours among all that are listed, pilots too.
    """

    units: Units
    pilots: tuple[Pilot, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    named: tuple[tuple[str, tuple[str, ...]], ...] = ()
    touching: frozenset[tuple[str, str]] = frozenset()

    @property
    def outside(self) -> tuple[Unit, ...]:
        """The pilots as units, for the plan."""
        return tuple(pilot.unit for pilot in self.pilots)


@dataclass
class _Faults:
    """Faults of the draft met while its units are read, all told at once."""

    folder: Path
    found: list[Fault] = field(default_factory=list)

    def tried(self, path: Where, work: Callable[[], Units]) -> Units | None:
        try:
            return work()
        except TrialkitError as error:
            self.add(path, error)
            return None

    def add(self, path: Where, error: TrialkitError) -> None:
        self.found.append(located(self.folder, path, error.told("en"), error.told("da"), error.code))

    def raise_any(self) -> None:
        if self.found:
            raise ProtocolError.listing(self.found)


def population(
    protocol: Protocol, folder: Path, *, frame: str | None = None, draw: DrawKey | None = None
) -> Population:
    """The units of a protocol, as its registers and the files in ``folder`` list them.

    Parameters
    ----------
    protocol : what was promised
    folder : the trial's folder; no file outside it is read
    frame : another frame of the register than the draft's, to see what it would mean
    draw : which draw, where the queue's file has {round} in its name

    Raises
    ------
    ProtocolError
        A list that cannot be read, a name nobody has, a column that is missing: all of them, each with its line in the
        draft (``facts["faults"]``).
    """
    faults = _Faults(folder)
    if protocol.units.created == "on_arrival":
        return Population(units=Units(()))
    listed = faults.tried(*_list(protocol, folder, frame, draw))
    if listed is not None and protocol.units.joined_with is not None:
        listed = faults.tried(("units", "joined_with", "file"), _joined(protocol, folder, listed))
    if listed is None:
        faults.raise_any()
        raise AssertionError("a list that could not be read left no fault")
    fixed, named = _fixed(protocol, listed, faults)
    faults.raise_any()
    pilots = tuple(pilot for pilot in fixed.values() if _stays_outside(protocol, pilot.group))
    rest = listed.where(lambda unit: unit.id not in {pilot.unit.id for pilot in pilots})
    eligible, left_out = _eligible(protocol, rest, faults)
    sized = faults.tried(("units", "size"), lambda: _sized(protocol, eligible)) or eligible
    units = faults.tried(("strata",), lambda: _blocked(protocol, sized))
    faults.raise_any()
    assert units is not None
    inside = {unit: pilot.unit.fixed for unit, pilot in fixed.items() if not _stays_outside(protocol, pilot.group)}
    placed = units.map(lambda unit: replace(unit, fixed=inside.get(unit.id)))
    return Population(units=placed, pilots=pilots, left_out=left_out, named=named, touching=listed.neighbours)


def unnamed(n: int) -> Population:
    """``n`` units without names, for asking what a design could do before anybody is listed."""
    width = max(2, len(str(n)))
    return Population(units=Units.of(f"enhed_{number:0{width}d}" for number in range(1, n + 1)))


def entry(protocol: Protocol, facts: dict[str, str]) -> LeftOut | None:
    """Why somebody who arrives does not enter the lottery; None for those who do.

    Those who must not wait are met first, whatever else is true of them.

    Raises
    ------
    ProtocolError
        A rule asks for something that is not known about them.
    """
    who = Unit(id=facts.get(protocol.units.id or "id", "-"), facts=facts)
    for aside in protocol.never_in_lottery:
        if rules.parse(aside.rule).accepts(facts):
            return LeftOut(unit=who, rule=aside.rule, goes_to=aside.goes_to)
    for rule in protocol.eligible:
        if not rules.parse(rule).accepts(facts):
            return LeftOut(unit=who, rule=rule)
    return None


def _list(
    protocol: Protocol, folder: Path, frame: str | None, draw: DrawKey | None
) -> tuple[Where, Callable[[], Units]]:
    """Where the draft says who the units are, and how they are read."""
    listed = protocol.units
    if listed.register_name is not None:
        name, chosen = listed.register_name, frame or listed.frame
        day = protocol.waves[0].start if protocol.waves else None
        return ("units", "frame" if listed.frame else "register"), lambda: register(name, frame=chosen, on=day)
    if frame is not None:
        raise UnitsError(
            f"The units come from a file, which has no frame {frame!r}. Leave the frame out.",
            {"frame": frame},
            da=f"Enhederne kommer fra en fil, og den har ingen ramme {frame!r}. Udelad rammen.",
            code="E_REGISTER",
        )
    return ("units", "file"), lambda: _from_file(protocol, folder, draw)


def _from_file(protocol: Protocol, folder: Path, draw: DrawKey | None) -> Units:
    listed = protocol.units
    if listed.file is None:
        raise UnitsError(
            "The draft says that a list is made and not where it is, so nobody can be drawn. Write file: under units.",
            da="Udkastet siger, at der er en liste, men ikke hvor, så ingen kan trækkes. Skriv file: under units.",
            code="E_FILE",
        )
    file = _inside(folder, listed.file.replace("{round}", draw.round if draw else ""))
    found = read_units(file, id=listed.id, name=listed.name, encoding=listed.encoding)
    if listed.where is not None:
        rule = rules.parse(listed.where)
        found = found.where(lambda unit: rule.accepts(unit.facts))
    if listed.neighbours not in (None, "register"):
        pairs = read_table(_inside(folder, str(listed.neighbours))).rows
        found = Units.of(found, [(row.cells[0], row.cells[1]) for row in pairs], found.areas)
    return found


def _joined(protocol: Protocol, folder: Path, units: Units) -> Callable[[], Units]:
    wanted = protocol.units.joined_with
    assert wanted is not None
    file, on, columns, encoding = wanted.file, wanted.on, wanted.columns, wanted.encoding
    return lambda: join(units, read_units(_inside(folder, file), id=on, encoding=encoding), on=on, columns=columns)


def _inside(folder: Path, name: str) -> Path:
    """The file ``name`` in the trial's folder, and nowhere else."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise UnitsError(
            f"The file {name!r} lies outside the trial's folder, so the folder would not hold what was promised. Put a "
            "copy in the folder.",
            {"file": name},
            da=f"Filen {name!r} ligger uden for forsøgets mappe, så mappen ikke ville rumme det, der er lovet. Læg en kopi i "
            "mappen.",
            code="E_FILE",
        )
    return path


def _stays_outside(protocol: Protocol, group: Fixed) -> bool:
    """A rollout's pilot that already has the new way is no part of its waves; others keep their place in the draw."""
    return group.arm is not None and bool(protocol.waves)


def _fixed(
    protocol: Protocol, units: Units, faults: _Faults
) -> tuple[dict[str, Pilot], tuple[tuple[str, tuple[str, ...]], ...]]:
    found: dict[str, Pilot] = {}
    named: list[tuple[str, tuple[str, ...]]] = []
    for place, group in enumerate(protocol.fixed):
        for number, written in enumerate(group.units):
            path: Where = ("fixed", place, "units", number)
            try:
                meant = units.find_all(written)
            except UnitsError as error:
                faults.add(path, error)
                continue
            named.append((written, tuple(unit.id for unit in meant)))
            for unit in meant:
                if unit.id in found:
                    faults.add(path, _twice_fixed(unit, written))
                label = group.arm or group.wave
                found[unit.id] = Pilot(unit=replace(unit, fixed=label), group=group, written=written)
    return found, tuple(named)


def _twice_fixed(unit: Unit, written: str) -> UnitsError:
    return UnitsError(
        f"{written!r} is {unit.id}, which is fixed already. Name it once.",
        {"unit": unit.id},
        da=f"{written!r} er {unit.id}, som allerede er fastlagt. Nævn den én gang.",
        code="E_DUPLICATE",
    )


def _eligible(protocol: Protocol, units: Units, faults: _Faults) -> tuple[Units, tuple[LeftOut, ...]]:
    left_out: dict[str, LeftOut] = {}
    for path, text, goes_to in _entry_rules(protocol):
        rule = rules.parse(text)
        for unit in units:
            if unit.id in left_out:
                continue
            try:
                accepted = rule.accepts(unit.facts)
            except ProtocolError as error:
                faults.add(path, error)
                break
            if accepted == bool(goes_to):
                left_out[unit.id] = LeftOut(unit=unit, rule=text, goes_to=goes_to)
    return units.where(lambda unit: unit.id not in left_out), tuple(left_out.values())


def _entry_rules(protocol: Protocol) -> Iterator[tuple[Where, str, str]]:
    for place, aside in enumerate(protocol.never_in_lottery):
        yield ("never_in_lottery", place, "rule"), aside.rule, aside.goes_to
    for place, rule in enumerate(protocol.eligible):
        yield ("eligible", place), rule, ""


def _blocked(protocol: Protocol, units: Units) -> Units:
    """The units with the stratum, pair and cluster their columns say."""
    block = protocol.strata.columns or ((protocol.matched,) if protocol.matched else ())
    for column in (*block, *([protocol.clusters] if protocol.clusters else ())):
        _check_column(units, column)
    _check_listed(protocol, units)

    def placed(unit: Unit) -> Unit:
        return replace(
            unit,
            block=" / ".join(unit.facts[column].strip() for column in block) if block else None,
            cluster=unit.facts[protocol.clusters].strip() if protocol.clusters else None,
        )

    return units.map(placed)


def _sized(protocol: Protocol, units: Units) -> Units:
    """The units with a number in the column that says how many people they have, however the list writes it.

    A column nobody has would otherwise make every unit equally large without a word, and the promised power another.
    """
    if (column := protocol.units.size) is None:
        return units
    people = dict(zip(units.ids, numbers(units, column), strict=True))
    return units.map(lambda unit: replace(unit, facts={**unit.facts, column: people[unit.id]}))


def _check_column(units: Units, column: str) -> None:
    for unit in units:
        if not unit.facts.get(column, "").strip():
            raise UnitsError(
                f"The unit {unit.id!r} has nothing in the column {column!r}, so nobody knows with whom it is drawn. The "
                f"columns are: {', '.join(unit.facts) or 'none'}. Fill it in, or correct the column's name.",
                {"unit": unit.id, "column": column},
                da=f"Enheden {unit.id!r} har intet i kolonnen {column!r}, så ingen ved, hvem den trækkes sammen med. "
                f"Kolonnerne er: {', '.join(unit.facts) or 'ingen'}. Udfyld den, eller ret kolonnens navn.",
                code="E_COLUMN",
            )


def _check_listed(protocol: Protocol, units: Units) -> None:
    for stratum in protocol.strata.by:
        unlisted: Sequence[Unit] = [
            unit for unit in units if stratum.values and unit.facts[stratum.column].strip() not in stratum.values
        ]
        if unlisted:
            raise UnitsError(
                f"The unit {unlisted[0].id!r} has {unlisted[0].facts[stratum.column]!r} in {stratum.column!r}; the draft "
                f"lists {', '.join(stratum.values)}. Correct the list of units, or the draft.",
                {"unit": unlisted[0].id, "column": stratum.column},
                da=f"Enheden {unlisted[0].id!r} har {unlisted[0].facts[stratum.column]!r} i {stratum.column!r}; udkastet "
                f"nævner {', '.join(stratum.values)}. Ret listen over enheder eller udkastet.",
                code="E_COLUMN",
            )
