"""The protocol's primary question, answered the way it was registered; no other question, and no other way.

What is registered and not built yet is refused by name: a page never shows another analysis in its place.  What else
the plan registers stands beside the answer (`trialkit.estimate.beside`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from trialkit.design.parts_design import PartsDesign
from trialkit.estimate.described import needs_a_lot
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.question import Per, Question, Side, Way, not_built, periods_of
from trialkit.estimate.randomization import RandomizationTest
from trialkit.panel import Panel

if TYPE_CHECKING:
    from trialkit.design.assignment import Assignment
    from trialkit.design.base import Design
    from trialkit.estimate.result import Estimate
    from trialkit.protocol.model import Protocol

Bools = NDArray[np.bool_]

_DIFFERENCES: Final = ("risk_difference", "mean_difference", "rate_difference")


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer:
    """The registered answer and what a page says about it.

    Parameters
    ----------
    test : estimate, accepted effects, distribution over the allocations, periods dropped
    way : ``within_months`` for waves, ``two_arms`` where two labels are compared over all periods together
    counted_per : what the estimand weighs the same
    window_days : how long an event may take; cells whose windows cross the unit's own start are left out; 0: none are
    panel : the drawn units in the periods of the question
    labels : (n,) what each unit drew
    states : (n, t) int8, 1 started (or the new arm), 0 waiting (or the usual one), -1 left out by its window or label
    used : (n, t) bool, the cells that were compared
    started, waiting : the two sides of the difference
    excluded : interrupted periods were left out, as registered
    sensitivity : the same with interrupted periods the other way; None where nothing was interrupted
    """

    test: RandomizationTest
    way: Way
    counted_per: Per
    window_days: int
    alpha: float
    panel: Panel
    labels: tuple[str, ...]
    states: NDArray[np.int8]
    used: Bools
    started: Side
    waiting: Side
    excluded: bool = False
    sensitivity: Estimate | None = None

    @property
    def estimate(self) -> Estimate:
        """The answer as a table has it."""
        return self.test.estimate


def chance_of(record_hash: str) -> np.random.Generator:
    """The stream of a Monte Carlo test, seeded by the SHA-256 of the draw's record: nobody chooses it."""
    return np.random.default_rng(int(record_hash, 16))


def registered(
    protocol: Protocol,
    design: Design,
    assignment: Assignment,
    panel: Panel,
    *,
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
    own = question.excluded
    test = question.test(excluded=own, rng=rng, digests=digests)
    interrupted = question.panel.interrupted.any()
    other = question.test(excluded=not own, rng=rng, digests=digests) if interrupted else None
    states, used = question.cells(test)
    started, waiting = question.sides(test, states, used)
    return Answer(
        test=test,
        way=question.way,
        counted_per=question.counted_per,
        window_days=question.window_days,
        alpha=question.alpha,
        panel=question.panel,
        labels=tuple(design.label_names[code] for code in question.labels.tolist()),
        states=states,
        used=used,
        started=started,
        waiting=waiting,
        excluded=own,
        sensitivity=None if other is None else replace(other.estimate, exploratory=True),
    )


def check_built(protocol: Protocol) -> None:
    """Refuse what cannot be answered the way it was registered.

    Raises
    ------
    EstimateError
        ``E_NOT_DRAWN`` or ``E_NOT_BUILT``.
    """
    primary = protocol.analysis.primary
    if not protocol.drawn:
        raise needs_a_lot(protocol, "randomization_test")
    if primary.method != "randomization_test":
        raise not_built(primary.method)
    if protocol.estimand.measure not in _DIFFERENCES:
        raise not_built(f"measure: {protocol.estimand.measure}")
    if protocol.analysis.interval == "model_based":
        raise not_built("interval: model_based")
    if protocol.design in ("rolling_lottery", "place_lottery"):
        raise not_built(f"design: {protocol.design}")


__all__ = ["Answer", "Side", "chance_of", "check_built", "periods_of", "registered"]
