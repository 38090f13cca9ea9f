"""The study of the interval for started neighbours: a small run of its own, and what the committed table promises."""

from __future__ import annotations

import csv
import importlib.util
import sys
from math import sqrt
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location("exposure_size", ROOT / "simulations" / "exposure_size.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


STUDY = study()
WORLDS = {world.name: world for world in STUDY.worlds()}


def keeps_its_promise(row) -> None:
    """At most 5 percent, and three Monte Carlo errors of room; without degrees of freedom by name nothing is promised."""
    trials = int(row["trials"])
    if row["df"] == "smaller_side":
        assert int(row["left_out"]) <= 0.05 * trials + 3 * sqrt(0.05 * 0.95 * trials), row


@pytest.mark.parametrize("name", [name for name, world in WORLDS.items() if len(world.units) == 7])
def test_a_small_run_of_the_study_keeps_its_promise(name):
    rows = list(STUDY.studied(WORLDS[name], "measurement", 100, np.random.default_rng(7)))
    assert {(row["estimator"], row["df"]) for row in rows} == {
        (estimator, df) for estimator in ("hajek", "horvitz_thompson") for df in ("smaller_side", "normal")
    }
    for row in rows:
        keeps_its_promise(row)


def test_the_committed_table_is_whole_and_keeps_its_promise():
    with (STUDY.RESULTS / "exposure_size.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(row["world"], row["outcome"]) for row in rows} == {
        (name, kind) for name in WORLDS for kind in STUDY.OUTCOMES
    }
    assert len(rows) == 4 * len(WORLDS) * len(STUDY.OUTCOMES)
    for row in rows:
        assert int(row["trials"]) + int(row["nothing_to_compare"]) >= 800
        keeps_its_promise(row)
    normal = [row for row in rows if row["df"] == "normal"]
    assert max(float(row["percent"]) for row in normal) > 20  # why it is not the default


@pytest.mark.nightly
@pytest.mark.parametrize("kind", list(STUDY.OUTCOMES))
@pytest.mark.parametrize("name", list(WORLDS))
def test_the_whole_study_under_another_seed(name, kind):
    for row in STUDY.studied(WORLDS[name], kind, 1500, np.random.default_rng(20261127)):
        keeps_its_promise(row)
