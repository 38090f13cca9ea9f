"""Family f: many tests.  Truth: stats::p.adjust, and Westfall-Young enumerated in base R, checked with multtest."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reference.randomization_cases import ARMS, unit_design
from trialkit.estimate.many import adjusted, westfall_young
from trialkit.estimate.statistics import Studentized

METHODS = {
    "bonferroni": "bonferroni",
    "holm": "holm",
    "hochberg": "hochberg",
    "hommel": "hommel",
    "BH": "bh",
    "BY": "by",
}


def multiple_testing(case: dict[str, Any], folder: Path) -> None:
    if case["data"] is None:
        return by_p_values(case["expected"])
    rows = list(csv.DictReader((folder / case["data"]).read_text(encoding="utf-8").splitlines()))
    through_the_design(rows, case["expected"])


def by_p_values(expected: dict[str, Any]) -> None:
    p = np.array([np.nan if value is None else value for value in expected["p"]])
    for name, method in METHODS.items():
        if name in expected:
            wanted = [np.nan if value is None else value for value in expected[name]]
            assert adjusted(p, method) == pytest.approx(wanted, abs=1e-15, rel=0, nan_ok=True), name


def through_the_design(rows: list[dict[str, str]], expected: dict[str, Any]) -> None:
    design, labels = unit_design(rows), [row["z"] for row in rows]
    statistics = {
        name: Studentized(outcome=np.array([float(row[name]) for row in rows]), compare=ARMS)
        for name in expected["outcomes"]
    }
    found = westfall_young(design, labels, statistics, sides="mirror")
    assert found.exact
    assert found.n_allocations == expected["n_assignments"]
    assert np.abs(found.statistics) == pytest.approx(expected["t"], rel=1e-10)
    assert found.p_raw == pytest.approx(expected["p_raw_two_sided_abs"], abs=1e-12)
    assert found.p_single_step == pytest.approx(expected["p_maxT_single_step"], abs=1e-12)
    assert found.p_adjusted == pytest.approx(expected["p_maxT_step_down"], abs=1e-12)
    assert adjusted(found.p_raw) == pytest.approx(expected["holm_of_raw"], abs=1e-12)
    by_p = westfall_young(design, labels, statistics, compared="min_p", sides="mirror")
    assert by_p.p_adjusted == pytest.approx(expected["p_minP_step_down"], abs=1e-12)
    assert by_p.p_raw == pytest.approx(expected["p_raw_two_sided_abs"], abs=1e-12)
    for name, numbers in (("maxT", found), ("minP", by_p)):
        if peer := expected.get(f"multtest_{name}"):
            assert numbers.p_adjusted == pytest.approx(peer["adjp"], abs=1e-12)
