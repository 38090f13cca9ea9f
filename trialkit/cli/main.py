"""The buttons.  Each command loads its room only when it is pressed."""

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from trialkit import __version__
from trialkit.cli.speech import speech
from trialkit.errors import TrialkitError, UsageError

_of = speech.of
app = typer.Typer(
    name="trialkit",
    help=_of(
        "Roll something new out by public lot, and learn whether it works.",
        "Rul noget nyt ud ved offentlig lodtrækning, og find ud af, om det virker.",
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _spoken(lang: str) -> str:
    if lang not in ("", "da", "en"):
        raise typer.BadParameter(_of("da or en", "da eller en"))
    return lang


Folder = Annotated[Path, typer.Argument(help=_of("The trial's folder.", "Forsøgets mappe."))]
Language = Annotated[
    str, typer.Option("--lang", help=_of("da or en.", "da eller en."), show_default=False, callback=_spoken)
]
ForMachines = Annotated[bool, typer.Option("--json", help=_of("Answer as JSON.", "Svar som JSON."))]
DrawName = Annotated[
    str,
    typer.Option(
        "--draw",
        help=_of("Which draw, where the trial has several.", "Hvilken lodtrækning, hvis forsøget har flere."),
        show_default=False,
    ),
]
HERE = Path(".")


@app.callback(invoke_without_command=True)
def trialkit(
    lang: Language = "",
    version: Annotated[
        bool, typer.Option("--version", help=_of("Say which version this is.", "Vis versionen."))
    ] = False,
) -> None:
    if version:
        speech.show(f"trialkit {__version__}", {"version": __version__})
        raise typer.Exit


@app.command(
    help=_of(
        "Begin a trial: a dialogue, a blank draft or a form.", "Begynd et forsøg: samtale, tomt udkast eller skema."
    )
)
def new(
    trial: Annotated[Path, typer.Argument(help=_of("The folder to make.", "Mappen, der skal laves."))],
    blank: Annotated[
        bool,
        typer.Option(
            help=_of("A commented draft and a units file.", "Et tomt udkast med forklaringer og en enhedsliste.")
        ),
    ] = False,
    form: Annotated[bool, typer.Option(help=_of("An XLSX form to fill in.", "Et XLSX-skema til udfyldelse."))] = False,
    filled: Annotated[
        Path | None, typer.Option(help=_of("A filled form to read.", "Et udfyldt skema, der skal læses."))
    ] = None,
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.new import begin

    begin(trial, blank=blank, form=form, filled=filled)


@app.command(
    help=_of(
        "What is wrong with the draft, and what it can and cannot see.",
        "Hvad der er galt med udkastet, og hvad forsøget kan og ikke kan se.",
    )
)
def check(
    trial: Folder = HERE,
    waves: Annotated[
        list[str] | None,
        typer.Option(
            help=_of("Places per wave, e.g. 3,4; may be repeated.", "Pladser pr. bølge, fx 3,4; kan gentages.")
        ),
    ] = None,
    frame: Annotated[
        list[str] | None,
        typer.Option(help=_of("Another frame of units; may be repeated.", "En anden enhedsramme; kan gentages.")),
    ] = None,
    units: Annotated[
        list[str] | None,
        typer.Option(help=_of("So many unnamed units, e.g. 6 or 4+4.", "Så mange unavngivne enheder, fx 6 eller 4+4.")),
    ] = None,
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.check import check as show

    show(trial, waves=waves or [], frames=frame or [], units=units or [])


@app.command(
    help=_of(
        "How often the registered test would show an effect, by simulating whole trials.",
        "Hvor ofte den registrerede test ville vise en effekt, ved at simulere hele forsøg.",
    )
)
def power(
    trial: Folder = HERE,
    trials: Annotated[
        int, typer.Option(min=1, help=_of("Made-up trials per effect.", "Opdigtede forsøg pr. effekt."))
    ] = 2000,
    workers: Annotated[
        int, typer.Option(min=1, help=_of("Processes; the numbers are the same.", "Processer; tallene er de samme."))
    ] = 1,
    world: Annotated[str, typer.Option(help="plain, protocol, rising")] = "protocol",
    effect: Annotated[
        list[float] | None,
        typer.Option(
            help=_of("A further effect, e.g. 0.07; may be repeated.", "Endnu en effekt, fx 0.07; kan gentages.")
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help=_of("Of everything random.", "For alt tilfældigt."))] = 1,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help=_of("A file to go on from if it is interrupted.", "En fil at fortsætte fra, hvis det afbrydes.")
        ),
    ] = None,
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.power import show_power

    show_power(
        trial, trials=trials, workers=workers, world=world, effects=effect or [], seed=seed, checkpoint=checkpoint
    )


@app.command(
    help=_of("Make a sealed secret and print its commitment.", "Lav en forseglet hemmelighed, og vis dens segl.")
)
def seal(
    party: Annotated[str, typer.Option(help=_of("Who keeps the secret.", "Hvem der gemmer hemmeligheden."))],
    out: Annotated[
        Path,
        typer.Option(
            help=_of(
                "Where the keeper keeps it; outside the trial's folder.", "Hvor den gemmes; uden for forsøgets mappe."
            )
        ),
    ],
    trial: Folder = HERE,
    draw: DrawName = "",
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.commit import seal as make

    make(trial, party=party, out=out, draw=draw)


@app.command(
    help=_of(
        "Freeze the plan, print its fingerprint, open the ledger.",
        "Lås planen, vis dens fingeraftryk, åbn logbogen.",
    )
)
def commit(
    trial: Folder = HERE,
    draw: DrawName = "",
    free_places: Annotated[
        int | None, typer.Option(min=0, help=_of("Free places in this round.", "Ledige pladser i denne runde."))
    ] = None,
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.commit import commit as freeze

    freeze(trial, draw=draw, free_places=free_places)


@app.command(
    help=_of(
        "A witness signs the fingerprint or the record.", "Et vidne underskriver fingeraftrykket eller resultatfilen."
    )
)
def witness(
    trial: Folder = HERE,
    name: Annotated[str, typer.Option(help=_of("The witness's name in the draft.", "Vidnets navn i udkastet."))] = "",
    key: Annotated[Path | None, typer.Option(help=_of("The witness's own key file.", "Vidnets egen nøglefil."))] = None,
    signature: Annotated[
        str,
        typer.Option(
            help=_of(
                "A signature made elsewhere (128 hex digits).", "En underskrift lavet et andet sted (128 hexcifre)."
            )
        ),
    ] = "",
    time: Annotated[
        str,
        typer.Option(
            help=_of("The witness's own clock, with --signature.", "Vidnets eget ur, sammen med --signature.")
        ),
    ] = "",
    head: Annotated[
        str,
        typer.Option(
            help=_of("The ledger's last hash as the witness saw it.", "Logbogens seneste hash, som vidnet så den.")
        ),
    ] = "",
    new_key: Annotated[
        Path | None, typer.Option(help=_of("Make a key for a witness and stop.", "Lav en nøgle til et vidne, og stop."))
    ] = None,
    draw: DrawName = "",
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.commit import witness as sign

    sign(trial, name=name, key=key, signature=signature, time=time, head=head, new_key=new_key, draw=draw)


@app.command(
    "open",
    help=_of(
        "Enter dice or a sealed secret into the ledger.", "Skriv terninger eller en åbnet hemmelighed i logbogen."
    ),
)
def open_(
    trial: Folder = HERE,
    source: Annotated[
        int | None, typer.Option(min=0, help=_of("Which source, from 0.", "Hvilken kilde, fra 0."))
    ] = None,
    value: Annotated[
        str, typer.Option(help=_of("The throws with commas, or the secret.", "Kastene med komma, eller hemmeligheden."))
    ] = "",
    draw: DrawName = "",
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.commit import open_source

    open_source(trial, source=source, value=value, draw=draw)


@app.command(
    help=_of(
        "Withdraw a commitment before the chance is out.", "Træk en låst plan tilbage, før det tilfældige er kendt."
    )
)
def void(
    reason: Annotated[str, typer.Option(help=_of("Why, in words.", "Hvorfor, med ord."))],
    trial: Folder = HERE,
    draw: DrawName = "",
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.commit import void as withdraw

    withdraw(trial, reason=reason, draw=draw)


@app.command(
    help=_of(
        "Make the official draw, once, or rehearse it.", "Foretag den officielle lodtrækning, én gang, eller en prøve."
    )
)
def draw(
    trial: Folder = HERE,
    evidence: Annotated[
        Path | None, typer.Option(help=_of("A JSON file with the evidence.", "En JSON-fil med det tilfældige."))
    ] = None,
    fetch: Annotated[
        bool, typer.Option(help=_of("Fetch the drand round from two relays.", "Hent drand-runden fra to servere."))
    ] = False,
    relay: Annotated[
        list[str] | None,
        typer.Option(help=_of("A relay to fetch from; may be repeated.", "En server at hente fra; kan gentages.")),
    ] = None,
    rehearse: Annotated[
        bool,
        typer.Option(
            help=_of(
                "A rehearsal: PRØVE, with a published seed.", "En prøve: mærket PRØVE, med offentliggjort startværdi."
            )
        ),
    ] = False,
    draw: DrawName = "",
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.draw import make, rehearse_draw

    if rehearse:
        rehearse_draw(trial, draw=draw)
    else:
        make(trial, draw=draw, evidence=evidence, relays=relay or [], fetch=fetch)


@app.command(
    "next",
    help=_of(
        "The next assignment, or the next offer in a place lottery.",
        "Næste tildeling, eller næste tilbud i en lodtrækning om pladser.",
    ),
)
def next_(
    unit: Annotated[
        str,
        typer.Argument(
            help=_of(
                "Who is assigned; in a place lottery, who gave up the place.",
                "Hvem der tildeles; ved pladser: hvem der gav pladsen fri.",
            )
        ),
    ],
    trial: Folder = HERE,
    stratum: Annotated[
        str, typer.Option(help=_of("The stratum the unit belongs to.", "Det stratum, enheden hører til."))
    ] = "",
    secret_file: Annotated[
        Path | None,
        typer.Option(
            help=_of("The sealed secret, from its keeper.", "Den forseglede hemmelighed, fra den, der gemmer den.")
        ),
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option(help=_of("A JSON file with the other evidence.", "En JSON-fil med resten af det tilfældige.")),
    ] = None,
    draw: DrawName = "",
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.draw import assign_next

    assign_next(trial, unit=unit, stratum=stratum, secret_file=secret_file, evidence=evidence, draw=draw)


@app.command(
    help=_of(
        "Redo a draw from its files: confirmed, not confirmed, or what is wrong.",
        "Gør en lodtrækning efter: bekræftet, ikke bekræftet, eller hvad der er galt.",
    )
)
def verify(
    files: Annotated[
        list[Path],
        typer.Argument(help=_of("Record, ledger, plan, or a folder.", "Resultatfil, logbog, plan eller en mappe.")),
    ],
    head: Annotated[
        str, typer.Option(help=_of("A ledger head somebody kept.", "En hash fra logbogen, som nogen har gemt."))
    ] = "",
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.verify import verify_files

    verify_files(files, head=head)


@app.command(help=_of("Replay the specification's vectors.", "Kør specifikationens kontroltal igen."))
def selftest(
    vectors: Annotated[
        Path | None, typer.Option(help=_of("A vector file of the same form.", "En fil med kontroltal af samme form."))
    ] = None,
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.verify import replay_vectors

    replay_vectors(vectors)


@app.command(
    help=_of(
        "Take in a file of counts or of children, whole or not at all.",
        "Indlæs en fil med optællinger eller med børn, hel eller slet ikke.",
    )
)
def record(
    file: Annotated[Path, typer.Option("--from", help=_of("The file: CSV or a sheet.", "Filen: CSV eller regneark."))],
    by: Annotated[str, typer.Option(help=_of("Whose role or code.", "Hvem: en rolle eller kode."))],
    trial: Folder = HERE,
    correct: Annotated[
        str, typer.Option(help=_of("Why known values change.", "Hvorfor kendte tal ændres."), show_default=False)
    ] = "",
    outcome: Annotated[
        str,
        typer.Option(
            help=_of(
                "The outcome, where no column names it; else the primary.", "Udfaldet, hvis ingen kolonne nævner det."
            ),
            show_default=False,
        ),
    ] = "",
    encoding: Annotated[
        str, typer.Option(help=_of("Of a file not in UTF-8, e.g. cp1252.", "Hvis ikke UTF-8, fx cp1252."))
    ] = "",
    sheet: Annotated[str, typer.Option(help=_of("Of a workbook.", "Arket i en projektmappe."))] = "",
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.record import record as take_in

    take_in(trial, file=file, by=by, correct=correct, outcome=outcome, encoding=encoding, sheet=sheet)


@app.command(
    help=_of(
        "Freeze the data as known at the end of a day; print the digest.",
        "Frys data, som de var kendt ved udgangen af en dag; vis fingeraftrykket.",
    )
)
def freeze(
    by: Annotated[str, typer.Option(help=_of("Whose role or code.", "Hvem: en rolle eller kode."))],
    trial: Folder = HERE,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help=_of("The day; left out, that of the newest data.", "Dagen; ellers den seneste med data."),
        ),
    ] = None,
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.record import freeze as lock

    lock(trial, by=by, as_of=as_of.date() if as_of else None)


@app.command(
    help=_of(
        "The registered answer on the frozen data, and the page.", "Det registrerede svar på de frosne data, og siden."
    )
)
def estimate(
    trial: Folder = HERE,
    snapshot: Annotated[
        str | None,
        typer.Option(
            help=_of("Which frozen data; else the newest.", "Hvilket dataudtræk; ellers det nyeste."),
            show_default=False,
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help=_of("On data not frozen: preliminary.", "På data, der ikke er frosset: foreløbigt.")
        ),
    ] = False,
    year: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=_of(
                "What was counted after year N, untested, where the plan has a report then.",
                "Det, der blev talt efter år N, uden test, hvis planen har en rapport dér.",
            ),
            show_default=False,
        ),
    ] = None,
    spillover: Annotated[
        bool,
        typer.Option(
            "--spillover",
            help=_of("Who had a neighbour that had begun.", "Hvem der havde en nabo, der var begyndt."),
        ),
    ] = False,
    draw: DrawName = "",
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.estimate import estimate as answer

    _check_which(snapshot, live)
    answer(trial, snapshot=snapshot or "", live=live, draw=draw, year=year, spillover=spillover)


def _check_which(snapshot: str | None, live: bool) -> None:
    """Refuse two kinds of data at once, and a snapshot without a name, which would be another than was meant."""
    if snapshot is not None and not snapshot.strip():
        raise UsageError(
            "--snapshot has no name, so nobody knows which frozen data are meant. Give the beginning of a digest, or leave "
            "the option out for the newest.",
            {"snapshot": snapshot},
            da="--snapshot har intet navn, så ingen ved, hvilket dataudtræk der menes. Skriv begyndelsen af et fingeraftryk, "
            "eller udelad valget, og få det nyeste.",
        )
    if snapshot is not None and live:
        raise UsageError(
            "--live is on data that are not frozen, and --snapshot names frozen ones; an answer is of one of them. Leave one "
            "out.",
            {"snapshot": snapshot},
            da="--live er på data, der ikke er frosset, og --snapshot nævner frosne; et svar er på ét af dem. Udelad det ene.",
        )


@app.command(
    help=_of(
        "The Copenhagen rollout from draft to answer, on made-up approvals and outcomes.",
        "København-udrulningen fra udkast til svar, med opdigtede godkendelser og udfald.",
    )
)
def demo(
    folder: Annotated[Path, typer.Argument(help=_of("Where to make it.", "Hvor den skal laves."))] = Path("demo"),
    lang: Language = "",
    json: ForMachines = False,
) -> None:
    from trialkit.cli.demo import demonstrate

    demonstrate(folder)


def pressed(argv: Sequence[str]) -> int:
    """Run one command; the exit status (0 done, 1 refused, 2 wrong usage, 3 not confirmed)."""
    speech.listen(argv, os.environ)
    try:
        app(list(argv), prog_name="trialkit")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    except TrialkitError as error:
        return speech.refuse(error)
    except OSError as error:
        return speech.refuse(_machine(error))
    except MemoryError:
        return speech.refuse(_too_large())
    except KeyboardInterrupt:
        speech.note("Interrupted; nothing half-written remains.", "Afbrudt; intet står halvt skrevet.")
        return 1
    return 0


def _too_large() -> TrialkitError:
    """More than the machine's memory holds, in words."""
    return TrialkitError(
        "This needs more memory than the machine gives, so nothing was done and what was there is unchanged. Use a "
        "machine with more memory, or a smaller list.",
        da="Det kræver mere hukommelse, end maskinen giver, så intet er gjort, og det, der var der før, er uændret. Brug "
        "en maskine med mere hukommelse eller en kortere liste.",
        code="E_MEMORY",
    )


def _machine(error: OSError) -> TrialkitError:
    """A fault of the machine (disk full, no permission), in words."""
    place = error.filename or ""
    if isinstance(error, FileNotFoundError):
        return TrialkitError(
            f"There is no file {place}. Nothing was changed. Check the name and the folder you stand in.",
            {"file": str(place), "errno": error.errno},
            da=f"Der er ingen fil {place}. Intet er ændret. Se efter, at navnet og mappen er rigtige.",
            code="E_MACHINE",
        )
    why = error.strerror or str(error)
    return TrialkitError(
        f"The machine refused: {why} ({place}). What was there before is still there. "
        "Make room or ask for access, and run the same command again.",
        {"file": str(place), "errno": error.errno},
        da=f"Maskinen sagde nej: {why} ({place}). Det, der var der før, er der stadig. "
        "Skaf plads eller adgang, og kør samme kommando igen.",
        code="E_MACHINE",
    )


def run() -> None:
    """The ``trialkit`` command."""
    sys.exit(pressed(sys.argv[1:]))
