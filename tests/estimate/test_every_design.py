"""Every statistic through every kind of design, against loops over all that the lot could have given.

Where a statistic makes no sense in a design it is refused in words, and the matrix says which.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.estimate import twin
from trialkit.design import (
    Tolerance,
    blocked,
    blocked_wedge,
    complete,
    lottery,
    matched,
    rollout,
    sequential,
    stepped_wedge,
)
from trialkit.errors import EstimateError
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.randomization import RandomizationTest, randomization_test
from trialkit.estimate.statistics import (
    DifferenceInMeans,
    DifferenceWithinMonths,
    ExposureWeighted,
    KolmogorovSmirnov,
    OlsAdjusted,
    PairedT,
    RankSum,
    Studentized,
    UserStatistic,
    default,
)
from trialkit.panel import Panel
from trialkit.units import Unit, Units

SIDES = ("distance", "mirror", "doubled", "greater", "less")
MONTHS = ("2012-01", "2012-02", "2012-03", "2012-04")


def ids(n: int) -> list[str]:
    return [f"u{k:02d}" for k in range(n)]


def cut(*sizes: int) -> dict[str, str]:
    """The block of each unit: ``sizes`` units in a, b, ..."""
    names = [name for name, size in zip("abcdef", sizes, strict=False) for _ in range(size)]
    return dict(zip(ids(len(names)), names, strict=True))


def people(*sizes: int, blocks: str = "") -> Units:
    return Units.of(
        Unit(id=f"c{c}-{k}", cluster=f"c{c}", block=blocks[c] if blocks else None)
        for c, size in enumerate(sizes)
        for k in range(size)
    )


def sized(n: int) -> Units:
    return Units.of(Unit(id=name, x=(str(k * k % 11),)) for k, name in enumerate(ids(n)))


RULE = Tolerance(covariates=("x",), tolerances=("2",), max_attempts=99)
TWO, WAVES = {"new": 1, "usual": 1}, {"first": 2, "second": 2, "third": 2}
DESIGNS: dict[str, tuple[Any, tuple[str, str]]] = {
    "complete": (complete(ids(7), {"new": 3, "usual": 4}), ("new", "usual")),
    "complete, leftover": (complete(ids(7), TWO), ("new", "usual")),
    "complete, fixed": (complete(ids(8), TWO, fixed={"u00": "new"}), ("new", "usual")),
    "complete, three arms": (complete(ids(6), {"new": 1, "other": 1, "usual": 1}), ("new", "usual")),
    "blocked": (blocked(ids(8), TWO, blocks=cut(4, 4)), ("new", "usual")),
    "blocked, leftover": (blocked(ids(7), TWO, blocks=cut(3, 4)), ("new", "usual")),
    "blocked, three arms": (blocked(ids(6), {"a": 1, "b": 1, "c": 1}, blocks=cut(3, 3)), ("b", "a")),
    "matched": (matched(ids(10), TWO, blocks=cut(2, 2, 2, 2, 2)), ("new", "usual")),
    "matched, one to two": (matched(ids(9), {"new": 1, "usual": 2}, blocks=cut(3, 3, 3)), ("new", "usual")),
    "clustered": (complete(people(2, 4, 2, 3, 2, 5), TWO, level="cluster"), ("new", "usual")),
    "block-clustered": (
        blocked(people(2, 3, 2, 4, 5, 2, 3, 2, blocks="aaaabbbb"), TWO, level="cluster"), ("new", "usual"),
    ),
    "clustered pairs": (matched(people(2, 3, 2, 4, 5, 2, blocks="aabbcc"), TWO, level="cluster"), ("new", "usual")),
    "constrained": (complete(sized(8), TWO, constraint=RULE), ("new", "usual")),
    "constrained blocks": (blocked(sized(8), TWO, blocks=cut(4, 4), constraint=RULE), ("new", "usual")),
    "two waves": (stepped_wedge(ids(7), {"first": 3, "second": 4}, fixed={"u03": "first"}), ("first", "second")),
    "three waves": (stepped_wedge(ids(6), WAVES), ("first", "third")),
    "waves within blocks": (
        blocked_wedge(ids(9), ("first", "second"), {"a": (2, 2), "b": (3, 2)}, blocks=cut(4, 5)), ("first", "second"),
    ),
    "rollout": (rollout(ids(8), {"first": 3, "second": 2}, fixed={"u01": "first"}), ("first", "waiting")),
    "rollout, one wave": (rollout(ids(7), {"first": 3}), ("first", "waiting")),
    "lottery": (lottery(ids(8), 4), ("offer", "waiting")),
    "lottery, tiers": (
        lottery(ids(8), 5, tiers={name: 1 + (k > 2) for k, name in enumerate(ids(8))}), ("offer", "waiting"),
    ),
    "sequential": (sequential(("north", "south"), TWO, (2, 4), 4), ("new", "usual")),
}  # fmt: skip


class Setting(NamedTuple):
    """A drawn allocation with what loops need: everything per unit."""

    design: Any
    compare: tuple[str, str]
    codes: np.ndarray  # (n_items,) as drawn
    rows: np.ndarray  # (k, n_units) codes of every allocation
    shares: np.ndarray
    own: np.ndarray  # (n_units,)
    free: np.ndarray
    block: np.ndarray
    y: np.ndarray
    x: np.ndarray  # (n_units, 1)

    @property
    def new(self) -> int:
        return self.design.label_names.index(self.compare[0])

    @property
    def usual(self) -> int:
        return self.design.label_names.index(self.compare[1])


@cache
def setting(name: str) -> Setting:
    design, compare = DESIGNS[name]
    rng = np.random.default_rng(len(name))
    codes, item = design.sample(1, rng)[0], np.asarray(design.item_of_unit)
    rows, shares = twin.allocations(design)
    in_blocks = design.kind in ("blocked", "matched", "blocked_wedge")
    block = np.array([unit.block for unit in design.units]) if in_blocks else np.zeros(item.size)
    if design.kind == "sequential":
        block = np.repeat([0, 1], 4)
    free = np.isin(item, design.free)
    y, x = rng.normal(size=item.size) + 3, rng.normal(size=(item.size, 1))
    return Setting(design, compare, codes, rows[:, item], shares, codes[item], free, block, y, x)


def test_every_kind_of_design_is_here():
    from trialkit.design import KINDS

    assert {design.kind for design, _ in DESIGNS.values()} == {*KINDS, "sequential"}
    assert all(len(setting(name).rows) >= 8 for name in DESIGNS)


def through(at: Setting, statistic: Any, **options: Any) -> RandomizationTest:
    return randomization_test(at.design, at.codes, statistic, unit="1", interval=False, **options)


def agrees(
    found: RandomizationTest, at: Setting, loop: Callable[[np.ndarray, np.ndarray], float], **scale: float
) -> None:
    """p of every effect and every definition, over the units that were drawn."""
    free = at.free
    assert found.observed == pytest.approx(loop(at.y[free], at.own[free]), rel=1e-9, abs=1e-9)
    for tau in (0.0, 0.7):
        for sides in SIDES:
            expected = twin.judged(
                loop, at.y[free], at.own[free] == at.new, at.rows[:, free], at.own[free], at.shares, sides, tau, **scale
            )
            assert found.p_value_at(tau, sides) == pytest.approx(expected, abs=1e-12), (tau, sides)


def in_blocks(at: Setting, statistic: Callable[..., float], *, blocks: bool = True) -> Callable[..., float]:
    block = at.block[at.free] if blocks else np.zeros(at.free.sum())
    return lambda y, labels: statistic(y, labels, block, at.new, at.usual)


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("blocks", [True, False])
def test_the_difference_in_means(name, blocks):
    at = setting(name)
    found = through(at, DifferenceInMeans(outcome=at.y, compare=at.compare, blocks=blocks))
    agrees(found, at, in_blocks(at, twin.difference, blocks=blocks), size=float(np.ptp(at.y)))


@pytest.mark.parametrize("name", DESIGNS)
def test_studentized_where_every_arm_of_a_block_can_show_its_variance(name):
    at = setting(name)
    found = through(at, Studentized(outcome=at.y, compare=at.compare))
    fewest = min(
        int(((row == arm) & (at.block == block) & at.free).sum())
        for row in at.rows
        for arm in (at.new, at.usual)
        for block in np.unique(at.block)
    )
    assert ("unstudentized" in found.statistic) == (fewest < 2), fewest
    agrees(found, at, in_blocks(at, twin.studentized if fewest > 1 else twin.difference))


PAIRS = ("matched", "clustered pairs")


@pytest.mark.parametrize("name", DESIGNS)
def test_the_paired_t_is_for_pairs(name):
    at = setting(name)
    statistic = PairedT(outcome=at.y, compare=at.compare)
    assert isinstance(default(Drawn.of(at.design, at.codes), at.y, at.compare), PairedT) == (name in PAIRS)
    if name not in PAIRS:
        with pytest.raises(EstimateError, match="not a pair"):
            through(at, statistic)
        return
    agrees(through(at, statistic), at, in_blocks(at, paired_means))


def paired_means(y, labels, block, new, usual) -> float:
    """A cluster counts by its mean."""
    gaps = np.array(
        [
            y[(block == b) & (labels == new)].mean() - y[(block == b) & (labels == usual)].mean()
            for b in np.unique(block)
        ]
    )
    return float(gaps.mean() / (gaps.std(ddof=1) / np.sqrt(gaps.size)))


def rank_sum(y, labels, block, new, usual) -> float:
    """Mid-ranks by counting who lies below and who ties."""
    found = 0.0
    for k in np.flatnonzero(labels == new):
        peers = y[block == block[k]]
        found += (peers < y[k]).sum() + ((peers == y[k]).sum() + 1) / 2
    return found


def gap(y, labels, block, new, usual) -> float:
    one, two = y[labels == new], y[labels == usual]
    return max(abs((one <= at).mean() - (two <= at).mean()) for at in y)


def adjusted(x, y, labels, block, new, usual) -> float:
    table = np.column_stack([labels == new, block[:, None] == np.unique(block), x])
    return float(np.linalg.lstsq(table.astype(float), y, rcond=None)[0][0])


def of_two(name: str) -> bool:
    return len(DESIGNS[name][0].label_names) == 2


@pytest.mark.parametrize("name", DESIGNS)
def test_ranks_gaps_and_adjusted_differences_are_for_two_arms(name):
    at = setting(name)
    statistics = [
        (RankSum(outcome=at.y, compare=at.compare), rank_sum),
        (KolmogorovSmirnov(outcome=at.y, compare=at.compare), gap),
        (OlsAdjusted(outcome=at.y, covariates=at.x, compare=at.compare), partial(adjusted, at.x[at.free])),
    ]
    for statistic, loop in statistics:
        if of_two(name):
            agrees(through(at, statistic), at, in_blocks(at, loop, blocks=loop is not gap))
        else:
            with pytest.raises(EstimateError, match="two arms") as refused:
                through(at, statistic)
            assert refused.value.told("da") != refused.value.told("en")


def medians(new: int, usual: int, outcome: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """A user's own, with its contract: (n_units,) outcomes and (k, n_units) codes in, (k,) numbers out."""
    return np.array([np.median(outcome[row == new]) - np.median(outcome[row == usual]) for row in codes])


