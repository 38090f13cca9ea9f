"""The constraint in whole numbers, against the definition in exact fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trialkit.canonical import decimal_text
from trialkit.design.constraint import Mahalanobis, MahalanobisRule, Tolerance, inverted
from trialkit.errors import DesignError

SCALE = 10**9
NAMES = ("a", "b", "c")


@st.composite
def cases(draw):
    """(x scaled (n, q), codes, n_labels)."""
    n, q, labels = draw(st.integers(2, 8)), draw(st.integers(1, 3)), draw(st.integers(2, 3))
    number = st.integers(-5 * SCALE, 5 * SCALE) | st.integers(-5, 5).map(lambda whole: whole * SCALE)
    x = draw(st.lists(st.tuples(*[number] * q), min_size=n, max_size=n))
    return x, draw(st.lists(st.integers(0, labels - 1), min_size=n, max_size=n)), labels


def means(x, codes, labels) -> dict[int, list[Fraction]]:
    held = {label: [row for row, code in zip(x, codes, strict=True) if code == label] for label in range(labels)}
    return {
        label: [Fraction(sum(column), len(rows) * SCALE) for column in zip(*rows, strict=True)]
        for label, rows in held.items()
        if rows
    }


def solved(matrix: list[list[Fraction]], v: list[Fraction]) -> list[Fraction]:
    """matrix^-1 v by Gauss-Jordan in fractions."""
    rows = [[*row, value] for row, value in zip(matrix, v, strict=True)]
    for k in range(len(rows)):
        pivot = next(i for i in range(k, len(rows)) if rows[i][k])
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [value / rows[k][k] for value in rows[k]]
        for i, row in enumerate(rows):
            if i != k:
                rows[i] = [a - row[k] * b for a, b in zip(row, rows[k], strict=True)]
    return [row[-1] for row in rows]


def morgan_rubin(x, codes, labels) -> Fraction:
    """sum_j n_j (m_j - m)' S^-1 (m_j - m), S with divisor n - 1: the definition, in fractions."""
    n, q = len(x), len(x[0])
    rows = [[Fraction(value, SCALE) for value in row] for row in x]
    centre = [sum(row[k] for row in rows) / n for k in range(q)]
    cov = [
        [sum((row[i] - centre[i]) * (row[j] - centre[j]) for row in rows) / (n - 1) for j in range(q)]
        for i in range(q)
    ]  # fmt: skip
    total = Fraction(0)
    for label, mean in means(x, codes, labels).items():
        off = [m - c for m, c in zip(mean, centre, strict=True)]
        total += codes.count(label) * sum(a * b for a, b in zip(off, solved(cov, off), strict=True))
    return total


@given(cases(), st.integers(0, 3 * SCALE))
def test_tolerance_is_the_definition_in_fractions(case, limit):
    x, codes, labels = case
    q = len(x[0])
    tolerances = (decimal_text(limit),) * q
    rule = Tolerance(covariates=NAMES[:q], tolerances=tolerances, max_attempts=1).rule(x)
    apart = [
        abs(a - b)
        for one, other in combinations(means(x, codes, labels).values(), 2)
        for a, b in zip(one, other, strict=True)
    ]
    assert rule.accepts(codes, labels) == all(gap <= Fraction(limit, SCALE) for gap in apart)


@given(cases())
def test_a_tolerance_met_with_equality_is_accepted(case):
    x, codes, labels = case
    q = len(x[0])
    apart = [
        abs(a - b) * SCALE
        for one, other in combinations(means(x, codes, labels).values(), 2)
        for a, b in zip(one, other, strict=True)
    ]
    assume(apart and max(apart).denominator == 1 and max(apart) > 0)
    spec = [decimal_text(int(max(apart)) - less) for less in (0, 1)]
    rules = [Tolerance(covariates=NAMES[:q], tolerances=(text,) * q, max_attempts=1).rule(x) for text in spec]
    assert [rule.accepts(codes, labels) for rule in rules] == [True, False]


@given(cases(), st.integers(0, 12 * SCALE))
def test_mahalanobis_is_the_definition_in_fractions(case, threshold):
    x, codes, labels = case
    q = len(x[0])
    spec = Mahalanobis(covariates=NAMES[:q], threshold=decimal_text(threshold), max_attempts=1)
    if rank_of(x) < q:
        with pytest.raises(DesignError, match="E_COVARIATES"):
            spec.rule(x)
        return
    assert spec.rule(x).accepts(codes, labels) == (morgan_rubin(x, codes, labels) <= Fraction(threshold, SCALE))


@given(cases())
def test_a_distance_at_the_threshold_is_accepted_and_one_billionth_less_is_not(case):
    x, codes, labels = case
    assume(rank_of(x) == len(x[0]))
    distance = morgan_rubin(x, codes, labels)
    assume(distance > 0)
    above = -(-distance * SCALE // 1)
    assert MahalanobisRule(tuple(x), int(above)).accepts(codes, labels)
    assert not MahalanobisRule(tuple(x), int(above) - 1).accepts(codes, labels)


def rank_of(x) -> int:
    """Rank of the centred covariates, in fractions."""
    rows = [[Fraction(a - b) for a, b in zip(row, x[0], strict=True)] for row in x[1:]]
    rank = 0
    for k in range(len(x[0])):
        pivot = next((i for i in range(rank, len(rows)) if rows[i][k]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for i in range(rank + 1, len(rows)):
            factor = rows[i][k] / rows[rank][k]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[rank], strict=True)]
        rank += 1
    return rank


@given(st.integers(1, 4), st.data())
def test_the_adjugate_times_the_matrix_is_its_determinant(size, data):
    rows = data.draw(st.lists(st.lists(st.integers(-9, 9), min_size=size, max_size=size), min_size=1, max_size=6))
    matrix = [[sum(row[i] * row[j] for row in rows) for j in range(size)] for i in range(size)]
    determinant, adjugate = inverted(matrix)
    if not determinant:
        assert adjugate == ()
        return
    found = [[sum(a * matrix[k][j] for k, a in enumerate(row)) for j in range(size)] for row in adjugate]
    assert found == [[determinant * (i == j) for j in range(size)] for i in range(size)]


@pytest.mark.parametrize("x", [[(1, 2), (2, 4), (3, 6)], [(5,)], [(1, 7), (2, 7), (3, 7)]])
def test_covariates_that_say_the_same_are_refused(x):
    with pytest.raises(DesignError) as refused:
        MahalanobisRule(tuple(x), 1)
    assert refused.value.code == "E_COVARIATES"
