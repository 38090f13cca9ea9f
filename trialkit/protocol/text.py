"""What a person writes in one place of a draft: texts, ids, yes or no, numbers, days.

Every value of a draft arrives as text (see `nodes`), so that ``020`` stays a code and ``no`` a word; the type a
field declares decides how the text is read.  Each refusal carries both languages and, where the meaning is
plain, what should have been written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetJsonSchemaHandler, WithJsonSchema, model_validator
from pydantic.functional_validators import AfterValidator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from trialkit.canonical import DECIMAL, nfc, text_fault
from trialkit.errors import Lang

YES: Final = frozenset({"yes", "ja", "true"})
NO: Final = frozenset({"no", "nej", "false"})
IDENT: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,39}", re.ASCII)
_COMMA_NUMBER: Final = re.compile(r"(-?[0-9]+),([0-9]+)", re.ASCII)
_LOOSE_NUMBER: Final = re.compile(r"(-?)0*([0-9]*)\.?([0-9]*)", re.ASCII)
_MONTHS: Final = (
    ("jan", "feb", "mar", "apr", "maj", "jun", "jul", "aug", "sep", "okt", "nov", "dec"),
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
)
_DAY_FIRST: Final = re.compile(r"([0-9]{1,2})[-./ ]+([0-9]{1,2})[-./ ]+([0-9]{4}|[0-9]{2})", re.ASCII)
_DAY_NAMED: Final = re.compile(r"([0-9]{1,2})\.?\s+([^\W\d]{3,9})\.?\s+([0-9]{4})")
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})[-./ ]([0-9]{1,2})[-./ ]([0-9]{1,2})", re.ASCII)
_PLAIN_LETTERS: Final = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "ß": "ss"})


def refused(en: str, da: str, instead: str = "") -> PydanticCustomError:
    """A refusal with both languages; ``instead`` is the value that should have been written, if that is plain."""
    return PydanticCustomError("trialkit", "{en}", {"en": en, "da": da, "instead": instead})


class Part(BaseModel):
    """One part of a protocol: frozen, and nothing in it is read unless it is declared."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


def slug(text: str) -> str:
    """The id a name would have: ``Brønshøj-Husum`` becomes ``bronshoj_husum``."""
    plain = unicodedata.normalize("NFKD", nfc(text).lower().translate(_PLAIN_LETTERS))
    letters = re.sub(r"[^a-z0-9]+", "_", "".join(letter for letter in plain if not unicodedata.combining(letter)))
    return letters.strip("_")[:40].strip("_")


def _words(value: object) -> str:
    if not isinstance(value, str):
        raise refused("A text is asked here.", "Her skal stå en tekst.")
    text = nfc(value).strip()
    if not text:
        raise refused(
            "Nothing is written here. Write a text, or take the line out.",
            "Her står ikke noget. Skriv en tekst, eller slet linjen.",
        )
    if odd := next((letter for letter in text if unicodedata.category(letter) in ("Cc", "Cs") and letter != "\n"), ""):
        raise refused(
            f"The text holds the control character U+{ord(odd):04X}. Delete it.",
            f"Teksten rummer styretegnet U+{ord(odd):04X}. Slet det.",
            "".join(letter for letter in text if letter != odd),
        )
    return text


def _name(value: object) -> str:
    text = _words(value)
    if why := text_fault(text):
        raise refused(
            f"The text {why[0]}, so it cannot be published with the draw.",
            f"Teksten {why[1]}, så den kan ikke offentliggøres med lodtrækningen.",
            " ".join(text.split()) if " ".join(text.split()) != text else "",
        )
    return text


def _ident(value: object) -> str:
    text = _words(value)
    if not IDENT.fullmatch(text):
        raise refused(
            f"{text!r} is a name; an id is asked: small letters a-z, digits and _, at most 40.",
            f"{text!r} er et navn; her skal stå et id: små bogstaver a-z, cifre og _, højst 40.",
            slug(text),
        )
    return text


def _file(value: object) -> str:
    text = _words(value)
    if text.startswith(("/", "~")) or "\\" in text or ":" in text:
        raise refused(
            f"{text!r} points outside the trial's folder, so nobody else could check it. Put the file in the folder "
            "and write its name.",
            f"{text!r} peger ud af forsøgets mappe, så ingen andre kunne kontrollere det. Læg filen i mappen, og skriv "
            "dens navn.",
            re.split(r"[/\\:]", text)[-1],
        )
    return text