@pytest.mark.parametrize("name", DESIGNS)
def test_a_users_own_is_given_every_unit_fixed_ones_among_them(name):
    at = setting(name)
    own = UserStatistic(function=partial(medians, at.new, at.usual), outcome=at.y, compare=at.compare)
    found = through(at, own)
    loop = partial(lambda y, labels: float(medians(at.new, at.usual, y, labels[None])[0]))
    for tau in (0.0, 0.7):
        for sides in SIDES:
            expected = twin.judged(loop, at.y, at.own == at.new, at.rows, at.own, at.shares, sides, tau, 0.0)
            assert found.p_value_at(tau, sides) == pytest.approx(expected, abs=1e-12), (tau, sides)


# Over months


def panel(at: Setting) -> Panel:
    rng = np.random.default_rng(5)
    value = at.y[:, None] + np.arange(4) + rng.normal(size=(at.y.size, 4))
    children = rng.integers(1, 9, size=value.shape).astype(float)
    return Panel(
        units=at.design.units.ids, periods=MONTHS, numerator=value * children, denominator=children, unit="points"
    )


def starts(at: Setting) -> dict[str, date | None]:
    """Each label a month later than the one before; the last never."""
    names = at.design.label_names
    return {name: date(2012, 2 + k, 1) if k < len(names) - 1 else None for k, name in enumerate(names)}


