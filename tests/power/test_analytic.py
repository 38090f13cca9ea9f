"""The variance from the design and the correlations, against a covariance built person by person."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialkit.errors import DesignError
from trialkit.estimate.within_months import Calendar, contrast
from trialkit.power.analytic import Correlation, Precision, blocked_difference, precision, two_groups, variances
from trialkit.power.possible import Possible


def person_by_person(coefficients, sizes, correlation, total):
    """Every person of every unit and period in one covariance matrix; nothing is simplified."""
    people = [(i, t, k) for i in range(sizes.shape[0]) for t in range(sizes.shape[1]) for k in range(int(sizes[i, t]))]
    weight = np.array([coefficients[i, t] / sizes[i, t] for i, t, _ in people])
    covariance = np.zeros((len(people), len(people)))
    for a, (i, t, k) in enumerate(people):
        for b, (j, s, m) in enumerate(people):
            if i == j:
                same = correlation.cac ** abs(t - s) if correlation.decay else (1.0 if t == s else correlation.cac)
                own = (1.0 if t == s else correlation.iac) if k == m else 0.0
                covariance[a, b] = total * (correlation.icc * same + (1 - correlation.icc) * own)
    return weight @ covariance @ weight


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.booleans(),
    st.sampled_from([1.0, 0.0475]),
)
def test_variance_is_that_of_the_people(seed, icc, cac, iac, decay, total):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 6, size=(3, 4)).astype(float)
    coefficients = rng.normal(size=(2, 3, 4))
    correlation = Correlation(icc=icc, cac=cac, iac=iac, decay=decay)
    found = variances(coefficients, sizes, correlation, total=total)
    assert found == pytest.approx([person_by_person(c, sizes, correlation, total) for c in coefficients], abs=1e-12)


def test_a_cell_without_people_may_not_carry_weight():
    sizes = np.array([[3.0, 0.0], [2.0, 2.0]])
    quiet = np.array([[[1.0, 0.0], [-1.0, 0.0]]])
    assert variances(quiet, sizes, Correlation(icc=0.0))[0] == pytest.approx(1 / 3 + 1 / 2)
    with pytest.raises(DesignError, match="nobody in it") as error:
        variances(quiet[:, :, ::-1], sizes, Correlation(icc=0.0))
    assert error.value.facts["cells"] == [[0, 1]]


@pytest.mark.parametrize("name", ["icc", "cac", "iac"])
def test_a_correlation_above_one_is_refused(name):
    with pytest.raises(DesignError, match=f"{name} = 1.5"):
        Correlation(**({"icc": 0.1} | {name: 1.5}))


# Two groups.  R 4.2.2: power.t.test(n = 20, power = .8)$delta 0.9091 and so on; the published rounding of the sources.
@pytest.mark.parametrize(("n", "seen"), [(20, 0.9), (60, 0.5), (24, 0.83)])
def test_families_drawn_one_by_one(n, seen):
    found = two_groups(n, n).smallest_effect()
    assert found.t == pytest.approx(seen, abs=0.02)
    assert found.normal < found.t


def test_smallest_effect_and_power_are_each_others_inverse():
    """(t quantile + t quantile) x error is the convention; the noncentral t agrees to a percentage point at 5 df."""
    for df in (5, 19, 46, 400):
        made = Precision(std_error=0.3, df=df)
        assert made.power(made.smallest_effect().normal).normal == pytest.approx(0.8, abs=1e-6)
        assert made.power(made.smallest_effect().t).t == pytest.approx(0.8, abs=0.012)
        assert made.power(0.0).t == pytest.approx(0.05)
        assert made.power(0.0).normal == pytest.approx(0.05)
        assert made.power(0.0, sides=1, alpha=0.1).t == pytest.approx(0.1)


def test_without_degrees_of_freedom_there_is_no_t_answer():
    made = Precision(std_error=0.3, df=0)
    assert np.isnan(made.smallest_effect().t)
    assert np.isnan(made.power(1.0).t)
    assert 0 < made.power(1.0).normal < 1


def test_a_baseline_measurement_and_teams_change_the_error_as_published():
    # Borm et al. 2007: the sample shrinks by 1 - correlation^2; a team of 7 at ICC 0.05 counts 1.3 times
    assert two_groups(50, 50, explained=0.36).std_error == pytest.approx(two_groups(50, 50).std_error * 0.8)
    grouped = two_groups(35, 35, design_effect_a=1 + 6 * 0.05).std_error ** 2
    assert grouped == pytest.approx(1.3 / 35 + 1 / 35)


def test_copenhagen_three_areas_against_four_sees_five_to_nine_points():
    """The draft's rough count: eight months of births, baseline 5 percent, ICC 0.005 to 0.02, no structure in time."""
    from itertools import combinations

    codes = np.array([[int(k not in first) for k in range(7)] for first in combinations(range(7), 3)])
    listed = Possible(codes=codes, shares=np.full(35, 1 / 35), exact=True)
    infants = np.array([[1262], [1168], [802], [503], [587], [770], [872]])
    births = infants * 8 / 12
    made = blocked_difference(codes, 0, 1, np.zeros(7, int))
    seen = []
    for icc in (0.005, 0.02):
        one = precision(listed, made, births, Correlation(icc=icc), total=0.05 * 0.95, df=5)
        assert one.n_allocations == 35
        seen.append(one.smallest_effect().t)
    assert seen == pytest.approx([0.05, 0.09], abs=0.005)


