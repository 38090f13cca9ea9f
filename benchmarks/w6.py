"""W6: CR2 with Satterthwaite degrees of freedom, 100,000 rows x 500 clusters; wild bootstrap, 99,999 draws on 24 clusters.

diff-diff (CR2) and pyfixest (bootstrap) are the peers; where they are not installed the lines say so, and a plain numpy
version of each stands beside ours, which every number must agree with.  The data are synthetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import Contestant, Timed, interleaved, peak_mib, verdict
from trialkit.estimate.bootstrap import WildBootstrap, wild_bootstrap
from trialkit.estimate.regression import Regression, least_squares
from trialkit.estimate.sandwich import Errors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DRAWS = 99_999
PLAIN_DRAWS = 1_000  # of the plain bootstrap, scaled to all
# On the generated data. CR2 and df: diff-diff and a dense computation agree to 1e-13. p: 2,000,000 draws by other code.
TRUSTED = {
    "coefficient": 0.1349340019463855,
    "CR1": 0.0553547690329,
    "CR2": 0.0558211415303,
    "CR3 by Stata's factor": 0.0564089806662,
    "df": 108.96952427827556,
    "t": 0.9142512396748301,
}
TRUSTED_P, TRUSTED_P_ERROR = 0.3934, 0.0015


class Data(NamedTuple):
    """Outcome, regressors with the intercept first, cluster of each row."""

    y: Floats
    x: Floats
    cluster: Ints


def generated_rows(rows: int = 100_000, clusters: int = 500) -> Data:
    """Six regressors, unequal clusters, treatment by cluster."""
    rng = np.random.Generator(np.random.PCG64([20260101, 6, 1]))
    weight = rng.gamma(2.0, size=clusters)
    sizes = np.maximum(2, np.floor(weight / weight.sum() * rows)).astype(int)
    sizes[np.argmax(sizes)] += rows - sizes.sum()
    cluster = np.repeat(np.arange(clusters), sizes)
    z = (rng.permutation(clusters) < clusters // 5).astype(float)[cluster]
    x = rng.normal(size=(rows, 4)) + rng.normal(size=(clusters, 4))[cluster]
    y = 1 + 0.1 * z + x @ np.array([0.5, -0.2, 0.1, 0.0])
    y += rng.normal(scale=0.4, size=clusters)[cluster] + rng.normal(size=rows)
    return Data(y, np.column_stack([np.ones(rows), z, x]), cluster)


def generated_few(clusters: int = 24, per_cluster: int = 100) -> Data:
    """Few clusters for the bootstrap."""
    rng = np.random.Generator(np.random.PCG64([20260101, 6, 2]))
    cluster = np.repeat(np.arange(clusters), per_cluster)
    z = (rng.permutation(clusters) < clusters // 2).astype(float)[cluster]
    x = rng.normal(size=(cluster.size, 2)) + rng.normal(size=(clusters, 2))[cluster]
    y = 1 + 0.3 * z + x @ np.array([0.5, -0.2])
    y += rng.normal(scale=0.5, size=clusters)[cluster] + rng.normal(size=cluster.size)
    return Data(y, np.column_stack([np.ones(cluster.size), z, x]), cluster)


def loaded(path: Path) -> Data:
    """The same from a file with ``y``, ``X`` (intercept first) and ``cluster``."""
    with np.load(path) as found:
        return Data(found["y"], found["X"], found["cluster"])


def columns(data: Data) -> dict[str, Floats]:
    """As a user names them; the intercept is added by itself."""
    return {f"x{k}": data.x[:, k] for k in range(1, data.x.shape[1])}


def robust(data: Data, errors: Errors = "CR2") -> Regression:
    """Ours."""
    return least_squares(data.y, columns(data), clusters=data.cluster, errors=errors)


def bootstrapped(data: Data) -> WildBootstrap:
    """Ours, the p-value alone."""
    rng = np.random.default_rng(1)
    return wild_bootstrap(
        data.y, columns(data), "x1", clusters=data.cluster, unit="1", draws=DRAWS, rng=rng, interval=False,
        signs="rademacher",
    )  # fmt: skip


def plain_cr2(data: Data) -> tuple[float, float]:
    """CR2's error of column 1 and its degrees of freedom, as a textbook writes them: one matrix per cluster."""
    y, x, cluster = data
    bread = np.linalg.inv(x.T @ x)
    residual = y - x @ (bread @ (x.T @ y))
    meat, own, seen = 0.0, [], []
    for code in np.unique(cluster):
        here = cluster == code
        values, vectors = np.linalg.eigh(np.eye(int(here.sum())) - x[here] @ bread @ x[here].T)
        root = vectors * np.where(values > 1e-12, 1 / np.sqrt(np.maximum(values, 1e-12)), 0.0) @ vectors.T
        a = root @ x[here] @ bread[:, 1]
        meat += float(a @ residual[here]) ** 2
        own.append(float(a @ a))
        seen.append(x[here].T @ a)
    products = np.diag(own) - np.array(seen) @ bread @ np.array(seen).T
    return math.sqrt(meat), float(np.trace(products) ** 2 / (products**2).sum())


