"""Difference-in-differences for staggered starts: against brute force on units, published numbers and its own laws.

Numbers of did and fixest are in tests/reference (family d).  All data here are made up.
"""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from benchmarks.w4 import TRUSTED, callaway, efficient, generated
from trialkit.errors import EstimateError
from trialkit.estimate.callaway import callaway_santanna
from trialkit.estimate.imputation import imputation
from trialkit.estimate.staggered import staggered
from trialkit.estimate.twoway import goodman_bacon, sun_abraham, two_way

T = 7
START = np.repeat([3, 5, 6, 0], [8, 7, 6, 9])
FIRST = np.where(START == 0, T, START - 1)
STARTED = np.arange(T) >= FIRST[:, None]


def panel(seed: int = 0, effect: float = 1.0) -> np.ndarray:
    g = np.random.Generator(np.random.PCG64([20260101, 61, seed]))
    levels = g.normal(size=(START.size, 1)) + 0.3 * np.arange(T)
    exposure = np.clip(np.arange(T) - FIRST[:, None] + 1, 0, None)
    return levels + g.normal(size=(START.size, T)).cumsum(axis=1) * 0.5 + effect * exposure


def by_hand(y: np.ndarray, g: int, t: int, base: int, controls: np.ndarray) -> tuple[float, float]:
    """One comparison and its error, by the units themselves."""
    change = y[:, t] - y[:, base]
    a, b = change[g == FIRST], change[controls]
    return float(a.mean() - b.mean()), float(np.sqrt(a.var() / a.size + b.var() / b.size))


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
@pytest.mark.parametrize("base", ["varying", "universal"])
def test_every_group_time_effect_is_two_differences_of_means(control: str, base: str) -> None:
    y = panel()
    found = callaway_santanna(y, START, control=control, base=base, unit="1")  # type: ignore[arg-type]
    assert found.group.size == (3 * (T - 1) if base == "varying" else 3 * T)
    for g, t, value, error in zip(found.group, found.period, found.estimate, found.std_error, strict=True):
        against = t - 1 if base == "varying" and t < g else g - 1
        if t == against:
            assert (value, np.isnan(error)) == (0.0, True)
            continue
        controls = (max(t, against) < FIRST) & (g != FIRST) if control == "not_yet_treated" else FIRST == T
        assert (value, error) == pytest.approx(by_hand(y, g, t, against, controls), rel=1e-10)


def test_influence_functions_are_those_of_the_units() -> None:
    y = panel(3)
    found = callaway_santanna(y, START, control="not_yet_treated", unit="1")
    at = np.searchsorted(found.cohorts.starts, found.first)
    each = np.einsum("knt,nt->kn", found.influence.slope[:, at], y) + found.influence.level[:, at]
    assert each.mean(axis=1) == pytest.approx(np.zeros(len(each)), abs=1e-12)
    assert np.sqrt((each**2).mean(axis=1) / len(y)) == pytest.approx(found.std_error, rel=1e-10)
    assert found.influence.covariance(found.cohorts) == pytest.approx(each @ each.T / len(y) ** 2, rel=1e-9, abs=1e-12)


def test_the_bootstrap_agrees_with_the_analytic_error_and_its_band_is_wider() -> None:
    found = callaway_santanna(panel(), START, unit="1")
    average = found.aggregate("dynamic")
    boot = found.bootstrap(average.influence, 4000, np.random.default_rng(1))
    assert boot.std(axis=0) == pytest.approx(average.std_error, rel=0.06)
    study = found.event_study(draws=999, rng=np.random.default_rng(2))
    assert (study.band_high > study.conf_high).all()
    again = found.event_study(draws=999, rng=np.random.default_rng(2))
    assert (study.band_high == again.band_high).all()
    assert np.isnan(found.event_study().band_high).all()
    with pytest.raises(EstimateError, match="rng"):
        found.event_study(draws=10)


def test_the_band_is_as_wide_as_the_largest_of_correlated_normals() -> None:
    """Its multiple of the error, beside 200,000 draws of the largest |z| with the same correlations."""
    y = np.concatenate([panel(seed) for seed in range(40)])  # with few units the signs' sums are not yet normal
    study = callaway_santanna(y, np.tile(START, 40), unit="1").event_study(draws=5_000, rng=np.random.default_rng(3))
    known = np.isfinite(study.std_error)
    covariance, error = study.covariance[np.ix_(known, known)], study.std_error[known]
    z = np.random.default_rng(4).multivariate_normal(np.zeros(error.size), covariance / np.outer(error, error), 200_000)
    wide = (study.band_high - study.estimate)[known] / error
    assert wide == pytest.approx(
        np.full(error.size, np.quantile(np.abs(z).max(axis=1), 0.95)), rel=0.03
    )  # draws: 1 percent


