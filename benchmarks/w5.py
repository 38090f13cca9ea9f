"""W5: a million draws of a blocked design, and ten thousand of the 1% that balance eight covariates best.

The peers are what a user would write: one permutation per block and draw, and the Morgan-Rubin distance of every draw.
The synthetic data have the form of 98 municipalities in 5 regions, half of each (rounded down) treated.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import Contestant, interleaved, peak_mib, verdict
from trialkit.design import Mahalanobis, PartsDesign, blocked_wedge
from trialkit.units import Unit, Units

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DRAWS, ACCEPTED, SHARE = 1_000_000, 10_000, 0.01
PEER_DRAWS = 5_000  # their cost grows in proportion; scaled to the full number
REGION_SIZES = (29, 17, 22, 19, 11)


def generated() -> tuple[Ints, Ints, Floats]:
    """Region and covariates of each unit, and how many are treated in each region."""
    rng = np.random.Generator(np.random.PCG64([20260101, 5, 0]))
    region = np.repeat(np.arange(len(REGION_SIZES)), REGION_SIZES)
    covariates = rng.normal(size=(region.size, 8)) + 0.3 * region[:, None]
    return region, np.array(REGION_SIZES) // 2, covariates


def loaded(path: Path) -> tuple[Ints, Ints, Floats]:
    """The same from a file with ``region``, ``n_treated`` and ``covariates``."""
    with np.load(path) as found:
        return found["region"], found["n_treated"], found["covariates"]


def design_of(region: Ints, n_treated: Ints, covariates: Floats, threshold: str = "") -> PartsDesign:
    """The design as a user states it; covariates with nine decimals, as a protocol writes them."""
    block = [f"region {code:03d}" for code in region]
    rows = [tuple(f"{value:.9f}" for value in row) for row in covariates] if threshold else [()] * len(region)
    units = Units.of(Unit(id=f"{k:06d}", block=block[k], x=rows[k]) for k in range(len(region)))
    sizes = np.bincount(region, minlength=len(n_treated))
    quotas = {
        f"region {code:03d}": (int(size - treated), int(treated))
        for code, (size, treated) in enumerate(zip(sizes, n_treated, strict=True))
    }
    names = tuple(f"x{k}" for k in range(covariates.shape[1]))
    rule = Mahalanobis(covariates=names, threshold=threshold, max_attempts=100_000) if threshold else None
    return blocked_wedge(units, ["control", "treated"], quotas, constraint=rule)


def one_draw(rng: np.random.Generator, region: Ints, n_treated: Ints) -> NDArray[np.int8]:
    """A user's loop: permute each block, treat the first of it."""
    z = np.zeros(region.size, np.int8)
    for block, treated in enumerate(n_treated):
        z[rng.permutation(np.flatnonzero(region == block))[:treated]] = 1
    return z


def naive(n: int, region: Ints, n_treated: Ints) -> list[NDArray[np.int8]]:
    """``n`` draws, one by one."""
    rng = np.random.default_rng(1)
    return [one_draw(rng, region, n_treated) for _ in range(n)]


def naive_distances(n: int, region: Ints, n_treated: Ints, covariates: Floats) -> Floats:
    """The Morgan-Rubin distance of each of ``n`` draws, one by one."""
    inverse, treated = np.linalg.inv(np.cov(covariates.T)), int(n_treated.sum())
    scale, found = treated * (region.size - treated) / region.size, []
    for z in naive(n, region, n_treated):
        gap = covariates[z == 1].mean(axis=0) - covariates[z == 0].mean(axis=0)
        found.append(scale * (gap @ inverse @ gap))
    return np.array(found)


def sorted_keys(n: int, region: Ints, n_treated: Ints, batch: int = 5_000) -> NDArray[np.int8]:
    """The best short numpy: in each block treat those with the smallest of random keys, many draws at once."""
    rng, out = np.random.default_rng(1), np.zeros((n, region.size), np.int8)
    for start in range(0, n, batch):
        rows = out[start : start + batch]
        for block, treated in enumerate(n_treated):
            if treated:
                members = np.flatnonzero(region == block)
                keys = rng.random((len(rows), members.size), dtype=np.float32)
                first = np.argpartition(keys, treated - 1, axis=1)[:, :treated]
                rows[np.arange(len(rows))[:, None], members[first]] = 1
    return out


def checked(codes: NDArray[np.integer], region: Ints, n_treated: Ints, covariates: Floats, most: float) -> None:
    """A fast draw that is wrong is worth nothing: every block's number, and every distance."""
    for block, treated in enumerate(n_treated):
        assert (codes[:, region == block].sum(axis=1) == treated).all()
    treated, n = int(n_treated.sum()), region.size
    gaps = codes @ covariates / treated - (1 - codes) @ covariates / (n - treated)
    distance = treated * (n - treated) / n * np.einsum("ij,jk,ik->i", gaps, np.linalg.inv(np.cov(covariates.T)), gaps)
    assert distance.max() <= most * (1 + 1e-6)


def run(data: Path | None, rounds: int) -> list[str]:
    """Ours and the peers', as lines to print."""
    region, n_treated, covariates = loaded(data) if data else generated()
    cutoff = float(np.quantile(naive_distances(20_000, region, n_treated, covariates), SHARE))
    free = design_of(region, n_treated, covariates)
    balanced = design_of(region, n_treated, covariates, f"{cutoff:.9f}")
    checked(balanced.sample(2_000, np.random.default_rng(2)), region, n_treated, covariates, cutoff)
    found = interleaved(
        {
            "trialkit, blocked": Contestant(lambda: free.sample(DRAWS, np.random.default_rng(1)), DRAWS),
            "loop of permutations": Contestant(lambda: naive(PEER_DRAWS, region, n_treated), PEER_DRAWS),
            "numpy, smallest keys": Contestant(lambda: sorted_keys(PEER_DRAWS, region, n_treated), PEER_DRAWS),
            "trialkit, constrained": Contestant(lambda: balanced.sample(ACCEPTED, np.random.default_rng(1)), ACCEPTED),
            "loop of permutations and distances": Contestant(
                lambda: naive_distances(PEER_DRAWS, region, n_treated, covariates), PEER_DRAWS * SHARE
            ),
        },
        rounds,
    )
    ours, loop, keys, constrained, distances = found.values()
    return [
        f"{region.size} units in {len(n_treated)} blocks, {covariates.shape[1]} covariates; "
        f"{rounds} interleaved rounds, medians; the loops ran {PEER_DRAWS:,} draws and are scaled",
        ours.line(DRAWS, f"{DRAWS:,} draws"),
        loop.line(DRAWS, f"CPU ratio {verdict(loop.over(ours), at_least=15)}"),
        keys.line(DRAWS, f"CPU ratio {keys.over(ours):.2f}x"),
        constrained.line(ACCEPTED, f"{ACCEPTED:,} accepted, distance <= {cutoff:.4f}"),
        distances.line(ACCEPTED, f"CPU ratio {verdict(distances.over(constrained), at_least=50)}"),
        f"peak memory {peak_mib():.0f} MiB",
    ]
