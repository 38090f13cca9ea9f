"""What was not drawn by lot, described the way it was registered: a share, curves by wave, a comparison of changes.

No test and no p-value: there is no lottery to repeat.  What needs one is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import EstimateError, TrialkitError
from trialkit.estimate.beside import CHECK, MODEL, OUTCOME, SECONDARY, Line, nothing_recorded
from trialkit.estimate.proportion import proportion_with_cluster_interval
from trialkit.estimate.question import USUAL_ALPHA, asked_about, not_built, periods_of
from trialkit.estimate.regression import least_squares
from trialkit.estimate.result import Estimate
from trialkit.estimate.within_months import STARTED, WAITING, Calendar, states
from trialkit.panel import Panel

if TYPE_CHECKING:
    from trialkit.design.observed import ObservedAssignment
    from trialkit.protocol.analysis import Method
    from trialkit.protocol.model import Protocol
    from trialkit.protocol.outcomes import Outcome

Bools = NDArray[np.bool_]

NEEDS_A_LOT: Final = frozenset(
    {"randomization_test", "difference_in_means", "weighted_difference", "ancova", "instrumental_variable",
     "staggered_rollout", "event_study", "stepped_wedge_model", "spillover_check", "lee_bounds", "worst_case_bounds"}
)  # fmt: skip
CURVE: Final = "monthly_curve"
_SHARES: Final = ("share", "yes_no")


@dataclass(frozen=True, eq=False, kw_only=True)
class Description:
    """The registered description and what a page says about it.

    Parameters
    ----------
    estimate : the share of all, with its interval
    panel : the outcome of every unit, in the periods of the question, or in all there are data of
    waves : (n,) the wave each unit entered in
    starts : of every wave, by its id
    states : (n, t) int8, 1 from the first whole period after the unit's start, 0 before its start, -1 between
    used : (n, t) bool, the cells in the share
    excluded : interrupted periods were left out, as registered
    sensitivity : the same with interrupted periods the other way; None where nothing was interrupted
    lines : what else is registered, answered or not; of a curve neither, since a curve is shown
    """

    estimate: Estimate
    panel: Panel
    waves: tuple[str, ...]
    starts: Mapping[str, date]
    states: NDArray[np.int8]
    used: Bools
    excluded: bool
    sensitivity: Estimate | None
    lines: tuple[Line, ...]

    @property
    def curve(self) -> bool:
        """Whether a curve by wave is registered."""
        return any(line.method == CURVE for line in self.lines)


def described(
    protocol: Protocol,
    assignment: ObservedAssignment,
    panels: Mapping[str, Panel],
    *,
    digests: tuple[str, ...] = (),
) -> Description:
    """Describe what the plan registers.

    Parameters
    ----------
    protocol : of a trial that was not drawn
    assignment : the wave each unit entered in
    panels : outcome id -> Panel of all units
    digests : of plan and snapshot

    Raises
    ------
    EstimateError
        ``E_NOT_DRAWN``: the primary method needs a lot.  ``E_NOT_BUILT``: it is not a share.  ``E_NO_RECORDS``: nothing
        is recorded of the outcome.
    """
    method = protocol.analysis.primary
    if method.method in NEEDS_A_LOT:
        raise needs_a_lot(protocol, method.method)
    if method.method != "proportion_with_cluster_interval":
        raise not_built(method.method)
    work = _Work(protocol, assignment, panels, digests)
    panel = work.panel(asked_about(protocol))
    own = method.months_excluded_by == "interruptions"
    used = _used(panel, own)
    other = work.share(asked_about(protocol), panel, not own) if panel.interrupted.any() else None
    return Description(
        estimate=work.share(asked_about(protocol), panel, own),
        panel=panel,
        waves=assignment.waves,
        starts=dict(assignment.starts),
        states=work.states(panel),
        used=used,
        excluded=own,
        sensitivity=other and replace(other, exploratory=True),
        lines=tuple(work.lines()),
    )


@dataclass(frozen=True, eq=False)
class _Work:
    """One pass through the plan's list."""

    protocol: Protocol
    assignment: ObservedAssignment
    panels: Mapping[str, Panel]
    digests: tuple[str, ...]

    def panel(self, outcome: Outcome) -> Panel:
        """The outcome in the periods of the question."""
        found = self.panels.get(outcome.id)
        if found is None or not (found.observed & (found.denominator > 0)).any():
            raise nothing_recorded(outcome)
        return found.only(periods_of(self.protocol, outcome) or found.periods)

    def states(self, panel: Panel) -> NDArray[np.int8]:
        """(n, t) before the start, from it on, or between."""
        starts = dict(self.assignment.starts)
        found = states(Calendar.of(panel.periods), list(starts.values()))
        return np.asarray(found[[list(starts).index(wave) for wave in self.assignment.waves]])

    def share(self, outcome: Outcome, panel: Panel, excluded: bool) -> Estimate:
        """The share of all people, by cluster; the clusters are the units."""
        if outcome.type not in _SHARES:
            raise not_built(f"proportion_with_cluster_interval ({outcome.id}: {outcome.type})")
        unit, period = np.nonzero(_used(panel, excluded))
        return proportion_with_cluster_interval(
            panel.numerator[unit, period], panel.denominator[unit, period], np.array(panel.units)[unit],
            level=self.level(self.protocol.analysis.primary), term=outcome.label.told("en"), exploratory=False,
            digests=self.digests,
        )  # fmt: skip

    def level(self, method: Method) -> float:
        """Of the interval."""
        return 1 - float(method.alpha or self.protocol.analysis.primary.alpha or USUAL_ALPHA)

    def lines(self) -> Iterator[Line]:
        """Secondary analyses, model and check of the primary outcome, then the other outcomes."""
        analysis, primary = self.protocol.analysis, asked_about(self.protocol)
        parts = [(SECONDARY, method) for method in analysis.secondary]
        parts += [(part, method) for part, method in ((MODEL, analysis.model), (CHECK, analysis.check)) if method]
        for part, method in parts:
            yield self._line(Line(part=part, method=method.method, outcome=primary.id), method, primary)
        for outcome in self.protocol.outcomes:
            if outcome.id != primary.id and outcome.role is None:
                line = Line(part=OUTCOME, method=analysis.primary.method, outcome=outcome.id)
                yield self._line(line, analysis.primary, outcome)

    def _line(self, line: Line, method: Method, outcome: Outcome) -> Line:
        try:
            panel = self.panel(outcome)
            if method.method == CURVE:
                return line
            own = method.months_excluded_by == "interruptions"
            found = self._found(method, outcome, panel, own)
            other = self._found(method, outcome, panel, not own) if panel.interrupted.any() else None
            return replace(line, estimate=found, excluded=own, sensitivity=other and replace(other, exploratory=True))
        except TrialkitError as reason:
            return replace(line, reason=reason)

    def _found(self, method: Method, outcome: Outcome, panel: Panel, excluded: bool) -> Estimate:
        if method.method in NEEDS_A_LOT:
            raise needs_a_lot(self.protocol, method.method)
        if method.method == "proportion_with_cluster_interval":
            return self.share(outcome, panel, excluded)
        if method.method == "difference_in_differences":
            return self._changes(method, outcome, panel, excluded)
        raise not_built(method.method)

    def _changes(self, method: Method, outcome: Outcome, panel: Panel, excluded: bool) -> Estimate:
        """The change of the first wave less the change of the second, while the second had not begun."""
        waves = list(dict(self.assignment.starts))
        if len(waves) != 2:
            raise not_built(f"difference_in_differences ({len(waves)} waves)")
        first = np.array([wave == waves[0] for wave in self.assignment.waves])
        state = self.states(panel)
        both = [state[rows] for rows in (first, ~first)]
        before = (both[0] == WAITING).all(axis=0) & (both[1] == WAITING).all(axis=0)
        after = (both[0] == STARTED).all(axis=0) & (both[1] == WAITING).all(axis=0)
        used = _used(panel, excluded) & (before | after)[None, :]
        self._check_changes(used, first, before, after, waves)
        unit, period = np.nonzero(used)
        group, late = first[unit].astype(np.float64), after[period].astype(np.float64)
        fitted = least_squares(
            panel.value[unit, period], {"first": group, "late": late, "change": group * late},
            clusters=np.array(panel.units)[unit], weights=panel.denominator[unit, period],
        )  # fmt: skip
        found = fitted.moments("change").as_estimate(
            unit=panel.unit, level=self.level(method), method="difference-in-differences, not drawn by lot, CR2 by unit",
            n_units=fitted.n_clusters, term=outcome.label.told("en"), exploratory=False, digests=self.digests,
        )  # fmt: skip
        return replace(found, p_value=np.nan, statistic=np.nan)

    def _check_changes(self, used: Bools, first: Bools, before: Bools, after: Bools, waves: list[str]) -> None:
        """Refuse a comparison one of whose four corners is empty."""
        began = ("before any wave began", "før nogen begyndte")
        between = (f"while only {waves[0]} had begun", f"mens kun {waves[0]} var begyndt")
        for name, rows in ((waves[0], first), (waves[1], ~first)):
            for (when, da), columns in ((began, before), (between, after)):
                if not used[np.ix_(rows, columns)].any():
                    raise EstimateError(
                        f"A comparison of changes needs {name} in a month {when}, and nothing is recorded of it there.",
                        {"wave": name},
                        da=f"En sammenligning af ændringer kræver {name} i en måned, {da}, og der er intet indlæst om den "
                        "dér.",
                        code="E_NO_RECORDS",
                    )


def _used(panel: Panel, excluded: bool) -> Bools:
    """(n, t) cells with somebody in them; without the interrupted ones where they are left out."""
    found: Bools = panel.observed & (panel.denominator > 0)
    return found & ~panel.interrupted if excluded else found


def needs_a_lot(protocol: Protocol, method: str) -> EstimateError:
    """The refusal of a method that repeats or rests on a lottery."""
    return EstimateError(
        f"{protocol.protocol} was not drawn by lot, so there is no lottery that {method} could repeat or rest on. What the "
        "plan registers is a description; ask for that.",
        {"protocol": protocol.protocol, "method": method},
        da=f"{protocol.protocol} er ikke afgjort ved lodtrækning, så der er ingen lodtrækning, som {method} kan gentage eller "
        "hvile på. Det, planen har registreret, er en beskrivelse; bed om den.",
        code="E_NOT_DRAWN",
    )


__all__ = ["CURVE", "Description", "described", "needs_a_lot"]
