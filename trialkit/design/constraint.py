"""Rerandomization in whole numbers: the constraint an allocation must meet, without floating point.

Specification section 7.  A constraint is what the protocol says; its *rule* is the same with the free items'
covariates in hand, so that determinants are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import prod
from typing import Any

from trialkit.canonical import decimal_units
from trialkit.errors import DesignError

Vector = tuple[int, ...]
SCALE = 10**9  # a decimal string d is the integer d x 10^9


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """For every pair of labels and every covariate, the means differ by at most its tolerance; equality is accepted.

    ``tolerances`` are decimal strings in the covariates' own units, one per covariate.
    """

    covariates: tuple[str, ...]
    tolerances: tuple[str, ...]
    max_attempts: int

    def check(self) -> None:
        """Refuse another number of tolerances than of covariates.

        Raises
        ------
        DesignError
            ``E_COVARIATES``.
        """
        if len(self.tolerances) != len(self.covariates):
            raise _covariates(
                f"There are {len(self.covariates)} covariates and {len(self.tolerances)} tolerances, so nobody can "
                "tell which belongs to which. Give one tolerance per covariate.",
                f"Der er {len(self.covariates)} kovariater og {len(self.tolerances)} tolerancer, så ingen kan se, hvad "
                "der hører sammen. Angiv én tolerance pr. kovariat.",
            )

    def rule(self, x: Sequence[Vector]) -> ToleranceRule:
        """The constraint on items with covariates ``x``, each (q,) and scaled by 10^9."""
        return ToleranceRule(tuple(x), tuple(decimal_units(text) for text in self.tolerances))

    def spec(self) -> dict[str, Any]:
        """The constraint as the draw protocol writes it."""
        return {
            "kind": "tolerance",
            "covariates": list(self.covariates),
            "tolerances": list(self.tolerances),
            "max_attempts": self.max_attempts,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Mahalanobis:
    """The Morgan-Rubin distance is at most ``threshold``, a decimal string.

    Morgan and Rubin (2012), doi:10.1214/12-AOS1008; specification section 7 for more than two labels.
    """

    covariates: tuple[str, ...]
    threshold: str
    max_attempts: int

    def check(self) -> None:
        """Nothing can be wrong before the covariates are known."""

    def rule(self, x: Sequence[Vector]) -> MahalanobisRule:
        """The constraint on items with covariates ``x``, each (q,) and scaled by 10^9.

        Raises
        ------
        DesignError
            ``E_COVARIATES``: constant or collinear covariates, or one item.
        """
        return MahalanobisRule(tuple(x), decimal_units(self.threshold))

    def spec(self) -> dict[str, Any]:
        """The constraint as the draw protocol writes it."""
        return {
            "kind": "mahalanobis",
            "covariates": list(self.covariates),
            "threshold": self.threshold,
            "max_attempts": self.max_attempts,
        }


Constraint = Tolerance | Mahalanobis


@dataclass(frozen=True)
class ToleranceRule:
    """`Tolerance` on known items: ``x`` is (n, q) and ``tolerances`` (q,), both scaled by 10^9."""

    x: tuple[Vector, ...]
    tolerances: Vector

    def accepts(self, codes: Sequence[int], n_labels: int) -> bool:
        """Whether the allocation ``codes``, (n,) in the order of ``x``, meets the constraint."""
        return self.accepts_sums(*label_sums(self.x, codes, n_labels))

    def accepts_sums(self, counts: Sequence[int], sums: Sequence[Sequence[int]]) -> bool:
        """The same from the items per label, (labels,), and the sums of their covariates, (labels, q)."""
        drawn = [(n, s) for n, s in zip(counts, sums, strict=True) if n]
        return all(
            abs(one * n_b - other * n_a) <= limit * n_a * n_b
            for (n_a, s_a), (n_b, s_b) in combinations(drawn, 2)
            for one, other, limit in zip(s_a, s_b, self.tolerances, strict=True)
        )


@dataclass(frozen=True)
class MahalanobisRule:
    """`Mahalanobis` on known items: ``x`` is (n, q) and ``threshold`` a number, both scaled by 10^9."""

    x: tuple[Vector, ...]
    threshold: int

    def __post_init__(self) -> None:
        if self.determinant <= 0:
            raise _covariates(
                f"The {len(self.x)} items that are drawn do not vary in all {len(self.x[0])} covariates independently "
                "of one another, so no distance can be computed. Leave out the constant or repeated covariate.",
                f"De {len(self.x)}, der trækkes lod om, varierer ikke uafhængigt i alle {len(self.x[0])} kovariater, "
                "så der kan ikke regnes nogen afstand. Udelad den kovariat, der er konstant eller følger af de andre.",
            )

    @cached_property
    def total(self) -> Vector:
        """(q,) t of section 7: the sum of all covariates."""
        return tuple(map(sum, zip(*self.x, strict=True)))

    @property
    def determinant(self) -> int:
        """D of section 7."""
        return self._inverse[0]

    @property
    def adjugate(self) -> tuple[Vector, ...]:
        """(q, q) adj A of section 7."""
        return self._inverse[1]

    @cached_property
    def _inverse(self) -> tuple[int, tuple[Vector, ...]]:
        columns, t, n = tuple(zip(*self.x, strict=True)), self.total, len(self.x)
        matrix = [
            [n * sum(a * b for a, b in zip(one, other, strict=True)) - t_one * t_other
             for other, t_other in zip(columns, t, strict=True)]
            for one, t_one in zip(columns, t, strict=True)
        ]  # fmt: skip
        return inverted(matrix)

    def accepts(self, codes: Sequence[int], n_labels: int) -> bool:
        """Whether the allocation ``codes``, (n,) in the order of ``x``, meets the constraint."""
        return self.accepts_sums(*label_sums(self.x, codes, n_labels))

    def accepts_sums(self, counts: Sequence[int], sums: Sequence[Sequence[int]]) -> bool:
        """The same from the items per label, (labels,), and the sums of their covariates, (labels, q)."""
        n, t = len(self.x), self.total
        product = prod(count for count in counts if count)
        distance = 0
        for count, label_sum in zip(counts, sums, strict=True):
            if count:
                v = [n * s - count * whole for s, whole in zip(label_sum, t, strict=True)]
                distance += _quadratic(self.adjugate, v) * (product // count)
        return (n - 1) * SCALE * distance <= self.threshold * n * self.determinant * product


Rule = ToleranceRule | MahalanobisRule


def label_sums(x: Sequence[Vector], codes: Sequence[int], n_labels: int) -> tuple[list[int], list[list[int]]]:
    """Items per label, and the sums of their covariates, (labels, q)."""
    counts = [0] * n_labels
    sums = [[0] * len(x[0]) for _ in range(n_labels)]
    for row, code in zip(x, codes, strict=True):
        counts[code] += 1
        at = sums[code]
        for k, value in enumerate(row):
            at[k] += value
    return counts, sums


def inverted(matrix: Sequence[Sequence[int]]) -> tuple[int, tuple[Vector, ...]]:
    """Determinant and adjugate of a positive semidefinite integer matrix; (0, ()) if it is singular.

    Fraction-free Gauss-Jordan elimination (Bareiss 1968, doi:10.1090/S0025-5718-1968-0226829-0): every division is
    exact, and no row is exchanged because a positive definite matrix has positive leading minors.
    """
    size = len(matrix)
    rows = [[*row, *(int(k == other) for other in range(size))] for k, row in enumerate(matrix)]
    previous = 1
    for k in range(size):
        pivot = rows[k][k]
        if pivot <= 0:
            return 0, ()
        for i, row in enumerate(rows):
            if i != k:
                factor = row[k]
                rows[i] = [(pivot * a - factor * b) // previous for a, b in zip(row, rows[k], strict=True)]
        previous = pivot
    return previous, tuple(tuple(row[size:]) for row in rows)


def check_covariates(constraint: Constraint, x: Sequence[tuple[str, ...]], ids: Sequence[str]) -> None:
    """Every unit has one value per covariate, fixed units too.

    Raises
    ------
    DesignError
        ``E_COVARIATES``.
    """
    for unit, values in zip(ids, x, strict=True):
        if len(values) != len(constraint.covariates):
            raise _covariates(
                f"Unit {unit!r} has {len(values)} covariate values, and {len(constraint.covariates)} are named, so "
                "balance cannot be judged. Give one value per covariate.",
                f"Enheden {unit!r} har {len(values)} kovariatværdier, men der er nævnt {len(constraint.covariates)}, "
                "så balancen kan ikke bedømmes. Angiv én værdi pr. kovariat.",
            )
    constraint.check()


def _quadratic(matrix: Sequence[Vector], v: Sequence[int]) -> int:
    return sum(a * sum(m * b for m, b in zip(row, v, strict=True)) for a, row in zip(v, matrix, strict=True))


def _covariates(message: str, da: str) -> DesignError:
    return DesignError(message, da=da, code="E_COVARIATES")
