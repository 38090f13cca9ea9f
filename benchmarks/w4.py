"""W4: a staggered panel, 1,000 and 100,000 units x 24 months, six starts and never-treated units.

Callaway-Sant'Anna, imputation and the efficient estimator of Roth and Sant'Anna from one pass of cohort moments.
diff-diff and csdid are timed where they are installed (`pip install diff-diff csdid`); a plain pandas loop over cells
is always there.  The trusted numbers agree between diff-diff, differences and moderndid to 1e-12.  The data are
synthetic.
"""

from __future__ import annotations

import importlib
import tracemalloc
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.timing import Contestant, interleaved, peak_mib, verdict
from trialkit.design import complete
from trialkit.design.base import Design
from trialkit.estimate.callaway import callaway_santanna
from trialkit.estimate.imputation import imputation
from trialkit.estimate.randomization import RandomizationTest, randomization_test
from trialkit.estimate.result import Estimate
from trialkit.estimate.rollout_test import StaggeredContrast
from trialkit.estimate.staggered import Staggered, staggered

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MONTHS = 24
PEER_ERRORS = 0.05  # csdid draws its errors by the multiplier bootstrap, of which 1,000 draws are 2 % apart
# simple effect and analytic error; imputation
TRUSTED = {
    1_000: (0.6786523318129, 0.0668036652394, 0.712226263677),
    100_000: (0.6496799272157, 0.0065875598012, 0.648180075385),
}


class Data(NamedTuple):
    """y (n, months), first treated month (0: never)."""

    y: Floats
    cohort: Ints


def generated(units: int) -> Data:
    """Serially correlated outcomes, effects that grow."""
    rng = np.random.Generator(np.random.PCG64([20260101, 4, units]))
    cohort = rng.permutation(np.resize(np.array([0, 7, 10, 13, 16, 19, 22]), units))
    month = np.arange(1, MONTHS + 1)
    x = rng.normal(size=units)
    unit = 0.5 * x + rng.normal(size=units) + 0.02 * cohort
    trend = np.cumsum(rng.normal(scale=0.3, size=MONTHS))
    shock = rng.normal(size=(units, MONTHS))
    for t in range(1, MONTHS):
        shock[:, t] += 0.5 * shock[:, t - 1]
    exposure = np.where(cohort[:, None] > 0, month - cohort[:, None] + 1, 0).clip(min=0)
    return Data(unit[:, None] + trend + np.where(exposure > 0, 0.3 + 0.05 * exposure, 0.0) + shock, cohort)


def loaded(path: Path) -> Data:
    """The same from a file with ``y`` and ``cohort``."""
    with np.load(path) as found:
        return Data(found["y"], found["cohort"])


def callaway(data: Data) -> Estimate:
    """Ours: every cohort and month, and the simple average."""
    return callaway_santanna(data.y, data.cohort, unit="1").aggregate("simple").overall


def efficient(data: Data) -> Staggered:
    """Ours: the efficient estimator with both errors."""
    return staggered(data.y, data.cohort, unit="1")


def tidy(data: Data) -> pd.DataFrame:
    """One row per unit and month, as peers take it."""
    n, t = data.y.shape
    return pd.DataFrame(
        {
            "id": np.repeat(np.arange(n), t), "month": np.tile(np.arange(1, t + 1), n), "y": data.y.ravel(),
            "cohort": np.repeat(data.cohort, t).astype(float),
        }
    )  # fmt: skip


def by_loop(frame: pd.DataFrame) -> float:
    """A user's loop: two differences of means per cohort and month, weighted by cohort size; no error."""
    table = frame.pivot(index="id", columns="month", values="y")
    cohort = frame.drop_duplicates("id").set_index("id")["cohort"]
    never, total, weight = table[cohort == 0], 0.0, 0.0
    for start in sorted(set(cohort[cohort > 0])):
        own = table[cohort == start]
        for month in table.columns[table.columns >= start]:
            before = start - 1
            effect = (own[month] - own[before]).mean() - (never[month] - never[before]).mean()
            total, weight = total + len(own) * effect, weight + len(own)
    return float(total / weight)


