"""Contradictions about who is drawn and how: design, waves, strata, fixed units, balance."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from trialkit.canonical import text_fault
from trialkit.protocol.contradiction import (
    ARM,
    STRATUM,
    WAVE,
    Contradiction,
    arms_called,
    twice,
    unknown,
)

if TYPE_CHECKING:
    from trialkit.protocol.model import Protocol


REHEARSAL: Final = "PRØVE: "  # a rehearsal's title begins so, and must be publishable too
_NEEDS = {
    "phased_rollout": ("waves", "lottery"),
    "capacity_rollout": ("waves", "lottery"),
    "rolling_lottery": ("lottery",),
    "place_lottery": ("lottery", "capacity"),
    "matched": ("matched", "lottery"),
    "blocked": ("strata", "lottery"),
    "complete": ("lottery",),
    "observed_staged_entry": ("waves", "assignment"),
}
_ONLY_FOR = {
    "waves": ("phased_rollout", "capacity_rollout", "observed_staged_entry"),
    "matched": ("matched",),
    "assignment": ("observed_staged_entry",),
    "rounds": ("place_lottery",),
    "capacity": ("place_lottery", "rolling_lottery"),
    "never_in_lottery": ("rolling_lottery", "place_lottery"),
    "balance": ("complete", "blocked", "matched", "phased_rollout"),
    "clusters": ("complete", "blocked", "matched", "phased_rollout", "capacity_rollout", "place_lottery"),
    "fixed": ("complete", "blocked", "phased_rollout", "capacity_rollout"),
}


_ONLY_FOR = {
    "waves": ("phased_rollout", "capacity_rollout", "observed_staged_entry"),
    "matched": ("matched",),
    "assignment": ("observed_staged_entry",),
    "rounds": ("place_lottery",),
    "capacity": ("place_lottery", "rolling_lottery"),
    "never_in_lottery": ("rolling_lottery", "place_lottery"),
    "balance": ("complete", "blocked", "matched", "phased_rollout"),
    "clusters": ("complete", "blocked", "matched", "phased_rollout", "capacity_rollout", "place_lottery"),
    "fixed": ("complete", "blocked", "phased_rollout", "capacity_rollout"),
}


def _texts(it: Protocol) -> Iterator[Contradiction]:
    for lang, text in (("en", it.title.en), ("da", it.title.da)):
        if text and (why := text_fault(REHEARSAL + text)):
            yield Contradiction(
                ("title", lang),
                f"The title {why[0]}. It is published with the draw and must be one plain line.",
                f"Titlen {why[1]}. Den offentliggøres med lodtrækningen og skal være én almindelig linje.",
            )


def _given(it: Protocol, field: str) -> bool:
    return bool(it.strata.by) if field == "strata" else bool(getattr(it, field))


def _design(it: Protocol) -> Iterator[Contradiction]:
    for field in _NEEDS[it.design]:
        if not _given(it, field):
            yield Contradiction(
                ("design",),
                f"design: {it.design} needs {field}, and the draft has none.",
                f"design: {it.design} kræver {field}, og det mangler i udkastet.",
            )
    for field, designs in _ONLY_FOR.items():
        if _given(it, field) and it.design not in designs:
            yield Contradiction(
                (field,),
                f"{field} has no meaning for design: {it.design}. Take it out, or choose: {', '.join(designs)}.",
                f"{field} har ingen betydning for design: {it.design}. Slet det, eller vælg: {', '.join(designs)}.",
            )
    if it.design in ("complete", "matched", "capacity_rollout") and it.strata.by:
        yield Contradiction(
            ("strata",),
            f"design: {it.design} makes one draw, so strata would be ignored. Write design: blocked (or "
            "phased_rollout), "
            "or strata: none.",
            f"design: {it.design} er én lodtrækning, så strata ville blive overset. Skriv design: blocked (eller "
            "phased_rollout) eller strata: none.",
            "none",
        )
    if not it.drawn:
        yield from _not_drawn(it)


def _not_drawn(it: Protocol) -> Iterator[Contradiction]:
    if it.assignment and it.assignment.by_lot:
        yield Contradiction(
            ("assignment", "by_lot"),
            "observed_staged_entry means that no lot was drawn.",
            "observed_staged_entry betyder, at der ikke er trukket lod.",
            "no",
        )
    if it.lottery:
        yield Contradiction(
            ("lottery",),
            "No lot was drawn, so there is no lottery to describe. Take it out.",
            "Der er ikke trukket lod, så der er ingen lodtrækning at beskrive. Slet afsnittet.",
        )
    for path, method in it.analysis.methods:
        if method.method == "randomization_test":
            yield Contradiction(
                (*path, "method"),
                "A randomization test repeats the lot, and no lot was drawn.",
                "En randomiseringstest gentager lodtrækningen, og der er ikke trukket lod.",
            )
    if it.estimand.claim == "causal":
        yield Contradiction(
            ("estimand", "claim"),
            "What was not drawn by lot is described, not claimed as an effect.",
            "Det, der ikke er afgjort ved lodtrækning, beskrives og kaldes ikke en effekt.",
            "descriptive",
        )


def _waves(it: Protocol) -> Iterator[Contradiction]:
    yield from twice(("waves",), (wave.id for wave in it.waves))
    for place, (before, after) in enumerate(pairwise(it.waves), start=1):
        if after.start <= before.start:
            yield Contradiction(
                ("waves", place, "start"),
                f"The wave {after.id} starts on {after.start}, not after {before.id} on {before.start}. List the waves "
                "in the order they start.",
                f"Bølgen {after.id} starter {after.start}, ikke efter {before.id} den {before.start}. Skriv "
                "bølgerne i den "
                "rækkefølge, de starter.",
            )
    if it.design == "capacity_rollout" and any(wave.id == "waiting" for wave in it.waves):
        yield Contradiction(
            ("waves",),
            "A wave cannot be called waiting: that is what those without a place are called.",
            "En bølge kan ikke hedde waiting: det kaldes de enheder, der ikke får plads.",
        )


def _strata(it: Protocol) -> Iterator[Contradiction]:
    strata_of_waves = {frozenset(wave.places) for wave in it.waves if not isinstance(wave.places, int)}
    plain = [place for place, wave in enumerate(it.waves) if isinstance(wave.places, int)]
    if it.drawn and it.strata.by and it.waves:
        for place in plain:
            yield Contradiction(
                ("waves", place, "places"),
                f"The draw is made within strata ({', '.join(it.strata.columns)}), so places are given per "
                "stratum, for "
                'example places: {"3": 18, "4": 5}.',
                f"Lodtrækningen sker inden for strata ({', '.join(it.strata.columns)}), så pladserne angives "
                "pr. stratum, "
                'for eksempel places: {"3": 18, "4": 5}.',
            )
    if not it.strata.by and strata_of_waves:
        yield Contradiction(
            ("waves",),
            "Places are given per stratum, and strata: names none.",
            "Pladserne er angivet pr. stratum, og strata: nævner ingen.",
        )
    if len(strata_of_waves) > 1:
        yield Contradiction(
            ("waves",),
            "The waves do not name the same strata, so some units would have no place.",
            "Bølgerne nævner ikke de samme strata, så nogle enheder ville mangle en plads.",
        )
    if len(it.strata.by) == 1 and (values := it.strata.by[0].values):
        for place, wave in enumerate(it.waves):
            if not isinstance(wave.places, int):
                for name in wave.places:
                    yield from unknown(("waves", place, "places", name), name, values, STRATUM)


def _fixed(it: Protocol) -> Iterator[Contradiction]:
    for place, group in enumerate(it.fixed):
        if group.arm is not None:
            yield from unknown(("fixed", place, "arm"), group.arm, it.arms, ARM, arms_called(it))
        if group.wave is not None:
            yield from unknown(("fixed", place, "wave"), group.wave, (wave.id for wave in it.waves), WAVE)
    for place, aside in enumerate(it.never_in_lottery):
        yield from unknown(("never_in_lottery", place, "goes_to"), aside.goes_to, it.arms, ARM, arms_called(it))
    yield from twice(("eligible_families",), (rule.id for rule in it.eligible_families))


def _balance(it: Protocol) -> Iterator[Contradiction]:
    for place, rule in enumerate(it.balance):
        per = rule.compare.rpartition("_")[2]
        wanted = "wave" if it.waves else "arm"
        if per in ("wave", "arm") and per != wanted:
            instead = rule.compare.replace(f"per_{per}", f"per_{wanted}")
            yield Contradiction(
                ("balance", place, "compare"),
                f"This design draws {wanted}s, so the rule compares per {wanted}.",
                f"Dette design trækker {'bølger' if it.waves else 'arme'}, så reglen sammenligner pr. "
                f"{'bølge' if it.waves else 'arm'}.",
                instead,
            )
    kinds = {rule.compare == "mahalanobis" for rule in it.balance}
    if len(kinds) > 1 or (True in kinds and len(it.balance) > 1):
        yield Contradiction(
            ("balance",),
            "A Mahalanobis rule stands alone: put all its variables in one rule.",
            "En Mahalanobis-regel står alene: skriv alle dens variable i én regel.",
        )


RULES = (_texts, _design, _waves, _strata, _fixed, _balance)
