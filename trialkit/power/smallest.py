"""The smallest p-value a design can give, before anyone draws.

A randomization test compares what was drawn with what could have been; its p-value is never below the probability of
the least likely allocation.  That is a property of the design and of what the statistic can tell apart, for outcomes
without ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor, isfinite
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray

from trialkit.design.parts import Part, arrangements
from trialkit.design.urns import shown_parts
from trialkit.errors import DesignError

if TYPE_CHECKING:
    from trialkit.design.base import Count
    from trialkit.design.parts_design import PartsDesign
    from trialkit.power.possible import Possible

Roles = tuple[int, ...]
_Pair = tuple[Fraction, Fraction]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a statistic can tell apart: the role of each label, and which roles change places in a mirror image.

    Parameters
    ----------
    roles : one per label; labels of one role are the same to the statistic
    mirror : one per role, the role that takes its place when the sign of the difference turns; None if none does
    exact : whether the mirror image gives exactly the same size of difference
    """

    roles: tuple[int, ...]
    mirror: tuple[int, ...] | None
    exact: bool = True

    @classmethod
    def comparing(cls, labels: Sequence[str], a: str, b: str) -> Self:
        """Two arms against each other; every further arm stands outside.  The mirror exchanges the two, exactly.

        Raises
        ------
        DesignError
            ``a`` or ``b`` is not a label of the design.
        """
        if missing := [name for name in (a, b) if name not in labels]:
            raise DesignError(
                f"The design has no label {missing[0]!r}, so nothing can be compared with it. "
                f"It has {', '.join(labels)}.",
                {"label": missing[0], "labels": list(labels)},
                da=f"Designet har ingen {missing[0]!r}, så intet kan sammenlignes med den. "
                f"Det har {', '.join(labels)}.",
            )
        outside = len(labels) > 2
        roles = tuple(0 if name == a else 1 if name == b else 2 for name in labels)
        return cls(roles=roles, mirror=(1, 0, 2) if outside else (1, 0))

    @classmethod
    def ordered(cls, n_labels: int) -> Self:
        """Waves in time; the mirror reverses their order.

        With two waves it is exact.  With more it is only assumed: outcomes by month weigh early and late months
        differently, so an order and its reverse usually give differences of different size.  The two-sided 2/N is
        then conservative, the test itself can reach 1/N.
        """
        return cls(roles=tuple(range(n_labels)), mirror=tuple(reversed(range(n_labels))), exact=n_labels <= 2)

    @classmethod
    def by_state(cls, states: NDArray[np.integer]) -> Self:
        """Waves as a test by period sees them: labels that look alike in every period, (n_labels, t), share a role.

        Two waves that both start after the last period, say, cannot be told apart, and the orders that only exchange
        their units count together.
        """
        rows = [tuple(row) for row in states.tolist()]
        if len(set(rows)) == len(rows):
            return cls.ordered(len(rows))
        known = list(dict.fromkeys(rows))
        return cls(roles=tuple(known.index(row) for row in rows), mirror=None, exact=False)

    @property
    def n_roles(self) -> int:
        """How many roles there are."""
        return max(self.roles) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallestP:
    """The smallest attainable p-values.

    ``mirror`` says why the two-sided value is what it is: ``exact`` (every allocation has a mirror image with the
    same size of difference), ``assumed`` (it is taken to have one, which can only make the value larger) or
    ``none``.  ``mc_error`` is the standard error of ``one_sided`` where the accepted allocations are estimated.
    """

    one_sided: float
    two_sided: float
    mirror: Literal["exact", "assumed", "none"]
    mc_error: float = 0.0

    def of(self, sides: int) -> float:
        """The value for a one- or two-sided test."""
        return self.one_sided if sides == 1 else self.two_sided

    def reaches(self, alpha: float, sides: int = 2) -> bool:
        """Whether some outcome gives p <= alpha."""
        return self.of(sides) <= alpha * (1 + 1e-9)

    def level(self, alpha: float, sides: int = 2) -> float:
        """The level a test at ``alpha`` really has: p-values come in steps, so the last step not above it; 0 if none.

        Exact where all allocations are equally likely; with a leftover the steps are uneven and this is the usual one.
        """
        step = self.of(sides)
        return min(alpha, floor(alpha * (1 + 1e-9) / step) * step) if step > 0 else alpha  # 0: below the least float


