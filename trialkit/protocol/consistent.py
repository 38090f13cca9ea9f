"""Contradictions: what each field allows on its own and the protocol as a whole does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from typing import TYPE_CHECKING

from trialkit.canonical import text_fault
from trialkit.protocol.analysis import DESCRIBES
from trialkit.protocol.lottery import EACH_COMMITMENT, Drand, NumberedTable, Published, SealedSecret

if TYPE_CHECKING:
    from trialkit.protocol.model import Protocol

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Something two places of a draft say differently; ``instead`` is what should stand at ``path``, if plain."""

    path: Path
    en: str
    da: str
    instead: str = ""


def contradictions(protocol: Protocol) -> list[Contradiction]:
    """Everything in the protocol that contradicts something else in it, in the order of the draft's parts."""
    rules = (
        _texts,
        _design,
        _waves,
        _strata,
        _fixed,
        _balance,
        _lottery,
        _sources,
        _rolling,
        _places,
        _outcomes,
        _estimand,
        _analysis,
        _planning,
        _marks,
        _teams,
    )
    return [fault for rule in rules for fault in rule(protocol)]


def _unknown(
    path: Path, asked: str, known: Iterable[str], what: tuple[str, str], named: dict[str, str] | None = None
) -> Iterator[Contradiction]:
    """``asked`` must be one of ``known``; ``named`` maps what people call them to their ids."""
    known = list(known)
    if asked in known:
        return
    near = (named or {}).get(asked.casefold()) or next(iter(get_close_matches(asked, known, 1, 0.6)), "")
    listed = ", ".join(known) or "-"
    meant = (f" Did you mean {near}?", f" Mente du {near}?") if near else ("", "")
    yield Contradiction(
        path,
        f"{asked!r} is not {what[0]} of this protocol.{meant[0]} It has: {listed}.",
        f"{asked!r} er ikke {what[1]} i denne protokol.{meant[1]} Den har: {listed}.",
        near,
    )


_ARM, _WAVE = ("an arm", "en arm"), ("a wave", "en bølge")
_OUTCOME, _FUNNEL, _STEP = ("an outcome", "et udfald"), ("a funnel", "et forløb"), ("a step", "et trin")


def _twice(path: Path, ids: Iterable[str]) -> Iterator[Contradiction]:
    seen: set[str] = set()
    for place, name in enumerate(ids):
        if name in seen:
            yield Contradiction(
                (*path, place, "id"),
                f"The id {name!r} is used twice. Give each its own.",
                f"Id'et {name!r} bruges to gange. Giv hver sit eget.",
            )
        seen.add(name)


def _texts(it: Protocol) -> Iterator[Contradiction]:
    for lang, text in (("en", it.title.en), ("da", it.title.da)):
        if text and (why := text_fault(text)):
            yield Contradiction(
                ("title", lang),
                f"The title {why[0]}. It is published with the draw and must be one plain line.",
                f"Titlen {why[1]}. Den offentliggøres med lodtrækningen og skal være én almindelig linje.",
            )


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
    yield from _twice(("waves",), (wave.id for wave in it.waves))
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
                    yield from _unknown(("waves", place, "places", name), name, values, ("a stratum", "et stratum"))


def _fixed(it: Protocol) -> Iterator[Contradiction]:
    for place, group in enumerate(it.fixed):
        if group.arm is not None:
            yield from _unknown(("fixed", place, "arm"), group.arm, it.arms, _ARM, _labels_of_arms(it))
        if group.wave is not None:
            yield from _unknown(("fixed", place, "wave"), group.wave, (wave.id for wave in it.waves), _WAVE)
    for place, aside in enumerate(it.never_in_lottery):
        yield from _unknown(("never_in_lottery", place, "goes_to"), aside.goes_to, it.arms, _ARM, _labels_of_arms(it))
    yield from _twice(("eligible_families",), (rule.id for rule in it.eligible_families))


def _labels_of_arms(it: Protocol) -> dict[str, str]:
    return {text.casefold(): name for name, arm in it.arms.items() for text in (arm.en, arm.da) if text}


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


