"""Damaged records and ledgers by the thousand, every kind in turn, and the same ones again from the same seed."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from typing import Any

from tests.attack import broken_designs, broken_ledgers
from tests.attack.broken_chains import LIARS, Liar, Told
from tests.attack.broken_records import BREAKERS, Breaker, Broken
from tests.attack.worlds import Teller, World, honest, worlds, written
from trialkit.draw.verify import Verdict, verify_ledger, verify_record

MODULES = (broken_designs, broken_ledgers)  # whose damage registers itself on import

OK = "OK"
FREE = "?"  # no failure is foretold: the two programs must agree on whatever it is


@dataclass(frozen=True, kw_only=True)
class Case:
    """Files as somebody might hand them in, and the failure the specification gives them, where it was aimed at."""

    name: str
    expected: str = FREE
    record: bytes | None = None
    ledger: bytes | None = None
    head: str | None = None

    def as_line(self) -> dict[str, str]:
        """For ``cli.js --stream``."""
        files = {"record_base64": self.record, "ledger_base64": self.ledger}
        line = {key: base64.b64encode(data).decode() for key, data in files.items() if data is not None}
        return line if self.head is None else {**line, "head": self.head}


Answer = dict[str, Any]


def by_python(case: Case, *, bls: bool = False) -> Answer:
    """What `trialkit.draw.verify` says, in the form of ``cli.js``."""
    record = None if case.record is None else verify_record(case.record, bls=bls)
    ledger = None if case.ledger is None else verify_ledger(case.ledger, case.record, case.head, bls=bls)
    last = ledger if ledger else record
    assert last is not None
    first = record if record and record.failure else last
    warnings = set() if first.failure else {*(record.warnings if record else ()), *last.warnings}
    return {
        "failure": first.failure or OK,
        "warnings": sorted(warnings),
        "confirmed": last.confirmed,
        "record": _brief(record),
        "ledger": _brief(ledger),
        "step": first.step if first.failure else 0,
    }


def _brief(verdict: Verdict | None) -> Answer | None:
    """A ledger whose record failed has the record's failure, and its step is the record's business."""
    if verdict is None:
        return None
    of_record = verdict.record is not None and verdict.failure != "" and verdict.record.failure != ""
    step = verdict.step if verdict.failure and not of_record else 0
    return {"failure": verdict.failure or OK, "step": step, "warnings": list(verdict.warnings)}


def compared(answer: Answer) -> Answer:
    """The part of an answer of ``cli.js`` that `by_python` gives too."""
    return {key: answer.get(key) for key in ("failure", "warnings", "confirmed", "record", "ledger", "step")}


def cases(seed: int, n: int, *, random_worlds: int) -> Iterator[Case]:
    """``n`` cases: every damage in turn, on worlds chosen by chance, and then two damages at once."""
    rng = Random(seed)
    known = worlds(seed, random_worlds)
    makers = [*(("record", *one) for one in BREAKERS), *(("ledger", *one) for one in LIARS)]
    makers += [("both", "two at once", FREE, None)] * 4
    return islice((case for maker in cycle(makers) for case in _made(rng, known, *maker)), n)


def _made(rng: Random, known: Sequence[World], what: str, name: str, expected: str, damage: Any) -> Iterator[Case]:
    if what == "both":
        yield _two_at_once(rng, known)
        return
    for world in _tried(rng, known):
        make = _record_case if what == "record" else _ledger_case
        if made := make(rng, world, name, expected, damage):
            yield made
            return


def _tried(rng: Random, known: Sequence[World]) -> Iterator[World]:
    """Some worlds by chance, then all of them: a rare kind is found in the end."""
    yield from (rng.choice(known) for _ in range(20))
    start = rng.randrange(len(known))
    yield from (*known[start:], *known[:start])


def _record_case(rng: Random, world: World, name: str, expected: str, damage: Breaker) -> Case | None:
    if (broken := damage(rng, world)) is None:
        return None
    data = _bytes(broken)
    if rng.random() < 0.2:  # the ledger of the world as it was, or of what it has become
        told = honest(broken if isinstance(broken, World) and expected == OK else world).told()
        return Case(name=name, expected=FREE if expected == OK else expected, record=data, ledger=told)
    return Case(name=name, expected=expected, record=data)


def _bytes(broken: Broken) -> bytes:
    assert broken is not None
    if isinstance(broken, bytes):
        return broken
    return written(broken.record() if isinstance(broken, World) else broken)


def _ledger_case(rng: Random, world: World, name: str, expected: str, lie: Liar) -> Case | None:
    if (answer := lie(rng, world)) is None:
        return None
    told = answer if isinstance(answer, Told) else Told(answer.told() if isinstance(answer, Teller) else answer)
    record = None if told.alone else told.record or written(world.record())
    return Case(name=name, expected=expected, record=record, ledger=told.ledger, head=told.head)


def _two_at_once(rng: Random, known: Sequence[World]) -> Case:
    """Two rules of the protocol broken: the first in the order of section 10 is the failure."""
    harmful = [damage for _, expected, damage in BREAKERS if expected not in (OK, "E_JSON")]
    while True:
        world = rng.choice(known)
        for damage in rng.sample(harmful, 2):
            try:
                broken = damage(rng, world)
            except (KeyError, TypeError, IndexError, AttributeError, ValueError, StopIteration):
                continue  # the first damage left nothing for the second to take hold of
            world = broken if isinstance(broken, World) else world
        if world not in known:
            return Case(name="two at once", record=written(world.record()))
