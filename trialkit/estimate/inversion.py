"""The effects a randomization test does not refuse: its confidence set, from exact breakpoints.

The p-value of "the effect is tau" is a step function of tau; it changes only where some allocation's statistic
crosses the observed one.  Few allocations: every crossing is solved for and the whole step function is known.  Many:
the p-value is counted at a few effects until an end is closed in on, and the crossings between are solved for; the
end is again one allocation's crossing, not a point of a grid.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from trialkit.estimate.curves import TIE, Curves, curve_crossings, line_crossings
from trialkit.estimate.null import Curved, CurvedNull, Null, Tail, extreme

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
How = Literal["breakpoints", "search", "scan"]

MOST_LINES: Final = 500_000  # up to here all crossings of straight lines are solved and sorted
MOST_VALUES: Final = 20_000_000  # ranks: effects times allocations that are all gone through
MOST_CURVES: Final = 50_000  # the same for studentized statistics: polynomials of degree 4
FEW: Final = 512  # an end is closed in on until this many allocations, or a 300th of all, change between two effects
VERY_FEW: Final = 3  # where the design mean bends with the effect, and a straight line must stand for it
FAR: Final = 1e7  # times the size of the outcomes: as good as infinite
ABOVE: Final = 1e-12  # p is above alpha only if by more than rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """The accepted effects.

    Parameters
    ----------
    pieces : closed intervals, ascending; ends may be infinite
    how : ``breakpoints`` (every crossing solved), ``search`` (the ends are solved crossings; between and beyond them
        p was counted at some effects only) or ``scan`` (a user's own statistic)
    """

    pieces: tuple[tuple[float, float], ...]
    how: How

    @property
    def low(self) -> float:
        """The lowest accepted effect; nan if there is none."""
        return self.pieces[0][0] if self.pieces else float("nan")

    @property
    def high(self) -> float:
        """The highest."""
        return self.pieces[-1][1] if self.pieces else float("nan")

    @property
    def connected(self) -> bool:
        """Whether all effects between the ends are accepted."""
        return len(self.pieces) == 1

    def meet(self, other: Region) -> Region:
        """What both accept."""
        both = [(max(a, c), min(b, d)) for a, b in self.pieces for c, d in other.pieces]
        pieces = tuple(sorted((a, b) for a, b in both if a <= b))
        order: tuple[How, ...] = ("breakpoints", "search", "scan")
        return Region(pieces=pieces, how=max(self.how, other.how, key=order.index))


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


# An end at a time


def by_search(null: Curved, tail: Tail, alpha: float, *, start: float, step: float, checks: int) -> Region:
    """The region with both ends solved for; p is counted at ``checks`` further effects on either side of each end."""
    one_sided = tail in ("greater", "less")
    low = -inf if tail == "less" else _end(null, tail, alpha, start, -step)
    high = inf if tail == "greater" else _end(null, tail, alpha, start, step)
    if one_sided or not checks:
        return Region(pieces=((low, high),), how="search")
    grid = _grid(start, low, high, step, checks)
    above = [null.share(tau, tail) > alpha + ABOVE for tau in grid]
    inside = [low <= tau <= high for tau in grid]
    if above == inside:
        return Region(pieces=((low, high),), how="search")
    return Region(pieces=_every_piece(null, tail, alpha, grid, above), how="search")


def _grid(start: float, low: float, high: float, step: float, checks: int) -> list[float]:
    """Effects inside and outside the ends, denser near them."""
    spread = np.geomspace(0.03, 10.0, checks)
    found: list[float] = []
    for end in (low, high):
        width = abs(end - start) if np.isfinite(end) else 10 * step
        edge = end if np.isfinite(end) else start + np.sign(end) * width
        found += (edge + np.sign(edge - start) * width * spread).tolist()
        found += (edge + (start - edge) * spread[: checks // 2][spread[: checks // 2] < 1]).tolist()
    return sorted(found)


def _every_piece(
    null: Curved, tail: Tail, alpha: float, grid: Sequence[float], above: Sequence[bool]
) -> tuple[tuple[float, float], ...]:
    """All pieces seen on a grid, each end solved for between two of its points."""
    ends = [-inf] if above[0] else []
    for left, right, was, now in zip(grid, grid[1:], above, above[1:], strict=False):
        if was != now:
            inner, outer = (left, right) if was else (right, left)
            pair = (_At(tau, null.share(tau, tail)) for tau in (inner, outer))
            ends.append(_closed_in(null, tail, alpha, *pair))
    ends += [inf] if above[-1] else []
    return tuple(zip(ends[::2], ends[1::2], strict=True))


def _end(null: Curved, tail: Tail, alpha: float, start: float, step: float) -> float:
    """One end, going from ``start`` in steps of the standard error; infinite if p never falls to alpha."""
    far = FAR * (null.observed.size + abs(start))
    target = float(ndtri(1 - alpha / 2))
    accepted = _At(start, 1.0 if tail in ("mirror", "distance") else null.share(start, tail))
    while accepted.p <= alpha + ABOVE:  # one-sided, and alpha near a half: begin further inside
        start -= step
        if abs(start) > far:
            return float(np.sign(-step)) * inf
        accepted = _At(start, null.share(start, tail))
    away = 1.05 * target * step
    while (p := null.share(start + away, tail)) > alpha + ABOVE:
        if abs(away) > far:
            return float(np.sign(step)) * inf
        accepted = _At(start + away, p)
        wider = min(max(1.1 * target / max(_score(p, null), 0.1), 1.1), 8.0)
        away = away * wider if abs(away) < 50 * abs(step) else float(np.sign(step)) * 2 * far
    return _closed_in(null, tail, alpha, accepted, _At(start + away, p))


class _At(NamedTuple):
    """An effect with its p-value."""

    tau: float
    p: float


def _closed_in(null: Curved, tail: Tail, alpha: float, accepted: _At, refused: _At) -> float:
    """The breakpoint between an accepted and a refused effect: false position on the normal score of p.

    The same side kept twice has its distance to the target halved (the Illinois rule).
    """
    few = max(VERY_FEW if tail == "distance" else FEW, null.n / 300) / null.n
    target = float(ndtri(1 - alpha / 2))
    low, high, kept = _score(accepted.p, null), _score(refused.p, null), 0
    while accepted.p - refused.p > few and _apart(accepted, refused, null.observed.size):
        share = (target - low) / (high - low) if high > low else 0.5
        tau = accepted.tau + (refused.tau - accepted.tau) * min(max(share, 0.02), 0.98)
        here = _At(tau, null.share(tau, tail))
        if here.p > alpha + ABOVE:
            accepted, low = here, _score(here.p, null)
            high = target + (high - target) / 2 if kept == 1 else high
            kept = 1
        else:
            refused, high = here, _score(here.p, null)
            low = target + (low - target) / 2 if kept == -1 else low
            kept = -1
    return _solved(null, tail, alpha, accepted, refused)


def _apart(one: _At, other: _At, size: float) -> bool:
    return abs(one.tau - other.tau) > 1e-12 * (abs(other.tau) + size)


def _score(p: float, null: Null) -> float:
    """A p-value as a normal deviation, nearly linear in the effect."""
    return float(ndtri(1 - min(max(p, 0.5 / null.n), 1 - 0.5 / null.n) / 2))


def _solved(null: Curved, tail: Tail, alpha: float, accepted: _At, refused: _At) -> float:
    """The crossing at which p rises above alpha, coming from the refused side."""
    inner, outer = accepted.tau, refused.tau
    curves, weights = null.changing(inner, outer, tail)
    mean = _Line(0.0, 0.0, 0.0)
    if tail == "distance":
        level = null.mean(outer)
        mean = _Line(level, (level - null.mean(inner)) / (outer - inner), outer)
    end = inner
    for _ in range(3 if tail == "distance" else 1):  # again with the mean found at the end itself
        at, change = _crossings(null, curves, weights, tail, inner, outer, mean)
        order = np.argsort(np.abs(at - outer), kind="stable")
        above = np.flatnonzero(refused.p + np.cumsum(change[order]) / null.total > alpha + ABOVE)
        end = float(at[order[above[0]]]) if above.size else inner
        if tail == "distance":
            mean = _Line(null.mean(end), mean.slope, end)
    return end


class _Line(NamedTuple):
    """The design mean near an end."""

    level: float
    slope: float
    middle: float

    def at(self, tau: Floats) -> Floats:
        return self.level + self.slope * (tau - self.middle)


def _crossings(
    null: Curved, curves: Curves, weights: Floats, tail: Tail, accepted: float, refused: float, mean: _Line
) -> tuple[Floats, Floats]:
    """Where each curve changes between two effects, to the last digit, and the weight it adds on the accepted side."""

    lines = null.observed.variance is None
    size = null.observed.size + max(abs(accepted), abs(refused)) if lines else 1.0

    def counted(tau: Floats, tie: float = 0.0) -> Bools:
        centre = mean.at(tau)
        return extreme(curves.at(tau) - centre, null.observed.at(tau) - centre, tail, size, tie=tie)

    inner, outer = np.full(len(curves), accepted), np.full(len(curves), refused)
    moves = counted(inner, TIE) != counted(outer, TIE)  # what always ties, as what was drawn with itself, never moves
    curves, weights, inner, outer = curves.take(moves), weights[moves], inner[moves], outer[moves]
    was = counted(inner, TIE)
    for _ in range(80):
        middle = (inner + outer) / 2
        same = counted(middle) == was
        inner, outer = np.where(same, middle, inner), np.where(same, outer, middle)
    return (inner + outer) / 2, np.where(was, weights, -weights)


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


def region(null: Curved, tail: Tail, alpha: float, *, start: float, step: float) -> Region:
    """The accepted effects of one tail, by breakpoints where all can be solved, otherwise by search."""
    lines = null.observed.variance is None
    few = null.n <= (MOST_LINES if lines else MOST_CURVES)
    if isinstance(null, CurvedNull) and few and (lines or tail != "distance"):
        return by_breakpoints(null, tail, alpha)
    checks = 0 if lines and _steep(null) else 60 if null.n <= MOST_CURVES else 2
    return by_search(null, tail, alpha, start=start, step=step, checks=checks)


def _steep(null: Curved) -> bool:
    """Whether no line is steeper than the observed one: then p rises up to the point estimate and falls after it."""
    if not isinstance(null, CurvedNull):
        return True  # a difference of two shares of the treated, 1 for what was drawn
    slope = np.abs(null.curves.slope[~np.isnan(null.curves.slope)])
    return bool((slope <= abs(null.observed.slope[0]) * (1 + 1e-9)).all())


__all__ = ["How", "Region", "by_breakpoints", "by_points", "by_scan", "by_search", "region"]
