"""What a page may show of small counts: 1 to 4 are hidden, and so much more that nobody can work them out.

Every published number is a sum of the same small parts, so a hidden one may follow from the others.  For each hidden
count the least and the most it could be, given everything that is shown, must reach over all of 1 to 4; if not, the
smallest number that gives it away is hidden too (Fischetti and Salazar 2001, doi:10.1287/mnsc.47.7.1008.9805, give the
attacker's problem; the choice here is greedy).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SMALLEST: Final = 5  # counts from 1 up to this one are hidden
_ROUNDING: Final = 1e-6


def shown(atoms: Floats, sums: Bools, *, smallest: int = SMALLEST, also: Bools | None = None) -> Bools:
    """Which sums may be shown.

    Parameters
    ----------
    atoms : (m,) counts >= 0 that are not themselves published
    sums : (p, m) which atoms each published number adds up
    smallest : counts from 1 to ``smallest`` - 1 are hidden; 0 is shown
    also : (p,) hidden for another reason

    Returns
    -------
    (p,) bool
        A hidden count of 1 to ``smallest`` - 1 could be any of these, for somebody who knows all that is shown, that
        counts are whole, and that a hidden number is not 0.  (A hidden sum of two hidden counts is at least 2.)
    """
    values: Floats = np.asarray(sums, np.float64) @ np.asarray(atoms, np.float64)
    small = (values > 0) & (values < smallest)
    hidden = small if also is None else small | also
    table = _Table(values, sums.astype(np.float64), smallest)
    while True:
        loose = [row for row in np.flatnonzero(small).tolist() if not table.safe(row, hidden)]
        if not loose:
            return ~_without_need(table, small, hidden, also)
        hidden = hidden.copy()
        hidden[table.giveaway(loose[0], hidden)] = True


@dataclass(frozen=True, eq=False)
class _Table:
    """The published sums as an attacker sees them."""

    values: Floats
    sums: Floats
    smallest: int

    def safe(self, row: int, hidden: Bools) -> bool:
        """Whether the hidden sum could be anything from 1 to ``smallest`` - 1."""
        low, high = (self._end(row, hidden, sign)[0] for sign in (1.0, -1.0))
        return low <= self._least(row) + _ROUNDING and high >= self.smallest - 1 - _ROUNDING

    def _least(self, row: int) -> float:
        """The least a sum could be if no number but 0 were shown."""
        return self._end(row, self.values > 0, 1.0)[0]

    def giveaway(self, row: int, hidden: Bools) -> int:
        """The smallest shown sum, other than 0, that bounds the hidden one."""
        open_ = ~hidden & (self.values > 0)
        found = np.zeros(len(hidden), bool)
        for sign, wanted in ((1.0, self._least(row)), (-1.0, self.smallest - 1.0)):
            end, prices = self._end(row, hidden, sign)
            if sign * (end - wanted) > _ROUNDING:
                found |= np.abs(prices) > _ROUNDING
        candidates = np.flatnonzero(found & open_)
        if not candidates.size:
            candidates = np.flatnonzero(open_)
        return int(candidates[np.argmin(self.values[candidates])])

    def _end(self, row: int, hidden: Bools, sign: float) -> tuple[float, Floats]:
        """The least (``sign`` 1) or the most (-1) a sum can be, and what each shown number contributes to that.

        Fractions are allowed; tables of waves by quarters with their totals have whole corners all the same.
        """
        from scipy.optimize import linprog

        unknown = hidden & (self.values > 0)
        solved = linprog(
            sign * self.sums[row],
            A_eq=self.sums[~hidden] if (~hidden).any() else None,
            b_eq=self.values[~hidden] if (~hidden).any() else None,
            A_ub=-self.sums[unknown],
            b_ub=-np.ones(int(unknown.sum())),
            bounds=(0, None),
            method="highs",
        )
        prices = np.zeros(len(hidden))
        if solved.status == 3:  # nothing shown bounds it
            return -sign * np.inf, prices
        if (~hidden).any():
            prices[~hidden] = solved.eqlin.marginals
        return sign * float(solved.fun or 0.0), prices


def _without_need(table: _Table, small: Bools, hidden: Bools, also: Bools | None) -> Bools:
    """The hidden sums, less those that need not be hidden after all; the largest first."""
    kept = small if also is None else small | also
    for row in sorted(np.flatnonzero(hidden & ~kept).tolist(), key=lambda place: -float(table.values[place])):
        tried = hidden.copy()
        tried[row] = False
        if all(table.safe(other, tried) for other in np.flatnonzero(small).tolist()):
            hidden = tried
    return hidden


__all__ = ["SMALLEST", "shown"]
