"""The protocol's primary question, answered the way it was registered; no other question, and no other way.

A method with a test through the lot is answered by it.  Any other rests on a model or an approximation, which with few
drawn items is itself uncertain, so the test of the same question through the lot stands beside it as a check.  What is
registered and not built yet is refused by name: a page never shows another analysis in its place.  What else the plan
registers stands beside the answer (`trialkit.estimate.beside`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isnan
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from trialkit.design.parts_design import PartsDesign
from trialkit.errors import EstimateError, TrialkitError
from trialkit.estimate.beside_methods import Facts, Request, estimates, rollout
from trialkit.estimate.described import needs_a_lot
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.question import Per, Question, Side, Way, not_built, periods_of
from trialkit.estimate.randomization import RandomizationTest
from trialkit.panel import Panel
from trialkit.protocol.later import unanswered

if TYPE_CHECKING:
    from trialkit.design.assignment import Assignment
    from trialkit.design.base import Design
    from trialkit.estimate.result import Estimate
    from trialkit.protocol.model import Protocol

Bools = NDArray[np.bool_]
Answered = tuple["Estimate", RandomizationTest | None]

FEW: Final = 12  # drawn items up to which a model is checked by the test through the lot
FEW_IN_AN_ARM: Final = 5  # below so many in an arm likewise


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer:
    """The registered answer and what a page says about it.

    Parameters
    ----------
    estimate : the answer as a table has it
    registered : the method, as the plan names it
    test : the test through the lot that gives p-value and interval, with its distribution over the allocations; None
        where the answer rests on a model
    check : with few drawn items, the test of the same question through the lot, beside a model; otherwise None
    unchecked : why there is no check where there should be one
    way : ``within_months`` for waves, ``two_arms`` where two labels are compared over all periods together
    counted_per : what the estimand weighs the same
    window_days : how long an event may take; cells whose windows cross the unit's own start are left out; 0: none are
    panel : the drawn units in the periods of the question
    labels : (n,) what each unit drew
    states : (n, t) int8, 1 started (or the new arm), 0 waiting (or the usual one), -1 left out by its window or label
    used : (n, t) bool, the cells that are compared with one of the other side
    dropped : periods without both sides; ``left_out`` : (unit, period) whose windows cross the unit's own start
    started, waiting : the two sides of the difference, of the cells used; a model's own difference may be another
    excluded : interrupted periods were left out, as registered
    sensitivity : the same with interrupted periods the other way; None where nothing was interrupted, or where it cannot
        be computed
    """

    estimate: Estimate
    registered: str
    test: RandomizationTest | None
    check: RandomizationTest | None = None
    unchecked: TrialkitError | None = None
    way: Way
    counted_per: Per
    window_days: int
    alpha: float
    panel: Panel
    labels: tuple[str, ...]
    states: NDArray[np.int8]
    used: Bools
    dropped: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    started: Side
    waiting: Side
    excluded: bool = False
    sensitivity: Estimate | None = None


def chance_of(record_hash: str) -> np.random.Generator:
    """The stream of a Monte Carlo test, seeded by the SHA-256 of the draw's record: nobody chooses it."""
    return np.random.default_rng(int(record_hash, 16))


