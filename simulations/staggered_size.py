"""How often a staggered rollout rejects a true null: the test through the lot beside intervals from errors.

    python simulations/staggered_size.py [TRIALS] [SEED]

7, 8, 21 and 48 units in three waves, drawn among all or within two strata.  Outcomes are synthetic: lasting
differences between units (and strata), serial correlation, no effect.  An interval that adds a constant effect covers it
in 100 less these percent: all methods move with a constant.
"""

from __future__ import annotations

import sys
from math import sqrt

import numpy as np

from trialkit.design import blocked_wedge, complete
from trialkit.design.base import Design
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.rollout_test import StaggeredContrast
from trialkit.estimate.staggered import staggered

T, STARTS = 12, (4.0, 7.0, None)
SIZES = {7: (3, 2, 2), 8: (2, 2, 4), 21: (7, 7, 7), 48: (16, 16, 16)}
STRATA = {8: ((2, 2, 0), (2, 0, 2)), 21: ((4, 3, 4), (3, 4, 3)), 48: ((8, 8, 8), (8, 8, 8))}  # 7 are too few for two
LABELS = ("w1", "w2", "w3")


def design_of(n: int, strata: bool) -> tuple[Design, np.ndarray]:
    """The design, and each unit's stratum."""
    ids = [f"u{k:02d}" for k in range(n)]
    if not strata:
        return complete(ids, dict(zip(LABELS, SIZES[n], strict=True))), np.zeros(n, int)
    first = sum(STRATA[n][0])
    blocks = {name: "a" if k < first else "b" for k, name in enumerate(ids)}
    quotas = dict(zip("ab", STRATA[n], strict=True))
    return blocked_wedge(ids, LABELS, quotas, blocks=blocks), np.array([int(blocks[i] == "b") for i in ids])


def outcomes(rng: np.random.Generator, stratum: np.ndarray) -> np.ndarray:
    """(n, T) with a level per unit, another trend in the second stratum, and correlation 0.5 from month to month."""
    y = rng.normal(size=(stratum.size, T))
    for t in range(1, T):
        y[:, t] += 0.5 * y[:, t - 1]
    return y + rng.normal(size=(stratum.size, 1)) + stratum[:, None] * (2 + 0.1 * np.arange(T))


def one(design: Design, stratum: np.ndarray, rng: np.random.Generator) -> list[bool]:
    """Whether each method rejects."""
    codes = design.sample(1, rng)[0]
    y = outcomes(rng, stratum)
    start = np.array([0.0 if STARTS[c] is None else STARTS[c] for c in codes])
    found = staggered(y, start, unit="1", strata=stratum)
    z = abs(found.estimate.estimate) / found.std_error_neyman
    test = randomization_test(
        design,
        codes,
        StaggeredContrast(outcome=y, starts=STARTS),
        unit="1",
        interval=False,
        most=1000,
        draws=399,
        rng=rng,
    )
    assert found.unadjusted is not None
    return [
        test.p_value <= 0.05, z > 1.96, found.unadjusted.p_value <= 0.05, found.std_error_adjusted == 0,
    ]  # fmt: skip


def main(trials: int, seed: int) -> None:
    print(
        f"percent of {trials} trials that reject no effect at 5 percent (error at 5: {100 * sqrt(0.0475 / trials):.1f})"
    )
    print("| units | lot | test through the lot | efficient, Neyman, normal | beta 1, t | adjusted error 0 |")
    print("|---|---|---|---|---|---|")
    for n in SIZES:
        for strata in (False, True):
            if strata and n not in STRATA:
                continue
            design, stratum = design_of(n, strata)
            rng = np.random.default_rng([seed, n, strata])
            share = 100 * np.mean([one(design, stratum, rng) for _ in range(trials)], axis=0)
            print(f"| {n} | {'2 strata' if strata else 'all'} | " + " | ".join(f"{s:.1f}" for s in share) + " |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
