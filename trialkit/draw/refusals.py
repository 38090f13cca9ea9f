"""The steps a draw's folder refuses, in words: what is wrong, why it matters, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from trialkit.draw.story import Story
from trialkit.errors import DrawError


def stamp(moment: datetime) -> str:
    """A moment as the ledger writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def not_committed(draw_id: str) -> DrawError:
    return DrawError(
        f"Nothing is committed for {draw_id}. A draw whose rules were not fixed and published first could be drawn "
        "until the result pleased. Run `trialkit commit` and publish the fingerprint.",
        {"draw_id": draw_id},
        da=f"Der er ikke låst nogen plan for {draw_id}. Er reglerne ikke lagt fast og offentliggjort først, kan man "
        "trække, til resultatet behager. Kør `trialkit commit`, og offentliggør fingeraftrykket.",
        code="E_NOT_COMMITTED",
    )


def committed_already(draw_id: str, story: Story) -> DrawError:
    what, hvad = ("drawn", "trukket") if story.drawn else ("committed", "låst")
    return DrawError(
        f"{draw_id} is {what} already ({story.drawn or story.live}). A second commitment beside it would let somebody "
        "choose between two results. Withdraw the first with `trialkit void` while its chance is still unknown.",
        {"draw_id": draw_id, "live": story.live, "drawn": story.drawn},
        da=f"{draw_id} er allerede {hvad} ({story.drawn or story.live}). En plan mere ved siden af ville lade nogen vælge "
        "mellem to resultater. Træk den første tilbage med `trialkit void`, mens lodderne endnu er ukendte.",
        code="E_REROLL",
    )


def drawn_already(draw_id: str) -> DrawError:
    return DrawError(
        f"{draw_id} has been drawn, and a draw is made once. The record stands in the draw's folder; "
        "`trialkit verify` shows it.",
        {"draw_id": draw_id},
        da=f"Der er trukket lod i {draw_id}, og det gør man kun én gang. Resultatet ligger i lodtrækningens mappe; "
        "`trialkit verify` viser det.",
        code="E_REROLL",
    )


def begun_otherwise(path: Path) -> DrawError:
    return DrawError(
        f"A draw was begun with other evidence and not finished ({path}), and whoever stops a draw to try other "
        "evidence chooses the result. Nothing was entered. If those throws are the ones that were thrown, draw with "
        "them; if nobody knows that file, keep a copy of it for the minutes, remove it, and draw again.",
        {"file": str(path)},
        da=f"En lodtrækning er begyndt med andre lodder og ikke gjort færdig ({path}), og den, der standser en "
        "lodtrækning for at prøve andre, vælger resultatet. Intet er indført. Er det de kast, der blev kastet, så "
        "træk med dem; kender ingen filen, så gem en kopi til referatet, fjern den, og træk igen.",
        code="E_REROLL",
    )


def in_the_way(path: Path) -> DrawError:
    return DrawError(
        f"{path} is there, but it is not the record that the ledger enters, so somebody put it there. It would pass "
        "for the result. Keep a copy for the minutes, move the file away, and run the same command again.",
        {"file": str(path)},
        da=f"{path} findes, men det er ikke det resultat, protokollen indfører, så nogen har lagt den der. Den ville "
        "blive taget for resultatet. Gem en kopi til referatet, flyt filen, og kør samme kommando igen.",
        code="E_EXISTS",
    )


def too_late(comes: str, moment: datetime) -> DrawError:
    return DrawError(
        f"The named drand round came at {comes}, and it is {stamp(moment)}: whoever commits now may know the chance. "
        "Name a round that has not come yet.",
        {"entropy_time": comes, "time": stamp(moment)},
        da=f"Den valgte drand-runde kom {comes}, og klokken er {stamp(moment)}: den, der låser planen nu, kan kende "
        "lodderne. Vælg en runde, der ikke er kommet endnu.",
        code="E_COMMIT_TOO_LATE",
    )


def unsigned(name: str, listed: Sequence[str]) -> DrawError:
    return DrawError(
        f"{name!r} has not signed this: the signature is not one that a listed witness made over these digests. "
        f"The listed witnesses are: {', '.join(listed) or 'none'}. Sign the message that `trialkit witness` shows.",
        {"name": name, "listed": list(listed)},
        da=f"{name!r} har ikke underskrevet dette: underskriften er ikke lavet af et navngivet vidne over disse "
        f"fingeraftryk. De navngivne vidner er: {', '.join(listed) or 'ingen'}. Underskriv den besked, som "
        "`trialkit witness` viser.",
        code="E_SIGNATURE",
    )


def opened_otherwise(source: int) -> DrawError:
    return DrawError(
        f"Other throws of source {source} stand in the ledger already. The first that everybody heard are the ones "
        "that count; a second set would let somebody choose.",
        {"source": source},
        da=f"Der står allerede andre kast for kilde {source} i logbogen. De første, som alle hørte, gælder; et nyt "
        "sæt ville lade nogen vælge.",
        code="E_REROLL",
    )


