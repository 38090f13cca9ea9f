"""Nothing missing, nothing infinite, nothing too large: numbers and counts that an estimate can be made of."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import EstimateError

Floats = NDArray[np.float64]

LARGEST: Final = 1e70  # fourth powers of outcomes, summed, must still be numbers


def check_whole(values: Floats, units: Sequence[str] | None, name: str) -> None:
    """Refuse numbers by unit (the first axis) of which one is missing, infinite, or too large to be squared.

    Without ``units`` they are rows, and counted from 1.

    Raises
    ------
    EstimateError
        ``facts["units"]`` lists whose, and ``facts["missing"]`` their places.
    """
    if not np.isfinite(values).all():
        flat = values.reshape(len(values), -1)
        rows = units or [f"row {number}" for number in range(1, len(values) + 1)]
        gap, endless = np.isnan(flat).any(axis=1), np.isinf(flat).any(axis=1)
        if gap.any():
            raise _gap(rows, np.flatnonzero(gap).tolist(), name)
        raise _endless(rows, np.flatnonzero(endless).tolist(), name)
    largest = float(np.abs(values).max(initial=0.0))
    if largest > LARGEST:
        raise EstimateError(
            f"{name} reaches {largest:.3g}, and squares of such numbers cannot be computed. Give it in a larger unit.",
            {"name": name, "largest": largest},
            da=f"{name} når op på {largest:.3g}, og kvadrater af så store tal kan ikke beregnes. Angiv det i en større "
            "enhed.",
        )


def check_count(number: object, name: str, *, least: int = 0) -> None:
    """Refuse what is no whole number of at least ``least``.

    Raises
    ------
    EstimateError
        As said.
    """
    if isinstance(number, bool | np.bool_) or not isinstance(number, int | np.integer) or number < least:
        raise EstimateError(
            f"{name}={number!r} is not a whole number of at least {least}, so nobody can say how many are meant. Write "
            "one.",
            {"name": name, "number": number},
            da=f"{name}={number!r} er ikke et helt tal på mindst {least}, så ingen kan sige, hvor mange der menes. Skriv et.",
        )


def check_number(number: object, name: str) -> None:
    """Refuse what is no finite number.

    Raises
    ------
    EstimateError
        As said.
    """
    plain = isinstance(number, int | float | np.integer | np.floating) and not isinstance(number, bool)
    if not plain or not isfinite(number):  # type: ignore[arg-type]
        raise EstimateError(
            f"{name}={number!r} is not a finite number, so no hypothesis is stated. Write one.",
            {"name": name, "number": number},
            da=f"{name}={number!r} er ikke et endeligt tal, så der er ingen hypotese. Skriv et.",
        )


def check_generator(rng: object, *, needed: bool = False) -> None:
    """Refuse what cannot draw; None, unless one is ``needed``, says that nothing is to be drawn.

    Raises
    ------
    EstimateError
        ``rng`` is a seed, or anything else that is no ``numpy.random.Generator``.
    """
    if not isinstance(rng, np.random.Generator) and (needed or rng is not None):
        raise EstimateError(
            f"rng is {type(rng).__name__} and cannot draw. Give numpy.random.default_rng(seed).",
            {"type": type(rng).__name__},
            da=f"rng er {type(rng).__name__} og kan ikke trække. Giv numpy.random.default_rng(seed).",
        )


def _listed(rows: Sequence[str], places: list[int]) -> tuple[list[str], str]:
    """The units at some places, and the first few in words."""
    units = [rows[place] for place in places]
    return units, ", ".join(units[:5]) + (", ..." if len(units) > 5 else "")


def _gap(rows: Sequence[str], places: list[int], name: str) -> EstimateError:
    units, told = _listed(rows, places)
    return EstimateError(
        f"{name} is missing for {len(units)} of {len(rows)}: {told}. A unit without one cannot be re-assigned. What is done "
        "about missing ones must be decided and said before: fill them in, or bound the effect without them.",
        {"name": name, "missing": places, "units": units},
        da=f"{name} mangler for {len(units)} af {len(rows)}: {told}. En enhed uden kan der ikke trækkes lod om igen. Hvad der "
        "gøres ved manglende tal, skal besluttes og siges først: udfyld dem, eller find grænser for effekten uden dem.",
    )


def _endless(rows: Sequence[str], places: list[int], name: str) -> EstimateError:
    units, told = _listed(rows, places)
    return EstimateError(
        f"{name} is infinite for {len(units)} of {len(rows)}: {told}. No mean has such a number in it. Correct it, or write "
        "nan for what is missing.",
        {"name": name, "missing": places, "units": units},
        da=f"{name} er uendelig for {len(units)} af {len(rows)}: {told}. Intet gennemsnit kan rumme sådan et tal. Ret det, "
        "eller skriv nan for det, der mangler.",
    )


__all__ = [
    "LARGEST", "check_count", "check_generator", "check_number", "check_whole",
]  # fmt: skip
