"""Family g: attrition.  Truth: base R; no peer was run, so bounds are also proved by hand in tests/estimate."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trialkit.estimate.missing import Bounds, attrition, lee_bounds, manski_bounds


def missing_outcomes(case: dict[str, Any], folder: Path) -> None:
    rows = list(csv.DictReader((folder / case["data"]).read_text(encoding="utf-8").splitlines()))
    z = np.array([row["z"] == "1" for row in rows])
    y = np.array([float(row["y"]) if row["s"] == "1" else np.nan for row in rows])
    expected = case["expected"]
    who = attrition(y, z)
    assert who.difference == pytest.approx(expected["attrition_diff"], rel=1e-10)
    assert who.p_value == pytest.approx(expected["attrition_fisher_exact_p"], rel=1e-7)
    lee(y, z, expected["lee"])
    manski = manski_bounds(y, z, unit="1")
    wanted = expected["manski_observed_support"]
    assert manski.support == (wanted["support_low"], wanted["support_high"])
    check_ends(manski, wanted)


def lee(y: np.ndarray, z: np.ndarray, expected: dict[str, Any]) -> None:
    found = lee_bounds(y, z, unit="1")
    assert found.attrition.n_treated == expected["n_treated"]
    assert found.attrition.n_control == expected["n_control"]
    assert found.attrition.response_treated == pytest.approx(expected["response_treated"], rel=1e-12)
    assert found.attrition.response_control == pytest.approx(expected["response_control"], rel=1e-12)
    assert found.trim_share == pytest.approx(expected["trim_share"], rel=1e-10, abs=1e-12)
    assert found.trim_count == pytest.approx(expected["trim_count_real"], rel=1e-10, abs=1e-10)
    if expected["trim_share"] > 0:
        assert found.trimmed_arm == expected["trimmed_arm"]
    assert found.naive == pytest.approx(expected["naive"], rel=1e-10)
    names = {
        "fractional": "fractional",
        "floor": "floor_count",
        "ceiling": "ceiling_count",
        "quantile": "quantile_type7",
    }
    for trimming, name in names.items():
        check_ends(lee_bounds(y, z, unit="1", trimming=trimming), expected[f"bounds_{name}"])
    whole = lee_bounds(y, z, unit="1", trimming="quantile")
    # the case calls its errors provisional; they are Lee's proposition 3 with the sets of the type-7 quantile
    assert whole.se_lower == pytest.approx(expected["se_quantile_type7"]["lower"], rel=1e-9)
    assert whole.se_upper == pytest.approx(expected["se_quantile_type7"]["upper"], rel=1e-9)
    interval = expected["imbens_manski_95"]
    # uniroot's default tolerance is 1.2e-4, so the critical value is checked by its own equation as well
    assert whole.critical == pytest.approx(interval["crit"], abs=1.5e-4)
    assert (whole.conf_low, whole.conf_high) == pytest.approx((interval["low"], interval["high"]), abs=1e-4)
    apart = (whole.upper - whole.lower) / max(whole.se_lower, whole.se_upper)
    assert phi(whole.critical + apart) - phi(-whole.critical) == pytest.approx(0.95, abs=1e-12)


def phi(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def check_ends(found: Bounds, expected: dict[str, float]) -> None:
    assert (found.lower, found.upper) == pytest.approx((expected["lower"], expected["upper"]), rel=1e-10)
