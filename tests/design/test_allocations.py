"""What designs drawn at one time say about chance, against every vector of labels weighed by the specification."""

from __future__ import annotations

import hashlib
from collections import Counter
from fractions import Fraction
from itertools import accumulate, permutations, product
from math import comb, factorial, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from trialkit.canonical import jcs
from trialkit.design import allocations, blocked, blocked_wedge, complete, lottery, matched, rollout, stepped_wedge
from trialkit.design.arrangements import Unranked, drawn, ranked
from trialkit.design.base import Simulated
from trialkit.design.constraint import Mahalanobis, Tolerance
from trialkit.design.parts import unrank
from trialkit.errors import DesignError
from trialkit.units import Unit, Units

LUCK = 1e-6  # a test that compares frequencies fails by chance once in a million


def names(n: int) -> list[str]:
    return [f"enhed {k:02d}" for k in range(n)]


# Truth: every vector of labels, each part weighed by section 6.1 as it is written there


def counts_of_weights(n: int, weights: list[int]) -> list[tuple[int, ...]]:
    """The counts for each u = 0 ... W - 1."""
    whole = sum(weights)
    rest = [n * w % whole for w in weights]
    starts = [0, *accumulate(rest)]
    found = []
    for u in range(whole):
        more = [(u - starts[j]) % whole < rest[j] for j in range(len(weights))]
        found.append(tuple(n * w // whole + extra for w, extra in zip(weights, more, strict=True)))
    return found


def part_chances(design, part) -> dict[tuple[int, ...], Fraction]:
    """The probability of each vector of labels of one part's items, if there were no constraint."""
    n, n_labels = len(part.items), len(design.label_names)
    if design.kind == "lottery":
        before = sum(len(other.items) for other in design.parts[: design.parts.index(part)])
        found: Counter[tuple[int, ...]] = Counter()
        for order in permutations(range(n)):
            found[tuple(int(before + place + 1 > design.places) for place in order)] += 1
        return {row: Fraction(ways, factorial(n)) for row, ways in found.items()}
    profiles = counts_of_weights(n, list(design.weights)) if design.weights else [part.counts]
    chances = {}
    for row in product(range(n_labels), repeat=n):
        counts = tuple(row.count(label) for label in range(n_labels))
        ways = factorial(n) // prod(map(factorial, counts))
        if share := Fraction(profiles.count(counts), len(profiles) * ways):
            chances[row] = share
    return chances


def truth(design) -> dict[tuple[int, ...], Fraction]:
    """The probability of every allocation over all items, given that it meets the constraint."""
    found = {}
    for rows in product(*(part_chances(design, part).items() for part in design.parts)):
        codes = list(design.fixed)
        for part, (row, _) in zip(design.parts, rows, strict=True):
            for item, label in zip(part.items, row, strict=True):
                codes[item] = label
        if design.rule is None or design.rule.accepts([codes[item] for item in design.free], len(design.labels)):
            found[tuple(codes)] = prod((share for _, (_, share) in zip(design.parts, rows, strict=True)), start=1)
    whole = sum(found.values())
    return {codes: share / whole for codes, share in found.items()}


def listed(design, chunk: int = 65536) -> dict[tuple[int, ...], Fraction]:
    chunks = list(design.enumerate(chunk))
    whole = sum(found.weight * len(found.codes) for found in chunks)
    rows = [(tuple(row), Fraction(found.weight, whole)) for found in chunks for row in found.codes.tolist()]
    assert len(dict(rows)) == len(rows), "an allocation was listed twice"
    return dict(rows)


@st.composite
def designs(draw):
    """Small designs of every kind drawn at one time, with fixed units, clusters, leftovers and constraints."""
    kind = draw(st.sampled_from(["complete", "blocked", "matched", "wedge", "quotas", "rollout", "lottery"]))
    n = draw(st.integers(2, 6))
    units = names(n)
    weights = {f"arm {k}": draw(st.integers(1, 3)) for k in range(draw(st.integers(2, 3)))}
    blocks = {unit: draw(st.sampled_from(["nord", "syd"])) for unit in units}
    fixed = {units[-1]: draw(st.sampled_from(sorted(weights)))} if n > 2 and draw(st.booleans()) else {}
    if kind == "lottery":
        tiers = {unit: draw(st.integers(1, 2)) for unit in units}
        return lottery(units, draw(st.integers(0, n + 1)), tiers=tiers)
    if kind == "rollout":
        return rollout(units, {"bølge 1": draw(st.integers(0, 3)), "bølge 2": draw(st.integers(0, 3))})
    if kind == "matched":
        size = sum(weights.values())
        pairs = names(size * (2 if size < 4 else 1))
        return matched(pairs, weights, blocks={unit: f"par {k // size}" for k, unit in enumerate(pairs)})
    if kind == "complete" and draw(st.booleans()):
        clusters = {unit: draw(st.sampled_from(["a", "b", "c", "d"])) for unit in units}
        return complete(units, weights, level="cluster", clusters=clusters)
    constraint, units = draw(constrained(units))
    if kind == "complete":
        return complete(units, weights, fixed=fixed, constraint=constraint)
    if kind == "blocked":
        return blocked(units, weights, blocks=blocks, fixed=fixed, constraint=constraint)
    first = draw(st.integers(0, n))
    if kind == "wedge":
        return stepped_wedge(units, {"bølge 1": first, "bølge 2": n - first, "bølge 3": 0}, constraint=constraint)
    sizes = Counter(blocks.values())
    quotas = {block: (size // 2, size - size // 2) for block, size in sizes.items()}
    return blocked_wedge(units, ["før", "efter"], quotas, blocks=blocks, constraint=constraint)


@st.composite
def constrained(draw, units):
    """Sometimes a constraint that at least one allocation may meet, and the units with their covariates."""
    kind = draw(st.sampled_from(["none", "tolerance", "mahalanobis"]))
    if kind == "none":
        return None, units
    x = draw(st.lists(st.integers(-3, 3), min_size=len(units), max_size=len(units)))
    x[:2] = [0, 5]  # never constant
    listed = Units.of([Unit(id=unit, x=(str(value),)) for unit, value in zip(units, x, strict=True)])
    size = draw(st.sampled_from(["0.5", "2", "3.25"]))
    if kind == "tolerance":
        return Tolerance(covariates=("børn",), tolerances=(size,), max_attempts=100), listed
    return Mahalanobis(covariates=("børn",), threshold=size, max_attempts=100), listed


@settings(max_examples=150, deadline=None)
@given(designs(), st.integers(1, 7))
def test_every_allocation_is_listed_once_with_its_probability(design, chunk):
    expected = truth(design) if design.count().accepted else {}
    assert listed(design) == listed(design, chunk) == expected
    assert all(len(found.codes) <= chunk for found in design.enumerate(chunk))
    assert design.count().accepted == len(expected)
    assert design.count().exact


@settings(max_examples=100, deadline=None)
@given(designs(), st.data())
def test_probabilities_are_shares_over_all_allocations(design, data):
    if not design.count().accepted:
        with pytest.raises(DesignError, match="E_NO_ACCEPT"):
            design.probabilities()
        return
    expected, labels, items = truth(design), range(len(design.label_names)), range(len(design.items))
    single = [[sum(share for row, share in expected.items() if row[i] == j) for j in labels] for i in items]
    assert design.probabilities().exact
    assert design.probabilities().values == pytest.approx(np.array(single, float), abs=1e-15)
    a, b = data.draw(st.sampled_from(list(labels))), data.draw(st.sampled_from(list(labels)))
    pairs = [
        [sum(share for row, share in expected.items() if (row[i], row[k]) == (a, b)) for k in items] for i in items
    ]
    assert design.joint_probabilities(a, b).exact
    assert design.joint_probabilities(a, b).values == pytest.approx(np.array(pairs, float), abs=1e-15)


@settings(max_examples=60, deadline=None)
@given(designs())
def test_without_a_constraint_the_total_is_what_is_listed(design):
    if design.rule is None:
        assert design.count().total == design.count().accepted == len(listed(design))
    else:
        assert design.count().total >= design.count().accepted


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4).filter(sum), st.data())
def test_row_k_is_rank_k_of_the_specification(counts, data):
    whole = factorial(sum(counts)) // prod(map(factorial, counts))
    ranks = np.array(data.draw(st.lists(st.integers(0, whole - 1), max_size=20)), np.int64)
    expected = [unrank(counts, int(rank)) for rank in ranks]
    assert ranked(counts, len(counts)).rows(ranks).tolist() == expected
    loose = Unranked(np.array(counts), whole, np.dtype(np.int8))
    assert loose.rows(ranks).tolist() == expected


def test_two_tables_give_the_ranks_of_a_large_part():
    counts, rng = (9, 8, 7), np.random.default_rng(20260105)
    table, whole = ranked(counts, 3), factorial(24) // (factorial(9) * factorial(8) * factorial(7))
    assert table.beginnings.shape[1] == 12
    ranks = np.sort(rng.integers(whole, size=50))
    assert table.rows(ranks).tolist() == [unrank(counts, int(rank)) for rank in ranks]


def test_a_part_too_wide_for_tables_is_unranked_item_by_item():
    table = ranked((2, 1998), 2)
    assert isinstance(table, Unranked)
    ranks = np.array([0, 1, 1999, comb(2000, 2) - 1])
    assert table.rows(ranks).tolist() == [unrank((2, 1998), int(rank)) for rank in ranks]


def test_the_order_of_a_design_by_rank_is_the_order_of_its_listing():
    blocks = dict(zip(names(7), "abababa", strict=True))
    design = blocked_wedge(names(7), ["1", "2"], {"a": (2, 2), "b": (1, 2)}, blocks=blocks, method="rank")

    class Number:
        def __init__(self, rank):
            self.rank = rank

        def stream(self, *label):
            return self

        def below(self, m):
            assert m == 18
            return self.rank

    rows = next(design.enumerate()).codes
    for rank, row in zip(range(18), rows, strict=True):
        assert [design.label_names.index(label) for label in design.assign(Number(rank)).labels] == row.tolist()


# Frequencies


class Public:
    """The public stream as section 5 of the specification writes it."""

    def __init__(self, seed: str) -> None:
        self.seed = seed

    def stream(self, *label):
        return Read(["trialkit-draw/1", "stream", self.seed, list(label)])


class Read:
    def __init__(self, head) -> None:
        self.head, self.block, self.bytes = head, 0, b""

    def below(self, m: int) -> int:
        bits = (m - 1).bit_length()
        while m > 1:
            size = -(-bits // 8)
            while len(self.bytes) < size:
                self.bytes += hashlib.sha256(jcs([*self.head, self.block])).digest()
                self.block += 1
            value, self.bytes = int.from_bytes(self.bytes[:size], "big") & (2**bits - 1), self.bytes[size:]
            if value < m:
                return value
        return 0


NEAR = Tolerance(covariates=("børn",), tolerances=("1.5",), max_attempts=1000)
CLOSE = Mahalanobis(covariates=("børn",), threshold="1.2", max_attempts=1000)
X = [Unit(id=k, x=(x,)) for k, x in zip(names(6), ("1", "4", "2", "8", "5", "7"), strict=True)]
HALVES = dict(zip(names(6), "aaabbb", strict=True))
FAMILIES = [
    complete(names(6), {"før": 1, "efter": 1}),
    complete(names(5), {"a": 1, "b": 2, "c": 1}),
    complete(names(6), {"før": 1, "efter": 1}, fixed={"enhed 02": "efter"}),
    complete(names(7), {"før": 1, "efter": 2}, level="cluster", clusters=dict(zip(names(7), "aabbccd", strict=True))),
    blocked(names(6), {"før": 1, "efter": 1}, blocks=HALVES),
    matched(names(6), {"før": 1, "efter": 1}, blocks=dict(zip(names(6), "aabbcc", strict=True))),
    stepped_wedge(names(6), {"1": 3, "2": 2, "3": 1}, fixed={"enhed 00": "1"}),
    blocked_wedge(names(6), ["1", "2"], {"a": (2, 1), "b": (1, 2)}, blocks=HALVES),
    rollout(names(6), {"1": 2, "2": 3}),
    lottery(names(6), 3, tiers=dict(zip(names(6), (1, 2, 1, 2, 2, 2), strict=True))),
    complete(X, {"før": 1, "efter": 1}, constraint=NEAR),
    complete(X, {"før": 1, "efter": 1}, constraint=CLOSE),
    blocked(X, {"før": 1, "efter": 1}, blocks=HALVES, constraint=CLOSE),  # leftovers beside a constraint
    blocked(X, {"a": 1, "b": 2, "c": 1}, blocks=HALVES, constraint=NEAR),
]
IDS = [f"{design.kind}-{number}" for number, design in zip(range(len(FAMILIES)), FAMILIES, strict=True)]


def fits(design, rows) -> bool:
    """Whether the rows look like draws from the design: none impossible, and frequencies by chi-square."""
    expected = truth(design)
    found = Counter(map(tuple, rows))
    assert set(found) <= set(expected)
    frequencies = [found[codes] for codes in expected]
    return chisquare(frequencies, [float(share) * len(rows) for share in expected.values()]).pvalue > LUCK


@pytest.mark.parametrize("design", FAMILIES, ids=IDS)
def test_a_sample_has_the_distribution_of_the_listing(design):
    assert fits(design, design.sample(40_000, np.random.default_rng(20260104)).tolist())


@pytest.mark.parametrize("design", FAMILIES, ids=IDS)
def test_a_few_draws_at_a_time_have_the_same_distribution(design):
    rng = np.random.default_rng(20260108)
    assert fits(design, np.concatenate([design.sample(20, rng) for _ in range(150)]).tolist())


@pytest.mark.parametrize("design", FAMILIES, ids=IDS)
@pytest.mark.parametrize("chance", ["simulated", "public"])
def test_the_draw_itself_has_the_distribution_of_the_listing(design, chance):
    first = {item: unit for unit, item in reversed(list(zip(range(99), design.places_of_units, strict=False)))}
    rng, rows = np.random.default_rng(20260106), []
    for number in range(1500):
        drawn_labels = design.assign(Simulated(rng) if chance == "simulated" else Public(f"{number:064x}")).labels
        codes = [design.label_names.index(label) for label in drawn_labels]
        rows.append([codes[first[item]] for item in range(len(design.items))])
    assert fits(design, rows)


def test_many_labels_are_shuffled_and_every_order_is_as_likely():
    rng = np.random.default_rng(20260107)
    rows = drawn(np.ones((40, 1), np.int64), 20_000, 40, rng)
    assert (np.sort(rows, axis=0) == np.arange(40)[:, None]).all()
    assert min(chisquare(np.bincount(row, minlength=40)).pvalue for row in rows) > LUCK


def test_three_hundred_labels_need_wider_codes():
    design = stepped_wedge(names(300), {f"{k:03d}": 1 for k in range(300)})
    found = design.sample(600, np.random.default_rng(1))
    assert found.dtype == np.int16
    assert (np.sort(found, axis=1) == np.arange(300)).all()


def test_the_same_seed_gives_the_same_sample_and_another_seed_another():
    design = blocked(X, {"før": 1, "efter": 1}, blocks=HALVES, constraint=CLOSE)
    first, again, other = (design.sample(500, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


# Laws


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(6)), st.sampled_from([NEAR, CLOSE, None]))
def test_relabelling_units_relabels_the_answer(order, constraint):
    moved = [Unit(id=names(6)[to], x=X[k].x) for k, to in enumerate(order)]
    before = stepped_wedge(X, {"1": 2, "2": 1, "3": 3}, constraint=constraint)
    after = stepped_wedge(moved, {"1": 2, "2": 1, "3": 3}, constraint=constraint)
    assert after.count() == before.count()
    if before.count().accepted:
        assert after.probabilities().values[list(order)] == pytest.approx(before.probabilities().values, abs=1e-15)
        pairs = after.joint_probabilities(0, 2).values[np.ix_(order, order)]
        assert pairs == pytest.approx(before.joint_probabilities(0, 2).values, abs=1e-15)
    assert {tuple(row[list(order)]) for found in after.enumerate() for row in found.codes} == {
        tuple(row) for found in before.enumerate() for row in found.codes
    }


def test_a_leftover_still_gives_every_unit_its_exact_share():
    design = blocked(names(11), {"a": 3, "b": 4, "c": 5}, blocks=dict(zip(names(11), "xxxxyyyyyyy", strict=True)))
    assert (design.probabilities().values == [3 / 12, 4 / 12, 5 / 12]).all()


def test_large_designs_are_exact_without_listing():
    design = complete(names(90), {"før": 1, "efter": 2})
    assert design.count().total == comb(90, 30)
    assert design.joint_probabilities(0, 0).values[3, 7] == 30 * 29 / (90 * 89)
    assert design.joint_probabilities(0, 1).values[3, 7] == 30 * 60 / (90 * 89)


# Constraints on sets too large to look at


def large(threshold: str):
    rng = np.random.default_rng(20260109)
    units = [Unit(id=name, x=(f"{value:.6f}",)) for name, value in zip(names(30), rng.normal(size=30), strict=True)]
    rule = Mahalanobis(covariates=("børn",), threshold=threshold, max_attempts=500)
    return complete(units, {"før": 1, "efter": 1}, constraint=rule)


def test_too_large_a_constrained_set_asks_for_a_generator_and_says_how_large_it_is():
    design = large("0.1")
    for question in (design.count, design.probabilities, lambda: design.joint_probabilities(0, 1)):
        with pytest.raises(DesignError, match="155117520") as refusal:
            question()
        assert "rng=" in refusal.value.message
        assert refusal.value.facts["allocations"] == comb(30, 15)


def test_estimates_carry_an_error_that_covers_the_exact_answer(monkeypatch):
    # leftovers beside a constraint: draws are not equally likely among all allocations, so each is weighed
    design = blocked(X, {"a": 1, "b": 2, "c": 1}, blocks=HALVES, constraint=NEAR)
    exact = design.count(), design.probabilities(), design.joint_probabilities(1, 1)
    monkeypatch.setattr(allocations, "ENUMERABLE", 10)
    rng = np.random.default_rng(20260110)
    guess = design.count(rng=rng)
    assert not guess.exact
    assert guess.total == exact[0].total
    assert abs(guess.accepted - exact[0].accepted) < 5 * guess.mc_error < 0.05 * guess.total
    for found, known in (
        (design.probabilities(rng=rng), exact[1]),
        (design.joint_probabilities(1, 1, rng=rng), exact[2]),
    ):
        assert not found.exact
        assert (np.abs(found.values - known.values) < 5 * found.mc_error).all()
        assert found.mc_error.max() < 0.01


def test_an_estimate_of_nothing_accepted_is_not_called_exact():
    guess = large("0").count(rng=np.random.default_rng(1))
    assert guess.accepted == 0
    assert guess.mc_error > 0


def test_a_sample_that_could_never_be_filled_gives_up_by_name():
    with pytest.raises(DesignError, match="E_NO_ACCEPT"):
        large("0").sample(5, np.random.default_rng(1))


def test_a_design_too_large_to_list_is_refused_at_once():
    with pytest.raises(DesignError, match="sample"):
        complete(names(60), {"før": 1, "efter": 1}).enumerate()