def plain_bootstrap(data: Data, draws: int) -> float:
    """A user's loop: new signs, a regression, CR1's t."""
    y, x, cluster = data
    rng, groups = np.random.default_rng(2), int(cluster.max()) + 1
    bread = np.linalg.inv(x.T @ x)
    edges = np.flatnonzero(np.diff(cluster, prepend=-1))

    def t_of(outcome: Floats) -> float:
        beta = bread @ (x.T @ outcome)
        scores = np.add.reduceat(x * (outcome - x @ beta)[:, None], edges) @ bread[:, 1]
        factor = groups / (groups - 1) * (len(y) - 1) / (len(y) - x.shape[1])
        return float(beta[1] / math.sqrt(factor * (scores @ scores)))

    rest = np.delete(x, 1, axis=1)
    fitted = rest @ np.linalg.lstsq(rest, y, rcond=None)[0]
    own, hits = abs(t_of(y)), 0
    for _ in range(draws):
        signs = rng.choice([-1.0, 1.0], size=groups)
        hits += abs(t_of(fitted + (y - fitted) * signs[cluster])) >= own
    return (1 + hits) / (1 + draws)


def by_diff_diff(data: Data) -> tuple[float, float]:
    """The peer for CR2: the error and its degrees of freedom."""
    from diff_diff import LinearRegression  # type: ignore[import-not-found]

    model = LinearRegression(include_intercept=False, cluster_ids=data.cluster, vcov_type="hc2_bm")
    found = model.fit(data.x, data.y).get_inference(1)
    return float(found.se), float(found.df)


def by_pyfixest(data: Data) -> float:
    """The peer for the bootstrap: its p-value."""
    import pandas as pd
    import pyfixest  # type: ignore[import-not-found]

    frame = pd.DataFrame(columns(data)).assign(y=data.y, cluster=data.cluster)
    fit = pyfixest.feols("y ~ " + " + ".join(columns(data)), frame, vcov={"CRV1": "cluster"})
    return float(fit.wildboottest(param="x1", reps=DRAWS, cluster="cluster", seed=1)["Pr(>|t|)"])


def run(data: Path | None, rounds: int) -> list[str]:
    """Ours and the peers', as lines to print."""
    if data:
        given = loaded(data)
        few = int(given.cluster.max()) + 1 <= 50
        return [*(_wild(given, rounds, trusted=False) if few else _cr2(given, rounds, trusted=False)), _memory()]
    return [
        *_cr2(generated_rows(), rounds, trusted=True),
        *_wild(generated_few(), rounds, trusted=True),
        _memory(),
    ]


def _memory() -> str:
    return f"peak memory {peak_mib():.0f} MiB"


