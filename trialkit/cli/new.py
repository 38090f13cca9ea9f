"""``new``: a trial's folder from a dialogue, a blank draft, or a form that was filled in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import typer

from trialkit.cli.answered import answers, folder_files
from trialkit.cli.interview import BACK, Interview, answered
from trialkit.cli.questions import QUESTIONS
from trialkit.cli.speech import speech
from trialkit.draw.publish import replace
from trialkit.errors import TrialkitError, UsageError
from trialkit.power.checkup import Checkup, Reason
from trialkit.power.said import Said
from trialkit.protocol.blank import FILL, Answers, draft_text
from trialkit.report.words import number, probability
from trialkit.trial import Trial

FORM = {"en": "form.xlsx", "da": "skema.xlsx"}
_TOO_MANY_TO_READ = 10**12
_INTERRUPTED = 130  # what a shell expects after Ctrl-C
_ACCEPT = frozenset({"accepter", "accept", "acceptér"})


def begin(trial: Path, *, blank: bool, form: bool, filled: Path | None) -> None:
    """Make the trial's folder in the way that was asked for.

    Raises
    ------
    UsageError
        Several ways at once, a folder that holds something, or the input ended; nothing is written then.
    """
    if sum((blank, form, filled is not None)) > 1:
        raise UsageError("Choose one of --blank, --form and --filled.", da="Vælg én af --blank, --form og --filled.")
    _check_empty(trial)
    if blank:
        _blank(trial)
    elif form:
        _form(trial)
    elif filled is not None:
        _filled(trial, filled)
    else:
        _interruptible(trial)


def _interruptible(trial: Path) -> None:
    """The dialogue; Ctrl-C says that nothing was written."""
    try:
        _dialogue(trial)
    except KeyboardInterrupt:
        speech.note("\nStopped; nothing was written.", "\nStoppet; intet er skrevet.")
        raise typer.Exit(_INTERRUPTED) from None


def _blank(trial: Path) -> None:
    """A draft and a list of units with places to fill in."""
    headings = speech.of("id,name,people\n", "id;navn;personer\n")  # as the spreadsheets of either language read CSV
    write_folder(
        trial, {"units.csv": headings.encode("utf-8-sig"), "draft.yaml": draft_text(Answers(), speech.lang).encode()}
    )
    mark = FILL[speech.lang]
    speech.show(
        speech.of(
            f"{trial / 'draft.yaml'} explains each line; fill in those marked {mark}, and the units in units.csv.\n"
            f"Then: trialkit check {trial}",
            f"{trial / 'draft.yaml'} forklarer hver linje; udfyld dem, der er mærket {mark}, og enhederne i units.csv.\n"
            f"Derefter: trialkit check {trial}",
        ),
        {"folder": str(trial), "files": ["units.csv", "draft.yaml"]},
    )


def _form(trial: Path) -> None:
    """A form to fill in."""
    from trialkit.cli.form import made

    name = FORM[speech.lang]
    write_folder(trial, {name: made(speech.lang)})
    speech.show(
        speech.of(
            f"Fill in {trial / name}, then read it into a folder of its own:\n"
            f"  trialkit new NEW_FOLDER --filled {trial / name}",
            f"Udfyld {trial / name}, og læs det derefter ind i en mappe for sig:\n"
            f"  trialkit new NY_MAPPE --filled {trial / name}",
        ),
        {"folder": str(trial), "files": [name]},
    )


def _filled(trial: Path, form: Path) -> None:
    """The folder that a filled form describes, as it stands: `check` says what it can show."""
    from trialkit.cli.form import read_form

    interview = read_form(form)
    found = _checked(interview, {})
    _write(trial, interview, {})
    if found.stops:
        speech.note("\n".join(_problems(found)), "\n".join(_problems(found)))


def _dialogue(trial: Path) -> None:
    """Ask, show, check, and write when everybody agrees."""
    speech.note(
        "? helps, Enter takes what stands in [ ], `back` goes one question back, Ctrl-C stops and leaves nothing.",
        "? hjælper, Enter tager det, der står i [ ], `tilbage` går ét spørgsmål tilbage, Ctrl-C stopper og efterlader intet.",
    )
    interview = Interview(QUESTIONS)
    interview.ask_all()
    accepts: dict[str, str] = {}
    while True:
        speech.note(f"\n{interview.summary()}", f"\n{interview.summary()}")
        stops = _stops(interview, accepts)
        if stops is not None and not stops and _agreed(interview, accepts):
            break
        if stops:
            _decide(interview, stops, accepts)
        elif stops is None:
            _change(interview, accepts)
    _write(trial, interview, accepts)


def _stops(interview: Interview, accepts: Mapping[str, str]) -> tuple[Reason, ...] | None:
    """What stops the trial, said with its numbers; None where it cannot be drawn at all, and why was said."""
    try:
        found = _checked(interview, accepts)
    except TrialkitError as error:
        speech.note(f"\n{error.told('en')}", f"\n{error.told('da')}")
        return None
    said = "\n".join([*_figures(found), *_problems(found)])
    speech.note(f"\n{said}", f"\n{said}")
    if found.rows and found.rows[0].outlook is None:
        speech.note(_NOTHING_COMPARED.en, _NOTHING_COMPARED.da)
        return None
    return found.stops


_NOTHING_COMPARED = Said(
    "In no month can those who have started be compared with those who wait: the window is longer than the time between "
    "the waves, or the period lies outside it. Shorten the window, spread the waves, or change the period.",
    "I ingen måned kan de, der er begyndt, sammenlignes med dem, der venter: vinduet er længere end tiden mellem "
    "bølgerne, eller perioden ligger uden for den. Gør vinduet kortere, spred bølgerne, eller ret perioden.",
)


def _figures(found: Checkup) -> list[str]:
    """How the lot can fall, and how often the trial would show the smallest effect worth finding."""
    lang, lines = speech.lang, []
    for row in found.rows[:1]:
        count, p = row.count.accepted, probability(row.smallest_p.of(found.sides), lang)
        ways = number(count, lang) if count < _TOO_MANY_TO_READ else f"over 10^{len(str(count)) - 1}"
        lines.append(
            speech.of(
                f"The lot can fall in {ways} ways; the smallest possible p-value is {p}.",
                f"Loddet kan falde på {ways} måder; den mindste mulige p-værdi er {p}.",
            )
        )
        power = row.outlook.middle.power if row.outlook else None
        if row.outlook and power is None:
            lines.append(speech.of("How often it would show the smallest effect cannot be told without the level now.",
                                   "Hvor tit det ville vise den mindste effekt, kan ikke siges uden niveauet nu."))  # fmt: skip
        elif power is not None:
            of_100 = number(100 * power.t, lang, 0)
            lines.append(
                speech.of(
                    f"The smallest effect worth finding would be seen in about {of_100} of 100 such trials.",
                    f"Den mindste effekt, der er værd at finde, ville ses i omkring {of_100} af 100 sådanne forsøg.",
                )
            )
    return lines


def _problems(found: Checkup) -> list[str]:
    return [reason.said.told(speech.lang) for reason in found.stops]


def _checked(interview: Interview, accepts: Mapping[str, str]) -> Checkup:
    """The checkup of the answers, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as place:
        for name, data in _files(interview, accepts).items():
            Path(place, name).write_bytes(data)
        return Trial.open(Path(place)).checkup()


