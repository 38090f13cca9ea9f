"""What a caller hands over: numbers or a refusal, and labels that are obeyed or refused, never dropped."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialkit.errors import EstimateError
from trialkit.estimate.given import by_unit, numbers, same_rows

UNITS = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    "bad",
    [["3,5"], ["1", "2"], np.array(["3", 1], object), [1j], [[1], [1, 2]], np.array(["2012-02-01"], "datetime64[D]"),
     [object()], pd.Series(["a", "b"]), {"a": 1}],
)  # fmt: skip
def test_what_is_no_number_is_refused_by_name(bad):
    with pytest.raises(EstimateError, match="outcome holds something that is no number") as refusal:
        numbers(bad, "outcome")
    assert "outcome rummer" in refusal.value.told("da")


def test_whole_numbers_truth_values_and_gaps_are_numbers():
    np.testing.assert_array_equal(numbers([1, True, None, 2.5], "y"), [1, 1, np.nan, 2.5])
    assert numbers([], "y").shape == (0,)
    assert numbers(pd.DataFrame({"x": [1, 2], "y": [3, 4]}), "y").shape == (2, 2)


@given(st.permutations(UNITS))
def test_a_table_labelled_by_the_units_comes_in_their_order_however_it_was_sorted(order):
    values = {unit: 10.0 * k for k, unit in enumerate(UNITS)}
    series = pd.Series([values[unit] for unit in order], index=list(order))
    np.testing.assert_array_equal(by_unit(series, UNITS, "outcome"), list(values.values()))
    table = pd.DataFrame({"x": series, "y": series + 1})
    np.testing.assert_array_equal(by_unit(table, UNITS, "outcome")[:, 1], [v + 1 for v in values.values()])


def test_labels_that_are_not_the_units_are_refused_and_none_are_taken_in_order():
    np.testing.assert_array_equal(by_unit(pd.Series([4.0, 3, 2, 1]), UNITS, "y"), [4, 3, 2, 1])
    for index in (list("abce"), list("aabc"), [3, 1, 0, 2]):
        with pytest.raises(EstimateError, match="each unit needs its label once"):
            by_unit(pd.Series([1.0, 2, 3, 4], index=index), UNITS, "y")


def test_rows_under_other_labels_are_not_put_side_by_side():
    y = pd.Series([1.0, 2, 3])
    same_rows({"outcome": y, "clusters": y * 2, "bare": [1, 2, 3]})
    with pytest.raises(EstimateError, match="rows of clusters are labelled otherwise than those of outcome"):
        same_rows({"outcome": y, "clusters": y[::-1]})