def test_the_joint_test_before_the_start_keeps_its_level_and_sees_a_trend() -> None:
    start = np.repeat([4, 6, 0], 60)
    first = np.where(start == 0, T, start - 1)
    p = []
    for seed in range(200):
        g = np.random.Generator(np.random.PCG64([20260101, 63, seed]))
        y = g.normal(size=(180, 1)) + g.normal(size=(180, T)).cumsum(axis=1)
        p.append(callaway_santanna(y, start, unit="1").placebo().p_value)
    assert (
        0.005 < np.mean(np.array(p) < 0.05) < 0.11
    )  # 5 percent, three Monte Carlo errors of 1.5 percent, and few units
    tilted = y + 0.5 * np.arange(T) * (first < T)[:, None]
    assert callaway_santanna(tilted, start, unit="1").placebo().p_value < 1e-6
    with pytest.raises(EstimateError, match="before the start"):
        callaway_santanna(y, np.where(start == 4, 2, 0), unit="1").placebo()


@pytest.mark.parametrize("estimate", [
    lambda y, s, t: callaway_santanna(y, s, periods=t, unit="1").aggregate("dynamic").overall,
    lambda y, s, t: sun_abraham(y, s, periods=t, unit="1").overall,
    lambda y, s, t: imputation(y, s, periods=t, unit="1"),
])  # fmt: skip
def test_gaps_in_periods_are_counted_by_order_and_the_first_periods_units_are_left_out(estimate) -> None:
    y, start = panel(6), START.copy()
    gapped = np.array([2001.0, 2002, 2005, 2006, 2007, 2011, 2012])
    named = np.where(start == 0, 0, gapped[np.maximum(start - 1, 0)])
    plain, moved = estimate(y, start, None), estimate(y, named, gapped)
    assert (moved.estimate, moved.std_error) == (plain.estimate, plain.std_error)
    between = np.where(named == 2005, 2003, named)  # starts between two periods: treated from the next one on
    assert estimate(y, between, gapped).estimate == plain.estimate
    start[:4] = 1
    without = estimate(y[4:], start[4:], None)
    assert (estimate(y, start, None).estimate, estimate(y, start, None).std_error) == (
        without.estimate,
        without.std_error,
    )


def test_beta_one_of_random_timing_is_callaway_santanna_with_those_not_yet_treated() -> None:
    y = panel()
    did = callaway_santanna(y, START, control="not_yet_treated", unit="1")
    for kind in ("simple", "calendar"):
        lot = staggered(y, START, unit="1", method="callaway_santanna", estimand=kind)  # type: ignore[arg-type]
        assert lot.estimate.estimate == pytest.approx(did.aggregate(kind).overall.estimate, rel=1e-10)  # type: ignore[arg-type]


def test_what_was_not_drawn_says_so_and_the_control_group_is_named() -> None:
    found = callaway_santanna(panel(), START, unit="1").aggregate("simple").overall
    assert "not drawn by lot" in found.method
    assert "never treated" in found.method
    assert "not drawn by lot" in imputation(panel(), START, unit="1").method
    assert "not drawn by lot" in sun_abraham(panel(), START, unit="1").overall.method
    frame = callaway_santanna(panel(), START, unit="1").event_study().to_frame()
    study = sun_abraham(panel(), START, unit="1").to_frame()
    assert list(frame.columns) == list(study.columns)  # one frame, whatever estimated it
    assert not frame["drawn_by_lot"].any()


def test_without_a_reference_nothing_is_chosen_silently() -> None:
    y, start = panel()[:21], START[:21]
    with pytest.raises(EstimateError, match="reference"):
        sun_abraham(y, start, unit="1")
    with pytest.raises(EstimateError, match="reference"):
        sun_abraham(y, start, unit="1", reference=5)
    assert sun_abraham(y, start, unit="1", reference=6).events.event_time.max() == 2
    with pytest.raises(EstimateError, match="never"):
        callaway_santanna(y, start, unit="1")
    assert callaway_santanna(y, start, control="not_yet_treated", unit="1").period.max() == 4


