"""A fingerprint for the eye, and as words to read aloud in a meeting.

All 64 characters are read, four at a time: digits by name, the letters a to f by the spelling alphabet of the
language.  What is heard can be typed back: `unspelled` is the inverse of `spelled`.
"""

from __future__ import annotations

import re
from typing import Final

from trialkit.canonical import HEX64
from trialkit.errors import Lang, UsageError

_SPELLED: Final[dict[Lang, str]] = {
    "da": "nul en to tre fire fem seks syv otte ni Anna Bernhard Cecilie David Erik Frederik",
    "en": "zero one two three four five six seven eight nine Alfa Bravo Charlie Delta Echo Foxtrot",
}
_HEX: Final = "0123456789abcdef"


def fingerprint(digest: str, size: int = 8) -> str:
    """A digest in groups of `size` characters, ``e3531614 186ce78c ...``."""
    return " ".join(groups(digest, size))


def groups(text: str, size: int) -> list[str]:
    """`text` cut into pieces of `size` characters, the last one perhaps shorter."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def spelled(digest: str, lang: Lang) -> list[str]:
    """A digest as 16 groups of four words, in reading order.

    Raises
    ------
    UsageError
        `digest` is not 64 lower-case hexadecimal characters.
    """
    if not HEX64.fullmatch(digest):
        raise _no_digest(f"{digest[:70]!r}")
    words = dict(zip(_HEX, _SPELLED[lang].split(), strict=True))
    return [" ".join(words[letter] for letter in group) for group in groups(digest, 4)]


def aloud(digest: str, lang: Lang) -> str:
    """The same as one text, the groups parted by commas.

    Raises
    ------
    UsageError
        As `spelled`.
    """
    return ", ".join(spelled(digest, lang))


def unspelled(text: str, lang: Lang) -> str:
    """The digest that was read aloud; commas, line breaks and capitals do not matter.

    Raises
    ------
    UsageError
        A word is none of the sixteen, or there are not 64 of them; ``facts["word"]`` names the first unknown.
    """
    letters = {word.lower(): letter for word, letter in zip(_SPELLED[lang].split(), _HEX, strict=True)}
    heard = [word.lower() for word in re.findall(r"\w+", text)]
    unknown = next((word for word in heard if word not in letters), "")
    if unknown or len(heard) != 64:
        raise _no_digest(f"{unknown!r}" if unknown else f"{len(heard)} words", unknown)
    return "".join(letters[word] for word in heard)


def _no_digest(what: str, word: str = "") -> UsageError:
    return UsageError(
        f"A fingerprint is 64 characters 0-9 and a-f, read as 64 words; {what} is not one, so it cannot be compared. "
        "Read it again from the minutes, four characters at a time.",
        {"word": word},
        da=f"Et fingeraftryk er 64 tegn 0-9 og a-f, læst som 64 ord; {what} er det ikke og kan ikke sammenlignes. "
        "Læs det igen fra referatet, fire tegn ad gangen.",
    )