def registered(
    protocol: Protocol,
    design: Design,
    assignment: Assignment,
    panel: Panel,
    *,
    facts: Facts | None = None,
    rng: np.random.Generator | None = None,
    digests: tuple[str, ...] = (),
) -> Answer:
    """Answer the primary question.

    Parameters
    ----------
    protocol : what was promised; its estimand and ``analysis.primary`` decide everything here
    design, assignment : what was drawn from, and what the lot gave
    panel : the primary outcome; at least the drawn units and the periods of the question.  Other units (pilots) and
        periods are not compared.
    facts : unit -> column -> value, from the plan's list of units; what an adjusted answer is adjusted for
    rng : for a Monte Carlo test, where allocations are too many to go through (`chance_of`)
    digests : of plan, draw record and snapshot, for the estimate to name

    Raises
    ------
    EstimateError
        ``E_NOT_DRAWN``: no lot was drawn.  ``E_NOT_BUILT``: the registered analysis is not one that trialkit has yet.
        Outcomes that are missing or do not fit.
    """
    check_built(protocol)
    lot = Drawn.of(design, assignment)
    if not isinstance(design, PartsDesign):
        raise not_built(f"design: {design.kind}")
    question = Question.of(protocol, lot, panel)
    asked = Request(question=question, method=question.primary, excluded=question.excluded, facts=facts or {}, rng=rng)
    estimate, test = _answered(asked, digests)
    check, unchecked = (None, None) if test is not None or not _few(question) else _checked(asked, digests)
    within = question.within()
    states, used = question.cells(within)
    started, waiting = question.sides(within, states, used)
    return Answer(
        estimate=estimate,
        registered=question.primary.method,
        test=test,
        check=check,
        unchecked=unchecked,
        way=question.way,
        counted_per=question.counted_per,
        window_days=question.window_days,
        alpha=question.alpha,
        panel=question.panel,
        labels=tuple(design.label_names[code] for code in question.labels.tolist()),
        states=states,
        used=used,
        dropped=within.dropped if within else (),
        left_out=within.left_out if within else (),
        started=started,
        waiting=waiting,
        excluded=question.excluded,
        sensitivity=_other(asked, digests),
    )


def _answered(it: Request, digests: tuple[str, ...]) -> Answered:
    """The answer, and the test through the lot that gives it, where one does.

    Raises
    ------
    EstimateError
        A model finds no p-value: nothing varies that it could be seen in.
    """
    if it.method.method == "randomization_test":
        test = it.question.test(excluded=it.excluded, rng=it.rng, digests=digests)
        return test.estimate, test
    if it.method.method == "staggered_rollout":
        found = rollout(it)
        named = replace(found.estimate, term=it.question.outcome.label.told("en"), exploratory=False, digests=digests)
        return named, found.test and replace(found.test, estimate=named, region=found.region)
    (one,) = estimates(it, digests=digests)
    if isnan(one.p_value):
        raise _nothing_varies(it)
    return one, None


def _few(question: Question) -> bool:
    """Whether a model's own uncertainty is uncertain: few drawn items, or of two arms few in one."""
    drawn = question.lot.codes[question.lot.free]
    if question.way == "within_months":
        return drawn.size <= FEW
    arms = [int((drawn == question.lot.code(name)).sum()) for name in question.compare]
    return sum(arms) <= FEW or min(arms) < FEW_IN_AN_ARM


def _checked(it: Request, digests: tuple[str, ...]) -> tuple[RandomizationTest | None, TrialkitError | None]:
    """The test of the same question through the lot, which the plan does not register; or why there is none."""
    try:
        test = it.question.test(excluded=it.excluded, rng=it.rng, digests=digests)
    except TrialkitError as reason:
        return None, reason
    return replace(test, estimate=replace(test.estimate, exploratory=True)), None


def _other(it: Request, digests: tuple[str, ...]) -> Estimate | None:
    """The answer with interrupted periods the other way."""
    if not it.question.panel.interrupted.any():
        return None
    try:
        return replace(_answered(replace(it, excluded=not it.excluded), digests)[0], exploratory=True)
    except TrialkitError:
        return None


def check_built(protocol: Protocol) -> None:
    """Refuse what cannot be answered the way it was registered.

    Raises
    ------
    EstimateError
        ``E_NOT_DRAWN`` or ``E_NOT_BUILT``.
    """
    if not protocol.drawn:
        raise needs_a_lot(protocol, "randomization_test")
    if what := unanswered(protocol):
        raise not_built(what)


def _nothing_varies(it: Request) -> EstimateError:
    return EstimateError(
        f"{it.method.method} finds no p-value: in these outcomes nothing varies that its uncertainty could be seen in. "
        "Another analysis in its place would be one chosen after the data were seen, so there is no answer.",
        {"registered": it.method.method},
        da=f"{it.method.method} giver ingen p-værdi: i disse udfald varierer intet, som usikkerheden kunne ses i. En anden "
        "analyse i stedet ville være valgt, efter at tallene var set, så der gives intet svar.",
    )


__all__ = ["FEW", "Answer", "Side", "chance_of", "check_built", "periods_of", "registered"]
