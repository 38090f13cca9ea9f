"""What a protocol promises and no command acts on yet, so that ``check`` can say so openly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel

from trialkit.protocol.analysis import AVERAGES, DIFFERENCES, MODELS, THROUGH_THE_LOT

if TYPE_CHECKING:
    from trialkit.protocol.model import Protocol

# Field of the protocol: what it says in English, in Danish. A line goes when a command begins to act on its field.
_LATER: Final = {
    "funnels": ("steps from offer to completion", "trin fra tilbud til gennemført forløb"),
    "deliveries": ("what each unit owes, and when", "hvad hver enhed skal aflevere, og hvornår"),
    "eligible_families": ("how units choose families", "hvordan enhederne udvælger familier"),
    "teams": ("staff who see several families", "medarbejdere, der følger flere familier"),
    "plan": ("each family's action plan", "familiehandleplanen"),
    "units.district_file": ("the list of districts people may live in", "listen over bydele, man kan bo i"),
    "units.housing_area_file": ("the list of residential areas", "listen over boligområder"),
    "lottery.only_when": ("lots only when there is a queue", "lodtrækning kun, når der er kø"),
    "capacity.longest_stay_months": ("how long a place is held", "hvor længe en plads er optaget"),
    "estimand.secondary": ("the secondary estimand", "det sekundære effektmål"),
    "planning.expected": ("expected shares", "forventede andele"),
}

# What `estimate` answers where a lot decides about units that report together; people who come one by one wait for it.
_ANALYSIS: Final = {
    "analysis.secondary": ("secondary analyses", "sekundære analyser"),
    "analysis.model": ("the model beside the primary answer", "modellen ved siden af det primære svar"),
    "analysis.check": ("the check of the primary answer", "kontrollen af det primære svar"),
    "analysis.missing": ("what is done with missing outcomes", "håndteringen af manglende udfald"),
    "analysis.many_outcomes": ("the adjustment for many outcomes", "korrektionen for mange udfald"),
    "analysis.looks": ("early looks at the answer", "tidlige kig på svaret"),
    "analysis.early_report": ("the early report", "den tidlige rapport"),
    "reports": ("reports on the way", "rapporter undervejs"),
}

# Methods that no command computes: each is named where the draft registers it, and listed as not answered in its report.
_METHODS: Final = {
    "instrumental_variable": ("the effect for those who started", "effekten for dem, der begyndte"),
    "multiple_imputation": ("filling in missing outcomes", "udfyldning af manglende udfald"),
}

# In a rolling lottery `next` is told a code and a stratum only, so whoever enrols must apply these rules.
_BY_WHOEVER_ENROLS: Final = {
    "eligible": (
        "who may be enrolled; whoever enrols checks it",
        "hvem der kan optages; den, der optager, kontrollerer",
    ),
    "never_in_lottery": (
        "who never waits; whoever enrols must send them on",
        "hvem der aldrig venter; den, der optager, skal sende dem videre",
    ),
}


def not_yet(protocol: Protocol) -> tuple[tuple[str, str, str], ...]:
    """(field, English, Danish) of each part that is written in ``protocol`` and listed here."""
    alone = protocol.design in ("rolling_lottery", "place_lottery")
    listed = _LATER | _ANALYSIS if alone else _LATER
    found = [(field, *listed[field]) for field in _written(protocol, listed)]
    if not alone:
        found += [(place, *_METHODS[name]) for place, name in _registered(protocol) if name in _METHODS]
    if lacking := unanswered(protocol):
        en, da = f"the primary answer; estimate refuses {lacking}", f"det primære svar; estimate afviser {lacking}"
        found.append(("analysis.primary", en, da))
    found += _never_together(protocol)
    if protocol.design == "rolling_lottery":
        found += [(field, *said) for field, said in _BY_WHOEVER_ENROLS.items() if getattr(protocol, field)]
    return tuple(found)


def _never_together(protocol: Protocol) -> Iterator[tuple[str, str, str]]:
    """Westfall and Young go through the lot, so they adjust what the randomization test finds and nothing else."""
    name = protocol.analysis.primary.method
    if protocol.drawn and protocol.analysis.many_outcomes == "westfall_young" and name != "randomization_test":
        en, da = "the adjustment of what {} finds for other outcomes", "korrektionen af det, {} finder for andre udfald"
        yield "analysis.many_outcomes", en.format(name), da.format(name)


def unanswered(protocol: Protocol) -> str:
    """What the primary question of a drawn trial asks for that ``estimate`` refuses, as the draft has it; else empty."""
    return next(_refused(protocol), "") if protocol.drawn else ""


def _refused(protocol: Protocol) -> Iterator[str]:
    """Everything `unanswered` looks for, the method first."""
    analysis, measure, waves = protocol.analysis, protocol.estimand.measure, len(protocol.waves)
    primary, name = analysis.primary, analysis.primary.method
    modelled = name in AVERAGES | MODELS
    if name not in THROUGH_THE_LOT and not modelled:
        yield name
    if measure not in DIFFERENCES:
        yield f"measure: {measure}"
    if analysis.interval == ("by_inverting_the_test" if modelled else "model_based"):
        yield f"interval: {analysis.interval} ({name})"
    if modelled and primary.sides == "one":
        yield f"sides: one ({name})"
    if primary.adjust and name != "ancova":
        yield f"adjust: {', '.join(primary.adjust)} ({name})"
    if primary.partly_grouped is not None:
        yield f"partly_grouped ({name})"
    if primary.small_sample_correction is False and name in ("gee", "glmm"):
        yield f"small_sample_correction: no ({name})"
    if name in AVERAGES and (waves > 2 or primary.statistic == "difference_within_months"):
        yield f"{name} ({waves} waves)"
    if name == "staggered_rollout":
        yield from _of_whole_rows(protocol)
    if protocol.design in ("rolling_lottery", "place_lottery"):
        yield f"design: {protocol.design}"


def _of_whole_rows(protocol: Protocol) -> Iterator[str]:
    """What an estimator that needs every unit in every period cannot have."""
    outcome = next(one for one in protocol.outcomes if one.id == protocol.estimand.what)
    if not protocol.waves:
        yield "staggered_rollout (without waves)"
    if outcome.window_days and outcome.leave_out_if_window_crosses_start:
        yield "staggered_rollout (leave_out_if_window_crosses_start)"


def _registered(protocol: Protocol) -> Iterator[tuple[str, str]]:
    """Every method beside the primary one, with its place in the draft."""
    for path, method in protocol.analysis.methods:
        if path[1] != "primary":
            yield f"{path[0]}.{path[1]}.{method.method}", method.method
    if protocol.analysis.missing is not None and protocol.analysis.missing.method is not None:
        yield "analysis.missing.method", protocol.analysis.missing.method


def _written(protocol: Protocol, listed: Iterable[str]) -> Iterator[str]:
    for field in listed:
        part: BaseModel | None = protocol
        *above, last = field.split(".")
        for name in above:
            part = getattr(part, name, None)
        if part is not None and getattr(part, last) not in (type(part).model_fields[last].default, ()):
            yield field
