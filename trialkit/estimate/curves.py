"""A statistic as a function of the hypothesised effect, for many allocations at once.

If every unit's outcome is ``tau`` higher once treated, what it would have been untreated is known, and with it the
statistic under every allocation: a difference moves in a straight line with ``tau``, its variance along a parabola.
Where these curves cross the observed one, the randomization p-value changes, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TIE: Final = 1e-9  # values closer than this, relative to their size, are ties
NOTHING: Final = 1e-14  # a variance below this share of the squared outcomes is rounding, not variance


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Curves:
    """``T(tau) = (level - slope tau) / sqrt(v0 + v1 tau + v2 tau^2)``, one per allocation.

    Parameters
    ----------
    level, slope : (k,) float
        The difference found in the outcomes, and the share of a constant effect that it would show.
    variance : (3, k) float, optional
        ``v0, v1, v2``; left out where the statistic is the difference itself.
    size : float
        The largest outcome in absolute value, centred; what rounding is measured against.
    """

    level: Floats
    slope: Floats
    variance: Floats | None = None
    size: float = 1.0

    def __len__(self) -> int:
        return self.level.size

    def at(self, tau: Floats | float) -> Floats:
        """(k,) the statistic at one effect for all, or at one effect each; infinite where nothing varies."""
        top = self.level - self.slope * tau
        if self.variance is None:
            return top
        scale = self.size + np.abs(tau)
        variance = (self.variance[2] * tau + self.variance[1]) * tau + self.variance[0]
        flat = variance <= NOTHING * scale**2
        if not flat.any():
            found: Floats = np.divide(top, np.sqrt(variance, out=variance), out=top)
            return found
        zero = np.abs(top) <= TIE * scale
        ends = np.where(zero, 0.0, np.copysign(np.inf, top))
        root = np.sqrt(np.where(flat, 1.0, variance))
        return np.where(flat, ends, top / root)

    def take(self, which: NDArray[np.intp] | Bools | slice) -> Self:
        """Some of the curves."""
        variance = None if self.variance is None else self.variance[:, which]
        return type(self)(level=self.level[which], slope=self.slope[which], variance=variance, size=self.size)

    def less(self, level: float, slope: float) -> Self:
        """The same straight lines, less one of them."""
        return type(self)(level=self.level - level, slope=self.slope - slope, variance=self.variance, size=self.size)

    def lines(self) -> Self:
        """The differences alone."""
        return type(self)(level=self.level, slope=self.slope, size=self.size)

    @classmethod
    def joined(cls, parts: Iterable[Curves], total: int) -> Curves:
        """All ``total`` curves of all parts, in order; no part is kept."""
        rows, size, first = np.empty((0, total)), 0.0, 0
        for part in parts:
            lines = [part.level, part.slope, *(part.variance if part.variance is not None else ())]
            rows = rows if len(rows) else np.empty((len(lines), total))
            for row, line in zip(rows, lines, strict=True):
                row[first : first + len(part)] = line
            size, first = max(size, part.size), first + len(part)
        return cls(level=rows[0], slope=rows[1], variance=rows[2:] if len(rows) > 2 else None, size=size)


def line_crossings(curves: Curves, observed: Curves, *, mirrored: bool) -> Floats:
    """(1 or 2, k) effects at which each line meets the observed one, and its mirror image; nan where never."""
    own, slope = observed.level[0], observed.slope[0]
    rows = [(curves.level - own, curves.slope - slope)]
    if mirrored:
        rows.append((curves.level + own, curves.slope + slope))
    found = np.full((len(rows), len(curves)), np.nan)
    for row, (top, bottom) in zip(found, rows, strict=True):
        apart = np.abs(bottom) > TIE * abs(slope)  # parallel lines never meet, however close they lie
        row[apart] = top[apart] / bottom[apart]
    return found


def curve_crossings(curves: Curves, observed: Curves, *, mirrored: bool) -> Floats:
    """(4, k) effects at which each studentized statistic meets the observed one or its mirror image; nan where none.

    ``(a_w - b_w s)^2 V_o(s) = (a_o - b_o s)^2 V_w(s)`` is a polynomial of degree 4 in s; its real roots are those of
    the companion matrix, improved by Newton's rule.  Without ``mirrored`` only those with equal signs are kept.
    """
    centre = float(observed.level[0] / observed.slope[0])
    step = float(np.sqrt(max(_variance(observed, centre)[0][0], NOTHING * observed.size**2))) or 1.0
    polynomial = _squared_gap(_moved(curves, centre, step), _moved(observed, centre, step))
    roots = _real_roots(polynomial)
    found = centre + step * roots
    if not mirrored:
        same = np.sign(curves.level - curves.slope * found) == np.sign(observed.level - observed.slope * found)
        found = np.where(same, found, np.nan)
    return found


def _variance(curves: Curves, tau: float) -> tuple[Floats, Floats, Floats]:
    """The parabola's coefficients about ``tau``."""
    assert curves.variance is not None
    v0, v1, v2 = curves.variance
    return v0 + v1 * tau + v2 * tau**2, v1 + 2 * v2 * tau, v2


