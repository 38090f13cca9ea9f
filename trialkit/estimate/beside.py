"""What stands beside the primary answer: the other analyses and outcomes that the plan registers, and no others.

Each is computed on the same drawn units through the same design.  What cannot be answered is listed by name with its
reason; nothing takes its place, and nothing is left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from trialkit.errors import EstimateError, TrialkitError
from trialkit.estimate.beside_methods import Facts, Request, bounds, estimates, reported
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.families import by_administration, holm, together
from trialkit.estimate.missing import Attrition, Bounds
from trialkit.estimate.neighbours import Map, Spillover, spillover
from trialkit.estimate.question import Question, Side
from trialkit.estimate.result import Estimate
from trialkit.panel import Panel
from trialkit.protocol.analysis import AVERAGES, MODELS, THROUGH_THE_LOT, Method

if TYPE_CHECKING:
    from trialkit.design.assignment import Assignment
    from trialkit.design.base import Design
    from trialkit.protocol.model import Protocol
    from trialkit.protocol.outcomes import Outcome

SECONDARY, MODEL, CHECK, MISSING, OUTCOME = "secondary", "model", "check", "missing", "outcome"


@dataclass(frozen=True, eq=False, kw_only=True)
class Line:
    """One registered analysis: its answer, or why there is none.

    Parameters
    ----------
    part : where the plan registers it: ``secondary``, ``model``, ``check``, ``missing`` or ``outcome``
    method : as the draft names it; of another outcome the primary method
    outcome : id of the outcome it is about
    administration : whose goal the outcome is, where the plan says
    estimate : the answer; None with ``reason``
    p_adjusted : for all that is secondary together; nan where nothing is adjusted
    sensitivity : the same with interrupted periods the other way; None where nothing was interrupted
    excluded : interrupted periods were left out of the answer
    bounds : where outcomes are missing: what the difference is at least and at most
    sides : of another outcome, both sides of its difference, with the counts they come from
    reason : why there is no answer
    """

    part: str
    method: str
    outcome: str
    administration: str = ""
    estimate: Estimate | None = None
    p_adjusted: float = nan
    sensitivity: Estimate | None = None
    excluded: bool = False
    bounds: Bounds | None = None
    sides: tuple[Side, Side] | None = None
    reason: TrialkitError | None = None

    @property
    def tested(self) -> bool:
        """Whether it has a p-value."""
        return self.estimate is not None and not np.isnan(self.estimate.p_value)


@dataclass(frozen=True, eq=False, kw_only=True)
class Beside:
    """Everything registered beside the primary answer.

    Parameters
    ----------
    lines : in the plan's order: secondary analyses, model, check, missing outcomes, other outcomes
    spillover : the registered look at neighbours; None where there is none
    attrition : how many units reported in either arm, where the plan says what is done with missing outcomes
    adjusted_by : how p-values were adjusted, in the draft's word; empty where they were not
    """

    lines: tuple[Line, ...] = ()
    spillover: Spillover | None = None
    attrition: Attrition | None = None
    adjusted_by: str = ""

    @property
    def answered(self) -> tuple[Line, ...]:
        """Those with an answer."""
        return tuple(line for line in self.lines if line.estimate is not None)

    @property
    def unanswered(self) -> tuple[Line, ...]:
        """Those without, each with its reason."""
        return tuple(line for line in self.lines if line.reason is not None)


def beside(
    protocol: Protocol,
    design: Design,
    assignment: Assignment,
    panels: Mapping[str, Panel],
    *,
    neighbours: Map | None = None,
    facts: Facts | None = None,
    rng: np.random.Generator | None = None,
    digests: tuple[str, ...] = (),
) -> Beside:
    """Answer what the plan registers beside its primary question.

    Parameters
    ----------
    protocol, design, assignment : as `trialkit.estimate.registered.registered`
    panels : outcome id -> Panel, of every outcome there are data of; the primary one among them
    neighbours : who touches whom
    facts : unit -> column -> value, from the plan's list of units
    rng : for Monte Carlo (`chance_of`); each analysis gets a stream of its own, in the plan's order
    digests : of plan, draw record and snapshot

    Raises
    ------
    EstimateError
        The assignment is not one the design could have given.  What goes wrong in a single analysis is its reason.
    """
    work = _Work(protocol, Drawn.of(design, assignment), panels, neighbours or Map(), facts or {}, rng, digests)
    lines = [*work.analyses(), *work.missing(), *work.outcomes()]
    return Beside(
        lines=tuple(work.adjusted(lines)),
        spillover=work.spillover_found,
        attrition=work.attrition(),
        adjusted_by=protocol.analysis.many_outcomes or "",
    )


@dataclass(eq=False)
class _Work:
    """One pass through the plan's list."""

    protocol: Protocol
    lot: Drawn
    panels: Mapping[str, Panel]
    neighbours: Map
    facts: Facts
    rng: np.random.Generator | None
    digests: tuple[str, ...]
    spillover_found: Spillover | None = None

    def analyses(self) -> Iterator[Line]:
        """Secondary analyses, model and check, of the primary outcome."""
        analysis, what = self.protocol.analysis, self.protocol.estimand.what
        single = [(part, method) for part, method in ((MODEL, analysis.model), (CHECK, analysis.check)) if method]
        for part, method in [*((SECONDARY, method) for method in analysis.secondary), *single]:
            line = Line(part=part, method=method.method, outcome=what)
            yield from self._tried(line, method)

    def missing(self) -> Iterator[Line]:
        """What the plan does about outcomes that never came; complete cases are what every analysis uses."""
        asked = self.protocol.analysis.missing
        if asked is None:
            return
        named = [asked.method, asked.also, "worst_case_bounds" if asked.not_answering == "report_and_bound" else None]
        for name in dict.fromkeys(name for name in named if name and name != "complete_cases"):
            line = Line(part=MISSING, method=name, outcome=self.protocol.estimand.what)
            try:
                question, method = self._question(line.outcome), Method(method=name)
                found = bounds(self._request(question, method, excluded=question.excluded), name)
                yield replace(line, bounds=found, estimate=_as_estimate(found, question, self.digests))
            except TrialkitError as reason:
                yield replace(line, reason=reason)

    def outcomes(self) -> Iterator[Line]:
        """The registered primary analysis of every other outcome that is an effect."""
        for outcome in self.protocol.outcomes:
            if outcome.id == self.protocol.estimand.what or outcome.role is not None:
                continue
            method = self.protocol.analysis.primary
            line = Line(
                part=OUTCOME, method=method.method, outcome=outcome.id, administration=outcome.administration or ""
            )
            yield from self._tried(line, method)
        yield from self._silent()

    def _silent(self) -> Iterator[Line]:
        """A line for every administration none of whose outcomes is an effect: missing is shown, not passed over."""
        if self.protocol.analysis.many_outcomes != "one_family_per_administration_then_holm":
            return
        own = self.protocol.estimand.what
        effects = {one.administration for one in self.protocol.outcomes if one.role is None or one.id == own}
        for outcome in self.protocol.outcomes:
            if outcome.administration and outcome.administration not in effects:
                yield Line(
                    part=OUTCOME, method=self.protocol.analysis.primary.method, outcome=outcome.id,
                    administration=outcome.administration, reason=_no_effect(outcome),
                )  # fmt: skip

    def _tried(self, line: Line, method: Method) -> Iterator[Line]:
        """The analysis both ways, or its reason."""
        rng = self._stream()
        try:
            question = self._question(line.outcome)
            own = question.excluded or method.months_excluded_by == "interruptions"
            line = replace(line, excluded=own)
            if method.method == "spillover_check":
                yield self._spillover(line, question, own, rng)
                return
            if line.part == OUTCOME and method.method in THROUGH_THE_LOT | AVERAGES | MODELS:
                yield self._as_primary(line, question, rng)
                return
            found = estimates(self._request(question, method, excluded=own, rng=rng), digests=self.digests)
            other = self._other(question, method, not own)
            for place, one in enumerate(found):
                yield replace(line, estimate=one, sensitivity=other[place] if len(other) == len(found) else None)
        except TrialkitError as reason:
            yield replace(line, reason=reason)

    def _as_primary(self, line: Line, question: Question, rng: np.random.Generator | None) -> Line:
        """The registered primary analysis of another outcome, with both sides of its difference."""
        asked = self._request(question, question.primary, excluded=question.excluded, rng=rng)
        (found,) = estimates(asked, digests=self.digests)
        other = self._other(question, question.primary, not question.excluded)
        within = question.within()
        return replace(
            line,
            estimate=found,
            sides=question.sides(within, *question.cells(within)),
            sensitivity=other[0] if other else None,
        )

    def _other(self, question: Question, method: Method, excluded: bool) -> list[Estimate]:
        """The same with interrupted periods the other way; nothing where none was, or where it cannot be computed."""
        if not question.panel.interrupted.any():
            return []
        try:
            found = estimates(
                self._request(question, method, excluded=excluded, rng=self._stream()), digests=self.digests
            )
        except TrialkitError:
            return []
        return [replace(one, exploratory=True) for one in found]

    def _spillover(self, line: Line, question: Question, excluded: bool, rng: np.random.Generator | None) -> Line:
        found = spillover(
            question, self.neighbours, excluded=excluded, rng=rng, digests=self.digests, exploratory=False
        )  # fmt: skip
        self.spillover_found = found
        return replace(line, estimate=found.test, reason=found.reason)

    def _question(self, name: str) -> Question:
        outcome = next(one for one in self.protocol.outcomes if one.id == name)
        if name not in self.panels:
            raise nothing_recorded(outcome)
        question = Question.of(self.protocol, self.lot, self.panels[name], outcome)
        if not question.seen(False).any():
            raise nothing_recorded(outcome)
        return question

    def _request(
        self, question: Question, method: Method, *, excluded: bool, rng: np.random.Generator | None = None
    ) -> Request:
        return Request(question=question, method=method, excluded=excluded, facts=self.facts, rng=rng)

    def _stream(self) -> np.random.Generator | None:
        return None if self.rng is None else self.rng.spawn(1)[0]

    def attrition(self) -> Attrition | None:
        """Who reported, where the plan asks."""
        if self.protocol.analysis.missing is None:
            return None
        try:
            question = self._question(self.protocol.estimand.what)
            return reported(self._request(question, self.protocol.analysis.primary, excluded=question.excluded))
        except TrialkitError:
            return None

    def adjusted(self, lines: Sequence[Line]) -> list[Line]:
        """The lines with p-values adjusted as the plan says: everything secondary, never the primary answer."""
        asked = [line for line in lines if line.part in (SECONDARY, OUTCOME) and line.tested]
        p = [line.estimate.p_value for line in asked if line.estimate is not None]
        way = self.protocol.analysis.many_outcomes
        if way == "holm":
            found = holm(np.array(p, np.float64)).tolist()
        elif way == "one_family_per_administration_then_holm":
            found = by_administration(p, [line.administration or f"{line.outcome}/{line.method}" for line in asked])
        elif way == "westfall_young":
            found = self._westfall_young(asked)
        else:
            return list(lines)
        value = {id(line): one for line, one in zip(asked, found, strict=True)}
        return [replace(line, p_adjusted=value.get(id(line), nan)) for line in lines]

    def _westfall_young(self, asked: Sequence[Line]) -> list[float]:
        """Through the lot, all outcomes together; nan for what is no statistic of the lot (a model, the map's test)."""
        names = [line.outcome for line in asked if line.part == OUTCOME and line.method == "randomization_test"]
        questions = {name: self._question(name) for name in names}
        statistics = {name: one.statistic(one.excluded) for name, one in questions.items()}
        draws = self.protocol.analysis.primary.draws
        found = together(self.lot, statistics, draws=draws, rng=self._stream()) if statistics else {}
        return [found.get(line.outcome, nan) if line.part == OUTCOME else nan for line in asked]


