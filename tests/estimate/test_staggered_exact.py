"""Staggered rollouts against the lot itself: every allocation of small designs, with potential outcomes written down.

Timing drawn for units, within strata, for clusters of unequal sizes, and for clusters within strata.  Over all
allocations the estimates of a fixed beta average to the effect and vary as Neyman (1923) says: S_g / N_g summed over
cohorts, less S_theta / N, which no data show.  All outcomes are made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest

from trialkit.design import blocked_wedge, complete
from trialkit.design.base import Design
from trialkit.errors import EstimateError
from trialkit.estimate.cohorts import counts
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.event_study import Estimand, contrasts, weights
from trialkit.estimate.rollout_lot import staggered_by_lot
from trialkit.estimate.rollout_test import StaggeredContrast
from trialkit.estimate.staggered import Staggered, staggered, staggered_event_study
from trialkit.panel import Panel
from trialkit.units import Unit, Units

T = 6
STARTS = {"w1": 3.0, "w2": 5.0, "w3": None}
FIRST = np.array([2, 4, 6])  # columns
NUMBERS = np.array([3, 5, 0])  # the same as starts, 0 for never
SIZES = {"a": (1, 2, 3, 1, 4, 1), "b": (2, 1, 1, 3)}  # units of each cluster
QUOTAS = {"a": (2, 2, 2), "b": (2, 0, 2)}


def for_units() -> Design:
    """Six units drawn 2/2/2: 90 ways."""
    return complete([f"u{k}" for k in range(6)], {"w1": 2, "w2": 2, "w3": 2})


def in_strata() -> Design:
    """Six units drawn 2/2/2 and four drawn 2/0/2: 540 ways."""
    blocks = {f"u{k:02d}": "a" if k < 6 else "b" for k in range(10)}
    return blocked_wedge(list(blocks), tuple(STARTS), QUOTAS, blocks=blocks)


def for_clusters() -> Design:
    """Six clusters of 1 to 4 units drawn 2/2/2: 90 ways."""
    return complete(members("a"), {"w1": 2, "w2": 2, "w3": 2}, level="cluster")


def for_clusters_in_strata() -> Design:
    """Six clusters drawn 2/2/2 and four drawn 2/0/2: 540 ways."""
    return blocked_wedge(members("ab"), tuple(STARTS), QUOTAS, level="cluster")


def members(blocks: str) -> Units:
    return Units.of(
        Unit(id=f"{b}{c}-{k}", cluster=f"{b}{c}", block=b)
        for b in blocks
        for c, size in enumerate(SIZES[b])
        for k in range(size)
    )


LOTS = {f.__name__: f for f in (for_units, in_strata, for_clusters, for_clusters_in_strata)}


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([20260101, 62, seed]))


def potential(n: int, *, alike: bool = False) -> np.ndarray:
    """(3, n, T): outcomes under each label; effects grow with exposure, and differ between units unless ``alike``."""
    g = rng(6)
    base = g.normal(10, 2, (n, 1)) + np.arange(T) + g.normal(size=(n, T)).cumsum(axis=1)
    effect = 1.0 if alike else g.normal(1, 0.7, (n, 1))
    return base + effect * np.clip(np.arange(T) - FIRST[:, None, None] + 1, 0, None)


def allocations(design: Design) -> Iterator[np.ndarray]:
    for chunk in design.enumerate():
        yield from chunk.codes


def answers(
    design: Design, possible: np.ndarray, per: str, beta: float, estimand: Estimand = "simple"
) -> list[Staggered]:
    """The estimate of every allocation, by the door a user takes."""
    item, found = np.asarray(design.item_of_unit), []
    for codes in allocations(design):
        y = possible[codes[item], np.arange(item.size)]
        one = staggered_by_lot(design, codes, y, STARTS, unit="1", per=per, beta=beta, estimand=estimand, test=False)
        found.append(one.found)
    return found


class Stated(NamedTuple):
    """What the formulas say of all allocations."""

    effect: float
    variance: float
    conservative: float  # without the part that no data show
    before: float  # variance of the comparison before the start, in which nothing varies


def stated(design: Design, possible: np.ndarray, per: str, beta: float, estimand: Estimand = "simple") -> Stated:
    """By hand: rows are cluster means, or cluster totals over the mean cluster size of the stratum."""
    item, found = np.asarray(design.item_of_unit), np.zeros(4)
    lot = Drawn.of(design, next(allocations(design)))
    for block in np.unique(lot.blocks):
        items = np.flatnonzero(lot.blocks == block)
        counted = np.bincount(lot.codes[items], minlength=3)
        keep = counted > 0
        start, sizes, own = FIRST[keep], counted[keep], np.isin(item, items)
        members_of = [item == k for k in items]
        if per == "cluster":
            rows = np.stack([possible[keep][:, who].mean(axis=1) for who in members_of], axis=1)
            share = items.size / len(lot.codes)
        else:
            mean_size = own.sum() / items.size
            rows = np.stack([possible[keep][:, who].sum(axis=1) / mean_size for who in members_of], axis=1)
            share = own.sum() / item.size
        pair = contrasts(start, sizes, weights(start, sizes, T, estimand))
        each = np.einsum("gnt,gt->gn", rows, pair.effect - beta * pair.before)
        before = np.einsum("gnt,gt->gn", rows, pair.before)
        per_cohort = (each.var(axis=1, ddof=1) / sizes).sum()
        unseen = each.sum(axis=0).var(ddof=1) / items.size
        found += [
            share * each.mean(axis=1).sum(), share**2 * (per_cohort - unseen), share**2 * per_cohort,
            share**2 * (before.var(axis=1, ddof=1) / sizes).sum(),
        ]  # fmt: skip
        if per == "unit":  # a mean over units, whatever the clusters
            units = np.einsum("gnt,gt->", possible[keep][:, own], pair.effect) / own.sum()
            assert each.mean(axis=1).sum() == pytest.approx(units, rel=1e-11)
    return Stated(*found)


@pytest.mark.parametrize("per", ["cluster", "unit"])
@pytest.mark.parametrize("lot", LOTS)
def test_mean_and_variance_over_all_allocations_are_the_formulas(lot: str, per: str) -> None:
    design = LOTS[lot]()
    possible = potential(len(design.item_of_unit))
    for beta in (0.0, 1.0, 0.6) if lot == "in_strata" and per == "unit" else (0.6,):
        found = answers(design, possible, per, beta)
        values = np.array([one.estimate.estimate for one in found])
        said = stated(design, possible, per, beta)
        assert values.size == (540 if "strata" in lot else 90)
        assert values.mean() == pytest.approx(said.effect, rel=1e-11)
        assert values.var() == pytest.approx(said.variance, rel=1e-9)
        assert np.mean([one.std_error_neyman**2 for one in found]) == pytest.approx(said.conservative, rel=1e-9)
        placebo = np.array([one.placebo for one in found])
        assert placebo.mean() == pytest.approx(0, abs=1e-12)
        assert placebo.var() == pytest.approx(said.before, rel=1e-9)
        assert np.mean([one.placebo_error**2 for one in found]) == pytest.approx(said.before, rel=1e-9)


@pytest.mark.parametrize("lot", LOTS)
def test_where_all_effects_are_alike_neymans_variance_is_exact_on_average(lot: str) -> None:
    design = LOTS[lot]()
    possible = potential(len(design.item_of_unit), alike=True)
    for per in ("cluster", "unit"):
        found = answers(design, possible, per, 0.6)
        variance = np.var([one.estimate.estimate for one in found])
        neyman = np.mean([one.std_error_neyman**2 for one in found])
        if per == "cluster" or "clusters" not in lot:
            assert neyman == pytest.approx(variance, rel=1e-9)
        else:  # one effect per unit is a different one per cluster, of its size
            assert neyman > 1.01 * variance


@pytest.mark.parametrize("estimand", ["cohort", "calendar", 0])
def test_other_estimands_are_unbiased_too(estimand: Estimand) -> None:
    design = for_clusters_in_strata()
    possible = potential(len(design.item_of_unit))
    found = answers(design, possible, "unit", 1.0, estimand)
    said = stated(design, possible, "unit", 1.0, estimand)
    assert np.mean([one.estimate.estimate for one in found]) == pytest.approx(said.effect, rel=1e-11)
    assert np.var([one.estimate.estimate for one in found]) == pytest.approx(said.variance, rel=1e-9)


def test_an_event_studys_covariances_are_those_over_all_allocations() -> None:
    """Effects alike, so that Neyman's is exact on average, between event times too."""
    design, possible, strata = in_strata(), potential(10, alike=True), np.repeat([0, 1], [6, 4])
    found = [
        staggered_event_study(
            possible[codes, np.arange(10)],
            NUMBERS[codes],
            unit="1",
            beta=0.6,
            at=[0, 1, 2],
            errors="neyman",
            strata=strata,
        )
        for codes in allocations(design)
    ]
    values = np.array([one.estimate for one in found])
    assert values.mean(axis=0) == pytest.approx([1, 2, 3], rel=1e-11)
    assert np.mean([one.covariance for one in found], axis=0) == pytest.approx(np.cov(values.T, ddof=0), rel=1e-8)


