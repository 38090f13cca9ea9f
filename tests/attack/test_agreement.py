"""Two programs, one specification: Python and the checking page name the same failure, warnings and confirmation.

Neither is the other's judge.  Most damage is aimed, so the specification's own answer is known beforehand; what is not
aimed (any byte, any value, any order) is held by agreement.  ``TRIALKIT_SEED=... pytest tests/attack`` repeats a run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from tests.attack.browser import answers, needs_curves
from tests.attack.cases import FREE, OK, Case, by_python, cases, compared
from tests.attack.results import seed, write
from tests.attack.worlds import honest, worlds, written
from tests.strategies import ROUND_1000
from trialkit.draw import drand, published

SEED = seed()
NEEDS_BLS = "E_DRAND_SIGNATURE"


def named_in_the_specification(prefix: str) -> set[str]:
    """Every name of a failure or warning in the text of the specification."""
    return set(re.findall(rf"\b{prefix}_[A-Z_]+\b", published.specification().decode()))


@dataclass
class Tally:
    """What a run saw: how often each name, and where the programs or the specification disagreed."""

    failures: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    disagreements: list[str] = field(default_factory=list)
    confirmed: int = 0

    def add(self, case: Case, python: dict[str, Any], javascript: dict[str, Any]) -> None:
        self.failures[python["failure"]] += 1
        self.warnings.update(python["warnings"])
        self.confirmed += python["confirmed"]
        if python != javascript:
            self.disagreements.append(f"{case.name}: Python {python}, JavaScript {javascript}; {case}")
        elif case.expected not in (FREE, python["failure"]):
            self.disagreements.append(f"{case.name}: both {python['failure']}, not {case.expected}; {case}")

    @property
    def rows(self) -> list[tuple[str, str, int]]:
        counted = [*sorted(self.failures.items()), *sorted(self.warnings.items())]
        named = [("name", name, count) for name, count in counted]
        return [*named, ("verdict", "CONFIRMED", self.confirmed), ("verdict", "disagreement", len(self.disagreements))]


def tallied(found: Iterator[tuple[Case, dict[str, Any]]], judge: Callable[[Case], dict[str, Any]] = by_python) -> Tally:
    tally = Tally()
    for case, answer in found:
        tally.add(case, judge(case), compared(answer))
    return tally


@pytest.mark.parametrize(
    ("n", "random_worlds"), [(600, 40), pytest.param(20_000, 600, marks=pytest.mark.nightly)], ids=["reduced", "full"]
)
def test_both_programs_name_the_same_failure_and_the_same_warnings(n: int, random_worlds: int) -> None:
    tally = tallied(answers(cases(SEED, n, random_worlds=random_worlds)))
    if n > 600:
        write("attack_agreement", SEED, [("cases", "damaged", n), *tally.rows])
    assert not tally.disagreements, f"seed {SEED}: {len(tally.disagreements)} of {n}; " + tally.disagreements[0][:4000]
    assert set(tally.failures) >= named_in_the_specification("E") - {NEEDS_BLS} | {OK}
    assert set(tally.warnings) == named_in_the_specification("W")
    assert tally.confirmed > 0


FORGED = [
    "0" * 96, "f" * 96, "c" + "0" * 95,  # no flag, coordinate above p, infinity
    ROUND_1000["signature"][:-1] + "8", ROUND_1000["signature"][:-1] + "a",  # off the curve, or another point
    "2" + ROUND_1000["signature"][1:], "3" + ROUND_1000["signature"][1:],  # not compressed
    "9" + ROUND_1000["signature"][1:],  # the opposite point: on the curve, in the subgroup, and not the signature
]  # fmt: skip


def drand_cases(seed: int, n: int, forged: int) -> Iterator[Case]:
    """Genuine rounds in honest draws, and forged ones drawn with as if they were genuine."""
    rng = Random(seed)
    known = [world for world in worlds(seed, n) if "drand" in world.sources]
    for number, world in enumerate(known):
        told = honest(world).told() if number % 2 else None
        yield Case(name="a genuine round", expected=OK, record=written(world.record()), ledger=told)
    for signature in FORGED[:forged]:
        world = rng.choice(known).copy()
        next(given for given in world.evidence if given["kind"] == "drand")["signature"] = signature
        yield Case(name="a forged round", expected=NEEDS_BLS, record=written(world.record()))


@pytest.mark.parametrize(
    ("n", "forged"), [(20, 4), pytest.param(400, len(FORGED), marks=pytest.mark.nightly)], ids=["reduced", "full"]
)
def test_both_programs_verify_the_same_rounds(n: int, forged: int) -> None:
    needs_curves()
    if not drand.available():
        pytest.skip("py-ecc is not installed (pip install 'trialkit[drand]'): drand was not compared with JavaScript")
    tally = tallied(answers(drand_cases(SEED, n, forged), "--bls"), lambda case: by_python(case, bls=True))
    if n > 20:
        write("attack_drand", SEED, [("cases", "with drand", tally.failures.total()), *tally.rows])
    assert not tally.disagreements, f"seed {SEED}: " + tally.disagreements[0][:4000]
    assert tally.failures[NEEDS_BLS] == forged
    assert tally.confirmed > 0


def test_the_same_seed_gives_the_same_cases() -> None:
    one, other = ([case.as_line() for case in cases(SEED, 150, random_worlds=10)] for _ in "12")
    assert one == other
    assert one != [case.as_line() for case in cases(SEED + 1, 150, random_worlds=10)]
