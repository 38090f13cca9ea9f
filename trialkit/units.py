"""Units: who can be drawn, in the one order every stage uses.

A unit's number on paper is its place here, from 1.  Row order, encoding and Unicode form of the file it came
from never matter: ids are NFC and ascend by their UTF-8 bytes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from itertools import pairwise
from typing import Final, Self, overload

from trialkit.canonical import nfc, skeleton, text_fault
from trialkit.errors import UnitsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit of a trial: a district, a municipality, a family code.

    ``block``, ``cluster``, ``tier``, ``fixed`` and ``x`` are what a draw reads; ``name``, ``spellings``,
    ``members`` (the areas it is made of) and ``facts`` (every column of its file, as text) are for people, rules
    and analyses.
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
    areas : other areas people may name.  An area whose ``members`` are units of the list stands for all of them; an
        area that is among the ``members`` of a unit is a part of it, or the same place if it is the only one.

    Raises
    ------
    UnitsError
        Ids do not ascend strictly (``E_ORDER``), or a neighbour is not a unit.
    """

    members: tuple[Unit, ...]
    neighbours: frozenset[tuple[str, str]] = frozenset()
    areas: tuple[Unit, ...] = ()

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
    def of(
        cls,
        units: Iterable[Unit | str],
        neighbours: Iterable[tuple[str, str]] = (),
        areas: Iterable[Unit] = (),
    ) -> Self:
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
        return cls(tuple(normal), pairs, tuple(_normal(area) for area in areas))

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

    def find(self, text: str) -> Unit:
        """The one unit that people call ``text``: its id, its name or a known spelling, compared by `plain`.

        Nothing is guessed: near names are told, never used.

        Raises
        ------
        UnitsError
            Nothing is called so (``E_UNIT_UNKNOWN``), more than one unit is (``E_UNIT_AMBIGUOUS``), or it is only a
            part of a unit (``E_UNIT_PART``, with the unit in ``facts["unit"]``).
        """
        found = self.find_all(text)
        if len(found) > 1:
            raise _ambiguous(text, found)
        return found[0]

    def find_all(self, text: str) -> tuple[Unit, ...]:
        """The unit that people call ``text``, or all units a merged area of that name stands for.

        Raises
        ------
        UnitsError
            As `find`; ``E_UNIT_PART`` also when the list holds only some of the merged area's members.
        """
        named = self._called.get(nfc(text)) or self._called.get(plain(text), ())
        if len(named) > 1:
            raise _ambiguous(text, named)
        if named:
            return named
        meanings = {self._meaning(area, text) for area in self.areas if plain(text) in _keys(area)}
        if not meanings:
            raise self._unknown(text)
        if len(meanings) > 1:
            raise _ambiguous(text, [self._at[id] for id in sorted(set().union(*meanings))])
        return tuple(self._at[id] for id in meanings.pop())

    @cached_property
    def _at(self) -> dict[str, Unit]:
        return {unit.id: unit for unit in self.members}

    @cached_property
    def _called(self) -> dict[str, tuple[Unit, ...]]:
        """Units by what they are called; an id as it stands comes before anybody's name."""
        called: dict[str, list[Unit]] = defaultdict(list)
        for unit in self.members:
            for key in _keys(unit):
                called[key].append(unit)
        return {key: tuple(units) for key, units in called.items()} | {id: (unit,) for id, unit in self._at.items()}

    def _meaning(self, area: Unit, text: str) -> tuple[str, ...]:
        """Ids of the units that ``area`` stands for."""
        inside = [id for id in area.members if id in self._at]
        if inside and len(inside) == len(area.members):
            return tuple(inside)
        for unit in self.members:
            if unit.members == (area.id,):
                return (unit.id,)
            if area.id in unit.members:
                raise _part(text, unit)
        raise self._unknown(text) if not inside else _incomplete(text, area, inside)

    def _unknown(self, text: str) -> UnitsError:
        names = {plain(name): name for unit in (*self.members, *self.areas) for name in _names(unit)}
        few = len(names) <= MOST_SUGGESTED_AMONG
        near = [names[key] for key in get_close_matches(plain(text), names, n=3)] if few else []
        hint = f"Near it: {', '.join(near)}. " if near else ""
        tip = f"Det ligner: {', '.join(near)}. " if near else ""
        return UnitsError(
            f"No unit is called {_shown(text)}, and trialkit does not guess: a guess could move a place in the draw. "
            f"{hint}Write the unit's id or its name as it stands in the list.",
            {"text": _shown(text), "suggestions": near},
            da=f"Ingen enhed hedder {_shown(text)}, og trialkit gætter ikke: et gæt kunne flytte en plads i "
            f"lodtrækningen. {tip}Skriv enhedens id eller navn, som det står på listen.",
            code="E_UNIT_UNKNOWN",
        )


