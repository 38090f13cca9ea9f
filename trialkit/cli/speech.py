"""What the command line says, in one of two languages, to people or to machines."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

from trialkit.errors import Lang, TrialkitError, UsageError


def _first_guess(argv: Sequence[str], environment: Mapping[str, str]) -> Lang:
    """``--lang`` if it was given, then TRIALKIT_LANG, then the machine's own language."""
    for word, following in pairwise([*argv, ""]):
        if word in ("--lang=da", "--lang=en"):
            return cast(Lang, word[-2:])
        if word == "--lang" and following in ("da", "en"):
            return cast(Lang, following)
    names = ("TRIALKIT_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    said = next((environment[name] for name in names if environment.get(name)), "")
    return "da" if said.lower().startswith("da") else "en"


class Speech:
    """The language and form of one run; the command line has one, set before a command begins."""

    def __init__(self, argv: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        self.listen(argv, environment or {})

    def listen(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """Take language and form from the words of a command."""
        self.lang: Lang = _first_guess(argv, environment)
        self.json = "--json" in argv

    def of(self, en: str, da: str) -> str:
        """The one of two texts that is in the language of this run."""
        return da if self.lang == "da" else en

    def show(self, text: str, facts: Mapping[str, Any]) -> None:
        """Print ``text`` for people, or ``facts`` for machines."""
        _write(sys.stdout, _as_json(facts) if self.json else text)

    def note(self, en: str, da: str) -> None:
        """A line beside the answer, to the error stream, so that machines read only the answer."""
        _write(sys.stderr, self.of(en, da))

    def refuse(self, error: TrialkitError) -> int:
        """Say why nothing was done; the exit status."""
        if self.json:
            said = {"error": error.code, "message": error.told(self.lang), "facts": error.facts}
            _write(sys.stdout, _as_json(said))
        else:
            _write(sys.stderr, f"{error.told(self.lang)}\n({error.code})")
        return 2 if isinstance(error, UsageError) else 1

    def ask(self, en: str, da: str) -> str:
        """One line typed by a person.

        Raises
        ------
        UsageError
            There is nobody to ask: the input has ended.
        """
        _write(sys.stderr, self.of(en, da), end=" ")
        line = sys.stdin.readline()
        if not line:
            raise UsageError(
                f"Nobody answered: {en} The input ended. Give the answers on the command line, or type them.",
                da=f"Ingen svarede: {da} Der kom ikke mere. Giv svarene på kommandolinjen, eller skriv dem.",
            )
        return line.strip()

    def agrees(self, en: str, da: str) -> bool:
        """A yes or a no; anything else is asked again."""
        while True:
            answer = self.ask(f"{en} [y/n]", f"{da} [j/n]").lower()
            if answer in ("y", "yes", "j", "ja"):
                return True
            if answer in ("n", "no", "nej"):
                return False


def _as_json(facts: Mapping[str, Any]) -> str:
    import json  # here, so that `trialkit --help` does not pay for it

    return json.dumps(facts, ensure_ascii=False, indent=1, default=str)


def _write(stream: Any, text: str, end: str = "\n") -> None:
    """Print what the terminal can show; a letter it cannot show becomes a question mark, never a crash."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write((text + end).encode(encoding, "replace").decode(encoding))
    stream.flush()


speech = Speech(sys.argv[1:], os.environ)
