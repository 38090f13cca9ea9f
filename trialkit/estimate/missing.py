"""Outcomes that never came: how far they could move the answer.

Nobody knows what was not reported.  Lee's bounds ask what the answer could be among those who would report in either
arm; Manski's and the worst case fill every gap as badly as the outcome allows.  A bound needs no model of why.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil, floor, inf, isfinite, nan, sqrt
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import fisher_exact, norm

from trialkit.errors import EstimateError
from trialkit.estimate.given import numbers, one_of, same_rows
from trialkit.estimate.moments import check_level
from trialkit.estimate.result import percent
from trialkit.estimate.whole import check_whole

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Trimming = Literal["fractional", "floor", "ceiling", "quantile"]

WHOLE: Final = 1e-9  # a count this close to a whole number is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Attrition:
    """Who reported.

    Parameters
    ----------
    n_treated, n_control : drawn units
    response_treated, response_control : the share of them with an outcome
    difference : the first less the second
    p_value : Fisher's exact test that reporting does not depend on the arm, two-sided
    """

    n_treated: int
    n_control: int
    response_treated: float
    response_control: float
    difference: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the effect is at least and at most.  Effects, errors and ends are in ``unit``.

    Parameters
    ----------
    lower, upper : the bounds
    se_lower, se_upper : their standard errors, for units drawn one by one; nan where an arm has one outcome
    critical : what the errors are multiplied by (`imbens_manski`)
    conf_low, conf_high : an interval that covers the effect, not the whole of the bounds, at ``level``
    naive : the difference in means of those who reported
    trimmed_arm, trim_share, trim_count : Lee only: the arm (``treated``, ``control`` or ``""``), the share of its
        outcomes set aside, and how many that is, not rounded
    support : Manski only: the least and largest value an outcome can have
    """

    method: str
    lower: float
    upper: float
    se_lower: float
    se_upper: float
    critical: float
    conf_low: float
    conf_high: float
    level: float
    unit: str
    naive: float
    attrition: Attrition
    trimmed_arm: str = ""
    trim_share: float = nan
    trim_count: float = nan
    support: tuple[float, float] = (nan, nan)

    def to_frame(self) -> pd.DataFrame:
        """One row; frames of several bounds stack."""
        import pandas as pd

        own = {name: value for name, value in asdict(self).items() if name not in ("attrition", "support")}
        support = {"support_low": self.support[0], "support_high": self.support[1]}
        return pd.DataFrame([own | support | asdict(self.attrition)])

    def summary(self) -> str:
        """The bounds and the interval in one line."""
        return (
            f"{self.method}: {self.lower:.3g} to {self.upper:.3g} {self.unit} ({percent(self.level)} interval for the "
            f"effect {self.conf_low:.3g} to {self.conf_high:.3g}); {self.attrition.response_treated:.0%} of "
            f"{self.attrition.n_treated} against {self.attrition.response_control:.0%} of {self.attrition.n_control} "
            "reported"
        )


class Interval(NamedTuple):
    """An interval for something that is only known to lie between two bounds."""

    critical: float
    low: float
    high: float


def attrition(outcome: Floats, treated: Bools) -> Attrition:
    """Who reported, arm by arm.

    Parameters
    ----------
    outcome : (n,) float; nan where nothing was reported
    treated : (n,) bool; True in the new arm

    Raises
    ------
    EstimateError
        Shapes that differ, an infinite outcome, or an arm without units.
    """
    y, z = _checked(outcome, treated)
    seen = ~np.isnan(y)
    table = [[int((seen & arm).sum()), int((~seen & arm).sum())] for arm in (z, ~z)]
    shares = [table[0][0] / sum(table[0]), table[1][0] / sum(table[1])]
    return Attrition(
        n_treated=sum(table[0]),
        n_control=sum(table[1]),
        response_treated=shares[0],
        response_control=shares[1],
        difference=shares[0] - shares[1],
        p_value=float(fisher_exact(np.array(table))[1]),
    )


