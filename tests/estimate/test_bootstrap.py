"""The wild cluster bootstrap against a loop that refits every draw, and its laws."""

from __future__ import annotations

import itertools
from math import inf, sqrt

import numpy as np
import pytest

from trialkit.errors import EstimateError
from trialkit.estimate.bootstrap import SIX, WildBootstrap, wild_bootstrap
from trialkit.estimate.regression import least_squares


def made(seed: int, groups: int = 8, effect: float = 0.5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(groups), rng.integers(3, 9, size=groups))
    z = (np.arange(groups) % 2)[cluster].astype(float)
    x = rng.normal(size=cluster.size)
    y = effect * z + 0.3 * x + 0.5 * rng.normal(size=groups)[cluster] + rng.normal(size=cluster.size)
    return {"y": y, "z": z, "x": x, "cluster": cluster, "w": rng.uniform(0.5, 2, size=cluster.size)}


def bootstrapped(d: dict[str, np.ndarray], **options) -> WildBootstrap:
    return wild_bootstrap(d["y"], {"z": d["z"], "x": d["x"]}, "z", clusters=d["cluster"], unit="1", **options)


def refitted(d: dict[str, np.ndarray], value: float, multipliers, weights=None) -> np.ndarray:
    """t of the hypothesis under each row of multipliers, by a regression each."""
    w = np.ones(d["y"].size) if weights is None else weights
    rest = np.column_stack([np.ones(d["y"].size), d["x"]])
    target = d["y"] - value * d["z"]
    fitted = rest @ np.linalg.solve(rest.T @ (w[:, None] * rest), rest.T @ (w * target))
    out = []
    for v in multipliers:
        y = value * d["z"] + fitted + (target - fitted) * v[d["cluster"]]
        found = least_squares(
            y, {"z": d["z"], "x": d["x"]}, clusters=d["cluster"], errors="CR1", weights=weights
        ).moments("z")
        out.append((found.value - value) / found.std_error)
    return np.array(out)


@pytest.mark.parametrize("value", [0.0, 0.8])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("few", [0, 12])
def test_all_sign_patterns_by_refitting_each_give_the_same_p_values(value, weighted, few, monkeypatch):
    monkeypatch.setattr("trialkit.estimate.bootstrap.FEW", few)  # by thin matrices, as for many clusters, or by one
    d = made(1)
    weights = d["w"] if weighted else None
    found = bootstrapped(d, signs="rademacher", weights=weights)
    t = refitted(d, value, np.array(list(itertools.product([-1.0, 1.0], repeat=8))), weights)
    own = refitted(d, value, [np.ones(8)], weights)[0]
    assert found.exact
    assert found.draws == 256
    assert found.p_value_at(value) == np.mean(np.abs(t) >= abs(own) - 1e-9)
    assert found.p_value_at(value, "greater") == np.mean(t >= own - 1e-9)
    assert found.p_value_at(value, "less") == np.mean(t <= own + 1e-9)
    assert "all 256 sign patterns" in found.estimate.method
    assert found.estimate.mc_error == 0


def test_the_statistic_is_the_regressions_own():
    d = made(2)
    own = least_squares(d["y"], {"z": d["z"], "x": d["x"]}, clusters=d["cluster"], errors="CR1").moments("z")
    found = bootstrapped(d, signs="rademacher").estimate
    assert (found.estimate, found.std_error, found.statistic) == pytest.approx(
        (own.value, own.std_error, own.statistic), rel=1e-10
    )
    assert np.isnan(found.smallest_p)
    assert found.n_units == 8


def test_draws_of_signs_agree_with_all_of_them_within_their_error():
    d = made(3, groups=12)
    exact = bootstrapped(d, signs="rademacher")
    drawn = bootstrapped(d, signs="rademacher", draws=4000, rng=np.random.default_rng(1))
    assert exact.exact
    assert not drawn.exact
    assert abs(drawn.p_value - exact.p_value) < 4 * drawn.estimate.mc_error
    assert drawn.p_value == (1 + round(drawn.p_value * 4001 - 1)) / 4001


def test_six_points_are_had_by_name_and_have_mean_0_and_variance_1():
    assert bootstrapped(made(4)).signs == "rademacher"  # whatever the number of clusters
    found = bootstrapped(made(4), draws=500, signs="webb", rng=np.random.default_rng(1))
    assert found.signs == "webb"
    assert SIX.mean() == pytest.approx(0, abs=1e-15)
    assert (SIX**2).mean() == pytest.approx(1, rel=1e-12)
    assert sqrt(1.5) == SIX.max()
    assert bootstrapped(made(4, groups=12)).signs == "rademacher"


