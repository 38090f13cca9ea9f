"""Sums drawn by tables of subsets: every subset with the same chance, and the sums those of the subset itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from trialkit.design import PartsDesign, blocked_wedge, complete, lottery, matched, sequential
from trialkit.design.base import Design
from trialkit.design.constraint import Tolerance
from trialkit.design.sums import LabelSums, SubsetSums
from trialkit.design.tiles import Tiling, tiling
from trialkit.units import Unit, Units

Floats = NDArray[np.float64]

LUCK = 1e-6  # a test that compares frequencies fails by chance once in a million


class Counted:
    """In place of a generator: every whole number below the bound, once."""

    def integers(self, bound: int, size: int) -> NDArray[np.int64]:
        assert size == bound
        return np.arange(bound)


@pytest.fixture(params=[(12, 2**13), (4, 2**13), (4, 20), (3, 7), (13, 1)], ids="pieces of {0[0]}, {0[1]} tiles".format)
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Other sizes of pieces and tiles, so that few items already need several of both."""
    largest, many = request.param
    monkeypatch.setattr("trialkit.design.sums.LARGEST", largest)
    monkeypatch.setattr("trialkit.design.tiles.MANY", many)
    monkeypatch.setattr("trialkit.design.tiles.PIECES", 5)
    monkeypatch.setattr("trialkit.design.sums.HARDLY", 0)
    tiling.cache_clear()
    yield largest
    tiling.cache_clear()


@pytest.mark.parametrize(("n", "taken"), [(1, 0), (1, 1), (5, 2), (8, 4), (9, 0), (9, 9), (10, 3), (11, 5), (13, 6)])
def test_every_subset_stands_at_exactly_one_place_of_the_tiles(small: int, n: int, taken: int) -> None:
    tiles = Tiling.of(n, taken, small)
    assert tiles is not None
    places = tiles.starts.shape[1] << sum(tiles.shifts)
    rows = tiles._tried(places, Counted())  # type: ignore[arg-type]
    rows = rows[:, tiles._within(rows)] if tiles.share < 1 else rows
    table = tiles.table(2.0 ** np.arange(n)[:, None])[:, 0]  # a subset's sum is its name
    found = Counter(table[rows].sum(axis=0).tolist())
    assert found == {float(sum(2**k for k in subset)): 1 for subset in combinations(range(n), taken)}
    assert tiles.share == pytest.approx(comb(n, taken) / places, rel=1e-15)


def test_what_lies_beyond_an_edge_is_drawn_again_until_everything_is_a_subset(small: int) -> None:
    tiles = Tiling.of(9, 4, small)
    assert tiles is not None
    rows = tiles.drawn(5000, np.random.default_rng(1))
    table = tiles.table(2.0 ** np.arange(9)[:, None])[:, 0]
    found = Counter(table[rows].sum(axis=0).tolist())
    assert len(found) == comb(9, 4) == 126
    assert chisquare(list(found.values())).pvalue > LUCK


def test_too_many_items_are_refused() -> None:
    assert Tiling.of(36, 18, 12) is not None
    assert Tiling.of(37, 18, 12) is None


def designs() -> dict[str, PartsDesign]:
    """Kinds of designs, with fixed items, clusters, and parts that are split or merged."""
    ids = [f"u{k:02d}" for k in range(10)]
    blocks = {unit: "a" if k < 6 else "b" for k, unit in enumerate(ids)}
    pairs = {unit: f"pair {k // 2}" for k, unit in enumerate(ids)}
    tiers = {unit: 1 if k < 4 else 2 for k, unit in enumerate(ids)}
    clusters = {unit: f"c{k % 6}" for k, unit in enumerate(ids)}
    quotas = {"a": (3, 3), "b": (3, 1)}
    return {
        "complete": complete(ids[:8], {"new": 1, "usual": 1}),
        "three arms": complete(ids[:9], {"new": 1, "usual": 1, "other": 1}),
        "blocks, one fixed": blocked_wedge(ids, ["new", "usual"], quotas, blocks=blocks, fixed={"u03": "new"}),
        "pairs": matched(ids, {"new": 1, "usual": 1}, blocks=pairs),
        "tiers": lottery(ids, places=6, tiers=tiers),
        "clusters": complete(ids, {"new": 1, "usual": 1}, clusters=clusters, level="cluster"),
    }


