"""The bytes of a row, and the digest that binds it to the row before it.

A row's digest is SHA-256 over the digest before it and the row's line; a batch begins with the hash of the audit
entry before it, and the batch's own entry holds the digest of its last row.  So a changed row is told by its number,
and whoever recomputes rows must change every later entry of the chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any


def following(digest: bytes, line: str) -> bytes:
    """The digest of a row with this line, after a row (or an entry) with ``digest``."""
    return hashlib.sha256(digest + line.encode()).digest()


def measurement_line(row: Mapping[str, Any]) -> str:
    """Tab-separated and ended by a line feed; ``.`` where there is no value, which no number can be."""
    corrects, top, bottom = row["corrects"], row["numerator"], row["denominator"]
    return (
        f"measurement\t{row['seq']}\t{row['batch']}\t{row['row']}\t{row['outcome']}\t{row['unit']}\t{row['period']}\t"
        f"{'.' if top is None else top}\t{'.' if bottom is None else bottom}\t{'.' if corrects is None else corrects}\n"
    )


def child_line(row: Mapping[str, Any]) -> str:
    """The same for a child: number, batch, row of the file, outcome, unit, period, event 0 or 1."""
    return (
        f"child\t{row['seq']}\t{row['batch']}\t{row['row']}\t{row['outcome']}\t{row['unit']}\t{row['period']}\t"
        f"{row['event']}\n"
    )
