"""The study of stepped-wedge analyses: its table keeps its promises, and its code still runs."""

import csv
from math import sqrt

import numpy as np
import pytest

from simulations.clusters_size import CACS, ICCS, RESULTS, SEQUENCES, Wedge, World, rows

DEFAULTS = {
    "mixed model, nested, Kenward-Roger", "GEE, exchangeable", "GEE, nested", "GLMM, nested, Laplace",
    "within periods, through the lot",
}  # fmt: skip


def table() -> list[dict[str, str]]:
    return list(csv.DictReader((RESULTS / "clusters_size.csv").read_text(encoding="utf-8").splitlines()))


def test_the_table_holds_every_world():
    seen = {(row["clusters"], row["outcome"], row["icc"], row["cac"]) for row in table()}
    assert len(seen) == len(SEQUENCES) * 2 * len(ICCS) * len(CACS)


@pytest.mark.parametrize("method", sorted(DEFAULTS))
def test_every_default_rejects_at_most_six_percent_up_to_chance(method):
    found = [row for row in table() if row["method"] == method]
    assert found
    for row in found:
        assert float(row["size"]) <= 0.06 + 2 * sqrt(0.06 * 0.94 / int(row["trials"])), row
        if row["covered"]:
            assert float(row["covered"]) >= 0.94 - 2 * sqrt(0.06 * 0.94 / int(row["trials"])), row


def test_one_intercept_per_cluster_is_why_it_is_no_default():
    worst = max(float(row["size"]) for row in table() if row["method"].startswith("mixed model, cluster"))
    assert worst > 0.15


@pytest.mark.parametrize("outcome", ["gaussian", "binary"])
def test_the_study_runs(outcome):
    world = World(Wedge(6), outcome, 0.05, 0.8)
    found = list(rows(world, 40, 2, np.random.default_rng(1)))
    assert {str(row["method"]) for row in found} >= DEFAULTS - (
        {"GLMM, nested, Laplace"} if outcome == "gaussian" else set()
    )
    assert all(0 <= float(str(row["size"])) <= 0.25 for row in found)  # 0.05 and six errors of 40 trials


@pytest.mark.nightly
@pytest.mark.parametrize("outcome", ["gaussian", "binary"])
@pytest.mark.parametrize("clusters", SEQUENCES)
def test_the_defaults_keep_their_size_tonight(clusters, outcome):
    for row in rows(World(Wedge(clusters), outcome, 0.05, 0.8), 1000, 100, np.random.default_rng(clusters)):
        if row["method"] in DEFAULTS:
            assert float(str(row["size"])) <= 0.06 + 4 * sqrt(0.06 * 0.94 / int(str(row["trials"]))), row
