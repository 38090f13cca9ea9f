"""People drawn one by one: what so many of them would show, since nobody knows beforehand how many will come."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

from trialkit.power.analytic import Pair, Precision, two_groups
from trialkit.power.outlook import USUAL_POWER, alpha_of

if TYPE_CHECKING:
    from trialkit.protocol.model import Protocol

USUAL_QUEUES: Final = (20, 60)  # per group, where the draft says nothing about places
MOST_NEEDED: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """So many people in either group: the smallest effect seen and the power, in standard deviations.

    ``grouped`` is the smallest effect when those served share staff (low, middle, high ICC between pairs).
    """

    n_a: int
    n_b: int
    allocations: int
    smallest: Pair
    power: Pair | None
    grouped: tuple[tuple[float, Pair], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Lotteries of different size, and how many people the smallest effect worth finding needs.

    ``effect`` is in standard deviations, None if the draft tells it otherwise; ``needed`` is per group, with those
    expected to be lost on top in ``needed_with_loss``.
    """

    rows: tuple[Group, ...]
    effect: float | None
    asked: float
    needed: int | None
    needed_with_loss: int | None


def groups(protocol: Protocol) -> Groups:
    """What a lottery among people could see, at the sizes the draft's places suggest and at the usual ones."""
    worth = protocol.planning.smallest_effect_worth_finding
    effect = None if isinstance(worth, str) or worth.standard_deviations is None else float(worth.standard_deviations)
    asked, alpha = float(protocol.planning.power or USUAL_POWER), alpha_of(protocol)
    sides = 1 if protocol.analysis.primary.sides == "one" else 2
    sizes = sorted({*USUAL_QUEUES, *_places(protocol)})
    icc_pair = tuple(float(icc) for icc in protocol.planning.icc_pair)
    needed = needed_per_group(effect, power=asked, alpha=alpha, sides=sides) if effect else None
    lost = _lost(protocol)
    return Groups(
        rows=tuple(_group(n, n, effect, asked, alpha, sides, icc_pair, _team(protocol, n)) for n in sizes),
        effect=effect,
        asked=asked,
        needed=needed,
        needed_with_loss=ceil(needed / (1 - lost)) if needed and 0 < lost < 1 else needed,
    )


def needed_per_group(effect: float, *, power: float = 0.8, alpha: float = 0.05, sides: int = 2) -> int | None:
    """The fewest people per group with which ``effect`` (in standard deviations) is seen; None above `MOST_NEEDED`."""
    low, high = 2, 4
    while two_groups(high, high).smallest_effect(power=power, alpha=alpha, sides=sides).t > effect:
        low, high = high, 2 * high
        if high > MOST_NEEDED:
            return None
    while low < high:  # the smallest visible effect falls with every person
        middle = (low + high) // 2
        if two_groups(middle, middle).smallest_effect(power=power, alpha=alpha, sides=sides).t > effect:
            low = middle + 1
        else:
            high = middle
    return low


def _group(
    n_a: int,
    n_b: int,
    effect: float | None,
    asked: float,
    alpha: float,
    sides: int,
    iccs: tuple[float, ...],
    team: float,
) -> Group:
    from math import comb

    made = two_groups(n_a, n_b)
    return Group(
        n_a=n_a,
        n_b=n_b,
        allocations=comb(n_a + n_b, n_a),
        smallest=made.smallest_effect(power=asked, alpha=alpha, sides=sides),
        power=None if effect is None else made.power(effect, alpha=alpha, sides=sides),
        grouped=tuple(
            (icc, _served_in_teams(n_a, n_b, icc, team).smallest_effect(power=asked, alpha=alpha, sides=sides))
            for icc in iccs
        ),
    )


def _served_in_teams(n_a: int, n_b: int, icc: float, team: float) -> Precision:
    return two_groups(n_a, n_b, design_effect_a=1 + max(team - 1, 0) * icc)


def _places(protocol: Protocol) -> tuple[int, ...]:
    """Places at the same time; a queue twice as long gives as many in either group."""
    capacity = protocol.capacity
    if capacity is None or capacity.kind != "at_the_same_time":
        return ()
    known = [] if capacity.places in (None, "unknown") else [int(str(capacity.places))]
    return tuple(n for n in (*known, *(step.places for step in capacity.steps)) if n >= 2)


def _team(protocol: Protocol, n: int) -> float:
    """Families per pair of staff: full-time posts, two to a pair."""
    posts = float(sum(protocol.teams.full_time_equivalents.values())) if protocol.teams else 0.0
    return n / max(posts / 2, 1.0)


def _lost(protocol: Protocol) -> float:
    """The share expected to be lost; planning figures name it ``lost_...``."""
    found = [value for name, value in protocol.planning.expected.items() if name.startswith("lost")]
    return float(str(found[0])) if found and found[0] != "unknown" else 0.0
