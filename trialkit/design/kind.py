"""What the designs drawn at one time differ in: a table that the schema, the designs and the drafts all read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from trialkit.design.parts import Part
from trialkit.errors import DesignError

if TYPE_CHECKING:
    from trialkit.design.parts_design import PartsDesign


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of design (specification sections 4.1, 4.2 and 6.1).

    ``sized`` is what its labels carry besides a name; ``block`` and ``tier`` are demanded of every unit, ``fixed``
    and ``constraint`` are allowed.  ``check`` raises what is wrong with the design but not with its places;
    ``parts`` raises ``E_PLACES``.
    """

    name: str
    parts: Callable[[PartsDesign], tuple[Part, ...]]
    check: Callable[[PartsDesign], None] = lambda design: None
    sized: Literal["weight", "places", ""] = "weight"
    fewest_labels: int = 2
    block: bool = False
    tier: bool = False
    fixed: bool = True
    constraint: bool = True


def part_of_places(design: PartsDesign, name: str, places: tuple[int, ...], items: list[int]) -> Part:
    """The part of ``items`` (fixed ones among them) whose places must be filled exactly; ``name`` "" is all items.

    Raises
    ------
    DesignError
        ``E_PLACES``: more items are fixed to a label than it has places, or the places left do not fit the items.
    """
    free = tuple(item for item in items if design.fixed[item] is None)
    counts = places_left(design, name, places, items)
    if sum(counts) != len(free):
        raise _unfilled(name, sum(counts), len(free))
    return Part(kind="block" if name else "all", name=name, items=free, counts=counts)


def places_left(design: PartsDesign, name: str, places: tuple[int, ...], items: list[int]) -> tuple[int, ...]:
    """Places per label less those that fixed items occupy."""
    left = list(places)
    for item in items:
        if (label := design.fixed[item]) is not None:
            left[label] -= 1
    for label, count in enumerate(left):
        if count < 0:
            raise _overfull(name, design.labels[label].name, places[label], places[label] - count)
    return tuple(left)


def _overfull(block: str, label: str, places: int, fixed: int) -> DesignError:
    en, da = (f" of block {block!r}", f" i blok {block!r}") if block else ("", "")
    return DesignError(
        f"{label!r}{en} has {places} places, and {fixed} are fixed to it. Someone promised a place would lose it, so "
        f"nothing was drawn. Raise the places to {fixed}, or free some of them.",
        {"block": block, "label": label, "places": places, "fixed": fixed},
        da=f"{label!r}{da} har {places} pladser, men {fixed} er placeret der på forhånd. Nogen, der er lovet en plads, "
        f"ville miste den, så der er ikke trukket lod. Sæt pladserne op til {fixed}, eller frigør nogle af dem.",
        code="E_PLACES",
    )


def _unfilled(block: str, places: int, items: int) -> DesignError:
    en, da = (f"Block {block!r}", f"Blok {block!r}") if block else ("The design", "Designet")
    return DesignError(
        f"{en} has {places} places left for {items} to be drawn. Every place must be filled and everybody must get "
        "one, or someone would be left out without a lot. Change the places so that the numbers agree.",
        {"block": block, "places": places, "items": items},
        da=f"{da} har {places} ledige pladser til {items}, der skal trækkes lod om. Alle pladser skal fyldes, og alle "
        "skal have én, ellers blev nogen udeladt uden lodtrækning. Ret pladserne, så tallene passer.",
        code="E_PLACES",
    )