def _lottery(it: Protocol) -> Iterator[Contradiction]:
    if it.lottery is None:
        return
    lottery, rolling = it.lottery, it.design == "rolling_lottery"
    if (lottery.method == "hidden_blocks") != rolling:
        instead = "hidden_blocks" if rolling else "shuffle"
        yield Contradiction(
            ("lottery", "method"),
            f"design: {it.design} is drawn by method: {instead}.",
            f"design: {it.design} trækkes med method: {instead}.",
            instead,
        )
    for field, design in (
        ("block_sizes", "rolling_lottery"),
        ("length", "rolling_lottery"),
        ("only_when", "rolling_lottery"),
        ("free_places", "place_lottery"),
        ("priority", "place_lottery"),
        ("queue", "place_lottery"),
    ):
        if getattr(lottery, field) and it.design != design:
            yield Contradiction(
                ("lottery", field), f"{field} belongs to design: {design}.", f"{field} hører til design: {design}."
            )
    if lottery.witnesses.needed > len(lottery.witnesses.names):
        yield Contradiction(
            ("lottery", "witnesses", "needed"),
            f"{lottery.witnesses.needed} witnesses are needed and {len(lottery.witnesses.names)} are named.",
            f"Der kræves {lottery.witnesses.needed} vidner, og {len(lottery.witnesses.names)} er nævnt.",
        )
    for what, values in (
        ("name", [w.name for w in lottery.witnesses.names]),
        ("public_key", [w.public_key for w in lottery.witnesses.names]),
    ):
        if len(set(values)) < len(values):
            yield Contradiction(
                ("lottery", "witnesses", "names"),
                f"Two witnesses have the same {what}.",
                "To vidner har samme navn eller nøgle.",
            )


def _sources(it: Protocol) -> Iterator[Contradiction]:
    sources = it.lottery.sources if it.lottery else ()
    path: Path = ("lottery", "sources")
    beacons = [place for place, source in enumerate(sources) if isinstance(source, Drand)]
    if len(beacons) > 1:
        yield Contradiction(
            (*path, beacons[1]), "At most one drand round can be named.", "Der kan højst nævnes én drand-runde."
        )
    tables = [place for place, source in enumerate(sources) if isinstance(source, NumberedTable)]
    if tables and (len(sources) > 1 or (it.lottery and it.lottery.method != "rank")):
        yield Contradiction(
            (*path, tables[0]),
            "A numbered table is the only source and needs method: rank.",
            "En nummereret tabel er den eneste kilde og kræver method: rank.",
        )
    keepers = [source.sealed_secret for source in sources if isinstance(source, SealedSecret)]
    if len(set(keepers)) < len(keepers):
        yield Contradiction(
            path, "Each sealed secret has its own keeper.", "Hver forseglet hemmelighed har sin egen vogter."
        )
    if sources and all(isinstance(source, Published) for source in sources) and it.approvals:
        yield Contradiction(
            path,
            "A published seed is known to everybody beforehand: an official draw needs dice, a sealed secret or drand.",
            "Et offentligt frø er kendt af alle på forhånd: en officiel lodtrækning kræver terninger, en forseglet "
            "hemmelighed eller drand.",
        )
    for place in beacons:
        source = sources[place]
        if isinstance(source, Drand) and source.drand == EACH_COMMITMENT and not it.rounds:
            yield Contradiction(
                (*path, place, "drand"),
                "Without rounds, name the day and time the round comes after.",
                "Uden runder (rounds) skal du skrive den dag og det klokkeslæt, runden kommer efter.",
            )


def _rolling(it: Protocol) -> Iterator[Contradiction]:
    if it.design != "rolling_lottery" or it.lottery is None:
        return
    total = sum(arm.weight for arm in it.arms.values())
    for field in ("block_sizes", "length"):
        if not getattr(it.lottery, field):
            yield Contradiction(
                ("lottery",), f"A rolling lottery needs {field}.", f"En løbende lodtrækning kræver {field}."
            )
    for place, size in enumerate(it.lottery.block_sizes):
        if size % total:
            yield Contradiction(
                ("lottery", "block_sizes", place),
                f"A block of {size} cannot hold the arms' weights (sum {total}): use multiples of {total}.",
                f"En blok på {size} kan ikke rumme armenes vægte (sum {total}): brug multipla af {total}.",
            )
    if len(set(it.lottery.block_sizes)) < len(it.lottery.block_sizes):
        yield Contradiction(
            ("lottery", "block_sizes"), "The block sizes must differ.", "Blokstørrelserne skal være forskellige."
        )
    if it.units.created != "on_arrival":
        yield Contradiction(
            ("units",),
            "In a rolling lottery people come one by one: write created: on_arrival.",
            "I en løbende lodtrækning kommer folk én ad gangen: skriv created: on_arrival.",
        )
    for stratum in it.strata.by:
        if not stratum.values:
            yield Contradiction(
                ("strata",),
                f"Nobody has come yet, so the values of {stratum.column} must be listed.",
                f"Ingen er kommet endnu, så værdierne af {stratum.column} skal skrives op.",
            )


