"""Protocol and design -> the draft of a draw protocol: where the chance comes from, in the specification's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from trialkit.canonical import FORMAT
from trialkit.design.build import to_spec
from trialkit.design.parts_design import PartsDesign
from trialkit.design.sequential import SequentialDesign
from trialkit.draw.drand import CHAIN, round_at, round_time
from trialkit.errors import DrawError
from trialkit.protocol.consistent_design import REHEARSAL
from trialkit.protocol.lottery import FACES, Balls, Dice, Drand, Lottery, NumberedTable, SealedSecret, Source
from trialkit.protocol.model import Protocol

REHEARSAL_ID: Final = ".proeve"


def announce(
    protocol: Protocol,
    design: PartsDesign | SequentialDesign,
    *,
    draw_id: str,
    plan_hash: str,
    rehearsal: str | None = None,
    published: datetime | None = None,
    commitments: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The draft of a draw protocol, ready for `trialkit.draw.announce.prepare`.

    Parameters
    ----------
    protocol, design : the trial and the design that `trialkit.design.compile.build` made of it
    draw_id : as in `trialkit.design.places.DrawKey`
    plan_hash : the plan's fingerprint, 64 hex digits
    rehearsal : a published seed; the draw then carries PRØVE, another draw_id and no witnesses
    published : when this commitment is published, where the draft names the first round after it
    commitments : sealed secrets by keeper, where the draft does not hold them (they differ from draw to draw)

    Raises
    ------
    DrawError
        No lottery, or a source that cannot be named yet (``E_SOURCE``).
    """
    lottery = protocol.lottery
    if lottery is None:
        raise _unnamed(
            f"{protocol.protocol} holds no lottery, so nothing can be announced. Write one, or read it as observed.",
            f"{protocol.protocol} rummer ingen lodtrækning, så der er intet at bekendtgøre. Beskriv en, eller læs forløbet "
            "som observeret.",
        )
    title = protocol.title.told("da")
    if rehearsal is not None:
        named = {"draw_id": draw_id + REHEARSAL_ID, "title": REHEARSAL + title, "witnesses": [], "quorum": 0}
        entropy = [{"kind": "published", "value": rehearsal}]
    else:
        entropy = sources(lottery, published=published, commitments=commitments)
        named = {"draw_id": draw_id, "title": title, **_witnesses(lottery)}
    fixed = {"format": FORMAT, "kind": "protocol", "plan_hash": plan_hash, "entropy": entropy}
    return {**named, **fixed, **to_spec(design)}


def sources(
    lottery: Lottery, *, published: datetime | None = None, commitments: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """The sources of chance as section 4.3 of the specification writes them; parameters as in `announce`.

    Raises
    ------
    DrawError
        ``E_SOURCE``: a round before the chain existed, a commitment nobody has given, a moment not known yet.
    """
    return [_source(source, published, commitments or {}) for source in lottery.sources]


def _source(source: Source, published: datetime | None, commitments: Mapping[str, str]) -> dict[str, Any]:
    if isinstance(source, Dice):
        low, high = FACES[source.dice]
        return {"kind": "rolls", "low": low, "high": high, "count": source.throws, "distinct": False}
    if isinstance(source, Balls):
        return {
            "kind": "rolls",
            "low": 1,
            "high": source.balls,
            "count": source.drawn,
            "distinct": not source.put_back,
        }
    if isinstance(source, Drand):
        return {"kind": "drand", "chain": CHAIN, "round": _round(source, published)}
    if isinstance(source, SealedSecret):
        return {"kind": "commit", "party": source.sealed_secret, "commitment": _commitment(source, commitments)}
    if isinstance(source, NumberedTable):
        return {"kind": "number"}
    return {"kind": "published", "value": source.published}


def _round(source: Drand, published: datetime | None) -> int:
    moment = source.after or published
    if moment is None:
        raise _unnamed(
            "The round comes after this draw's commitment is published, and that moment is not given. Say when it is.",
            "Runden kommer efter, at denne lodtrækning er offentliggjort, og tidspunktet er ikke angivet. Skriv det.",
        )
    if moment < round_time(1):
        raise _unnamed(
            f"The drand chain did not exist on {moment:%Y-%m-%d}: its first round came on 2023-08-23. No round can be "
            "named, so nothing was committed. Choose a later moment, or use dice alone. A rehearsal is possible.",
            f"Drand-kæden fandtes ikke den {moment:%Y-%m-%d}: dens første runde kom 2023-08-23. Ingen runde kan nævnes, så "
            "der er ikke bundet noget. Vælg et senere tidspunkt, eller brug terninger alene. En prøve kan holdes.",
        )
    return first_round_after(moment)


def first_round_after(moment: datetime) -> int:
    """The first quicknet round that appears strictly after ``moment``, which must carry its time zone."""
    number = round_at(moment)
    return number + 1 if round_time(number) <= moment else number


def _commitment(source: SealedSecret, commitments: Mapping[str, str]) -> str:
    if found := commitments.get(source.sealed_secret) or source.commitment:
        return found
    raise _unnamed(
        f"The sealed secret of {source.sealed_secret!r} has no commitment yet, so it could still be exchanged. Let the "
        "keeper seal one, and give its 64 digits.",
        f"Den forseglede hemmelighed hos {source.sealed_secret!r} er ikke bundet endnu, så den kunne stadig byttes ud. Lad "
        "vogteren forsegle en, og angiv dens 64 tegn.",
    )


def _witnesses(lottery: Lottery) -> dict[str, Any]:
    named: Sequence[Any] = lottery.witnesses.names
    return {
        "witnesses": [{"name": witness.name, "public_key": witness.public_key} for witness in named],
        "quorum": lottery.witnesses.needed,
    }


def _unnamed(en: str, da: str) -> DrawError:
    return DrawError(en, da=da, code="E_SOURCE")