def by_diff_diff(frame: pd.DataFrame) -> tuple[float, float]:
    """The fastest peer found: the simple effect and its error."""
    peer = importlib.import_module("diff_diff").CallawaySantAnna(control_group="never_treated")
    names = {"outcome": "y", "unit": "id", "time": "month", "first_treat": "cohort"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of its next version's way to aggregate
        found = peer.fit(frame, aggregate="simple", **names)
    return float(found.overall_att), float(found.overall_se)


def by_csdid(frame: pd.DataFrame) -> tuple[float, float]:
    """The port of R's did; what it prints is left out."""
    att = importlib.import_module("csdid.att_gt").ATTgt
    with redirect_stdout(StringIO()):
        found: Any = att(yname="y", gname="cohort", idname="id", tname="month", xformla="y~1", data=frame.copy())
        answer = found.fit(est_method="reg").aggte(typec="simple").atte
    return float(np.ravel(answer["overall_att"])[0]), float(np.ravel(answer["overall_se"])[0])


def memory(run: Callable[[], object]) -> float:
    """Peak MiB allocated while it runs, beyond what it is given."""
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def repeated(run: Callable[[], object], units: int) -> Contestant:
    """Several times at once for few units: a millisecond alone cannot be timed."""
    times = max(1, 20_000 // units)
    return Contestant(lambda: [run() for _ in range(times)], times)


def run(data: Path | None, rounds: int) -> list[str]:
    """Ours and the peers', as lines to print."""
    sets = [loaded(data)] if data else [generated(n) for n in TRUSTED]
    lines = [line for one in sets for line in _one(one, rounds, trusted=data is None)]
    return [*lines, *through_the_lot(rounds), f"peak memory {peak_mib():.0f} MiB"]


def _one(data: Data, rounds: int, *, trusted: bool) -> list[str]:
    n, answer, best = len(data.y), callaway(data), efficient(data)
    imputed = imputation(data.y, data.cohort, unit="1")
    if trusted:
        value, error, other = TRUSTED[n]
        assert abs(answer.estimate - value) <= 1e-10, (answer.estimate, value)
        assert abs(answer.std_error - error) <= 1e-10, (answer.std_error, error)
        assert abs(imputed.estimate - other) <= 1e-10, (imputed.estimate, other)
    frame = tidy(data)
    contestants = {
        "trialkit, Callaway-Sant'Anna": repeated(lambda: callaway(data), n),
        "trialkit, efficient": repeated(lambda: efficient(data), n),
        "trialkit, imputation": repeated(lambda: imputation(data.y, data.cohort, unit="1"), n),
        "plain pandas loop, no errors": repeated(lambda: by_loop(frame), n),
    }
    peers = {"diff_diff": (by_diff_diff, 10), "csdid": (by_csdid, 50)}
    here = {name: peer for name, peer in peers.items() if find_spec(name)}
    for name, (peer, _) in here.items():
        value, error = peer(frame)
        assert abs(value - answer.estimate) <= 1e-10, (name, value, answer.estimate)
        assert abs(error / answer.std_error - 1) <= PEER_ERRORS, (name, error, answer.std_error)
    allocated = {"Callaway-Sant'Anna": memory(lambda: callaway(data)), "efficient": memory(lambda: efficient(data))}
    contestants |= {name: repeated(lambda run=run: run(frame), n) for name, (run, _) in here.items()}  # type: ignore[misc]
    times = interleaved(contestants, rounds)
    own, second, *_ = times.values()
    lines = [
        f"{n:,} units x {data.y.shape[1]} months, {rounds} interleaved rounds, medians",
        f"simple effect {answer.estimate:.10f} ({answer.std_error:.10f}), efficient {best.estimate.estimate:.6f} "
        f"({best.std_error_adjusted:.6f}, Neyman {best.std_error_neyman:.6f})"
        + ("; agrees with the trusted numbers" if trusted else ""),
        own.line(),
        second.line(note=f"CPU ratio to Callaway-Sant'Anna {verdict(second.over(own), at_most=1.2)}"),
        times["trialkit, imputation"].line(),
        times["plain pandas loop, no errors"].line(
            note=f"CPU ratio {times['plain pandas loop, no errors'].over(own):.1f}x"
        ),
        f"allocated at the peak beyond the data of {data.y.nbytes / 2**20:.1f} MiB: "
        + ", ".join(f"{name} {found:.1f} MiB" for name, found in allocated.items()),
    ]
    if "diff_diff" in here:
        ratio = allocated["Callaway-Sant'Anna"] / memory(lambda: by_diff_diff(frame))
        lines.append(f"allocated, over diff_diff's: {verdict(ratio, at_most=0.5)}")
    for name, (_, goal) in peers.items():
        if name in here:
            lines.append(times[name].line(note=f"CPU ratio {verdict(times[name].over(own), at_least=goal)}"))
        else:
            lines.append(f"{name} is not installed: not timed (goal >= {goal}x its CPU)")
    return lines


def through_the_lot(rounds: int) -> list[str]:
    """21 units x 24 months: all 20,349 ways to draw 5 of 21, and 10,000 draws of 7/7/7; goal: under a second each."""
    rng = np.random.Generator(np.random.PCG64([20260101, 4, 21]))
    units, y = [f"u{k:02d}" for k in range(21)], rng.normal(size=(21, MONTHS)).cumsum(axis=1)

    def tested(design: Design, starts: list[float | None], draws: int) -> RandomizationTest:
        statistic = StaggeredContrast(outcome=y, starts=starts)
        codes = design.sample(1, np.random.default_rng(1))[0]
        return randomization_test(
            design, codes, statistic, unit="1", interval=False, most=100_000, draws=draws, rng=np.random.default_rng(2)
        )

    two, three = complete(units, {"w1": 5, "w2": 16}), complete(units, {"w1": 7, "w2": 7, "w3": 7})
    times = interleaved(
        {
            "test through the lot, all 20,349": Contestant(lambda: tested(two, [9.0, None], 0)),
            "test through the lot, 10,000 draws": Contestant(lambda: tested(three, [9.0, 15.0, None], 10_000)),
        },
        rounds,
    )
    return [one.line(note=f"(goal < 1 s: {'reached' if one.wall < 1 else 'MISSED'})") for one in times.values()]
