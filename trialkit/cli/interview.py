"""The dialogue: each answer is read as it is typed, and any of them can be changed before anything is written."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from trialkit.cli.answered import shown
from trialkit.cli.questions import Question
from trialkit.cli.speech import speech
from trialkit.errors import TrialkitError, UsageError
from trialkit.registers.cpr import masked

BACK: Final = frozenset({"tilbage", "back", "<"})
HELP: Final = frozenset({"?", "hjælp", "help"})
NOTHING: Final = frozenset({"-", "ingen", "none", "nobody", "ved ikke", "vides ikke", "unknown", "not known"})


class Interview:
    """Questions with their answers so far.

    ``typed`` keeps what was typed; an empty text took the suggestion, so it follows when earlier answers change.
    ``known`` holds the values.
    """

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = questions
        self.typed: dict[str, str] = {}
        self.known: dict[str, Any] = {}

    @property
    def asked(self) -> list[Question]:
        """The questions that apply, in order; a question's number for people is its place here, from 1."""
        return [question for question in self.questions if question.key in self.known]

    def take(self, question: Question, text: str) -> None:
        """Read an answer; an empty one takes the suggestion, or nothing where nothing is needed.

        Raises
        ------
        TrialkitError
            Why the answer cannot be used.
        """
        answer = text.strip()
        if question.optional and (answer.casefold() in NOTHING or not (answer or question.suggest(self.known))):
            value = None
        else:
            value = question.read(answer or question.suggest(self.known), self.known)
        self.typed[question.key], self.known[question.key] = answer, value

    def forget(self, question: Question) -> None:
        """The question does not apply, or its answer no longer fits."""
        self.known.pop(question.key, None)

    def ask_all(self, again: Collection[str] = ()) -> None:
        """Ask what is not answered, what no longer fits, and ``again`` the questions of these keys.

        Raises
        ------
        UsageError
            The input ended.
        """
        again, path, place = set(again), list[int](), 0
        while place < len(self.questions):
            question = self.questions[place]
            if not question.applies(self.known):
                self.forget(question)
            elif question.key in again or not (self._still_fits(question) or self._taken_quietly(question)):
                if not self._ask(question, place):  # one back
                    place = path.pop() if path else self._before(place)
                    again.add(self.questions[place].key)
                    continue
                again.discard(question.key)
                path.append(place)
            place += 1

    def _before(self, place: int) -> int:
        """The question before this one that applies; the first where there is none."""
        earlier = [k for k in range(place) if self.questions[k].applies(self.known) and not self.questions[k].quiet]
        return earlier[-1] if earlier else place

    def _still_fits(self, question: Question) -> bool:
        if question.key not in self.typed:
            return False
        try:
            self.take(question, self.typed[question.key])
        except TrialkitError:
            return False
        return True

    def _taken_quietly(self, question: Question) -> bool:
        """Take the suggestion of a question that is only asked when somebody wants another answer."""
        if question.quiet:
            self.take(question, "")
        return question.quiet

    def _ask(self, question: Question, place: int) -> bool:
        """One question until its answer fits; False to go one back."""
        number = 1 + sum(other.applies(self.known) for other in self.questions[:place])
        usual = self._usual(question)
        prompt = (
            f"\n{number}. {question.ask.told(speech.lang)}\n{self._below(question)}{f'[{usual}]' if usual else ''}>"
        )
        while True:
            answer = answered(prompt, prompt)
            if answer.casefold() in BACK:
                return False
            if answer.casefold() in HELP:
                speech.note(f"  {question.help.en}", f"  {question.help.da}")
            elif self._taken(question, answer or self._kept(question)):
                return True

    def _below(self, question: Question) -> str:
        lines = [f"  {n} {choice.said.told(speech.lang)}" for n, choice in enumerate(question.choices, start=1)]
        if more := question.more(self.known, speech.lang):
            lines.append(more)
        return "".join(f"{line}\n" for line in lines)

    def _kept(self, question: Question) -> str:
        """What was typed here before and still fits; empty otherwise."""
        before = self.typed.get(question.key, "")
        return before if before and self._still_fits(question) else ""

    def _usual(self, question: Question) -> str:
        """What Enter takes, in words."""
        if kept := self._kept(question):
            return kept
        suggested = question.suggest(self.known)
        if not suggested or not (question.choices or question.kind == "choice"):
            return suggested
        said = shown(question, question.read(suggested, self.known), speech.lang, known=self.known)
        return f"{suggested} {said}" if question.choices else said

    def _taken(self, question: Question, answer: str) -> bool:
        """Whether the answer could be used; a word about why not, or about how it was understood."""
        if not answer and not question.optional and not question.suggest(self.known):
            speech.note("  An answer is needed here. Type ? for help.", "  Her skal stå et svar. Skriv ? for hjælp.")
            return False
        try:
            self.take(question, answer)
        except TrialkitError as error:
            speech.note(f"  {error.told('en')}", f"  {error.told('da')}")
            return False
        said = shown(question, self.known[question.key], speech.lang, known=self.known)
        if answer and said != answer and not question.choices and answer.casefold() not in NOTHING:
            speech.note(f"  Understood as: {masked(said)}", f"  Forstået som: {masked(said)}")
        return True

    def summary(self) -> str:
        """The answers with their numbers."""
        return "\n".join(self._summarized())

    def _summarized(self) -> Iterator[str]:
        width = max(len(question.short.told(speech.lang)) for question in self.questions)
        for number, question in enumerate(self.asked, start=1):
            value = shown(question, self.known[question.key], speech.lang, known=self.known)
            yield f"{number:>3}. {question.short.told(speech.lang):<{width}}  {value}"


def answered(en: str, da: str) -> str:
    """One typed line.

    Raises
    ------
    UsageError
        The input ended.
    """
    try:
        return speech.ask(en, da)
    except UsageError as error:
        asked_en, asked_da = (" ".join(text.split()).removesuffix(">").strip() for text in (en, da))
        raise UsageError(
            f"The input ended, so nothing was written. The last question was: {asked_en} Run the command again, or take "
            "a form to fill in with --form.",
            error.facts,
            da=f"Der kom ikke flere svar, så intet er skrevet. Det sidste spørgsmål var: {asked_da} Kør kommandoen igen, "
            "eller tag et skema til udfyldelse med --form.",
        ) from None
