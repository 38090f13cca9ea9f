"""Small counts on pages: nobody can work out a hidden one, by subtraction or otherwise."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialkit.report.disclosure import SMALLEST, shown


def with_totals(rows, columns):
    """Cells, row totals, column totals and the grand total of a table, as sums of its cells."""
    cells = np.eye(rows * columns, dtype=bool)
    grid = np.arange(rows * columns).reshape(rows, columns)
    margins = [np.isin(np.arange(rows * columns), part) for part in [*grid, *grid.T, grid]]
    return np.vstack([cells, margins])


def could_be(atoms, sums, visible, most):
    """Every table of whole counts that agrees with what is shown: (tables, sums); hidden numbers are not 0."""
    values = sums @ atoms
    tables = np.array(list(product(range(most + 1), repeat=len(atoms))))
    found = tables @ sums.T
    agree = (found[:, visible] == values[visible]).all(axis=1) & (found[:, ~visible] > 0).all(axis=1)
    return found[agree]


@settings(max_examples=40)
@given(st.lists(st.integers(0, 6), min_size=4, max_size=4))
def test_every_hidden_count_could_be_any_small_one(cells):
    atoms, sums = np.array(cells), with_totals(2, 2)
    visible = shown(atoms, sums)
    values = sums @ atoms
    small = (values > 0) & (values < SMALLEST)
    assert not visible[small].any()
    assert visible[values == 0].all()
    possible = could_be(atoms, sums, visible, most=int(values[-1]) if visible[-1] else 8)
    unhidden = could_be(atoms, sums, values == 0, most=6)  # what one would know with nothing shown but the zeros
    for row in np.flatnonzero(small):
        wanted = set(range(1, SMALLEST)) & set(unhidden[:, row].tolist())
        assert wanted <= set(possible[:, row].tolist()), (cells, row)


def test_one_small_cell_takes_three_others_with_it():
    atoms, sums = np.array([3, 40, 50, 60, 70, 80]), with_totals(2, 3)
    visible = shown(atoms, sums)
    hidden_cells = np.flatnonzero(~visible[:6])
    assert 0 in hidden_cells
    assert (~visible).sum() >= 4  # fewer could be told by subtraction


def test_without_small_counts_everything_is_shown():
    assert shown(np.array([5, 0, 12, 30]), with_totals(2, 2)).all()


def test_a_difference_between_two_totals_gives_nothing_away():
    # a total of both, and a total of the larger one under another name: 103 - 100 = 3
    sums = np.array([[True, False], [False, True], [True, True], [False, True]])
    visible = shown(np.array([3, 100]), sums)
    assert not visible[0]
    assert not (visible[2] and (visible[1] or visible[3]))


@given(st.lists(st.integers(0, 200), min_size=12, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_hiding_is_no_more_than_asked_for(cells, random):
    atoms, sums = np.array(cells), with_totals(3, 4)
    visible, values = shown(atoms, sums), sums @ np.array(cells)
    small = (values > 0) & (values < SMALLEST)
    if not small.any():
        assert visible.all()
    assert visible[values == 0].all()


@pytest.mark.parametrize("smallest", [3, 5])
def test_the_threshold_can_be_set(smallest):
    visible = shown(np.array([3, 30]), np.array([[True, False], [False, True]]), smallest=smallest)
    assert visible.tolist() == [smallest == 3, True]
