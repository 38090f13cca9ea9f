"""What a verifier found, in words: every failure and warning of the draw's specification, sections 1 to 10.

Each text says what it means, why it matters and what to do; the code stays beside it, because it is the name two
strangers can compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from trialkit.errors import Lang


class Verdict(Protocol):
    """What a page needs of a verifier's verdict; the failure is None or empty where there is none."""

    @property
    def failure(self) -> str | None: ...
    @property
    def warnings(self) -> Sequence[str]: ...
    @property
    def confirmed(self) -> bool: ...


class Told(NamedTuple):
    """One text in both languages."""

    en: str
    da: str


def explain(name: str, lang: Lang) -> str:
    """The failure or warning name in words; a name the specification does not know is said to be unknown."""
    told = MEANINGS.get(name)
    if told is None:
        told = Told(
            f"The name {name} is not in the specification trialkit-draw/1. Check with the newest trialkit.",
            f"Navnet {name} står ikke i specifikationen trialkit-draw/1. Kontrollér med den nyeste trialkit.",
        )
    return told.da if lang == "da" else told.en


def headline(verdict: Verdict, lang: Lang) -> str:
    """BEKRÆFTET, IKKE BEKRÆFTET or FEJL (section 10, "Confirmed or not")."""
    if verdict.failure:
        return "FEJL" if lang == "da" else "FAILED"
    if verdict.confirmed:
        return "BEKRÆFTET" if lang == "da" else "CONFIRMED"
    return "IKKE BEKRÆFTET" if lang == "da" else "NOT CONFIRMED"


_FORM: Final = {
    "E_JSON": Told(
        "The file is not byte for byte as trialkit wrote it, so its fingerprint proves nothing. It has probably been "
        "opened and saved in an editor: fetch the file again from where it was published.",
        "Filen er ikke tegn for tegn, som trialkit skrev den, så dens fingeraftryk beviser intet. Den er formentlig "
        "åbnet og gemt i et redigeringsprogram: hent filen igen, hvor den blev offentliggjort.",
    ),
    "E_FORMAT": Told(
        "The file is another kind of document, or of another version, than a record of trialkit-draw/1. Check that "
        "the right file was chosen.",
        "Filen er en anden slags dokument eller en anden version end en resultatfil i trialkit-draw/1. Kontrollér, "
        "at det er den rigtige fil.",
    ),
    "E_SCHEMA": Told(
        "A field is missing, is unknown, or holds something it may not hold, so programs could read it differently. "
        "Ask whoever published it for the file as it was written.",
        "Et felt mangler, er ukendt eller rummer noget, det ikke må, så programmer kunne læse det forskelligt. Bed "
        "den, der offentliggjorde filen, om den, som den blev skrevet.",
    ),
    "E_PROTOCOL_HASH": Told(
        "The protocol in the record is not the one whose fingerprint stands beside it: something was changed after "
        "the fingerprint was published. Compare with the protocol that was published before the draw.",
        "Protokollen i resultatfilen er ikke den, hvis fingeraftryk står ved siden af: noget er ændret, efter at "
        "fingeraftrykket blev offentliggjort. Sammenlign med protokollen fra før lodtrækningen.",
    ),
    "E_TEXT": Told(
        "A name or title holds something that cannot be read aloud or typed again: an invisible character, a double "
        "space, or letters in a form that only looks right. Correct the text in the draft before it is committed.",
        "Et navn eller en titel rummer noget, der ikke kan læses op eller skrives igen: et usynligt tegn, et dobbelt "
        "mellemrum eller bogstaver, der kun ser rigtige ud. Ret teksten i udkastet, før protokollen låses.",
    ),
    "E_DUPLICATE": Told(
        "The same name stands twice, so one unit could be drawn twice. Keep one of them.",
        "Det samme navn står to gange, så én enhed kunne trækkes to gange. Behold det ene.",
    ),
    "E_LOOKALIKE": Told(
        "Two names look the same to people, for instance because only capitals differ, so nobody could say which one "
        "was drawn. Rename one.",
        "To navne ser ens ud for mennesker, for eksempel fordi kun store bogstaver er forskellige, så ingen kan sige, "
        "hvilken der blev trukket. Omdøb den ene.",
    ),
    "E_ORDER": Told(
        "The units do not stand in the fixed order, so another program would draw differently. Let trialkit prepare "
        "the list.",
        "Enhederne står ikke i den faste rækkefølge, så et andet program ville trække anderledes. Lad trialkit danne "
        "listen.",
    ),
}