def _as_estimate(found: Bounds, question: Question, digests: tuple[str, ...]) -> Estimate:
    """Bounds as a row: the difference among those who reported, with the interval that allows for who did not."""
    who = found.attrition
    return Estimate(
        term=question.outcome.label.told("en"), method=found.method, estimate=found.naive, std_error=nan, statistic=nan,
        df=nan, p_value=nan, smallest_p=nan, conf_low=found.conf_low, conf_high=found.conf_high, level=found.level,
        n_units=who.n_treated + who.n_control, n_allocations=0, mc_error=0.0, unit=found.unit, exploratory=False,
        digests=digests,
    )  # fmt: skip


def nothing_recorded(outcome: Outcome) -> EstimateError:
    """The reason why an outcome is missing from a table."""
    return EstimateError(
        f"Nothing is recorded of {outcome.id} in the periods of the question, so there is nothing to compare. Record it, or "
        "leave it as missing.",
        {"outcome": outcome.id},
        da=f"Der er intet indlæst om {outcome.id} i spørgsmålets perioder, så der er intet at sammenligne. Indlæs det, eller "
        "lad det stå som manglende.",
        code="E_NO_RECORDS",
    )


def _no_effect(outcome: Outcome) -> EstimateError:
    return EstimateError(
        f"{outcome.administration} has no outcome that is an effect: {outcome.id} is a {outcome.role} and is never tested as "
        "one.",
        {"outcome": outcome.id, "administration": outcome.administration},
        da=f"{outcome.administration} har intet udfald, der er en effekt: {outcome.id} er en "
        f"{'proces' if outcome.role == 'process' else 'beskrivelse'} og testes aldrig som en effekt.",
    )


__all__ = ["CHECK", "MISSING", "MODEL", "OUTCOME", "SECONDARY", "Beside", "Line", "beside", "nothing_recorded"]
