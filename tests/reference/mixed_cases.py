"""Linear mixed models of stepped wedges.  Truth: lme4 1.1.31, lmerTest 3.1.3 and pbkrtest 0.5.2 (R 4.2.2); decay by hand.

pbkrtest ignores weights, so the weighted cases carry Kenward-Roger computed by hand from the 1997 formulas.  Where
``singular`` is true, lme4 stops beside the boundary and df mean nothing: estimates and criterion are compared.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from trialkit.estimate.wedge import Wedge, stepped_wedge

RANDOM = {
    "lmm_hh": "cluster", "lmm_ne": "nested", "lmm_cohort": "cohort", "lmm_cohort_ne": "nested cohort",
    "lmm_rte": "treatment", "lmm_rte_ind": "independent treatment", "lmm_eti": "cluster", "lmm_eti_ne": "nested",
    "lmm_cpm": "cluster", "lmm_cpm_w": "cluster", "lmm_discrete_time_decay": "decay",
}  # fmt: skip
GROUPS = {
    "cp": "cluster-period",
    "cluster": "cluster",
    "uid": "person",
    "Residual": "residual",
    "cluster.1": "treatment",
}


def mixed_models(case: dict[str, Any], folder: Path) -> None:
    expected, allowed = case["expected"], case["tolerance"]
    fit = fitted(case, folder, "REML").fit
    assert fit.n_rows == expected["nobs"]
    assert bool(fit.singular) == expected["singular"]
    np.testing.assert_allclose(fit.coefficients, list(expected["fixef"].values()), **near(allowed["fixef_rel"]))
    std_errors = np.sqrt(np.diag(fit.covariance))
    np.testing.assert_allclose(std_errors, list(expected["se"].values()), rtol=allowed["se_rel"])
    check_components(fit.components, expected["var_components"], allowed["var_components_rel"])
    assert fit.log_likelihood == pytest.approx(expected["logLik_REML"], abs=allowed["criterion_abs"])
    if not expected["singular"]:
        check_contrast(case, fit)
    by_ml = fitted(case, folder, "ML").fit
    if by_ml.log_likelihood > expected["ML"]["logLik"] + 0.01:
        check_higher(case, folder, by_ml)
        return
    assert by_ml.log_likelihood == pytest.approx(expected["ML"]["logLik"], abs=allowed["criterion_abs"])
    np.testing.assert_allclose(by_ml.coefficients, list(expected["ML"]["fixef"].values()), **near(allowed["fixef_rel"]))
    np.testing.assert_allclose(
        np.sqrt(np.diag(by_ml.covariance)), list(expected["ML"]["se"].values()), rtol=allowed["se_rel"]
    )
    check_components(by_ml.components, expected["ML"]["var_components"], allowed["var_components_rel"])


def check_higher(case: dict[str, Any], folder: Path, fit: Any) -> None:
    """lme4 stopped at a lower optimum: ours is the normal log-density of the rows, written out without our algebra."""
    assert case["family"] == "lmm_rte", "only the correlated treatment effect is known to stop lme4 early"
    data, _ = read(case, folder)
    treated, found = (data["exposure"] > 0).astype(float), fit.components
    x = np.column_stack([np.ones_like(treated), treated, *(data["period"] == t for t in np.unique(data["period"])[1:])])
    z = np.column_stack([np.ones_like(treated), treated])
    cross = found["cluster x treatment"]
    psi = np.array([[found["cluster"], cross], [cross, found["treatment"]]])
    assert np.linalg.eigvalsh(psi).min() > -1e-8
    same = data["cluster"][:, None] == data["cluster"]
    v = same * (z @ psi @ z.T) + found["residual"] * np.eye(len(z))
    density = multivariate_normal(x @ fit.coefficients, v).logpdf(data["y"])
    assert density == pytest.approx(fit.log_likelihood, abs=1e-6)


def check_contrast(case: dict[str, Any], fit: Any) -> None:
    expected, allowed = case["expected"], case["tolerance"]
    contrast = dict(zip(fit.terms, expected["contrast_L"], strict=True))
    plain = fit.moments(contrast, df="Satterthwaite")
    assert plain.value == pytest.approx(expected["contrast_estimate"], rel=allowed["fixef_rel"], abs=1e-7)
    assert plain.std_error == pytest.approx(expected["contrast_se"], rel=allowed["se_rel"])
    assert plain.df == pytest.approx(expected["satterthwaite"]["df"], rel=allowed["satterthwaite_df_rel"])
    wanted = expected["kenward_roger"]
    adjusted = fit.moments(contrast)
    assert adjusted.std_error == pytest.approx(wanted["se"], rel=allowed["kr_se_rel"])
    assert adjusted.df == pytest.approx(wanted["df"], rel=allowed["kr_df_rel"])
    assert adjusted.p_value == pytest.approx(wanted["p"], rel=1e-4)
    if "vcov" in wanted:
        scale = np.abs(wanted["vcov"]).max()
        np.testing.assert_allclose(fit.adjusted_covariance, wanted["vcov"], atol=2e-5 * scale, rtol=0)
    joint = fit.joint([contrast])  # one contrast: F is t squared, and the scale is 1
    assert joint.scale == pytest.approx(1, rel=1e-9)
    assert joint.denominator_df == pytest.approx(adjusted.df, rel=1e-9)
    assert joint.p_value == pytest.approx(adjusted.p_value, rel=1e-9)


def decay(case: dict[str, Any], folder: Path) -> None:
    allowed = case["tolerance"]
    for by in ("REML", "ML"):
        expected, fit = case["expected"][by], fitted(case, folder, by).fit
        assert fit.log_likelihood == pytest.approx(expected["logLik"], abs=allowed["criterion_abs"])
        np.testing.assert_allclose(fit.coefficients, list(expected["fixef"].values()), rtol=allowed["coef_rel"])
        std_errors = np.sqrt(np.diag(fit.covariance))
        np.testing.assert_allclose(std_errors, list(expected["se"].values()), rtol=allowed["se_rel"])
        for ours, theirs in (("cluster-period", "tau2"), ("decay", "r"), ("residual", "sigma2")):
            assert fit.components[ours] == pytest.approx(expected[theirs], rel=allowed["variance_rel"])


def fitted(case: dict[str, Any], folder: Path, by: str) -> Wedge:
    family = case["family"]
    data, persons = read(case, folder)
    weights = None
    if family.startswith("lmm_cpm"):
        data, size = by_cell(data)
        weights = size if family == "lmm_cpm_w" else None
    return stepped_wedge(
        data["y"], clusters=data["cluster"], periods=data["period"], exposure=data["exposure"], unit="1",
        effect="exposure" if "_eti" in family else "immediate", random=RANDOM[family],
        persons=persons if "cohort" in family else None, weights=weights, by=by,
    )  # fmt: skip


def read(case: dict[str, Any], folder: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns as numbers, and who each row is."""
    rows = list(csv.DictReader((folder / case["data"]).read_text(encoding="utf-8").splitlines()))
    data = {name: np.array([float(row[name]) for row in rows]) for name in ("cluster", "period", "exposure", "y")}
    return data, np.array([row["id"] for row in rows])


def by_cell(data: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Cluster-period means and how many rows are behind each."""
    cells, first, code, size = np.unique(
        np.column_stack([data["cluster"], data["period"]]),
        axis=0, return_index=True, return_inverse=True, return_counts=True,
    )  # fmt: skip
    means = np.bincount(code.ravel(), weights=data["y"]) / size
    return {"cluster": cells[:, 0], "period": cells[:, 1], "exposure": data["exposure"][first], "y": means}, size


def check_components(found: Any, expected: list[dict[str, Any]], rel: float) -> None:
    total = sum(abs(row["vcov"]) for row in expected)
    for row in expected:
        name = "treatment" if row["var1"] == "treat" else GROUPS[row["grp"]]
        if row["var2"] == "treat":
            name = "cluster x treatment"
        assert found[name] == pytest.approx(row["vcov"], rel=rel, abs=2e-6 * total), name


def near(rel: float) -> dict[str, float]:
    """Relative to the coefficient, or to 1e-7 of the outcome's unit where a coefficient is almost 0."""
    return {"rtol": rel, "atol": 1e-7}


MIXED = {family: decay if family == "lmm_discrete_time_decay" else mixed_models for family in RANDOM}
