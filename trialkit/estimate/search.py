"""The ends of the accepted effects, one at a time, where allocations are too many to solve for every crossing.

The p-value is counted at a few effects until an end is closed in on, and the crossings between are solved for: the end
is one allocation's crossing, not a point of a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from trialkit.estimate.curves import TIE, Curves
from trialkit.estimate.null import Curved, Null, Tail, extreme
from trialkit.estimate.region import ABOVE, Region

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FEW: Final = 512  # an end is closed in on until this many allocations, or a 300th of all, change between two effects
VERY_FEW: Final = 3  # where the design mean bends with the effect, and a straight line must stand for it
FAR: Final = 1e7  # times the size of the outcomes: as good as infinite


def by_search(null: Curved, tail: Tail, alpha: float, *, start: float, step: float, checks: int) -> Region:
    """The region with both ends solved for; p is counted at ``checks`` further effects on either side of each end."""
    one_sided = tail in ("greater", "less")
    step = step or 1.0  # all outcomes alike: no error to step by
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
    far = FAR * (_scale(null) + abs(start))
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
    while accepted.p - refused.p > few and _apart(accepted, refused, _scale(null)):
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


def _scale(null: Curved) -> float:
    """The size of the outcomes; 1 where all are alike."""
    return null.observed.size or 1.0


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


__all__ = ["by_search"]
