"""Names as people meet them: the tick box of a form, the order of a list."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from enum import Enum
from typing import Final

from trialkit.canonical import nfc
from trialkit.errors import UnitsError
from trialkit.units import Unit, Units, plain


class Outside(Enum):
    """A place that is known and is none of the units: kept, never dropped."""

    OUTSIDE = "udenbys"


OUTSIDE: Final = Outside.OUTSIDE
_OTHER_LETTERS: Final = str.maketrans({"ä": "æ", "ö": "ø", "ü": "y", "ð": "d", "þ": "th", "ß": "ss"})
_LAST_LETTERS: Final = str.maketrans({"æ": "{", "ø": "|", "å": "}"})  # the three signs after z


def place(text: str, units: Units, *, outside: Sequence[str] = ("Udenbys",)) -> Unit | Outside:
    """The unit that a tick box or a form means, or `OUTSIDE` for one of the words in ``outside``.

    A part of a merged unit lies in that unit, so it is that unit: Indre By is in City/Østerbro.

    Raises
    ------
    UnitsError
        Neither a unit nor outside (``E_UNIT_UNKNOWN``), or several units (``E_UNIT_AMBIGUOUS``).
    """
    if plain(text) in {plain(word) for word in outside}:
        return OUTSIDE
    try:
        return units.find(text)
    except UnitsError as error:
        if "unit" not in error.facts:
            raise
        return units.find(error.facts["unit"])


def danish_key(text: str) -> tuple[str, str]:
    """A key that sorts for people: ... z, æ, ø, å, with ``aa`` as ``å``, capitals and accents ignored.

    >>> sorted(["Århus", "Zoo", "Ærø", "Aabenraa", "Øst", "Allerød"], key=danish_key)
    ['Allerød', 'Zoo', 'Ærø', 'Øst', 'Aabenraa', 'Århus']
    """
    letters = nfc(text).lower().replace("aa", "å").translate(_OTHER_LETTERS).translate(_LAST_LETTERS)
    bare = "".join(sign for sign in unicodedata.normalize("NFD", letters) if not unicodedata.combining(sign))
    return bare, text