def _files(interview: Interview, accepts: Mapping[str, str]) -> dict[str, bytes]:
    return folder_files(interview.known, draft_text(answers(interview.known, accepts), speech.lang))


def _agreed(interview: Interview, accepts: dict[str, str]) -> bool:
    """Whether the draft is to be written; a number changes an answer first."""
    answer = answered(
        "\nWrite the draft? Enter writes it; a number changes that answer.\n>",
        "\nSkal udkastet skrives? Enter skriver det; et nummer ændrer svaret.\n>",
    )
    if answer.casefold() in ("", "y", "yes", "j", "ja"):
        return True
    _changed(interview, answer, accepts)
    return False


def _change(interview: Interview, accepts: dict[str, str]) -> None:
    answer = answered("\nWhich answer shall be changed? Its number:\n>", "\nHvilket svar skal ændres? Nummeret:\n>")
    _changed(interview, answer, accepts)


def _decide(interview: Interview, stops: tuple[Reason, ...], accepts: dict[str, str]) -> None:
    """Change an answer, or accept in words what the trial cannot do."""
    numbers = {question.key: number for number, question in enumerate(interview.asked, start=1)}
    waves, effect = numbers["waves"], numbers["effect"]
    answer = answered(
        f"\nChange the waves ({waves}), the smallest effect ({effect}) or another answer: type its number.\n"
        "Or type `accept`, and say in words why it is worth doing anyway.\n>",
        f"\nÆndr bølgerne ({waves}), den mindste effekt ({effect}) eller et andet svar: skriv nummeret.\n"
        "Eller skriv `accepter`, og sig med ord, hvorfor det alligevel er umagen værd.\n>",
    )
    if answer.casefold() not in _ACCEPT:
        _changed(interview, answer, accepts)
        return
    for reason in stops:
        if words := _words(reason):
            accepts[reason.code] = words


