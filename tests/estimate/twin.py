"""The randomization test read aloud: one allocation at a time, in loops, for the tests to compare with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

TIE = 1e-9


def allocations(design) -> tuple[np.ndarray, np.ndarray]:
    """Every allocation with its share."""
    rows, weights = [], []
    for chunk in design.enumerate():
        for row in chunk.codes:
            rows.append(row)
            weights.append(chunk.weight)
    shares = np.array(weights, float)
    return np.array(rows), shares / shares.sum()


def difference(y, labels, blocks, new=0, usual=1) -> float:
    found, units = 0.0, 0
    for b in sorted(set(blocks.tolist())):
        here = blocks == b
        one, two = y[here & (labels == new)], y[here & (labels == usual)]
        if one.size and two.size:
            found += here.sum() * (one.mean() - two.mean())
            units += here.sum()
    return found / units if units else float("nan")


def studentized(y, labels, blocks, new=0, usual=1) -> float:
    variance, units = 0.0, 0
    for b in sorted(set(blocks.tolist())):
        here = blocks == b
        one, two = y[here & (labels == new)], y[here & (labels == usual)]
        variance += here.sum() ** 2 * (one.var(ddof=1) / one.size + two.var(ddof=1) / two.size)
        units += here.sum()
    top, error = difference(y, labels, blocks, new, usual), np.sqrt(variance) / units
    if error < 1e-7 * np.abs(y - y.mean()).max():
        return 0.0 if abs(top) < 1e-9 else float(np.copysign(np.inf, top))
    return top / error


def paired(y, labels, blocks, new=0, usual=1) -> float:
    gaps = np.array(
        [y[(blocks == b) & (labels == new)][0] - y[(blocks == b) & (labels == usual)][0] for b in np.unique(blocks)]
    )
    return float(gaps.mean() / (gaps.std(ddof=1) / np.sqrt(gaps.size)))


def p_value(values: np.ndarray, shares: np.ndarray, own: float, sides: str, size: float) -> float:
    """By definition; what does not exist is extreme."""
    if sides == "doubled":
        return min(1.0, 2 * min(p_value(values, shares, own, one, size) for one in ("greater", "less")))
    finite = np.isfinite(values)
    if sides == "distance":
        mean = float(shares[finite] @ values[finite] / shares[finite].sum())
        values, own = abs(values - mean), abs(own - mean)
    elif sides == "mirror":
        values, own = abs(values), abs(own)
    elif sides == "less":
        values, own = -values, -own
    slack = TIE * max(abs(own), size) if np.isfinite(own) else 0.0
    return float(shares[~(values < own - slack)].sum())


def judged(
    statistic: Callable[[np.ndarray, np.ndarray], float], y, treated, labels, own, shares, sides, tau=0.0, size=1.0
) -> float:
    """p of the hypothesis that treated units gained ``tau``; ``labels`` is (k, n_units), ``own`` (n_units,)."""
    untreated = y - tau * treated
    values = np.array([statistic(untreated, row) for row in labels])
    return p_value(values, shares, statistic(untreated, own), sides, size)
