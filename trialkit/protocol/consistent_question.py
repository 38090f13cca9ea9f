"""Contradictions about the question: outcomes, estimand, analysis, planning, marks and money."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trialkit.protocol.analysis import DESCRIBES
from trialkit.protocol.contradiction import (
    ARM,
    FUNNEL,
    OUTCOME,
    STEP,
    WAVE,
    Contradiction,
    arms_called,
    outcomes_called,
    twice,
    unknown,
)
from trialkit.protocol.text import shortest

if TYPE_CHECKING:
    from trialkit.protocol.model import Protocol


def _outcomes(it: Protocol) -> Iterator[Contradiction]:
    yield from twice(("outcomes",), (outcome.id for outcome in it.outcomes))
    primary = [place for place, outcome in enumerate(it.outcomes) if outcome.primary]
    if len(primary) != 1:
        yield Contradiction(
            ("outcomes", *primary[1:2]),
            f"One outcome is primary, and {len(primary)} are marked so. Write primary: yes at one.",
            f"Ét udfald er primært, og {len(primary)} er markeret sådan. Skriv primary: ja ved ét.",
        )
    for place, outcome in enumerate(it.outcomes):
        for name in outcome.funnel:
            yield from unknown(("outcomes", place, "funnel"), name, it.funnels.steps, FUNNEL)
            steps = it.funnels.steps.get(name, ())
            for field, step in (("from", outcome.from_), ("to", outcome.to)):
                if steps and step is not None:
                    yield from unknown(("outcomes", place, field), step, steps, STEP)
            if outcome.from_ in steps and outcome.to in steps and steps.index(outcome.from_) >= steps.index(outcome.to):
                yield Contradiction(
                    ("outcomes", place, "to"),
                    f"In the funnel {name}, {outcome.to} does not come after {outcome.from_}.",
                    f"I forløbet {name} kommer {outcome.to} ikke efter {outcome.from_}.",
                )


_FITS = {
    "risk_difference": ("share", "yes_no"),
    "risk_ratio": ("share", "yes_no"),
    "proportion": ("share", "yes_no"),
    "mean_difference": ("number", "score", "count"),
    "mean": ("number", "score", "count"),
    "rate_difference": ("count", "share"),
    "rate": ("count", "share"),
    "hazard_ratio": ("time_to_event",),
}


def _estimand(it: Protocol) -> Iterator[Contradiction]:
    asked = it.estimand
    labels = outcomes_called(it)
    yield from unknown(("estimand", "what"), asked.what, (o.id for o in it.outcomes), OUTCOME, labels)
    for place, arm in enumerate(asked.compare):
        yield from unknown(("estimand", "compare", place), arm, it.arms, ARM, arms_called(it))
    if asked.measure in DESCRIBES and asked.compare:
        yield Contradiction(
            ("estimand", "measure"),
            f"{asked.measure} describes one group, and compare: names two.",
            f"{asked.measure} beskriver én gruppe, og compare: nævner to.",
        )
    if asked.measure not in DESCRIBES and len(set(asked.compare)) != 2:
        yield Contradiction(
            ("estimand",),
            f"{asked.measure} compares two arms: write compare: [new, usual].",
            f"{asked.measure} sammenligner to arme: skriv compare: [ny, hidtidig].",
        )
    outcome = next((outcome for outcome in it.outcomes if outcome.id == asked.what), None)
    if outcome is None:
        return
    if outcome.type not in _FITS[asked.measure]:
        fitting = [measure for measure, types in _FITS.items() if outcome.type in types]
        yield Contradiction(
            ("estimand", "measure"),
            f"{asked.measure} does not fit {outcome.id}, which is a {outcome.type}. Fitting: {', '.join(fitting)}.",
            f"{asked.measure} passer ikke til {outcome.id}, som er {outcome.type}. Disse passer: {', '.join(fitting)}.",
        )
    if outcome.role is not None:
        yield Contradiction(
            ("estimand", "what"),
            f"{outcome.id} is a {outcome.role} and is never tested as an effect.",
            f"{outcome.id} er en {'proces' if outcome.role == 'process' else 'beskrivelse'} og testes aldrig "
            "som en effekt.",
        )
    elif not outcome.primary:
        yield Contradiction(
            ("estimand", "what"),
            f"The estimand asks about {outcome.id}, which is not the primary outcome.",
            f"Effektmålet gælder {outcome.id}, som ikke er det primære udfald.",
            next((o.id for o in it.outcomes if o.primary), ""),
        )
    if asked.at_months is not None and asked.at_months not in outcome.at_months:
        yield Contradiction(
            ("estimand", "at_months"),
            f"{outcome.id} is not measured at {asked.at_months} months.",
            f"{outcome.id} måles ikke efter {asked.at_months} måneder.",
        )


def _windows(it: Protocol) -> Iterator[Contradiction]:
    asked = it.estimand
    days = next((o.window_days for o in it.outcomes if o.id == asked.what), None)
    if asked.period and it.waves and asked.period.to < it.waves[0].start:
        yield Contradiction(
            ("estimand", "period"),
            "The period ends before the first wave starts.",
            "Perioden slutter, før den første bølge starter.",
        )
    if asked.period and asked.complete_on and (asked.complete_on - asked.period.to).days < (days or 0):
        yield Contradiction(
            ("estimand", "complete_on"),
            f"A window of {days or 0} days from {asked.period.to} is still open on {asked.complete_on}.",
            f"Et vindue på {days or 0} dage fra {asked.period.to} er stadig åbent den {asked.complete_on}.",
        )


def _analysis(it: Protocol) -> Iterator[Contradiction]:
    for path, method in it.analysis.methods:
        if method.method in it.analysis.forbidden:
            yield Contradiction(
                (*path, "method"),
                f"{method.method} is both asked for and forbidden.",
                f"{method.method} er både ønsket og forbudt.",
            )
        if method.partly_grouped:
            yield from unknown((*path, "partly_grouped", "arm"), method.partly_grouped.arm, it.arms, ARM)
        if method.months_excluded_by and not it.interruptions:
            yield Contradiction(
                (*path, "months_excluded_by"),
                "No interruption is written in the draft.",
                "Der står ingen afbrydelser i udkastet.",
            )
        if method.method == "difference_in_differences" and not it.drawn and method.label != "not_randomized":
            yield Contradiction(
                path,
                "What was not drawn is labelled so: add label: not_randomized.",
                "Det, der ikke er trukket lod om, mærkes: tilføj label: not_randomized.",
            )
        within = {*it.strata.columns, *(["round"] if it.rounds else []), *([it.matched] if it.matched else [])}
        if it.drawn and method.method == "randomization_test" and method.within and set(method.within) != within:
            yield Contradiction(
                (*path, "within"),
                f"The test repeats the draw, which is made within: {', '.join(sorted(within)) or 'nothing'}.",
                f"Testen gentager lodtrækningen, som sker inden for: {', '.join(sorted(within)) or 'ingenting'}.",
                f"[{', '.join(sorted(within))}]",
            )
    if it.analysis.primary.alpha is None:
        yield Contradiction(
            ("analysis", "primary"),
            "The primary analysis needs alpha, for example alpha: 0.05.",
            "Den primære analyse skal have alpha, for eksempel alpha: 0.05.",
        )
    if it.analysis.many_outcomes == "one_family_per_administration_then_holm" and not any(
        outcome.administration for outcome in it.outcomes
    ):
        yield Contradiction(
            ("analysis", "many_outcomes"),
            "No outcome names its administration.",
            "Intet udfald angiver sin forvaltning (administration).",
        )


def _planning(it: Protocol) -> Iterator[Contradiction]:
    labels = outcomes_called(it)
    ids = [outcome.id for outcome in it.outcomes]
    effect = it.planning.smallest_effect_worth_finding
    if not isinstance(effect, str):
        path = ("planning", "smallest_effect_worth_finding", "outcome")
        yield from unknown(path, effect.outcome, ids, OUTCOME, labels)
    for field in ("baseline", "standard_deviation"):
        for name in getattr(it.planning, field):
            yield from unknown(("planning", field, name), name, ids, OUTCOME, labels)


def _shares(it: Protocol) -> Iterator[Contradiction]:
    shares = {outcome.id for outcome in it.outcomes if outcome.type in ("share", "yes_no")}
    for name, level in it.planning.baseline.items():
        if name in shares and not 0 <= level <= 1:
            yield Contradiction(
                ("planning", "baseline", name),
                f"{name} is a share, so its baseline lies between 0 and 1.",
                f"{name} er en andel, så udgangspunktet ligger mellem 0 og 1.",
                shortest(str(level / 100)) if 1 < level <= 100 else "",
            )
    effect = it.planning.smallest_effect_worth_finding
    if not isinstance(effect, str) and effect.outcome in shares and effect.absolute is not None and effect.absolute > 1:
        yield Contradiction(
            ("planning", "smallest_effect_worth_finding", "absolute"),
            f"{effect.outcome} is a share, so an effect on it is at most 1.",
            f"{effect.outcome} er en andel, så en effekt på den er højst 1.",
            shortest(str(effect.absolute / 100)) if effect.absolute <= 100 else "",
        )


def _marks(it: Protocol) -> Iterator[Contradiction]:
    yield from twice(("interruptions",), (mark.id for mark in it.interruptions))
    for place, mark in enumerate(it.interruptions):
        if mark.affects:
            for wave in mark.affects.waves:
                yield from unknown(("interruptions", place, "affects", "waves"), wave, (w.id for w in it.waves), WAVE)
            if mark.affects.funnel:
                yield from unknown(
                    ("interruptions", place, "affects", "funnel"), mark.affects.funnel, it.funnels.steps, FUNNEL
                )


def _teams(it: Protocol) -> Iterator[Contradiction]:
    if it.teams:
        yield from unknown(("teams", "arm"), it.teams.arm, it.arms, ARM, arms_called(it))
    finals = [report.final for report in it.reports if report.final]
    if len(finals) > 1:
        yield Contradiction(("reports",), "There is one final report.", "Der er én endelig rapport.")
    for year, part in it.budget.of_which_evaluation_thousand_dkk.items():
        total = it.budget.total_thousand_dkk.get(year)
        if total is None or part > total:
            yield Contradiction(
                ("budget", "of_which_evaluation_thousand_dkk", year),
                f"In {year} the evaluation costs more than the whole budget, or the year has no total.",
                f"I {year} koster evalueringen mere end hele budgettet, eller året mangler en total.",
            )


RULES = (_outcomes, _estimand, _windows, _analysis, _planning, _shares, _marks, _teams)
