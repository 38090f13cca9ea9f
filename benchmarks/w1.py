"""W1: a randomization test of 98 units in 5 blocks, 100,000 draws, plain and adjusted by least squares.

The panel is collapsed to one number per unit before any draw.  ritest, pyfixest and permute are timed where they are
installed (`pip install ritest pyfixest permute`); numpy's loop and scipy are always there.  scipy knows no blocks.
The data are synthetic.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import permutation_test

from benchmarks.timing import Contestant, Timed, interleaved, peak_mib, verdict
from trialkit.design import PartsDesign, blocked_wedge
from trialkit.estimate.randomization import RandomizationTest, randomization_test
from trialkit.estimate.statistics import DifferenceInMeans, OlsAdjusted, Statistic

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DRAWS, LOOPED = 100_000, 1_000  # loops cost in proportion; they run fewer draws and are scaled
AGAIN = 5  # whole tests of ours in one round: ten milliseconds alone cannot be timed
BATCHED = 20_000  # of peers that fit once and draw fast: enough that the fit is lost among the draws
COMPILED = BATCHED if find_spec("numba") else LOOPED  # pyfixest's, which without numba is a loop
REGION_SIZES, MONTHS = (29, 17, 22, 19, 11), 24
# Two independent generators of 100,000 draws each, with their Monte Carlo errors, on the generated data.
TRUSTED = {"difference": (0.942, 0.0007), "least squares": (0.00181, 0.00014)}


@dataclass(frozen=True)
class Data:
    """y (n, months), treated z, region, treated per region, covariates (n, q), post (months,)."""

    y: Floats
    z: Ints
    region: Ints
    n_treated: Ints
    covariates: Floats
    post: Ints

    @cached_property
    def after(self) -> Floats:
        """(n,) mean of the months after."""
        return np.asarray(self.y[:, self.post == 1].mean(axis=1), np.float64)

    @cached_property
    def before(self) -> Floats:
        """(n,) mean of the months before."""
        return np.asarray(self.y[:, self.post == 0].mean(axis=1), np.float64)

    @cached_property
    def adjustment(self) -> Floats:
        """(n, 1 + q) baseline and covariates."""
        return np.column_stack([self.before, self.covariates])

    @cached_property
    def design(self) -> PartsDesign:
        """The blocks with their own numbers treated."""
        ids = [f"{k:06d}" for k in range(len(self.z))]
        blocks = {unit: f"region {code:03d}" for unit, code in zip(ids, self.region, strict=True)}
        sizes = np.bincount(self.region, minlength=len(self.n_treated))
        quotas = {
            f"region {code:03d}": (int(treated), int(size - treated))
            for code, (size, treated) in enumerate(zip(sizes, self.n_treated, strict=True))
        }
        return blocked_wedge(ids, ["treated", "control"], quotas, blocks=blocks)


def generated() -> Data:
    """98 municipalities' worth of made-up units."""
    rng = np.random.Generator(np.random.PCG64([20260101, 1, 0]))
    region = np.repeat(np.arange(len(REGION_SIZES)), REGION_SIZES)
    n_treated = np.array(REGION_SIZES) // 2
    covariates = rng.normal(size=(region.size, 3)) + 0.5 * region[:, None]
    unit = covariates @ np.array([1.0, -0.5, 0.25]) + 0.8 * region + rng.normal(size=region.size)
    month = np.cumsum(rng.normal(scale=0.2, size=MONTHS))
    z = one_draw(rng, region, n_treated)
    post = (np.arange(MONTHS) >= 12).astype(np.int64)
    noise = rng.normal(size=(region.size, MONTHS))
    y = 10 + unit[:, None] + month + 0.25 * z[:, None] * post + noise
    return Data(y, z, region, n_treated, covariates, post)


def loaded(path: Path) -> Data:
    """The same from a file with ``y``, ``z``, ``region``, ``n_treated``, ``covariates`` and ``post``."""
    with np.load(path) as found:
        return Data(*(found[name] for name in ("y", "z", "region", "n_treated", "covariates", "post")))


