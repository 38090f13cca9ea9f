"""The screen gives the exact rule's answer in every row, ties at the cutoff among them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialkit.canonical import decimal_text
from trialkit.design import screen
from trialkit.design.constraint import Mahalanobis, MahalanobisRule, Tolerance, ToleranceRule
from trialkit.design.screen import Screen
from trialkit.errors import DesignError


def agree(rule, codes: np.ndarray, n_labels: int) -> np.ndarray:
    """The screen's answers, after checking that they are the rule's."""
    counts = np.stack([(codes == label).sum(axis=0) for label in range(n_labels)])
    found = Screen(rule, n_labels).accepted(codes, counts)
    assert found.tolist() == [rule.accepts(row, n_labels) for row in codes.T.tolist()]
    return found


@st.composite
def cases(draw):
    """Covariates of very different sizes, and codes whose numbers per label vary."""
    n, q, n_labels = draw(st.integers(3, 9)), draw(st.integers(1, 3)), draw(st.integers(2, 4))
    scale = st.sampled_from([1, 10**6, 10**9, 10**15, 10**23])
    columns = [[draw(st.integers(-9, 9)) * size for _ in range(n)] for size in (draw(scale) for _ in range(q))]
    shift = draw(st.sampled_from([0, 7 * 10**20 + 1]))
    x = [tuple(value + shift for value in row) for row in zip(*columns, strict=True)]
    rows = draw(st.lists(st.lists(st.integers(0, n_labels - 1), min_size=n, max_size=n), min_size=1, max_size=30))
    return x, np.array(rows, np.int8).T, n_labels


@settings(max_examples=150, deadline=None)
@given(cases(), st.data())
def test_tolerance_screen_is_the_exact_rule(case, data):
    x, codes, n_labels = case
    limits = tuple(data.draw(st.sampled_from([0, 1, 10**9, 3 * 10**9, 10**15, 10**23])) for _ in x[0])
    agree(ToleranceRule(tuple(x), limits), codes, n_labels)


@settings(max_examples=150, deadline=None)
@given(cases(), st.sampled_from([0, 1, 10**8, 10**9, 25 * 10**8, 10**10]))
def test_mahalanobis_screen_is_the_exact_rule(case, threshold):
    x, codes, n_labels = case
    try:
        rule = MahalanobisRule(tuple(x), threshold)
    except DesignError:
        return  # constant or collinear: no such design
    agree(rule, codes, n_labels)


@settings(max_examples=80, deadline=None)
@given(cases(), st.data())
def test_a_tolerance_that_is_one_rows_own_difference_accepts_that_row(case, data):
    """Ties exactly at the cutoff: the tolerance is the difference of means of a drawn row, where it is a decimal."""
    x, codes, n_labels = case
    row = codes[:, data.draw(st.integers(0, codes.shape[1] - 1))]
    limits = []
    for column in zip(*x, strict=True):
        means = [
            Fraction(sum(v for v, c in zip(column, row, strict=True) if c == label), int((row == label).sum()))
            for label in range(n_labels)
            if (row == label).any()
        ]
        gap = max(means) - min(means)
        if gap.denominator != 1:
            return
        limits.append(int(gap))
    place = codes.T.tolist().index(row.tolist())
    assert agree(ToleranceRule(tuple(x), tuple(limits)), codes, n_labels)[place]
    if max(limits) > 0:
        tighter = tuple(max(limit - 1, 0) for limit in limits)
        assert not agree(ToleranceRule(tuple(x), tighter), codes, n_labels)[place]


def squares() -> tuple[MahalanobisRule, np.ndarray, int]:
    """Eight items 1 ... 8, four by four: many allocations have the same distance, and one of these is the cutoff."""
    x = tuple((value * 10**9,) for value in range(1, 9))
    codes = np.array([[k >> item & 1 for item in range(8)] for k in range(256)], np.int8)
    codes = codes[codes.sum(axis=1) == 4].T
    # S = 6; M = (4 * 4 / 8) d^2 / 6 = d^2 / 3 with d = (36 - 2 sum) / 4: a sum of 15 gives d = 1.5, M = 0.75 exactly
    return MahalanobisRule(x, 750_000_000), codes, 2


def test_ties_exactly_at_the_distance_are_accepted_and_one_billionth_less_refuses_them():
    rule, codes, n_labels = squares()
    sums = (np.arange(1, 9) @ codes).tolist()
    assert agree(rule, codes, n_labels).tolist() == [15 <= total <= 21 for total in sums]
    tighter = MahalanobisRule(rule.x, rule.threshold - 1)
    assert agree(tighter, codes, n_labels).tolist() == [15 < total < 21 for total in sums]


def test_ties_at_a_tolerance_are_accepted():
    x = tuple((value * 10**9,) for value in range(1, 9))
    _, codes, _ = squares()
    sums = (np.arange(1, 9) @ codes).tolist()
    assert agree(ToleranceRule(x, (15 * 10**8,)), codes, 2).tolist() == [15 <= total <= 21 for total in sums]
    assert agree(ToleranceRule(x, (15 * 10**8 - 1,)), codes, 2).tolist() == [15 < total < 21 for total in sums]


def test_nearly_collinear_covariates_are_decided_exactly():
    """Two covariates that differ in the ninth decimal of one unit: float64 cannot invert them, whole numbers can."""
    x = tuple((k * 10**14, k * 10**14 + (k == 3)) for k in range(8))
    rng = np.random.default_rng(20260111)
    codes = rng.permuted(np.tile([0, 1], (200, 4)), axis=1).T.astype(np.int8)
    found = [agree(MahalanobisRule(x, threshold), codes, 2).sum() for threshold in (11 * 10**8, 2 * 10**9, 4 * 10**9)]
    assert 0 < found[0] < found[1] < found[2]


def test_only_rows_in_doubt_reach_the_exact_rule(monkeypatch):
    """Otherwise the screen would be right and useless."""
    rng = np.random.default_rng(20260112)
    x = tuple(tuple(int(v) for v in row) for row in (rng.normal(size=(40, 4)) * 10**9).astype(np.int64))
    codes = rng.permuted(np.tile([0, 1], (5000, 20)), axis=1).T.astype(np.int8)
    asked = []
    exact = screen._Exact.accepted
    monkeypatch.setattr(screen._Exact, "accepted", lambda self, c, n: asked.append(c.shape[1]) or exact(self, c, n))
    counts = np.array([[20], [20]])
    for rule in (MahalanobisRule(x, 10**9), ToleranceRule(x, (10**8,) * 4)):
        found = Screen(rule, 2).accepted(codes, counts)
        assert 0 < found.sum() < 5000
        assert found[:200].tolist() == [rule.accepts(row, 2) for row in codes.T[:200].tolist()]
    assert sum(asked) <= 5


@pytest.mark.parametrize("kind", ["tolerance", "mahalanobis"])
def test_numbers_per_label_may_differ_from_row_to_row(kind):
    rng = np.random.default_rng(20260113)
    x = tuple((int(v),) for v in rng.integers(0, 20, 10) * 10**9)
    rule = (
        Tolerance(covariates=("a",), tolerances=(decimal_text(2 * 10**9),), max_attempts=1).rule(x)
        if kind == "tolerance"
        else Mahalanobis(covariates=("a",), threshold="1", max_attempts=1).rule(x)
    )
    found = agree(rule, rng.integers(0, 3, (10, 300)).astype(np.int8), 3)
    assert 0 < found.sum() < 300