def cannot_assign(unit: str, why: tuple[str, str], strata: Sequence[str]) -> DrawError:
    return DrawError(
        f"{unit!r} {why[0]}, so nothing was assigned: a second entry could be chosen. The strata are: "
        f"{', '.join(strata)}.",
        {"unit": unit, "strata": list(strata)},
        da=f"{unit!r} {why[1]}, så der er ikke tildelt noget: et ekstra opslag kunne vælges. Strata er: "
        f"{', '.join(strata)}.",
        code="E_ASSIGN",
    )


def no_place(unit: str, waiting: int) -> DrawError:
    return DrawError(
        f"{unit!r} holds no place to give up, or nobody waits for it ({waiting} waiting). "
        "Write the unit as it stands in the list.",
        {"unit": unit, "waiting": waiting},
        da=f"{unit!r} har ingen plads at give fri, eller ingen venter på den ({waiting} venter). "
        "Skriv enheden, som den står på listen.",
        code="E_ASSIGN",
    )


def not_drawn(draw_id: str) -> DrawError:
    return DrawError(
        f"{draw_id} has not been drawn, so nobody holds a place yet. Run `trialkit draw` first.",
        {"draw_id": draw_id},
        da=f"Der er ikke trukket lod i {draw_id}, så ingen har en plads endnu. Kør `trialkit draw` først.",
        code="E_NOT_DRAWN",
    )


def too_early(comes: str, moment: datetime) -> DrawError:
    return DrawError(
        f"The drand round comes at {comes}, and it is {stamp(moment)}: the chance is not out yet. Wait for it; no other "
        "round may take its place.",
        {"entropy_time": comes, "time": stamp(moment)},
        da=f"Drand-runden kommer {comes}, og klokken er {stamp(moment)}: lodderne findes ikke endnu. Vent på den; ingen "
        "anden runde må træde i stedet.",
        code="E_LEDGER_TIME",
    )


def unwitnessed(quorum: int, signed: Sequence[str]) -> DrawError:
    return DrawError(
        f"{len(signed)} of {quorum} witnesses signed the fingerprint in time ({', '.join(signed) or 'none'}), so the "
        "draw could never be confirmed and was not made. Let the others sign with `trialkit witness`; if the drand "
        "round is out already, only a new trial can help.",
        {"quorum": quorum, "signed": list(signed)},
        da=f"{len(signed)} af {quorum} vidner har underskrevet fingeraftrykket i tide ({', '.join(signed) or 'ingen'}), "
        "så lodtrækningen kunne aldrig bekræftes og er ikke foretaget. Lad de andre underskrive med `trialkit "
        "witness`; er drand-runden allerede ude, hjælper kun et nyt forsøg.",
        code="E_QUORUM",
    )


def late(place: int, late: bool) -> DrawError:
    why, hvorfor = (
        (
            "were not entered and seen by the witnesses before the drand round",
            "blev ikke indført og set før drand-runden",
        )
        if late
        else ("are not those that stand in the ledger", "er ikke dem, der står i logbogen")
    )
    return DrawError(
        f"The throws of source {place} {why}, so whoever typed them could choose, and nothing was drawn. Enter the dice "
        "with `trialkit open` when they are thrown.",
        {"source": place},
        da=f"Kastene for kilde {place} {hvorfor}, så den, der tastede dem, kunne vælge, og der er ikke trukket lod. "
        "Indfør terningerne med `trialkit open`, når de er kastet.",
        code="E_LATE_OPENING",
    )


def another_draw(path: Path, draw_id: str) -> DrawError:
    return DrawError(
        f"The folder {path.name} holds the draw {draw_id}, so one draw would go by two names. Name the folder as the "
        "draw is named, or give the right one with --draw.",
        {"folder": str(path), "draw_id": draw_id},
        da=f"Mappen {path.name} rummer lodtrækningen {draw_id}, så én lodtrækning ville have to navne. Lad mappen hedde "
        "som lodtrækningen, eller angiv den rigtige med --draw.",
        code="E_NOT_COMMITTED",
    )


def another_protocol(path: Path, found: str, live: str) -> DrawError:
    return DrawError(
        f"{path} is not what was committed: its fingerprint is {found}, and the ledger names {live}. Drawing by it "
        "would draw something nobody agreed to. Bring back the file.",
        {"file": str(path), "found": found, "committed": live},
        da=f"{path} er ikke den, der blev låst: dens fingeraftryk er {found}, og logbogen nævner {live}. En "
        "lodtrækning efter den ville trække noget, ingen har aftalt. Find den rigtige fil frem.",
        code="E_PROTOCOL_HASH",
    )
