"""Wedges drawn by cells or by sums against the same wedges person by person: moments, distributions, and closed form."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, ks_2samp, kstest

from trialkit.errors import DesignError
from trialkit.estimate.mixed_many import ManyFits, ManyModel, many_mixed_models
from trialkit.estimate.wedge import TREATED, columns
from trialkit.power.closed_form import power
from trialkit.power.components import Components
from trialkit.power.layout import Layout
from trialkit.power.wedge_sums import SumsDrawn
from trialkit.power.wedge_world import WedgeWorld

UNEQUAL = np.random.default_rng(1).integers(2, 9, (8, 5)).astype(float)


def world(*, sizes: Any = 4, cluster: float = 0.3, cell: float = 0.0, **asked: Any) -> WedgeWorld:
    """Synthetic: eight clusters, four steps."""
    components = Components(residual=1.5, cluster=cluster, cluster_period=cell, **asked)
    return WedgeWorld(
        layout=Layout.stepped([2, 2, 2, 2], sizes=sizes), components=components, effect=0.4,
        levels=np.array([1.0, 1.2, 0.9, 1.4, 1.1]),
    )  # fmt: skip


def by_persons(made: WedgeWorld, n_sets: int, seed: int, *, random: Any, df: Any) -> ManyFits:
    """The same world with a row for everybody."""
    y = made.persons(n_sets, np.random.default_rng(seed))
    cluster, period = np.repeat(made.cluster, made.sizes), np.repeat(made.period, made.sizes)
    treated = made.layout.treated[cluster, period]
    fixed = {TREATED: treated, **columns(np.ones_like(period), period)} | {TREATED: treated}
    return many_mixed_models(
        y, fixed, contrast=TREATED, clusters=cluster, periods=period, random=random, unit="1", df=df
    )  # fmt: skip


@cache
def both(case: str) -> tuple[ManyFits, ManyFits]:
    """Fits of data sets drawn as sums and person by person: 6,000 for each case, 2,000 where no two cells are alike."""
    made, random = {
        "cluster": (world(), "cluster"),
        "nested": (world(cell=0.2), "nested"),
        "unequal": (world(sizes=UNEQUAL, cell=0.2), "nested"),
        "unequal, cells drawn": (world(sizes=UNEQUAL, cell=0.2), "cluster"),
    }[case]
    asked, n = {"random": random, "df": "Satterthwaite"}, 2_000 if case.startswith("unequal") else 6_000
    return made.fits(n, np.random.default_rng(7), **asked), by_persons(made, n, 8, **asked)


CASES = ["cluster", "nested", "unequal", "unequal, cells drawn"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("number", ["estimate", "std_error", "df", "p_value", "cluster", "residual"])
def test_sums_and_persons_have_one_distribution(case, number):
    """Two samples with fixed seeds: Kolmogorov and Smirnov's distance, means and spreads."""
    sums, persons = both(case)
    ours, theirs = (
        found.components[number] if number in found.components else getattr(found, number) for found in (sums, persons)
    )
    assert ks_2samp(ours, theirs).pvalue > 0.005
    error = np.sqrt(ours.var() / len(ours) + theirs.var() / len(theirs))
    assert abs(ours.mean() - theirs.mean()) < 3.3 * error  # once in 1,000
    assert ours.std() == pytest.approx(theirs.std(), rel=0.15)


@pytest.mark.parametrize("case", CASES)
def test_as_many_fits_are_singular(case):
    ours, theirs = (found.singular["cluster"] for found in both(case))
    assert abs(ours.mean() - theirs.mean()) < 3.3 * np.sqrt(0.25 / len(ours) * 2)