MOST_SUGGESTED_AMONG: Final = 5000  # comparing letters with more names than this takes seconds
_HYPHENS: Final = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"))
_AROUND: Final = re.compile(r" ?([/.-]) ?")


def plain(text: str) -> str:
    """How names are compared: NFC, lower case, single spaces, none around ``/``, ``.`` and ``-``, one hyphen.

    >>> plain("Vesterbro / Kgs . Enghave") == plain("vesterbro/Kgs.  enghave")
    True
    """
    seen = "".join(letter for letter in text if text.isascii() or unicodedata.category(letter) != "Cf")
    words = " ".join(seen.lower().translate(_HYPHENS).split())
    return nfc(_AROUND.sub(r"\1", words))


def _names(unit: Unit) -> tuple[str, ...]:
    return tuple(name for name in (unit.id, unit.name, *unit.spellings) if name)


def _keys(unit: Unit) -> set[str]:
    return {plain(name) for name in _names(unit)}


def _shown(text: str) -> str:
    """The text in quotes; long numbers are masked, for a person's number may have landed in the wrong field."""
    return repr(re.sub(r"\d", "#", text) if sum(letter.isdigit() for letter in text) >= 9 else text)


def _ambiguous(text: str, found: Sequence[Unit]) -> UnitsError:
    listed = ", ".join(f"{unit.id} ({unit.name})" if unit.name else unit.id for unit in found)
    return UnitsError(
        f"{_shown(text)} means {len(found)} units: {listed}. One of them would get what was meant for another. "
        "Write the id of the one you mean, or list them all.",
        {"text": _shown(text), "units": [unit.id for unit in found]},
        da=f"{_shown(text)} betyder {len(found)} enheder: {listed}. Én af dem ville få det, der var tiltænkt en "
        "anden. Skriv id på den, du mener, eller skriv dem alle.",
        code="E_UNIT_AMBIGUOUS",
    )


def _part(text: str, unit: Unit) -> UnitsError:
    name = unit.name or unit.id
    return UnitsError(
        f"{_shown(text)} is only a part of the unit {name}, and units are drawn whole. Write {name} if the whole "
        "unit is meant.",
        {"text": _shown(text), "unit": unit.id},
        da=f"{_shown(text)} er kun en del af enheden {name}, og enheder trækkes hele. Skriv {name}, hvis hele "
        "enheden menes.",
        code="E_UNIT_PART",
    )


def _incomplete(text: str, area: Unit, inside: Sequence[str]) -> UnitsError:
    gone = ", ".join(id for id in area.members if id not in inside)
    return UnitsError(
        f"{_shown(text)} stands for {', '.join(area.members)}, and {gone} is not on this list, so the name says more "
        f"than the list holds. Write {', '.join(inside)} if only that is meant.",
        {"text": _shown(text), "units": list(inside), "missing": gone},
        da=f"{_shown(text)} står for {', '.join(area.members)}, men {gone} er ikke på listen, så navnet siger mere, "
        f"end listen rummer. Skriv {', '.join(inside)}, hvis kun det menes.",
        code="E_UNIT_PART",
    )


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
        spellings=tuple(nfc(spelling) for spelling in unit.spellings),
        members=tuple(nfc(member) for member in unit.members),
    )


def _ordered(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a.encode() < b.encode() else (b, a)
