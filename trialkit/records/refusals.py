"""What the records refuse, in words: what is wrong, why it matters, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from trialkit.errors import RecordError, UnitsError


def nothing_recorded(file: str) -> RecordError:
    return RecordError(
        f"Nothing has been recorded yet ({file} is not there or is empty), so there is nothing to read. Take in the first file "
        "with `trialkit record --from FILE --by ROLE`.",
        {"file": file},
        da=f"Der er ikke registreret noget endnu ({file} findes ikke eller er tom), så der er intet at læse. Indlæs den første "
        "fil med `trialkit record --from FIL --by ROLLE`.",
        code="E_NO_RECORDS",
    )


def nothing_by(day: date) -> RecordError:
    return RecordError(
        f"Nothing had been recorded by {day}, so there is nothing to freeze. Give a later day with --as-of.",
        {"as_of": day.isoformat()},
        da=f"Intet var registreret den {day}, så der er intet at fryse. Angiv en senere dag med --as-of.",
        code="E_NO_RECORDS",
    )


def day_to_come(day: date, today: date) -> RecordError:
    return RecordError(
        f"{day} is still to come (it is {today}), and what is recorded until then would not be in the frozen data. Freeze as "
        "of today, or wait.",
        {"as_of": day.isoformat(), "today": today.isoformat()},
        da=f"{day} er ikke kommet endnu (det er {today}), og det, der registreres inden da, ville ikke være med i de frosne "
        "data. Frys pr. dags dato, eller vent.",
        code="E_AS_OF",
    )


def not_records(file: str) -> RecordError:
    return RecordError(
        f"{file} is not a trial's records: it is damaged or another kind of file, and writing into it could destroy it. "
        "Bring back the right file from the backup; nothing was changed.",
        {"file": file},
        da=f"{file} rummer ikke et forsøgs registreringer: filen er beskadiget eller af en anden slags, og at skrive i den "
        "kunne ødelægge den. Hent den rigtige fil fra sikkerhedskopien; intet er ændret.",
        code="E_NOT_RECORDS",
    )


def other_schema(file: str, found: int, known: int, missing: Sequence[str]) -> RecordError:
    gone = ", ".join(missing)
    if found > known:
        why, hvorfor = f"a newer trialkit made it (form {found})", f"den er lavet af en nyere trialkit (form {found})"
    elif found < known:
        why, hvorfor = f"it has the old form {found}", f"den har den gamle form {found}"
    else:
        why, hvorfor = f"it lacks {gone}", f"den mangler {gone}"
    return RecordError(
        f"{file} cannot be used: {why}, and this trialkit reads form {known}, whole. Rows could be lost or changed unseen. "
        "Use the trialkit that made it, or bring back the file from the backup.",
        {"file": file, "version": found, "known": known, "missing": list(missing)},
        da=f"{file} kan ikke bruges: {hvorfor}, og denne trialkit læser form {known}, hel. Rækker kunne gå tabt eller "
        "blive ændret uset. Brug den trialkit, der lavede den, eller hent filen fra sikkerhedskopien.",
        code="E_SCHEMA",
    )


def other_trial(file: str, found: str, trial: str) -> RecordError:
    return RecordError(
        f"{file} holds the records of {found!r}, and this is the trial {trial!r}; two trials' numbers would be mixed. Put "
        "each trial's records back into its own folder.",
        {"file": file, "found": found, "trial": trial},
        da=f"{file} rummer registreringerne fra {found!r}, men dette er forsøget {trial!r}; to forsøgs tal ville blive "
        "blandet. Læg hvert forsøgs registreringer tilbage i dets egen mappe.",
        code="E_OTHER_TRIAL",
    )


def busy(file: str) -> RecordError:
    return RecordError(
        f"Another process is writing into {file}, and only one does at a time. Wait until it is done and try again; "
        "nothing was recorded.",
        {"file": file},
        da=f"Et andet program skriver i {file}, og kun ét skriver ad gangen. Vent, til det er færdigt, og prøv igen; der er "
        "ikke registreret noget.",
        code="E_BUSY",
    )


def no_room(file: str, why: str) -> RecordError:
    return RecordError(
        f"The disk did not take what was to be written into {file} ({why}). Nothing was recorded, and what was there is "
        "still there. Make room, or ask for access, and run the same command again.",
        {"file": file, "why": why},
        da=f"Disken tog ikke imod det, der skulle skrives i {file} ({why}). Der er ikke registreret noget, og det, der var "
        "der, er der stadig. Skaf plads eller adgang, og kør samme kommando igen.",
        code="E_DISK",
    )


def broken_rule(file: str, why: str) -> RecordError:
    return RecordError(
        f"{file} refused a row that does not fit its own rules ({why}), so nothing was recorded. The file may have been "
        "changed by another program: run `trialkit verify` on the trial's folder.",
        {"file": file, "why": why},
        da=f"{file} afviste en række, der ikke passer til dens egne regler ({why}), så der er ikke registreret noget. Filen "
        "kan være ændret af et andet program: kør `trialkit verify` på forsøgets mappe.",
        code="E_RECORD",
    )


def damaged_row(seq: int) -> RecordError:
    return RecordError(
        f"Measurement {seq} of the records is not what anybody recorded: it was changed afterwards, or the file is damaged. "
        "No figure can rest on it. Run `trialkit verify` on the trial's folder, and bring back the file from the backup.",
        {"seq": seq},
        da=f"Måling {seq} i registreringerne er ikke det, nogen har registreret: den er ændret bagefter, eller filen er "
        "beskadiget. Intet tal kan bygge på den. Kør `trialkit verify` på forsøgets mappe, og hent filen fra "
        "sikkerhedskopien.",
        code="E_AUDIT",
    )


def clock_back(now: str, last: str) -> RecordError:
    return RecordError(
        f"This machine's clock says {now}, and the last entry was made at {last}. Entries out of order could not be told "
        "from changed ones. Set the clock and try again; nothing was recorded.",
        {"time": now, "last": last},
        da=f"Maskinens ur siger {now}, men det seneste er registreret {last}. Poster i forkert rækkefølge kunne ikke skelnes "
        "fra ændrede. Stil uret, og prøv igen; der er ikke registreret noget.",
        code="E_RECORD_TIME",
    )


def taken_in_already(file: str, same_as: str, time: str, batch: int) -> RecordError:
    return RecordError(
        f"{file} has been taken in already: the same bytes came as {same_as} at {time} (entry {batch}). Counting them "
        "twice would change every figure, so nothing was recorded. If the file corrects what came after it, say why with "
        "--correct.",
        {"file": file, "same_as": same_as, "time": time, "batch": batch},
        da=f"{file} er allerede indlæst: de samme bytes kom som {same_as} den {time} (post {batch}). Talt to gange ville de "
        "ændre hvert tal, så der er ikke registreret noget. Retter filen det, der kom efter den, så skriv hvorfor med "
        "--correct.",
        code="E_REPEATED",
    )


def unannounced(file: str, places: Sequence[str], examples: Sequence[str]) -> RecordError:
    listed, more = "\n".join(examples), len(places) - len(examples)
    rest, resten = (f"\n... and {more} more", f"\n... og {more} til") if more > 0 else ("", "")
    return RecordError(
        f"{file} says something else than what is known for {len(places)} unit-periods, so nothing was recorded:\n"
        f"{listed}{rest}\nIf the file is right, say why with --correct; the old values stay beside the new ones.",
        {"file": file, "cells": list(places)},
        da=f"{file} siger noget andet end det, der er kendt, om {len(places)} enheder og perioder, så der er ikke "
        f"registreret noget:\n{listed}{resten}\nEr filen den rigtige, så skriv hvorfor med --correct; de gamle tal bliver "
        "stående ved siden af de nye.",
        code="E_CORRECTION",
    )


def mixed(file: str, synthetic: bool) -> RecordError:
    en, da = ("made-up", "opdigtede") if synthetic else ("real", "ægte")
    other, andre = ("real", "ægte") if synthetic else ("made-up", "opdigtede")
    return RecordError(
        f"{file} holds {en} numbers, and the trial's records are {other}. Mixed, neither could be told from the other. "
        "Keep them in a trial's folder of their own; nothing was recorded.",
        {"file": file, "synthetic": synthetic},
        da=f"{file} rummer {da} tal, men forsøgets registreringer er {andre}. Blandet kunne de ikke skelnes fra hinanden. "
        "Hold dem i hver sin forsøgsmappe; der er ikke registreret noget.",
        code="E_SYNTHETIC",
    )


def unfit(what: str, text: str, why: tuple[str, str]) -> RecordError:
    return RecordError(
        f"{what} {text!r} {why[0]}, so nobody could read later who did what and why. Write a role and short plain words.",
        {"option": what},
        da=f"{what} {text!r} {why[1]}, så ingen senere kunne læse, hvem der gjorde hvad og hvorfor. Skriv en rolle og korte, "
        "almindelige ord.",
        code="E_TEXT",
    )


def holds_a_cpr(what: str) -> RecordError:
    return RecordError(
        f"{what} holds what can be a civil registration number (CPR), which trialkit never takes in. Take it out; nothing "
        "was recorded.",
        {"where": what},
        da=f"{what} rummer noget, der kan være et CPR-nummer, og det tager trialkit aldrig imod. Tag det ud; der er ikke "
        "registreret noget.",
        code="E_CPR",
    )


def changed_snapshot(folder: Path, file: str, why: tuple[str, str]) -> RecordError:
    return RecordError(
        f"The snapshot {folder.name[:16]} is not what was frozen: {file} {why[0]}. An analysis of it would not be of the "
        "data that were locked. Bring back the file from the backup, or freeze again.",
        {"snapshot": folder.name, "file": file},
        da=f"Dataudtrækket {folder.name[:16]} er ikke det, der blev frosset: {file} {why[1]}. En analyse ville ikke "
        "være af de låste data. Hent filen fra sikkerhedskopien, eller frys igen.",
        code="E_SNAPSHOT",
    )


def no_snapshot(name: str, known: Sequence[str]) -> RecordError:
    """Frozen data that were asked for by a name which is none's, or several snapshots'; without any, nothing is frozen."""
    listed, facts = ", ".join(one[:16] for one in known), {"snapshot": name, "snapshots": list(known)}
    if not known:
        return RecordError(
            "Nothing is frozen yet, and an answer rests on data that can no longer change. Take the numbers in with "
            "`trialkit record`, then lock them with `trialkit freeze`; `--live` shows what they say so far.",
            facts,
            da="Intet er frosset endnu, og et svar hviler på data, der ikke længere kan ændres. Indlæs tallene med `trialkit "
            "record`, og lås dem med `trialkit freeze`; `--live` viser, hvad de siger indtil nu.",
            code="E_SNAPSHOT",
        )
    several = sum(one.startswith(name) for one in known) > 1
    en, da = ("Several snapshots begin", "Flere dataudtræk") if several else ("No snapshot begins", "Intet dataudtræk")
    return RecordError(
        f"{en} with {name!r}, so nothing can be read from it. There are: {listed}. Give more of the digest, or leave "
        "it out for the newest.",
        facts,
        da=f"{da} begynder med {name!r}, så intet kan læses fra det. Der er: {listed}. Skriv mere af fingeraftrykket, eller "
        "udelad det, og få det nyeste.",
        code="E_SNAPSHOT",
    )


def no_outcome(name: str, known: Sequence[str]) -> RecordError:
    return RecordError(
        f"The protocol promised no outcome {name!r} that can be counted by unit and period, so it is not taken in or shown "
        f"here. It promised: {', '.join(known) or 'none'}.",
        {"outcome": name, "outcomes": list(known)},
        da=f"Protokollen har ikke lovet noget udfald {name!r}, der kan tælles pr. enhed og periode, så det bliver hverken "
        f"indlæst eller vist her. Den lovede: {', '.join(known) or 'ingen'}.",
        code="E_OUTCOME",
    )


def no_units() -> RecordError:
    return RecordError(
        "The trial has no list of units (people come one by one), so nothing can be counted by unit and period. "
        "Records of single families come with a later version.",
        da="Forsøget har ingen liste over enheder (folk kommer én ad gangen), så intet kan tælles pr. enhed og periode. "
        "Registrering af enkelte familier kommer i en senere version.",
        code="E_UNITS",
    )


def unreadable(file: str, error: OSError) -> RecordError:
    return RecordError(
        f"{file} cannot be read ({error.strerror}), so nothing was taken in. Give the file's place and name as they are.",
        {"file": file},
        da=f"{file} kan ikke læses ({error.strerror}), så der er intet at indlæse. Angiv filens placering og navn, som de er.",
        code="E_FILE",
    )


def empty(file: str) -> RecordError:
    return RecordError(
        f"{file} holds no rows, so there is nothing to take in. A month without anything to report still has a row, with 0. "
        "Give the file again, with headings in row 1.",
        {"file": file},
        da=f"{file} rummer ingen rækker, så der er intet at indlæse. En måned uden noget at indberette har alligevel en række, "
        "med 0. Giv filen igen med overskrifter i række 1.",
        code="E_EMPTY",
    )


def outside(text: str) -> UnitsError:
    return UnitsError(
        f"{text!r} is known and is none of the trial's units, so it can have no place in its numbers. Take the row out.",
        {"text": text},
        da=f"{text!r} er kendt, men er ingen af forsøgets enheder, så den hører ikke til i dets tal. Tag rækken ud.",
        code="E_UNIT_UNKNOWN",
    )


def nothing_taken_in(error: UnitsError) -> RecordError:
    """The faults of a file, and that nothing of it was kept."""
    return RecordError(
        f"{error.told('en')}\nNothing was recorded. Correct the file and give it again.",
        error.facts,
        da=f"{error.told('da')}\nDer er ikke registreret noget. Ret filen, og giv den igen.",
        code=error.code,
    )
