"""Rules a draft gives in words: ``group in [3, 4]``, ``health_visits > 5``, ``not acute_concern``.

A rule is read by the grammar below and by nothing else, so no text of a draft is ever run:

    rule       = also ("or" also)*
    also       = single ("and" single)*
    single     = "not" single | "(" rule ")" | column [test]
    test       = ("==" | "!=") value | ("<" | "<=" | ">" | ">=") (number | column) | ["not"] "in" "[" value, ... "]"

A column alone asks for yes or no.  Two plain numbers compare as decimals (``5`` equals ``5.0``; a code such as
``020`` is text), everything else as text, and ``yes`` equals ``ja``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Final

from trialkit.canonical import DECIMAL, nfc
from trialkit.errors import ProtocolError
from trialkit.protocol.text import NO, YES

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<number>-?[0-9]+(?:\.[0-9]+)?(?![\w.]))|(?P<word>[\w]+(?:-\w+)*)
    |(?P<quoted>"[^"]*"|'[^']*')|(?P<sign>==|!=|<=|>=|[<>()\[\],=]))""",
    re.VERBOSE,
)
_ORDER: Final = {"<": lt, "<=": le, ">": gt, ">=": ge}
_KEYWORDS: Final = frozenset({"and", "or", "not", "in"})
_LONGEST, _DEEPEST = 500, 20


@dataclass(frozen=True, slots=True)
class Is:
    """The column says yes."""

    column: str

    def accepts(self, facts: Mapping[str, str]) -> bool:
        """Whether the row's column says yes."""
        return _truth(self.column, _fact(self.column, facts))

    def __str__(self) -> str:
        return self.column


@dataclass(frozen=True, slots=True)
class Within:
    """The column has one of some values; ``==`` is one value."""

    column: str
    values: tuple[str, ...]

    def accepts(self, facts: Mapping[str, str]) -> bool:
        """Whether the row has one of the values."""
        found = _fact(self.column, facts)
        return any(_same(found, value) for value in self.values)

    def __str__(self) -> str:
        if len(self.values) == 1:
            return f"{self.column} == {_written(self.values[0])}"
        return f"{self.column} in [{', '.join(map(_written, self.values))}]"


