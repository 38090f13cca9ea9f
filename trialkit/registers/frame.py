"""A pandas DataFrame as a table; pandas is named nowhere, so that rooms without it may read lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from trialkit.registers.cells import cell_text
from trialkit.registers.table import Faults, Row, Table, refused, table_of

FILE = "DataFrame"


class Frame(Protocol):
    """What reading asks of a pandas DataFrame."""

    @property
    def columns(self) -> Any:
        """Headings."""

    @property
    def index(self) -> Any:
        """Row labels; they are read if they have a name."""

    @property
    def reset_index(self) -> Any:
        """Makes columns of the index."""

    @property
    def astype(self) -> Any:
        """Keeps each value as it is, not as its column's kind."""

    @property
    def notna(self) -> Any:
        """Which values are there."""


def read_frame(frame: Frame) -> Table:
    """The table in ``frame``; a named index becomes columns, and lines count its rows from 2, as in a file.

    Raises
    ------
    UnitsError
        It has columns in several levels, or none (``E_HEADER``, ``E_EMPTY``).
    """
    if any(frame.index.names):
        frame = frame.reset_index()
    if frame.columns.nlevels > 1:
        raise refused(
            FILE,
            "E_HEADER",
            "The columns have several levels, and a list of units needs one name per column. Flatten them.",
            "Kolonnerne har flere niveauer, men en liste over enheder skal have ét navn pr. kolonne. Gør dem flade.",
        )
    return table_of(Faults(FILE), _rows(frame))


def _rows(frame: Frame) -> Iterator[Row]:
    if len(frame.columns):
        yield Row(1, [cell_text(label)[0] for label in frame.columns])
    known = frame.astype(object).where(frame.notna(), None)
    for line, values in enumerate(known.itertuples(index=False, name=None), start=2):
        pairs = [cell_text(value) for value in values]
        yield Row(line, [text for text, _ in pairs], "".join(kind for _, kind in pairs))