def named(design: PartsDesign) -> Floats:
    """(1, n_items) values whose sum says whose it is."""
    return 2.0 ** np.arange(len(design.items))[None, :]


def items_of(design: PartsDesign, sums: Floats) -> NDArray[np.bool_]:
    """(k, n_items) whose sums these are."""
    return (sums.astype(np.int64)[:, None] >> np.arange(len(design.items)) & 1).astype(bool)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", designs())
def test_every_allocation_is_equally_likely_and_none_else_is_drawn(kind: str) -> None:
    design = designs()[kind]
    wanted = LabelSums.whole(design, 0, named(design))
    tables = SubsetSums.of(wanted, 10**9)
    assert tables is not None
    (sums,) = tables.sample(20_000, np.random.default_rng(7))
    found = Counter(row.tobytes() for row in items_of(design, sums[0]))
    chances: Counter[bytes] = Counter()
    for chunk in design.enumerate():
        for row in chunk.codes == 0:
            chances[row.tobytes()] += chunk.weight
    assert found.keys() <= chances.keys()
    total = sum(chances.values())
    expected = np.array([chances[row] for row in chances]) / total * 20_000
    assert chisquare([found[row] for row in chances], expected).pvalue > LUCK


@pytest.mark.usefixtures("small")
@given(st.sampled_from(sorted(designs())), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_sums_are_those_of_the_items_drawn(kind: str, seed: int, by_block: bool) -> None:
    design, rng = designs()[kind], np.random.default_rng(seed)
    n_items = len(design.items)
    part = np.zeros(n_items, np.intp)
    for number, found in enumerate(design.parts):
        part[list(found.items)] = number
    groups = part if by_block else np.zeros(n_items, np.intp)
    values = np.stack(
        [*named(design), np.ones(n_items), rng.normal(size=n_items), 1.0 + part, rng.normal(size=n_items)]
    )
    wanted = LabelSums(design=design, label=int(rng.integers(2)), values=values, groups=groups)
    tables = SubsetSums.of(wanted, 10**9)
    assert tables is not None
    columns = [np.broadcast_to(column, (wanted.n_groups, 50)) for column in tables.sample(50, rng)]
    drawn = items_of(design, columns[0].sum(axis=0))
    codes = np.where(drawn, wanted.label, 1 - wanted.label)
    for column, direct in zip(columns, wanted.of(codes), strict=True):
        np.testing.assert_allclose(column, direct, rtol=0, atol=1e-12 * 2**n_items)  # sums of at most 2^10


def test_columns_that_no_draw_changes_are_not_looked_up() -> None:
    design = designs()["blocks, one fixed"]
    values = np.stack([np.ones(10), np.arange(10.0), (np.arange(10) < 6).astype(float)])
    tables = SubsetSums.of(LabelSums.whole(design, 0, values), 10**6)
    assert tables is not None
    assert tables.varied == (1,)
    units, _, block = tables.sample(5, np.random.default_rng(1))
    assert units.tolist() == [[6.0]]  # two and three drawn, and one fixed
    assert block.tolist() == [[3.0]]


@pytest.mark.parametrize(
    "design",
    [
        complete([f"u{k}" for k in range(9)], {"new": 1, "usual": 1}),
        complete(
            Units(tuple(Unit(id=f"u{k}", x=(str(k),)) for k in range(8))), {"new": 1, "usual": 1},
            constraint=Tolerance(covariates=("k",), tolerances=("3",), max_attempts=1000),
        ),
        sequential(["a", "b"], {"new": 1, "usual": 1}, blocks=[2, 4], length=8),
        complete([f"u{k:03d}" for k in range(150)], {"new": 1, "usual": 1}),
    ],
    ids=["leftover", "constraint", "sequence", "too many"],
)  # fmt: skip
def test_where_chance_is_not_a_choice_of_subsets_there_are_no_tables(design: Design) -> None:
    n_items = len(design.items)
    assert SubsetSums.of(LabelSums.whole(design, 0, np.arange(float(n_items))[None, :]), 10**6) is None


def test_tables_larger_than_the_draws_they_serve_are_not_made() -> None:
    wanted = LabelSums.whole(complete([f"u{k:02d}" for k in range(30)], {"new": 1, "usual": 1}), 0, np.eye(30)[:2])
    assert SubsetSums.of(wanted, 99_999) is not None
    assert SubsetSums.of(wanted, 999) is None
