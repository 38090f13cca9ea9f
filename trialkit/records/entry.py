"""What is recorded: counts of a unit in a period, and children one by one, each with the row it stood in."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

PERIOD: Final = r"^[0-9]{4}(-(0[1-9]|1[0-2])|q[1-4])?$"
_Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
_Period = Annotated[str, StringConstraints(pattern=PERIOD)]
_Number = Annotated[str, StringConstraints(pattern=r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{0,8}[1-9])?$")]
_Count = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,14})(\.[0-9]{0,8}[1-9])?$")]


class Entry(BaseModel):
    """One thing received, about one outcome of one unit in one period; frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: _Text
    unit: _Text  # the unit's id
    period: _Period  # 2012-02, 2012q1 or 2012
    row: Annotated[int, Field(ge=0)] = 0  # in the file, the heading being 1; 0 where no row says it


class Measurement(Entry):
    """What was counted or summed, as shortest decimal strings; both absent where nothing was reported."""

    numerator: _Number | None = None
    denominator: _Count | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.numerator is None) != (self.denominator is None):
            raise ValueError("numerator and denominator are both given, or neither")
        return self

    @property
    def cell(self) -> tuple[str, str, str]:
        """What it is about: outcome, unit, period."""
        return self.outcome, self.unit, self.period

    @property
    def value(self) -> tuple[str | None, str | None]:
        """Numerator and denominator."""
        return self.numerator, self.denominator


class Child(Entry):
    """One child born in the period: did what the outcome counts happen in time?

    Nothing else about a child is kept: the running number is the file's row, and no code comes with it.
    """

    event: bool


class Version(Measurement):
    """A measurement as it was kept: its number, and which batch brought it and what it corrects."""

    seq: int
    batch: int  # number of the audit entry that says when, by whom, from which file and why
    recorded: str  # UTC, whole seconds
    by: str
    file: str
    corrects: int | None = None  # number of the version before it
    why: str = ""


class Cell(Measurement):
    """A measurement as an analysis reads it; ``closed`` if every child's window had closed when it was recorded."""

    closed: bool = True


class Received(BaseModel):
    """One file, read and found whole.  A file holds counts or children, never both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    measurements: tuple[Measurement, ...] = ()
    children: tuple[Child, ...] = ()
    synthetic: bool = False  # made up; nothing real may stand beside it

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        if len({one.cell for one in self.measurements}) < len(self.measurements):
            raise ValueError("a file says one thing about an outcome of a unit in a period")
        return self


class Receipt(BaseModel):
    """What became of a file: how many values are new, corrected, or as they were known before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch: int
    head: str  # the audit chain's newest hash: whoever keeps it sees any later change before it
    new: int
    corrected: int
    unchanged: int
    children: int
    synthetic: bool
