"""Marginal models of stepped wedges.  Truth: geepack 1.3.9 and geeCRT 1.1.4 (R 4.2.2); small-sample sandwiches by hand.

The ``hand`` and ``small_sample`` sandwiches were written out from the papers at the packages' estimates.  geeCRT prints as KC
the average of (I - H)^-1 r r' and its transpose, ours "KC product"; its principal square root is our KC.  geesmv's fields are
information only: its KC is wrong for working correlations other than independence, so tests/estimate/test_gee_sandwich.py
holds ours to dense algebra instead.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trialkit.errors import EstimateError
from trialkit.estimate.gee import GeeFit, gee
from trialkit.estimate.wedge import TREATED, columns

OUTCOMES = {"gaussian": "y", "binomial": "ybin", "poisson": "ycount"}
CORRELATIONS = {"independence": "independence", "exchangeable": "exchangeable", "ar1": "autoregressive"}
ERRORS = {"LZ": "LZ", "DF": "DF", "MD": "MD", "KC": "KC", "KC_symmetrised_product": "KC product", "FG": "FG"}
GEECRT = {"se_MB": "model", "se_BC0_LZ": "LZ", "se_BC1_KC": "KC product", "se_BC2_MD": "MD", "se_BC3_FG": "FG"}
LAWS = {"p_normal": "normal", "p_t_clusters_minus_p": "clusters - parameters", "p_t_clusters_minus_2": "clusters - 2"}
FAMILIES = ("gee_binomial", "gee_gaussian", "gee_poisson", "gee_cpm_binomial", "gee_cpm_gaussian", "gee_cpm_poisson")


def marginal_models(case: dict[str, Any], folder: Path) -> None:
    """geepack's fits: persons and their sums by cell, or cluster-periods under AR(1)."""
    data, family = read(case, folder), case["family"].rsplit("_", 1)[1]
    correlation = CORRELATIONS[case["call"].split("corstr='")[1].split("'")[0]]
    if "_cpm_" in case["family"]:
        check(case, by_period(data, family, correlation, weighted="weights=n" in case["call"]))
        return
    check(case, persons(data, OUTCOMES[family], family, correlation))
    check(case, sums(data, OUTCOMES[family], family, correlation))


def nested(case: dict[str, Any], folder: Path) -> None:
    """geeCRT's fits of two correlations, from persons and from their sums."""
    data, column = read(case, folder), case["call"].split("y=")[1].split(",")[0].strip()
    family = {column: name for name, column in OUTCOMES.items()}[column]
    for fit in (persons(data, column, family, "nested"), sums(data, column, family, "nested")):
        expected, allowed = case["expected"], case["tolerance"]
        np.testing.assert_allclose(fit.coefficients, expected["beta"], rtol=allowed["coef_rel"])
        np.testing.assert_allclose(
            list(fit.alpha.values()), expected["alpha_within_between"], rtol=allowed["alpha_rel"]
        )
        wanted = {ours: expected[theirs] for theirs, ours in GEECRT.items()}
        by_hand = [(ERRORS[theirs], errors) for theirs, errors in expected["hand"].items()]
        for ours, errors in [*wanted.items(), *by_hand]:
            np.testing.assert_allclose(
                np.sqrt(np.diag(fit.covariance(ours))), errors, rtol=allowed["se_rel"], err_msg=ours
            )


def check(case: dict[str, Any], fit: GeeFit) -> None:
    expected, allowed = case["expected"], case["tolerance"]
    wanted = list(expected["coef"].values())
    np.testing.assert_allclose(fit.coefficients, wanted, rtol=allowed["coef_rel"])
    assert fit.phi == pytest.approx(expected["phi"], rel=allowed["alpha_rel"])
    assert list(fit.alpha.values()) == pytest.approx([expected["alpha"]] * len(fit.alpha), rel=allowed["alpha_rel"])
    assert len(fit.clusters) == expected["n_clusters"]
    assert len(fit.terms) == expected["n_coef"]
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance("LZ"))), expected["geepack_robust_se"], allowed["se_rel"])
    check_covariance(fit.covariance("LZ"), expected["geepack_robust_vcov"], allowed["se_rel"])
    for theirs, found in expected["small_sample"].items():
        if ERRORS[theirs] == "DF" and expected["n_clusters"] <= expected["n_coef"]:
            with pytest.raises(EstimateError, match="DF"):
                fit.covariance("DF")
            continue
        check_errors(fit, ERRORS[theirs], found, allowed["se_rel"], abs(fit.coefficients / wanted - 1).max())


