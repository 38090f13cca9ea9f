"""Design effects: how many times as many people a design needs as people drawn one by one, compared once.

They hold for equal sizes and complete designs.  For anything else ask `trialkit.power.closed_form`, which gives the same
numbers where both apply.
"""

from __future__ import annotations

from trialkit.power.analytic import Correlation


def clustered(size: float, icc: float, *, cv: float = 0.0) -> float:
    """Two parallel arms of clusters, measured once: ``1 + ((cv^2 + 1) m - 1) ICC``.

    Parameters
    ----------
    size : mean number of people of a cluster
    cv : coefficient of variation of the sizes; an upper bound where they differ

    References
    ----------
    Eldridge, Ashby & Kerry (2006), doi:10.1093/ije/dyl129.
    """
    return 1 + ((cv**2 + 1) * size - 1) * icc


def mean_correlation(size: float, correlation: Correlation) -> float:
    """The correlation of a cluster's means in two periods, ``size`` people in each.

    References
    ----------
    Hooper et al. (2016), doi:10.1002/sim.7028, after Teerenstra et al. (2012), doi:10.1002/sim.5352.
    """
    icc = correlation.icc
    lasting = size * icc * correlation.cac + (1 - icc) * correlation.iac
    return lasting / clustered(size, icc)


def baseline_adjusted(size: float, correlation: Correlation) -> float:
    """Two parallel arms with a baseline period that is adjusted for, against people compared once.

    References
    ----------
    Teerenstra et al. (2012), doi:10.1002/sim.5352: ``(1 - r^2)(1 + (m - 1) ICC)``.
    """
    return clustered(size, correlation.icc) * (1 - mean_correlation(size, correlation) ** 2)


def repeated(sequences: int, r: float) -> float:
    """What a stepped wedge's repeated periods save, r the correlation of a cluster's means in two periods.

    ``3 S (1 - r)(1 + S r) / ((S^2 - 1)(2 + S r))`` with S sequences, one period before and one after each step.

    References
    ----------
    Hooper et al. (2016), doi:10.1002/sim.7028.
    """
    s = sequences
    return 3 * s * (1 - r) * (1 + s * r) / ((s**2 - 1) * (2 + s * r))


def stepped_wedge(sequences: int, size: float, correlation: Correlation) -> float:
    """A stepped wedge's people per period, against people drawn one by one and compared once.

    References
    ----------
    Hooper et al. (2016), doi:10.1002/sim.7028: the product of `clustered` and `repeated`.
    """
    return clustered(size, correlation.icc) * repeated(sequences, mean_correlation(size, correlation))


def woertman(steps: int, size: float, icc: float, *, measured: int = 1, baseline: int = 1) -> float:
    """A stepped wedge of new people each time (CAC 1), against people drawn one by one and compared once.

    Parameters
    ----------
    steps : steps, each of as many clusters
    size : people of a cluster at one measurement
    measured : measurements after each step
    baseline : measurements before the first

    References
    ----------
    Woertman et al. (2013), doi:10.1016/j.jclinepi.2013.01.009.
    """
    later, before = steps * measured * size, baseline * size - 1
    within = (1 + icc * (later + before)) / (1 + icc * (later / 2 + before))
    return within * 3 * (1 - icc) / (2 * measured * (steps - 1 / steps))


__all__ = ["baseline_adjusted", "clustered", "mean_correlation", "repeated", "stepped_wedge", "woertman"]