def _places(it: Protocol) -> Iterator[Contradiction]:
    if it.capacity and it.capacity.arm:
        yield from _unknown(("capacity", "arm"), it.capacity.arm, it.arms, _ARM, _labels_of_arms(it))
    if it.capacity:
        for place, (before, after) in enumerate(pairwise(it.capacity.steps), start=1):
            if after.from_ <= before.from_:
                yield Contradiction(
                    ("capacity", "steps", place, "from"),
                    "The steps of capacity come in order of time.",
                    "Trinene i kapaciteten skrives i tidsrækkefølge.",
                )
    if it.rounds and it.rounds.last < it.rounds.first:
        yield Contradiction(
            ("rounds", "last"), "The last round comes before the first.", "Sidste runde ligger før den første."
        )
    if it.design != "place_lottery" or it.lottery is None:
        return
    if it.rounds and it.capacity and it.capacity.steps and it.capacity.steps[0].from_ > it.rounds.first:
        yield Contradiction(
            ("rounds", "first"),
            "There is a round before there is any capacity.",
            "Der er en runde, før der er nogen kapacitet.",
        )
    free = it.lottery.free_places
    if free is None:
        yield Contradiction(
            ("lottery",),
            "A lottery for places needs free_places: a number, or share_of_queue per stratum.",
            "En lodtrækning om pladser kræver free_places: et tal eller share_of_queue pr. stratum.",
        )
    elif isinstance(free, (int, str)) != (not it.strata.by):
        yield Contradiction(
            ("lottery", "free_places"),
            "free_places is given per stratum exactly when there are strata.",
            "free_places angives pr. stratum, netop når der er strata.",
        )
    elif not isinstance(free, (int, str)) and len(it.strata.by) == 1 and it.strata.by[0].values:
        values = it.strata.by[0].values
        for name in free:
            yield from _unknown(("lottery", "free_places", name), name, values, ("a stratum", "et stratum"))
        for missing in sorted(set(values) - set(free)):
            yield Contradiction(
                ("lottery", "free_places"),
                f"The stratum {missing} has no line in free_places.",
                f"Stratummet {missing} har ingen linje i free_places.",
            )
    if it.lottery.priority and it.lottery.priority in it.strata.columns:
        yield Contradiction(
            ("lottery", "priority"),
            "Strata never become priorities: that would rank them.",
            "Strata bliver aldrig prioriteter: det ville rangordne dem.",
        )


def _outcomes(it: Protocol) -> Iterator[Contradiction]:
    yield from _twice(("outcomes",), (outcome.id for outcome in it.outcomes))
    primary = [place for place, outcome in enumerate(it.outcomes) if outcome.primary]
    if len(primary) != 1:
        yield Contradiction(
            ("outcomes", *primary[1:2]),
            f"One outcome is primary, and {len(primary)} are marked so. Write primary: yes at one.",
            f"Ét udfald er primært, og {len(primary)} er markeret sådan. Skriv primary: ja ved ét.",
        )
    for place, outcome in enumerate(it.outcomes):
        for name in outcome.funnel:
            yield from _unknown(("outcomes", place, "funnel"), name, it.funnels.steps, _FUNNEL)
            steps = it.funnels.steps.get(name, ())
            for field, step in (("from", outcome.from_), ("to", outcome.to)):
                if steps and step is not None:
                    yield from _unknown(("outcomes", place, field), step, steps, _STEP)
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
    labels = {t.casefold(): o.id for o in it.outcomes for t in (o.label.en, o.label.da) if t}
    yield from _unknown(("estimand", "what"), asked.what, (o.id for o in it.outcomes), _OUTCOME, labels)
    for place, arm in enumerate(asked.compare):
        yield from _unknown(("estimand", "compare", place), arm, it.arms, _ARM, _labels_of_arms(it))
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
    yield from _windows(it)


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
            yield from _unknown((*path, "partly_grouped", "arm"), method.partly_grouped.arm, it.arms, _ARM)
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
    labels = {t.casefold(): o.id for o in it.outcomes for t in (o.label.en, o.label.da) if t}
    ids = [outcome.id for outcome in it.outcomes]
    effect = it.planning.smallest_effect_worth_finding
    if not isinstance(effect, str):
        path = ("planning", "smallest_effect_worth_finding", "outcome")
        yield from _unknown(path, effect.outcome, ids, _OUTCOME, labels)
    for field in ("baseline", "standard_deviation"):
        for name in getattr(it.planning, field):
            yield from _unknown(("planning", field, name), name, ids, _OUTCOME, labels)


def _marks(it: Protocol) -> Iterator[Contradiction]:
    yield from _twice(("interruptions",), (mark.id for mark in it.interruptions))
    for place, mark in enumerate(it.interruptions):
        if mark.affects:
            for wave in mark.affects.waves:
                yield from _unknown(("interruptions", place, "affects", "waves"), wave, (w.id for w in it.waves), _WAVE)
            if mark.affects.funnel:
                yield from _unknown(
                    ("interruptions", place, "affects", "funnel"), mark.affects.funnel, it.funnels.steps, _FUNNEL
                )


def _teams(it: Protocol) -> Iterator[Contradiction]:
    if it.teams:
        yield from _unknown(("teams", "arm"), it.teams.arm, it.arms, _ARM, _labels_of_arms(it))
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
