"""Family e: balance.  Truth: RItools and base R."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reference.randomization_cases import ARMS
from trialkit.design import complete
from trialkit.estimate.balance import Balance, balance, balance_test
from trialkit.estimate.constrained import ConstrainedSet, balance_scores, constrained_set, dummies
from trialkit.estimate.many import adjusted

HAND = {
    "mean_treated": "mean_new", "mean_control": "mean_usual", "diff": "difference", "std_diff_avgvar": "std_average",
    "std_diff_pooled": "std_difference", "std_diff_overall_sd": "std_overall", "std_diff_control_sd": "std_usual",
    "var_ratio": "variance_ratio", "welch_t": "welch_t", "ks": "ks",
}  # fmt: skip
X_BALANCE = {
    "Control": "mean_usual", "Treatment": "mean_new", "adj.diff": "difference", "adj.diff.null.sd": "null_sd",
    "std.diff": "std_difference", "z": "z", "p": "p_value",
}  # fmt: skip
BALANCE_TEST = {
    "Control": "mean_usual", "Treatment": "mean_new", "adj.diff": "difference", "std.diff": "std_average", "z": "z",
}  # fmt: skip


def covariate_balance(case: dict[str, Any], folder: Path) -> None:
    rows = list(csv.DictReader((folder / case["data"]).read_text(encoding="utf-8").splitlines()))
    expected = case["expected"]
    if "cvrall" in str(case["call"]):
        return constrained(rows, case)
    names = variables(expected)
    x = {name: np.array([float(row[name]) for row in rows]) for name in names}
    z = np.array([row["z"] == "1" for row in rows])
    if "cl" in rows[0]:
        found = balance(x, z, clusters=[row["cl"] for row in rows])
        return check_table(found, expected["balanceTest"]["--"], BALANCE_TEST, adjust=True)
    plain = balance(x, z)
    by_hand(plain, expected)
    strata = {name: [row[name] for row in rows] for name in rows[0]} | {"unstrat": None, "--": None}
    for name, table in expected["xBalance"].items():
        check_table(balance(x, z, blocks=strata[name]), table, X_BALANCE, adjust=False)
    for name, table in expected["balanceTest"].items():
        check_table(balance(x, z, blocks=strata[name], weights="treated"), table, BALANCE_TEST, adjust=True)
    assert adjusted([row.p_value for row in plain.rows]) == pytest.approx(expected["holm_xBalance_unstrat_p"], rel=1e-8)
    if "p_exact_design" in expected["omnibus_unstratified"]:
        exactly(rows, x, expected["omnibus_unstratified"])


def variables(expected: dict[str, Any]) -> list[str]:
    tables = expected["xBalance"] if "xBalance" in expected else expected["balanceTest"]
    return list(next(iter(tables.values()))["vars"])


def by_hand(found: Balance, expected: dict[str, Any]) -> None:
    for row in found.rows:
        for name, ours in HAND.items():
            wanted = expected["hand_unstratified"][row.variable][name]
            assert getattr(row, ours) == pytest.approx(wanted, rel=1e-8), (row.variable, name)
    omnibus = expected["omnibus_unstratified"]
    assert found.d2 == pytest.approx(omnibus["mahalanobis"], rel=1e-8)
    assert found.df == omnibus["chi2_df"]
    assert found.p_value == pytest.approx(omnibus["p_chi2"], rel=1e-8)
    assert found.f_statistic == pytest.approx(omnibus["F_lm_z_on_x"], rel=1e-8)
    assert found.p_f == pytest.approx(omnibus["p_F"], rel=1e-8)


def check_table(found: Balance, expected: dict[str, Any], columns: dict[str, str], *, adjust: bool) -> None:
    assert [row.variable for row in found.rows] == expected["vars"]
    for name, ours in columns.items():
        values = [getattr(row, ours) for row in found.rows]
        assert values == pytest.approx(expected[name], rel=1e-7, abs=1e-12), name  # a difference of 0 is rounding
    assert found.d2 == pytest.approx(expected["chisquare"], rel=1e-8)
    assert found.df == expected["df"]
    assert found.p_value == pytest.approx(expected["p_value"], rel=1e-8)
    if adjust:  # RItools adjusts this column by default; trialkit's column is raw
        assert adjusted([row.p_value for row in found.rows]) == pytest.approx(expected["p"], rel=1e-7)


def exactly(rows: list[dict[str, str]], x: dict[str, np.ndarray], expected: dict[str, Any]) -> None:
    counts = Counter(row["z"] for row in rows)
    design = complete([f"{k:05d}" for k in range(len(rows))], {arm: counts[arm] for arm in ARMS})
    found = balance_test(design, [row["z"] for row in rows], x, compare=ARMS)
    assert found.test is not None
    assert found.test.estimate.n_allocations == expected["n_assignments"]
    assert found.test.p_value == pytest.approx(expected["p_exact_design"], abs=1e-12)
    assert found.test.observed == pytest.approx(found.d2, rel=1e-9)


def constrained(rows: list[dict[str, str]], case: dict[str, Any]) -> None:
    """Scores as cvcrand's; which allocations are kept is trialkit's own rule where scores tie."""
    call = str(case["call"])
    ids = [f"c{k:03d}" for k in range(len(rows))]
    n, new, share = (float(re.search(name + r" = (\.?[\d.]+)", call)[1]) for name in CALL)  # type: ignore[index]
    design = complete(ids, {"1": int(new), "0": int(n - new)})
    x = columns(rows, re.search(r"categorical = ([\w,]*?),? weights", call)[1].split(","))  # type: ignore[index]
    weights = [float(one) for one in re.search(r"weights = ([\d,.]*)", call)[1].split(",") if one]  # type: ignore[index]
    for metric, expected in case["expected"].items():
        found = constrained_set(design, x, new="1", share=share, weights=weights or None, metric=metric)
        check_scores(found, expected, weights, x)
        check_kept(found, expected, share)


# The case's call says only `x`; the package's own example of these data names these five columns.
DICKINSON = ("location", "inciis", "uptodateonimmunizations", "hispanic", "incomecat")
CALL = ("ntotal_cluster", "ntrt_cluster", "cutoff")


def columns(rows: list[dict[str, str]], categorical: list[str]) -> np.ndarray:
    """Every column but the first, which names the cluster."""
    names = list(DICKINSON) if set(DICKINSON) <= set(rows[0]) else list(rows[0])[1:]
    parts = [
        dummies([row[name] for row in rows]) if name in categorical else np.array([[float(row[name])] for row in rows])
        for name in names
    ]
    return np.hstack(parts)


def check_scores(found: ConstrainedSet, expected: dict[str, Any], weights: list[float], x: np.ndarray) -> None:
    assert found.exact
    assert found.scores.size == expected["n_schemes"]
    chosen = np.array([expected["chosen_scheme_z"]])
    own = balance_scores(chosen, x, weights=weights or None, metric=found.metric)[0]
    assert own == pytest.approx(expected["score_of_chosen_by_formula"], rel=1e-9)
    assert found.mean == pytest.approx(expected["formula_mean"], rel=1e-9)
    assert found.sd == pytest.approx(expected["formula_sd"], rel=1e-9)
    assert found.scores.min() == pytest.approx(expected["formula_min"], rel=1e-9)
    assert found.scores.max() == pytest.approx(expected["formula_max"], rel=1e-9)
    for at, wanted in zip(expected["quantiles_type7_p"], expected["quantiles_type7"], strict=True):
        assert found.quantile(at) == pytest.approx(wanted, rel=1e-9)


def check_kept(found: ConstrainedSet, expected: dict[str, Any], share: float) -> None:
    """The peer's cutoff is the k-th smallest score, k = round(share x schemes); it keeps k, or those its rounding puts
    at most at the type-7 quantile, and so may split a mirror pair.  trialkit keeps every tie: proved by mirroring."""
    printed = dict(zip(expected["cvcrand_bscores"]["stat"], expected["cvcrand_bscores"]["value"], strict=True))
    assert found.cutoff == pytest.approx(printed["cutoff score"], abs=1e-3)
    k = round(found.scores.size * share)
    gaps = np.sort(found.scores)[k - 1 :] - found.cutoff
    assert len(found.accepted) == k + np.count_nonzero(gaps[1:] <= 1e-9 * found.cutoff)
    if abs(share - 0.1) < 1e-12:
        at_quantile = found.at_most(found.quantile(share))
        assert expected["n_accepted_at_10pct"] <= at_quantile
        near = np.abs(found.scores - found.quantile(share)) <= 1e-9 * found.cutoff
        assert at_quantile - expected["n_accepted_at_10pct"] <= np.count_nonzero(near)
    if (found.accepted.sum(axis=1) * 2 == found.accepted.shape[1]).all():
        kept = {row.tobytes() for row in found.accepted}
        assert {(1 - row).astype(found.accepted.dtype).tobytes() for row in found.accepted} == kept
        assert found.sharing.probabilities == pytest.approx(np.full((found.accepted.shape[1], 2), 0.5), abs=1e-12)
