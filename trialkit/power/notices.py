"""What ``check`` says beside the figures: money, approvals, sources of chance, and what no command acts on yet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from trialkit.power.money import in_danish, in_english
from trialkit.power.said import Said
from trialkit.protocol.lottery import Drand, Published, SealedSecret

if TYPE_CHECKING:
    from trialkit.protocol.model import Protocol

DRAND_BEGAN: Final = datetime(2023, 8, 23, 15, 9, 27, tzinfo=UTC)  # round 1 of quicknet (specification section 4.3)


def notices(protocol: Protocol) -> tuple[Said, ...]:
    """Everything worth a line, in the order people should hear it."""
    rules = (
        _not_drawn,
        _other_method,
        _approvals,
        _sealed,
        _before_drand,
        _published,
        _treated_report,
        _budget,
        _later,
    )
    return tuple(said for rule in rules for said in rule(protocol))


def _not_drawn(protocol: Protocol) -> Iterator[Said]:
    if not protocol.drawn:
        yield Said(
            "Not drawn by lot. Units may have differed from the start, so differences are described and never called "
            "an effect; there is no p-value, because there is no lottery to repeat.",
            "Ikke trukket ved lod. Enhederne kan have været forskellige fra begyndelsen, så forskelle beskrives og "
            "kaldes aldrig en effekt; der er ingen p-værdi, for der er ingen lodtrækning at gentage.",
        )


def _other_method(protocol: Protocol) -> Iterator[Said]:
    name = protocol.analysis.primary.method
    if protocol.drawn and name != "randomization_test":
        yield Said(
            f"The plan answers with {name}. Smallest p-value and smallest effects here are those of the randomization test "
            "through the draw and of formulas for a plain comparison, not of that method.",
            f"Planen svarer med {name}. Mindste p-værdi og mindste effekter gælder her randomiseringstesten gennem loddet og "
            "formler for en ren sammenligning, ikke den metode.",
        )


def _approvals(protocol: Protocol) -> Iterator[Said]:
    for approval in protocol.awaiting:
        what = approval.what
        en = f" ({what.told('en')})" if what else ""
        da = f" ({what.told('da')})" if what else ""
        status = {"proposed": "foreslået", "awaiting": "afventer", "refused": "afslået"}[approval.status]
        yield Said(
            f"Approval by {approval.by}{en}: {approval.status}. The official draw waits for it; a rehearsal does not.",
            f"Godkendelse fra {approval.by}{da}: {status}. Den officielle lodtrækning venter på den; en "
            "prøvelodtrækning gør ikke.",
        )


def _sealed(protocol: Protocol) -> Iterator[Said]:
    if protocol.design != "rolling_lottery" or protocol.lottery is None:
        return
    for source in protocol.lottery.sources:
        if isinstance(source, SealedSecret):
            yield Said(
                f"Whoever keeps the sealed secret ({source.sealed_secret}) could compute the next entry. Keep the "
                "secret away from those who enrol families.",
                f"Den, der opbevarer den forseglede hemmelighed ({source.sealed_secret}), kunne regne den næste plads "
                "ud. Hold hemmeligheden væk fra dem, der optager familier.",
            )


def _before_drand(protocol: Protocol) -> Iterator[Said]:
    for source in protocol.lottery.sources if protocol.lottery else ():
        if isinstance(source, Drand) and source.after is not None and source.after < DRAND_BEGAN:
            yield Said(
                f"The beacon drand (chain quicknet) did not exist on {source.after:%Y-%m-%d}; it begins on "
                f"{DRAND_BEGAN:%Y-%m-%d}. Such a draw can only be rehearsed, with the other sources.",
                f"Fyret drand (kæden quicknet) fandtes ikke den {source.after:%Y-%m-%d}; det begynder den "
                f"{DRAND_BEGAN:%Y-%m-%d}. Sådan en lodtrækning kan kun prøves, med de andre kilder.",
            )


def _published(protocol: Protocol) -> Iterator[Said]:
    for source in protocol.lottery.sources if protocol.lottery else ():
        if isinstance(source, Published):
            yield Said(
                "A published seed is known in advance, so anybody could have chosen the result: for rehearsals and "
                "research only.",
                "Et offentligt frø er kendt på forhånd, så enhver kunne have valgt resultatet: kun til prøver og "
                "forskning.",
            )


def _treated_report(protocol: Protocol) -> Iterator[Said]:
    for outcome in protocol.outcomes:
        effect = outcome.role is None
        if effect and outcome.reported_by in ("treated_staff", "treated_municipality"):
            yield Said(
                f"{outcome.label.told('en')}: reported by those who deliver the new way. What counts may itself change "
                "with it; read it with caution.",
                f"{outcome.label.told('da')}: indberettes af dem, der udfører det nye. Hvad der tæller, kan selv "
                "ændre sig med det; læs tallet med forbehold.",
            )


def _budget(protocol: Protocol) -> Iterator[Said]:
    """Lines and years added up."""
    lines = protocol.budget.lines
    for line in lines:
        if line.million_dkk_per_year is not None and line.years[0] < line.years[1]:
            n = line.years[1] - line.years[0] + 1
            yield Said(
                f"Budget, {line.what}: {line.million_dkk_per_year} million DKK a year for {n} years = "
                f"{line.total} million.",
                f"Budget, {line.what}: {in_danish(line.million_dkk_per_year)} mio. kr. om året i {n} år = "
                f"{in_danish(line.total)} mio. kr.",
            )
    if len(lines) > 1:
        parts, total = [line.total for line in lines], sum((line.total for line in lines), Decimal(0))
        yield Said(
            f"Budget in all: {' + '.join(map(str, parts))} = {total} million DKK.",
            f"Budget i alt: {' + '.join(map(in_danish, parts))} = {in_danish(total)} mio. kr.",
        )
    yearly = protocol.budget.total_thousand_dkk
    if yearly:
        total = sum(yearly.values(), Decimal(0))
        en, da = (" + ".join(word(amount) for amount in yearly.values()) for word in (in_english, in_danish))
        yield Said(
            f"Budget {min(yearly)}-{max(yearly)}: {en} = {in_english(total)} thousand DKK.",
            f"Budget {min(yearly)}-{max(yearly)}: {da} = {in_danish(total)} t.kr.",
        )


def _later(protocol: Protocol) -> Iterator[Said]:
    """One line for all, since they have one thing in common."""
    later = protocol.later()
    if later:
        yield Said(
            "Bound by the plan's fingerprint, but no command acts on it yet: "
            + "; ".join(f"{field} ({en})" for field, en, _ in later) + ".",
            "Bindes af planens fingeraftryk, men ingen kommando handler endnu på det: "
            + "; ".join(f"{field} ({da})" for field, _, da in later) + ".",
        )  # fmt: skip
