"""Family h: probabilities of assignment and numbers of assignments.  Truth: the R package randomizr, without its chance.

A case holds the calls of ``declare_ra`` beside what they gave; they are read here and asked of trialkit, so that a case
with other calls runs too.  Tolerance, from the files: 1e-14, fractions rounded once on either side.
"""

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from math import lcm, prod
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import Any, NamedTuple

import numpy as np
import pytest

from trialkit.design import PartsDesign, blocked, blocked_wedge, complete

LISTED = 200_000  # assignments gone through one by one; a longer list is only counted
Numbers = Sequence[int]


def assignment_designs(case: dict[str, Any], folder: Path) -> None:
    """Every call of one case."""
    calls, expected = case["call"], case["expected"]
    if isinstance(calls, str):
        calls, expected = {"": calls}, {"": expected}
    assert set(calls) == set(expected), "a call without numbers, or numbers without a call"
    word, tolerance = str(case["tolerance"]).split()
    assert word == "abs", case["tolerance"]
    for name, call in calls.items():
        check(declared(call, expected[name]["prob_columns"]), expected[name], float(tolerance))


class Declared(NamedTuple):
    """Designs drawn side by side, each with the places of its units; mostly one, with all of them."""

    designs: list[tuple[PartsDesign, np.ndarray]]

    def probabilities(self) -> np.ndarray:
        """(n_units, n_labels)"""
        found = np.full((sum(len(places) for _, places in self.designs), len(self.designs[0][0].label_names)), np.nan)
        for design, places in self.designs:
            found[places] = design.probabilities().values[design.item_of_unit]
        return found

    def count(self) -> int:
        return prod(design.count().total for design, _ in self.designs)

    def chances(self) -> np.ndarray:
        """The distinct probabilities of whole assignments, ascending."""
        return reduce(lambda a, b: distinct(np.multiply.outer(a, b)), [listed(design)[0] for design, _ in self.designs])

    def shares(self) -> np.ndarray:
        """(n_units,) the share of all assignments, however probable, that give a unit the last label."""
        found = np.full(len(self.probabilities()), np.nan)
        for design, places in self.designs:
            found[places] = listed(design)[1][design.item_of_unit]
        return found


def listed(design: PartsDesign) -> tuple[np.ndarray, np.ndarray]:
    """The distinct probabilities of a design's assignments, and each item's share of them with the last label."""
    chunks = list(design.enumerate())
    number = sum(len(chunk.codes) for chunk in chunks)
    assert number == design.count().total
    whole = sum(chunk.weight * len(chunk.codes) for chunk in chunks)
    last = sum((chunk.codes == len(design.label_names) - 1).sum(axis=0) for chunk in chunks)
    return distinct(np.array([float(Fraction(chunk.weight, whole)) for chunk in chunks])), last / number


def distinct(values: np.ndarray) -> np.ndarray:
    """Ascending, one for values that differ by rounding."""
    found = np.unique(values)
    return found[np.append(True, np.diff(found) > 1e-12 * found[1:])]


def check(found: Declared, expected: dict[str, Any], tolerance: float) -> None:
    assert found.probabilities() == pytest.approx(np.array(expected["probabilities_matrix"], float), abs=tolerance)
    number = expected.get("n_permutations")
    if number is not None and number != "Inf":  # R counts in doubles: exact to 2^53, then rounded
        assert found.count() == pytest.approx(number, rel=1e-12 if number > 2**53 else 0, abs=0)
    if max(design.count().total for design, _ in found.designs) > LISTED:
        return
    if "permutation_probs_distinct" in expected:  # printed with 10 digits
        assert found.chances() == pytest.approx(np.sort(expected["permutation_probs_distinct"]), rel=1e-9)
    if "permutation_matrix_rowmeans_if_binary" in expected:
        assert found.shares() == pytest.approx(expected["permutation_matrix_rowmeans_if_binary"], abs=tolerance)


def declared(call: str, columns: list[str]) -> Declared:
    """The design, or designs side by side, of ``declare_ra(...)``."""
    given, labels = arguments(call), [name.removeprefix("prob_") for name in columns]
    units = Roster.of(given)
    sizes = units.sizes()
    rules = {name: rule(given, k, sizes[name], len(labels)) for k, name in enumerate(sorted(sizes))}
    alike = len(set(rules.values())) == 1
    if alike or all(one.exact for one in rules.values()):
        return Declared([(designed(units, labels, rules), np.arange(units.ids.size))])
    parts = [(name, np.flatnonzero(units.blocks == name)) for name in rules]
    return Declared([(designed(units.take(at), labels, {name: rules[name]}), at) for name, at in parts])


class Roster(NamedTuple):
    """Units with their blocks and clusters."""

    ids: np.ndarray
    blocks: np.ndarray
    clusters: np.ndarray | None

    @classmethod
    def of(cls, given: dict[str, Any]) -> Roster:
        named = {key: np.array([str(name) for name in given[key]]) for key in ("blocks", "clusters") if key in given}
        n = int(given["N"]) if "N" in given else len(next(iter(named.values())))
        ids = np.array([f"{k:06d}" for k in range(n)])
        clusters = named.get("clusters")
        alone = ids if clusters is None else clusters  # "simple" throws a coin for each: an urn of its own
        return cls(ids, alone if given.get("simple") else named.get("blocks", np.full(n, "all")), clusters)

    def sizes(self) -> Counter[str]:
        """Items, units or clusters, in each block."""
        items = self.ids if self.clusters is None else self.clusters
        return Counter(block for _, block in set(zip(items.tolist(), self.blocks.tolist(), strict=True)))

    def take(self, places: np.ndarray) -> Roster:
        return Roster(*(None if column is None else column[places] for column in self))  # type: ignore[arg-type]