# Counts


def counted(design: Design) -> tuple[np.ndarray, np.ndarray]:
    """(3, n, T) events under each label, and (n, T) children: 20 to 900 a unit, a few more each period."""
    n = len(design.item_of_unit)
    children = np.round(np.geomspace(20, 900, n)[rng(3).permutation(n)])[:, None] + np.arange(T)
    exposure = np.clip(np.arange(T) - FIRST[:, None, None] + 1, 0, None)
    effect = 0.01 + 0.02 * (children[:, :1] > 200)  # larger where there are many children
    share = 0.3 + 0.1 * rng(4).random((n, 1)) + 0.02 * rng(5).normal(size=(n, T)) + effect * exposure
    return share * children, children


@pytest.mark.parametrize("lot", ["for_units", "in_strata"])
def test_counts_give_the_effect_per_child_or_the_mean_over_units_as_asked(lot: str) -> None:
    design = LOTS[lot]()
    events, children = counted(design)
    n = len(children)
    blocks = Drawn.of(design, next(allocations(design))).blocks
    rate = events[2][:, :2].sum() / children[:, :2].sum()  # all units before the first start: the same for every lot
    names = tuple(f"u{k:02d}" for k in range(n))
    found: dict[str, list[float]] = {"unit": [], "child": [], "expected": []}
    for codes in allocations(design):
        panel = Panel(units=names, periods=tuple("123456"), numerator=events[codes, np.arange(n)], denominator=children)
        for name, y in (
            ("unit", counts(panel)),
            ("child", counts(panel, per="child")),
            ("expected", counts(panel, per="child", expected=rate)),
        ):
            one = staggered(y, NUMBERS[codes], unit="share", beta=0.0, strata=blocks)
            found[name].append(one.estimate.estimate)
    truth = {"unit": 0.0, "child": 0.0}
    for block in np.unique(blocks):
        here = blocks == block
        kept = np.array([True, QUOTAS["ab"[block]][1] > 0, True])
        sizes = np.array(QUOTAS["ab"[block]])[kept]
        a = contrasts(FIRST[kept], sizes, weights(FIRST[kept], sizes, T, "simple")).effect
        truth["unit"] += here.mean() * float((a * (events / children)[kept][:, here].mean(axis=1)).sum())
        truth["child"] += float((a * (events[kept][:, here].sum(axis=1) / children.sum(axis=0))).sum())
    assert truth["child"] > 1.1 * truth["unit"]
    assert np.mean(found["unit"]) == pytest.approx(truth["unit"], rel=1e-10)
    assert np.mean(found["child"]) == pytest.approx(truth["child"], rel=1e-10)
    assert np.mean(found["expected"]) == pytest.approx(truth["child"], rel=1e-10)
    assert np.var(found["expected"]) < 0.1 * np.var(found["child"])  # sizes differ by a factor of 45