def _words(reason: Reason) -> str:
    """Why a trial that cannot answer its question is done anyway, in the officer's words."""
    from trialkit.cli.readers import name

    while True:
        text = answered(
            f"Why is it worth doing anyway? ({reason.said.en})\n>",
            f"Hvorfor er det alligevel umagen værd? ({reason.said.da})\n>",
        )
        if text.casefold() in BACK:
            return ""
        try:
            return name(text, {})
        except TrialkitError as error:
            speech.note(f"  {error.told('en')}", f"  {error.told('da')}")


def _changed(interview: Interview, answer: str, accepts: dict[str, str]) -> None:
    """Ask the question of this number again, and whatever no longer fits after it.

    What was accepted was accepted of the figures before the change, so it falls.
    """
    asked = interview.asked
    if answer.casefold() in BACK:
        answer = str(len(asked))
    if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(asked):
        interview.ask_all(again={asked[int(answer) - 1].key})
        accepts.clear()
        return
    speech.note(f"  Type a number from 1 to {len(asked)}.", f"  Skriv et nummer fra 1 til {len(asked)}.")


def _write(trial: Path, interview: Interview, accepts: Mapping[str, str]) -> None:
    files = _files(interview, accepts)
    write_folder(trial, files)
    speech.show(
        speech.of(
            f"The draft is in {trial / 'draft.yaml'}. Read it, change what you like, and run: trialkit check {trial}",
            f"Udkastet ligger i {trial / 'draft.yaml'}. Læs det, ret, hvad I vil, og kør: trialkit check {trial}",
        ),
        {"folder": str(trial), "trial": interview.known["trial"], "files": list(files)},
    )


def _check_empty(trial: Path) -> None:
    if trial.is_dir() and not any(trial.iterdir()):
        return
    if trial.exists() or trial.is_symlink():
        raise UsageError(
            f"{trial} holds something already, and nothing there is ever written over. Name a new or empty folder.",
            {"folder": str(trial)},
            da=f"{trial} rummer allerede noget, og det bliver aldrig overskrevet. Angiv en ny eller tom mappe.",
        )


def write_folder(trial: Path, files: Mapping[str, bytes]) -> None:
    """All files or none: a new folder appears whole; in an empty one the last file, which makes it a trial, comes last.

    Raises
    ------
    UsageError
        The folder holds something.
    """
    _check_empty(trial)
    if trial.is_dir():
        try:
            for name, data in files.items():
                replace(trial / name, data)
        except BaseException:
            for name in files:
                (trial / name).unlink(missing_ok=True)
            raise
        return
    trial.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{trial.name}.", dir=trial.parent))
    try:
        for name, data in files.items():
            replace(made / name, data)
        made.chmod(0o755)
        made.rename(trial)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
