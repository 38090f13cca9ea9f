"""The designs that are drawn at one time: everything but the sequence.

One frozen object holds what the draw protocol commits; its parts come from the kind's own module, and from the parts
follow the draw (here), and what could have been drawn (`allocations`).  Specification sections 6 and 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Final, Literal

from trialkit.canonical import decimal_units
from trialkit.design.assignment import Assignment
from trialkit.design.blocked import BLOCKED, BLOCKED_WEDGE
from trialkit.design.checks import check_design, check_rank_size
from trialkit.design.complete import COMPLETE
from trialkit.design.constraint import Constraint, Rule
from trialkit.design.kind import Kind
from trialkit.design.labels import Label, Quota
from trialkit.design.lottery import LOTTERY, OFFERS
from trialkit.design.matched import MATCHED
from trialkit.design.parts import Part, arrangements, dealt, shuffle, unrank
from trialkit.design.rollout import ROLLOUT, STEPPED_WEDGE, WAITING
from trialkit.errors import DesignError
from trialkit.units import Unit, Units

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trialkit.design.base import Allocations, Chance, Codes, Count, Shares

KINDS: Final = {
    kind.name: kind for kind in (COMPLETE, BLOCKED, MATCHED, STEPPED_WEDGE, ROLLOUT, BLOCKED_WEDGE, LOTTERY)
}


@dataclass(frozen=True, kw_only=True)
class PartsDesign:
    """One design drawn at one time; satisfies `trialkit.design.base.Design`.

    Parameters
    ----------
    kind : a name in `KINDS`
    units : who is drawn, with the block, cluster, tier, fixed label and covariates the kind reads
    labels : in the protocol's order; empty for a lottery
    level : ``cluster`` draws distinct clusters
    method : ``rank`` draws the number of the allocation, for draws on paper
    quotas : blocked wedge only, ascending by block
    places : lottery only
    constraint : what an allocation must meet to be accepted

    Raises
    ------
    DesignError
        In the order of specification section 10 step 9: ``E_CLUSTER_SPLIT``, ``E_DESIGN``, ``E_PLACES``,
        ``E_COVARIATES``, ``E_RANK_SIZE``.
    """

    kind: str
    units: Units
    labels: tuple[Label, ...] = ()
    level: Literal["unit", "cluster"] = "unit"
    method: Literal["shuffle", "rank"] = "shuffle"
    quotas: tuple[Quota, ...] = ()
    places: int = 0
    constraint: Constraint | None = None

    def __post_init__(self) -> None:
        check_design(self)
        _ = self.parts, self.rule
        if self.method == "rank":
            check_rank_size(self)

    @property
    def rules(self) -> Kind:
        """What this kind of design demands and allows."""
        if self.kind not in KINDS:
            raise DesignError(
                f"There is no design called {self.kind!r}, and guessing which one was meant would draw another lot. "
                f"Use one of {', '.join(KINDS)} or sequential.",
                {"kind": self.kind},
                da=f"Der er intet design, der hedder {self.kind!r}, og at gætte ville give en anden lodtrækning. "
                f"Brug ét af {', '.join(KINDS)} eller sequential.",
            )
        return KINDS[self.kind]

    @cached_property
    def items(self) -> tuple[str, ...]:
        """What is drawn, in canonical order: unit ids, or the distinct clusters."""
        if self.level == "unit":
            return self.units.ids
        return tuple(sorted({unit.cluster or "" for unit in self.units}, key=str.encode))

    @cached_property
    def places_of_units(self) -> Sequence[int]:
        """(n_units,) the place in `items` of each unit."""
        if self.level == "unit":
            return range(len(self.units))
        at = {name: place for place, name in enumerate(self.items)}
        return [at[unit.cluster or ""] for unit in self.units]

    @cached_property
    def item_of_unit(self) -> NDArray[np.intp]:
        """The same as an array."""
        import numpy as np

        return np.asarray(self.places_of_units, dtype=np.intp)

    @cached_property
    def speakers(self) -> tuple[Unit, ...]:
        """(n_items,) one unit of each item: what an item has, every unit of it has."""
        found: list[Unit | None] = [None] * len(self.items)
        for unit, place in zip(self.units, self.places_of_units, strict=True):
            found[place] = found[place] or unit
        return tuple(unit for unit in found if unit)

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The labels an item can get, in order."""
        if self.kind == LOTTERY.name:
            return OFFERS
        names = tuple(label.name for label in self.labels)
        return (*names, WAITING) if self.kind == ROLLOUT.name else names

    @cached_property
    def weights(self) -> tuple[int, ...]:
        """The labels' weights; empty where they have none."""
        return tuple(label.weight for label in self.labels if label.weight is not None)

    @cached_property
    def places_by_label(self) -> tuple[int, ...]:
        """The labels' places; empty where they have none."""
        return tuple(label.places for label in self.labels if label.places is not None)

    @cached_property
    def fixed(self) -> tuple[int | None, ...]:
        """(n_items,) the label code an item is fixed to, or None."""
        code = {label.name: place for place, label in enumerate(self.labels)}
        return tuple(None if unit.fixed is None else code[unit.fixed] for unit in self.speakers)

    @cached_property
    def free(self) -> tuple[int, ...]:
        """Places in `items` of those that are drawn."""
        return tuple(place for place, label in enumerate(self.fixed) if label is None)

    @cached_property
    def blocks(self) -> dict[str, list[int]]:
        """Items per block, blocks in canonical order."""
        found: dict[str, list[int]] = {}
        for place, unit in enumerate(self.speakers):
            found.setdefault(unit.block or "", []).append(place)
        return {block: found[block] for block in sorted(found, key=str.encode)}

    @cached_property
    def tiers(self) -> dict[int, list[int]]:
        """Items per tier, tiers ascending."""
        found: dict[int, list[int]] = {}
        for place, unit in enumerate(self.speakers):
            found.setdefault(unit.tier or 0, []).append(place)
        return {tier: found[tier] for tier in sorted(found)}

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The urns, in the specification's order (section 6.1)."""
        return self.rules.parts(self)

    @property
    def warnings(self) -> tuple[str, ...]:
        """``W_LEFTOVER``, if a part's size is not a multiple of its weights."""
        return ("W_LEFTOVER",) if any(part.leftover for part in self.parts) else ()

    @cached_property
    def x(self) -> tuple[tuple[int, ...], ...]:
        """(n_free, q) covariates of the free items, scaled by 10^9; a cluster's are its units' sums."""
        q = len(self.constraint.covariates) if self.constraint else 0
        sums = [[0] * q for _ in self.items]
        for unit, place in zip(self.units, self.places_of_units, strict=True):
            for k, value in enumerate(unit.x[:q]):
                sums[place][k] += decimal_units(value)
        return tuple(tuple(sums[place]) for place in self.free)

    @cached_property
    def rule(self) -> Rule | None:
        """The constraint with the free items' covariates in hand."""
        return self.constraint.rule(self.x) if self.constraint else None

    @cached_property
    def total(self) -> int:
        """How many arrangements the parts have together; a lottery's are orders.  Without a leftover only."""
        return prod(arrangements(part.counts) for part in self.parts)

    def assign(self, chance: Chance) -> Assignment:
        """One allocation, by the rule of the public draw (specification sections 6.2, 6.3 and 7).

        Raises
        ------
        DesignError
            ``E_NO_ACCEPT``: no attempt met the constraint.
        """
        rank = self.method == "rank"
        for attempt, (lots, number) in enumerate(self._ranked(chance) if rank else self._shuffled(chance)):
            if self.rule is None or self.rule.accepts([lots[item] for item in self.free], len(self.labels)):
                return self._assignment(lots, attempt, number)
        raise _none_accepted(self.attempts)

    @property
    def attempts(self) -> int:
        """How often the draw is tried before it gives up."""
        return self.constraint.max_attempts if self.constraint else 1

    def _shuffled(self, chance: Chance) -> Iterator[tuple[list[int], str]]:
        """Each attempt's label per item; in a lottery its place within its tier's order of lots."""
        for attempt in range(self.attempts):
            lots = [code or 0 for code in self.fixed]
            for part in self.parts:
                counts = part.drawn_counts(chance, attempt)
                order = shuffle(part.items, chance.stream("shuffle", part.kind, part.name, attempt))
                for item, label in zip(order, dealt(counts), strict=True):
                    lots[item] = label
            yield lots, ""

    def _ranked(self, chance: Chance) -> Iterator[tuple[list[int], str]]:
        """The same by numbers of allocations; the first part is the most significant digit."""
        stream = chance.stream("rank", "all", "", 0)
        for _ in range(self.attempts):
            number = rest = stream.below(self.total)
            lots = [code or 0 for code in self.fixed]
            for part in reversed(self.parts):
                rest, rank = divmod(rest, arrangements(part.counts))
                for item, label in zip(part.items, unrank(part.counts, rank), strict=True):
                    lots[item] = label
            yield lots, str(number)

    def _assignment(self, lots: list[int], attempt: int, rank: str) -> Assignment:
        """The label of each unit from the lot of each item."""
        if self.kind != LOTTERY.name:
            names = self.label_names
            labels = tuple(names[lots[item]] for item in self.places_of_units)
            return Assignment(units=self.units, labels=labels, attempt=attempt, rank=rank)
        before = 0
        for part in self.parts:
            for item in part.items:
                lots[item] += before + 1
            before += len(part.items)
        positions = tuple(lots[item] for item in self.places_of_units)
        labels = tuple(OFFERS[position > self.places] for position in positions)
        return Assignment(units=self.units, labels=labels, positions=positions, attempt=attempt, rank=rank)

    def count(self, *, rng: np.random.Generator | None = None) -> Count:
        """How many allocations there are, before and after the constraint."""
        from trialkit.design import allocations

        return allocations.count(self, rng=rng)

    def probabilities(self, *, rng: np.random.Generator | None = None) -> Shares:
        """(n_items, n_labels): the probability that each item gets each label."""
        from trialkit.design import allocations

        return allocations.probabilities(self, rng=rng)

    def joint_probabilities(self, a: int, b: int, *, rng: np.random.Generator | None = None) -> Shares:
        """(n_items, n_items): the probability that item i gets label code ``a`` and item j gets ``b``."""
        from trialkit.design import allocations

        return allocations.joint_probabilities(self, a, b, rng=rng)

    def enumerate(self, chunk: int = 65536) -> Iterator[Allocations]:
        """Every allocation once, in chunks of at most ``chunk`` rows."""
        from trialkit.design import allocations

        return allocations.enumerate(self, chunk)

    def sample(self, n: int, rng: np.random.Generator) -> Codes:
        """``n`` independent allocations, (n, n_items), from the same distribution as `assign`."""
        from trialkit.design import allocations

        return allocations.sample(self, n, rng)


def _none_accepted(attempts: int) -> DesignError:
    return DesignError(
        f"None of the {attempts} attempts met the constraint, so there is no allocation. The protocol is committed and "
        "cannot be softened now; the trial needs a new draw_id, and a constraint tried by simulation beforehand.",
        {"attempts": attempts},
        da=f"Ingen af de {attempts} forsøg opfyldte balancekravet, så der er ingen tildeling. Protokollen er låst og "
        "kan ikke lempes nu; lodtrækningen må have et nyt draw_id og et krav, der er afprøvet på forhånd.",
        code="E_NO_ACCEPT",
    )