def lee_bounds(
    outcome: Floats, treated: Bools, *, unit: str, trimming: Trimming = "fractional", level: float = 0.95
) -> Bounds:
    """Bounds on the effect among those who would report in either arm.

    Supposes that the arm moves reporting in one direction only: nobody reports because of the new way while somebody
    else stays silent because of it.  The arm that reports more often is then a mixture, and setting aside the
    largest (or smallest) outcomes of the surplus share gives the extremes.

    Parameters
    ----------
    outcome : (n,) float, in ``unit``; nan where nothing was reported
    treated : (n,) bool; True in the new arm.  The units are taken to be drawn one by one with equal chances: in
        strata with other shares ask stratum by stratum.
    trimming : ``fractional`` sets aside exactly the share p, the outcome at the edge in part; ``floor`` and ``ceiling``
        whole outcomes; ``quantile`` keeps those on the right side of the sample quantile (type 7), ties included
    level : float in (0, 1)

    Returns
    -------
    Bounds
        Standard errors by Lee's analytic variance, which treats p as estimated; without attrition they are those of the
        difference in means with unequal variances.  With few units, take the bounds and distrust the errors.

    Raises
    ------
    EstimateError
        As `attrition`; nobody reported in an arm, so there is nobody to compare.

    References
    ----------
    Lee (2009), doi:10.1111/j.1467-937X.2009.00536.x: bounds by proposition 1a, variance by proposition 3; the interval:
    Imbens and Manski (2004), doi:10.1111/j.1468-0262.2004.00555.x.
    """
    check_level(level)
    one_of(trimming, get_args(Trimming), "trimming")
    y, z = _checked(outcome, treated)
    who = attrition(y, z)
    arms = y[z & ~np.isnan(y)], y[~z & ~np.isnan(y)]
    if not (arms[0].size and arms[1].size):
        raise _nobody(who)
    more = 0 if who.difference >= 0 else 1
    share = abs(who.difference) / (who.response_treated, who.response_control)[more]
    full, other = np.sort(arms[more]), arms[1 - more]
    ends = [_trimmed(full, share, side, trimming) for side in ("largest", "smallest")]
    spread = _share_variance(who)
    errors = [_lee_error(full, end, share, spread, other) for end in ends]
    if share == 0:  # either arm could have been the one to trim: the larger error of the two
        turned = [_trimmed(np.sort(other), 0.0, side, trimming) for side in ("smallest", "largest")]
        rivals = [_lee_error(other, end, 0.0, spread, full) for end in turned]
        errors = [float(np.maximum(one, rival)) for one, rival in zip(errors, rivals, strict=True)]
    sign = 1 if more == 0 else -1
    effects = [sign * (end.mean - float(other.mean())) for end in ends]
    low, high = (0, 1) if sign == 1 else (1, 0)
    interval = imbens_manski(effects[low], effects[high], errors[low], errors[high], level=level)
    return Bounds(
        method=f"Lee bounds, {trimming} trimming",
        lower=effects[low],
        upper=effects[high],
        se_lower=errors[low],
        se_upper=errors[high],
        critical=interval.critical,
        conf_low=interval.low,
        conf_high=interval.high,
        level=level,
        unit=unit,
        naive=float(arms[0].mean() - arms[1].mean()),
        attrition=who,
        trimmed_arm="" if share == 0 else ("treated", "control")[more],
        trim_share=share,
        trim_count=share * full.size,
    )


def manski_bounds(
    outcome: Floats,
    treated: Bools,
    *,
    unit: str,
    support: tuple[float, float] | None = None,
    level: float = 0.95,
) -> Bounds:
    """Bounds on the effect for all drawn units, with every gap filled as badly and as well as the outcome allows.

    Parameters
    ----------
    outcome, treated : as `lee_bounds`
    support : the least and largest value an outcome can have, e.g. ``(0, 1)``; without it the least and largest that
        anybody reported are taken (the worst case among what was seen), which is an assumption and is said
    level : float in (0, 1)

    Returns
    -------
    Bounds
        Standard errors of the differences in means of the filled outcomes, unequal variances; the support is taken as
        known.

    Raises
    ------
    EstimateError
        As `worst_case`.

    References
    ----------
    Manski (1990), American Economic Review 80, 319; Horowitz and Manski (2000), doi:10.1080/01621459.2000.10473902; the
    interval: Imbens and Manski (2004), doi:10.1111/j.1468-0262.2004.00555.x.
    """
    check_level(level)
    y, z = _checked(outcome, treated)
    who = attrition(y, z)
    found = _support(y, support)
    low, high = (_difference(filled, z) for filled in worst_case(y, z, support=found))
    seen = ~np.isnan(y)
    both = bool((seen & z).any() and (seen & ~z).any())
    interval = imbens_manski(low[0], high[0], low[1], high[1], level=level)
    return Bounds(
        method="Manski bounds" if support else "Manski bounds, worst case among the outcomes seen",
        lower=low[0],
        upper=high[0],
        se_lower=low[1],
        se_upper=high[1],
        critical=interval.critical,
        conf_low=interval.low,
        conf_high=interval.high,
        level=level,
        unit=unit,
        naive=float(y[seen & z].mean() - y[seen & ~z].mean()) if both else nan,
        attrition=who,
        support=found,
    )