_DESIGN: Final = {
    "E_CLUSTER_SPLIT": Told(
        "Units that are drawn together (a cluster) belong to different blocks or groups, or only some of them are "
        "fixed, so the cluster has no single place in the draw. Give all its units the same.",
        "Enheder, der trækkes samlet (en klynge), hører til forskellige lag eller grupper, eller kun nogle af dem er "
        "fastlagt, så klyngen har ikke én plads i lodtrækningen. Giv alle dens enheder det samme.",
    ),
    "E_DESIGN": Told(
        "The rules of the draw contradict each other, so there is no single way to draw. Correct the design in the "
        "draft; trialkit check names the line.",
        "Reglerne for lodtrækningen modsiger hinanden, så der er ikke én måde at trække på. Ret designet i udkastet; "
        "trialkit check nævner linjen.",
    ),
    "E_PLACES": Told(
        "The places do not fit the units: too many or too few, or more units are fixed to a wave than it holds. "
        "Somebody would lose a promised place. Change the places or the fixed units.",
        "Pladserne passer ikke med enhederne: for mange eller for få, eller flere enheder er lagt fast i en bølge, "
        "end der er plads til. Nogen ville miste en lovet plads. Ret pladserne eller de fastlagte enheder.",
    ),
    "E_COVARIATES": Told(
        "The figures for the balance rule are missing for a unit, are the same for all, or say the same twice, so the "
        "balance cannot be computed. Correct the figures or choose others.",
        "Tallene til balancekravet mangler for en enhed, er ens for alle eller siger det samme to gange, så balancen "
        "ikke kan beregnes. Ret tallene, eller vælg andre.",
    ),
    "E_RANK_SIZE": Told(
        "There are too many possible outcomes to number them on paper. Use the method shuffle instead.",
        "Der er for mange mulige udfald til, at de kan nummereres på papir. Brug metoden shuffle i stedet.",
    ),
    "E_ENTROPY_SHORT": Told(
        "Too few dice or balls: a computer could try every throw beforehand. Throw at least 20 ten-sided or 25 "
        "six-sided dice, or add a drand round.",
        "For få terninger eller kugler: en computer kunne prøve alle kast på forhånd. Kast mindst 20 tisidede eller 25 "
        "sekssidede terninger, eller tilføj en drand-runde.",
    ),
}

_CHANCE: Final = {
    "E_EVIDENCE": Told(
        "What was typed in does not answer what the protocol announced: another number of throws, a value outside the "
        "dice, another round, or a source that was not named. Compare with the sheet of throws.",
        "Det indtastede svarer ikke til det, protokollen har meldt ud: et andet antal kast, et tal uden for terningen, "
        "en anden runde eller en kilde, der ikke er nævnt. Sammenlign med kastesedlen.",
    ),
    "E_COMMITMENT": Told(
        "The opened secret is not the one that was sealed before the draw. Ask the party for the right one; if it has "
        "none, there is no result.",
        "Den åbnede hemmelighed er ikke den, der blev forseglet før lodtrækningen. Bed parten om den rigtige; findes "
        "den ikke, er der intet resultat.",
    ),
    "E_DRAND_SIGNATURE": Told(
        "The signature is not drand's for the named round, so the number did not come from the beacon. Fetch the "
        "round again from a relay; never take another round.",
        "Signaturen er ikke drands for den nævnte runde, så tallet kom ikke fra den offentlige tilfældighedskilde. "
        "Hent runden igen; tag aldrig en anden runde.",
    ),
    "E_SEED": Told(
        "The seed does not follow from the protocol and the chance beside it, so somebody changed one of the three. "
        "The result must not be used.",
        "Startværdien følger ikke af protokollen og det tilfældige ved siden af, så nogen har ændret et af de tre. "
        "Resultatet må ikke bruges.",
    ),
    "E_NO_ACCEPT": Told(
        "No order met the balance rule within the allowed number of attempts, so there is no result. The rule is too "
        "strict: a new draw with a gentler rule must be announced in public.",
        "Ingen rækkefølge opfyldte balancekravet inden for det tilladte antal forsøg, så der er intet resultat. Kravet "
        "er for stramt: en ny lodtrækning med et mildere krav må meldes ud i offentlighed.",
    ),
    "E_RESULT": Told(
        "The result in the file is not the one the seed gives. Drawn again from the same seed it comes out "
        "differently, so the published result must not be used.",
        "Resultatet i filen er ikke det, startværdien giver. Trukket igen fra samme startværdi bliver det et andet, "
        "så det offentliggjorte resultat må ikke bruges.",
    ),
}

