"""Staggered rollouts: stated rules, laws, the test through the lot, and the doors data come in by.

Numbers of the R package are in tests/reference (family c); mean and variance over every allocation of small designs in
test_staggered_exact.py.  All data are made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import inf, nan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialkit.design import blocked_wedge, complete
from trialkit.design.base import Design
from trialkit.errors import EstimateError, PanelError
from trialkit.estimate.cohorts import Cohorts, counts, timing, wide
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.event_study import contrasts, event_times, weights
from trialkit.estimate.rollout_lot import placebo_by_lot, staggered_by_lot
from trialkit.estimate.rollout_test import StaggeredContrast, items_of
from trialkit.estimate.staggered import staggered, staggered_event_study, without_periods
from trialkit.panel import Panel
from trialkit.units import Unit, Units

T = 6
STARTS = {"w1": 3.0, "w2": 5.0, "w3": None}
FIRST = np.array([2, 4, 6])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([20260101, 6, seed]))


def outcomes(n: int, seed: int = 0) -> np.ndarray:
    """Correlated within units, with a trend."""
    g = rng(seed)
    return g.normal(10, 2, (n, 1)) + np.arange(T) + g.normal(size=(n, T)).cumsum(axis=1)


def stratified() -> Design:
    """Six units drawn 2/2/2 (90 ways) and four drawn 2/0/2 (6 ways)."""
    blocks = {f"u{k:02d}": "a" if k < 6 else "b" for k in range(10)}
    return blocked_wedge(list(blocks), tuple(STARTS), {"a": (2, 2, 2), "b": (2, 0, 2)}, blocks=blocks)


def by_clusters() -> Design:
    """Six clusters of 1, 2, 3, 1, 4, 1 units, drawn 2/2/2."""
    sizes = (1, 2, 3, 1, 4, 1)
    units = Units.of(Unit(id=f"{c}-{k}", cluster=f"c{c}") for c, size in enumerate(sizes) for k in range(size))
    return complete(units, {"w1": 2, "w2": 2, "w3": 2}, level="cluster")


def allocations(design: Design) -> Iterator[np.ndarray]:
    for chunk in design.enumerate():
        yield from chunk.codes


# The stated rules


def test_a_gap_in_the_periods_is_no_gap_in_exposure() -> None:
    y, start = outcomes(12), np.repeat([3, 4, 0], 4)
    plain = staggered(y, start, unit="1")
    gapped = staggered(y, np.repeat([7, 8, 0], 4), periods=[1, 2, 7, 9, 12, 20], unit="1")
    assert gapped.estimate.estimate == plain.estimate.estimate
    assert timing([7, 8, 9, 30], [1, 7, 9], 3).first.tolist() == [1, 2, 2, 3]


def test_never_is_written_in_many_ways() -> None:
    assert timing([0, nan, inf, 99], None, 3).first.tolist() == [3] * 4
    assert timing([0, 1, inf], [0, 1, 2], 3).first.tolist() == [0, 1, 3]  # here 0 is the first period
    assert timing(np.array([None, 2], object), None, 3).first.tolist() == [3, 1]


def test_a_cohort_of_one_is_left_out_and_listed() -> None:
    y, start = outcomes(9), np.array([3, 3, 3, 5, 5, 5, 0, 0, 4])
    found = staggered(y, start, unit="1")
    assert found.left_out == (4.0,)
    assert found.estimate.estimate == staggered(y[:8], start[:8], unit="1").estimate.estimate
    assert any("one unit" in note for note in found.notes)


def test_the_first_periods_cohort_has_an_effect_but_nothing_before() -> None:
    y, start = outcomes(12), np.repeat([1, 4, 0], 4)
    pair = contrasts(
        np.array([0, 3, 6]), np.array([4, 4, 4]), weights(np.array([0, 3, 6]), np.array([4] * 3), T, "simple")
    )
    assert pair.effect[0].any()
    assert not pair.before[0].any()
    found = staggered(y, start, unit="1")
    assert found.left_out == ()
    assert found.std_error_adjusted == found.std_error_neyman  # no period before everybody's start
    dropped = staggered(y, start, unit="1", method="callaway_santanna")
    assert dropped.left_out == (1.0,)
    assert dropped.estimate.estimate == pytest.approx(
        staggered(y[4:], start[4:], unit="1", method="callaway_santanna").estimate.estimate, rel=1e-12
    )


def test_everybody_treated_in_the_end_drops_the_last_periods() -> None:
    start = np.repeat([3, 5], 4)
    y = outcomes(8)
    z = y.copy()
    z[:, 4:] += 100 * rng(3).normal(size=(8, 2))
    assert staggered(z, start, unit="1").estimate.estimate == pytest.approx(
        staggered(y, start, unit="1").estimate.estimate, rel=1e-12
    )


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(EstimateError, match="two cohorts"):
        staggered(outcomes(6), np.full(6, 3), unit="1")
    with pytest.raises(EstimateError, match="nothing to compare"):
        staggered(outcomes(6), np.repeat([3, 5], 3), unit="1", estimand=4)
    with pytest.raises(EstimateError, match="estimand"):
        staggered(outcomes(6), np.repeat([3, 5], 3), unit="1", estimand="median")  # type: ignore[arg-type]
    with pytest.raises(EstimateError, match="method"):
        staggered(outcomes(6), np.repeat([3, 5], 3), unit="1", method="best")  # type: ignore[arg-type]
    y = outcomes(6)
    y[4, 1] = nan
    with pytest.raises(PanelError) as refused:
        staggered(y, np.repeat([3, 5], 3), unit="1")
    assert refused.value.facts["rows"] == [4]
    with pytest.raises(EstimateError, match="ascending"):
        staggered(outcomes(6), np.repeat([3, 5], 3), periods=[1, 2, 3, 5, 4, 6], unit="1")


def test_few_units_get_no_normal_interval() -> None:
    few, many = staggered(outcomes(12), np.repeat([3, 5, 0], 4), unit="1"), np.repeat([3, 5, 0], 20)
    assert np.isnan([few.estimate.conf_low, few.estimate.p_value]).all()
    assert few.unadjusted is not None
    assert few.unadjusted.df == 12 - 3
    assert few.unadjusted.conf_low < few.unadjusted.estimate < few.unadjusted.conf_high
    assert np.isfinite(staggered(outcomes(60), many, unit="1").estimate.conf_low)


def test_own_weights_are_the_named_ones_when_they_are_the_same() -> None:
    y, start = outcomes(14), np.repeat([3, 5, 0], [5, 4, 5])
    table = weights(FIRST, np.array([5, 4, 5]), T, "cohort")
    own = staggered(y, start, unit="1", estimand=table).estimate
    assert own.estimate == staggered(y, start, unit="1", estimand="cohort").estimate.estimate
    table[0, 0] = 0.1
    with pytest.raises(EstimateError, match="Own weights"):
        staggered(y, start, unit="1", estimand=table)


@pytest.mark.parametrize("estimand", ["simple", "cohort", "calendar", 0, 1, 3])
def test_weights_sum_to_one_and_contrasts_to_nothing(estimand: object) -> None:
    sizes = np.array([5, 4, 3])
    table = weights(FIRST, sizes, T, estimand)  # type: ignore[arg-type]
    assert table.sum() == pytest.approx(1)
    for pair in (contrasts(FIRST, sizes, table), contrasts(FIRST, sizes, table, "last")):
        for rows in pair:
            assert rows.sum(axis=0) == pytest.approx(np.zeros(T), abs=1e-15)
        assert all(not row[first:].any() for row, first in zip(pair.before, FIRST, strict=True))


# Laws


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_periods_levels_drop_out_and_units_of_measurement_scale(seed: int, shift: float, scale: float) -> None:
    y, start = outcomes(15, seed), np.repeat([3, 5, 0], 5)
    plain = staggered(y, start, unit="1")
    moved = staggered(scale * (y + shift * np.arange(T) ** 2), start, unit="1")
    order = rng(seed).permutation(15)
    mixed = staggered(y[order], start[order], unit="1")
    assert moved.estimate.estimate == pytest.approx(scale * plain.estimate.estimate, rel=1e-8, abs=1e-8)
    assert moved.std_error_neyman == pytest.approx(scale * plain.std_error_neyman, rel=1e-7)
    assert mixed.estimate.estimate == pytest.approx(plain.estimate.estimate, rel=1e-9)


def test_no_fixed_beta_has_a_smaller_error_than_the_efficient_one() -> None:
    y, start = outcomes(30), np.repeat([3, 5, 0], 10)
    best = staggered(y, start, unit="1")
    for beta in (0.0, 0.5, 1.0, float(best.beta[0, 0]) + 0.01):
        assert staggered(y, start, unit="1", beta=beta).std_error_neyman > best.std_error_neyman
    assert staggered(y, start, unit="1", beta=float(best.beta[0, 0])).estimate.estimate == pytest.approx(
        best.estimate.estimate, rel=1e-12
    )


def test_strata_share_the_beta_of_least_variance_unless_each_is_asked_for_its_own() -> None:
    y, start, strata = outcomes(30), np.tile([3, 5, 0], 10), np.repeat(["north", "south"], [12, 18])
    common = staggered(y, start, unit="1", strata=strata)
    assert common.beta[0] == common.beta[1]
    for beta in (0.0, 1.0, common.beta[0, 0] - 0.01, common.beta[0, 0] + 0.01):
        assert staggered(y, start, unit="1", strata=strata, beta=beta).std_error_neyman > common.std_error_neyman
    own = staggered(y, start, unit="1", strata=strata, common_beta=False)
    alone = [staggered(y[strata == s], start[strata == s], unit="1") for s in ("north", "south")]
    assert own.beta == pytest.approx(np.array([one.beta[0] for one in alone]), rel=1e-12)
    assert own.estimate.estimate == pytest.approx(
        0.4 * alone[0].estimate.estimate + 0.6 * alone[1].estimate.estimate, rel=1e-12
    )
    assert own.std_error_neyman < common.std_error_neyman  # seemingly: each fits its own noise
    study = staggered_event_study(y, start, unit="1", strata=strata, errors="neyman", at=[1])
    by_hand = staggered(y, start, unit="1", strata=strata, estimand=1)
    assert study.estimate[0] == pytest.approx(by_hand.estimate.estimate, rel=1e-12)
    assert study.std_error[0] == pytest.approx(by_hand.std_error_neyman, rel=1e-12)


def test_an_event_study_is_the_estimates_one_by_one() -> None:
    y, start = outcomes(24), np.repeat([3, 5, 0], 8)
    found = staggered_event_study(y, start, unit="1", errors="neyman")
    assert found.event_time.tolist() == event_times(FIRST, T).tolist() == [0, 1, 2, 3]
    for k, estimate, error in zip(found.event_time, found.estimate, found.std_error, strict=True):
        alone = staggered(y, start, unit="1", estimand=int(k))
        assert estimate == pytest.approx(alone.estimate.estimate, rel=1e-12)
        assert error == pytest.approx(alone.std_error_neyman, rel=1e-12)
    assert list(found.to_frame()["exposure"]) == [1, 2, 3, 4]


def test_an_event_study_says_where_its_error_is_an_accident_of_few_units() -> None:
    """Where `staggered` says it of one event time, the event study says it too, and gives no interval there."""
    start, accidents = np.repeat([3, 5, 0], 6), 0
    for seed in range(40):
        y = outcomes(18, seed)
        study = staggered_event_study(y, start, unit="1")
        alone = [staggered(y, start, unit="1", estimand=int(k)) for k in study.event_time]
        zero = [k for k, one in zip(study.event_time, alone, strict=True) if one.std_error_adjusted == 0]
        assert study.event_time[study.std_error == 0].tolist() == zero
        said = f"the adjusted standard error is 0 at event time {', '.join(map(str, zero))}, "
        assert any(note.startswith(said) for note in study.notes) == bool(zero)
        assert "a cohort has 6 units: no normal interval is given" in study.notes
        assert np.isnan(study.conf_low).all()
        accidents += bool(zero)
    assert 0 < accidents < 40
    large = staggered_event_study(outcomes(75), np.repeat([3, 5, 0], 25), unit="1")
    assert large.notes == ()
    assert np.isfinite(large.conf_low).all()


def test_an_event_study_of_outcomes_that_do_not_vary_says_why_there_is_no_interval() -> None:
    study = staggered_event_study(np.zeros((75, T)), np.repeat([3, 5, 0], 25), unit="1", errors="neyman")
    assert np.isnan(study.conf_low).all()
    assert "do not vary" in study.notes[0]
    alone = staggered_event_study(outcomes(61), np.repeat([3, 5, 0, 6], [20, 20, 20, 1]), unit="1")
    assert alone.notes == ("cohorts of one unit, or without a period before their start, take no part",)


def test_moments_are_those_of_numpy() -> None:
    y, first = outcomes(11), np.repeat([2, 6], [4, 7])
    found = Cohorts.of(y, first)
    assert found.means[1] == pytest.approx(y[4:].mean(axis=0))
    assert found.covariances[0] == pytest.approx(np.cov(y[:4], rowvar=False))


def test_outcomes_without_any_noise_have_an_error_of_zero_and_no_interval() -> None:
    y = np.add.outer(np.arange(12.0) / 3, np.sqrt(np.arange(T)))  # rounding may leave less than nothing
    found = staggered(y, np.repeat([3, 5, 0], 4), unit="1", beta=1.0)
    assert found.estimate.estimate == pytest.approx(0, abs=1e-12)
    assert found.std_error_neyman == pytest.approx(0, abs=1e-7)


# The test through the design's lot


@pytest.mark.parametrize("design", [stratified(), by_clusters()], ids=["strata", "clusters"])
@pytest.mark.parametrize("method", ["efficient", "callaway_santanna", "sun_abraham", "unadjusted"])
@pytest.mark.parametrize("per", ["cluster", "unit"])
@pytest.mark.parametrize("common", [True, False])
def test_the_statistic_of_every_allocation_is_the_estimate_made_anew(
    design: Design, method: str, per: str, common: bool
) -> None:
    item = np.asarray(design.item_of_unit)
    y = outcomes(item.size, 9)
    drawn = Drawn.of(design, next(allocations(design)))
    starts, tau = [3, 5, None], 0.7
    statistic = StaggeredContrast(outcome=y, starts=starts, method=method, common_beta=common, per=per)  # type: ignore[arg-type]
    bound = statistic.bind(drawn)
    codes = design.sample(20, rng(1))
    started = np.arange(T) >= FIRST[drawn.codes[item]][:, None]
    rows = items_of(drawn, y - tau * started, per)
    shares = drawn.units_per_item if per == "unit" else None
    for one, value in zip(codes, bound.values(codes, tau), strict=True):
        again = staggered(
            rows,
            np.array([3, 5, 0])[one],
            unit="1",
            method=method,
            common_beta=common,
            strata=drawn.blocks,
            shares=shares,  # type: ignore[arg-type]
        )
        assert value == pytest.approx(again.estimate.estimate / again.std_error_neyman, rel=1e-8)


def test_the_statistic_keeps_the_rules_for_waves_of_one_and_for_the_first_period() -> None:
    """A label with one place takes no part, whoever holds it; a label that starts at once has nothing before."""
    design = complete([f"u{k}" for k in range(8)], {"w1": 3, "w2": 1, "w3": 2, "w4": 2})
    y, drawn = outcomes(8, 3), Drawn.of(design, next(allocations(design)))
    for starts in ([3, 4, 5, None], [1, 4, 5, None]):
        bound = StaggeredContrast(outcome=y, starts=starts).bind(drawn)
        codes = design.sample(12, rng(4))
        for one, value in zip(codes, bound.values(codes), strict=True):
            again = staggered(y, np.array(starts, object)[one], unit="1")
            assert again.left_out == (4.0,)
            assert value == pytest.approx(again.estimate.estimate / again.std_error_neyman, rel=1e-8)


def test_the_answer_of_a_small_rollout_is_the_test_and_its_interval() -> None:
    design = stratified()
    y = outcomes(10, 4)
    codes = design.sample(1, rng(2))[0]
    y = y + 3.0 * (np.arange(T) >= FIRST[codes][:, None])
    for method in ("efficient", "callaway_santanna"):
        found = staggered_by_lot(design, codes, y, STARTS, unit="1", method=method)  # type: ignore[arg-type]
        assert found.test is not None
        assert found.test.exact
        assert found.estimate.n_allocations == 540
        assert found.estimate.p_value == found.test.p_value
        low, high = found.estimate.conf_low, found.estimate.conf_high
        assert low < 3.0 < high
        for inside, outside in ((low + 1e-6, low - 1e-6), (high - 1e-6, high + 1e-6)):
            assert found.test.p_value_at(inside) > 0.05 - 1e-12
            assert found.test.p_value_at(outside) <= 0.05 + 1e-12
    assert found.region is not None
    assert found.region.how != "scan"  # straight in the effect


@pytest.mark.parametrize("lot", [stratified(), by_clusters()], ids=["strata", "clusters"])
def test_below_twenty_a_cohort_the_default_is_the_test_with_the_beta_one_interval_beside(lot: Design) -> None:
    y, codes = outcomes(len(lot.item_of_unit), 4), lot.sample(1, rng(2))[0]
    found = staggered_by_lot(lot, codes, y, STARTS, unit="days")
    assert found.test is not None
    assert found.test.exact
    assert found.estimate.p_value == found.test.p_value
    assert found.region is not None
    assert (found.region.how, found.estimate.conf_low) == ("scan", found.region.low)  # beta is found anew, so a scan
    plain = found.found.unadjusted
    assert plain is not None
    labels, blocks = Drawn.of(lot, codes).codes, Drawn.of(lot, codes).blocks
    assert plain.df == len(labels) - len(set(zip(blocks.tolist(), labels.tolist(), strict=True)))
    said = found.summary()
    assert f"p = {found.test.p_value:.4g}, all {lot.count().total} allocations, smallest possible p" in said
    assert f"t({plain.df:g}): {plain.estimate:.3g} (95% interval {plain.conf_low:.3g} to {plain.conf_high:.3g})" in said


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), tau=st.floats(-20, 20))
def test_an_effect_alike_for_all_moves_the_estimate_and_every_interval_by_itself(seed: int, tau: float) -> None:
    """So a coverage under a constant effect is 100 percent less the size (simulations/staggered_size.py)."""
    design = complete([f"u{k}" for k in range(6)], {"w1": 2, "w2": 2, "w3": 2})
    y, codes = outcomes(6, seed), design.sample(1, rng(seed))[0]
    moved = y + tau * (np.arange(T) >= FIRST[codes][:, None])
    for method in ("efficient", "callaway_santanna"):
        one, other = (
            staggered_by_lot(design, codes, made, STARTS, unit="1", method=method)  # type: ignore[arg-type]
            for made in (y, moved)
        )
        for name in ("estimate", "conf_low", "conf_high"):
            wanted = getattr(one.estimate, name) + tau
            assert getattr(other.estimate, name) == pytest.approx(wanted, abs=1e-6)  # a scan halves to 1e-8 errors
        assert other.found.std_error_neyman == pytest.approx(one.found.std_error_neyman, rel=1e-7)
        assert other.test is not None
        assert one.test is not None
        assert other.test.p_value_at(tau) == pytest.approx(one.test.p_value, abs=1e-12)


def test_a_placebo_sees_nothing_of_what_comes_after_the_first_start() -> None:
    """Its level is exact under effects of any size, and outcomes after the first start do not enter."""
    design = complete([f"u{k}" for k in range(6)], {"w1": 2, "w2": 2, "w3": 2})
    y, large = outcomes(6, 8), 50 * rng(9).random((6, T))
    p = []
    for codes in allocations(design):
        treated = y + large * (np.arange(T) >= FIRST[codes][:, None])
        found = placebo_by_lot(design, codes, treated, STARTS, unit="1", method="callaway_santanna")
        p.append(found.estimate.p_value)
        assert found.estimate.estimate == pytest.approx(
            placebo_by_lot(design, codes, y, STARTS, unit="1", method="callaway_santanna").estimate.estimate, abs=1e-12
        )
    for alpha in (0.1, 0.2, 0.4):
        assert (np.array(p) <= alpha + 1e-12).mean() <= alpha + 1e-12
    assert min(p) < 0.1
    gap = y[codes == 0, 1].mean() - y[codes > 0, 1].mean() - (y[codes == 0, 0].mean() - y[codes > 0, 0].mean())
    assert found.estimate.estimate == pytest.approx(gap, rel=1e-9)  # period 2 against period 1, as if started in 2
    weigh = np.array([1.0, 2, 3, 4, 5, 6])
    sized = placebo_by_lot(design, codes, y, STARTS, unit="1", sizes=weigh, method="callaway_santanna")
    own, rest = (np.average(y[here][:, :2], axis=0, weights=weigh[here]) for here in (codes == 0, codes > 0))
    assert sized.estimate.estimate == pytest.approx((own - rest)[1] - (own - rest)[0], rel=1e-9)
    with pytest.raises(EstimateError, match="before"):
        placebo_by_lot(design, codes, y, STARTS, unit="1", lead=3)


def test_under_no_effect_the_p_value_is_at_most_alpha_in_a_share_alpha_of_allocations() -> None:
    design = complete([f"u{k}" for k in range(6)], {"w1": 2, "w2": 2, "w3": 2})
    y = outcomes(6, 8)
    p = [
        staggered_by_lot(design, codes, y, STARTS, unit="1", method="callaway_santanna").estimate.p_value
        for codes in allocations(design)
    ]
    ordered = np.sort(p)
    for alpha in (0.05, 0.1, 0.3):
        assert (ordered <= alpha + 1e-12).mean() <= alpha + 1e-12
    assert all(a <= b for a, b in pairwise(ordered))


def test_large_cohorts_need_no_test_and_a_label_without_a_start_is_refused() -> None:
    design = complete([f"u{k:02d}" for k in range(60)], {"w1": 20, "w2": 20, "w3": 20})
    codes = design.sample(1, rng(3))[0]
    found = staggered_by_lot(design, codes, outcomes(60), STARTS, unit="1")
    assert found.test is None
    assert np.isfinite(found.estimate.conf_high)
    with pytest.raises(EstimateError, match="w2"):
        staggered_by_lot(design, codes, outcomes(60), {"w1": 3.0, "w3": None}, unit="1")
    with pytest.raises(EstimateError, match="start"):
        StaggeredContrast(outcome=outcomes(60), starts=[3.0]).bind(Drawn.of(design, codes))


# Doors


def test_a_tidy_frame_in_any_order_is_one_table() -> None:
    y = outcomes(4)
    frame = pd.DataFrame(
        {
            "id": np.repeat(list("abcd"), T),
            "m": np.tile(np.arange(T), 4),
            "g": np.repeat([3, 3, nan, nan], T),
            "y": y.ravel(),
        }
    )
    found = wide(frame.sample(frac=1, random_state=1), unit="id", period="m", start="g", outcome="y")
    assert (found.outcome == y).all()
    assert found.units.tolist() == list("abcd")
    for broken in (frame.iloc[1:], pd.concat([frame, frame.iloc[:1]]), frame.assign(g=np.arange(len(frame)))):
        with pytest.raises(PanelError):
            wide(broken, unit="id", period="m", start="g", outcome="y")


def test_counts_per_child_weigh_units_by_their_children() -> None:
    size = np.array([[10.0, 10], [90.0, 90]])
    panel = Panel(
        units=("a", "b"), periods=("1", "2"), numerator=np.array([[5.0, 5], [9, 9]]), denominator=size, unit="points"
    )
    assert counts(panel).mean(axis=0) == pytest.approx([0.3, 0.3])
    assert counts(panel, per="child").mean(axis=0) == pytest.approx([0.14, 0.14])
    with pytest.raises(EstimateError, match="per"):
        counts(panel, per="place")


def test_an_interrupted_month_is_left_out_and_its_starters_start_in_the_next() -> None:
    y, start, months = outcomes(12), np.repeat([3, 5, 0], 4), np.arange(1.0, 7)
    wild = y.copy()
    wild[:, 3] += 50 * rng(1).normal(size=12)
    ((period, found),) = without_periods(wild, start, months, [4.0], unit="1")
    keep = months != 4
    assert period == 4
    again = staggered(y[:, keep], np.repeat([3, 5, 0], 4), periods=months[keep], unit="1")
    assert found.estimate.estimate == again.estimate.estimate
    ((_, moved),) = without_periods(y, start, months, [3.0], unit="1")
    later = staggered(y[:, months != 3], np.repeat([4, 5, 0], 4), periods=months[months != 3], unit="1")
    assert moved.estimate.estimate == later.estimate.estimate
    with pytest.raises(EstimateError, match="period"):
        without_periods(y, start, months, [9.0], unit="1")


def test_an_adjusted_error_of_zero_is_said_and_neymans_is_used() -> None:
    found = [staggered(outcomes(8, seed), np.repeat([3, 5, 0], [2, 2, 4]), unit="1") for seed in range(20)]
    zero = [one for one in found if one.std_error_adjusted == 0]
    assert zero
    assert all(one.estimate.std_error == one.std_error_neyman > 0 for one in zero)
    assert all("standard error is 0" in one.summary() for one in zero)
    assert 0 <= found[0].placebo_p <= 1


def test_two_waves_that_mirror_each_other_cannot_reach_one_allocation_in_all() -> None:
    design = complete([f"u{k}" for k in range(6)], {"w1": 3, "w3": 3})
    codes = next(allocations(design))
    for method in ("efficient", "callaway_santanna"):
        starts = {label: STARTS[label] for label in design.label_names}
        found = staggered_by_lot(design, codes, outcomes(6), starts, unit="1", method=method)  # type: ignore[arg-type]
        assert found.estimate.smallest_p == pytest.approx(2 / 20)
        assert found.estimate.p_value >= 2 / 20 - 1e-12
