"""The table of Roth and Sant'Anna (2023, section 5): procedural justice training for Chicago police officers.

    python simulations/police_rollout.py FILE.csv[.gz]

FILE is the authors' balanced panel of officers, with columns uid, period, first_trained, complaints, sustained, force
(public replication data of Wood, Tyler and Papachristos, as shipped with their package; not copied here).
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from trialkit.estimate.cohorts import wide
from trialkit.estimate.staggered import staggered

OUTCOMES, ESTIMANDS = ("complaints", "sustained", "force"), ("simple", "calendar", "cohort")


def table(path: Path) -> pd.DataFrame:
    """One row per outcome and estimand: the efficient estimate and the difference-in-differences, with errors."""
    frame, rows = pd.read_csv(path), []
    for outcome in OUTCOMES:
        data = wide(frame, unit="uid", period="period", start="first_trained", outcome=outcome)
        for estimand in ESTIMANDS:
            row: dict[str, object] = {"outcome": outcome, "estimand": estimand}
            for name in ("efficient", "callaway_santanna"):
                found = staggered(
                    data.outcome,
                    data.start,
                    periods=data.periods,
                    estimand=estimand,
                    method=name,
                    unit="events a month",
                )
                row |= {name: found.estimate.estimate, f"{name} error": found.std_error_adjusted}
            row["error ratio"] = float(row["callaway_santanna error"]) / float(row["efficient error"])  # type: ignore[arg-type]
            rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit(__doc__)
    print(table(Path(sys.argv[1])).to_string(index=False, float_format=lambda x: f"{x:.5f}"))
