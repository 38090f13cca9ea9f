"""One arm in groups: closed forms where sizes are equal, the dense likelihood where not, the size in made-up trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import stdtr, stdtrit
from scipy.stats import multivariate_normal, ttest_ind

from trialkit.errors import EstimateError
from trialkit.estimate.kenward_roger import Inference
from trialkit.estimate.mixed_fit import fitted_ratios, profiled
from trialkit.estimate.partly_grouped import PartlyGrouped, Parts, _parts, partly_grouped


def made_up(
    seed: int, *, sizes: tuple[int, ...] = (4, 7, 5, 6, 4), single: int = 27, between: float = 0.7
) -> dict[str, Any]:
    """Synthetic: families of five pairs of caseworkers, single families, a covariate."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    n = len(group) + single
    x = rng.normal(size=n)
    y = 10 + 0.5 * x + rng.normal(size=n) * np.r_[np.ones(len(group)), np.full(single, 1.5)]
    y[: len(group)] += 1 + between * rng.normal(size=len(sizes))[group]
    return {
        "y": y, "x": x, "arm": ["hfi"] * len(group) + ["usual"] * single,
        "pair": [f"pair {k}" for k in group] + [None] * single,
    }  # fmt: skip


def fitted(data: dict[str, Any], *, covariate: bool = False, **asked: Any) -> PartlyGrouped:
    return partly_grouped(
        data["y"], arms=data["arm"], grouped="hfi", groups=data["pair"], unit="points",
        covariates={"x": data["x"]} if covariate else None, **asked,
    )  # fmt: skip


def test_equal_groups_have_the_closed_forms_of_analysis_of_variance():
    """Mean squares: tau^2 = (MSB - MSW) / m; the variance is MSB / (G m) + s0^2 / n0, with Welch-Satterthwaite df."""
    data = made_up(3, sizes=(5,) * 6, between=1.0)
    table, other = data["y"][:30].reshape(6, 5), data["y"][30:]
    msb, msw = 5 * table.mean(axis=1).var(ddof=1), table.var(axis=1, ddof=1).mean()
    assert msb > msw
    found = fitted(data)
    variances = found.fit.components
    assert variances["group"] == pytest.approx((msb - msw) / 5, rel=1e-7)
    assert variances["residual"] == pytest.approx(msw, rel=1e-7)
    assert variances["single persons"] == pytest.approx(other.var(ddof=1), rel=1e-7)
    assert found.icc == pytest.approx((msb - msw) / (msb + 4 * msw), rel=1e-7)
    effect = found.effect(df="Satterthwaite")
    a, b = msb / 30, other.var(ddof=1) / 27
    assert effect.estimate == pytest.approx(table.mean() - other.mean(), rel=1e-10)
    assert effect.std_error == pytest.approx(np.sqrt(a + b), rel=1e-8)
    assert effect.df == pytest.approx((a + b) ** 2 / (a**2 / 5 + b**2 / 26), rel=1e-6)
    # and the comparison of the groups' means is the same there
    for name in ("estimate", "std_error", "df", "p_value"):
        assert getattr(found.by_means, name) == pytest.approx(getattr(effect, name), rel=1e-6)


def test_without_variance_between_groups_it_is_welch_s_test_of_persons():
    data = made_up(0, between=0.0)
    seeds = (made_up(seed, between=0.0) for seed in range(20))
    data = next(one for one in seeds if fitted(one).fit.singular)
    found = fitted(data)
    assert found.fit.singular == ("group",)
    assert "estimated as 0" in found.fit.notes[0]
    effect, welch = found.effect(df="Satterthwaite"), ttest_ind(data["y"][:26], data["y"][26:], equal_var=False)
    assert [effect.statistic, effect.df] == pytest.approx([welch.statistic, welch.df], rel=1e-7)
    assert "singular: group" in effect.method


