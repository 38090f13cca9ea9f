"""What makes a design impossible to draw, in the specification's order (section 10 step 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trialkit.design.constraint import check_covariates
from trialkit.design.parts import arrangements
from trialkit.errors import DesignError

if TYPE_CHECKING:
    from trialkit.design.parts_design import PartsDesign

LARGEST_RANK: Final = 10**18
MOST_TRIED: Final = 100_000_000  # attempts times free items


def check_design(design: PartsDesign) -> None:
    """Everything, each name over the whole design before the next.

    Raises
    ------
    DesignError
        ``E_CLUSTER_SPLIT``, ``E_DESIGN``, ``E_PLACES`` or ``E_COVARIATES``.
    """
    _check_members(design)
    if design.level == "cluster":
        _check_clusters(design)
    _check_fixed(design)
    _check_attempts(design)
    design.rules.check(design)
    if design.method == "rank" and design.rules.sized == "weight" and design.warnings:
        raise _leftover_by_rank()
    _ = design.parts
    if design.constraint:
        check_covariates(design.constraint, [unit.x for unit in design.units], design.units.ids)


def check_rank_size(design: PartsDesign) -> None:
    """The allocations can be numbered on paper.

    Raises
    ------
    DesignError
        ``E_RANK_SIZE``.
    """
    total = 1
    for part in design.parts:
        total *= arrangements(part.counts, LARGEST_RANK)
        if total > LARGEST_RANK:
            raise DesignError(
                "The design has more than 10^18 allocations, and a number that long cannot be drawn or looked up on "
                "paper. Use the method shuffle.",
                da="Designet har flere end 10^18 mulige tildelinger, og så langt et tal kan hverken trækkes eller slås "
                "op på papir. Brug metoden shuffle.",
                code="E_RANK_SIZE",
            )


def _check_members(design: PartsDesign) -> None:
    """The members the schema demands, for designs that do not come from a protocol."""
    kind = design.rules
    _check_labels(design)
    if not len(design.units):
        raise _undrawable("There are no units, so there is nothing to draw. List them.",
                       "Der er ingen enheder, så der er intet at trække lod om. Angiv dem.")  # fmt: skip
    needed = {"block": kind.block, "tier": kind.tier, "cluster": design.level == "cluster"}
    for unit in design.units:
        for member, wanted in needed.items():
            if wanted and getattr(unit, member) is None:
                raise _undrawable(
                    f"Unit {unit.id!r} has no {member}, and a {kind.name} design at level {design.level} needs it of "
                    "everyone. Give it one.",
                    f"Enheden {unit.id!r} mangler {member}, og et {kind.name}-design på niveau {design.level} kræver "
                    "det af alle. Angiv det.",
                )
        if unit.fixed is not None and not kind.fixed:
            raise _undrawable(
                f"Unit {unit.id!r} is fixed to {unit.fixed!r}, and a {kind.name} design has no fixed units. Leave it "
                "out of the list, or choose another design.",
                f"Enheden {unit.id!r} er på forhånd placeret i {unit.fixed!r}, men et {kind.name}-design har ingen "
                "faste enheder. Tag den af listen, eller vælg et andet design.",
            )


def _check_labels(design: PartsDesign) -> None:
    kind = design.rules
    wrong = [
        label.name
        for label in design.labels
        if (label.weight is None) == (kind.sized == "weight") or (label.places is None) == (kind.sized == "places")
    ]
    if wrong or not kind.fewest_labels <= len(design.labels) <= 1000:
        raise _undrawable(
            f"A {kind.name} design needs {kind.fewest_labels} to 1000 labels with "
            f"{kind.sized or 'a name only'}; it has {len(design.labels)}. Correct the labels.",
            f"Et {kind.name}-design skal have {kind.fewest_labels} til 1000 navne med {kind.sized or 'kun navn'}; her "
            f"er der {len(design.labels)}. Ret dem.",
        )
    if design.constraint and not kind.constraint:
        raise _undrawable(
            f"A {kind.name} design takes no constraint. Leave it out.",
            f"Et {kind.name}-design kan ikke have et balancekrav. Udelad det.",
        )


def _check_clusters(design: PartsDesign) -> None:
    kind = design.rules
    for unit, place in zip(design.units, design.places_of_units, strict=True):
        speaker = design.speakers[place]
        read = {
            "block": kind.block and unit.block != speaker.block,
            "tier": kind.tier and unit.tier != speaker.tier,
            "fixed": kind.fixed and unit.fixed != speaker.fixed,
        }
        if split := [member for member, differs in read.items() if differs]:
            raise DesignError(
                f"Units {speaker.id!r} and {unit.id!r} are in cluster {unit.cluster!r} and differ in {split[0]}, so "
                "one lot cannot fall on both. Make them agree, or split the cluster.",
                {"cluster": unit.cluster, "units": [speaker.id, unit.id], "member": split[0]},
                da=f"Enhederne {speaker.id!r} og {unit.id!r} er i klyngen {unit.cluster!r}, men har ikke samme "
                f"{split[0]}, så ét lod kan ikke gælde begge. Ret det, eller del klyngen.",
                code="E_CLUSTER_SPLIT",
            )


def _check_fixed(design: PartsDesign) -> None:
    names = {label.name for label in design.labels}
    for unit in design.units:
        if unit.fixed is not None and unit.fixed not in names:
            raise _undrawable(
                f"Unit {unit.id!r} is fixed to {unit.fixed!r}, which is no label of the design. Correct the name.",
                f"Enheden {unit.id!r} er placeret i {unit.fixed!r}, som ikke findes i designet. Ret navnet.",
            )
    if not design.free:
        raise _undrawable(
            "Every unit is fixed, so there is nothing to draw. Free at least one.",
            "Alle enheder er placeret på forhånd, så der er intet at trække lod om. Frigør mindst én.",
        )


def _check_attempts(design: PartsDesign) -> None:
    if design.attempts * len(design.free) > MOST_TRIED and design.constraint:
        raise _undrawable(
            f"{design.attempts} attempts over {len(design.free)} items are more than {MOST_TRIED}, and a draw must end "
            f"while people wait. Lower max_attempts to {MOST_TRIED // len(design.free)}.",
            f"{design.attempts} forsøg over {len(design.free)} er mere end {MOST_TRIED}, og en lodtrækning skal blive "
            f"færdig, mens folk venter. Sæt max_attempts ned til {MOST_TRIED // len(design.free)}.",
        )


def _leftover_by_rank() -> DesignError:
    return _undrawable(
        "Method rank numbers allocations that are all equally likely, and a leftover makes them differ. Choose sizes "
        "that are multiples of the sum of the weights, or the method shuffle.",
        "Metoden rank nummererer tildelinger, der alle er lige sandsynlige, men en rest gør dem forskellige. Vælg "
        "antal, som vægtenes sum går op i, eller metoden shuffle.",
    )


def _undrawable(message: str, da: str) -> DesignError:
    return DesignError(message, da=da, code="E_DESIGN")
