"""Synthetic counts of stepped wedges, for tests of models for events."""

from __future__ import annotations

import numpy as np


def wedge_counts(
    seed: int, family: str, *, clusters: int = 8, periods: int = 4, size: int = 25, repeats: int = 1,
    spread: float = 0.5, period_spread: float = 0.2, effect: float = 0.5,
) -> dict[str, np.ndarray]:  # fmt: skip
    """One row per cluster-period (or ``repeats`` of them): events, sizes, labels, exposure and a 0/1 treatment."""
    rng = np.random.default_rng(seed)
    c, t = np.repeat(np.arange(clusters), periods * repeats), np.tile(np.repeat(np.arange(periods), repeats), clusters)
    exposure = np.maximum(t - c % (periods - 1), 0) if periods > 2 else (t > 0) * (c % 2)
    eta = -0.6 + effect * (exposure > 0) + spread * rng.normal(size=clusters)[c]
    eta = eta + period_spread * rng.normal(size=(clusters, periods))[c, t]
    n = rng.integers(max(1, size // 2), size + size // 2 + 1, len(c)).astype(float)
    y = rng.binomial(n.astype(int), 1 / (1 + np.exp(-eta))) if family == "binomial" else rng.poisson(n * np.exp(eta))
    return {
        "y": y.astype(float), "size": n, "cluster": c, "period": t, "exposure": exposure,
        "treated": (exposure > 0).astype(float),
    }  # fmt: skip
