"""A pandas DataFrame as a table; pandas itself is never imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trialkit.registers.cells import cell_text
from trialkit.registers.table import Faults, Row, Table, refused, table_of

if TYPE_CHECKING:
    import pandas as pd

FILE = "DataFrame"


def read_frame(frame: pd.DataFrame) -> Table:
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


def _rows(frame: pd.DataFrame) -> Iterator[Row]:
    if len(frame.columns):
        yield Row(1, [cell_text(label)[0] for label in frame.columns])
    known = frame.astype(object).where(frame.notna(), None)
    for line, values in enumerate(known.itertuples(index=False, name=None), start=2):
        pairs = [cell_text(value) for value in values]
        yield Row(line, [text for text, _ in pairs], "".join(kind for _, kind in pairs))
