"""Sequences of permuted blocks, against every row of blocks and every order within them."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import permutations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from trialkit.design import sequential
from trialkit.design.base import Simulated
from trialkit.errors import DesignError

LUCK = 1e-6


def one_list(design) -> dict[tuple[int, ...], Fraction]:
    """The probability of each list of one stratum: all rows of blocks, all distinct orders of each block."""
    found: Counter[tuple[int, ...]] = Counter()

    def grow(begun: tuple[int, ...], share: Fraction) -> None:
        if len(begun) >= design.length:
            found[begun[: design.length]] += share
            return
        for size in design.blocks:
            orders = set(permutations(design.block_of(size)))
            for order in orders:
                grow(begun + order, share / len(design.blocks) / len(orders))

    grow((), Fraction(1))
    return dict(found)


def truth(design) -> dict[tuple[int, ...], Fraction]:
    found = {(): Fraction(1)}
    for _ in design.strata:
        one = one_list(design)
        found = {a + b: p * q for (a, p), (b, q) in product(found.items(), one.items())}
    return found


def listed(design, chunk: int = 65536) -> dict[tuple[int, ...], Fraction]:
    chunks = list(design.enumerate(chunk))
    assert all(len(found.codes) <= chunk for found in chunks)
    whole = sum(found.weight * len(found.codes) for found in chunks)
    rows = [(tuple(row), Fraction(found.weight, whole)) for found in chunks for row in found.codes.tolist()]
    assert len(dict(rows)) == len(rows), "a list was listed twice"
    return dict(rows)


@st.composite
def designs(draw):
    weights = draw(st.sampled_from([{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 1, "c": 1}]))
    whole = sum(weights.values())
    times = draw(st.lists(st.integers(1, 2), min_size=1, max_size=2, unique=True))
    strata = ["øst", "vest"][: draw(st.integers(1, 2))]
    longest = 6 if len(strata) == 1 else 3
    return sequential(strata, weights, [whole * k for k in times], draw(st.integers(1, longest)))


@settings(max_examples=60, deadline=None)
@given(designs(), st.integers(1, 9))
def test_every_list_is_listed_once_with_its_probability(design, chunk):
    expected = truth(design)
    assert listed(design) == listed(design, chunk) == expected
    assert design.count().total == design.count().accepted == len(expected)


@settings(max_examples=40, deadline=None)
@given(designs(), st.data())
def test_probabilities_are_shares_over_all_lists(design, data):
    expected, labels, items = truth(design), range(len(design.labels)), range(len(design.items))
    single = [[sum(share for row, share in expected.items() if row[i] == j) for j in labels] for i in items]
    assert design.probabilities().values == pytest.approx(np.array(single, float), abs=1e-15)
    a, b = data.draw(st.sampled_from(list(labels))), data.draw(st.sampled_from(list(labels)))
    pairs = [
        [sum(share for row, share in expected.items() if (row[i], row[k]) == (a, b)) for k in items] for i in items
    ]
    found = design.joint_probabilities(a, b)
    assert found.exact
    assert found.values == pytest.approx(np.array(pairs, float), abs=1e-14)


MIXED = sequential(["øst", "vest"], {"a": 1, "b": 1}, [2, 4], 3)
UNEVEN = sequential(["øst"], {"a": 1, "b": 2}, [3, 6], 5)


@pytest.mark.parametrize("design", [MIXED, UNEVEN], ids=["mixed", "uneven"])
@pytest.mark.parametrize("way", ["sample", "assign"])
def test_samples_and_draws_have_the_distribution_of_the_listing(design, way):
    rng, expected = np.random.default_rng(20260121), truth(design)
    if way == "sample":
        rows = list(map(tuple, design.sample(40_000, rng).tolist()))
    else:
        lists = [design.assign(Simulated(rng)).lists for _ in range(4000)]
        rows = [tuple(design.label_names.index(name) for _, names in found for name in names) for found in lists]
    found = Counter(rows)
    assert set(found) <= set(expected)
    frequencies = [found[row] for row in expected]
    assert chisquare(frequencies, [float(share) * len(rows) for share in expected.values()]).pvalue > LUCK


def test_a_list_of_one_block_is_a_complete_design():
    assert sequential(["øst"], {"a": 1, "b": 1}, [20], 20).count().total == comb(20, 10)
    assert sequential(["øst"], {"a": 1, "b": 1}, [2], 20).count().total == 2**10


def test_a_list_that_several_rows_of_blocks_give_is_one_list_with_all_their_chances():
    shares = listed(sequential(["øst"], {"a": 1, "b": 1}, [2, 4], 4))
    one_of_four = Fraction(1, 2) * Fraction(1, 6)
    two_of_two = Fraction(1, 4) * Fraction(1, 4)
    two_then_four_cut = Fraction(1, 4) * Fraction(1, 2) * Fraction(1, 3)  # ab, then b first and a second of aabb
    assert shares[0, 1, 1, 0] == one_of_four + two_of_two + two_then_four_cut
    assert shares[0, 0, 1, 1] == one_of_four  # no block of 2 begins aa


def test_long_lists_are_counted_and_have_joint_probabilities_that_add_up():
    design = sequential(["øst", "vest"], {"a": 1, "b": 1}, [2, 4], 200)
    assert design.count().total > 2**200
    whole = sum(design.joint_probabilities(a, b).values for a, b in product(range(2), repeat=2))
    assert whole == pytest.approx(np.ones((400, 400)), abs=1e-12)


def test_places_far_apart_are_nearly_independent_and_strata_wholly():
    found = sequential(["øst", "vest"], {"a": 1, "b": 1}, [2, 4], 50).joint_probabilities(0, 0).values
    assert found[0, 1] < 0.2
    assert found[0, 4] == 0.25
    assert (found[:50, 50:] == 0.25).all()


def test_long_samples_keep_the_promise_of_every_block():
    design = sequential(["øst"], {"a": 1, "b": 1}, [4], 4000)
    rows = design.sample(300, np.random.default_rng(20260122))
    assert (rows.reshape(300, 1000, 4).sum(axis=2) == 2).all()


def test_lists_too_many_to_list_are_refused():
    with pytest.raises(DesignError, match="too many"):
        sequential(["øst"], {"a": 1, "b": 1}, [2, 4], 60).enumerate()


def test_blocks_too_large_to_count_are_refused_instead_of_hanging():
    with pytest.raises(DesignError, match="too many"):
        sequential(["øst"], {"a": 1, "b": 1, "c": 1, "d": 1}, [400, 800, 1200], 2000).count()
