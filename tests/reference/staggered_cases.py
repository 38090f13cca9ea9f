"""Family c: staggered rollouts.  Truth: the R package staggered 1.2.3; the exact test, the package called 420 times.

The statistic of the exact test is also written here as a user would write it, from Roth and Sant'Anna (2023),
doi:10.1086/726581: theta = theta_0 - beta X with theta_0 and X the same contrasts of cohort means, at t and just before
the cohort starts; beta is 1, 0, or V(X)^-1 Cov(X, theta_0); Neyman's variance sums A_g S_g A_g' / N_g over cohorts.
"""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from trialkit.design import complete
from trialkit.estimate.cohorts import Wide, wide
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.rollout_test import StaggeredContrast
from trialkit.estimate.staggered import staggered, staggered_event_study
from trialkit.estimate.statistics import UserStatistic

METHODS: dict[str, dict[str, Any]] = {
    "staggered": {"method": "efficient"},
    "cs": {"method": "callaway_santanna"},
    "sa": {"method": "sun_abraham"},
    "beta0": {"beta": 0.0},
    "beta1": {"beta": 1.0},
    "full_A0": {"method": "all_placebos"},
    "unadjusted": {"method": "unadjusted"},
}


def staggered_rollout(case: dict[str, Any], folder: Path) -> None:
    """The exact test, or every estimate of the case; a name nobody knows fails."""
    if "n_assignments" in case["expected"]:
        return staggered_exact_test(case, folder)
    data = rollout_data(case, folder)
    tolerance = {"rel": 1e-7 if "1e-7" in case["tolerance"] else 1e-8, "abs": 1e-13}
    checked = 0
    for name, wanted in case["expected"].items():
        if name.startswith("fisher"):  # R's own generator, strict inequality and the adjusted error: not a target
            continue
        prefix, kind = name.removesuffix("_scalar").rsplit("_", 1)
        if kind == "eventstudy":
            check_event_study(data, METHODS[prefix], wanted, tolerance)
        else:
            estimand: Any = int(kind.removeprefix("es")) if kind.startswith("es") else kind  # es0: event time 0
            found = staggered(
                data.outcome, data.start, periods=data.periods, estimand=estimand, unit="1", **METHODS[prefix]
            )
            assert found.estimate.estimate == pytest.approx(wanted["estimate"], **tolerance), name
            assert found.std_error_neyman == pytest.approx(wanted["se_neyman"], **tolerance), name
            assert found.std_error_adjusted == pytest.approx(wanted["se"], **tolerance), name
        checked += 1
    assert checked


def check_event_study(data: Wide, method: dict[str, Any], wanted: dict[str, Any], tolerance: dict[str, float]) -> None:
    for errors, se, vcv in (("adjusted", "se", "vcv"), ("neyman", "se_neyman", "vcv_neyman")):
        found = staggered_event_study(
            data.outcome, data.start, periods=data.periods, at=wanted["event_time"], errors=errors, unit="1", **method
        )
        assert found.estimate == pytest.approx(wanted["estimate"], **tolerance)
        assert found.std_error == pytest.approx(wanted[se], **tolerance)
        if vcv in wanted:
            scale = float(np.abs(wanted[vcv]).max())
            assert found.covariance == pytest.approx(np.array(wanted[vcv]), rel=1e-8, abs=1e-9 * scale)


def rollout_data(case: dict[str, Any], folder: Path) -> Wide:
    """The case's columns: i, t, g, y, or as its call names them."""
    names = {"i": "i", "t": "t", "g": "g", "y": "y"}
    said = case["call"].get("columns", "") if isinstance(case["call"], dict) else ""
    names |= {pair.split("=")[0].strip(): pair.split("=")[1].strip() for pair in said.split(",") if "=" in pair}
    path = folder / case["data"]
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        frame = pd.read_csv(file)
    return wide(frame, unit=names["i"], period=names["t"], start=names["g"], outcome=names["y"])


def staggered_exact_test(case: dict[str, Any], folder: Path) -> None:
    expected = case["expected"]
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
            ours = StaggeredContrast(  # trialkit's own statistic, from sums of scores instead of cohort moments
                outcome=y, starts=[float(label) for label in design.label_names], periods=times, studentized=studentized,
                **METHODS[name],
            )  # fmt: skip
            own = randomization_test(design, [str(start[unit]) for unit in units], ours, unit="1", interval=False)
            assert own.observed == pytest.approx(value, rel=1e-8)
            assert own.p_value_at(0.0, "greater") == pytest.approx(wanted[key]["p_upper"], abs=1e-12)
            assert own.p_value_at(0.0, "mirror") == pytest.approx(wanted[key]["p_two_sided_abs"], abs=1e-12)


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