_LEDGER: Final = {
    "E_LEDGER_FORMAT": Told(
        "The ledger is not as trialkit writes it: a line is missing, altered or cut short. Fetch the published file "
        "again.",
        "Logbogen er ikke, som trialkit skriver den: en linje mangler, er ændret eller er skåret over. Hent den "
        "offentliggjorte fil igen.",
    ),
    "E_LEDGER_SEQ": Told(
        "The ledger's entries are not numbered one after another: one is missing, or stands twice.",
        "Logbogens linjer er ikke nummereret fortløbende: en mangler eller står to gange.",
    ),
    "E_LEDGER_CHAIN": Told(
        "An entry does not join the one before it, so something was taken out, put in or moved.",
        "En linje i logbogen passer ikke til den foregående, så noget er taget ud, sat ind eller flyttet.",
    ),
    "E_LEDGER_HASH": Told(
        "An entry of the ledger was changed after it was written.",
        "En linje i logbogen er ændret, efter at den blev skrevet.",
    ),
    "E_LEDGER_TIME": Told(
        "The times of the ledger run backwards, or the draw is dated before its chance was out. Either a clock was "
        "wrong or the order of events is not as told.",
        "Tiderne i logbogen går baglæns, eller lodtrækningen er dateret, før det tilfældige var kendt. Enten gik et ur "
        "forkert, eller tingene skete i en anden rækkefølge end fortalt.",
    ),
    "E_LEDGER_HEAD": Told(
        "The ledger does not contain the line that was noted earlier (its head), so it was cut short or replaced. "
        "Compare with the number in the minutes.",
        "Logbogen indeholder ikke den linje, der tidligere blev noteret (dens hoved), så den er forkortet eller "
        "skiftet ud. Sammenlign med tallet i referatet.",
    ),
    "E_RECORD_HASH": Told(
        "The ledger says that another record was drawn. One of the two files is not the published one.",
        "Logbogen siger, at det var en anden resultatfil, der blev trukket. En af de to filer er ikke den "
        "offentliggjorte.",
    ),
}

_PROCEDURE: Final = {
    "E_REROLL": Told(
        "The draw was committed, withdrawn or made again after its chance could be known. That is drawing until one "
        "likes the result, whatever the reason was; only the first counts.",
        "Lodtrækningen er låst, trukket tilbage eller foretaget igen, efter at det tilfældige kunne kendes. Det er at "
        "trække om, uanset grunden; kun den første gælder.",
    ),
    "E_NOT_COMMITTED": Told(
        "A step names a protocol that was not the committed one, so nobody can see that it was fixed before the "
        "chance. Use the ledger that belongs to this draw.",
        "Et trin henviser til en protokol, der ikke var låst, så ingen kan se, at den lå fast før det tilfældige. Brug "
        "den logbog, der hører til lodtrækningen.",
    ),
    "E_COMMIT_TOO_LATE": Told(
        "The protocol was committed when the drand round was already out, so the result could have been known. Name a "
        "later round and commit again.",
        "Protokollen blev låst, da drand-runden allerede var kendt, så resultatet kunne være kendt. Vælg en senere "
        "runde, og lås igen.",
    ),
    "E_LATE_OPENING": Told(
        "The dice were not in the ledger, witnessed, before the drand round came, or they are others than those drawn "
        "with. Whoever types last could have chosen, so the result does not count.",
        "Terningerne stod ikke i logbogen med vidners underskrift, før drand-runden kom, eller de er andre end dem, "
        "der blev trukket med. Den, der taster sidst, kunne have valgt, så resultatet gælder ikke.",
    ),
    "E_ASSIGN": Told(
        "A person's assignment does not follow the list: out of turn, twice, or to something else than the list says.",
        "En tildeling følger ikke listen: uden for tur, to gange eller til noget andet, end listen siger.",
    ),
    "E_SIGNATURE": Told(
        "A witness's signature does not hold: it is another's, of another document, or of another time than the "
        "stage allows.",
        "Et vidnes underskrift holder ikke: den er en andens, gælder et andet dokument eller et andet tidspunkt, end "
        "trinnet tillader.",
    ),
    "E_QUORUM": Told(
        "Fewer witnesses have signed than the protocol asks for, before or after the draw. Have the missing ones sign "
        "the record; what was not signed before the chance cannot be made good.",
        "Færre vidner har skrevet under, end protokollen kræver, før eller efter lodtrækningen. Lad de manglende "
        "underskrive resultatet; det, der ikke blev underskrevet før det tilfældige, kan ikke rettes op.",
    ),
}