def begun(at: Setting, labels: np.ndarray, month: int) -> np.ndarray:
    """Whether each unit had started by the first of a month, 0 for January; label k starts in February and k months."""
    last = len(at.design.label_names) - 1
    return (labels < last) & (month >= 1 + labels)


def within_months(at: Setting, children: np.ndarray, y: np.ndarray, labels: np.ndarray) -> float:
    parts, weights = [], []
    for month in range(4):
        started = begun(at, labels, month)
        for_new, for_usual = children[started & at.free, month], children[~started & at.free, month]
        if for_new.size and for_usual.size:
            one = np.average(y[started & at.free, month], weights=for_new)
            parts.append(one - np.average(y[~started & at.free, month], weights=for_usual))
            weights.append(for_new.sum() * for_usual.sum() / (for_new.sum() + for_usual.sum()))
    return float(np.average(parts, weights=weights))


@pytest.mark.parametrize("name", [name for name in DESIGNS if name != "sequential"])
def test_the_difference_within_months(name):
    at = setting(name)
    data = panel(at)
    found = through(at, DifferenceWithinMonths(panel=data, starts=starts(at)))
    treated = np.stack([begun(at, at.own, month) for month in range(4)], axis=1)
    loop = partial(within_months, at, data.denominator)
    for tau in (0.0, 0.7):
        for sides in SIDES:
            expected = twin.judged(loop, data.value, treated, at.rows, at.own, at.shares, sides, tau)
            assert found.p_value_at(tau, sides) == pytest.approx(expected, abs=1e-12), (tau, sides)


