"""Assignment: the label or wave of each unit, as one draw gave it."""

from __future__ import annotations

from dataclasses import dataclass

from trialkit.units import Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What one draw gave.

    ``labels`` stands in the order of ``units``; cluster members share their cluster's label and fixed units have
    their fixed one.  ``positions`` (lottery only) is the place in the order of lots, from 1.  ``lists`` (sequential
    only, where ``units`` is empty) holds one (stratum, labels) pair per stratum.  ``attempt`` and ``rank`` are as
    the specification's section 6.4 records them.
    """

    units: Units
    labels: tuple[str, ...]
    positions: tuple[int, ...] = ()
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    attempt: int = 0
    rank: str = ""
