"""Seed -> whole numbers, by SHA-256 (specification section 5).  Standard library only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from trialkit.canonical import FORMAT, jcs

_MOST_BLOCKS = 1024  # read ahead: small draws hash two blocks, large ones many at a time


@dataclass(frozen=True, slots=True)
class PublicChance:
    """The chance of an official draw: every stream follows from ``seed``, 64 hex digits."""

    seed: str

    def stream(self, purpose: str, kind: str, name: str, attempt: int) -> PublicStream:
        """The stream labelled ``[purpose, kind, name, attempt]``."""
        return PublicStream(jcs([FORMAT, "stream", self.seed, [purpose, kind, name, attempt]]))


class PublicStream:
    """Bytes SHA-256(``[..., label, i]``) for i = 0, 1, 2, ..., used once and in order."""

    __slots__ = ("_begun", "_block", "_buffer", "_place")

    def __init__(self, labelled: bytes) -> None:
        """``labelled``: the canonical array without its last member i."""
        self._begun = hashlib.sha256(labelled[:-1] + b",")
        self._buffer, self._place, self._block = b"", 0, 0

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        end = self._place + size
        if end > len(self._buffer):
            self._fill(size)
            end = size
        found = self._buffer[self._place : end]
        self._place = end
        return found

    def below(self, m: int) -> int:
        """uniform(m): a number from 0 to m - 1; numbers from m on are read again, so none is favoured."""
        if m == 1:
            return 0
        bits = (m - 1).bit_length()
        size, mask = (bits + 7) // 8, (1 << bits) - 1
        while True:
            value = int.from_bytes(self.read(size), "big") & mask
            if value < m:
                return value

    def _fill(self, size: int) -> None:
        """Keep what is unread and hash blocks until ``size`` bytes and some more are there."""
        kept = self._buffer[self._place :]
        more = max(-(-(size - len(kept)) // 32), min(2 * self._block, _MOST_BLOCKS), 2)
        blocks = [kept]
        for number in range(self._block, self._block + more):
            block = self._begun.copy()
            block.update(b"%d]" % number)
            blocks.append(block.digest())
        self._buffer, self._place = b"".join(blocks), 0
        self._block += more
