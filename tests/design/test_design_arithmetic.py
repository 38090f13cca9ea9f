"""How many allocations the drafts' designs have, as worked out beforehand in the project's design arithmetic."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from trialkit.design import blocked, blocked_wedge, complete, lottery, matched, rollout, stepped_wedge
from trialkit.design.constraint import Tolerance
from trialkit.units import Unit, Units

# Children aged 0-2 on 1 January 2011 in the seven areas without a pilot: the city's open table of residents
CHILDREN = (3319, 2981, 2244, 1484, 1729, 1997, 2248)


def ids(n: int) -> list[str]:
    return [f"enhed {k:02d}" for k in range(n)]


def waves(*places: int) -> dict[str, int]:
    return {f"bølge {k}": count for k, count in enumerate(places, start=1)}


def in_blocks(*sizes: int) -> dict[str, str]:
    column = [f"blok {k}" for k, size in enumerate(sizes) for _ in range(size)]
    return dict(zip(ids(len(column)), column, strict=True))


def quotas(*places: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"blok {k}": count for k, count in enumerate(places)}


HALF = {"før": 1, "efter": 1}
KNOWN = [
    ("two waves 3/3", stepped_wedge(ids(6), waves(3, 3)), 20),
    ("three waves 2/2/2", stepped_wedge(ids(6), waves(2, 2, 2)), 90),
    ("six, one at a time", stepped_wedge(ids(6), waves(*[1] * 6)), 720),
    ("two waves 3/4", stepped_wedge(ids(7), waves(3, 4)), 35),
    ("three waves 3/2/2", stepped_wedge(ids(7), waves(3, 2, 2)), 210),
    ("three waves 2/3/2", rollout(ids(7), waves(2, 3, 2)), 210),
    ("seven, one at a time", stepped_wedge(ids(7), waves(*[1] * 7)), 5040),
    ("two waves 4/4", stepped_wedge(ids(8), waves(4, 4)), 70),
    ("three waves 3/3/2", stepped_wedge(ids(8), waves(3, 3, 2)), 560),
    ("matched pairs", matched(ids(8), HALF, blocks=in_blocks(2, 2, 2, 2)), 16),
    ("two rounds 12/9", stepped_wedge(ids(21), waves(12, 9)), 293930),
    ("4/4 unstratified", complete(ids(8), HALF), 70),
    ("2+2 in each of two districts", blocked(ids(8), HALF, blocks=in_blocks(4, 4)), 36),
    ("40 families, 20 places", lottery(ids(40), 20), 137846528820),
    ("group 4 only", stepped_wedge(ids(11), waves(5, 6)), 462),
    (
        "groups 3 and 4",
        blocked_wedge(ids(48), ["1", "2"], quotas((18, 19), (5, 6)), blocks=in_blocks(37, 11)),
        8164755937800,
    ),
    ("all 98", complete(ids(98), HALF), 25477612258980856902730428600),
]


@pytest.mark.parametrize(("design", "allocations"), [row[1:] for row in KNOWN], ids=[row[0] for row in KNOWN])
def test_number_of_allocations(design, allocations):
    assert design.count().total == design.count().accepted == allocations
    if allocations <= 10**6:
        assert sum(len(chunk.codes) for chunk in design.enumerate()) == allocations


def test_all_98_in_halves_is_the_binomial():
    assert KNOWN[-1][2] == comb(98, 49)


def copenhagen():
    """The draft of Copenhagen: 3/2/2, and mean children 0-2 within 0.4 of the mean area between any two waves."""
    tolerance = Fraction(2, 5) * round(Fraction(sum(CHILDREN), len(CHILDREN)))
    assert tolerance == Fraction("914.4")
    units = Units.of([Unit(id=k, x=(str(count),)) for k, count in zip(ids(7), CHILDREN, strict=True)])
    rule = Tolerance(covariates=("children_0_2",), tolerances=("914.4",), max_attempts=1000)
    return stepped_wedge(units, waves(3, 2, 2), constraint=rule)


def test_copenhagens_balance_accepts_142_of_210_orders():
    count = copenhagen().count()
    assert (count.total, count.accepted, count.exact) == (210, 142, True)


def test_copenhagens_balance_makes_areas_differ_in_their_chance_and_still_fills_every_place():
    shares = copenhagen().probabilities().values
    assert shares.sum(axis=1) == pytest.approx(1)
    assert shares.sum(axis=0) == pytest.approx([3, 2, 2])
    assert len({round(share * 142) for share in shares[:, 0]}) > 1
    orders = shares * 142
    assert orders == pytest.approx(orders.round(), abs=1e-9)