def slope(at: Setting, touching: np.ndarray, y: np.ndarray, labels: np.ndarray) -> float:
    """Least squares of waiting units' outcomes on the share of their neighbours that had started, months as levels."""
    top = bottom = 0.0
    for month in range(4):
        started = begun(at, labels, month)
        share = (touching @ started) / np.maximum(touching.sum(axis=1), 1)
        e, values = share[~started], y[~started, month]
        if e.size:
            top += float((e - e.mean()) @ values)
            bottom += float((e - e.mean()) @ (e - e.mean()))
    return top / bottom if bottom > 1e-9 else float("nan")


@pytest.mark.parametrize("name", [name for name in DESIGNS if name != "sequential"])
def test_the_slope_along_exposure(name):
    at = setting(name)
    data, names = panel(at), at.design.units.ids
    neighbours = [*pairwise(names), (names[0], names[-1]), (names[0], names[3])]
    touching = np.zeros((len(names), len(names)))
    for one, other in neighbours:
        touching[names.index(one), names.index(other)] = touching[names.index(other), names.index(one)] = 1
    loop = partial(slope, at, touching)
    place = next(k for k, row in enumerate(at.rows) if np.isfinite(loop(data.value, row)))  # where there is a slope
    at = at._replace(own=at.rows[place], codes=np.concatenate([c.codes for c in at.design.enumerate()])[place])
    found = through(at, ExposureWeighted(panel=data, starts=starts(at), neighbours=neighbours))
    assert found.observed == pytest.approx(loop(data.value, at.own), rel=1e-9)
    for sides in SIDES:
        expected = twin.judged(
            loop,
            data.value,
            np.zeros(data.value.shape),
            at.rows,
            at.own,
            at.shares,
            sides,
            0.0,
            float(np.ptp(data.value)),
        )
        assert found.p_value_at(0.0, sides) == pytest.approx(expected, abs=1e-12), sides


def test_people_who_come_later_have_no_months_or_neighbours_and_are_refused_by_name():
    at = setting("sequential")
    data = Panel(units=tuple(ids(8)), periods=MONTHS, numerator=np.ones((8, 4)), denominator=np.ones((8, 4)))
    with pytest.raises(EstimateError, match="other units"):
        through(at, DifferenceWithinMonths(panel=data, starts={"new": None, "usual": None}))
    with pytest.raises(EstimateError, match=r"neighbour|units"):
        through(at, ExposureWeighted(panel=data, starts={"new": None, "usual": None}))


def test_the_doubled_p_value_is_a_definition_of_its_own():
    """0.028 by distance against 0.043 doubled, as base R found for b02: 5 of 11, with ties."""
    file = Path(__file__).parents[1] / "reference" / "cases" / "design_based" / "b02_ri_complete_ties_5of11.csv"
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    design = complete([row["unit"] for row in rows], {"1": 5, "0": 6})
    statistic = DifferenceInMeans(outcome=np.array([float(row["y"]) for row in rows]), compare=("1", "0"))
    found = randomization_test(design, [row["z"] for row in rows], statistic, unit="1", sides="doubled", level=0.9)
    assert found.p_value == found.estimate.p_value == 2 * found.p_value_at(0.0, "greater") == pytest.approx(20 / 462)
    assert found.p_value_at(0.0, "distance") == pytest.approx(13 / 462)
    assert found.estimate.smallest_p == pytest.approx(2 / 462)
    assert found.p_value_at(found.estimate.conf_low) > 0.1 - 1e-12


@pytest.mark.parametrize("blocks", [(2,), (2, 4), (4, 6), (3,), (3, 6)])
def test_the_fewest_of_a_list_are_those_of_its_barest_one(blocks):
    weights = TWO if blocks[0] % 2 == 0 else {"new": 1, "usual": 2}
    for length in range(1, 8):
        design = sequential(("only",), weights, blocks, length)
        rows = np.concatenate([chunk.codes for chunk in design.enumerate()])
        assert [design.fewest(code) for code in (0, 1)] == [(rows == code).sum(axis=1).min() for code in (0, 1)]