def test_precision_averages_by_probability_and_leaves_out_what_gives_no_estimate():
    codes = np.array([[0, 1], [1, 0], [1, 1]])
    listed = Possible(codes=codes, shares=np.array([0.5, 0.25, 0.25]), exact=True)
    august = Calendar.of(["2012-08"])
    made = contrast(codes, august, [date(2012, 1, 1), date(2013, 1, 1)]).coefficients
    sizes = np.array([[4.0], [10.0]])
    found = precision(listed, made, sizes, Correlation(icc=0.0), df=0)
    assert found.unseen == pytest.approx(0.25)
    assert found.std_error**2 == pytest.approx(1 / 4 + 1 / 10)
    assert found.mc_error == 0
    nothing = precision(listed, np.zeros((3, 2, 1)), sizes, Correlation(icc=0.0), df=0)
    assert np.isnan(nothing.std_error)
    assert nothing.unseen == 1


def test_sampled_allocations_carry_their_error():
    rng = np.random.default_rng(1)
    codes = np.array([rng.permutation([0, 0, 0, 1, 1, 1]) for _ in range(500)])
    listed = Possible(codes=codes, shares=np.full(500, 1 / 500), exact=False)
    sizes = rng.integers(1, 50, size=(6, 1)).astype(float)
    made = blocked_difference(codes, 0, 1, np.zeros(6, int))
    found = precision(listed, made, sizes, Correlation(icc=0.0), df=4)
    exact = float(np.mean((1 / 9) * (1 / sizes).sum()))  # every unit is in some arm of 3: its weight is always 1/9
    assert found.std_error**2 == pytest.approx(exact)
    assert found.mc_error == pytest.approx(0, abs=1e-9)


def test_blocks_weigh_by_their_share():
    codes = np.array([[0, 1, 0, 1, 1, 0, 2]])
    blocks = np.array([0, 0, 1, 1, 1, 1, 1])
    found = blocked_difference(codes, 0, 1, blocks)[0, :, 0]
    assert found == pytest.approx([1 / 3, -1 / 3, 1 / 3, -1 / 3, -1 / 3, 1 / 3, 0])
    lonely = blocked_difference(np.array([[0, 0, 0, 1]]), 0, 1, np.array([0, 0, 1, 1]))[0, :, 0]
    assert lonely == pytest.approx([0, 0, 1, -1])  # a block with one arm only has nothing to compare
