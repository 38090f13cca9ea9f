"""Inclusion probabilities and numbers of assignments, as randomizr 1.0.0 (R 4.2.2) printed them.

h01_randomizr_designs.json holds the calls beside what they gave; nothing in it depends on R's random numbers.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

import numpy as np
import pytest

from trialkit.design import blocked, blocked_wedge, complete

CASE = json.loads((Path(__file__).parent / "h01_randomizr_designs.json").read_text(encoding="utf-8"))
EXPECTED = CASE["expected"]
ROUNDING = 1e-14  # the file's own tolerance: fractions rounded once on either side


def units(n: int) -> list[str]:
    return [f"{k:02d}" for k in range(n)]


def cut(names: str, sizes: tuple[int, ...]) -> dict[str, str]:
    """The block or cluster of each unit: rep(names, sizes) in R."""
    column = [name for name, size in zip(names, sizes, strict=True) for _ in range(size)]
    return dict(zip(units(len(column)), column, strict=True))


BLOCKS = cut("ABC", (4, 5, 7))
CLUSTERS = cut("abcdef", (2, 3, 4, 2, 5, 1))
HALF = {"0": 1, "1": 1}

# A probability of 0.33 is the weights 67 to 33, one of 0.3 is 7 to 3. "simple" throws a coin for each unit: an urn of
# its own for each, weights 7 to 3. "block_m" fixes each block's numbers, so it is quotas.
DESIGNS = {
    "complete_8_4": complete(units(8), HALF),
    "complete_default_odd": complete(units(7), HALF),
    "complete_prob_frac": complete(units(10), {"0": 67, "1": 33}),
    "three_arms": complete(units(10), {"T1": 1, "T2": 1, "T3": 1}),
    "three_arms_meach": complete(units(9), {"T1": 2, "T2": 3, "T3": 4}),
    "prob_each": complete(units(10), {"T1": 2, "T2": 3, "T3": 5}),
    "simple": blocked(units(6), {"0": 7, "1": 3}, blocks={unit: unit for unit in units(6)}),
    "block_default": blocked(units(16), HALF, blocks=BLOCKS),
    "block_prob": blocked(units(16), {"0": 7, "1": 3}, blocks=BLOCKS),
    "block_m": blocked_wedge(units(16), ["0", "1"], {"A": (2, 2), "B": (3, 2), "C": (4, 3)}, blocks=BLOCKS),
    "cluster": complete(units(17), HALF, level="cluster", clusters=CLUSTERS),
    "block_cluster": blocked(
        units(17), HALF, level="cluster", clusters=CLUSTERS, blocks=cut("XXYYYY", (2, 3, 4, 2, 5, 1))
    ),
}


@pytest.mark.parametrize("name", DESIGNS)
def test_probabilities_and_numbers_agree_with_randomizr(name):
    design, expected = DESIGNS[name], EXPECTED[name]
    found = design.probabilities().values[design.item_of_unit]
    assert found == pytest.approx(np.array(expected["probabilities_matrix"]), abs=ROUNDING)
    assert design.count().total == expected["n_permutations"]
    assert design.count().total == sum(len(chunk.codes) for chunk in design.enumerate())


@pytest.mark.parametrize("name", [name for name in DESIGNS if "permutation_probs_distinct" in EXPECTED[name]])
def test_the_probability_of_each_assignment_agrees_with_randomizr(name):
    chunks = list(DESIGNS[name].enumerate())
    whole = sum(chunk.weight * len(chunk.codes) for chunk in chunks)
    found = sorted({chunk.weight / whole for chunk in chunks})
    assert found == pytest.approx(EXPECTED[name]["permutation_probs_distinct"], rel=1e-9)  # printed with 10 digits


def test_a_probability_for_each_block_is_a_design_for_each_block():
    """Weights are the same in every block of one design, so block_prob_each is three of them, drawn side by side."""
    parts = [complete(units(4), HALF), complete(units(5), {"0": 3, "1": 2}), complete(units(7), {"0": 4, "1": 1})]
    expected = EXPECTED["block_prob_each"]
    found = np.concatenate([part.probabilities().values for part in parts])
    assert found == pytest.approx(np.array(expected["probabilities_matrix"]), abs=ROUNDING)
    assert prod(part.count().total for part in parts) == expected["n_permutations"]


def test_every_case_of_the_file_is_compared():
    assert set(DESIGNS) | {"block_prob_each"} == set(EXPECTED) == set(CASE["call"])