def _cr2(data: Data, rounds: int, *, trusted: bool) -> list[str]:
    found, clusters = robust(data), len(np.unique(data.cluster))
    error, df = plain_cr2(data)
    assert np.allclose([found.std_errors[1], found.df[1]], [error, df], rtol=1e-9), (found, error, df)
    peer = _peer("diff_diff", "diff-diff, hc2_bm", lambda: by_diff_diff(data))
    if peer:
        assert np.allclose(by_diff_diff(data), [error, df], rtol=1e-9), (by_diff_diff(data), error, df)
    mine, *others = interleaved(
        {"trialkit, CR2 and Satterthwaite": Contestant(lambda: robust(data)), **peer}, rounds
    ).values()
    (textbook,) = interleaved({"plain numpy, a matrix per cluster": Contestant(lambda: plain_cr2(data))}, 1).values()
    return [
        f"{len(data.y):,} rows, {data.x.shape[1]} regressors, {clusters} clusters; {rounds} rounds, medians",
        f"coefficient {found.coefficients[1]:.10f}, error {found.std_errors[1]:.10f}, df {found.df[1]:.8f}; agrees "
        "with plain numpy" + (" and the trusted numbers" if trusted and _agrees(data, found) else ""),
        mine.line(),
        textbook.line(note=f"one round; CPU ratio {textbook.cpu / mine.cpu:.1f}x"),
        _beside(others, mine, "diff-diff", at_least=2),
    ]


def _wild(data: Data, rounds: int, *, trusted: bool) -> list[str]:
    found = bootstrapped(data)
    p, error = plain_bootstrap(data, 4 * PLAIN_DRAWS), math.sqrt(found.p_value * (1 - found.p_value))
    assert abs(found.p_value - p) <= 4 * error * math.sqrt(1 / DRAWS + 1 / (4 * PLAIN_DRAWS)), (found.p_value, p)
    peer = _peer("wildboottest", "pyfixest, wildboottest", lambda: by_pyfixest(data))
    if peer:
        assert abs(found.p_value - by_pyfixest(data)) <= 4 * error * math.sqrt(2 / DRAWS), found.p_value
    if trusted:
        assert math.isclose(found.estimate.statistic, TRUSTED["t"], rel_tol=1e-9)
        assert abs(found.p_value - TRUSTED_P) <= 4 * math.hypot(TRUSTED_P_ERROR, found.estimate.mc_error)
    mine, plain, *others = interleaved(
        {
            "trialkit, wild bootstrap": Contestant(lambda: bootstrapped(data)),
            "plain numpy loop (scaled)": Contestant(lambda: plain_bootstrap(data, PLAIN_DRAWS), PLAIN_DRAWS / DRAWS),
            **peer,
        },
        rounds,
    ).values()
    return [
        f"{len(data.y):,} rows, {found.estimate.n_units} clusters, {DRAWS:,} draws; t = "
        f"{found.estimate.statistic:.10f}, p = {found.p_value:.5f} (Monte Carlo error {found.estimate.mc_error:.4f})"
        + ("; agrees with the trusted numbers" if trusted else ""),
        mine.line(),
        plain.line(note=f"CPU ratio {plain.over(mine):.0f}x"),
        _beside(others, mine, "pyfixest with wildboottest", at_least=10),
    ]


def _agrees(data: Data, found: Regression) -> bool:
    """Every trusted number; a fast number that is wrong is worth nothing."""
    n, k, groups = len(data.y), data.x.shape[1], int(data.cluster.max()) + 1
    factor = groups / (groups - 1) * (n - 1) / (n - k)
    numbers = {
        "coefficient": found.coefficients[1],
        "CR1": robust(data, "CR1").std_errors[1],
        "CR2": found.std_errors[1],
        "CR3 by Stata's factor": robust(data, "CR3").std_errors[1] * math.sqrt(factor),
        "df": found.df[1],
    }
    for name, value in numbers.items():
        assert math.isclose(value, TRUSTED[name], rel_tol=1e-10), (name, value, TRUSTED[name])
    return True


def _peer(package: str, name: str, call: Callable[[], object]) -> dict[str, Contestant]:
    """The peer, if it is installed."""
    return {name: Contestant(call)} if find_spec(package) else {}


def _beside(others: list[Timed], mine: Timed, name: str, *, at_least: float) -> str:
    if not others:
        return f"{name} is not installed here, so the goal of {at_least:g}x was not measured"
    return others[0].line(note=f"CPU ratio {verdict(others[0].over(mine), at_least=at_least)}")
