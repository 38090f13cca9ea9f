"""What was fixed before the chance: how the lot falls, and the balance rule, as sentences and small tables.

Sections 4.1 (design) and 7 (constraint) of the draw's specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from trialkit.report.drawn import Drawn
from trialkit.report.page import counted, say, texts
from trialkit.report.words import listing, number


def rules(drawn: Drawn) -> list[str]:
    """How the lot falls, in sentences."""
    said, design = texts(drawn.lang)["design"], drawn.protocol["design"]
    found = [say(said[drawn.kind], labels=_labels(drawn), **_blanks(drawn))]
    found += [
        say(said["quota"], block=quota["block"], places=_quota(drawn, quota)) for quota in design.get("quotas", ())
    ]
    if len(tiers := {unit["tier"] for unit in drawn.protocol["units"] if "tier" in unit}) > 1:
        found.append(say(said["tiers"], count=len(tiers)))
    if design.get("level") == "cluster":
        clusters = len({row.cluster for row in drawn.rows})
        found.append(say(said["cluster"], clusters=counted(clusters, "cluster", drawn.lang)))
    if fixed := sum(row.fixed for row in drawn.rows):
        found.append(say(said["fixed"], count=counted(fixed, "unit", drawn.lang)))
    return found


def _blanks(drawn: Drawn) -> dict[str, str]:
    """The numbers a kind's sentence may name."""
    design, lang = drawn.protocol["design"], drawn.lang
    found = {"units": counted(len(drawn.rows), "unit", lang)}
    if drawn.kind == "lottery":
        found["places"] = counted(design["places"], "place", lang)
    if drawn.kind == "sequential":
        found["strata"] = listing(design["strata"], lang)
        found["blocks"] = listing([str(size) for size in design["blocks"]], lang)
        found["length"] = number(design["length"], lang)
    return found


def _labels(drawn: Drawn) -> str:
    """Labels with their places or, where they differ, their weights."""
    labels = drawn.protocol["design"].get("labels", ())
    uneven = len({label.get("weight") for label in labels}) > 1
    return listing((_label(drawn, label, uneven) for label in labels), drawn.lang)


def _label(drawn: Drawn, label: Mapping[str, Any], uneven: bool) -> str:
    title = drawn.label(label["name"])
    if "places" in label:
        return f"{title} ({counted(label['places'], 'place', drawn.lang)})"
    return f"{title} ({counted(label['weight'], 'part', drawn.lang)})" if uneven else title


def _quota(drawn: Drawn, quota: Mapping[str, Any]) -> str:
    labels = drawn.protocol["design"]["labels"]
    return listing(
        (
            f"{drawn.label(label['name'])}: {counted(places, 'place', drawn.lang)}"
            for label, places in zip(labels, quota["places"], strict=True)
        ),
        drawn.lang,
    )


def balance(drawn: Drawn) -> list[str]:
    """The balance rule in sentences; empty where the protocol has none."""
    constraint = drawn.protocol["design"].get("constraint")
    if constraint is None:
        return []
    said, lang = texts(drawn.lang)["constraint"], drawn.lang
    attempts = say(said["attempts"], count=number(constraint["max_attempts"], lang))
    if constraint["kind"] == "mahalanobis":
        names, most = listing(constraint["covariates"], lang), number(Decimal(constraint["threshold"]), lang)
        return [say(said["mahalanobis"], names=names, most=most), attempts]
    pairs = zip(constraint["covariates"], constraint["tolerances"], strict=True)
    return [say(said["tolerance"], name=name, most=number(Decimal(most), lang)) for name, most in pairs] + [attempts]
