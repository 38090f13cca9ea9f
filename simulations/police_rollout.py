"""The table of Roth and Sant'Anna (2023, section 5): procedural justice training for Chicago police officers.

    python simulations/police_rollout.py FILE.csv[.gz] [TABLE.csv]

Fails unless the efficient estimates of complaints are those the authors print.  FILE is the authors' balanced panel of
officers, with columns uid, period, first_trained, complaints, sustained, force
(public replication data of Wood, Tyler and Papachristos, as shipped with their package; not copied here).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from trialkit.estimate.cohorts import wide
from trialkit.estimate.staggered import staggered

PRINTED = {  # README of the authors' package: complaints; estimate, adjusted and Neyman error
    "simple": (-0.001126981, 0.002115194, 0.002119248),
    "cohort": (-0.001084689, 0.002261011, 0.002264876),
    "calendar": (-0.00187198, 0.00255863, 0.002561472),
}
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
                if (name, outcome) == ("efficient", "complaints"):
                    mine = (found.estimate.estimate, found.std_error_adjusted, found.std_error_neyman)
                    assert np.allclose(mine, PRINTED[estimand], rtol=1e-6, atol=0), (estimand, mine)  # as printed
            row["error ratio"] = float(row["callaway_santanna error"]) / float(row["efficient error"])  # type: ignore[arg-type]
            rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or not Path(sys.argv[1]).is_file():
        sys.exit(__doc__)
    found = table(Path(sys.argv[1]))
    print(found.to_string(index=False, float_format=lambda x: f"{x:.5f}"))
    print("complaints agree with what the authors' package prints")
    if len(sys.argv) == 3:
        found.to_csv(sys.argv[2], index=False, float_format="%.7g", lineterminator="\n")
