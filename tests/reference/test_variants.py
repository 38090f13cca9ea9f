"""The kept cases under other names and in another order: a runner rests on what a case says, not on how the kept ones look.

Rows are shuffled, units, blocks and clusters renamed so that their order is another, and the files and ids are new: what R
printed is the same, for it does not look at names.
"""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.reference.test_cases import RUN

KEPT = Path(__file__).parent / "cases" / "design_based"
NAMES = ("unit", "muni", "cluster", "cl", "id")  # of units and clusters
IN_ORDER = ("accepted_treated_units", "chosen_scheme_z")  # the case says the order of its rows
FAMILIES = ("a_estimatr", "b_randomization_inference", "e_balance", "f_multiple_testing", "g_attrition")
IN_BLOCKS = ("block", "bl", "pair")


def kept() -> list[Path]:
    found = []
    for file in sorted(KEPT.glob("*.json")):
        text = file.read_text(encoding="utf-8")
        case = json.loads(text)
        held = any(word in text for word in IN_ORDER)
        if (
            case["family"] in FAMILIES
            and case["data"]
            and not held
            and all((KEPT / name).exists() for name in files(case))
        ):
            found.append(file)
    return found


def files(case: dict[str, Any]) -> list[str]:
    data = case["data"]
    return list(dict.fromkeys(data.values())) if isinstance(data, dict) else [data]


def renamed(rows: list[dict[str, str]], column: str) -> None:
    """Other names, in an order that has nothing to do with the old one."""
    old = sorted({row[column] for row in rows})
    new = [f"x{k * 7919 % 10007}" for k in range(1, len(old) + 1)]
    of = dict(zip(old, new, strict=True))
    for row in rows:
        row[column] = of[row[column]]


def varied(source: Path, target: Path, seed: int, text: str) -> None:
    rows = list(csv.DictReader(source.read_text(encoding="utf-8").splitlines()))
    random.Random(seed).shuffle(rows)
    for column in rows[0]:
        if column in NAMES or (column in IN_BLOCKS and "block_m" not in text):  # numbers per block go by their order
            renamed(rows, column)
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("file", kept(), ids=lambda file: file.stem)
def test_names_and_order_of_a_case_do_not_matter(file, tmp_path):
    text = file.read_text(encoding="utf-8")
    case = json.loads(text)
    for number, name in enumerate(files(case)):
        varied(KEPT / name, tmp_path / f"variant{number}.csv", 11 + number, text)
    places = {name: f"variant{number}.csv" for number, name in enumerate(files(case))}
    data = case["data"]
    case["data"] = {key: places[name] for key, name in data.items()} if isinstance(data, dict) else places[data]
    case["id"] = "never_seen_before"
    RUN[case["family"]](case, tmp_path)


def test_there_are_cases_to_vary():
    assert len(kept()) >= 20


def test_a_gap_leaves_its_row_out(tmp_path):
    """As R's na.action does: a case with rows of NA beside the kept ones says the same."""
    case = json.loads((KEPT / "a04_dim_blocked_21.json").read_text(encoding="utf-8"))
    rows = list(csv.DictReader((KEPT / case["data"]).read_text(encoding="utf-8").splitlines()))
    rows.insert(3, {**rows[0], "y": "NA"})
    rows.append({**rows[0], "z": "NA"})
    with (tmp_path / case["data"]).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    RUN[case["family"]](case, tmp_path)
