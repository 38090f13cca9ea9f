"""Least squares on stepped wedges with cluster-robust errors.  Truth: clubSandwich 0.5.8 (R 4.2.2).

Its CR1 and CR1S differ in the factor only (m / (m - 1), and Stata's with rows and columns besides); ours is Stata's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.reference.mixed_cases import by_cell, read
from trialkit.estimate.regression import least_squares
from trialkit.estimate.wedge import TREATED, columns

OURS = {"CR0": "CR0", "CR1S": "CR1", "CR2": "CR2", "CR3": "CR3"}


def cluster_robust(case: dict[str, Any], folder: Path) -> None:
    expected, rel = case["expected"], case["tolerance"]["rel"]
    data, _ = read(case, folder)
    weights = None
    if "_cpm_" in case["id"]:
        data, size = by_cell(data)
        weights = size if "weights=n" in case["call"] else None
    fixed = columns(data["exposure"], data["period"])
    blocks = data["cluster"] if "clusterFE" in case["id"] else None
    for theirs, errors in OURS.items():
        wanted = expected["by_type"][theirs]
        if isinstance(wanted, str):  # its CR3 has no answer with cluster effects, and says so
            assert theirs == "CR3"
            continue
        found = least_squares(data["y"], fixed, clusters=data["cluster"], blocks=blocks, weights=weights, errors=errors)
        assert found.n_clusters == expected["n_clusters"]
        moments = found.moments(TREATED)
        assert moments.value == pytest.approx(expected["coef_treat"], rel=rel)
        assert moments.std_error == pytest.approx(wanted["se"], rel=rel), theirs
        df = wanted["df_satterthwaite"] if errors == "CR2" else wanted["naive_df"]
        assert moments.df == pytest.approx(df, rel=rel), theirs
        p_value = wanted["p_satterthwaite"] if errors == "CR2" else wanted["p_naive_t"]
        assert moments.p_value == pytest.approx(p_value, rel=1e-6), theirs
