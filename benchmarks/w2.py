"""W2: the exact test and its 95% interval, 12 of 24 (2.7 million allocations) and 10 of 24, studentized.

scipy's exact permutation test and a plain numpy enumeration are the peers; no Python package found inverts the exact
test.  The data are synthetic.  The trusted numbers take |T| as extreme (``mirror``); with equal arms that is the
distance from the design mean too, with unequal arms the two differ and both are printed.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import permutation_test

from benchmarks.timing import Contestant, interleaved, peak_mib, verdict
from trialkit.design import PartsDesign, complete
from trialkit.estimate.randomization import RandomizationTest, Sides, randomization_test
from trialkit.estimate.statistics import Studentized

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LISTED = 20_000  # allocations of the plain enumeration, scaled to all
# p: scipy and two methods of our own; interval: bisection by two other methods (10 of 24: one), on the generated data.
TRUSTED = {12: (0.22892688143731352, -0.94846636, 3.75389964), 10: (0.1131861419416945, -0.33611772, 2.91853168)}


def generated(treated: int, n: int = 24) -> tuple[Floats, Ints]:
    """Outcomes with an effect that varies, and who was treated."""
    rng = np.random.Generator(np.random.PCG64([20260101, 2, treated]))
    z = np.zeros(n, np.int64)
    z[rng.permutation(n)[:treated]] = 1
    y = np.round(rng.normal(10, 2, size=n) + z * rng.normal(1.5, 1.0, size=n), 4)
    return y, z


def loaded(path: Path) -> tuple[Floats, Ints]:
    """The same from a file with ``y`` and ``z``."""
    with np.load(path) as found:
        return found["y"], found["z"]


def design_of(z: Ints) -> PartsDesign:
    """As many treated as there were, of all."""
    treated = int(z.sum())
    return complete([f"{k:06d}" for k in range(z.size)], {"treated": treated, "control": z.size - treated})


def ours(design: PartsDesign, y: Floats, z: Ints, *, interval: bool, sides: Sides = "mirror") -> RandomizationTest:
    """Ours, through the design."""
    statistic = Studentized(outcome=y, compare=("treated", "control"))
    return randomization_test(design, np.where(z == 1, 0, 1), statistic, unit="1", sides=sides, interval=interval)


def studentized(a: Floats, b: Floats, axis: int = -1) -> Floats:
    """The difference over Neyman's error."""
    spread = a.var(axis=axis, ddof=1) / a.shape[axis] + b.var(axis=axis, ddof=1) / b.shape[axis]
    return np.asarray((a.mean(axis=axis) - b.mean(axis=axis)) / np.sqrt(spread))


def by_scipy(y: Floats, z: Ints) -> float:
    """scipy's exact test; it doubles the smaller tail, which is the same with equal arms."""
    arms = (y[z == 1], y[z == 0])
    found = permutation_test(arms, studentized, vectorized=True, n_resamples=math.inf, batch=20_000)
    return float(found.pvalue)


def enumerated(y: Floats, z: Ints, limit: int = LISTED) -> int:
    """A user's loop over combinations, as far as ``limit``."""
    own, hits = abs(float(studentized(y[z == 1], y[z == 0]))), 0
    for chosen in itertools.islice(itertools.combinations(range(z.size), int(z.sum())), limit):
        here = np.zeros(z.size, bool)
        here[list(chosen)] = True
        hits += abs(float(studentized(y[here], y[~here]))) >= own - 1e-12
    return hits


def run(data: Path | None, rounds: int) -> list[str]:
    """Ours and the peers', as lines to print."""
    sets = [loaded(data)] if data else [generated(12), generated(10)]
    lines = [line for y, z in sets for line in _one(y, z, rounds, trusted=data is None)]
    return [*lines, f"peak memory {peak_mib():.0f} MiB"]


def _one(y: Floats, z: Ints, rounds: int, *, trusted: bool) -> list[str]:
    design, treated, control = design_of(z), int(z.sum()), int((1 - z).sum())
    total = math.comb(z.size, treated)
    answer = ours(design, y, z, interval=True)
    times = interleaved(
        {
            "trialkit, p": Contestant(lambda: ours(design, y, z, interval=False)),
            "trialkit, p and interval": Contestant(lambda: ours(design, y, z, interval=True)),
            "plain numpy enumeration (scaled)": Contestant(
                lambda: enumerated(y, z, min(LISTED, total)), min(LISTED, total) / total
            ),
        },
        rounds,
    )
    p, both, loop = times.values()
    lines = [
        f"{treated} of {z.size}: {total:,} allocations, {rounds} interleaved rounds, medians",
        _answer(answer, treated, trusted=trusted),
        p.line(),
        both.line(note=f"CPU ratio to the p-value {verdict(both.over(p), at_most=30)}"),
        loop.line(note=f"CPU ratio {verdict(loop.over(p), at_least=100)}"),
    ]
    if treated == control:
        scipy = interleaved({"scipy, exact": Contestant(lambda: by_scipy(y, z))}, 1)["scipy, exact"]
        assert abs(by_scipy(y, z) - answer.p_value) <= 1e-9
        lines.append(scipy.line(note=f"one round; CPU ratio {verdict(scipy.cpu / p.cpu, at_least=1000)}"))
    else:
        other = ours(design, y, z, interval=True, sides="distance")
        lines.append(f"distance from the design mean of t instead: {_said(other)}")
    return lines


def _said(test: RandomizationTest) -> str:
    low, high = test.estimate.conf_low, test.estimate.conf_high
    return f"t = {test.observed:.10f}, p = {test.p_value:.10f}, 95% interval {low:.8f} to {high:.8f}"


def _answer(test: RandomizationTest, treated: int, *, trusted: bool) -> str:
    """The numbers beside what they must be; a fast number that is wrong is worth nothing."""
    if not trusted:
        return _said(test)
    p, low, high = TRUSTED[treated]
    assert abs(test.p_value - p) <= 1e-12, (test.p_value, p)
    assert abs(test.estimate.conf_low - low) <= 1e-6, (test.estimate.conf_low, low)
    assert abs(test.estimate.conf_high - high) <= 1e-6, (test.estimate.conf_high, high)
    return f"{_said(test)}; agrees with the trusted numbers"