def worst_case(outcome: Floats, treated: Bools, *, support: tuple[float, float] | None = None) -> tuple[Floats, Floats]:
    """The outcomes with every gap filled against the new arm, and with every gap filled for it.

    Any estimate or test can be run on both.  For a difference in means they are its bounds; a test on both shows how
    much hangs on the gaps, but a p-value between the two need not be the extreme one.

    Parameters
    ----------
    outcome, treated, support : as `manski_bounds`

    Returns
    -------
    (n,) float, (n,) float

    Raises
    ------
    EstimateError
        As `attrition`; a support that does not hold the outcomes, or none where nobody reported anything.
    """
    y, z = _checked(outcome, treated)
    low, high = _support(y, support)
    gaps = np.isnan(y)
    against: Floats = np.where(gaps, np.where(z, low, high), y)
    favouring: Floats = np.where(gaps, np.where(z, high, low), y)
    return against, favouring


def imbens_manski(lower: float, upper: float, se_lower: float, se_upper: float, *, level: float = 0.95) -> Interval:
    """An interval that covers the effect with probability ``level``, wherever between the bounds it lies.

    ``lower`` and ``upper`` are estimated bounds with the errors ``se_lower`` and ``se_upper``, all in the outcome's unit.
    Between a one-sided interval (bounds far apart: the effect can be near one of them only) and a two-sided one (bounds
    that meet): ``c`` solves ``Phi(c + (upper - lower) / max(se)) - Phi(-c) = level``.

    Raises
    ------
    EstimateError
        The lower bound lies above the upper one, a standard error is negative, or the level is not in (0, 1).

    References
    ----------
    Imbens and Manski (2004), doi:10.1111/j.1468-0262.2004.00555.x, equations 6 and 7.
    """
    numbers([lower, upper, se_lower, se_upper, level], "bounds, errors and level")
    if lower > upper + WHOLE * max(abs(lower), abs(upper), 1.0) or min(se_lower, se_upper) < 0 or not 0 < level < 1:
        raise EstimateError(
            f"Bounds {lower} to {upper} with errors {se_lower} and {se_upper} at level {level} are not two bounds, so no "
            "interval can be given. Give the lower one first, errors of 0 or more and a level between 0 and 1.",
            {"lower": lower, "upper": upper, "level": level},
            da=f"{lower} til {upper} med fejlene {se_lower} og {se_upper} på niveau {level} er ikke to grænser. Angiv "
            "den nedre først, fejl på mindst 0 og et niveau mellem 0 og 1.",
        )
    if not (isfinite(se_lower) and isfinite(se_upper)):
        return Interval(nan, -inf, inf)
    error = max(se_lower, se_upper)
    gap = max(upper - lower, 0.0)
    apart = gap / error if error > 0 else inf if gap else 0.0
    one_sided, two_sided = float(norm.ppf(level)), float(norm.ppf((1 + level) / 2))

    def surplus(c: float) -> float:
        return float(norm.cdf(c + apart) - norm.cdf(-c)) - level

    # one-sided is too short and two-sided too long, unless the bounds meet or lie far apart, up to rounding
    critical = two_sided if surplus(two_sided) <= 0 else one_sided
    if surplus(one_sided) < 0 < surplus(two_sided):
        critical = float(brentq(surplus, one_sided, two_sided, xtol=1e-14, rtol=1e-14))
    return Interval(critical, lower - critical * se_lower, upper + critical * se_upper)


class _Trimmed(NamedTuple):
    """What is left of an arm: its mean, its variance about it, its weight, and where it was cut."""

    mean: float
    variance: float
    weight: float
    edge: float


def _trimmed(ascending: Floats, share: float, side: str, trimming: Trimming) -> _Trimmed:
    """An arm without its largest, or its smallest, outcomes."""
    y = ascending if side == "largest" else -ascending[::-1]
    count = share * y.size
    if abs(count - round(count)) <= WHOLE * y.size:
        count = float(round(count))
    if trimming == "quantile":
        edge = float(np.quantile(y, 1 - share))
        weight = (y <= edge + WHOLE * max(abs(edge), 1e-300)).astype(np.float64)
    else:
        aside = {"fractional": count, "floor": floor(count), "ceiling": ceil(count)}[trimming]
        weight = np.clip(y.size - aside - np.arange(y.size), 0.0, 1.0)
        edge = float(y[np.flatnonzero(weight)[-1]]) if weight.any() else float(y[0])
    if not weight.any():
        weight[0] = 1.0
    mean = float(weight @ y / weight.sum())
    # with n - 1, so that with nothing to trim the error is Welch's; the reference for quantiles has n
    less = 0.0 if trimming == "quantile" else min(1.0, weight.sum() / 2)
    variance = float(weight @ (y - mean) ** 2 / (weight.sum() - less))
    sign = 1 if side == "largest" else -1
    return _Trimmed(sign * mean, variance, float(weight.sum()), sign * edge)


