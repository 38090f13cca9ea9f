"""The study of size and coverage: a small run of its own, and what the committed results promise.

Exact tests reject at most alpha; what is printed first rejects at most 6 percent at 5 and its intervals hold the truth in
at least 94, wherever an effect is the same for everybody.  Where spreads differ under an average effect of 0 nothing holds
with two or three units in an arm, and the page says so.
"""

from __future__ import annotations

import importlib.util
import sys
from math import sqrt
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location("exact_size", ROOT / "simulations" / "exact_size.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


STUDY = study()
RESULTS = STUDY.RESULTS / "exact_size"
SHARP = [cell for cell in STUDY.cells() if cell.spread == "equal"]


def error(row, share: float) -> float:
    return sqrt(share * (1 - share) / (int(row["trials"]) - int(row["refused"])))


def keeps_its_promise(row) -> None:
    """With three Monte Carlo errors of room."""
    said = int(row["trials"]) - int(row["refused"])
    if said == 0:
        return
    rejects, holds = int(row["rejects"]) / said, int(row["holds"]) / said
    if row["method"].startswith("exact"):
        assert rejects <= 0.05 + 3 * error(row, 0.05), row
    if row["method"] == STUDY.FIRST or row["method"].startswith("exact"):
        assert rejects <= 0.06 + 3 * error(row, 0.06), row
        assert holds >= 0.94 - 3 * error(row, 0.94), row


@pytest.mark.parametrize(
    "cell", [cell for cell in SHARP if cell.n in (6, 8)], ids=lambda cell: "-".join(map(str, cell.row().values()))
)
def test_a_small_run_of_the_study_keeps_its_promises(cell, monkeypatch):
    monkeypatch.setattr(STUDY, "LOOKED_AT", dict.fromkeys(STUDY.LOOKED_AT, 2))
    rows = STUDY.run(cell, 40, 7)
    assert [row["method"] for row in rows] == list(STUDY.METHODS[cell.lot])
    for row in rows:
        keeps_its_promise(row)


def test_the_same_seed_gives_the_same_counts():
    cell = SHARP[0]
    assert STUDY.run(cell, 10, 3) == STUDY.run(cell, 10, 3)
    assert STUDY.run(cell, 10, 3, [STUDY.FIRST])[0] == STUDY.run(cell, 10, 3)[0]  # a method alone sees the same trials


def test_the_committed_table_is_whole_and_keeps_its_promises():
    rows = STUDY.read(RESULTS.with_suffix(".csv"))
    found = {(row["lot"], row["n"], row["arms"], row["outcome"], row["spread"], row["method"]) for row in rows}
    assert found == {
        (*map(str, cell.row().values()), name) for cell in STUDY.cells() for name in STUDY.METHODS[cell.lot]
    }
    assert len(found) == len(rows)
    assert min(int(row["trials"]) for row in rows) >= 2000
    for row in rows:
        if row["spread"] == "equal":
            keeps_its_promise(row)


def test_the_page_is_what_the_table_says():
    assert RESULTS.with_suffix(".md").read_text(encoding="utf-8") == STUDY.page(STUDY.read(RESULTS.with_suffix(".csv")))


@pytest.mark.nightly
@pytest.mark.parametrize("cell", SHARP, ids=lambda cell: "-".join(map(str, cell.row().values())))
def test_the_whole_study_under_another_seed(cell):
    for row in STUDY.run(cell, 2000, 20261127):
        keeps_its_promise(row)