@dataclass(frozen=True, slots=True)
class Ordered:
    """The column is a number below or above another, which is given or stands in another column."""

    column: str
    sign: str
    bound: str

    def accepts(self, facts: Mapping[str, str]) -> bool:
        """Whether the row's number passes."""
        bound = self.bound if DECIMAL.fullmatch(self.bound) else _fact(self.bound, facts)
        return bool(_ORDER[self.sign](_number(self.column, _fact(self.column, facts)), _number(self.bound, bound)))

    def __str__(self) -> str:
        return f"{self.column} {self.sign} {self.bound}"


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a rule."""

    rule: Rule

    def accepts(self, facts: Mapping[str, str]) -> bool:
        """Whether the rule inside refuses."""
        return not self.rule.accepts(facts)

    def __str__(self) -> str:
        return f"not {self.rule}" if isinstance(self.rule, Is | Not) else f"not ({self.rule})"


@dataclass(frozen=True, slots=True)
class All:
    """Every rule accepts."""

    rules: tuple[Rule, ...]

    def accepts(self, facts: Mapping[str, str]) -> bool:
        """Whether every rule accepts; all are asked, so that a missing column is always met."""
        answers = [rule.accepts(facts) for rule in self.rules]
        return all(answers)

    def __str__(self) -> str:
        return " and ".join(f"({rule})" if isinstance(rule, All | Either) else str(rule) for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Either:
    """At least one rule accepts."""

    rules: tuple[Rule, ...]

    def accepts(self, facts: Mapping[str, str]) -> bool:
        """Whether any rule accepts; all are asked, so that a missing column is always met."""
        answers = [rule.accepts(facts) for rule in self.rules]
        return any(answers)

    def __str__(self) -> str:
        return " or ".join(f"({rule})" if isinstance(rule, Either) else str(rule) for rule in self.rules)


Rule = Is | Within | Ordered | Not | All | Either


def columns(rule: Rule) -> tuple[str, ...]:
    """The columns a rule reads, each once, in the order it names them."""
    if isinstance(rule, All | Either):
        return tuple(dict.fromkeys(name for part in rule.rules for name in columns(part)))
    if isinstance(rule, Not):
        return columns(rule.rule)
    second = (rule.bound,) if isinstance(rule, Ordered) and not DECIMAL.fullmatch(rule.bound) else ()
    return (rule.column, *second)


def parse(text: str) -> Rule:
    """The rule that ``text`` says.

    Raises
    ------
    ProtocolError
        The text is not a rule (code ``E_RULE``); the message shows where reading stopped.
    """
    if len(text) > _LONGEST:
        raise _not_a_rule(text[:40] + "...", f"is longer than {_LONGEST} letters", f"er længere end {_LONGEST} tegn")
    reader = _Reader(nfc(text))
    rule = reader.either(0)
    if reader.here is not None:
        raise reader.stopped()
    return rule


class _Reader:
    """One rule, read from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            if not (found := _TOKEN.match(text, at)):
                raise _not_a_rule(
                    text,
                    f"has the unknown sign {text[at:].strip()[:1]!r}",
                    f"har det ukendte tegn {text[at:].strip()[:1]!r}",
                )
            self.tokens.append((found.lastgroup or "", found[found.lastgroup or 0]))
            at = found.end()

    @property
    def here(self) -> tuple[str, str] | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def took(self, *signs: str) -> str:
        """The next sign or keyword, if it is one of ``signs``."""
        if self.here and self.here[0] in ("sign", "word") and self.here[1] in signs:
            self.place += 1
            return self.tokens[self.place - 1][1]
        return ""

    def stopped(self, wanted: str = "", da: str = "") -> ProtocolError:
        near = repr(self.here[1]) if self.here else "the end"
        near_da = repr(self.here[1]) if self.here else "slutningen"
        return _not_a_rule(self.text, f"cannot be read from {near} on{wanted}", f"kan ikke læses fra {near_da}{da}")

    def either(self, depth: int) -> Rule:
        parts = [self.every(depth)]
        while self.took("or"):
            parts.append(self.every(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def every(self, depth: int) -> Rule:
        parts = [self.single(depth)]
        while self.took("and"):
            parts.append(self.single(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def single(self, depth: int) -> Rule:
        if depth > _DEEPEST:
            raise _not_a_rule(self.text[:40], "has too many parentheses", "har for mange parenteser")
        if self.took("not"):
            return Not(self.single(depth + 1))
        if self.took("("):
            rule = self.either(depth + 1)
            if not self.took(")"):
                raise self.stopped(": a ) is missing", ": der mangler en )")
            return rule
        return self.test(self.column())

    def column(self) -> str:
        kind, word = self.here or ("", "")
        if kind != "word" or word in _KEYWORDS or not re.match(r"[^\W\d]", word):
            raise self.stopped(": the name of a column is asked", ": her skal stå navnet på en kolonne")
        self.place += 1
        return word

    def test(self, column: str) -> Rule:
        if sign := self.took("<", "<=", ">", ">="):
            return Ordered(column, sign, self.bound())
        if self.took("="):
            raise _not_a_rule(self.text, "has a single =; write ==", "har et enkelt =; skriv ==")
        if sign := self.took("==", "!="):
            same = Within(column, (self.value(),))
            return same if sign == "==" else Not(same)
        if self.took("in"):
            return Within(column, self.values())
        if (
            self.here == ("word", "not")
            and self.place + 1 < len(self.tokens)
            and self.tokens[self.place + 1][1] == "in"
        ):
            self.place += 2
            return Not(Within(column, self.values()))
        return Is(column)

    def bound(self) -> str:
        return self.value() if self.here and self.here[0] == "number" else self.column()

    def value(self) -> str:
        kind, word = self.here or ("", "")
        if kind not in ("number", "word", "quoted") or word in _KEYWORDS:
            raise self.stopped(": a value is asked", ": her skal stå en værdi")
        self.place += 1
        return word[1:-1] if kind == "quoted" else word

    def values(self) -> tuple[str, ...]:
        if not self.took("["):
            raise self.stopped(": a list such as [3, 4] is asked", ": her skal stå en liste som [3, 4]")
        found = [self.value()]
        while self.took(","):
            found.append(self.value())
        if not self.took("]"):
            raise self.stopped(": a ] is missing", ": der mangler en ]")
        return tuple(found)


def _not_a_rule(text: str, en: str, da: str) -> ProtocolError:
    return ProtocolError(
        f"The rule {text!r} {en}. Write a column and a test, for example: group in [3, 4], answered == yes, "
        "health_visits > 5. Join rules with and, or, not; put values of several words in quotes.",
        {"rule": text},
        da=f"Reglen {text!r} {da}. Skriv en kolonne og en betingelse, for eksempel: group in [3, 4], answered == ja, "
        "health_visits > 5. Forbind regler med and, or, not; sæt værdier på flere ord i anførselstegn.",
        code="E_RULE",
    )


def _written(value: str) -> str:
    """A value as a rule writes it: in quotes unless it is one word or a number."""
    token = _TOKEN.fullmatch(value)
    plain = token is not None and token.lastgroup in ("number", "word") and value == value.strip()
    if plain and value not in _KEYWORDS:
        return value
    return f'"{value}"' if '"' not in value else f"'{value}'"


def _fact(column: str, facts: Mapping[str, str]) -> str:
    if column not in facts:
        raise ProtocolError(
            f"The rule asks for the column {column!r}, which the list of units does not have, so nobody could be "
            f"chosen by it. The list has: {', '.join(facts) or 'no columns'}. Correct the name, or add the column.",
            {"column": column, "columns": list(facts)},
            da=f"Reglen spørger efter kolonnen {column!r}, som listen over enheder ikke har, så ingen kunne udvælges "
            f"efter den. Listen har: {', '.join(facts) or 'ingen kolonner'}. Ret navnet, eller tilføj kolonnen.",
            code="E_COLUMN",
        )
    return nfc(facts[column]).strip()


def _same(found: str, value: str) -> bool:
    for words in (YES, NO):
        if value.lower() in words:
            return found.lower() in words
    if DECIMAL.fullmatch(found) and DECIMAL.fullmatch(value):
        return Decimal(found) == Decimal(value)
    return found == value


def _truth(column: str, found: str) -> bool:
    if found.lower() in YES | NO:
        return found.lower() in YES
    raise _unreadable(column, found, "yes or no", "ja eller nej")


def _number(column: str, found: str) -> Decimal:
    if DECIMAL.fullmatch(found):
        return Decimal(found)
    raise _unreadable(column, found, "a number", "et tal")


def _unreadable(column: str, found: str, en: str, da: str) -> ProtocolError:
    return ProtocolError(
        f"The rule needs {en} in the column {column!r}, and a row has {found!r}. Guessing would let somebody in or "
        "out by accident. Fill in or correct the row.",
        {"column": column, "value": found},
        da=f"Reglen kræver {da} i kolonnen {column!r}, og en række har {found!r}. Et gæt kunne lukke nogen ind "
        "eller ude "
        "ved et tilfælde. Udfyld eller ret rækken.",
        code="E_RULE",
    )