def check_errors(fit: GeeFit, errors: Any, wanted: dict[str, Any], rel: float, off: float) -> None:
    covariance = fit.covariance(errors)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), wanted["se"], rtol=rel, err_msg=errors)
    check_covariance(covariance, wanted["vcov"], rel)
    for field, df in LAWS.items():
        if df == "clusters - parameters" and len(fit.clusters) <= len(fit.terms):
            with pytest.raises(EstimateError, match="undefined"):
                fit.df(df)
            continue
        moments = fit.moments(TREATED, errors=errors, df=df)  # type: ignore[arg-type]
        assert moments.std_error == pytest.approx(wanted["se_treat"], rel=rel)
        assert moments.statistic == pytest.approx(wanted["t"], rel=rel + off)
        # a two-sided p moves by (1 + t^2) times what t moves by, relatively, and less under t than under the normal
        assert moments.p_value == pytest.approx(wanted[field], rel=(rel + off) * (1 + wanted["t"] ** 2)), field


def check_covariance(found: np.ndarray, wanted: list[list[float]], rel: float) -> None:
    """An element by the errors of its two coefficients: a covariance near 0 has no relative error of its own."""
    scale = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
    np.testing.assert_allclose(found / scale, wanted / scale, atol=2 * rel, rtol=0)


def persons(data: dict[str, np.ndarray], column: str, family: Any, correlation: Any) -> GeeFit:
    return gee(
        data[column], columns(data["treat"], data["period"]), clusters=data["cluster"], periods=data["period"],
        family=family, correlation=correlation, unit="1",
    )  # fmt: skip


def sums(data: dict[str, np.ndarray], column: str, family: Any, correlation: Any) -> GeeFit:
    cell, total, size = by_cell(data, column)
    _, squares, _ = by_cell({**data, column: data[column] ** 2}, column)
    return gee(
        total, columns(cell["treat"], cell["period"]), clusters=cell["cluster"], periods=cell["period"], sizes=size,
        squares=None if family == "binomial" else squares, family=family, correlation=correlation, unit="1",
    )  # fmt: skip


def by_period(data: dict[str, np.ndarray], family: Any, correlation: Any, *, weighted: bool) -> GeeFit:
    """Means (gaussian), shares with the persons as weights (binomial), counts with log persons as offset (poisson)."""
    cell, total, size = by_cell(data, OUTCOMES[family])
    return gee(
        total if family == "poisson" else total / size, columns(cell["treat"], cell["period"]),
        clusters=cell["cluster"], periods=cell["period"], weights=size if weighted else None,
        offset=np.log(size) if family == "poisson" else None, family=family, correlation=correlation, unit="1",
    )  # fmt: skip


def read(case: dict[str, Any], folder: Path) -> dict[str, np.ndarray]:
    rows = list(csv.DictReader((folder / case["data"]).read_text(encoding="utf-8").splitlines()))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def by_cell(data: dict[str, np.ndarray], column: str) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Cluster-periods: their columns, the sum of the outcome, and how many rows are behind it."""
    cells, first, code, size = np.unique(
        np.column_stack([data["cluster"], data["period"]]),
        axis=0, return_index=True, return_inverse=True, return_counts=True,
    )  # fmt: skip
    found = {"cluster": cells[:, 0], "period": cells[:, 1], "treat": data["treat"][first]}
    return found, np.bincount(code.ravel(), weights=data[column]), size


GEE = {**dict.fromkeys(FAMILIES, marginal_models), "gee_nested_exchangeable": nested}
