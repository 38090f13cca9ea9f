"""The questions of `new`, one after the other: asked in the dialogue, printed in the form, read by the same readers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from trialkit.cli import listing, readers
from trialkit.cli.readers import Known
from trialkit.errors import Lang, UsageError
from trialkit.power.said import Said
from trialkit.registers.shipped import register

Kind = Literal["text", "day", "number", "choice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of the answers a question knows: the draft's word, and the words people read."""

    word: str
    said: Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question.

    Parameters
    ----------
    key : under which the answer is kept
    short : two or three words for the summary and the form
    ask : the question
    help : what `?` answers
    read : the answer's text and the earlier answers -> the value
    suggest : what Enter takes; empty where nothing is suggested
    optional : whether nothing may be answered; the value is then None
    quiet : whether the suggestion is taken unasked; it stands in the summary, where it can be changed
    applies : whether it is asked at all, after the earlier answers
    choices : where the answer is one of a few
    parts : what its cells in a form are called, where it has several
    kind : of those cells
    more : further lines under the question, which depend on earlier answers
    """

    key: str
    short: Said
    ask: Said
    help: Said
    read: Callable[[str, Known], Any]
    suggest: Callable[[Known], str] = lambda known: ""
    optional: bool = False
    quiet: bool = False
    applies: Callable[[Known], bool] = lambda known: True
    choices: tuple[Choice, ...] = ()
    parts: tuple[Said, ...] = ()
    kind: Kind = "text"
    more: Callable[[Known, Lang], str] = lambda known, lang: ""


def _chosen(choices: tuple[Choice, ...]) -> Callable[[str, Known], str]:
    """A reader of one of the choices: by number, by the draft's word or by the words people read."""

    def read(text: str, known: Known) -> str:
        for number, choice in enumerate(choices, start=1):
            if text.casefold() in (str(number), choice.word, choice.said.en.casefold(), choice.said.da.casefold()):
                return choice.word
        last = len(choices)
        raise UsageError(
            f"Choose by its number: 1 to {last}.", {"answer": text}, da=f"Vælg med nummeret: 1 til {last}."
        )

    return read


_WAVES: Final = tuple(Said(f"wave {number}", f"bølge {number}") for number in range(1, 7))
_KINDS: Final = (
    Choice(word="share", said=Said("a share of those counted", "en andel af dem, der tælles")),
    Choice(word="yes_no", said=Said("yes or no for each person", "ja eller nej for hver person")),
    Choice(word="number", said=Said("a number for each person", "et tal for hver person")),
)
_REPORTERS: Final = (
    Choice(word="register_extract", said=Said("taken from a register", "trækkes fra et register")),
    Choice(
        word="blinded_rater",
        said=Said("raters who do not know who has started", "bedømmere, der ikke ved, hvem der er begyndt"),
    ),
    Choice(word="family", said=Said("the families themselves", "familierne selv")),
    Choice(word="treated_staff", said=Said("the staff who work in the new way", "medarbejdere, der udfører det nye")),
    Choice(
        word="treated_municipality",
        said=Said("the municipality that has the new way", "kommunen, der har fået det nye"),
    ),
    Choice(word="project_manager", said=Said("the project manager", "projektlederen")),
    Choice(word="committee_minutes", said=Said("minutes of meetings", "mødereferater")),
)


def _registers(known: Known, lang: Lang) -> str:
    lines = []
    for number, (name, frame) in enumerate(listing.shelf(), start=1):
        units = register(name, frame=frame)
        lines.append(f"  {number} {'/'.join(filter(None, (name, frame)))} ({len(units)})")
    head = "Registre, der følger med:" if lang == "da" else "Registers that come with trialkit:"
    return "\n".join([head, *lines])


def _named_pilots(known: Known, lang: Lang) -> str:
    names = [unit.name or unit.id for unit in known["units"].units]
    shown = ", ".join(names[:12]) + (" ..." if len(names) > 12 else "")
    return f"  ({len(names)}: {shown})"


