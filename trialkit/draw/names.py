"""Texts, names and order of a protocol (specification section 3; steps 7 and 8 of section 10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from trialkit.canonical import nfc, text_fault
from trialkit.errors import DrawError
from trialkit.units import check_names

_UNIT_TEXTS = ("id", "block", "cluster", "fixed")


def normalise(protocol: Mapping[str, Any]) -> None:
    """Put every text of a protocol with the right schema into NFC, in place."""
    for holder, key in _texts(protocol):
        holder[key] = nfc(holder[key])


def check_texts(protocol: Mapping[str, Any]) -> None:
    """Step 7: every text may be published.

    Raises
    ------
    DrawError
        ``E_TEXT``; ``facts["text"]`` is the text.
    """
    for holder, key in _texts(protocol):
        if why := text_fault(holder[key]):
            raise DrawError(
                f"The text {holder[key]!r} ({key}) {why[0]}, so nobody could read it aloud or type it again. Correct "
                "it in the draft.",
                {"text": holder[key], "member": key},
                da=f"Teksten {holder[key]!r} ({key}) {why[1]}, så ingen kunne læse den op eller skrive den igen. Ret "
                "den i udkastet.",
                code="E_TEXT",
            )


def check_protocol_names(protocol: Mapping[str, Any]) -> None:
    """Step 8: names that cannot be told apart, and units out of order.

    Raises
    ------
    UnitsError
        ``E_DUPLICATE`` or ``E_LOOKALIKE``, set by set in the order of section 3.
    DrawError
        ``E_ORDER``; ``E_DUPLICATE`` for a public key under two names.
    """
    units, design = protocol["units"], protocol["design"]
    check_names([unit["id"] for unit in units], "units", "enheder")
    _check_order(units)
    check_names(_distinct(units, "block"), "blocks", "blokke")
    check_names(_distinct(units, "cluster"), "clusters", "klynger")
    check_names([label["name"] for label in design.get("labels", ())], "labels", "navnene på grupper og bølger")
    check_names(design.get("strata", ()), "strata", "strata")
    check_names(design.get("constraint", {}).get("covariates", ()), "covariates", "kovariater")
    parties = [source["party"] for source in protocol["entropy"] if source["kind"] == "commit"]
    check_names(parties, "parties", "parter med forseglede hemmeligheder")
    check_names([witness["name"] for witness in protocol["witnesses"]], "witnesses", "vidner")
    _check_keys([witness["public_key"] for witness in protocol["witnesses"]])


def _texts(protocol: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Where each text stands: ``holder[key]``."""
    yield protocol, "title"
    for unit in protocol["units"]:
        for key in _UNIT_TEXTS:
            if key in unit:
                yield unit, key
    design = protocol["design"]
    for holders, key in ((design.get("labels", ()), "name"), (design.get("quotas", ()), "block")):
        for holder in holders:
            yield holder, key
    for names in (design.get("strata", ()), design.get("constraint", {}).get("covariates", ())):
        for place in range(len(names)):
            yield names, place
    for holder in protocol["entropy"]:
        for key in holder.keys() & {"party", "value"}:
            yield holder, key
    for holder in protocol["witnesses"]:
        yield holder, "name"


def _distinct(units: list[dict[str, Any]], key: str) -> list[str]:
    return sorted({unit[key] for unit in units if key in unit})


def _check_order(units: list[dict[str, Any]]) -> None:
    for one, other in pairwise(units):
        if one["id"].encode() >= other["id"].encode():
            raise DrawError(
                f"Unit {other['id']!r} stands after {one['id']!r}, and units must ascend by their UTF-8 bytes, or two "
                "programs would read two lists. Prepare the draft again.",
                {"units": [one["id"], other["id"]]},
                da=f"Enheden {other['id']!r} står efter {one['id']!r}, men enheder skal stå i stigende rækkefølge "
                "efter deres UTF-8-bytes, ellers ville to programmer læse to lister. Dan protokollen igen.",
                code="E_ORDER",
            )


def _check_keys(keys: list[str]) -> None:
    if len(set(keys)) < len(keys):
        raise DrawError(
            "Two witnesses have one public key, so one person could sign as two. Ask each for a key of their own.",
            {"public_keys": keys},
            da="To vidner har samme offentlige nøgle, så én person kunne underskrive som to. Bed hvert vidne om sin "
            "egen nøgle.",
            code="E_DUPLICATE",
        )