def smallest_p(design: PartsDesign, view: View, *, count: Count, possible: Possible | None = None) -> SmallestP:
    """The smallest p-value that a test seeing the design through ``view`` can give.

    Allocations that the view cannot tell apart count together.  One-sided: the probability of the least likely such
    class.  Two-sided: with its mirror image, if it has one; the least over all classes.  Fixed items take no part.

    Without a constraint the parts give this exactly, a leftover included: a class of one part has probability
    P(items per role) / arrangements(items per role), and parts are independent.  With one, the accepted allocations
    are gone through if ``possible`` holds them all; otherwise the unconstrained value is divided by the estimated
    share accepted.  A constraint treats labels alike, so it keeps mirror images together.

    Parameters
    ----------
    design : PartsDesign
    view : View
    count : Count
        ``design.count()``.
    possible : Possible, optional
        The allocations, if they were listed.
    """
    frontier: list[_Pair] = [(Fraction(1), Fraction(1))]
    for part in shown_parts(design):
        classes = _classes(part, view)
        if classes[0][0] < 1:  # a part that can fall out in one way only takes no part, like a fixed item
            frontier = _least([(p * a, m * b) for p, m in frontier for a, b in classes])
    one, two = min(p for p, _ in frontier), min(p + m for p, m in frontier)
    mirrored = all(m > 0 for _, m in frontier)
    mirror: Literal["exact", "assumed", "none"] = ("exact" if view.exact else "assumed") if mirrored else "none"
    if design.constraint is None:
        return SmallestP(one_sided=float(one), two_sided=float(two), mirror=mirror)
    if possible is not None and possible.exact:
        listed_one, listed_two = _listed(design, view, possible)
        return SmallestP(one_sided=listed_one, two_sided=listed_two, mirror=mirror)
    accepted = max(count.accepted, 1)
    one, two = (min(p * Fraction(count.total, accepted), Fraction(1)) for p in (one, two))
    error = float(one * Fraction(count.mc_error) / accepted) if isfinite(count.mc_error) else float(one)
    return SmallestP(one_sided=float(one), two_sided=float(two), mirror=mirror, mc_error=error)


def _classes(part: Part, view: View) -> list[_Pair]:
    """For each possible number of items per role: the probability of one class, and of its mirror image (0: none)."""
    chances: dict[Roles, Fraction] = {}
    for probability, counts in part.profiles():
        roles = [0] * view.n_roles
        for label, n in enumerate(counts):
            roles[view.roles[label]] += n
        chances[tuple(roles)] = chances.get(tuple(roles), Fraction(0)) + probability
    single = {roles: chance / arrangements(roles) for roles, chance in chances.items()}
    if view.mirror is None:
        return [(p, Fraction(0)) for p in single.values()]
    return [(p, single.get(tuple(roles[k] for k in view.mirror), Fraction(0))) for roles, p in single.items()]


def _least(pairs: list[_Pair]) -> list[_Pair]:
    """The pairs that no other undercuts in both; only these can become the least product or sum."""
    kept: list[_Pair] = []
    for pair in sorted(set(pairs)):
        if not kept or pair[1] < kept[-1][1]:
            kept.append(pair)
    return kept


def _listed(design: PartsDesign, view: View, possible: Possible) -> tuple[float, float]:
    """The same from a list of all accepted allocations."""
    roles = np.asarray(view.roles)[possible.codes[:, list(design.free)]]
    classes, which = np.unique(roles, axis=0, return_inverse=True)
    shares = np.bincount(which.ravel(), weights=possible.shares)
    if view.mirror is None:
        return float(shares.min()), float(shares.min())
    place = {tuple(row): k for k, row in enumerate(classes.tolist())}
    mirrors = [place.get(tuple(row)) for row in np.asarray(view.mirror)[classes].tolist()]
    both = [shares[k] + (0.0 if m in (None, k) else shares[m]) for k, m in enumerate(mirrors)]
    return float(shares.min()), float(min(both))


__all__ = ["SmallestP", "View", "smallest_p"]
