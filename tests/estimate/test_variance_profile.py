"""Profile intervals of variance components: against a dense grid, textbook intervals, and the boundary."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from tests.estimate.test_mixed import KINDS, likelihood, made_up
from tests.estimate.test_partly_grouped import fitted as partly
from tests.estimate.test_partly_grouped import made_up as in_pairs
from trialkit.estimate.mixed import MixedFit, mixed_model
from trialkit.estimate.wedge import columns


def fitted(data: dict[str, Any], random: Any, **asked: Any) -> MixedFit:
    return mixed_model(
        data["y"], columns(data["exposure"], data["period"]), clusters=data["cluster"], periods=data["period"],
        persons=data["person"], treated=data["exposure"] > 0, weights=data["w"], random=random, unit="1", **asked,
    )  # fmt: skip


@pytest.mark.parametrize("by", ["REML", "ML"])
def test_the_ends_are_where_a_dense_grid_has_fallen_by_the_limit(by):
    """-2 log-likelihood from n x n matrices, minimised over a fine grid of the two variances that are free."""
    data = made_up(11, clusters=9, persons=2, spread=1.2)
    fit = fitted(data, "nested", by=by)
    _, layout = likelihood(data, "nested")
    same = layout.cluster[:, None] == layout.cluster
    both = same & (data["period"][:, None] == data["period"])
    bases = {"cluster": same, "cluster-period": both, "residual": np.diag(1 / data["w"])}

    def height(**sigma: float) -> float:
        v = sum(sigma[name] * base for name, base in bases.items())
        solved = np.linalg.solve(v, np.column_stack([layout.x, data["y"]]))
        h = layout.x.T @ solved[:, :-1]
        left = data["y"] - layout.x @ np.linalg.solve(h, layout.x.T @ solved[:, -1])
        logs = np.linalg.slogdet(v)[1] + (np.linalg.slogdet(h)[1] if by == "REML" else 0)
        return float(logs + left @ np.linalg.solve(v, left))

    least = height(**fit.components)
    for found in fit.intervals():
        assert found.variance == fit.components[found.name]
        others = [name for name in bases if name != found.name]
        for end in (found.low, found.high):
            centre, reach = {name: fit.components[name] for name in others}, 2.0
            for _ in range(9):  # grids around the best point so far, ever narrower, the boundary among them
                grids = [
                    [0.0] * (name != "residual") + [centre[name] * 3 ** (reach * t) for t in np.linspace(-1, 1, 9)]
                    for name in others
                ]
                lowest = min((height(**{found.name: end}, **dict(zip(others, at, strict=True))), at)
                             for at in product(*grids))  # fmt: skip
                centre = {name: at or centre[name] for name, at in zip(others, lowest[1], strict=True)}
                reach *= 0.45
            if end == 0:
                assert lowest[0] - least <= chi2.ppf(0.95, 1) + 1e-4
            else:
                assert lowest[0] - least == pytest.approx(chi2.ppf(0.95, 1), abs=1e-4)
    assert fit.intervals()[2].low > 0


def test_one_variance_alone_has_the_interval_of_its_own_likelihood():
    """Rows that are independent: (f log s2 + f s2_hat / s2) has closed crossings; the cluster's variance is at 0."""
    for seed in range(40):
        data = made_up(seed, spread=0.0) | {}
        data["w"] = np.ones(len(data["y"]))
        fit = fitted(data, "cluster")
        if fit.singular:
            break
    cluster, residual = fit.intervals()
    assert cluster.low == 0
    assert cluster.variance == 0
    assert cluster.high > 0
    free, s2 = fit.n_rows - len(fit.terms), fit.components["residual"]

    def excess(value: float) -> float:
        return free * (np.log(value / s2) + s2 / value - 1) - chi2.ppf(0.95, 1)

    assert abs(excess(residual.high)) < 1e-6  # more of it leaves nothing to the cluster, so the other stays at 0
    assert excess(residual.low) >= -1e-6  # less of it may be made up for by the cluster
    assert residual.sd[1] == pytest.approx(np.sqrt(residual.low))


@pytest.mark.parametrize("random", KINDS)
def test_every_structure_has_ends_on_both_sides_and_the_height_there(random):
    fit = fitted(made_up(5, clusters=8, spread=0.8), random)
    assert [one.name for one in fit.intervals()] == list(fit.components)
    for wide, one in zip(fit.intervals(), fit.intervals(level=0.5), strict=True):
        assert wide.low <= one.low <= one.variance <= one.high <= wide.high
        if wide.name == "decay":
            assert 0 <= wide.low <= wide.high <= 1
        elif wide.name != "cluster x treatment":
            assert wide.low >= 0


def test_a_component_on_its_own_scale_keeps_its_interval():
    """Another unit of the outcome and another scale of the weights move the ends and nothing else."""
    data = made_up(4, spread=1.0)
    other = {**data, "y": data["y"] * 1e-3, "w": data["w"] * 400}
    for one, two in zip(fitted(data, "nested").intervals(), fitted(other, "nested").intervals(), strict=True):
        scale = 1e-6 * (400 if one.name == "residual" else 1)
        assert [two.low, two.high] == pytest.approx([one.low * scale, one.high * scale], rel=1e-5, abs=1e-12)


def test_groups_in_one_arm_have_theirs_too():
    data = in_pairs(7, between=3.0)
    fit = partly(data).fit
    found = {one.name: one for one in fit.intervals()}
    single, left = found["single persons"], data["y"][26:] - data["y"][26:].mean()
    # equal to the likelihood of single persons alone: nothing of theirs is shared with the grouped arm
    free, s2 = len(left) - 1, left.var() * len(left) / (len(left) - 1)
    for end in (single.low, single.high):
        assert free * (np.log(end / s2) + s2 / end - 1) == pytest.approx(chi2.ppf(0.95, 1), abs=1e-5)
    assert 0 < found["group"].low < found["group"].variance < found["group"].high


def test_most_intervals_hold_the_truth():
    hits = 0
    for seed in range(40):
        data = made_up(200 + seed, clusters=12, periods=3, spread=0.0)
        data["y"] = data["y"] + 0.7 * np.random.default_rng(seed).normal(size=12)[data["cluster"]]
        found = fitted(data, "cluster").intervals()[0]
        hits += found.low <= 0.49 <= found.high
    assert hits >= 33  # 95 percent of 40; fewer than 33 happens once in 700