@pytest.mark.parametrize("covariate", [False, True])
@pytest.mark.parametrize("residuals", ["by arm", "equal"])
def test_components_and_errors_are_those_of_the_dense_formulas(covariate, residuals):
    """The restricted likelihood as the density of error contrasts; Kenward & Roger (1997) with n x n matrices."""
    data = made_up(7, between=1.2)
    found = fitted(data, covariate=covariate, residuals=residuals)
    n = len(data["y"])
    inside = np.array(data["arm"]) == "hfi"
    x = np.column_stack([np.ones(n), inside, *([data["x"]] if covariate else [])])
    same = np.array([[a is not None and a == b for b in data["pair"]] for a in data["pair"]], float)
    g = [same, np.diag(inside.astype(float)), np.diag((~inside).astype(float))]
    names = ["group", "residual", "single persons"]
    if residuals == "equal":
        g, names = [same, np.eye(n)], names[:2]
    contrasts = np.linalg.svd(x)[0][:, x.shape[1] :]
    left = contrasts.T @ data["y"]

    def height(logs: np.ndarray) -> float:
        v = sum(np.exp(log) * one for log, one in zip(logs, g, strict=True))
        return -2 * float(multivariate_normal(np.zeros(len(left)), contrasts.T @ v @ contrasts).logpdf(left))

    best = minimize(height, np.zeros(len(g)), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    sigma = [found.fit.components[name] for name in names]
    np.testing.assert_allclose(sigma, np.exp(best.x), rtol=1e-5)  # a search without derivatives ends about there
    shift = np.linalg.slogdet(x.T @ x)[1]  # of lme4's constant against that of orthonormal contrasts
    assert -2 * found.fit.log_likelihood == pytest.approx(best.fun + shift, abs=1e-7)
    inverse = np.linalg.inv(sum(s * one for s, one in zip(sigma, g, strict=True)))
    phi = np.linalg.inv(x.T @ inverse @ x)
    first = [-x.T @ inverse @ one @ inverse @ x for one in g]
    second = [[x.T @ inverse @ a @ inverse @ b @ inverse @ x for b in g] for a in g]
    information = np.array([
        [0.5 * np.trace(inverse @ a @ inverse @ b) - np.trace(phi @ second[i][j])
         + 0.5 * np.trace(phi @ first[i] @ phi @ first[j]) for j, b in enumerate(g)] for i, a in enumerate(g)
    ])  # fmt: skip
    w = np.linalg.inv(information)
    middle = sum(w[i, j] * (second[i][j] - first[i] @ phi @ first[j]) for i in range(len(g)) for j in range(len(g)))
    adjusted = phi + 2 * phi @ middle @ phi
    slope = np.array([(phi @ one @ phi)[1, 1] for one in first])
    effect = found.effect()
    beta = phi @ x.T @ inverse @ data["y"]
    assert effect.estimate == pytest.approx(beta[1], rel=1e-8)
    assert effect.std_error == pytest.approx(np.sqrt(adjusted[1, 1]), rel=1e-7)
    assert effect.df == pytest.approx(2 * phi[1, 1] ** 2 / (slope @ w @ slope), rel=1e-7)
    assert found.fit.residuals + found.fit.fitted == pytest.approx(data["y"])
    blup = sigma[0] * same @ inverse @ (data["y"] - x @ beta)
    np.testing.assert_allclose(found.fit.fitted, x @ beta + blup, rtol=1e-7)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_order_of_rows_and_names_of_groups_do_not_matter(seed, random):
    data = made_up(seed)
    order = list(range(len(data["y"])))
    random.shuffle(order)
    moved = {name: [values[k] for k in order] for name, values in data.items()}
    moved["pair"] = [{None: ""}.get(name, f"{name} of district {str(name)[-1:]}") for name in moved["pair"]]
    one, other = fitted(data, covariate=True).effect(), fitted(moved, covariate=True).effect()
    for name in ("estimate", "std_error", "df"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-5)


def many(d: int, icc: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """p-values of d made-up trials of one shape without effect, those that ignore the pairs, and the intervals' ratio."""
    rng = np.random.default_rng(seed)
    group, single = np.repeat(np.arange(5), (4, 5, 5, 6, 7)), 27
    inside = np.arange(len(group) + single) < len(group)
    y = rng.normal(size=(d, len(inside)))
    y[:, inside] = np.sqrt(1 - icc) * y[:, inside] + np.sqrt(icc) * rng.normal(size=(d, 5))[:, group]
    x = np.column_stack([np.ones(len(inside)), inside])
    each = [_parts(x, one, inside, group, "by arm") for one in y]
    parts = Parts(
        structure=each[0].structure, base=each[0].base, loads=each[0].loads, count=each[0].count,
        uu=np.concatenate([one.uu for one in each]),
    )  # fmt: skip
    ratios = fitted_ratios(parts, by="REML")
    p_value, width = np.empty(d), np.empty(d)
    for singular in (False, True):
        sets = np.flatnonzero((ratios[:, 0] == 0) == singular)
        pieces = parts.of(sets).pieces(ratios[sets])
        profile = profiled(pieces, n_rows=parts.n_rows, by="REML")
        free = parts.structure.free(ratios[sets[0]], 1.0)
        inference = Inference.of(pieces, profile, free=free, shape=parts.structure.shape, n_rows=parts.n_rows)
        error = inference.std_error(np.array([0.0, 1.0]), adjusted=True)
        df = inference.df(np.array([0.0, 1.0]), expected=True)
        p_value[sets], width[sets] = 2 * stdtr(df, -np.abs(profile.beta[:, 1] / error)), 2 * error * stdtrit(df, 0.975)
    plain = ttest_ind(y[:, inside], y[:, ~inside], axis=1, equal_var=False)
    ends = plain.confidence_interval(0.95)
    return p_value, plain.pvalue, width / (ends.high - ends.low)


@pytest.mark.parametrize("icc", [0.0, 0.1, 0.2])
def test_with_five_pairs_the_size_is_kept_where_ignoring_them_does_not(icc):
    p_value, plain, wider = many(4000, icc, seed=int(icc * 100))
    # the Monte Carlo error at .05 is .0034; .065 is more than four of them above
    assert 0.03 < (p_value < 0.05).mean() < 0.065
    assert (wider > 1 - 1e-9).mean() > 0.9
    if icc > 0:
        assert (plain < 0.05).mean() > 0.07
        assert wider.mean() > 1 + icc


def test_many_trials_at_once_are_one_at_a_time():
    p_value, _, _ = many(30, 0.2, seed=5)
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(5), (4, 5, 5, 6, 7))
    y = rng.normal(size=(30, 54))
    y[:, :27] = np.sqrt(0.8) * y[:, :27] + np.sqrt(0.2) * rng.normal(size=(30, 5))[:, group]
    for one, wanted in zip(y[:5], p_value, strict=False):
        found = partly_grouped(
            one, arms=["a"] * 27 + ["b"] * 27, grouped="a", groups=[*map(str, group), *[float("nan")] * 27], unit="1"
        )
        assert found.effect().p_value == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["pair"].__setitem__(2, ""), "1 rows of 'hfi' lack a group and 0 rows of 'usual' carry one"),
        (lambda d: d["pair"].__setitem__(40, "pair 1"), "0 rows of 'hfi' lack a group and 1 rows of 'usual' carry one"),
        (lambda d: d["arm"].__setitem__(30, "third"), "do not make a grouped arm"),
        (lambda d: d.update(arm=["usual"] * len(d["arm"])), "do not make a grouped arm"),
        (lambda d: d.update(pair=[name and f"{k}" for k, name in enumerate(d["pair"])]), "cannot show how groups vary"),
        (lambda d: d.update(pair=[name and f"{k % 2}" for k, name in enumerate(d["pair"])]), "cannot show how groups"),
        (lambda d: d["y"].__setitem__(0, np.nan), "missing value"),
    ],
)
def test_rows_that_do_not_fit_are_refused_in_words(change, words):
    data = made_up(1)
    change(data)
    with pytest.raises(EstimateError, match=words) as told:
        fitted(data)
    assert told.value.told("da") != told.value.message