def _yes_no(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in YES | NO:
        return value.strip().lower() in YES
    raise refused(
        f"{value!s:.40} is neither yes nor no. Write yes or no (ja or nej).",
        f"{value!s:.40} er hverken ja eller nej. Skriv ja eller nej (yes eller no).",
    )


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if re.fullmatch(r"-?(0|[1-9][0-9]{0,14})", text, re.ASCII):
        return int(text)
    dotted = re.fullmatch(r"[1-9][0-9]{0,2}([. ][0-9]{3})+", text, re.ASCII)
    raise refused(
        f"{value!s:.40} is not a whole number in digits only.",
        f"{value!s:.40} er ikke et helt tal skrevet med cifre alene.",
        re.sub(r"[. ]", "", text) if dotted else text.lstrip("0") if text.isdecimal() and text.strip("0") else "",
    )


def _decimal(value: object) -> Decimal:
    if isinstance(value, Decimal):
        value = format(value, "f")
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if DECIMAL.fullmatch(text):
        return Decimal(shortest(text))
    if isinstance(value, float):
        raise refused(
            "A floating number is not exact. Give the number as text or Decimal.",
            "Et kommatal i maskinform er ikke nøjagtigt. Giv tallet som tekst eller Decimal.",
        )
    if comma := _COMMA_NUMBER.fullmatch(text):
        return _not_decimal(text, f"{comma[1]}.{comma[2]}", "has a comma; write a point", "har komma; skriv punktum")
    if loose := _LOOSE_NUMBER.fullmatch(text) if any(map(str.isdigit, text)) else None:
        number = f"{loose[1]}{loose[2] or '0'}" + (f".{loose[3]}" if loose[3] else "")
        return _not_decimal(text, number, "is not written as a plain number", "er ikke skrevet som et almindeligt tal")
    return _not_decimal(str(value)[:40], "", "is not a number such as 0.4", "er ikke et tal som 0.4")


def _not_decimal(text: str, instead: str, en: str, da: str) -> Decimal:
    instead = instead if DECIMAL.fullmatch(instead) else ""
    raise refused(f"{text} {en}.", f"{text} {da}.", instead)


def shortest(text: str) -> str:
    """The shortest plain form of a decimal string: ``0.050`` becomes ``0.05``, ``-0`` becomes ``0``."""
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _day(value: object) -> date:
    if type(value) is date:
        return value
    text = value.strip() if isinstance(value, str) else ""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise refused(f"{text} is not a day in the calendar.", f"{text} er ikke en dag i kalenderen.") from None
    raise refused(
        f"{value!s:.40} is not a day written year-month-day. A day such as 01-02 would be read differently in other "
        "countries; we read the day first.",
        f"{value!s:.40} er ikke en dag skrevet år-måned-dag. En dag som 01-02 læses forskelligt i andre lande; "
        "vi læser "
        "dagen først.",
        meant_day(text),
    )


def meant_day(text: str) -> str:
    """The ISO day that a day written the Danish way means, day first; empty if none is plain."""
    if found := _YEAR_FIRST.fullmatch(text):
        parts = found[1], found[2], found[3]
    elif found := _DAY_FIRST.fullmatch(text):
        parts = found[3] if len(found[3]) == 4 else f"20{found[3]}", found[2], found[1]
    elif found := _DAY_NAMED.fullmatch(text):
        short = found[2].lower()[:3]
        number = next((names.index(short) + 1 for names in _MONTHS if short in names), 0)
        parts = found[3], str(number), found[1]
    else:
        return ""
    try:
        return date(*map(int, parts)).isoformat()
    except ValueError:
        return ""


Words = Annotated[str, BeforeValidator(_words)]  # any text, NFC, not empty
Name = Annotated[str, BeforeValidator(_name)]  # a text the draw may publish: one line, at most 200 bytes
Ident = Annotated[str, BeforeValidator(_ident), WithJsonSchema({"type": "string", "pattern": f"^{IDENT.pattern}$"})]
FileName = Annotated[str, BeforeValidator(_file)]  # relative to the trial's folder
YesNo = Annotated[
    bool,
    BeforeValidator(_yes_no),
    WithJsonSchema({"enum": [True, False, *sorted(YES - {"true"}), *sorted(NO - {"false"})]}),
]
Whole = Annotated[int, BeforeValidator(_whole), WithJsonSchema({"type": "integer"})]
Dec = Annotated[Decimal, BeforeValidator(_decimal), WithJsonSchema({"type": ["number", "string"]})]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]


def _positive(value: Any) -> Any:
    if value <= 0:
        raise refused("The number must be above 0.", "Tallet skal være over 0.")
    return value


def _not_negative(value: Any) -> Any:
    if value < 0:
        raise refused("The number cannot be below 0.", "Tallet kan ikke være under 0.")
    return value


def _share(value: Decimal) -> Decimal:
    if not 0 <= value <= 1:
        instead = shortest(str(value / 100)) if 1 < value <= 100 else ""
        raise refused("A share lies between 0 and 1.", "En andel ligger mellem 0 og 1.", instead)
    return value


Counted = Annotated[Whole, AfterValidator(_not_negative)]  # 0, 1, 2, ...
AtLeastOne = Annotated[Whole, AfterValidator(_positive)]
Share = Annotated[Dec, AfterValidator(_share)]  # 0 to 1
Amount = Annotated[Dec, AfterValidator(_not_negative)]

T = TypeVar("T")


def _pairs_to_map(value: object) -> object:
    """A plan holds a person's keys as pairs; a draft holds them as a map."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(p, (list, tuple)) and len(p) == 2 for p in value):
        return dict(value)
    return {} if value in ([], ()) else value


def _by_key(value: Mapping[str, T]) -> Mapping[str, T]:
    return {key: value[key] for key in sorted(value, key=str.encode)}


# A map whose keys a person chose; the order of its keys in the file never matters.
Named = Annotated[Mapping[Name, T], BeforeValidator(_pairs_to_map), AfterValidator(_by_key)]
ById = Annotated[Mapping[Ident, T], BeforeValidator(_pairs_to_map), AfterValidator(_by_key)]


def _also_text(schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
    found = handler.resolve_ref_schema(handler(schema))
    inner: JsonSchemaValue = {key: value for key, value in found.items() if key not in ("title", "description")}
    for key in inner:
        del found[key]
    found["anyOf"] = [{"type": "string"}, inner]
    return found


class Text(Part):
    """A text in English and Danish; a plain string stands for both."""

    en: Words | None = None
    da: Words | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        return {"en": value, "da": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.en is None and self.da is None:
            raise refused(
                "Write the text in English (en), in Danish (da), or both.",
                "Skriv teksten på dansk (da), på engelsk (en) eller på begge sprog.",
            )
        return self

    def told(self, lang: Lang) -> str:
        """The text in ``lang``, or in the other language where only that was written."""
        first, second = (self.da, self.en) if lang == "da" else (self.en, self.da)
        return first or second or ""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return _also_text(schema, handler)
