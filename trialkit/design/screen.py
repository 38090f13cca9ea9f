"""The constraint on whole batches of allocations, with the answer of the exact rule in every row.

Floating point decides only where a rigorous bound on its error leaves no doubt; the rows in doubt, ties at the cutoff
among them, are decided by the whole numbers of `trialkit.design.constraint` (specification section 7).  Error bounds
are those of Higham (2002), doi:10.1137/1.9780898718027, section 3.1, which hold for any order of summation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import gcd, inf, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.design.constraint import SCALE, MahalanobisRule, Rule, ToleranceRule

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

EXACT: Final = 2**53  # whole numbers up to it are exact in float64, whatever the order of summation
BLOCK: Final = 8192  # allocations screened at a time
STRIP: Final = 2**18  # multiplications at a time: indicators stay in the cache, and BLAS wakes no second thread


@dataclass(frozen=True, eq=False)
class Screen:
    """A rule for whole batches; ``n_labels`` codes are possible, those without items are ignored."""

    rule: Rule
    n_labels: int

    @cached_property
    def _fast(self) -> _Tolerance | _Distance:
        return _Tolerance(self.rule) if isinstance(self.rule, ToleranceRule) else _Distance(self.rule)

    @cached_property
    def _exact(self) -> _Exact:
        return _Exact(self.rule)

    def accepted(self, codes: Codes, counts: Ints) -> Bools:
        """(k,) whether each allocation meets the constraint.

        Parameters
        ----------
        codes : (n_free, k) int
            The labels of the free items, one allocation per column, in the order of ``rule.x``.
        counts : (n_labels, k) or (n_labels, 1) int
            Free items per label in each column, or in all of them.
        """
        if counts.shape[1] == 1:
            return self._all_alike(codes, counts[:, 0])
        alike, group = np.unique(counts, axis=1, return_inverse=True)
        group, found = group.ravel(), np.zeros(codes.shape[1], bool)
        for number in range(alike.shape[1]):
            here = np.flatnonzero(group == number)
            found[here] = self._all_alike(codes[:, here], alike[:, number])
        return found

    def _all_alike(self, codes: Codes, counts: Ints) -> Bools:
        found = np.zeros(codes.shape[1], bool)
        for start in range(0, codes.shape[1], BLOCK):
            block = codes[:, start : start + BLOCK]
            sure, doubtful = self._fast.judged(block, counts)
            found[start : start + BLOCK] = sure
            if doubtful.size:
                found[start + doubtful] = self._exact.accepted(block[:, doubtful], counts)
        return found


class _Exact:
    """The exact rule, asked once for all rows that have the same sums."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.x, self.low, self.step = _reduced(rule)
        self.small = int(abs(self.x).sum(axis=0).max()) < 2**62

    def accepted(self, codes: Codes, counts: Ints) -> Bools:
        """(k,) the exact answers."""
        n_labels = len(counts)
        if not self.small:
            return np.array([self.rule.accepts(row, n_labels) for row in codes.T.tolist()], bool)
        x = self.x.astype(np.int64).T
        sums = np.concatenate([x @ (codes == label) for label in range(n_labels)])  # (labels x q, k)
        alike, group = np.unique(sums, axis=1, return_inverse=True)
        answers = [self._answer(column.reshape(n_labels, -1), counts) for column in alike.T]
        found: Bools = np.array(answers, bool)[group.ravel()]
        return found

    def _answer(self, sums: Ints, counts: Ints) -> bool:
        whole = [
            [int(s) * step + int(n) * low for s, step, low in zip(row, self.step, self.low, strict=True)]
            for row, n in zip(sums, counts, strict=True)
        ]
        return self.rule.accepts_sums(counts.tolist(), whole)


