"""Chance from outside: dice, numbers, opened secrets, a drand round -> the seed (specification sections 4.3 and 5)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from math import perm
from typing import Any, Final, Literal

from trialkit.canonical import FORMAT, HEX64, digest, nfc, text_fault
from trialkit.design.assignment import Assignment
from trialkit.design.parts_design import PartsDesign
from trialkit.draw import drand
from trialkit.errors import DesignError, DrawError

Source = Mapping[str, Any]
Given = Mapping[str, Any]

FEWEST_OUTCOMES: Final = 2**64
_HEX96: Final = re.compile(r"[0-9a-f]{96}", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]+", re.ASCII)


def new_secret() -> str:
    """A fresh secret: 32 bytes from the operating system, as 64 hex."""
    return secrets.token_hex(32)


def commitment(draw_id: str, party: str, secret: str) -> str:
    """The fingerprint of a party's sealed secret for one draw."""
    return digest([FORMAT, "commit", draw_id, party, secret])


def seal(draw_id: str, party: str, secret: str) -> dict[str, str]:
    """The source that a protocol lists for a party's sealed ``secret``, 64 hex.

    Raises
    ------
    DrawError
        ``E_EVIDENCE``: the secret could not be opened later.  ``E_TEXT``: the party's name may not be published.
    """
    if not HEX64.fullmatch(secret):
        raise _unfit("commit", "a secret is 64 hex digits in lower case", "en hemmelighed er 64 hex-cifre (små)")
    party = nfc(party)
    if why := text_fault(party):
        raise DrawError(
            f"The name {party!r} {why[0]}, so no protocol could hold it and the seal would be worth nothing. Write it "
            "plainly.",
            {"text": party},
            da=f"Navnet {party!r} {why[1]}, så ingen protokol kunne rumme det, og seglet ville intet være værd. Skriv "
            "det enkelt.",
            code="E_TEXT",
        )
    return {"kind": "commit", "party": party, "commitment": commitment(draw_id, party, secret)}


def outcomes(source: Source) -> int:
    """How many outcomes the dice or balls of a rolls source have; 0 if more balls are wanted than there are."""
    faces = source["high"] - source["low"] + 1
    return perm(faces, source["count"]) if source["distinct"] else int(faces ** source["count"])


def grade(protocol: Mapping[str, Any]) -> Literal["official", "research"]:
    """``official`` if nobody alone knew the chance beforehand."""
    kinds = [source["kind"] for source in protocol["entropy"]]
    return "official" if {"drand", "rolls", "number"} & set(kinds) or kinds.count("commit") >= 2 else "research"


def check_sources(protocol: Mapping[str, Any]) -> None:
    """Step 10: the sources go together, and nobody can try all outcomes at home.

    Raises
    ------
    DrawError
        ``E_DESIGN``, ``E_ENTROPY_SHORT``.
    """
    sources = protocol["entropy"]
    kinds = [source["kind"] for source in sources]
    if kinds.count("drand") > 1:
        raise DrawError(
            "Two drand rounds are named, and the later one alone would decide when. Name one.",
            da="Der er angivet to drand-runder, men kun den seneste afgør hvornår. Angiv én.",
            code="E_DESIGN",
        )
    if "number" in kinds and (len(kinds) > 1 or protocol["method"] != "rank"):
        raise DrawError(
            "A number drawn by hand is the number of the allocation itself, so it must be the only source and needs "
            "the method rank. Use rolls beside other sources.",
            da="Et nummer trukket i hånden er selve tildelingens nummer, så det skal være den eneste kilde og kræver "
            "metoden rank. Brug terninger (rolls) sammen med andre kilder.",
            code="E_DESIGN",
        )
    for source in sources:
        if source["kind"] == "rolls" and outcomes(source) < FEWEST_OUTCOMES:
            raise _too_few(source)