def one_draw(rng: np.random.Generator, region: Ints, n_treated: Ints) -> Ints:
    """Permute each block, treat the first of it."""
    z = np.zeros(region.size, np.int64)
    for block, treated in enumerate(n_treated):
        z[rng.permutation(np.flatnonzero(region == block))[:treated]] = 1
    return z


def ours(data: Data, statistic: Statistic, draws: int = DRAWS) -> RandomizationTest:
    """Ours, through the design."""
    codes = np.where(data.z == 1, 0, 1)
    return randomization_test(
        data.design, codes, statistic, unit="1", interval=False, sides="mirror", most=0, draws=draws,
        rng=np.random.default_rng(1),
    )  # fmt: skip


def looped(data: Data, value: Callable[[Ints], float], draws: int = LOOPED) -> float:
    """A user's loop over draws."""
    rng, own = np.random.default_rng(1), abs(value(data.z))
    hits = sum(abs(value(one_draw(rng, data.region, data.n_treated))) >= own - 1e-12 for _ in range(draws))
    return (1 + hits) / (1 + draws)


def difference(data: Data) -> Callable[[Ints], float]:
    """The plain difference in means."""
    return lambda z: float(data.after[z == 1].mean() - data.after[z == 0].mean())


def coefficient(data: Data) -> Callable[[Ints], float]:
    """Least squares with block intercepts, anew for every draw."""
    blocks = (data.region[:, None] == np.unique(data.region)).astype(float)
    x = np.column_stack([blocks, data.adjustment])
    return lambda z: float(np.linalg.lstsq(np.column_stack([z, x]), data.after, rcond=None)[0][0])


def by_scipy(data: Data) -> float:
    """scipy's permutation test; it cannot be told about the blocks."""

    def statistic(a: Floats, b: Floats, axis: int) -> Floats:
        return np.asarray(a.mean(axis=axis) - b.mean(axis=axis))

    arms = (data.after[data.z == 1], data.after[data.z == 0])
    found = permutation_test(
        arms, statistic, vectorized=True, n_resamples=DRAWS, batch=5_000, rng=np.random.default_rng(1)
    )
    return float(found.pvalue)


def frame(data: Data):  # type: ignore[no-untyped-def]
    """The collapsed data as a table for formula interfaces, and the adjusted formula's covariates."""
    import pandas as pd

    columns = {f"c{k}": column for k, column in enumerate(data.covariates.T)}
    table = pd.DataFrame({"post": data.after, "z": data.z.astype(float), "region": data.region, "pre": data.before})
    return table.assign(**columns), " + ".join(["pre", *columns])


def by_ritest(data: Data) -> float:
    """ritest-python, within strata."""
    table, covariates = frame(data)
    found = importlib.import_module("ritest").ritest(
        df=table, permute_var="z", formula=f"post ~ z + C(region) + {covariates}", stat="z", strata="region",
        reps=BATCHED, seed=1, ci_mode="none", n_jobs=1,
    )  # fmt: skip
    return float(found.pval)


def by_pyfixest(data: Data) -> float:
    """pyfixest's ritest; it has no strata."""
    table, covariates = frame(data)
    fit = importlib.import_module("pyfixest").feols(f"post ~ z + {covariates} | region", data=table)
    with redirect_stderr(StringIO()):  # its progress bar
        found = fit.ritest("z", reps=COMPILED, type="randomization-c", rng=np.random.default_rng(1))
    return float(found["Pr(>|t|)"])


def by_permute(data: Data) -> float:
    """permute's stratified test."""
    stratified = importlib.import_module("permute.stratified")
    value = difference(data)
    found = stratified.stratified_permutationtest(
        data.region, data.z, data.after, alternative="two-sided", reps=LOOPED, testStatistic=value, seed=1
    )
    return float(found[0])