def _reduced(rule: Rule) -> tuple[NDArray[Any], list[int], list[int]]:
    """(n, q) covariates as small whole numbers, with the lowest value and the step of each: x = low + step * small."""
    columns = [list(column) for column in zip(*rule.x, strict=True)]
    low = [min(column) for column in columns]
    step = [gcd(*(value - least for value in column)) or 1 for column, least in zip(columns, low, strict=True)]
    small = [
        [(value - least) // unit for value in column] for column, least, unit in zip(columns, low, step, strict=True)
    ]
    return np.array(small, object).T, low, step


class _Tolerance:
    """Differences of sums, on covariates reduced to small whole numbers; exact in float64 for most data."""

    def __init__(self, rule: ToleranceRule) -> None:
        x, _, self.step = _reduced(rule)
        self.n_items, self.tolerances = len(x), rule.tolerances
        bound = [2 * self.n_items * int(total) for total in x.sum(axis=0)]  # of every difference
        self.exact = max(bound) <= EXACT
        single = max(bound) <= 2**24
        self.x = np.ascontiguousarray(x.T.astype(np.float32 if single else np.float64))
        unit = 0.0 if self.exact else 4 * (self.n_items + 8) * 2.0**-53
        self.doubt = unit * np.array(bound, float)

    def judged(self, codes: Codes, counts: Ints) -> tuple[Bools, NDArray[np.intp]]:
        """(k,) surely accepted, and the places of those in doubt."""
        used = np.flatnonzero(counts).tolist()
        sums = {label: _sums(self.x, codes, label).astype(float) for label in used}
        sure = np.ones(codes.shape[1], bool)
        possible = sure.copy()
        for a, b in combinations(used, 2):
            n_a, n_b = int(counts[a]), int(counts[b])
            gap = np.abs(sums[a] * n_b - sums[b] * n_a)
            limit = np.array([self._limit(k, n_a * n_b) for k in range(len(self.step))])
            slack = self.doubt + (0 if self.exact else limit * 2.0**-50)
            sure &= (gap <= (limit - slack)[:, None]).all(axis=0)
            possible &= (gap <= (limit + slack)[:, None]).all(axis=0)
        return sure, np.flatnonzero(possible & ~sure)

    def _limit(self, covariate: int, product: int) -> float:
        whole = self.tolerances[covariate] * product // self.step[covariate]
        return float(min(whole, EXACT)) if self.exact else float(whole)


class _Distance:
    """Distances on whitened covariates, first in single precision, then in double.

    With C = n x - t exactly, A = C'C / n and W a rounded inverse square root of A, the whitened covariates are
    y = C W.  How far W'AW is from the identity is computed in whole numbers (`_spread`), so that it bounds the true
    distance from both sides.
    """

    def __init__(self, rule: MahalanobisRule) -> None:
        n, q = len(rule.x), len(rule.x[0])
        centred = n * np.array(rule.x, object) - np.array(rule.total, object)
        cross = centred.T.dot(centred) // n  # A of section 7, exactly
        self.n_items, self.n_covariates = n, q
        self.cutoff = rule.threshold / SCALE * n / (n - 1)
        root = _inverse_root(cross)
        self.spread = _spread(cross, root)
        rough = centred.astype(np.float64)
        self.y = np.ascontiguousarray((rough @ root).T)
        rounding = (q + 2) * 2.0**-53 * (np.abs(rough) @ np.abs(root)).sum(axis=0)
        self.rounding, self.size = float(np.linalg.norm(rounding)), float(np.linalg.norm(np.abs(self.y).sum(axis=1)))

    @cached_property
    def _single(self) -> NDArray[np.float32]:
        return self.y.astype(np.float32)

    def judged(self, codes: Codes, counts: Ints) -> tuple[Bools, NDArray[np.intp]]:
        """(k,) surely accepted, and the places of those in doubt."""
        if self.spread > 0.5:
            return np.zeros(codes.shape[1], bool), np.arange(codes.shape[1])
        sure = np.zeros(codes.shape[1], bool)
        doubtful = np.arange(codes.shape[1])
        for y in (self._single, self.y):
            rows = codes if doubtful.size == codes.shape[1] else codes[:, doubtful]
            distance = _distance(y, rows, counts)
            low, high = self._bounds(counts, float(np.finfo(y.dtype).eps))
            sure[doubtful[distance < low]] = True
            doubtful = doubtful[(distance >= low) & (distance <= high)]
            if not doubtful.size:
                break
        return sure, doubtful

    def _bounds(self, counts: Ints, eps: float) -> tuple[float, float]:
        """A computed distance below the first is surely within the threshold, above the second surely beyond."""
        n_labels = np.count_nonzero(counts)
        each = self.rounding + n_labels * (self.n_items + 4) * eps * self.size  # of one label's sum, over covariates
        error = 2 * each * sqrt(float((1 / counts[counts > 0]).sum()))
        slack = 4 * (self.n_covariates + n_labels + 4) * eps
        least = max(0.0, sqrt(self.cutoff * (1 - self.spread)) - error)
        most = sqrt(self.cutoff * (1 + self.spread)) + error
        return least**2 * (1 - slack), most**2 * (1 + slack)


def _distance(y: NDArray[np.floating[Any]], codes: Codes, counts: Ints) -> NDArray[np.floating[Any]]:
    """(k,) sum over labels of |sum of y|^2 / count; the last label's sum follows, because all of y sum to 0."""
    *others, last = np.flatnonzero(counts).tolist()
    rest = np.zeros((len(y), codes.shape[1]), y.dtype)
    distance = np.zeros(codes.shape[1], y.dtype)
    for label in others:
        found = _sums(y, codes, label)
        rest += found
        distance += np.einsum("qk,qk->k", found, found) / y.dtype.type(counts[label])
    distance += np.einsum("qk,qk->k", rest, rest) / y.dtype.type(counts[last])
    return distance


def _sums(x: NDArray[Any], codes: Codes, label: int) -> NDArray[Any]:
    """(q, k) the sums of ``x``, (q, n), over the items with ``label`` in each column of ``codes``, (n, k)."""
    found = np.empty((len(x), codes.shape[1]), x.dtype)
    width = max(64, STRIP // x.size)
    for start in range(0, codes.shape[1], width):
        strip = slice(start, start + width)
        np.matmul(x, (codes[:, strip] == label).astype(x.dtype), out=found[:, strip])
    return found


def _inverse_root(cross: NDArray[Any]) -> Floats:
    """(q, q) W with W'AW close to the identity; zeros if float64 cannot see that A is regular."""
    scale = np.array([sqrt(value) for value in cross.diagonal()])
    try:
        lower = np.linalg.cholesky(cross.astype(float) / np.outer(scale, scale))
    except np.linalg.LinAlgError:
        return np.zeros(cross.shape)
    found: Floats = np.linalg.inv(lower).T / scale[:, None]
    return found


def _spread(cross: NDArray[Any], root: Floats) -> float:
    """The Frobenius norm of W'AW - I in whole numbers: every float is a whole number over a power of two."""
    if not np.isfinite(root).all():
        return inf
    ratios = [value.as_integer_ratio() for value in root.ravel().tolist()]
    power = max(bottom for _, bottom in ratios)
    whole = np.array([top * (power // bottom) for top, bottom in ratios], object).reshape(root.shape)
    gap = whole.T.dot(cross).dot(whole)
    gap[np.diag_indices(len(gap))] -= power**2
    return sqrt(sum((int(value) / power**2) ** 2 for value in gap.ravel())) * (1 + 2.0**-40)
