"""Timing that was drawn within strata: an estimate and its errors in each, weighted by their share of units.

Without strata there is one.  A stratum's estimate is a row of coefficients on its cohort means; lots in different
strata are independent, so variances add.  The share of X that is subtracted is found once for all strata, from their
sums, since small strata cannot tell one of their own (docs/decisions/0010-staggered.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Final, Literal, NamedTuple, Self

import numpy as np

from trialkit.errors import EstimateError
from trialkit.estimate.cohorts import Bools, Cohorts, Floats, Ints, unknown
from trialkit.estimate.event_study import Contrasts, Control, Estimand, contrasts, placebos, weights

Method = Literal["efficient", "all_placebos", "callaway_santanna", "sun_abraham", "unadjusted"]


class Rule(NamedTuple):
    """What a method's name stands for."""

    beta: float | None  # None: found in the data
    control: Control
    before: bool  # whether cohorts without a period before their start are left out
    words: str


RULES: Final[dict[Method, Rule]] = {
    "efficient": Rule(None, "not_yet_treated", False, "efficient estimator, random timing"),
    "all_placebos": Rule(None, "not_yet_treated", False, "efficient estimator, all comparisons before the start"),
    "callaway_santanna": Rule(1.0, "not_yet_treated", True, "Callaway-Sant'Anna contrast, random timing"),
    "sun_abraham": Rule(1.0, "last", True, "Sun-Abraham contrast, random timing"),
    "unadjusted": Rule(0.0, "not_yet_treated", False, "unadjusted contrast, random timing"),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Stratum:
    """One stratum, or all units: its cohorts and the starts left out.

    Parameters
    ----------
    share : float in (0, 1]
        Weight of the stratum: its share of all rows, or of what they count.
    cohorts : Cohorts
        Those that take part (`taking_part`).
    left_out : (l,) int
        Columns of the starts of the others.
    """

    share: float
    cohorts: Cohorts
    left_out: Ints

    @classmethod
    def of(cls, outcome: Floats, first: Ints, share: float, *, before: bool, sizes: Floats | None = None) -> Self:
        """Moments of the rows of one stratum, cohorts that cannot take part left out."""
        found = Cohorts.of(outcome, first, sizes)
        keep = taking_part(found.starts, found.sizes, before=before)
        return cls(share=share, cohorts=found.only(keep), left_out=found.starts[~keep])

    def contrasts(self, estimand: Estimand, control: Control) -> Contrasts:
        """Of the stratum's own cohort sizes."""
        c = self.cohorts
        return contrasts(c.starts, c.sizes, weights(c.starts, c.sizes, c.n_periods, estimand), control)

    def part(self, estimand: Estimand, method: Method, beta: float | None, *, bound: bool = True) -> Part:
        """The estimate within the stratum; without ``bound`` only what Neyman's error needs."""
        own, c = self.contrasts(estimand, RULES[method].control), self.cohorts
        effect = own.effect[None]
        before = placebos(c.starts, c.n_periods) if method == "all_placebos" else own.before[None]
        fixed = RULES[method].beta if beta is None else beta
        of_x = c.covariance(before, before)
        found = (
            np.full(len(before), fixed) if fixed is not None else _efficient(of_x, c.covariance(before, effect)[:, 0])
        )
        row = own.effect - np.tensordot(found, before, 1)
        x = float(c.value(own.before))
        spread = of_x if method != "all_placebos" else c.covariance(own.before[None], own.before[None])
        return Part(
            row=row,
            beta=found,
            seen=seen_before(c, own.effect) if bound else np.zeros(0),
            placebo=x,
            placebo_variance=float(spread[0, 0]),
        )


class Part(NamedTuple):
    """One stratum's estimate as coefficients on its g cohorts' means in t periods, and what shows before any start.

    Parameters
    ----------
    row : (g, t) float
        A_theta - beta A_0: the estimate is the sum of row x mean.
    beta : (m,) float
        The share of each comparison before the start that is subtracted; m is 1 but for ``all_placebos``.
    seen : (t0,) float
        As `seen_before`, on the t0 periods before anybody starts; empty if not asked for.
    placebo, placebo_variance : float
        X, the comparison before the start, and its estimated variance, in the unit of the outcome and its square.

    References
    ----------
    Roth and Sant'Anna (2023), doi:10.1086/726581, sections 3.1, 3.3 and 3.4.
    """

    row: Floats
    beta: Floats
    seen: Floats
    placebo: float
    placebo_variance: float


def taking_part(starts: Ints, sizes: Ints, *, before: bool) -> Bools:
    """(g,) bool: cohorts of two or more; with ``before``, only those with a period before their start."""
    return np.asarray((sizes > 1) & ((starts > 0) | (not before)))


def seen_before(cohorts: Cohorts, effect: Floats) -> Floats:
    """(t0,) sum over cohorts of the regression of A_g Y on the outcomes before anybody started.

    References
    ----------
    Roth and Sant'Anna (2023), section 3.4, lemma 2: what this explains bounds the variance of effects from below.
    """
    t0 = int(cohorts.starts.min())
    if not t0:
        return np.zeros(0)
    early = cohorts.covariances[:, :t0]  # (g, t0, t)
    own = np.linalg.pinv(early[:, :, :t0]) @ (early @ effect[:, :, None])
    found: Floats = own[:, :, 0].sum(axis=0)
    return found


def explained(cohorts: Cohorts, a: Floats, b: Floats) -> Floats:
    """(k, m) beta' S beta / N for rows of `seen_before`; S is the plain mean of the cohorts' covariances.

    The lemma takes the first cohort's S; before anybody has started all estimate the same, and their mean is steadier.
    """
    t0 = a.shape[1]
    found: Floats = a @ cohorts.covariances[:, :t0, :t0].mean(axis=0) @ b.T / cohorts.n
    return found


def parts(
    strata: list[Stratum], estimand: Estimand, method: Method, beta: float | None, *, common: bool, bound: bool = True
) -> list[Part]:
    """The estimate within every stratum, with a given beta, one common to all, or one for each.

    ``all_placebos`` finds them for each: strata may differ in what can be compared before the start.
    """
    rule = RULES[method]
    fixed = beta_of(method, beta)
    if fixed is None and common and len(strata) > 1 and method != "all_placebos":
        fixed = _common(strata, estimand, rule.control)
    return [s.part(estimand, method, fixed, bound=bound) for s in strata]


def beta_of(method: Method, beta: float | None) -> float | None:
    """The share of X to subtract: as given, else the method's own; None where it is found in the data.

    Raises
    ------
    EstimateError
        An unknown method, or a beta that is no finite number: nothing could be told from the answer.
    """
    if method not in RULES:
        raise unknown("method", method, tuple(RULES))
    if beta is not None and (not isinstance(beta, int | float | np.number) or not isfinite(beta)):
        raise EstimateError(
            f"beta={beta!r} is no finite number, and no share of the comparison before the start. Give a number, 1 for "
            "differences-in-differences and 0 for none, or leave it out to have it found.",
            {"beta": beta},
            da=f"beta={beta!r} er ikke et endeligt tal og ingen andel af sammenligningen før start. Giv et tal, 1 for "
            "difference-in-differences og 0 for ingen, eller udelad det, så findes det.",
        )
    return RULES[method].beta if beta is None else float(beta)


def _common(strata: list[Stratum], estimand: Estimand, control: Control) -> float:
    """The beta of least variance for X and theta_0 summed over strata, whose lots are independent; 0 without an X."""
    of_x = with_effect = 0.0
    for s in strata:
        own, c = s.contrasts(estimand, control), s.cohorts
        found = c.covariance(own.before[None], np.stack([own.before, own.effect]))[0]
        of_x, with_effect = of_x + s.share**2 * float(found[0]), with_effect + s.share**2 * float(found[1])
    return with_effect / of_x if of_x > 0 else 0.0


class Combined(NamedTuple):
    """The estimate over all s strata.  Numbers but beta are in the unit of the outcome.

    Parameters
    ----------
    value : float
    neyman : float
        Standard error from the cohorts' own variances; conservative where effects vary.
    adjusted : float
        The root of Neyman's variance less what periods before any start explain; 0 where that is below 0.
    beta : (s, m) float
        By stratum; empty where ``all_placebos`` finds different numbers of comparisons in them.
    placebo, placebo_error : float
        X, and its standard error.

    References
    ----------
    Roth and Sant'Anna (2023), doi:10.1086/726581, section 3.4; strata: variances of independent lots add.
    """

    value: float
    neyman: float
    adjusted: float
    beta: Floats
    placebo: float
    placebo_error: float


def combined(
    strata: list[Stratum],
    estimand: Estimand,
    method: Method,
    beta: float | None,
    *,
    common: bool = True,
    bound: bool = True,
) -> Combined:
    """Strata weighted by their share of units; their draws are independent.

    Without ``bound`` the adjusted error is Neyman's.
    """
    value = neyman = taken = placebo = spread = 0.0
    betas: list[Floats] = []
    for s, part in zip(strata, parts(strata, estimand, method, beta, common=common, bound=bound), strict=True):
        c, w = s.cohorts, s.share
        value += w * float(c.value(part.row))
        neyman += w**2 * float(c.covariance(part.row[None], part.row[None])[0, 0])
        if bound:
            taken += w**2 * float(explained(c, part.seen[None], part.seen[None])[0, 0])
        placebo += w * part.placebo
        spread += w**2 * part.placebo_variance
        betas.append(part.beta)
    same = len({b.size for b in betas}) == 1
    return Combined(
        value, sqrt(max(neyman, 0.0)), sqrt(max(neyman - taken, 0.0)),
        np.array(betas) if same else np.zeros((0,)), placebo, sqrt(spread),
    )  # fmt: skip


def _efficient(of_x: Floats, with_effect: Floats) -> Floats:
    """V(X)^-1 Cov(X, theta_0); 0 where X does not vary."""
    if of_x.shape == (1, 1):
        return with_effect / of_x[0] if of_x[0, 0] > 0 else np.zeros(1)
    found: Floats = np.linalg.pinv(of_x, rcond=1e-12, hermitian=True) @ with_effect
    return found


def strata_of(
    y: Floats,
    first: Ints,
    codes: Ints,
    method: Method,
    *,
    counted: Floats | None = None,
    sizes: Floats | None = None,
) -> list[Stratum]:
    """Every stratum, in the order of its codes, weighted by rows or by what they count.

    ``sizes`` makes cohort means ratios, and strata weigh by them unless ``counted`` says otherwise.

    Raises
    ------
    EstimateError
        A stratum without two cohorts of two.
    """
    if method not in RULES:
        raise unknown("method", method, tuple(RULES))
    weigh = counted if counted is not None else np.ones(len(y)) if sizes is None else sizes
    shares = np.bincount(codes, weigh) / weigh.sum()
    found = []
    for k, share in enumerate(shares):
        here = codes == k if shares.size > 1 else slice(None)
        own = None if sizes is None else sizes[here]
        found.append(Stratum.of(y[here], first[here], float(share), before=RULES[method].before, sizes=own))
    if any(s.cohorts.sizes.size < 2 for s in found):
        raise EstimateError(
            "Fewer than two cohorts (in a stratum) have two units or more, so chance cannot be told from effect. Draw "
            "larger waves, or analyse through the design's own test on fewer strata.",
            da="Færre end to hold (i et stratum) har mindst to enheder, så tilfældet kan ikke skelnes fra virkningen. "
            "Træk lod om større hold, eller brug færre strata.",
        )
    return found


__all__ = [
    "RULES", "Combined", "Method", "Part", "Rule", "Stratum", "beta_of", "combined", "explained", "parts",
    "seen_before", "strata_of", "taking_part",
]  # fmt: skip