def test_sun_abraham_is_least_squares_on_every_cohort_and_event_time() -> None:
    y = panel(2)
    found = sun_abraham(y, START, unit="1")
    columns, names = [], []
    for g in (2, 4, 5):
        for t in range(T):
            if t != g - 1:
                cell = np.zeros_like(y)
                cell[g == FIRST, t] = 1
                columns.append(cell.ravel())
                names.append((g, t - g))
    n = len(y)
    levels = [np.repeat(np.eye(n), T, axis=0), np.tile(np.eye(T), (n, 1))[:, 1:]]
    x = np.column_stack([*columns, *levels])
    beta = np.linalg.lstsq(x, y.ravel(), rcond=None)[0][: len(names)]
    size = {g: (g == FIRST).sum() for g in (2, 4, 5)}
    for e, value in zip(found.events.event_time, found.events.estimate, strict=True):
        cells = [(b, size[g]) for b, (g, k) in zip(beta, names, strict=True) if k == e]
        assert value == pytest.approx(sum(b * w for b, w in cells) / sum(w for _, w in cells), rel=1e-8)


def test_imputation_is_least_squares_on_untreated_cells_and_its_error_is_the_units() -> None:
    y = panel(4)
    n = len(y)
    levels = np.column_stack([np.repeat(np.eye(n), T, axis=0), np.tile(np.eye(T), (n, 1))])
    free = ~STARTED.ravel()
    fit = levels @ np.linalg.lstsq(levels[free], y.ravel()[free], rcond=None)[0]
    gap = (y.ravel() - fit).reshape(y.shape)
    found = imputation(y, START, unit="1")
    assert found.estimate == pytest.approx(gap[STARTED].mean(), rel=1e-10)
    weight = STARTED / STARTED.sum()
    v = weight.copy().ravel()
    v[free] = -(weight.ravel() @ levels @ np.linalg.pinv(levels[free]))
    left = gap.copy()
    for g in (2, 4, 5):
        left[np.ix_(g == FIRST, np.arange(T) >= g)] -= gap[g == FIRST][:, g:].mean(axis=0)
    error = np.sqrt(((v.reshape(y.shape) * left).sum(axis=1) ** 2).sum())
    assert found.std_error == pytest.approx(error, rel=1e-9)
    first = imputation(y, START, unit="1", event_time=0)
    assert first.estimate == pytest.approx(np.mean([gap[i, f] for i, f in enumerate(FIRST) if f < T]), rel=1e-10)
    with pytest.raises(EstimateError, match="event time"):
        imputation(y, START, unit="1", event_time=20)


def test_the_comparisons_inside_two_way_fixed_effects_add_up_to_it() -> None:
    y, start = panel(5), START.copy()
    start[:4] = 1  # treated throughout: a control whose treatment never changes
    parts = goodman_bacon(y, start)
    whole = two_way(y, start, unit="1")
    assert sum(part.weight for part in parts) == pytest.approx(1, rel=1e-12)
    assert sum(part.weight * part.estimate for part in parts) == pytest.approx(whole.estimate, rel=1e-10)
    assert {part.kind for part in parts} == {"never", "earlier", "forbidden"}


def test_effects_that_grow_turn_forbidden_comparisons_negative() -> None:
    exposure = np.clip(np.arange(T) - FIRST[:, None] + 1, 0, None)
    y = 1.0 * exposure  # nothing but the effect
    assert imputation(y, START, unit="1").estimate == pytest.approx(exposure[STARTED].mean())
    assert min(part.estimate for part in goodman_bacon(y, START) if part.kind == "forbidden") < 0
    assert two_way(y, START, unit="1").estimate < exposure[STARTED].mean()


def test_one_start_is_refused() -> None:
    y = panel()[:6]
    for refused in (two_way, lambda *a, **k: goodman_bacon(*a)):
        with pytest.raises(EstimateError, match="same period"):
            refused(y, np.full(6, 3), unit="1")


def test_never_treated_controls_agree_with_three_python_packages() -> None:
    """W4's data; diff-diff, differences and moderndid agree on the simple average and its error to 1e-12."""
    data = generated(1_000)
    found = callaway_santanna(data.y, data.cohort, unit="1").aggregate("simple").overall
    value, error, imputed = TRUSTED[1_000]
    assert found.estimate == pytest.approx(value, abs=1e-11)
    assert found.std_error == pytest.approx(error, abs=1e-11)
    assert imputation(data.y, data.cohort, unit="1").estimate == pytest.approx(imputed, abs=1e-10)


def test_the_estimators_need_little_memory_beyond_the_data() -> None:
    """Memory: 20,000 units take less than three times their own size, every estimator alike."""
    data = generated(20_000)
    for estimator in (callaway, efficient):
        tracemalloc.start()
        estimator(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3 * data.y.nbytes
