"""``python -m benchmarks [W5 W8 ...] [--data FILE.npz] [--rounds N]``."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

# One thread for everybody: CPU seconds of idle threads would be charged to whoever multiplies matrices or compiles loops.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

WORKLOADS = {
    "W1": "randomization test, 98 units in 5 blocks, 100,000 draws",
    "W2": "exact test and interval, 12 of 24 and 10 of 24",
    "W3": "stepped-wedge power, 24 clusters x 5 periods x 20, 10,000 data sets",
    "W4": "staggered panel, 1,000 and 100,000 units x 24 periods",
    "W5": "1,000,000 blocked draws; 10,000 constrained at 1%",
    "W6": "CR2 and Satterthwaite, 100,000 rows; wild bootstrap",
    "W7": "append 100,000 records; roll up 50 million rows",
    "W8": "process start: import trialkit, trialkit --help",
}


def built() -> list[str]:
    """The workloads that have a module here."""
    return [name for name in WORKLOADS if find_spec(f"benchmarks.{name.lower()}")]


def chosen(names: list[str]) -> list[str]:
    """The workloads asked for, or all that are built; leaves with status 2 where one cannot be run."""
    wanted = [name.upper() for name in names] or built()
    for name in wanted:
        if name not in WORKLOADS:
            _leave(f"{name} is not a workload; there are {', '.join(WORKLOADS)}.")
        if name not in built():
            _leave(f"{name} ({WORKLOADS[name]}) is not built yet; built are {', '.join(built())}.")
    return wanted


def _leave(why: str) -> None:
    print(why, file=sys.stderr)
    raise SystemExit(2)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="trialkit beside its peers.")
    parser.add_argument("workloads", nargs="*", metavar="W5", help="which to run; all that are built if none is named")
    parser.add_argument("--data", type=Path, metavar="FILE.npz", help="run on these arrays instead of generated ones")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds; medians are printed (default 5)")
    given = parser.parse_args()
    wanted = chosen(given.workloads)
    if given.data and len(wanted) != 1:
        _leave("--data belongs to one workload; name it, e.g. python -m benchmarks W5 --data FILE.npz.")
    if given.data and not given.data.is_file():
        _leave(f"There is no file {given.data}.")
    for name in wanted:
        print(f"{name}: {WORKLOADS[name]}")
        for line in import_module(f"benchmarks.{name.lower()}").run(given.data, given.rounds):
            print(f"  {line}")


if __name__ == "__main__":
    main()
