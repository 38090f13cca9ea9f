"""What R printed, case by case: each JSON holds data, call, versions, expected numbers and their tolerance.

A case is run by its ``family``.  A family nobody has heard of fails; one of a later stage is skipped by name.  Real
public data are not copied into this repository: where their file is absent the case is skipped, saying so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.reference.assignment_cases import assignment_designs
from tests.reference.balance_cases import covariate_balance
from tests.reference.cluster_robust_cases import cluster_robust
from tests.reference.cluster_summary_cases import cluster_summary
from tests.reference.design_based_cases import design_based
from tests.reference.did_cases import difference_in_differences
from tests.reference.gee_cases import GEE
from tests.reference.glmm_cases import GLMM
from tests.reference.many_cases import multiple_testing
from tests.reference.missing_cases import missing_outcomes
from tests.reference.mixed_cases import MIXED
from tests.reference.power_cases import power_grid, power_published, published
from tests.reference.randomization_cases import randomization_inference
from tests.reference.staggered_cases import staggered_rollout
from tests.reference.within_period_cases import within_period

RUN = {
    "a_estimatr": design_based,
    "b_randomization_inference": randomization_inference,
    "c_staggered": staggered_rollout,
    "d_did_fixest": difference_in_differences,
    "e_balance": covariate_balance,
    "f_multiple_testing": multiple_testing,
    "g_attrition": missing_outcomes,
    "h_assignment_designs": assignment_designs,
    "cluster_robust_lm": cluster_robust,
    "cluster_summary_parallel": cluster_summary,
    "thompson_within_period": within_period,
    "power_grid": power_grid,
    "power_published": power_published,
    "published": published,
    **GEE,
    **GLMM,
    **MIXED,
}

# Families whose estimators come with later stages; each leaves this list when its runner stands in RUN.
LATER: set[str] = set()


def test_case(case_file: Path) -> None:
    case: dict[str, Any] = json.loads(case_file.read_text(encoding="utf-8"))
    family = case.get("family")
    if family in LATER:
        pytest.skip(f"family {family} comes with a later stage")
    assert family in RUN, f"{case_file.name}: nobody knows the family {family!r}"
    data = case.get("data")
    if isinstance(data, str) and not (case_file.parent / data).exists():
        pytest.skip(f"{data} is real public data and is not kept here; run with --cases where it is")
    RUN[family](case, case_file.parent)


def test_no_family_is_both_run_and_put_off() -> None:
    assert not LATER & RUN.keys()
