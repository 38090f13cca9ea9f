"""Family c: only the exact test over all assignments for now (c08); the estimators come with a later stage.

The statistics are written here as a user would write them, from Roth and Sant'Anna (2023), doi:10.1086/726581:
theta = theta_0 - beta (X) with theta_0 and X the same contrasts of cohort means, at t and just before the cohort
starts; beta is 1, 0, or V(X)^-1 Cov(X, theta_0); Neyman's variance sums A_g S_g A_g' / N_g over cohorts.
Truth: the R package staggered 1.2.3 called 420 times.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trialkit.design import complete
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.statistics import UserStatistic


def staggered_exact_test(case: dict[str, Any], folder: Path) -> None:
    expected = case["expected"]
    if "n_assignments" not in expected:
        pytest.skip("the staggered estimators come with a later stage")
    rows = list(csv.DictReader((folder / case["data"]).read_text(encoding="utf-8").splitlines()))
    start = {row["i"]: float(row["g"]) for row in rows}
    units, times = sorted(start, key=str.encode), sorted({float(row["t"]) for row in rows})
    starts = sorted(set(start.values()))
    y = np.full((len(units), len(times)), np.nan)
    for row in rows:
        y[units.index(row["i"]), times.index(float(row["t"]))] = float(row["y"])
    counts = {str(g): sum(value == g for value in start.values()) for g in starts}
    design = complete(units, counts)
    rollout = Rollout(np.array(times), np.array(starts), np.array(list(counts.values())))
    for name in ("staggered", "cs", "unadjusted"):
        for key, studentized in (("exact_p_estimate", False), ("exact_p_t_neyman", True)):
            statistic = UserStatistic(function=rollout.statistic(name, studentized), outcome=y, name=name)
            found = randomization_test(design, [str(start[unit]) for unit in units], statistic, unit="1")
            wanted = expected[name]
            assert found.estimate.n_allocations == expected["n_assignments"]
            value = wanted["estimate"] / (wanted["se_neyman"] if studentized else 1)
            assert found.observed == pytest.approx(value, rel=1e-8)
            assert found.p_value_at(0.0, "greater") == pytest.approx(wanted[key]["p_upper"], abs=1e-12)
            assert found.p_value_at(0.0, "mirror") == pytest.approx(wanted[key]["p_two_sided_abs"], abs=1e-12)


class Rollout:
    """Contrasts of cohort means for the simple average over treated cohort-periods."""

    def __init__(self, times: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> None:
        self.starts, self.sizes = starts, sizes
        self.after = np.zeros((len(starts), len(times)))  # A_theta
        self.before = np.zeros_like(self.after)  # A_0
        cells = [
            (g, t)
            for g in range(len(starts))
            for t in range(len(times))
            if times[t] >= starts[g] and (starts > times[t]).any()
        ]
        total = sum(sizes[g] for g, _ in cells)
        for g, t in cells:
            last = int(np.searchsorted(times, starts[g])) - 1
            later = starts > times[t]
            weight = sizes[g] / total
            for row, at in ((self.after, t), (self.before, last)):
                row[g, at] += weight
                row[later, at] -= weight * sizes[later] / sizes[later].sum()

    def statistic(self, name: str, studentized: bool):
        def found(y: np.ndarray, codes: np.ndarray) -> np.ndarray:
            return np.array([self._one(y, row, name, studentized) for row in codes])

        return found

    def _one(self, y: np.ndarray, cohort: np.ndarray, name: str, studentized: bool) -> float:
        groups = [y[cohort == g] for g in range(len(self.starts))]
        means = np.array([group.mean(axis=0) for group in groups])
        spread = [np.cov(group, rowvar=False) / len(group) for group in groups]
        theta, x = float((self.after * means).sum()), float((self.before * means).sum())
        of_x = sum(a @ s @ a for a, s in zip(self.before, spread, strict=True))
        joint = sum(a @ s @ b for a, s, b in zip(self.before, spread, self.after, strict=True))
        beta = {"staggered": joint / of_x, "cs": 1.0, "unadjusted": 0.0}[name]
        rows = self.after - beta * self.before
        error = np.sqrt(sum(a @ s @ a for a, s in zip(rows, spread, strict=True)))
        return (theta - beta * x) / (error if studentized else 1.0)