def test_an_expected_share_belongs_to_an_effect_per_child() -> None:
    panel = Panel(units=("a",), periods=("1",), numerator=np.ones((1, 1)), denominator=np.full((1, 1), 2.0))
    assert counts(panel, per="child", expected=0.4) == pytest.approx(np.array([[0.5]]))
    with pytest.raises(EstimateError, match="per"):
        counts(panel, expected=0.4)


# Ratios: rows that count by size


def test_with_sizes_a_cohorts_mean_is_a_ratio_and_its_error_that_of_residuals_from_it() -> None:
    """Cochran (1977), section 6.4, written out for two cohorts and one period after the start."""
    g = rng(7)
    y, w, start = g.normal(20, 3, (11, 3)), g.uniform(1, 9, 11), np.repeat([3, 0], [5, 6])
    found = staggered(y, start, unit="1", beta=0.0, sizes=w)
    value = variance = 0.0
    for sign, here in ((1, start == 3), (-1, start == 0)):
        ratio = (w * y[:, 2])[here].sum() / w[here].sum()
        residual = (w * (y[:, 2] - ratio))[here] / w[here].mean()
        value += sign * ratio
        variance += (residual**2).sum() / (here.sum() - 1) / here.sum()
    assert found.estimate.estimate == pytest.approx(value, rel=1e-12)
    assert found.std_error_neyman == pytest.approx(np.sqrt(variance), rel=1e-12)
    alike = staggered(y, start, unit="1", sizes=np.full(11, 7.0))
    assert alike.estimate.estimate == pytest.approx(staggered(y, start, unit="1").estimate.estimate, rel=1e-12)
    for wrong in (w[:-1], np.where(w > 8, 0, w)):
        with pytest.raises(EstimateError, match="size"):
            staggered(y, start, unit="1", sizes=wrong if wrong.size < 11 else np.zeros(11))


