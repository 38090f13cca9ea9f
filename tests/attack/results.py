"""The seed of a run, and what full runs leave behind in ``simulations/results``."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FIRST = 20261123
RESULTS = Path(__file__).parents[2] / "simulations" / "results"


def seed() -> int:
    """``TRIALKIT_SEED``, or the first one; every attack is printed with it and can be repeated by it."""
    found = int(os.environ.get("TRIALKIT_SEED") or FIRST)
    print(f"TRIALKIT_SEED={found}")
    return found


def write(name: str, seed: int, rows: Iterable[tuple[str, str, Any]]) -> None:
    """One small table: what kind of number, of what, how much."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    with (RESULTS / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerows([("kind", "of", "number"), ("seed", "TRIALKIT_SEED", seed), *rows])
