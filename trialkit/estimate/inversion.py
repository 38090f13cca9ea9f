"""The effects a randomization test does not refuse: its confidence set, from exact breakpoints.

The p-value of "the effect is tau" is a step function of tau; it changes only where some allocation's statistic
crosses the observed one.  Few allocations: every crossing is solved for and the whole step function is known.  Many:
the p-value is counted at a few effects until an end is closed in on, and the crossings between are solved for; the
end is again one allocation's crossing, not a point of a grid.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trialkit.estimate.curves import curve_crossings, line_crossings
from trialkit.estimate.null import Curved, CurvedNull, Null, Tail, extreme
from trialkit.estimate.region import ABOVE, Region
from trialkit.estimate.search import by_search

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MOST_LINES: Final = 500_000  # up to here all crossings of straight lines are solved and sorted
MOST_CURVES: Final = 50_000  # the same for studentized statistics: polynomials of degree 4
MOST_VALUES: Final = 20_000_000  # ranks: effects times allocations that are all gone through


# Every crossing


class Steps(NamedTuple):
    """A step function: weights at the breakpoints (g,), and in the g + 1 open intervals around them."""

    at: Floats
    closed: Floats
    open: Floats

    def accepted(self, threshold: float) -> tuple[tuple[float, float], ...]:
        """Closed intervals in which the weight lies above ``threshold``."""
        line = np.empty(2 * len(self.at) + 1, bool)
        line[::2], line[1::2] = self.open > threshold, self.closed > threshold
        line[1::2] |= line[:-2:2] & line[2::2]  # the closure of what lies on either side
        edges = np.flatnonzero(np.diff(np.concatenate([[False], line, [False]]).astype(np.int8)))
        bounds = np.concatenate([[-inf], self.at, [inf]])
        starts, ends = edges[::2], edges[1::2] - 1
        return tuple(zip(bounds[(starts + 1) // 2].tolist(), bounds[ends // 2 + 1].tolist(), strict=True))


def by_breakpoints(null: CurvedNull, tail: Tail, alpha: float) -> Region:
    """The region from every crossing of every allocation."""
    mirrored = tail in ("mirror", "distance")
    crossings = line_crossings if null.curves.variance is None else curve_crossings
    roots = np.sort(crossings(null.curves, null.observed, mirrored=mirrored), axis=0)
    found = _steps(null, roots, tail)
    return Region(pieces=found.accepted(null.total * (alpha + ABOVE)), how="breakpoints")


def _steps(null: CurvedNull, roots: Floats, tail: Tail) -> Steps:
    """Whether each allocation counts between its own crossings, and from that the weight everywhere."""
    reach = null.curves.size + float(np.nanmax(np.abs(roots), initial=0.0)) * 1e-3

    def counted(tau: Floats) -> Bools:
        return extreme(null.curves.at(tau), null.observed.at(tau), tail, null.size_at(tau))

    status = _between(roots, reach, counted)
    weights = null.weight(slice(None))
    flat = np.isfinite(roots)
    change = (weights * (status[1:].astype(float) - status[:-1]))[flat]
    touch = (weights * ~status[:-1])[flat]
    return _summed(float(weights[status[0]].sum()), roots[flat], change, touch, null.curves.size)


def _between(roots: Floats, reach: float, counted: Callable[[Floats], Bools]) -> Bools:
    """(r + 1, k) the status before the first crossing, between crossings, after the last."""
    before = np.where(np.isfinite(roots[0]), roots[0] - reach, 0.0)
    found = [counted(before)]
    for j, root in enumerate(roots):
        after = roots[j + 1] if j + 1 < len(roots) else np.full_like(root, np.nan)
        middle = np.where(np.isfinite(after), (root + after) / 2, root + reach)
        known = np.isfinite(root)
        status = counted(np.where(known, middle, 0.0))
        found.append(np.where(known, status, found[-1]))
    return np.stack(found)


def _summed(base: float, at: Floats, change: Floats, touch: Floats, size: float) -> Steps:
    """Steps sorted; crossings that differ by rounding are one breakpoint."""
    if not at.size:
        return Steps(np.zeros(0), np.zeros(0), np.array([base]))
    order = np.argsort(at, kind="stable")
    at, change, touch = at[order], change[order], touch[order]
    apart = np.append(True, np.diff(at) > 1e-10 * (size + np.abs(at[1:])))
    first = np.flatnonzero(apart)
    steps, touched = np.add.reduceat(change, first), np.add.reduceat(touch, first)
    level = base + np.append(0.0, np.cumsum(steps))
    return Steps(at[first], level[:-1] + touched, level)


def by_points(null: Null, points: Floats, tail: Tail, alpha: float, *, peak: float) -> Region:
    """The region of a statistic that changes at known effects only: p is found at each and between.

    Where that are too many values, each end is found by halving, as if p only fell on either side of ``peak``.
    """
    gap = 1.0 + float(np.ptp(points))
    along = np.empty(2 * points.size + 1)  # even places lie between the points, odd ones on them
    along[1::2] = points
    along[::2] = np.concatenate([[points[0] - gap], (points[1:] + points[:-1]) / 2, [points[-1] + gap]])

    def above(place: int) -> bool:
        return null.share(float(along[place]), tail) > alpha + ABOVE

    if along.size * null.n <= MOST_VALUES:
        line = np.array([above(place) for place in range(along.size)])
        return Region(pieces=Steps(points, line[1::2] * 1.0, line[::2] * 1.0).accepted(0.5), how="breakpoints")
    near = 2 * int(np.searchsorted(points, peak))
    near = next((place for place in (near, near + 1, near - 1) if 0 <= place < along.size and above(place)), near)
    first = bisect_left(range(near), True, key=above)
    last = near + bisect_left(range(along.size - near), True, key=lambda step: not above(near + step)) - 1
    bounds = np.concatenate([[-inf], points, [inf]])
    return Region(pieces=((float(bounds[(first + 1) // 2]), float(bounds[last // 2 + 1])),), how="search")


# A statistic of one's own


def by_scan(null: Null, tail: Tail, alpha: float, *, start: float, reach: float, points: int = 101) -> Region:
    """p at ``points`` effects around ``start``; an end is halved down to a billionth of ``reach``.

    An effect still accepted at the edge of the scan, ten standard errors away, is taken to be accepted for ever.
    """
    grid = start + reach * np.linspace(-1, 1, points)
    above = [null.share(float(tau), tail) > alpha + ABOVE for tau in grid]
    ends: list[float] = [-inf] if above[0] else []
    for k in range(points - 1):
        if above[k] != above[k + 1]:
            pair = (float(grid[k]), float(grid[k + 1]))
            accepted, refused = pair if above[k] else pair[::-1]
            while abs(accepted - refused) > 1e-9 * reach:
                middle = (accepted + refused) / 2
                if null.share(middle, tail) > alpha + ABOVE:
                    accepted = middle
                else:
                    refused = middle
            ends.append(accepted)
    ends += [inf] if above[-1] else []
    return Region(pieces=tuple(zip(ends[::2], ends[1::2], strict=True)), how="scan")


def region(null: Curved, tail: Tail, alpha: float, *, start: float, step: float, ties: Floats) -> Region:
    """The accepted effects of one tail, by breakpoints where all can be solved, otherwise by search.

    ``ties`` are effects at which outcomes tie, ascending: p can be above alpha there and at no effect beside, as for a
    yes and no at -1, 0 and 1, where a search from elsewhere would not look.
    """
    lines = null.observed.variance is None
    few = null.n <= (MOST_LINES if lines else MOST_CURVES)
    if isinstance(null, CurvedNull) and few and (lines or tail != "distance"):
        return by_breakpoints(null, tail, alpha)
    checks = 0 if lines and _steep(null) else 60 if null.n <= MOST_CURVES else 2
    found = by_search(null, tail, alpha, start=start, step=step, checks=checks)
    beside = [tau for tau in ties.tolist() if not found.holds(tau) and null.share(tau, tail) > alpha + ABOVE]
    return found.joined([(tau, tau) for tau in beside], near=1e-8 * (null.observed.size or 1.0))


def _steep(null: Curved) -> bool:
    """Whether no line is steeper than the observed one: then p rises up to the point estimate and falls after it."""
    if not isinstance(null, CurvedNull):
        return True  # a difference of two shares of the treated, 1 for what was drawn
    slope = np.abs(null.curves.slope[~np.isnan(null.curves.slope)])
    return bool((slope <= abs(null.observed.slope[0]) * (1 + 1e-9)).all())


__all__ = ["by_breakpoints", "by_points", "by_scan", "by_search", "region"]