def _moved(curves: Curves, centre: float, step: float) -> Curves:
    """The same curves as functions of s, where tau = centre + step s."""
    v0, v1, v2 = _variance(curves, centre)
    variance = np.stack([v0 / step**2, v1 / step, v2])
    return Curves(level=(curves.level - curves.slope * centre) / step, slope=curves.slope, variance=variance)


def _squared_gap(curves: Curves, observed: Curves) -> Floats:
    """(5, k) coefficients, constant first, of T_w^2 - T_o^2 times both variances."""

    def square(c: Curves) -> Floats:
        return np.stack([c.level**2, -2 * c.level * c.slope, c.slope**2])

    assert curves.variance is not None
    assert observed.variance is not None
    found = np.zeros((5, len(curves)))
    squared, own = square(curves), square(observed)
    for i in range(3):
        for j in range(3):
            found[i + j] += squared[i] * observed.variance[j, 0] - own[i, 0] * curves.variance[j]
    largest = np.abs(found).max(axis=0)
    found[np.abs(found) <= 1e-12 * largest] = 0.0
    return found


def _real_roots(polynomial: Floats) -> Floats:
    """(4, k) real roots of polynomials (5, k), constant first, ascending; nan where there is none."""
    found = np.full((4, polynomial.shape[1]), np.nan)
    degree = np.max(np.arange(5)[:, None] * (polynomial != 0), axis=0)
    for n in range(1, 5):
        here = np.flatnonzero(degree == n)
        if here.size:
            roots = _companion_roots(polynomial[: n + 1, here])
            found[:n, here] = _improved(roots, polynomial[: n + 1, here])
    found.sort(axis=0)
    return found


def _companion_roots(polynomial: Floats) -> Floats:
    n = len(polynomial) - 1
    matrix = np.zeros((polynomial.shape[1], n, n))
    matrix[:, np.arange(1, n), np.arange(n - 1)] = 1.0
    matrix[:, :, -1] = -(polynomial[:-1] / polynomial[-1]).T
    roots = np.linalg.eigvals(matrix).T
    real = np.abs(roots.imag) <= 1e-6 * (1 + np.abs(roots.real))
    return np.where(real, roots.real, np.nan)


def _improved(roots: Floats, polynomial: Floats) -> Floats:
    """Newton's rule, kept only where it does not leave the root's neighbourhood."""
    for _ in range(3):
        value, slope = np.zeros_like(roots), np.zeros_like(roots)
        for coefficient in polynomial[::-1]:
            slope = slope * roots + value
            value = value * roots + coefficient
        with np.errstate(divide="ignore", invalid="ignore"):
            step = value / slope
        near = np.abs(step) <= 1e-3 * (1 + np.abs(roots))
        roots = np.where(near, roots - step, roots)
    return roots


__all__ = ["TIE", "Curves", "curve_crossings", "line_crossings"]
