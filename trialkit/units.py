"""Units: who can be drawn, in the one order every stage uses.

A unit's number on paper is its place here, from 1.  Row order, encoding and Unicode form of the file it came
from never matter: ids are NFC and ascend by their UTF-8 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Self, overload

from trialkit.canonical import nfc, skeleton, text_fault
from trialkit.errors import UnitsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit of a trial: a district, a municipality, a family code.

    ``block``, ``cluster``, ``tier``, ``fixed`` and ``x`` are what a draw reads; ``name``, ``spellings``,
    ``members`` and ``facts`` (every other column, as text) are for people, rules and analyses.
    """

    id: str
    name: str = ""
    block: str | None = None
    cluster: str | None = None
    tier: int | None = None
    fixed: str | None = None
    x: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Units(Sequence[Unit]):
    """Units in canonical order (ascending UTF-8 bytes of ``id``), with the pairs that touch.

    Parameters
    ----------
    members : units in canonical order; `Units.of` sorts and checks any iterable
    neighbours : pairs of ids that touch, each pair in canonical order

    Raises
    ------
    UnitsError
        Ids do not ascend strictly (``E_ORDER``), or a neighbour is not a unit.
    """

    members: tuple[Unit, ...]
    neighbours: frozenset[tuple[str, str]] = frozenset()

    def __post_init__(self) -> None:
        keys = [unit.id.encode() for unit in self.members]
        if any(a >= b for a, b in pairwise(keys)):
            raise UnitsError(
                "Units must stand in canonical order, each once, because the draw reads them by place. "
                "Make the list with Units.of, which sorts it.",
                da="Enhederne skal stå i kanonisk rækkefølge og kun én gang hver, for lodtrækningen læser dem "
                "efter plads. Dan listen med Units.of, som sorterer den.",
                code="E_ORDER",
            )
        known = set(self.ids)
        for pair in self.neighbours:
            if not known.issuperset(pair) or pair[0].encode() >= pair[1].encode():
                raise UnitsError(
                    f"The neighbours {pair} are not two units of the list in canonical order. "
                    "Give pairs of ids that are in the list.",
                    {"pair": pair},
                    da=f"Naboparret {pair} er ikke to enheder på listen i kanonisk rækkefølge. "
                    "Angiv par af id'er, der står på listen.",
                )

    @classmethod
    def of(cls, units: Iterable[Unit | str], neighbours: Iterable[tuple[str, str]] = ()) -> Self:
        """Units from any iterable (a plain string is an id): NFC, checked, sorted.

        Raises
        ------
        UnitsError
            A text that may not be published (``E_TEXT``), two equal ids (``E_DUPLICATE``) or two that look
            alike (``E_LOOKALIKE``).
        """
        listed = [Unit(id=unit) if isinstance(unit, str) else unit for unit in units]
        normal = sorted((_normal(unit) for unit in listed), key=lambda unit: unit.id.encode())
        check_names([unit.id for unit in normal], "units", "enheder")
        pairs = frozenset(_ordered(nfc(a), nfc(b)) for a, b in neighbours)
        return cls(tuple(normal), pairs)

    @property
    def ids(self) -> tuple[str, ...]:
        """All ids, in canonical order."""
        return tuple(unit.id for unit in self.members)

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Unit]:
        return iter(self.members)

    @overload
    def __getitem__(self, place: int) -> Unit: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Unit, ...]: ...
    def __getitem__(self, place: int | slice) -> Unit | tuple[Unit, ...]:
        return self.members[place]

    def where(self, keep: Callable[[Unit], bool]) -> Self:
        """The units that ``keep`` accepts, with the neighbours among them."""
        kept = tuple(unit for unit in self.members if keep(unit))
        ids = {unit.id for unit in kept}
        return replace(
            self, members=kept, neighbours=frozenset(pair for pair in self.neighbours if ids.issuperset(pair))
        )

    def map(self, change: Callable[[Unit], Unit]) -> Self:
        """Every unit changed by ``change``, which must leave the id as it is."""
        return replace(self, members=tuple(change(unit) for unit in self.members))


def check_names(names: Sequence[str], what: str, da: str) -> None:
    """Refuse a set of names that cannot be published together; ``what`` and ``da`` say what they name.

    Raises
    ------
    UnitsError
        ``E_TEXT``, ``E_DUPLICATE`` or ``E_LOOKALIKE``, in this order over the whole set.
    """
    for name in names:
        if why := text_fault(name):
            raise UnitsError(
                f"Among the {what}, {name!r} {why[0]}. Nobody could read it aloud or type it again. Correct it.",
                {"name": name},
                da=f"Blandt {da}: {name!r} kan ikke offentliggøres ({why[1]}). Ingen kunne læse det op eller skrive "
                "det igen. Ret det.",
                code="E_TEXT",
            )
    for key, code in ((str, "E_DUPLICATE"), (skeleton, "E_LOOKALIKE")):
        seen: dict[str, str] = {}
        for name in names:
            if key(name) in seen:
                raise _twice(seen[key(name)], name, what, da, code)
            seen[key(name)] = name


def _twice(first: str, second: str, what: str, da: str, code: str) -> UnitsError:
    return UnitsError(
        f"Among the {what}, {first!r} and {second!r} cannot be told apart, so one could be drawn twice. "
        "Keep one, or rename it.",
        {"names": [first, second]},
        da=f"Blandt {da}: {first!r} og {second!r} kan ikke kendes fra hinanden, så én kunne trækkes to gange. "
        "Behold én, eller omdøb den.",
        code=code,
    )


def _normal(unit: Unit) -> Unit:
    """The unit with every text a draw publishes in NFC."""
    return replace(
        unit,
        id=nfc(unit.id),
        name=nfc(unit.name),
        block=None if unit.block is None else nfc(unit.block),
        cluster=None if unit.cluster is None else nfc(unit.cluster),
        fixed=None if unit.fixed is None else nfc(unit.fixed),
    )


def _ordered(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a.encode() < b.encode() else (b, a)