def test_the_interval_ends_where_the_test_begins_to_reject():
    d = made(5, groups=10)
    found = bootstrapped(d, signs="rademacher")
    low, high = found.estimate.conf_low, found.estimate.conf_high
    assert low < found.estimate.estimate < high
    for end, inside in ((low, 1), (high, -1)):
        assert found.p_value_at(end) <= 0.05
        assert found.p_value_at(end + inside * 1e-6) > 0.05
        assert found.p_value_at(end - inside * 1e-2) <= 0.05


def test_four_clusters_can_exclude_nothing():
    """The smallest two-sided p of 16 patterns is 2/16: no value can be rejected at .05, so the interval is endless."""
    found = bootstrapped(made(6, groups=4), signs="rademacher")
    assert found.p_value >= 2 / 16
    assert (found.estimate.conf_low, found.estimate.conf_high) == (-inf, inf)


def test_shift_scale_order_and_names_change_what_they_should():
    d = made(7, groups=10)
    one = bootstrapped(d, signs="rademacher").estimate
    order = np.random.default_rng(1).permutation(d["y"].size)
    e = {name: column[order] for name, column in d.items()}
    two = wild_bootstrap(
        3 * e["y"] + 7, {"z": e["z"], "x": e["x"] / 9}, "z", clusters=[f"town {k}" for k in e["cluster"]], unit="1",
        signs="rademacher",
    ).estimate  # fmt: skip
    assert two.p_value == one.p_value
    assert (two.estimate, two.conf_low, two.conf_high) == pytest.approx(
        (3 * one.estimate, 3 * one.conf_low, 3 * one.conf_high), rel=1e-6
    )


def test_one_sided_intervals_are_open_on_the_other_side():
    d = made(8, groups=10)
    assert bootstrapped(d, signs="rademacher", sides="greater").estimate.conf_high == inf
    assert bootstrapped(d, signs="rademacher", sides="less").estimate.conf_low == -inf
    tails = bootstrapped(d, signs="rademacher", sides="equal_tailed")
    assert tails.p_value == min(1, 2 * min(tails.p_value_at(0, "greater"), tails.p_value_at(0, "less")))


def test_the_same_seed_gives_the_same_numbers():
    d = made(9, groups=20)
    one, two = (bootstrapped(d, draws=999, rng=np.random.default_rng(5)).estimate for _ in range(2))
    assert (one.p_value, one.conf_low) == (two.p_value, two.conf_low)


def test_it_keeps_its_size_with_ten_clusters():
    """200 samples without effect: more than 21 rejections at .05 have probability below 0.001."""
    rejected = sum(
        bootstrapped(made(100 + k, 10, 0.0), signs="rademacher", interval=False).p_value <= 0.05 for k in range(200)
    )
    assert rejected <= 21


@pytest.mark.parametrize(
    ("options", "words"),
    [({"draws": 99}, "generator"), ({"level": 5.0}, "0.95"), ({"blocks": np.zeros(3)}, "has shape")],
)
def test_what_has_no_answer_is_refused(options, words):
    with pytest.raises(EstimateError, match=words):
        bootstrapped(made(10), **options)


def test_outcomes_without_any_error_are_refused():
    d = made(12)
    with pytest.raises(EstimateError, match="nothing unexplained"):
        wild_bootstrap(np.zeros(d["y"].size), {"z": d["z"]}, "z", clusters=d["cluster"], unit="1", signs="rademacher")


def test_thousands_of_clusters_are_drawn_and_not_counted():
    rng = np.random.default_rng(1)
    z, y = np.tile([0.0, 1.0], 1000), rng.normal(size=2000)
    found = wild_bootstrap(y, {"z": z}, "z", clusters=np.arange(2000), unit="1", draws=99, rng=rng, interval=False)
    assert found.signs == "rademacher"
    assert 0 < found.p_value <= 1


def test_an_unknown_column_is_refused():
    d = made(11)
    with pytest.raises(EstimateError, match="no column 'q'"):
        wild_bootstrap(d["y"], {"z": d["z"]}, "q", clusters=d["cluster"], unit="1", rng=np.random.default_rng(1))