def _columns(known: Known, lang: Lang) -> str:
    columns = known["units"].counts
    if not columns:
        return ""
    head = "  Kolonner i listen: " if lang == "da" else "  Columns of the list: "
    return head + ", ".join(f"{number} {column}" for number, column in enumerate(columns, start=1))


def _may_have_people(known: Known) -> bool:
    return bool(known["units"].counts) or known["units"].register is None


def _ages(known: Known) -> bool:
    column = known.get("people")
    return isinstance(column, str) and any(word in column for word in ("children_", "infants_"))


def _is_number(known: Known) -> bool:
    return bool(known["kind"] == "number")


QUESTIONS: Final = (
    Question(
        key="title",
        short=Said("Title", "Titel"),
        ask=Said("What is the trial called?", "Hvad hedder forsøget?"),
        help=Said(
            "One line that people understand; it is published with the draw.",
            "Én linje, som folk forstår; den offentliggøres med lodtrækningen.",
        ),
        read=readers.title,
    ),
    Question(
        key="trial",
        short=Said("Short name", "Kort navn"),
        ask=Said("A short name for files?", "Et kort navn til filer?"),
        help=Said("Small letters a-z, digits, _ and -.", "Små bogstaver a-z, cifre, _ og -."),
        read=readers.trial_id,
        suggest=readers.short_id,
        quiet=True,
    ),
    Question(
        key="units",
        short=Said("Units", "Enheder"),
        ask=Said(
            "Who is drawn among? Type names with commas, a file (CSV or XLSX), or the number of a register.",
            "Hvem trækkes der lod imellem? Skriv navne med komma, en fil (CSV eller XLSX) eller nummeret på et register.",
        ),
        help=Said(
            "The units that get the new way whole: districts, institutions, municipalities. A file has one unit per row "
            "and headings in the first row. If names hold commas, put semicolons between them.",
            "De enheder, der får det nye som helhed: bydele, institutioner, kommuner. En fil har én enhed pr. række og "
            "overskrifter i første række. Rummer navnene kommaer, så sæt semikolon imellem dem.",
        ),
        read=lambda text, known: listing.listed(text),
        more=_registers,
    ),
    Question(
        key="pilots",
        short=Said("Pilots", "Piloter"),
        ask=Said(
            "Which of them have the new way already? (Enter: none)", "Hvem af dem har allerede det nye? (Enter: ingen)"
        ),
        help=Said(
            "Pilots were chosen, not drawn: they are listed and shown, and are not part of the lottery.",
            "Piloter er valgt og ikke trukket: de nævnes og vises, men er ikke med i lodtrækningen.",
        ),
        read=readers.pilots,
        optional=True,
        more=_named_pilots,
    ),
    Question(
        key="people",
        short=Said("People a month", "Personer pr. måned"),
        ask=Said(
            "How many people are counted in each unit in a month? (Enter: not known)",
            "Hvor mange personer tælles der i hver enhed på en måned? (Enter: vides ikke)",
        ),
        help=Said(
            "One number for all, one for each in the order of the list, or the number of a column. Without it, chance "
            "within units is left out and the figures are optimistic.",
            "Ét tal for alle, ét for hver i listens rækkefølge, eller nummeret på en kolonne. Uden det er tilfældig "
            "variation inden for enhederne ikke med, og tallene er optimistiske.",
        ),
        read=readers.people,
        optional=True,
        applies=_may_have_people,
        kind="number",
        more=_columns,
    ),
    Question(
        key="births",
        short=Said("By month of birth", "Efter fødselsmåned"),
        ask=Said("Is each child counted in the month it was born?", "Tælles hvert barn i den måned, det er født?"),
        help=Said(
            "The column holds children of several ages; yes divides it into births a month.",
            "Kolonnen rummer børn i flere aldre; ja deler dem ud på fødsler pr. måned.",
        ),
        read=readers.yes,
        suggest=lambda known: "yes",
        applies=_ages,
        kind="choice",
    ),
    Question(
        key="waves",
        short=Said("Waves", "Bølger"),
        ask=Said(
            "In how many waves do they start? (1: one group starts, the rest go on as now)",
            "I hvor mange bølger begynder de? (1: én gruppe begynder, resten fortsætter som nu)",
        ),
        help=Said(
            "With two or more waves all can get the new way, and lots decide the order. More waves take longer.",
            "Med to eller flere bølger kan alle få det nye, og loddet afgør rækkefølgen. Flere bølger tager længere tid.",
        ),
        read=readers.waves,
        suggest=lambda known: "2",
        kind="number",
    ),
    Question(
        key="starts",
        short=Said("Start dates", "Startdatoer"),
        ask=Said("When does each wave start? Dates with commas.", "Hvornår begynder hver bølge? Datoer med komma."),
        help=Said(
            "Day, month, year, the first wave first: 01-02-2027, 01-06-2027.",
            "Dag, måned, år, første bølge først: 01-02-2027, 01-06-2027.",
        ),
        read=readers.starts,
        kind="day",
        parts=_WAVES,
    ),
    Question(
        key="places",
        short=Said("Places", "Pladser"),
        ask=Said("How many units start in each wave?", "Hvor mange enheder begynder i hver bølge?"),
        help=Said(
            "One number per wave. If they sum to fewer than the units, the rest go on as now.",
            "Ét tal pr. bølge. Giver de tilsammen færre end enhederne, fortsætter resten som nu.",
        ),
        read=readers.places,
        suggest=readers.usual_places,
        kind="number",
        parts=_WAVES,
    ),
    Question(
        key="new",
        short=Said("The new way", "Det nye"),
        ask=Said("What is the new way called?", "Hvad kaldes det nye?"),
        help=Said("A few words, as in: New collaboration model.", "Få ord, som: Ny samarbejdsmodel."),
        read=readers.name,
    ),
    Question(
        key="usual",
        short=Said("The present way", "Det nuværende"),
        ask=Said("And what they do now?", "Og det, de gør nu?"),
        help=Said("A few words, as in: Collaboration as before.", "Få ord, som: Samarbejde som hidtil."),
        read=readers.name,
    ),
    Question(
        key="outcome",
        short=Said("Outcome", "Udfald"),
        ask=Said(
            "What should become better? The one outcome that decides, in words.",
            "Hvad skal blive bedre? Det ene udfald, der afgør det, med ord.",
        ),
        help=Said("As in: First support within 90 days of birth.", "Som: Første støtte inden 90 dage efter fødslen."),
        read=readers.name,
    ),
    Question(
        key="kind",
        short=Said("Measured as", "Måles som"),
        ask=Said("How is it measured?", "Hvordan måles det?"),
        help=Said(
            "A share: how many of all. Yes or no: asked for each person. A number: days, points, visits.",
            "En andel: hvor mange ud af alle. Ja eller nej: for hver person. Et tal: dage, point, besøg.",
        ),
        read=_chosen(_KINDS),
        suggest=lambda known: "1",
        choices=_KINDS,
        kind="choice",
    ),
    Question(
        key="among",
        short=Said("Counted among", "Tælles blandt"),
        ask=Said("Among whom is it counted?", "Hvem tælles der blandt?"),
        help=Said(
            "All who could have it, not only those already found: all children born in the unit in the month.",
            "Alle, der kunne få det, ikke kun dem, der allerede er fundet: alle børn født i enheden i måneden.",
        ),
        read=readers.name,
    ),
    Question(
        key="window",
        short=Said("Days it may take", "Dage, det må tage"),
        ask=Said(
            "Within how many days must it happen to count? (Enter: no limit)",
            "Inden for hvor mange dage skal det ske for at tælle med? (Enter: ingen grænse)",
        ),
        help=Said(
            "A short window keeps those who wait from meeting the new way before their window has closed.",
            "Et kort vindue betyder, at de, der venter, ikke når at møde det nye, før deres vindue er lukket.",
        ),
        read=readers.window,
        optional=True,
        kind="number",
    ),
    Question(
        key="reported_by",
        short=Said("Reported by", "Indberettes af"),
        ask=Said("Who reports it?", "Hvem indberetter det?"),
        help=Said(
            "Best somebody who does not know or care who has started: a register, or raters who are not told.",
            "Helst nogen, der ikke ved, hvem der er begyndt, eller er ligeglade: et register eller bedømmere, der ikke "
            "får det at vide.",
        ),
        read=_chosen(_REPORTERS),
        suggest=lambda known: "1",
        choices=_REPORTERS,
        kind="choice",
    ),
    Question(
        key="period",
        short=Said("Counted from - to", "Tælles fra - til"),
        ask=Said("From which day to which is it counted?", "Fra hvilken dag til hvilken tælles det?"),
        help=Said(
            "The days on which some have started and others still wait: 01-02-2027 to 30-09-2027.",
            "De dage, hvor nogle er begyndt, og andre stadig venter: 01-02-2027 til 30-09-2027.",
        ),
        read=readers.period,
        suggest=readers.usual_period,
        kind="day",
        parts=(Said("first day", "første dag"), Said("last day", "sidste dag")),
    ),
    Question(
        key="baseline",
        short=Said("The level now", "Niveauet nu"),
        ask=Said("What is the level now? (Enter: not known)", "Hvad er niveauet nu? (Enter: vides ikke)"),
        help=Said(
            "A share as 5 % or 0.05; a number in the outcome's own unit. Without it the power cannot be told.",
            "En andel som 5 % eller 0,05; et tal i udfaldets egen enhed. Uden det kan styrken ikke beregnes.",
        ),
        read=readers.level,
        optional=True,
        kind="number",
    ),
    Question(
        key="spread",
        short=Said("Standard deviation", "Standardafvigelse"),
        ask=Said(
            "The standard deviation between persons? (Enter: not known)",
            "Standardafvigelsen mellem personer? (Enter: vides ikke)",
        ),
        help=Said(
            "How far persons lie from the mean; without it the power cannot be told.",
            "Hvor langt personerne ligger fra gennemsnittet; uden den kan styrken ikke beregnes.",
        ),
        read=readers.effect,
        optional=True,
        applies=_is_number,
        kind="number",
    ),
    Question(
        key="effect",
        short=Said("Smallest effect", "Mindste effekt"),
        ask=Said("The smallest effect worth finding?", "Den mindste effekt, der er værd at finde?"),
        help=Said(
            "A share in percentage points, as 3 or 0.03; a number in the outcome's own unit. Anything smaller would not "
            "change your decision.",
            "En andel i procentpoint, som 3 eller 0,03; et tal i udfaldets egen enhed. Noget mindre ville ikke ændre jeres "
            "beslutning.",
        ),
        read=readers.effect,
        kind="number",
    ),
    Question(
        key="approvals",
        short=Said("Must approve", "Skal godkende"),
        ask=Said(
            "Who must approve the lottery? Names with commas. (Enter: nobody)",
            "Hvem skal godkende lodtrækningen? Navne med komma. (Enter: ingen)",
        ),
        help=Said(
            "Committees or boards. The official draw waits for them; a rehearsal does not.",
            "Udvalg eller bestyrelser. Den officielle lodtrækning venter på dem; en prøve gør ikke.",
        ),
        read=readers.names,
        optional=True,
    ),
    Question(
        key="throws",
        short=Said("Throws of a die", "Terningkast"),
        ask=Said("How many throws of a ten-sided die?", "Hvor mange kast med en tisidet terning?"),
        help=Said(
            "Thrown in public on the day. Twenty throws cannot be tried out beforehand.",
            "Kastes i offentlighed på dagen. Tyve kast kan ikke prøves af på forhånd.",
        ),
        read=readers.throws,
        suggest=lambda known: "20",
        quiet=True,
        kind="number",
    ),
)