def _too_few(source: Source) -> DrawError:
    return DrawError(
        f"{source['count']} throws from {source['low']} to {source['high']} have {outcomes(source)} outcomes, and a "
        "computer could try them all at home until a pleasing draw turns up. At least 2^64 are needed: 20 ten-sided "
        "dice, 25 six-sided dice, or 12 balls of 90.",
        {"outcomes": outcomes(source), "needed": FEWEST_OUTCOMES},
        da=f"{source['count']} kast fra {source['low']} til {source['high']} har {outcomes(source)} udfald, og en "
        "computer kunne prøve dem alle hjemme, til resultatet behager. Der skal mindst 2^64 til: 20 tisidede "
        "terninger, 25 sekssidede terninger eller 12 kugler ud af 90.",
        code="E_ENTROPY_SHORT",
    )


class Tries:
    """Chance from numbers drawn by hand: each try is the number of an allocation (specification section 6.3)."""

    def __init__(self, tries: Sequence[str]) -> None:
        self._tries, self._read = tries, 0

    @property
    def left(self) -> int:
        """How many tries nobody asked for."""
        return len(self._tries) - self._read

    def stream(self, purpose: str, kind: str, name: str, attempt: int) -> Tries:
        """The tries; a design of method rank asks for one stream only."""
        return self

    def below(self, m: int) -> int:
        """The next try below ``m``; ones from ``m`` on are skipped.

        Raises
        ------
        DrawError
            ``E_EVIDENCE``: no try is left, or one has not exactly as many digits as ``m - 1``.
        """
        width = len(str(m - 1))
        while self.left:
            text = self._tries[self._read]
            self._read += 1
            if len(text) != width or not _DIGITS.fullmatch(text):
                raise _unfit("number", f"{text!r} has not {width} digits", f"{text!r} har ikke {width} cifre")
            if int(text) < m:
                return int(text)
        raise _unfit("number", "no number was accepted", "intet nummer blev godtaget")


def check_evidence(
    protocol: Mapping[str, Any], design: Any, evidence: Sequence[Given], *, bls: bool
) -> Assignment | None:
    """Step 11, source by source; the assignment if numbers drawn by hand decide it.

    Raises
    ------
    DrawError
        ``E_EVIDENCE``, ``E_COMMITMENT``, ``E_DRAND_SIGNATURE`` (only with ``bls``).
    """
    if len(evidence) != len(protocol["entropy"]) or not all(isinstance(given, dict) for given in evidence):
        raise _unfit("evidence", "there must be one per source", "der skal være ét pr. kilde")
    drawn = None
    for source, given in zip(protocol["entropy"], evidence, strict=True):
        _check_members(source, given)
        _FIT[source["kind"]](source, given)
        if source["kind"] == "commit":
            _check_secret(protocol["draw_id"], source, given)
        if source["kind"] == "drand" and bls:
            check_signature(given)
        if source["kind"] == "number":
            drawn = _by_hand(design, given["tries"])
    return drawn


def _check_members(source: Source, given: Given) -> None:
    members = {"kind", *_MEMBERS[source["kind"]]}
    if given.keys() != members or given["kind"] != source["kind"]:
        raise _unfit(
            source["kind"], f"it must have exactly {sorted(members)}", f"det skal have netop {sorted(members)}"
        )


def _fit_drand(source: Source, given: Given) -> None:
    if type(given["round"]) is not int or given["round"] != source["round"]:
        raise _unfit("drand", f"round {source['round']} was named", f"runde {source['round']} er aftalt")
    if not isinstance(given["signature"], str) or not _HEX96.fullmatch(given["signature"]):
        raise _unfit("drand", "a signature is 96 hex digits in lower case", "en signatur er 96 hex-cifre (små)")


def _fit_rolls(source: Source, given: Given) -> None:
    values, low, high = given["values"], source["low"], source["high"]
    if not isinstance(values, list) or len(values) != source["count"]:
        raise _unfit("rolls", f"{source['count']} throws were promised", f"der er lovet {source['count']} kast")
    if not all(type(value) is int and low <= value <= high for value in values):
        raise _unfit("rolls", f"throws go from {low} to {high}", f"kast går fra {low} til {high}")
    if source["distinct"] and len(set(values)) < len(values):
        raise _unfit(
            "rolls", "a ball that is not put back comes once", "en kugle, der ikke lægges tilbage, kommer én gang"
        )