class Rule(NamedTuple):
    """Numbers per label: exactly so many, or in proportion."""

    numbers: tuple[int, ...]
    exact: bool


def rule(given: dict[str, Any], block: int, size: int, arms: int) -> Rule:
    """What the call says of one block: its own, or the same for all."""
    if "block_m_each" in given:
        return Rule(tuple(int(m) for m in given["block_m_each"][block]), True)
    if "m_each" in given:
        return Rule(tuple(int(m) for m in given["m_each"]), True)
    if "block_m" in given or "m" in given:
        m = int(given["block_m"][block] if "block_m" in given else given["m"])
        return Rule((size - m, m), True)
    if "block_prob_each" in given:
        return Rule(in_whole_numbers(given["block_prob_each"][block]), False)
    if "prob_each" in given:
        return Rule(in_whole_numbers(given["prob_each"]), False)
    if "block_prob" in given or "prob" in given:
        p = given["block_prob"][block] if "block_prob" in given else given["prob"]
        return Rule(in_whole_numbers([1 - as_written(p), p]), False)
    return Rule((1,) * arms, False)


def as_written(p: float | Fraction) -> Fraction:
    """0.3 is 3/10, and 1/3 is a third."""
    return Fraction(p).limit_denominator(10_000)


def in_whole_numbers(shares: Sequence[float | Fraction]) -> tuple[int, ...]:
    """Probabilities as the smallest whole numbers in their proportion."""
    found = [as_written(share) for share in shares]
    assert sum(found) == 1
    scale = lcm(*(share.denominator for share in found))
    return tuple(int(share * scale) for share in found)


def designed(units: Roster, labels: list[str], rules: dict[str, Rule]) -> PartsDesign:
    """The one design of blocks with the same weights, or with numbers of their own."""
    ids, first = units.ids.tolist(), next(iter(rules.values()))
    blocks = dict(zip(ids, units.blocks.tolist(), strict=True))
    options: dict[str, Any] = {"level": "unit"}
    if units.clusters is not None:
        options = {"level": "cluster", "clusters": dict(zip(ids, units.clusters.tolist(), strict=True))}
    weights = dict(zip(labels, first.numbers, strict=True))
    if len(rules) == 1:
        return complete(ids, weights, **options)
    if first.exact:
        quotas = {name: one.numbers for name, one in rules.items()}
        return blocked_wedge(ids, labels, quotas, blocks=blocks, **options)
    return blocked(ids, weights, blocks=blocks, **options)


# As much of R as the calls are written in


def arguments(call: str) -> dict[str, Any]:
    """The named arguments of a call."""
    text = re.sub(r"(?<![\w.])(\d+)L\b", r"\1", " ".join(call.split()))
    node = ast.parse(re.sub(r"(\d+):(\d+)", r"span(\1, \2)", text), mode="eval").body
    assert isinstance(node, ast.Call)
    assert getattr(node.func, "id", None) == "declare_ra", call
    given = {str(word.arg): value(word.value) for word in node.keywords}
    assert not node.args, call
    return {name: one for name, one in given.items() if one is not None and one is not False}


NAMES = {
    "TRUE": True, "FALSE": False, "NULL": None, "letters": list(ascii_lowercase), "LETTERS": list(ascii_uppercase),
}  # fmt: skip
ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: Fraction}


def value(node: ast.expr) -> Any:
    """A number, a text, a vector as a list, a matrix as a list of rows."""
    match node:
        case ast.Constant(value=found):
            return found
        case ast.Name(id=name):
            return NAMES[name]
        case ast.BinOp(left=left, op=op, right=right):
            return ARITHMETIC[type(op)](value(left), value(right))
        case ast.Subscript(value=vector, slice=places):
            return [value(vector)[k - 1] for k in vectored(value(places))]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=words):
            return FUNCTIONS[name](*map(value, args), **{str(word.arg): value(word.value) for word in words})
    raise AssertionError(f"not read: {ast.unparse(node)}")


def vectored(one: Any) -> list[Any]:
    return one if isinstance(one, list) else [one]


def combined(*parts: Any) -> list[Any]:
    return [one for part in parts for one in vectored(part)]


def repeated(x: Any, times: Any = 1, each: int = 1) -> list[Any]:
    x = [one for one in vectored(x) for _ in range(each)]
    if isinstance(times, list):
        return [one for one, n in zip(x, times, strict=True) for _ in range(n)]
    return x * times


def matrix(data: list[Any], nrow: int | None = None, ncol: int | None = None, byrow: bool = False) -> list[list[Any]]:
    rows = nrow or len(data) // (ncol or 1)
    table = np.array(data, object)
    return (table.reshape(rows, -1) if byrow else table.reshape(-1, rows).T).tolist()


FUNCTIONS = {
    "c": combined,
    "span": lambda low, high: list(range(low, high + 1)),
    "rep": repeated,
    "rbind": lambda *rows: [vectored(row) for row in rows],
    "matrix": matrix,
    "paste0": lambda stem, ends: [f"{stem}{end}" for end in vectored(ends)],
}
