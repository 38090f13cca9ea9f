"""The first screen: what a design can and cannot see, before anyone draws."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from trialkit.design.urns import shown_parts
from trialkit.errors import DesignError
from trialkit.power.neighbourhood import Neighbourhood, neighbourhood
from trialkit.power.possible import Possible, possible
from trialkit.power.smallest import SmallestP, View, smallest_p

if TYPE_CHECKING:
    from trialkit.design.base import Codes, Count
    from trialkit.design.parts_design import PartsDesign

Floats = NDArray[np.float64]
Twos = tuple[tuple[str, str], ...]

MOST_PAIRED: Final = 400  # items; above it pairs are not gone through


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The least, the middle (median) and the largest value over the allocations."""

    least: float
    middle: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """How far apart the labels' means of one covariate can fall: the largest mean minus the smallest.

    ``before`` is over all allocations with the right numbers, ``after`` over those that meet the constraint; without
    a constraint they are equal.  ``mean`` is of all drawn items.
    """

    variable: str
    mean: float
    before: Range
    after: Range
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs of drawn items that can never, or must always, share a label.

    ``never`` and ``always`` come from the constraint; those ``by_design`` follow from the numbers alone (the two of
    a matched pair; one place per wave).  With ``exact`` false they were only never, or always, seen in a sample.
    """

    never: Twos = ()
    always: Twos = ()
    never_by_design: Twos = ()
    always_by_design: Twos = ()
    exact: bool = True


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Feasibility:
    """What one design can and cannot see.

    Parameters
    ----------
    drawn, fixed : items that are drawn; items fixed beforehand with their label
    labels, places : the labels, and the fewest and most drawn items each can get
    count : allocations before and after the constraint
    smallest_p : the smallest attainable p-values
    probabilities : (n_drawn, n_labels) with their largest Monte Carlo error
    possible : the allocations looked at, for whoever computes more
    """

    kind: str
    drawn: tuple[str, ...]
    fixed: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]
    places: tuple[tuple[int, int], ...]
    count: Count
    smallest_p: SmallestP
    probabilities: Floats
    probability_error: float
    pairs: Pairs
    balance: tuple[Balance, ...]
    neighbourhood: Neighbourhood | None
    possible: Possible

    @property
    def equal_chances(self) -> bool:
        """Whether every drawn item has the same probability of every label."""
        return bool(np.ptp(self.probabilities, axis=0).max(initial=0.0) <= max(1e-9, 4 * self.probability_error))


def feasibility(
    design: PartsDesign,
    view: View,
    *,
    rng: np.random.Generator,
    covariates: Mapping[str, Mapping[str, float]] | None = None,
    neighbours: Iterable[tuple[str, str]] | None = None,
    pilots: Collection[str] = (),
) -> Feasibility:
    """What ``design`` can and cannot see through ``view``.

    Parameters
    ----------
    design : PartsDesign
        A design drawn at one time; a sequence has no allocations to count before people come.
    view : View
        What the registered statistic can tell apart.
    rng : numpy Generator
        Used only where the allocations are too many to list.
    covariates : name -> item -> value
        Sizes and the like; items without a value leave the covariate out of `balance`.
    neighbours : pairs of ids of units, drawn ones and pilots alike
    pilots : ids that have started beforehand

    Raises
    ------
    DesignError
        ``E_NO_ACCEPT``: no allocation meets the constraint.
    """
    count = design.count(rng=rng)
    if not count.accepted:
        raise _nothing_passes(count)
    listed = possible(design, total=count.total, rng=rng)
    values, error = _probabilities(design, rng)
    free = [design.items[place] for place in design.free]
    return Feasibility(
        kind=design.kind,
        drawn=tuple(free),
        fixed=tuple(
            (item, design.label_names[code])
            for item, code in zip(design.items, design.fixed, strict=True)
            if code is not None
        ),
        labels=design.label_names,
        places=_places(design),
        count=count,
        smallest_p=smallest_p(design, view, count=count, possible=listed),
        probabilities=values,
        probability_error=error,
        pairs=_pairs(design, listed),
        balance=_balance(design, listed, covariates or {}, rng),
        neighbourhood=None if neighbours is None else neighbourhood(design, listed, set(neighbours), frozenset(pilots)),
        possible=listed,
    )


def _places(design: PartsDesign) -> tuple[tuple[int, int], ...]:
    """The fewest and most drawn items per label."""
    fewest, most = np.zeros(len(design.label_names), int), np.zeros(len(design.label_names), int)
    for part in shown_parts(design):
        counts = np.array([counts for _, counts in part.profiles()])
        fewest, most = fewest + counts.min(axis=0), most + counts.max(axis=0)
    return tuple((int(low), int(high)) for low, high in zip(fewest, most, strict=True))


def _probabilities(design: PartsDesign, rng: np.random.Generator) -> tuple[Floats, float]:
    """(n_drawn, n_labels) and the largest standard error."""
    free = list(design.free)
    shares = design.probabilities(rng=rng)
    return shares.values[free], float(shares.mc_error[free].max(initial=0.0))


def _pairs(design: PartsDesign, listed: Possible) -> Pairs:
    """Who can never, and who must always, share a label."""
    if len(design.free) > MOST_PAIRED:
        return Pairs(exact=False)
    never, always = _pairs_by_design(design)
    if design.constraint is None:
        return Pairs(never_by_design=_named(design, never), always_by_design=_named(design, always))
    codes = listed.codes
    found_never: set[tuple[int, int]] = set()
    found_always: set[tuple[int, int]] = set()
    for i, j in combinations(design.free, 2):
        same = codes[:, i] == codes[:, j]
        if not same.any():
            found_never.add((i, j))
        elif same.all():
            found_always.add((i, j))
    return Pairs(
        never=_named(design, found_never - never),
        always=_named(design, found_always - always),
        never_by_design=_named(design, never),
        always_by_design=_named(design, always),
        exact=listed.exact,
    )


def _pairs_by_design(design: PartsDesign) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """From the numbers alone: pairs that cannot share a label, and pairs that cannot differ."""
    never, always = set(), set()
    most = [np.array([counts for _, counts in part.profiles()]).max(axis=0) for part in shown_parts(design)]
    part_of = {item: k for k, part in enumerate(shown_parts(design)) for item in part.items}
    for i, j in combinations(design.free, 2):
        one, other = most[part_of[i]], most[part_of[j]]
        together = (one >= 2) if part_of[i] == part_of[j] else (one > 0) & (other > 0)
        if not together.any():
            never.add((i, j))
        elif (one > 0).sum() == 1 and ((one > 0) == (other > 0)).all():
            always.add((i, j))
    return never, always


def _named(design: PartsDesign, pairs: set[tuple[int, int]]) -> Twos:
    return tuple((design.items[i], design.items[j]) for i, j in sorted(pairs))


def _balance(
    design: PartsDesign, listed: Possible, covariates: Mapping[str, Mapping[str, float]], rng: np.random.Generator
) -> tuple[Balance, ...]:
    """How far apart the labels' means can fall, before and after the constraint."""
    free = list(design.free)
    names = [design.items[place] for place in free]
    known = {name: values for name, values in covariates.items() if all(item in values for item in names)}
    if not known:
        return ()
    before = listed
    if design.constraint is not None:
        open_design = replace(design, constraint=None)
        before = possible(open_design, total=open_design.count().total, rng=rng)
    found = []
    for variable, values in known.items():
        x = np.array([values[item] for item in names], np.float64)
        spread = [
            _range(one, largest_differences(one.codes[:, free], x, len(design.label_names))) for one in (before, listed)
        ]
        found.append(
            Balance(variable=variable, mean=float(x.mean()), before=spread[0], after=spread[1], exact=listed.exact)
        )
    return tuple(found)


def largest_differences(codes: Codes, x: Floats, n_labels: int) -> Floats:
    """(k,): the largest mean of ``x`` over the labels minus the smallest, for (k, n) allocations."""
    counts = np.stack([(codes == label).sum(axis=1) for label in range(n_labels)], axis=1)
    sums = np.stack([(codes == label) @ x for label in range(n_labels)], axis=1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return np.asarray(np.nanmax(means, axis=1) - np.nanmin(means, axis=1))


def _range(listed: Possible, values: Floats) -> Range:
    return Range(least=float(values.min()), middle=listed.median(values), most=float(values.max()))


def _nothing_passes(count: Count) -> DesignError:
    return DesignError(
        f"None of the {count.total} allocations meets the balance rule, so there would be nothing to draw. "
        "Allow a larger difference, or take a rule out.",
        {"total": count.total},
        da=f"Ingen af de {count.total} mulige tildelinger opfylder balancekravet, så der ville ikke være noget at "
        "trække lod om. Tillad en større forskel, eller tag et krav ud.",
        code="E_NO_ACCEPT",
    )
