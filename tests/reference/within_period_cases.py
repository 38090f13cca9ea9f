"""Thompson's within-period estimator with its exact test.  Truth: written out in R 4.2.2 over every allocation."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trialkit.design import complete
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.statistics import UserStatistic
from trialkit.estimate.within_period import within_periods


def within_period(case: dict[str, Any], folder: Path) -> None:
    expected, rel = case["expected"], case["tolerance"]["rel"]
    _, outcome, scale, _ = case["id"].split("_")
    rows = list(csv.DictReader((folder / case["data"]).read_text(encoding="utf-8").splitlines()))
    ids = sorted({row["cluster"].zfill(3) for row in rows})
    periods = sorted({int(row["period"]) for row in rows})
    total, size = np.zeros((len(ids), len(periods))), np.zeros((len(ids), len(periods)))
    for row in rows:
        at = ids.index(row["cluster"].zfill(3)), periods.index(int(row["period"]))
        total[at] += float(row[outcome])
        size[at] += 1
    y = total / size if scale == "difference" else np.log((total + 0.5) / (size - total + 0.5))
    start = {row["cluster"].zfill(3): row["sequence"] for row in rows}
    labels = sorted(set(start.values()), key=int)
    design = complete(ids, {label: sum(one == label for one in start.values()) for label in labels})
    starts = [int(label) - 1 for label in labels]
    own = np.array([[labels.index(start[one]) for one in ids]])
    found = within_periods(y, starts, own)
    for name, values in (("period_estimates", found.differences[0]), ("period_weights", found.weights[0])):
        wanted = [np.nan if value is None else value for value in expected[name]]
        np.testing.assert_allclose(values, wanted, rtol=rel)
    assert found.estimates[0] == pytest.approx(expected["estimate"], rel=rel)
    check_test(case, design, [start[one] for one in ids], y, starts, "variance")
    if "estimate_harmonic_weights" in expected:
        harmonic = within_periods(y, starts, own, weights="harmonic").estimates[0]
        assert harmonic == pytest.approx(expected["estimate_harmonic_weights"], rel=rel)
        check_test(case, design, [start[one] for one in ids], y, starts, "harmonic")


def check_test(case: dict[str, Any], design: Any, observed: Any, y: Any, starts: Any, weights: Any) -> None:
    expected, allowed = case["expected"], case["tolerance"]["p_abs"]
    statistic = UserStatistic(
        function=lambda outcome, codes: within_periods(outcome, starts, codes, weights=weights).estimates,
        outcome=y, name="within period",
    )  # fmt: skip
    found = randomization_test(design, observed, statistic, unit="1", interval=False, sides="mirror", most=400_000)
    assert found.estimate.n_allocations == expected["n_allocations"]
    key = "p_two_sided_exact" + ("_harmonic" if weights == "harmonic" else "")
    assert found.p_value_at(0.0, "mirror") == pytest.approx(expected[key], abs=allowed)
    if weights == "variance" and "p_upper_exact" in expected:
        assert found.p_value_at(0.0, "greater") == pytest.approx(expected["p_upper_exact"], abs=allowed)
