"""The one primitive: shuffles, shares with a leftover, numbered arrangements."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import permutations
from math import factorial, prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialkit.design.parts import Part, arrangements, dealt, shuffle, unrank
from trialkit.draw.stream import PublicChance

SMALL_COUNTS = st.lists(st.integers(0, 3), min_size=1, max_size=4).filter(lambda counts: 1 <= sum(counts) <= 6)
WEIGHTS = st.lists(st.integers(1, 12), min_size=2, max_size=5)


class Fixed:
    """Chance that always answers the same, and remembers the streams it was asked for."""

    def __init__(self, value: int) -> None:
        self.value, self.asked = value, []

    def stream(self, *label):
        self.asked.append(label)
        return self

    def below(self, m: int) -> int:
        self.m = m
        return self.value


@given(SMALL_COUNTS)
def test_unrank_numbers_every_arrangement_once_in_lexicographic_order(counts):
    every = sorted(set(permutations(dealt(counts))))
    assert arrangements(counts) == len(every) == factorial(sum(counts)) // prod(map(factorial, counts))
    assert [tuple(unrank(counts, rank)) for rank in range(len(every))] == every


@given(st.lists(st.integers(0, 400), min_size=1, max_size=6), st.integers(1, 10**18))
def test_a_limit_never_changes_what_is_said_below_it(counts, limit):
    exact = arrangements(counts)
    if exact <= limit:
        assert arrangements(counts, limit) == exact
    else:
        assert arrangements(counts, limit) > limit


def test_a_million_items_are_refused_without_counting_their_arrangements():
    assert arrangements((500_000, 500_000), 10**18) > 10**18
    assert arrangements((1,) * 1_000_000, 10**18) > 10**18


@given(st.integers(1, 40), WEIGHTS)
def test_a_leftover_gives_every_item_exactly_its_share(n, weights):
    part = Part.weighing("all", "", range(n), weights)
    profiles = part.profiles()
    assert sum(chance for chance, _ in profiles) == 1
    for label, weight in enumerate(weights):
        expected = sum(chance * counts[label] for chance, counts in profiles)
        assert expected == Fraction(n * weight, sum(weights))
    for _, counts in profiles:
        assert sum(counts) == n
        assert all(more - base in (0, 1) for more, base in zip(counts, part.counts, strict=True))


@given(st.integers(1, 40), WEIGHTS)
def test_profiles_are_what_drawing_every_u_gives(n, weights):
    part = Part.weighing("block", "Ø", range(n), weights)
    total = sum(weights)
    found = Counter(part.drawn_counts(Fixed(u), 3) for u in range(total))
    assert {counts: Fraction(times, total) for counts, times in found.items()} == {
        counts: chance for chance, counts in part.profiles()
    }


def test_a_leftover_is_drawn_on_its_own_stream_below_the_sum_of_weights():
    part, chance = Part.weighing("block", "Ø", range(5), [1, 2]), Fixed(0)
    part.drawn_counts(chance, 7)
    assert (chance.asked, chance.m) == ([("leftover", "block", "Ø", 7)], 3)


def test_without_a_leftover_nothing_is_drawn():
    chance = Fixed(0)
    assert Part.weighing("all", "", range(6), [1, 2]).drawn_counts(chance, 0) == (2, 4)
    assert chance.asked == []


def test_large_weights_have_few_profiles():
    part = Part.weighing("all", "", range(7), [999_999, 1_000_000, 3])
    assert len(part.profiles()) <= 6


@pytest.mark.parametrize("n", [3, 4, 5])
def test_every_order_of_a_shuffle_is_equally_likely(n):
    """Chi-square over all orders: 200 draws per order, seed fixed; the bound is the 1 - 1e-6 quantile."""
    stream = PublicChance("5e" * 32).stream("shuffle", "all", "", 0)
    times = 200 * factorial(n)
    found = Counter(tuple(shuffle(range(n), stream)) for _ in range(times))
    chi_square = sum((count - 200) ** 2 / 200 for count in found.values())
    quantile = {3: 35.9, 4: 70.5, 5: 207.2}[n]  # scipy 1.17: chi2.isf(1e-6, n! - 1)
    assert len(found) == factorial(n)
    assert chi_square < quantile


@given(st.lists(st.integers()), st.binary(min_size=32, max_size=32))
def test_a_shuffle_keeps_every_item_and_leaves_its_argument_alone(items, seed):
    before = list(items)
    assert sorted(shuffle(items, PublicChance(seed.hex()).stream("shuffle", "all", "", 0))) == sorted(before)
    assert items == before
