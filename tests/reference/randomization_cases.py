"""Family b: exact randomization inference.  Truth: full enumeration in base R, checked there with ri2 and coin."""

from __future__ import annotations

import csv
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trialkit.design import Mahalanobis, blocked_wedge, complete, matched
from trialkit.design.base import Design
from trialkit.estimate.randomization import RandomizationTest, randomization_test
from trialkit.estimate.statistics import (
    DifferenceInMeans,
    KolmogorovSmirnov,
    PairedT,
    RankSum,
    Statistic,
    Studentized,
    UserStatistic,
)
from trialkit.units import Unit, Units

ARMS = ("1", "0")


def randomization_inference(case: dict[str, Any], folder: Path) -> None:
    """One case, whatever its design."""
    rows = list(csv.DictReader((folder / case["data"]).read_text(encoding="utf-8").splitlines()))
    expected = case["expected"]
    if "arm" in rows[0]:
        return several_arms(rows, expected)
    if "accepted_treated_units" in case:
        constrained(rows, case)
    elif "cluster" in rows[0]:
        clustered(rows, expected)
    else:
        design = unit_design(rows)
        check(design, [row["z"] for row in rows], outcomes(rows), expected)
        check_coin(design, rows, expected.get("cross_checks", {}))
    if "ri2" in expected:
        assert expected["ri2"]["n_sims"] == expected["n_assignments"]


def outcomes(rows: list[dict[str, str]]) -> np.ndarray:
    return np.array([float(row["y"]) for row in rows])


def unit_design(rows: list[dict[str, str]]) -> Design:
    """Complete, matched pairs, or blocks with their own numbers."""
    ids = [f"{k:05d}" for k in range(len(rows))]  # the rows' order, whatever their names
    if "block" not in rows[0]:
        return complete(ids, dict(Counter(row["z"] for row in sorted(rows, key=lambda r: r["z"]))))
    blocks = dict(zip(ids, (row["block"] for row in rows), strict=True))
    quotas = places(rows)
    if set(quotas.values()) == {(1, 1)}:
        return matched(ids, {"1": 1, "0": 1}, blocks=blocks)
    return blocked_wedge(ids, ARMS, quotas, blocks=blocks)


def places(rows: list[dict[str, str]]) -> dict[str, tuple[int, int]]:
    found = {row["block"]: [0, 0] for row in rows}
    for row in rows:
        found[row["block"]][ARMS.index(row["z"])] += 1
    return {block: (new, usual) for block, (new, usual) in found.items()}


def clustered(rows: list[dict[str, str]], expected: dict[str, Any]) -> None:
    """At unit level, where clusters move together, and again with one number per cluster."""
    units = Units.of(
        Unit(id=f"{row['cluster']}-{k:05d}", cluster=row["cluster"], block=row.get("block"))
        for k, row in enumerate(rows)
    )
    order = [int(unit.id[-5:]) for unit in units]
    rows = [rows[k] for k in order]
    first = {row["cluster"]: row for row in rows}
    names = sorted(first)
    if "block" in rows[0]:
        design: Design = blocked_wedge(units, ARMS, places(list(first.values())), level="cluster")
    else:
        counts = Counter(row["z"] for row in first.values())
        design = complete(units, {arm: counts[arm] for arm in ARMS}, level="cluster")
    labels, y = [row["z"] for row in rows], outcomes(rows)
    check(design, labels, y, expected)
    of = np.array([row["cluster"] for row in rows])
    check(design, labels, np.array([y[of == name].mean() for name in names]), expected["cluster_means"])
    check(design, labels, np.array([y[of == name].sum() for name in names]), expected["cluster_totals"])


def constrained(rows: list[dict[str, str]], case: dict[str, Any]) -> None:
    """The accepted set first, then the test through it and, for contrast, without the constraint."""
    expected = case["expected"]
    covariates = tuple(name for name in rows[0] if name not in {"unit", "z", "y"})
    cut = expected["mahalanobis_cut"]
    rule = Mahalanobis(
        covariates=covariates, threshold=f"{math.ceil(cut * 1e9) / 1e9:.9f}".rstrip("0"), max_attempts=1000
    )
    units = Units.of(Unit(id=f"{k:05d}", x=tuple(row[name] for name in covariates)) for k, row in enumerate(rows))
    counts = Counter(row["z"] for row in rows)
    weights = {arm: counts[arm] for arm in ARMS}
    design = complete(units, weights, constraint=rule)
    accepted = {tuple(np.flatnonzero(row == 0) + 1) for chunk in design.enumerate() for row in chunk.codes}
    assert accepted == {tuple(treated) for treated in case["accepted_treated_units"]}
    assert design.probabilities().values[:, 0] == pytest.approx(np.array(expected["prob_treated"]), abs=1e-12)
    labels, y = [row["z"] for row in rows], outcomes(rows)
    check(design, labels, y, expected)
    if "unconstrained_complete_for_contrast" in expected:
        check(complete(units, weights), labels, y, expected["unconstrained_complete_for_contrast"])


STATISTICS = {
    "dim": lambda y, c: DifferenceInMeans(outcome=y, compare=c, blocks=False),
    "t_studentized": lambda y, c: Studentized(outcome=y, compare=c, blocks=False),
    "dim_blocked": lambda y, c: DifferenceInMeans(outcome=y, compare=c),
    "t_blocked": lambda y, c: Studentized(outcome=y, compare=c),
    "t_paired": lambda y, c: PairedT(outcome=y, compare=c),
    "ranksum": lambda y, c: RankSum(outcome=y, compare=c, blocks=False),
    "ranksum_blocked": lambda y, c: RankSum(outcome=y, compare=c),
    "ks": lambda y, c: KolmogorovSmirnov(outcome=y, compare=c),
}
TAILS = {
    "p_upper": "greater", "p_lower": "less", "p_two_sided_abs": "mirror", "p_two_sided_centered": "distance",
    "p_two_sided_double": "doubled",
}  # fmt: skip


