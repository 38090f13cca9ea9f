"""The bytes of a row, and the digest that binds it to the row before it.

A row's digest is SHA-256 over the digest before it and the row's line; a batch begins with the hash of the audit
entry before it, and the batch's own entry holds the digest of its last row.  So a changed row is told by its number,
and whoever recomputes rows must change every later entry of the chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def following(digest: bytes, line: str) -> bytes:
    """The digest of a row with this line, after a row (or an entry) with ``digest``."""
    return hashlib.sha256(digest + line.encode()).digest()


def measurement_line(row: Sequence[object]) -> str:
    """The table's columns but the digest, tab-separated; ``.`` where there is no value, which no number can be."""
    return "\t".join(["measurement", *("." if one is None else str(one) for one in row)]) + "\n"


def child_line(row: Sequence[object]) -> str:
    """The same for a child."""
    seq, batch, measurement, line, event = row
    return f"child\t{seq}\t{batch}\t{measurement}\t{line}\t{event}\n"