_WARNINGS: Final = {
    "W_RESEARCH_ONLY": Told(
        "The chance was known in advance or lay with one party alone. That will do for research and rehearsals, not "
        "for an official draw.",
        "Det tilfældige var kendt på forhånd eller lå hos én part alene. Det er nok til forskning og prøver, ikke til "
        "en officiel lodtrækning.",
    ),
    "W_DRAND_UNVERIFIED": Told(
        "drand's signature was not checked by this program, so the number could have been typed by anybody. Check with "
        "trialkit verify and the extra drand, or on the checking page, or compare the round at several relays.",
        "drands signatur er ikke kontrolleret af dette program, så tallet kunne være tastet af hvem som helst. "
        "Kontrollér med trialkit verify og tilvalget drand eller på kontrolsiden, eller sammenlign runden flere "
        "steder, hvor den er offentliggjort.",
    ),
    "W_LEFTOVER": Told(
        "The units could not be divided evenly, so the lot also decided who got the one left over. Every unit still "
        "had the promised probability, but totals across blocks may differ a little.",
        "Enhederne gik ikke lige op, så loddet afgjorde også, hvem der fik den overskydende. Hver enhed havde stadig "
        "den lovede sandsynlighed, men de samlede antal på tværs af lag kan afvige lidt.",
    ),
    "W_NO_WITNESS": Told(
        "The protocol asks for no witnesses, so nobody but the publisher can say that it was fixed before the chance. "
        "The minutes or another printed trace must stand for it.",
        "Protokollen kræver ingen vidner, så ingen andre end udgiveren kan sige, at den lå fast før det tilfældige. "
        "Referatet eller et andet trykt spor må stå inde for det.",
    ),
    "W_NOT_CONCEALED": Told(
        "No secret was sealed, so anybody could compute the next assignment before a person was enrolled.",
        "Der var ingen forseglet hemmelighed, så enhver kunne beregne den næste tildeling, før en person blev optaget.",
    ),
    "W_VOIDED": Told(
        "An earlier commitment of this draw was withdrawn in time, before its chance was out. That is allowed, but it "
        "must be known: read the reason in the ledger.",
        "En tidligere låst protokol blev trukket tilbage i tide, før dens tilfældige var kendt. Det er tilladt, men "
        "det skal frem: læs grunden i logbogen.",
    ),
    "W_LATE_OPENING": Told(
        "A sealed secret was opened only when the drand round was out, so its keeper could see the result first and "
        "might have refused. The secret itself could not be changed.",
        "En forseglet hemmelighed blev først åbnet, da drand-runden var kendt, så den, der gemte den, kunne se "
        "resultatet først og kunne have nægtet. Selve hemmeligheden kunne ikke ændres.",
    ),
}

MEANINGS: Final[dict[str, Told]] = {**_FORM, **_DESIGN, **_CHANCE, **_LEDGER, **_PROCEDURE, **_WARNINGS}
