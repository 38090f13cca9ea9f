"""Parallel trials by cluster summaries.  Truth: t.test and lm of R 4.2.2 on one period's cluster means.

The case's ``call`` names the rows (``period==2``) and the outcome; the first stage has the covariate ``x`` alone.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trialkit.estimate.cluster_summary import ClusterSummaries, cluster_summaries
from trialkit.estimate.result import Estimate


def cluster_summary(case: dict[str, Any], folder: Path) -> None:
    expected, rel = case["expected"], case["tolerance"]["rel"]
    means, adjusted = summaries(case, folder, covariate=False), summaries(case, folder, covariate=True)
    assert len(means.clusters) == expected["n_clusters"]
    arms = {"0": int((~means.treated).sum()), "1": int(means.treated.sum())}
    assert arms == expected["arm_clusters"]
    check(means.difference(), expected["t_equal_var"], rel)
    check(means.difference(variance="Welch"), expected["t_welch"], rel)
    check(means.weighted("size"), expected["weighted_n"], rel)
    check(means.weighted("minimum variance"), expected["weighted_minvar"], rel)
    check(adjusted.difference(), expected["two_stage_residual"], rel)
    wanted, found = expected["anova"], means.icc()
    shown = max(found.estimate, 0.0) if wanted["icc"] == 0 else found.estimate  # a negative ICC may be shown cut off
    assert shown == pytest.approx(wanted["icc"], rel=rel)
    assert found.within == pytest.approx(wanted["MSW"], rel=rel)
    assert found.within + wanted["m0"] * found.between == pytest.approx(wanted["MSB_within_arm"], rel=rel)


def summaries(case: dict[str, Any], folder: Path, *, covariate: bool) -> ClusterSummaries:
    asked = re.search(r"period==(\d+); outcome (\w+);", case["call"])
    assert asked, case["call"]
    period, outcome = asked.groups()
    rows = list(csv.DictReader((folder / case["data"]).read_text(encoding="utf-8").splitlines()))
    rows = [row for row in rows if row["period"] == period]
    y, z, x = (np.array([float(row[name]) for row in rows]) for name in (outcome, "treat", "x"))
    return cluster_summaries(
        y, clusters=[row["cluster"] for row in rows], treated=z, unit="1", covariates={"x": x} if covariate else None,
        binary=outcome == "ybin",
    )  # fmt: skip


def check(found: Estimate, expected: dict[str, Any], rel: float) -> None:
    assert found.estimate == pytest.approx(expected["estimate"], rel=rel)
    assert found.std_error == pytest.approx(expected["se"], rel=rel)
    assert found.statistic == pytest.approx(expected["t"], rel=rel)
    assert found.df == pytest.approx(expected["df"], rel=rel)
    assert found.p_value == pytest.approx(expected["p"], rel=rel)
    if "ci" in expected:
        assert [found.conf_low, found.conf_high] == pytest.approx(expected["ci"], rel=rel)
