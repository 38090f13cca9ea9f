"""What can go wrong, in words: one base class and a family per room.

Every message says what is wrong, why it matters and what to do next; ``facts`` repeats it for machines
(``file``, ``line``, ``cell`` where there is one).  Messages an administrator can meet carry a Danish text too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, Self

Lang = Literal["en", "da"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong at one place of a file, with the line as it should read if that is known."""

    en: str
    da: str
    code: str = "E_FAULT"
    file: str = ""
    line: int = 0
    column: int = 0
    corrected: str = ""

    def told(self, lang: Lang) -> str:
        """The fault in one language, beginning with its place: ``file:line:column``."""
        place = ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])
        text = self.da if lang == "da" else self.en
        if self.corrected:
            text += f"\n    {'Skriv' if lang == 'da' else 'Write'}: {self.corrected}"
        return f"{place}: {text}" if place else text


class TrialkitError(Exception):
    """Anything trialkit refuses.  ``args`` hold message, facts, Danish text and code, so errors pickle whole."""

    default_code: ClassVar[str] = "E_TRIALKIT"

    def __init__(self, message: str, facts: Mapping[str, Any] | None = None, da: str = "", code: str = "") -> None:
        super().__init__(message, dict(facts or {}), da, code or type(self).default_code)

    @property
    def message(self) -> str:
        """What is wrong, why it matters and what to do, in English."""
        return str(self.args[0])

    @property
    def facts(self) -> dict[str, Any]:
        """The same for machines."""
        found: dict[str, Any] = self.args[1]
        return found

    @property
    def code(self) -> str:
        """A stable name; the draw's names are those of the specification."""
        return str(self.args[3])

    def told(self, lang: Lang) -> str:
        """The message in ``lang``; English where there is no Danish text."""
        return str(self.args[2]) if lang == "da" and self.args[2] else self.message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @classmethod
    def listing(cls, faults: Sequence[Fault], *, code: str = "") -> Self:
        """All faults of a file in one error; ``facts["faults"]`` lists them for machines."""
        return cls(
            "\n".join(fault.told("en") for fault in faults),
            {"faults": [asdict(fault) for fault in faults]},
            da="\n".join(fault.told("da") for fault in faults),
            code=code or (faults[0].code if faults else ""),
        )


class CanonicalError(TrialkitError):
    """Bytes that are not the one canonical form, or a value that has none."""

    default_code = "E_JSON"


class UnitsError(TrialkitError):
    """A list of units that cannot be drawn among, or a unit nobody can find."""

    default_code = "E_UNITS"


class ProtocolError(TrialkitError):
    """A draft that contradicts itself, or says something trialkit does not know."""

    default_code = "E_DRAFT"


class DesignError(TrialkitError):
    """A design that cannot be drawn, or a question it cannot answer."""

    default_code = "E_DESIGN"


class DrawError(TrialkitError):
    """An official step that would break the draw; the code is the specification's name."""

    default_code = "E_DRAW"


class RecordError(TrialkitError):
    """Something received that cannot be kept as it stands, or records that are not what was kept."""

    default_code = "E_RECORD"


class PanelError(TrialkitError):
    """Outcomes that do not fit their units and periods."""

    default_code = "E_PANEL"


class EstimateError(TrialkitError):
    """A question the design or the data cannot answer."""

    default_code = "E_ESTIMATE"


class UsageError(TrialkitError):
    """A command given in a way it cannot be carried out; exit status 2."""

    default_code = "E_USAGE"