def check(design: Design, labels: list[str], y: np.ndarray, expected: dict[str, Any]) -> None:
    """Every p-value and every interval of one reference set."""
    for name, numbers in expected["p"].items():
        found = tested(design, labels, STATISTICS[name](y, ARMS), interval=False)
        assert found.exact
        assert found.estimate.n_allocations == expected["n_assignments"]
        check_numbers(found, numbers)
    for name, levels in expected.get("ci", {}).items():
        for one in levels:
            for sides, wanted in (("mirror", one["two_sided_abs"]), ("doubled", one["equal_tailed"])):
                found = tested(design, labels, STATISTICS[name](y, ARMS), sides=sides, level=1 - one["alpha"])
                check_ends(found, wanted)


def tested(design: Design, labels: list[str], statistic: Statistic, **options: Any) -> RandomizationTest:
    return randomization_test(design, labels, statistic, unit="1", **options)


def check_numbers(found: RandomizationTest, expected: dict[str, float]) -> None:
    assert found.observed == pytest.approx(expected["observed"], rel=1e-9, abs=1e-9)
    if "perm_mean" in expected:
        shown = found.distribution()
        assert found.mean == pytest.approx(expected["perm_mean"], rel=1e-9, abs=1e-9)
        if shown.width == 0:
            spread = math.sqrt(float(shown.shares @ (shown.values - found.mean) ** 2))
            assert spread == pytest.approx(expected["perm_sd_pop"], rel=1e-9)
    for name, sides in TAILS.items():
        if name in expected:
            assert found.p_value_at(0.0, sides) == pytest.approx(expected[name], abs=1e-12), name


def check_ends(found: RandomizationTest, expected: dict[str, Any]) -> None:
    ends = found.estimate.conf_low, found.estimate.conf_high
    assert ends == pytest.approx((float(expected["lower"]), float(expected["upper"])), rel=1e-9, abs=1e-9)
    if "connected" in expected:
        assert found.connected == expected["connected"]
    for end, name in zip(ends, ("p_at_lower", "p_at_upper"), strict=True):
        if name in expected and math.isfinite(end):
            assert found.p_value_at(end) == pytest.approx(expected[name], abs=1e-12)


def check_coin(design: Design, rows: list[dict[str, str]], expected: dict[str, Any]) -> None:
    """The same by coin::oneway_test, wilcox_test and stats::wilcox.test, ks.test."""
    labels, y = [row["z"] for row in rows], outcomes(rows)
    ranks = tested(design, labels, RankSum(outcome=y, compare=ARMS, blocks=False), sides="doubled")
    names = {"two.sided": "distance", "greater": "greater", "less": "less"}
    for name, sides in names.items():
        for prefix in ("wilcoxon_", "wilcoxon_stratified_"):
            if prefix + name in expected:
                assert ranks.p_value_at(0.0, sides) == pytest.approx(expected[prefix + name], abs=1e-12)
        if "oneway_" + name in expected:
            plain = tested(design, labels, DifferenceInMeans(outcome=y, compare=ARMS), interval=False)
            assert plain.p_value_at(0.0, sides) == pytest.approx(expected["oneway_" + name], abs=1e-12)
    if "hodges_lehmann" in expected:
        assert ranks.hodges_lehmann == pytest.approx(expected["hodges_lehmann"], rel=1e-9)
    if "wilcox_ci95" in expected:
        assert (ranks.estimate.conf_low, ranks.estimate.conf_high) == pytest.approx(
            tuple(expected["wilcox_ci95"]), rel=1e-9
        )
    if "ks_exact_p" in expected:
        gap = tested(design, labels, KolmogorovSmirnov(outcome=y, compare=ARMS), interval=False)
        assert gap.p_value == pytest.approx(expected["ks_exact_p"], abs=1e-12)


def several_arms(rows: list[dict[str, str]], expected: dict[str, Any]) -> None:
    """One-way analysis of variance as a user's own statistic, and pairs of arms over all assignments."""
    labels, y = [row["arm"] for row in rows], outcomes(rows)
    counts = Counter(labels)
    arms = sorted(counts)
    design = complete([f"{k:05d}" for k in range(len(rows))], {arm: counts[arm] for arm in arms})
    for name, numbers in expected.items():
        if "_minus_" in name:
            new, usual = name.split("_minus_")
            statistic: Statistic = DifferenceInMeans(outcome=y, compare=(new, usual))
        elif name == "F":
            statistic = UserStatistic(function=one_way_f, outcome=y, name="one-way F")
        else:
            continue
        found = tested(design, labels, statistic)
        assert found.estimate.n_allocations == expected["n_assignments"]
        assert found.region is None  # with a third arm one constant effect does not say what else would have been
        check_numbers(found, numbers)
    if "aov_F" in expected:
        codes = np.array([[arms.index(label) for label in labels]])
        assert one_way_f(y, codes)[0] == pytest.approx(expected["aov_F"], rel=1e-9)


def one_way_f(y: np.ndarray, codes: np.ndarray) -> np.ndarray:
    n, k = y.size, int(codes.max()) + 1
    between = np.zeros(len(codes))
    for arm in range(k):
        here = (codes == arm).astype(float)
        between += (here @ (y - y.mean())) ** 2 / here.sum(axis=1)
    within = ((y - y.mean()) ** 2).sum() - between
    return (between / (k - 1)) / (within / (n - k))
