"""The effects that a test accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

How = Literal["breakpoints", "search", "scan"]

ABOVE: Final = 1e-12  # p is above alpha only if by more than rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """The accepted effects.

    Parameters
    ----------
    pieces : closed intervals, ascending; ends may be infinite
    how : ``breakpoints`` (every crossing solved), ``search`` (the ends are solved crossings; between and beyond them
        p was counted at some effects only) or ``scan`` (a user's own statistic)
    """

    pieces: tuple[tuple[float, float], ...]
    how: How

    @property
    def low(self) -> float:
        """The lowest accepted effect; nan if there is none."""
        return self.pieces[0][0] if self.pieces else float("nan")

    @property
    def high(self) -> float:
        """The highest."""
        return self.pieces[-1][1] if self.pieces else float("nan")

    @property
    def connected(self) -> bool:
        """Whether all effects between the ends are accepted."""
        return len(self.pieces) == 1

    def holds(self, tau: float) -> bool:
        """Whether an effect is accepted."""
        return any(low <= tau <= high for low, high in self.pieces)

    def joined(self, others: Sequence[tuple[float, float]], *, near: float) -> Region:
        """With other pieces; those that are no more than ``near`` apart become one."""
        found: list[tuple[float, float]] = []
        for low, high in sorted([*self.pieces, *others]):
            if found and low <= found[-1][1] + near:
                found[-1] = (found[-1][0], max(found[-1][1], high))
            else:
                found.append((low, high))
        return Region(pieces=tuple(found), how=self.how)

    def meet(self, other: Region) -> Region:
        """What both accept."""
        both = [(max(a, c), min(b, d)) for a, b in self.pieces for c, d in other.pieces]
        pieces = tuple(sorted((a, b) for a, b in both if a <= b))
        order: tuple[How, ...] = ("breakpoints", "search", "scan")
        return Region(pieces=pieces, how=max(self.how, other.how, key=order.index))


__all__ = ["ABOVE", "How", "Region"]
