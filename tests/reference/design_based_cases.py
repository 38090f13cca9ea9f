"""Family a: difference in means, regression, Lin, Horvitz-Thompson and two-stage least squares.

Truth: the R package estimatr 1.0.6 (R 4.2.2), checked by the cases' author against clubSandwich, sandwich and base R.
Each case holds the R calls; they are read here and asked of trialkit, so that a case with other calls runs too.
Tolerance, from the files: 1e-8 relative, 1e-10 absolute near 0; closed forms differ by rounding only.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trialkit.design import Assignment, PartsDesign, blocked, blocked_wedge, complete
from trialkit.estimate.adjusted import lin
from trialkit.estimate.difference import difference_in_means
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.instrument import instrument_test, two_stage
from trialkit.estimate.regression import Regression, least_squares
from trialkit.estimate.result import Estimate
from trialkit.estimate.weighted import horvitz_thompson
from trialkit.units import Unit, Units

ARMS = ("1", "0")
Data = dict[str, np.ndarray]
STATA = {"stata": "CR1"}
NAME = re.compile(r"[A-Za-z]\w*")


def design_based(case: dict[str, Any], folder: Path) -> None:
    """Every call of one case."""
    calls, expected = case["call"], case["expected"]
    if "general" in calls:
        return weighted_means(calls, expected, read(folder / case["data"]))
    for name, call in calls.items():
        data = case["data"][name] if isinstance(case["data"], dict) else case["data"]
        asked = Call(call, read(folder / data))
        if asked.function == "difference_in_means":
            check_estimate(asked.difference(), expected[name])
        else:
            check_regression(asked.regression(), expected[name])
    assert set(expected) <= {*calls, "diagnostics"}, "a number without a call"
    for name, numbers in expected.get("diagnostics", {}).items():
        errors, _, kind = name.partition("_")
        check_diagnostic(Call(calls[f"iv_{errors}"], read(folder / case["data"])), kind, numbers)


def read(file: Path) -> Data:
    """Columns as numbers where they are."""
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {name: as_numbers(column) for name, column in columns.items()}


def as_numbers(column: np.ndarray) -> np.ndarray:
    """NA is a gap, in numbers and in names."""
    try:
        return np.where(column == "NA", "nan", column).astype(float)
    except ValueError:
        return column


class Call:
    """One R call: ``f(y ~ a + b | z, key = value, ...)``."""

    def __init__(self, text: str, data: Data) -> None:
        self.function, inside = re.fullmatch(r"(\w+)\((.*)\)", text).groups()
        formula, *rest = inside.split(", ")
        self.given = dict(part.split(" = ") for part in rest)
        self.outcome, _, right = formula.partition(" ~ ")
        self.right, _, self.instruments = right.partition(" | ")
        self.data = self.complete(data)

    def complete(self, data: Data) -> Data:
        """R leaves out rows with a gap in what the call uses."""
        words = {
            word
            for text in (self.outcome, self.right, self.instruments, *self.given.values())
            for word in NAME.findall(text)
        }
        used = [column for name, column in data.items() if name in words]
        whole = np.all([column == column if column.dtype.kind == "f" else column != "NA" for column in used], axis=0)
        return {name: column[whole] for name, column in data.items()}

    def column(self, key: str) -> np.ndarray | None:
        return self.data[self.given[key].removeprefix("~")] if key in self.given else None

    def terms(self, formula: str) -> dict[str, np.ndarray]:
        """Columns of ``a + b``; text columns as indicators of every level but the first, named as R does."""
        found = {}
        for name in formula.removeprefix("~").split(" + "):
            column = self.data[name]
            if column.dtype.kind == "f":
                found[name] = column
            else:
                found |= {f"{name}{level}": (column == level) * 1.0 for level in sorted(set(column))[1:]}
        return found

    def difference(self) -> Estimate:
        data, blocks, clusters = self.data, self.column("blocks"), self.column("clusters")
        units = Units.of(
            Unit(
                id=f"{k:06d}",
                block=None if blocks is None else str(blocks[k]),
                cluster=None if clusters is None else str(clusters[k]),
            )
            for k in range(len(data[self.right]))
        )
        lot = Assignment(units=units, labels=tuple(str(int(z)) for z in data[self.right]))
        level = 1 - float(self.given.get("alpha", "0.05"))
        y, w = data[self.outcome], self.column("weights")
        return difference_in_means(y, lot, compare=ARMS, weights=w, unit="1", level=level)

    def regression(self) -> Regression:
        y, columns = self.data[self.outcome], self.terms(self.right)
        errors = self.given["se_type"].strip('"')
        options: dict[str, Any] = {
            "clusters": self.column("clusters"),
            "weights": self.column("weights"),
            "errors": STATA.get(errors, errors),
        }
        if self.function == "lm_lin":
            return lin(y, columns[self.right], self.terms(self.given["covariates"]), **options)
        options["blocks"] = self.column("fixed_effects")
        if self.function == "iv_robust":
            return two_stage(y, columns, self.terms(self.instruments), **options)
        assert self.function == "lm_robust", self.function
        return least_squares(y, columns, **options)


def check_estimate(found: Estimate, expected: dict[str, Any]) -> None:
    for name in ("estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high"):
        (wanted,) = expected[name]
        value = getattr(found, name)
        assert np.isnan(value) if wanted is None else value == close(float(wanted)), name
    assert np.isnan(found.smallest_p)
    assert found.n_units == expected["nobs"]


def check_regression(found: Regression, expected: dict[str, Any]) -> None:
    assert list(found.terms) == expected["term"]
    frame = found.to_frame(unit="1")
    for name in ("estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high"):
        assert frame[name].to_numpy() == close(np.array(expected[name], float)), name
    assert found.n_rows == expected["nobs"]
    assert found.n_clusters == expected.get("nclusters", 0)
    assert found.r_squared == close(expected["r_squared"])


def check_diagnostic(asked: Call, kind: str, expected: dict[str, float]) -> None:
    """estimatr's weak-instrument and endogeneity tests."""
    found = instrument_test(
        "weak" if kind == "weak" else "endogenous",
        asked.data[asked.outcome],
        asked.terms(asked.right),
        asked.terms(asked.instruments),
        clusters=asked.column("clusters"),
    )
    numbers = found.value, found.df_between, found.df_within, found.p_value
    assert numbers == close(tuple(expected.values()))


