"""Laws that every design-based answer keeps: names, order, units of measurement and strata without a lot change what they
should and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialkit.design import PartsDesign, blocked_wedge
from trialkit.estimate.adjusted import adjusted_difference
from trialkit.estimate.balance import balance_test
from trialkit.estimate.difference import difference_in_means
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.instrument import complier_effect
from trialkit.estimate.many import westfall_young
from trialkit.estimate.printed import average_effect
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.result import Estimate
from trialkit.estimate.statistics import DifferenceInMeans, OlsAdjusted, RankSum, Studentized
from trialkit.estimate.weighted import hajek, horvitz_thompson

ARMS = ("new", "usual")
QUOTAS = {"a": (2, 3), "b": (3, 2)}


class Data(NamedTuple):
    """One row per unit."""

    ids: list[str]
    block: list[str]
    labels: list[str]
    y: np.ndarray
    x: np.ndarray
    taken: np.ndarray
    fixed: dict[str, str] = {}  # noqa: RUF012 - never changed
    quotas: dict[str, tuple[int, int]] = QUOTAS

    def design(self) -> PartsDesign:
        return blocked_wedge(
            self.ids, ARMS, self.quotas, blocks=dict(zip(self.ids, self.block, strict=True)), fixed=self.fixed
        )

    def lot(self) -> tuple[PartsDesign, list[str], np.ndarray]:
        """The design, and labels and order of rows as its units stand."""
        design = self.design()
        order = np.array([self.ids.index(unit) for unit in design.units.ids])
        return design, [self.labels[k] for k in order], order


def data(seed: int) -> Data:
    rng = np.random.default_rng(seed)
    labels = [*rng.permutation(["new"] * 2 + ["usual"] * 3), *rng.permutation(["new"] * 3 + ["usual"] * 2)]
    taken = np.array([label == "new" for label in labels]) * 1.0
    taken[rng.integers(10)] = 0.5  # one took part by half
    return Data(
        [f"u{k:02d}" for k in range(10)], ["a"] * 5 + ["b"] * 5, [str(label) for label in labels],
        rng.normal(size=10).round(6), rng.normal(size=10).round(6), taken,
    )  # fmt: skip


def through_the_lot(kind: type, **more: Any) -> Callable[[Data], Estimate]:
    def run(d: Data) -> Estimate:
        design, labels, order = d.lot()
        extra = {name: getattr(d, column)[order][:, None] for name, column in more.items()}
        statistic = kind(outcome=d.y[order], compare=ARMS, **extra)
        return randomization_test(design, labels, statistic, unit="1", level=0.8).estimate

    return run


def by_error(function: Callable[..., Estimate], *columns: str, **more: str) -> Callable[[Data], Estimate]:
    def run(d: Data) -> Estimate:
        design, labels, order = d.lot()
        lot = Drawn.of(design, labels)
        first = [getattr(d, column)[order] for column in columns]
        rest = [{name: getattr(d, column)[order]} for name, column in more.items()]
        return function(d.y[order], *first, lot, *rest, compare=ARMS, unit="1", level=0.8)

    return run


ANSWERS: dict[str, Callable[[Data], Estimate]] = {
    "studentized": through_the_lot(Studentized),
    "difference": through_the_lot(DifferenceInMeans),
    "rank sum": through_the_lot(RankSum),
    "adjusted": through_the_lot(OlsAdjusted, covariates="x"),
    "difference in means": by_error(difference_in_means),
    "Lin": by_error(adjusted_difference, x="x"),
    "compliers": by_error(complier_effect, "taken"),
    "Hajek": by_error(hajek),
    "Horvitz-Thompson": by_error(horvitz_thompson),
    "printed first": lambda d: average_effect(d.lot()[0], d.lot()[1], d.y[d.lot()[2]], compare=ARMS, unit="1").first,
}
SHIFTS = [name for name in ANSWERS if name != "Horvitz-Thompson"]  # it divides sums by probabilities


def numbers(found: Estimate) -> np.ndarray:
    return np.array([value for value in astuple(found) if isinstance(value, float | int)], float)


def same(one: Estimate, two: Estimate) -> None:
    assert numbers(two) == pytest.approx(numbers(one), rel=1e-7, abs=1e-9, nan_ok=True)
    assert (two.method, two.term) == (one.method, one.term)


seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("name", ANSWERS)
@settings(max_examples=4)
@given(seeds, st.permutations(range(10)))
def test_the_order_of_the_rows_changes_nothing(name, seed, order):
    d, where = data(seed), np.array(order)
    other = d._replace(
        ids=[d.ids[k] for k in order], block=[d.block[k] for k in order], labels=[d.labels[k] for k in order],
        y=d.y[where], x=d.x[where], taken=d.taken[where],
    )  # fmt: skip
    same(ANSWERS[name](d), ANSWERS[name](other))


@pytest.mark.parametrize("name", ANSWERS)
@settings(max_examples=4)
@given(seeds, st.permutations([f"v{k * 37 % 101}" for k in range(10)]))
def test_the_names_of_units_and_strata_change_nothing(name, seed, names):
    d = data(seed)
    blocks = {"a": "zealand", "b": "jutland"}
    other = d._replace(
        ids=list(names), block=[blocks[b] for b in d.block], quotas={blocks[b]: q for b, q in QUOTAS.items()}
    )
    same(ANSWERS[name](d), ANSWERS[name](other))


@pytest.mark.parametrize("name", SHIFTS)
@settings(max_examples=4)
@given(seeds, st.integers(-40, 40), st.sampled_from([-2.0, 0.25, 1000.0]))
def test_a_new_zero_and_a_new_scale_move_the_effect_by_the_scale_alone(name, seed, shift, scale):
    d = data(seed)
    one, two = ANSWERS[name](d), ANSWERS[name](d._replace(y=scale * d.y + shift))
    assert two.p_value == pytest.approx(one.p_value, abs=1e-9)
    assert (two.smallest_p, two.df) == pytest.approx((one.smallest_p, one.df), nan_ok=True, rel=1e-6)
    ends = sorted([scale * one.conf_low, scale * one.conf_high])
    assert (two.conf_low, two.conf_high) == pytest.approx(ends, rel=1e-6, abs=1e-7 * abs(scale))
    if np.isfinite(one.estimate):
        assert two.estimate == pytest.approx(scale * one.estimate, rel=1e-7, abs=1e-8 * abs(scale))


@pytest.mark.parametrize("name", ANSWERS)
@settings(max_examples=4)
@given(seeds, st.integers(1, 4))
def test_a_stratum_in_which_nobody_was_drawn_changes_nothing(name, seed, size):
    """All its units were promised their label beforehand, whatever they report."""
    d = data(seed)
    more, rng = [f"w{k}" for k in range(size)], np.random.default_rng(seed)
    places = (size // 2, size - size // 2)
    labels = ["new"] * places[0] + ["usual"] * places[1]
    other = d._replace(
        ids=d.ids + more, block=d.block + ["promised"] * size, labels=d.labels + labels,
        y=np.append(d.y, 1e3 * rng.normal(size=size)), x=np.append(d.x, rng.normal(size=size)),
        taken=np.append(d.taken, np.zeros(size)), fixed=dict(zip(more, labels, strict=True)),
        quotas={**QUOTAS, "promised": places},
    )  # fmt: skip
    same(ANSWERS[name](d), ANSWERS[name](other))


@settings(max_examples=5)
@given(seeds, st.permutations(range(10)))
def test_many_outcomes_and_balance_keep_the_laws_too(seed, order):
    d, where = data(seed), np.array(order)
    other = d._replace(
        ids=[d.ids[k] for k in order], block=[d.block[k] for k in order], labels=[d.labels[k] for k in order],
        y=7 * d.y[where] - 3, x=d.x[where] / 9,
    )  # fmt: skip
    found = []
    for one in (d, other):
        design, labels, at = one.lot()
        statistics = {name: Studentized(outcome=v[at], compare=ARMS) for name, v in (("y", one.y), ("x", one.x))}
        together = westfall_young(design, labels, statistics)
        table = balance_test(design, labels, {"y": one.y[at], "x": one.x[at]}, compare=ARMS)
        assert table.test is not None
        found.append(
            [*together.p_adjusted, *together.p_raw, table.d2, table.test.p_value, table.rows[0].std_difference]
        )
    assert found[1] == pytest.approx(found[0], rel=1e-7)
