"""Thompson's estimator by hand, and the laws that make it worth having."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialkit.errors import EstimateError
from trialkit.estimate.within_period import within_periods

Y = np.array([[1.0, 3, 5], [2, 2, 4], [0, 4, 9], [3, 5, 1]])
STARTS = [1, 2]  # label 0 starts in the second period, label 1 in the third


def test_two_sided_periods_by_hand():
    found = within_periods(Y, STARTS, np.array([[0, 0, 1, 1]]))
    assert np.isnan(found.differences[0, [0, 2]]).all()
    # second period: 3, 2 started and 4, 5 wait; pooled variance (.5 + .5) / 2, two on each side
    assert found.differences[0, 1] == pytest.approx(-2.0)
    assert found.weights[0, 1] == pytest.approx(1 / (0.5 * (1 / 2 + 1 / 2)))
    assert found.estimates[0] == pytest.approx(-2.0)


@given(st.integers(0, 10_000), st.sampled_from(["variance", "harmonic"]))
def test_a_level_for_each_period_changes_nothing_and_a_constant_effect_is_found(seed, weights):
    rng = np.random.default_rng(seed)
    y, levels = rng.normal(size=(9, 5)), rng.normal(size=5) * 100
    starts, codes = [1, 2, 4], rng.permuted(np.tile(np.arange(3), (4, 3)), axis=1)
    plain = within_periods(y, starts, codes, weights=weights).estimates
    np.testing.assert_allclose(within_periods(y + levels, starts, codes, weights=weights).estimates, plain, atol=1e-8)
    treated = np.asarray(starts)[codes[0]][:, None] <= np.arange(5)
    with_effect = within_periods(y + 3 * treated, starts, codes[:1], weights=weights).estimates
    np.testing.assert_allclose(with_effect, plain[:1] + 3, atol=1e-8)
    np.testing.assert_allclose(within_periods(-2 * y, starts, codes, weights=weights).estimates, -2 * plain, atol=1e-8)


@pytest.mark.parametrize(
    ("y", "starts", "words"),
    [
        (np.where(Y == 9, np.nan, Y), STARTS, "without gaps"),
        (Y[:3], STARTS, "without gaps"),
        (Y, [1, 1], "No period"),
        (np.ones((4, 3)), STARTS, "No period"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(y, starts, words):
    with pytest.raises(EstimateError, match=words) as told:
        within_periods(y, starts, np.array([[0, 0, 1, 1]]))
    assert told.value.told("da") != told.value.message