def close(expected: Any) -> Any:
    largest = np.max(np.abs(np.nan_to_num(np.asarray(expected, float))))
    return pytest.approx(expected, rel=1e-8, abs=1e-10 if largest > 1e-8 else 0, nan_ok=True)


def weighted_means(calls: dict[str, str], expected: dict[str, Any], data: Data) -> None:
    """Horvitz and Thompson's estimate for each declared design.

    Where two clusters of a block are never treated together (``blockclus``: one of four), estimatr leaves their pair
    out of the variance and trialkit bounds it unless told otherwise; ``tests/estimate/test_weighted.py`` goes through
    every allocation of such a design and finds that leaving out can promise too small a variance, and bounding not.
    """
    for name, numbers in expected.items():
        design_name, _, kind = name.rpartition("_")
        simple = name == "simple_condition_prs"
        design = declared(calls["simple" if simple else design_name], data)
        treated = data[numbers["term"][0]]
        outcome = data["y_" + suffix(numbers["term"][0], data)]
        drawn = Drawn.of(design, [str(int(z)) for z in treated])
        effects = "constant" if kind == "constant" else "any"
        options: dict[str, Any] = {"compare": ARMS, "unit": "1", "effects": effects, "df": "normal"}
        check_estimate(horvitz_thompson(outcome, drawn, never_together="leave_out", **options), numbers)
        bounded = horvitz_thompson(outcome, drawn, **options)
        assert bounded.estimate == close(numbers["estimate"][0])
        hidden = any((design.joint_probabilities(arm, arm).values <= 0).any() for arm in (0, 1))
        assert hidden == (bounded.std_error > numbers["std_error"][0] * (1 + 1e-8))


def suffix(term: str, data: Data) -> str:
    """``z_bcl`` goes with ``y_bcl``."""
    found = term.removeprefix("z_")
    assert f"y_{found}" in data
    return found


def declared(call: str, data: Data) -> PartsDesign:
    """The design of ``declare_ra(...)``."""
    given = dict(re.findall(r"(\w+) = (c\([^)]*\)|[^,)]+)", call))
    ids = [f"{k:06d}" for k in range(len(next(iter(data.values()))))]
    of = {key: column_of(given[key], data, ids) for key in ("blocks", "clusters") if key in given}
    level = "cluster" if "clusters" in given else "unit"
    if given.get("simple") == "TRUE":
        share = Fraction(given.get("prob") or given["condition_prs"])
        weights = {"0": (1 - share).numerator * share.denominator // (1 - share).denominator, "1": share.numerator}
        return blocked(ids, weights, blocks={unit: unit for unit in ids})
    items = {of["clusters"][unit] if "clusters" in of else unit: unit for unit in ids}
    if "block_m" not in given:
        new = int(given["m"])
        return complete(ids, {"0": len(items) - new, "1": new}, level=level, clusters=of.get("clusters"))
    sizes = Counter(of["blocks"][unit] for unit in items.values())
    numbers = [int(m) for m in given["block_m"][2:-1].split(", ")]
    quotas = {block: (sizes[block] - m, m) for block, m in zip(sorted(sizes), numbers, strict=True)}
    return blocked_wedge(ids, ["0", "1"], quotas, blocks=of["blocks"], level=level, clusters=of.get("clusters"))


def column_of(text: str, data: Data, ids: list[str]) -> dict[str, str]:
    return dict(zip(ids, data[text.removeprefix("d$")].tolist(), strict=True))
