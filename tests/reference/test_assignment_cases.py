"""Calls that no kept case makes are read as well: numbers by hand, from binomial and multinomial coefficients."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference.assignment_cases import check, declared

TWO, THREE = ["prob_0", "prob_1"], ["prob_T1", "prob_T2", "prob_T3"]
BY_HAND = {
    "declare_ra(blocks = rep(c('u', 'v'), each = 4), block_m_each = rbind(c(1, 1, 2), c(2, 1, 1)))": (
        THREE, [[1 / 4, 1 / 4, 1 / 2]] * 4 + [[1 / 2, 1 / 4, 1 / 4]] * 4, 12 * 12,
    ),
    "declare_ra(blocks = rep(1:2, c(3L, 4L)), block_m = c(1, 1), conditions = c('0', '1'))": (
        TWO, [[2 / 3, 1 / 3]] * 3 + [[3 / 4, 1 / 4]] * 4, 3 * 4,
    ),
    "declare_ra(clusters = rep(LETTERS[1:3], times = 2), simple = TRUE, prob = 0.25)": (TWO, [[0.75, 0.25]] * 6, 8),
    "declare_ra(N = 200, m = 100)": (TWO, [[0.5, 0.5]] * 200, 9.0548514656103281165e58),
    "declare_ra(blocks = paste0('b', c(1, 2, 1, 2, 2)), block_prob_each = matrix(c(.5, .5, 1/3, 2/3), 2, byrow = TRUE))": (
        TWO, [[1 / 2, 1 / 2], [1 / 3, 2 / 3]] * 2 + [[1 / 3, 2 / 3]], 2 * 3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("call", BY_HAND)
def test_a_call_is_the_design_it_says(call):
    columns, shares, number = BY_HAND[call]
    check(declared(call, columns), {"probabilities_matrix": shares, "n_permutations": number}, 1e-14)


def test_what_is_not_read_fails():
    with pytest.raises((AssertionError, KeyError)):
        declared("declare_ra(N = sample(8, 1), m = 2)", TWO)


def test_another_number_fails():
    with pytest.raises(AssertionError):
        check(
            declared("declare_ra(N = 4, m = 2)", TWO),
            {"probabilities_matrix": np.full((4, 2), 0.5), "n_permutations": 7},
            0,
        )