def _fit_number(source: Source, given: Given) -> None:
    if not isinstance(given["tries"], list) or not all(isinstance(text, str) for text in given["tries"]):
        raise _unfit("number", "the tries are a list of digits", "forsøgene er en liste af cifre")


def _fit_commit(source: Source, given: Given) -> None:
    if not isinstance(given["secret"], str) or not HEX64.fullmatch(given["secret"]):
        raise _unfit("commit", "a secret is 64 hex digits in lower case", "en hemmelighed er 64 hex-cifre (små)")


def _fit_published(source: Source, given: Given) -> None:
    """The value stands in the protocol."""


_FIT: Final[Mapping[str, Callable[[Source, Given], None]]] = {
    "drand": _fit_drand,
    "rolls": _fit_rolls,
    "number": _fit_number,
    "commit": _fit_commit,
    "published": _fit_published,
}
_MEMBERS: Final = {
    "drand": ("round", "signature"),
    "rolls": ("values",),
    "number": ("tries",),
    "commit": ("secret",),
    "published": (),
}


def _check_secret(draw_id: str, source: Source, given: Given) -> None:
    if commitment(draw_id, source["party"], given["secret"]) != source["commitment"]:
        raise DrawError(
            f"This is not the secret that {source['party']!r} sealed for this draw, so it cannot be part of the "
            "chance. Ask for the one that was sealed.",
            {"party": source["party"]},
            da=f"Det er ikke den hemmelighed, som {source['party']!r} forseglede til denne lodtrækning, så den kan "
            "ikke indgå. Bed om den, der blev forseglet.",
            code="E_COMMITMENT",
        )


def check_signature(given: Given) -> None:
    """A drand round's signature is genuine; seconds.

    Raises
    ------
    DrawError
        ``E_DRAND_SIGNATURE``.
    """
    if not drand.verify_signature(given["round"], given["signature"]):
        raise DrawError(
            f"The signature is not drand's for round {given['round']}: it was mistyped, or made up. Fetch the round "
            "again, from another relay.",
            {"round": given["round"]},
            da=f"Signaturen er ikke drands for runde {given['round']}: den er tastet forkert eller opdigtet. Hent "
            "runden igen fra en anden server.",
            code="E_DRAND_SIGNATURE",
        )


def _by_hand(design: PartsDesign, texts: Sequence[str]) -> Assignment:
    """The whole run of section 6.3: the accepted number is the last, and there is one."""
    tries = Tries(texts)
    try:
        drawn = design.assign(tries)
    except DesignError as error:
        if error.code != "E_NO_ACCEPT":
            raise
        raise _unfit("number", "no number met the constraint", "intet nummer opfyldte balancekravet") from None
    if tries.left:
        raise _unfit("number", "a number follows the accepted one", "der følger et nummer efter det godtagne")
    return drawn


def hashed_values(protocol: Mapping[str, Any], evidence: Sequence[Given]) -> list[list[Any]]:
    """What of the evidence is hashed into the seed, source by source."""
    return [_value(source, given) for source, given in zip(protocol["entropy"], evidence, strict=True)]


def _value(source: Source, given: Given) -> list[Any]:
    kind = source["kind"]
    if kind == "drand":
        return [kind, source["chain"], source["round"], drand.randomness(given["signature"])]
    if kind == "commit":
        return [kind, source["party"], given["secret"]]
    if kind == "published":
        return [kind, source["value"]]
    return [kind, given["values" if kind == "rolls" else "tries"]]


def seed_of(protocol_hash: str, values: Sequence[Sequence[Any]]) -> str:
    """The seed, 64 hex: the protocol's fingerprint and the chance, hashed together."""
    return digest([FORMAT, "seed", protocol_hash, [list(value) for value in values]])


def _unfit(kind: str, why: str, hvorfor: str) -> DrawError:
    return DrawError(
        f"The evidence for {kind} is not what the protocol promised ({why}), so nobody could say what chance chose. "
        "Read the written-down throws again and correct it.",
        {"kind": kind},
        da=f"Oplysningerne om {kind} er ikke, som protokollen lovede ({hvorfor}), så ingen kunne sige, hvad lodderne "
        "valgte. Læs det nedskrevne igen, og ret det.",
        code="E_EVIDENCE",
    )
