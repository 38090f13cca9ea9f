"""Dice, balls and digits, typed one by one, read back and confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trialkit.cli.speech import speech

_ROW = 10


def ask_throws(source: Mapping[str, Any]) -> list[int]:
    """The throws of a ``rolls`` source: each checked as it is typed, all read back, any one corrected.

    Several throws may be typed on a line, separated by spaces or commas.
    """
    throws: list[int] = []
    while len(throws) < source["count"]:
        number = len(throws) + 1
        typed = speech.ask(f"Throw {number} of {source['count']}:", f"Kast {number} af {source['count']}:")
        for word in typed.replace(",", " ").split():
            throw = _throw(word, source, throws)
            if throw is None or len(throws) == source["count"]:
                break
            throws.append(throw)
    return _confirmed(throws, source)


def _throw(word: str, source: Mapping[str, Any], before: list[int]) -> int | None:
    """One throw, or None and a word about why not."""
    low, high = source["low"], source["high"]
    if not (word.isascii() and word.isdigit() and low <= int(word) <= high):
        speech.note(
            f"{word!r} is not a number from {low} to {high}; type this throw again.",
            f"{word!r} er ikke et tal fra {low} til {high}; skriv kastet igen.",
        )
        return None
    if source["distinct"] and int(word) in before:
        speech.note(f"{word} has been drawn already; look again.", f"{word} er allerede trukket; se efter igen.")
        return None
    return int(word)


def _confirmed(throws: list[int], source: Mapping[str, Any]) -> list[int]:
    """Read back until everybody agrees."""
    while True:
        speech.note(f"Read back:\n{rows(throws)}", f"Læst op:\n{rows(throws)}")
        if speech.agrees("Is every throw right?", "Er alle kast rigtige?"):
            return throws
        number = speech.ask("Which throw is wrong?", "Hvilket kast er forkert?")
        if number.isascii() and number.isdigit() and 1 <= int(number) <= len(throws):
            place = int(number) - 1
            others = throws[:place] + throws[place + 1 :]
            said = speech.ask(f"Throw {number} is:", f"Kast {number} er:")
            throw = _throw(said, source, others)
            throws = throws if throw is None else [*throws[:place], throw, *throws[place + 1 :]]


def rows(throws: list[int]) -> str:
    """Throws in numbered rows of ten, as they are read aloud."""
    width = max(len(str(throw)) for throw in throws)
    starts = range(0, len(throws), _ROW)
    return "\n".join(
        f"  {start + 1:>4}: " + " ".join(f"{throw:>{width}}" for throw in throws[start : start + _ROW])
        for start in starts
    )