@pytest.mark.parametrize("lot", LOTS)
def test_with_sizes_the_statistic_of_every_allocation_is_the_estimate_made_anew(lot: str) -> None:
    design = LOTS[lot]()
    item, g = np.asarray(design.item_of_unit), rng(8)
    y, sizes, tau = g.normal(20, 3, (item.size, T)), g.uniform(1, 9, item.size), 0.7
    drawn = Drawn.of(design, next(allocations(design)))
    treated = np.arange(T) >= FIRST[drawn.codes[item]][:, None]
    rows = np.array(
        [np.average((y - tau * treated)[item == k], axis=0, weights=sizes[item == k]) for k in range(item.max() + 1)]
    )
    for method in ("efficient", "callaway_santanna"):
        bound = StaggeredContrast(outcome=y, starts=list(STARTS.values()), method=method, sizes=sizes).bind(drawn)  # type: ignore[arg-type]
        codes = design.sample(10, rng(9))
        for one, value in zip(codes, bound.values(codes, tau), strict=True):
            again = staggered(
                rows,
                NUMBERS[one],
                unit="1",
                method=method,
                strata=drawn.blocks,
                sizes=np.bincount(item, sizes),  # type: ignore[arg-type]
            )
            assert value == pytest.approx(again.estimate.estimate / again.std_error_neyman, rel=1e-8)
    with pytest.raises(EstimateError, match="sizes"):
        StaggeredContrast(outcome=y, starts=list(STARTS.values()), sizes=sizes, per="unit").bind(drawn)


def test_ratios_move_with_an_effect_and_their_interval_is_finite_where_that_of_totals_is_not() -> None:
    clusters = [
        Unit(id=f"{c}-{k}", cluster=f"c{c}") for c, size in enumerate((1, 2, 3, 6, 1, 2, 3, 6)) for k in range(size)
    ]
    design = complete(Units.of(clusters), {"w1": 2, "w2": 2, "w3": 4}, level="cluster")
    item = np.asarray(design.item_of_unit)
    untreated, codes = potential(item.size)[2], design.sample(1, rng(10))[0]
    treated, ones = np.arange(T) >= FIRST[codes[item]][:, None], np.ones(item.size)
    for method in ("efficient", "callaway_santanna"):
        before, after = (
            staggered_by_lot(design, codes, y, STARTS, unit="1", sizes=ones, method=method)  # type: ignore[arg-type]
            for y in (untreated, untreated + 3 * treated)
        )
        assert after.found.std_error_neyman == pytest.approx(before.found.std_error_neyman, rel=1e-9)
        for name in ("estimate", "conf_low", "conf_high"):
            wanted = getattr(before.estimate, name) + 3
            assert np.isfinite(wanted)
            assert getattr(after.estimate, name) == pytest.approx(wanted, abs=1e-6)
    infinite = {"ratios": 0, "totals": 0}
    for codes in design.sample(6, rng(11)):
        for name, asked in (("ratios", {"sizes": ones}), ("totals", {"per": "unit"})):
            found = staggered_by_lot(design, codes, untreated, STARTS, unit="1", **asked).estimate  # type: ignore[arg-type]
            infinite[name] += bool(np.isinf([found.conf_low, found.conf_high]).any())
    assert infinite["ratios"] == 0 < infinite["totals"]


def test_over_all_allocations_ratios_are_nearly_unbiased_and_exactly_so_for_cohorts_of_equal_size() -> None:
    """An effect alike for all, 2/2/2: every cohort's ratio has the same mean.  Otherwise the bias is of order 1 / N."""
    for lot, alike in (("for_clusters", True), ("for_clusters_in_strata", False)):
        design = LOTS[lot]()
        item = np.asarray(design.item_of_unit)
        possible, ones, ratios, totals = potential(item.size, alike=alike), np.ones(item.size), [], []
        for codes in allocations(design):
            y = possible[codes[item], np.arange(item.size)]
            asked = {"unit": "1", "beta": 0.0, "test": False}
            ratios.append(staggered_by_lot(design, codes, y, STARTS, sizes=ones, **asked).estimate.estimate)  # type: ignore[arg-type]
            totals.append(staggered_by_lot(design, codes, y, STARTS, per="unit", **asked).estimate.estimate)  # type: ignore[arg-type]
        truth = stated(design, possible, "unit", 0.0).effect
        if alike:
            assert np.mean(ratios) == pytest.approx(truth, rel=1e-10)
        assert abs(np.mean(ratios) - truth) < np.std(ratios) / item.size  # order 1 / N of the spread
        assert np.std(ratios) < 0.6 * np.std(totals)  # a level of 10 no longer counts by size
