"""What is printed for lme4's Dyestuff and Dyestuff2: Bates (2010), lme4: Mixed-effects modeling with R, chapter 1.

Yields of dye from six batches of five (Davies & Goldsmith 1972); the second, with no variance between batches, is made up
(Box & Tiao 1973).  Tolerances are half of the last printed digit, or what a profile by interpolation leaves.
"""

from __future__ import annotations

import numpy as np
import pytest

from trialkit.estimate.mixed import MixedFit, mixed_model

DYESTUFF = [
    1545, 1440, 1440, 1520, 1580, 1540, 1555, 1490, 1560, 1495, 1595, 1550, 1605, 1510, 1560,
    1445, 1440, 1595, 1465, 1545, 1595, 1630, 1515, 1635, 1625, 1520, 1455, 1450, 1480, 1445,
]  # fmt: skip
DYESTUFF2 = [
    7.298, 3.846, 2.434, 9.566, 7.990, 5.220, 6.556, 0.608, 11.788, -0.892, 0.110, 10.386, 13.434, 5.510, 8.166,
    2.212, 4.852, 7.092, 9.288, 4.980, 0.282, 9.014, 4.458, 9.446, 7.198, 1.722, 4.782, 8.106, 0.758, 3.758,
]  # fmt: skip


def fitted(yields: list[float], by: str) -> MixedFit:
    return mixed_model(yields, {}, clusters=np.repeat(list("ABCDEF"), 5), unit="grams", random="cluster", by=by)


def test_dyestuff_by_reml():
    fit = fitted(DYESTUFF, "REML")
    assert -2 * fit.log_likelihood == pytest.approx(319.6543, abs=5e-5)
    assert np.sqrt(list(fit.components.values())) == pytest.approx([42.001, 49.510], abs=5e-4)
    assert fit.coefficients[0] == pytest.approx(1527.50, abs=5e-3)
    assert np.sqrt(fit.covariance[0, 0]) == pytest.approx(19.383, abs=5e-4)
    printed = [-17.6068514, 0.3912634, 28.5622256, -23.0845385, 56.7331877, -44.9952868]
    assert fit.random_effects["cluster"].ravel() == pytest.approx(printed, abs=2e-5)  # lme4's search ends about there


def test_dyestuff_by_ml_with_the_profile_intervals_of_its_variances():
    fit = fitted(DYESTUFF, "ML")
    assert -2 * fit.log_likelihood == pytest.approx(327.3271, abs=5e-5)
    assert np.sqrt(list(fit.components.values())) == pytest.approx([37.260, 49.510], abs=5e-4)
    batch, residual = fit.intervals()
    assert batch.sd[1:] == pytest.approx((12.198, 84.063), abs=2e-3)
    assert residual.sd[1:] == pytest.approx((38.230, 67.658), abs=5e-4)


def test_dyestuff2_is_singular():
    fit = fitted(DYESTUFF2, "REML")
    assert -2 * fit.log_likelihood == pytest.approx(161.8283, abs=5e-5)
    assert fit.singular == ("cluster",)
    assert fit.components["cluster"] == 0
    assert np.sqrt(fit.components["residual"]) == pytest.approx(3.7157, abs=5e-5)
    assert [fit.coefficients[0], np.sqrt(fit.covariance[0, 0])] == pytest.approx([5.6656, 0.6784], abs=5e-5)
    assert fit.intervals()[0].low == 0