def _share_variance(who: Attrition) -> float:
    """The relative variance of the share kept, (1 - p) = s_b / s_a: two independent shares."""
    pairs = ((who.n_treated, who.response_treated), (who.n_control, who.response_control))
    return sum((1 - share) / (n * share) for n, share in pairs)


def _lee_error(full: Floats, end: _Trimmed, share: float, spread: float, other: Floats) -> float:
    """Lee's proposition 3: variance of the trimmed mean, of where it is cut, of how much; and the other arm's."""
    if other.size < 2:
        return nan
    kept = full.size * (1 - share)
    gap = (end.edge - end.mean) ** 2
    trimmed = end.variance / kept + gap * share / kept + gap * spread
    return sqrt(trimmed + float(other.var(ddof=1)) / other.size)


def _difference(y: Floats, z: Bools) -> tuple[float, float]:
    """The difference in means and its standard error with unequal variances."""
    one, two = y[z], y[~z]
    error = nan
    if min(one.size, two.size) > 1:
        error = sqrt(float(one.var(ddof=1)) / one.size + float(two.var(ddof=1)) / two.size)
    return float(one.mean() - two.mean()), error


def _checked(outcome: ArrayLike, treated: ArrayLike) -> tuple[Floats, Bools]:
    """Outcomes, nan where there is none, and who was in the new arm, in the same order."""
    same_rows({"outcome": outcome, "treated": treated})
    y, z = numbers(outcome, "outcome"), np.asarray(treated)
    check_whole(y[np.isfinite(y)], None, "outcome")
    if y.ndim != 1 or z.shape != y.shape or z.dtype != bool or np.isinf(y).any() or z.all() or not z.any():
        raise EstimateError(
            f"Outcomes have shape {y.shape} and arms {z.shape} of type {z.dtype}; one finite number (or nan for a gap) "
            "and True or False are needed per unit, and units in both arms. Otherwise one unit would be counted in "
            "another's place. Correct them.",
            {"outcomes": y.shape, "arms": z.shape},
            da=f"Der er {y.size} udfald og {z.size} grupper; hver enhed skal have ét tal (eller nan, hvis det mangler) og "
            "sandt eller falsk, og begge grupper skal have enheder. Ret dem.",
        )
    return y, z


def _support(y: Floats, support: tuple[float, float] | None) -> tuple[float, float]:
    seen = y[~np.isnan(y)]
    if support is None and seen.size:
        return float(seen.min()), float(seen.max())
    ends = np.full(1, nan) if support is None else numbers(support, "support")
    pair = ends.shape == (2,) and bool(np.isfinite(ends).all())
    if not pair or not ends[0] <= min(seen.min(initial=inf), ends[1]) or ends[1] < seen.max(initial=-inf):
        raise EstimateError(
            f"The support {support} does not hold all outcomes reported between two finite numbers, so gaps filled with its "
            "ends would bound nothing. Give the least and the largest value the outcome can have.",
            {"support": support},
            da=f"Grænserne {support} er ikke to endelige tal, der rummer alle indberettede udfald, så huller fyldt med dem "
            "siger intet. Angiv den mindste og den største værdi, udfaldet kan have.",
        )
    return float(ends[0]), float(ends[1])


def _nobody(who: Attrition) -> EstimateError:
    return EstimateError(
        f"Of {who.n_treated} units in the new arm {who.response_treated:.0%} reported and of {who.n_control} in the usual "
        f"one {who.response_control:.0%}, so nobody can be compared. Ask for Manski bounds with a support.",
        {"response_treated": who.response_treated, "response_control": who.response_control},
        da="I den ene gruppe har ingen indberettet noget, så der er ingen at sammenligne. Bed om Manski-grænser med de "
        "værdier, udfaldet kan have.",
    )


__all__ = ["Attrition", "Bounds", "Interval", "attrition", "imbens_manski", "lee_bounds", "manski_bounds", "worst_case"]