def test_cells_are_the_means_and_squares_of_persons():
    made = world(cell=0.2, sizes=UNEQUAL)
    cells = made.cells(20_000, np.random.default_rng(3))
    cov = np.cov(cells.mean, rowvar=False)
    wanted = made._covariance()
    # a covariance of n normal pairs has an error of sqrt((v w + c^2) / n)
    error = np.sqrt((np.outer(np.diag(wanted), np.diag(wanted)) + wanted**2) / 20_000)
    assert (np.abs(cov - wanted) < 4.8 * error).all()  # one of 820 beyond that once in 800
    at = made.expected[made.cluster, made.period]
    assert (np.abs(cells.mean.mean(axis=0) - at) < 4.5 * np.sqrt(np.diag(wanted) / 20_000)).all()
    free = int(made.sizes.sum()) - len(made.sizes)
    assert kstest(cells.within / 1.5, chi2(free).cdf).pvalue > 0.005
    rows = made.persons(2_000, np.random.default_rng(4))
    ends = np.cumsum(made.sizes)
    parts = np.split(rows, ends[:-1], axis=1)
    mean = np.stack([part.mean(axis=1) for part in parts], axis=1)
    within = sum(((part - part.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) for part in parts)
    assert ks_2samp(within, cells.within).pvalue > 0.005
    for k in range(0, 40, 7):
        assert ks_2samp(mean[:, k], cells.mean[:, k]).pvalue > 0.001


@pytest.mark.parametrize("random", ["cluster", "nested", "decay"])
def test_the_power_is_that_of_the_closed_form(random):
    """Known variances and a normal distribution: the closed form; the fit's own variances cost a little power."""
    made = replace(world(sizes=30, cell=0.05 if random == "nested" else 0.0), effect=0.35)
    if random == "decay":
        made = replace(made, components=replace(made.components, cluster_decay=0.7))
    n = 1_000 if random == "decay" else 4_000
    found = made.power(n, np.random.default_rng(5), random=random, df="normal")
    exact = power(made.layout, made.components, size=0.35)
    assert found.value == pytest.approx(float(exact.normal), abs=0.01 + 3 * found.mc_error)
    none = replace(made, effect=0.0).power(n, np.random.default_rng(6), random=random)
    assert none.value < 0.05 + 4 * none.mc_error  # Kenward and Roger keep the size


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.booleans())
def test_the_basis_holds_all_that_a_model_sees(seed, equal):
    """Mean and covariance of (Z'Wy, X'Wy), and mean of y'Wy, are those of the cells, whatever the route."""
    made = world(sizes=6 if equal else UNEQUAL, cell=0.2)
    model = made._model("cluster", "normal")
    covariance, expected = made._covariance(), made._shifts()
    drawn = SumsDrawn.of(model.layout, expected, covariance, 1.5)
    assert len(drawn.mean) == (8 + 5 if equal else 40)  # eight clusters, four periods and the effect; or every cell
    w = model.layout.weights[:, None]
    z = (model.layout.cluster[:, None] == np.arange(8)) * w
    both_ways = np.concatenate([z, model.layout.x * w], axis=1)
    to = np.concatenate([drawn.to_b, drawn.to_xy], axis=1)
    np.testing.assert_allclose(drawn.mean @ to, expected @ both_ways, atol=1e-9)
    spread = drawn.root @ to
    np.testing.assert_allclose(spread.T @ spread, both_ways.T @ covariance @ both_ways, atol=1e-8)
    squares = (drawn.root**2).sum() + drawn.mean @ drawn.mean + sum(v * f for v, f in drawn.rest)
    direct = float(w[:, 0] @ (np.diag(covariance) + expected**2)) + 1.5 * (made.sizes.sum() - 40)
    assert squares == pytest.approx(direct, rel=1e-10)
    sums = drawn.sums(3, np.random.default_rng(seed))
    assert sums.n_rows == made.sizes.sum()
    assert isinstance(model, ManyModel)


def test_periods_levels_move_no_fit_and_streams_do_not_depend_on_how_many_are_asked_for():
    made = world()
    one = made.fits(50, np.random.default_rng(9), random="cluster")
    two = replace(made, levels=made.levels + 1e3 * np.arange(5)).fits(50, np.random.default_rng(9), random="cluster")
    np.testing.assert_array_equal(one.estimate, two.estimate)
    shifted = replace(made, effect=1.4).fits(50, np.random.default_rng(9), random="cluster")
    np.testing.assert_allclose(shifted.estimate, one.estimate + 1.0, rtol=1e-9)
    np.testing.assert_allclose(shifted.std_error, one.std_error, rtol=1e-7)


def test_a_staircase_draws_the_cells_that_are_seen():
    made = replace(world(sizes=10, cell=0.1), layout=Layout.stepped([2, 2, 2, 2], sizes=10).around(1, 2))
    cells = made.cells(5_000, np.random.default_rng(2))
    assert cells.mean.shape == (5_000, int(made.layout.observed.sum()))
    found = made.fits(500, np.random.default_rng(2))
    assert found.estimate.mean() == pytest.approx(0.4, abs=4 * found.estimate.std() / np.sqrt(500))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"components": Components(residual=1.0, person=0.2)}, "measured again"),
        ({"components": Components(residual=np.array([1.0, 2.0]))}, "grid"),
        ({"layout": Layout.stepped([2, 2, 2, 2], sizes=3.5)}, "not whole"),
        ({"layout": Layout.stepped([2, 2, 2, 2], sizes=1)}, "one person"),
        ({"levels": np.zeros(3)}, "one number per period"),
    ],
)
def test_worlds_that_cannot_be_are_refused_in_words(change, words):
    with pytest.raises(DesignError, match=words) as told:
        replace(world(), **change)
    assert told.value.told("da") != told.value.message


def test_persons_have_no_decay():
    with pytest.raises(DesignError, match="drawn by cells only"):
        world(cluster_decay=0.5).persons(2, np.random.default_rng(1))