PEERS: dict[str, tuple[Callable[[Data], float], int, float]] = {  # how to run it, its draws, the goal
    "ritest": (by_ritest, BATCHED, 300), "pyfixest": (by_pyfixest, COMPILED, 200), "permute": (by_permute, LOOPED, 0),
}  # fmt: skip


def run(data: Path | None, rounds: int) -> list[str]:
    """Ours and the peers', as lines to print."""
    found = loaded(data) if data else generated()
    plain = DifferenceInMeans(outcome=found.after, compare=("treated", "control"), blocks=False)
    adjusted = OlsAdjusted(outcome=found.after, covariates=found.adjustment, compare=("treated", "control"))
    here = [name for name in PEERS if find_spec(name)]
    times = interleaved(
        {
            "trialkit, difference": Contestant(lambda: [ours(found, plain) for _ in range(AGAIN)], AGAIN * DRAWS),
            "trialkit, least squares": Contestant(lambda: [ours(found, adjusted) for _ in range(AGAIN)], AGAIN * DRAWS),
            "scipy, difference, blocks ignored": Contestant(lambda: by_scipy(found), DRAWS),
            "loop, difference": Contestant(lambda: looped(found, difference(found)), LOOPED),
            "loop, least squares": Contestant(lambda: looped(found, coefficient(found)), LOOPED),
            **{name: Contestant(lambda name=name: PEERS[name][0](found), PEERS[name][1]) for name in here},  # type: ignore[misc]
        },
        rounds,
    )
    answers = {"difference": ours(found, plain), "least squares": ours(found, adjusted)}
    return [
        f"{found.z.size} units in {len(found.n_treated)} blocks, {DRAWS:,} draws; {rounds} interleaved rounds, medians; "
        f"ours ran {AGAIN} times, loops {LOOPED:,} draws, ritest {BATCHED:,} and pyfixest {COMPILED:,}, and are scaled",
        *(_answer(name, test, found, trusted=data is None) for name, test in answers.items()),
        *_lines(times, here),
        *(f"{name} is not installed here, so it was not timed" for name in PEERS if name not in here),
        f"peak memory {peak_mib():.0f} MiB",
    ]


def _answer(name: str, test: RandomizationTest, data: Data, *, trusted: bool) -> str:
    """The number, beside what it must be; a fast number that is wrong is worth nothing."""
    direct = (difference if name == "difference" else coefficient)(data)(data.z)
    assert abs(test.observed - direct) <= 1e-9 * (1 + abs(direct)), (test.observed, direct)
    said = f"{name}: {test.observed:.12g}, p = {test.p_value:.5f} (Monte Carlo error {test.estimate.mc_error:.5f})"
    if not trusted:
        return said
    p, error = TRUSTED[name]
    assert abs(test.p_value - p) <= 4 * (error**2 + test.estimate.mc_error**2) ** 0.5, (test.p_value, p)
    return f"{said}; trusted {p} +- {error}"


def _lines(times: dict[str, Timed], here: list[str]) -> list[str]:
    plain, adjusted = times["trialkit, difference"], times["trialkit, least squares"]
    scipy, loop, loop_ols = (times[name] for name in list(times)[2:5])
    return [
        plain.line(DRAWS, "blocks honoured"),
        adjusted.line(DRAWS, "blocks honoured"),
        scipy.line(DRAWS, f"CPU ratio {verdict(scipy.over(plain), at_least=2)}"),
        loop.line(DRAWS, f"CPU ratio {loop.over(plain):.0f}x"),
        loop_ols.line(DRAWS, f"CPU ratio {loop_ols.over(adjusted):.0f}x"),
        *(
            times[name].line(DRAWS, _peer(name, times[name].over(plain if name == "permute" else adjusted)))
            for name in here
        ),
    ]


def _peer(name: str, ratio: float) -> str:
    goal = PEERS[name][2]
    return f"CPU ratio {verdict(ratio, at_least=goal) if goal else f'{ratio:.0f}x'}"
