"""Generalized least squares on every single person: the second algorithm, in which nothing is simplified."""

from __future__ import annotations

from typing import Any

import numpy as np

from trialkit.power.components import Components
from trialkit.power.layout import Layout


def person_level_variance(
    layout: Layout, components: Components, *, times: Any = (), weights: Any = None, means: bool = False
) -> float:
    """Variance of the effect from one dense covariance matrix of all people; sizes are whole numbers.

    Person k of a cluster is the same in every period where ``person`` varies; with new people each time it does not
    matter.  Only for a closed cohort or new people (no share of churn between).  ``means`` analyses the means of the
    cells: where a cohort's sizes change in time the people themselves tell more.
    """
    assert float(np.max(components.churn)) in (0.0, 1.0)
    people = [(i, j, k) for i, j in np.argwhere(layout.observed) for k in range(int(layout.sizes[i, j]))]
    i, j, k = np.array(people).T
    x = layout.treated[i, j]
    lag = np.abs(j[:, None] - j)
    same_cluster, same_period = i[:, None] == i, j[:, None] == j
    same_person = (k[:, None] == k) & (same_period | (float(np.max(components.churn)) == 0.0))
    c = {name: float(np.asarray(getattr(components, name))) for name in FIELDS}
    cov = c["cluster"] * c["cluster_decay"] ** lag + c["cluster_period"] * same_period
    cov = cov + c["treatment"] * c["treatment_decay"] ** lag * x[:, None] * x
    cross = c["cluster_treatment"] * (c["cluster"] * c["treatment"]) ** 0.5
    cov = cov + cross * c["treatment_decay"] ** lag * (x[:, None] + x)
    cov = cov + c["person"] * c["person_decay"] ** lag * same_person
    cov = cov + c["residual"] * (same_person & same_period)
    cov = np.where(same_cluster, cov, 0.0)
    columns = [x * (layout.exposure[i, j] == time) for time in times] or [x]
    seen = np.flatnonzero(layout.observed.any(axis=0))
    design = np.column_stack([*columns, *(j == period for period in seen)]).astype(float)
    if means:
        cells, at = np.unique(np.c_[i, j], axis=0, return_inverse=True)
        mean = (at.ravel() == np.arange(len(cells))[:, None]) / np.bincount(at.ravel())[:, None]
        cov, design = mean @ cov @ mean.T, mean @ design
    whole = np.linalg.inv(design.T @ np.linalg.solve(cov, design))
    a = np.zeros(design.shape[1])
    a[: len(columns)] = 1 / len(columns) if weights is None else weights
    return float(a @ whole @ a)


FIELDS = (
    "cluster", "cluster_period", "person", "residual", "treatment", "cluster_treatment", "cluster_decay",
    "treatment_decay", "person_decay",
)  # fmt: skip
