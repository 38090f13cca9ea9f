"""Many outcomes: p-values that stay honest when several questions are asked of one draw.

Holm, Benjamini-Hochberg and their kin need the p-values alone.  Westfall and Young's step-down draws again through the
design's own lot, all outcomes together, so that outcomes that move together are not paid for twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.arms import Bound, Statistic, bind
from trialkit.estimate.curves import TIE
from trialkit.estimate.drawn import ENUMERATED, Drawn, ReferenceSet
from trialkit.estimate.given import by_name, numbers, one_of
from trialkit.estimate.judge import Judge
from trialkit.estimate.null import Tail, extreme
from trialkit.estimate.result import Estimate

if TYPE_CHECKING:
    import pandas as pd

    from trialkit.design.assignment import Assignment
    from trialkit.design.base import Codes, Design

Floats = NDArray[np.float64]
Method = Literal["holm", "bh", "by", "bonferroni", "hochberg", "hommel"]
Compared = Literal["max_t", "min_p"]

KEPT: Final = 20_000_000  # statistics kept for min_p: allocations x outcomes
_NAMES: Final[dict[str, str]] = {
    "holm": "holm", "bh": "fdr_bh", "by": "fdr_by", "bonferroni": "bonferroni", "hochberg": "simes-hochberg",
    "hommel": "hommel",
}  # fmt: skip


def adjusted(p_values: ArrayLike, method: Method = "holm") -> Floats:
    """P-values adjusted for their number.

    Parameters
    ----------
    p_values : (m,) float in [0, 1]
        nan where there was no test (an administration that did not report): it stays nan and is not counted.
    method : ``holm`` and ``bonferroni`` hold the chance of any false rejection whatever the dependence; ``hochberg`` and
        ``hommel`` do so for independent or positively dependent tests (Simes).  ``bh`` holds the expected share of
        false rejections under positive dependence, ``by`` under any.

    Returns
    -------
    (m,) float
        Reject those at most alpha.

    Raises
    ------
    EstimateError
        A p-value outside [0, 1], or an unknown method.

    References
    ----------
    Holm (1979), Scand. J. Statist. 6, 65; Hochberg (1988), doi:10.1093/biomet/75.4.800; Hommel (1988),
    doi:10.1093/biomet/75.2.383; Benjamini and Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x; Benjamini and
    Yekutieli (2001), doi:10.1214/aos/1013699998.
    """
    from statsmodels.stats.multitest import multipletests

    given = np.atleast_1d(numbers(p_values, "p_values"))
    known = ~np.isnan(given)
    told = isinstance(method, str) and method in _NAMES
    if not told or given.ndim != 1 or ((given[known] < 0) | (given[known] > 1)).any():
        raise EstimateError(
            f"P-values must be one row of numbers from 0 to 1, adjusted by one of {', '.join(_NAMES)}; anything else "
            f"({method}, {given.tolist()}) would give a number that means nothing. Correct them.",
            {"method": method, "p_values": given.tolist()},
            da=f"p-værdier skal være én række tal fra 0 til 1, og metoden en af {', '.join(_NAMES)}; ellers siger "
            "resultatet intet. Ret dem.",
        )
    found = np.full(given.shape, nan)
    if known.any():
        found[known] = np.minimum(multipletests(given[known], method=_NAMES[method])[1], 1.0)
    return found


def one_primary(
    primary: Estimate, others: Mapping[str, Estimate | None], *, method: Method = "holm", absent: str = "not reported"
) -> pd.DataFrame:
    """One table: the primary answer as it stands, the others adjusted among themselves.

    Parameters
    ----------
    primary : Estimate
        Its p-value is not adjusted: it was promised before the draw.
    others : name -> Estimate, or None where nothing was reported
        One line each, in the order given.  A missing one is shown as missing and not counted among the tests.
    absent : str
        What the column ``note`` says of a missing one.

    Returns
    -------
    DataFrame
        The fields of `Estimate`, with ``role`` (``primary``, ``secondary``), ``p_adjusted`` and ``note``.

    Raises
    ------
    EstimateError
        As `adjusted`; anything but an `Estimate`.
    """
    import pandas as pd

    by_name(() if others is None else others, "others")
    for name, one in {"primary": primary, **{k: one for k, one in others.items() if one is not None}}.items():
        _check_answer(name, one)
    p = adjusted([nan if one is None else one.p_value for one in others.values()], method)
    first = primary.to_frame().assign(role="primary", p_adjusted=primary.p_value, note="")
    rows = [
        pd.DataFrame([{"term": name, "role": "secondary", "p_adjusted": nan, "note": absent}])
        if one is None
        else one.to_frame().assign(term=name, role="secondary", p_adjusted=value, note=method)
        for (name, one), value in zip(others.items(), p, strict=True)
    ]
    joined = [record for frame in (first, *rows) for record in frame.to_dict("records")]
    columns = ["role", *(name for name in first.columns if name != "role")]
    return pd.DataFrame(joined, columns=columns)


@dataclass(frozen=True, eq=False, kw_only=True)
class StepDown:
    """Outcomes tested together through the design's own lot.

    Parameters
    ----------
    terms : (m,) names, as given
    statistics : (m,) what was observed
    p_raw : (m,) each outcome alone
    p_single_step : (m,) against the largest over all outcomes; never below ``p_adjusted``
    p_adjusted : (m,) step-down: reject those at most alpha
    smallest_p : the smallest p that any of these outcomes alone could have reached
    n_allocations : gone through, or drawn
    exact : every allocation was gone through
    mc_error : (m,) standard error of ``p_adjusted`` where allocations were drawn, otherwise 0
    """

    terms: tuple[str, ...]
    method: str
    sides: Tail
    statistics: Floats
    p_raw: Floats
    p_single_step: Floats
    p_adjusted: Floats
    smallest_p: float
    n_allocations: int
    exact: bool
    mc_error: Floats

    def to_frame(self) -> pd.DataFrame:
        """One row per outcome, in the order given."""
        import pandas as pd

        return pd.DataFrame(
            {
                "term": self.terms,
                "method": self.method,
                "statistic": self.statistics,
                "p_value": self.p_raw,
                "p_single_step": self.p_single_step,
                "p_adjusted": self.p_adjusted,
                "smallest_p": self.smallest_p,
                "n_allocations": self.n_allocations,
                "mc_error": self.mc_error,
            }
        )


def westfall_young(
    design: Design,
    drawn: Assignment | Sequence[str] | Codes,
    statistics: Mapping[str, Statistic],
    *,
    compared: Compared = "max_t",
    sides: Tail = "distance",
    most: int = ENUMERATED,
    draws: int = 0,
    rng: np.random.Generator | None = None,
) -> StepDown:
    """Step-down adjusted p-values over the design's own allocations.

    With outcomes ordered by how extreme they are, ``p(j) = max over k <= j of P(the most extreme of outcomes k, k+1,
    ... >= the k-th observed)``, P over all allocations, the one drawn included and ties counted.  The chance of any
    false rejection is at most alpha under any dependence between the outcomes, for the sharp hypotheses of no effect
    (with subset pivotality, which a lot over all outcomes together gives).

    Parameters
    ----------
    design, drawn : what was drawn from, and what the lot gave
    statistics : name -> Statistic
        One per outcome, on one scale for ``max_t``: take studentized ones.
    compared : ``max_t`` compares statistics, ``min_p`` each outcome's own p-value (any scale, more ties)
    sides : ``distance`` from the design mean, ``mirror`` from 0, ``greater`` or ``less``
    most, draws, rng : as in `trialkit.estimate.randomization.randomization_test`

    Raises
    ------
    EstimateError
        As `randomization_test`; no outcome; ``E_TOO_MANY`` also for ``min_p`` where the statistics of all allocations
        do not fit in memory.

    References
    ----------
    Westfall and Young (1993), Resampling-Based Multiple Testing, algorithms 2.8 and 4.1; Ge, Dudoit and Speed (2003),
    doi:10.1007/BF02595811.
    """
    by_name(() if statistics is None else statistics, "statistics")
    one_of(compared, get_args(Compared), "compared")
    one_of(sides, get_args(Tail), "sides")
    if not statistics:
        raise EstimateError(
            "No outcome was given, so there is nothing to adjust. Give one statistic per outcome.",
            da="Der er ikke angivet noget udfald, så der er intet at justere. Angiv én statistik pr. udfald.",
        )
    lot = Drawn.of(design, drawn)
    family = _Family.of([bind(one, lot) for one in statistics.values()], lot, sides, most=most, draws=draws, rng=rng)
    raw, single, stepped = family.by_p() if compared == "min_p" else family.by_statistic()
    exact, n = family.reference.exact, family.reference.draws
    error = np.zeros_like(stepped) if exact else np.sqrt(stepped * (1 - stepped) / n)
    return StepDown(
        terms=tuple(statistics),
        method=f"Westfall-Young step-down {compared}",
        sides=sides,
        statistics=np.array([float(one.values(lot.codes[None, :])[0]) for one in family.bounds]),
        p_raw=raw,
        p_single_step=single,
        p_adjusted=stepped,
        smallest_p=min(Judge.of(one, family.reference).smallest(sides) for one in family.bounds),
        n_allocations=family.n if exact else n,
        exact=exact,
        mc_error=error,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Family:
    """All outcomes' statistics over one reference set, as distances: the larger the more extreme."""

    bounds: Sequence[Bound]
    reference: ReferenceSet
    sides: Tail
    means: Floats  # (m,) design means for ``distance``, otherwise 0
    total: float
    n: int

    @classmethod
    def of(
        cls,
        bounds: Sequence[Bound],
        lot: Drawn,
        sides: Tail,
        *,
        most: int,
        draws: int,
        rng: np.random.Generator | None,
    ) -> _Family:
        reference = ReferenceSet.of(lot, most=most, draws=draws, rng=rng)
        sums, weights, total, n = np.zeros(len(bounds)), np.zeros(len(bounds)), 0.0, 0
        unknown = sides == "distance" and any(one.centre is None for one in bounds)
        for codes, weight in reference.chunks():
            total, n = total + weight * len(codes), n + len(codes)
            if unknown:
                values = _values(bounds, codes)
                finite = np.isfinite(values)
                sums += weight * np.where(finite, values, 0.0).sum(axis=0)
                weights += weight * finite.sum(axis=0)
        means = sums / np.maximum(weights, 1e-300)
        if sides == "distance":
            known = [one.centre for one in bounds]
            means = np.array([mean if one is None else one for one, mean in zip(known, means, strict=True)])
        return cls(bounds=bounds, reference=reference, sides=sides, means=means, total=total, n=n)

    @property
    def own(self) -> Floats:
        """(m,) how extreme each outcome is."""
        found: Floats = self.far(self.reference.drawn.codes[None, :])[0]
        return found

    def far(self, codes: Codes) -> Floats:
        """(k, m) how extreme each outcome is under each allocation; a statistic that does not exist is infinitely so."""
        values = _values(self.bounds, codes) - self.means
        values = -values if self.sides == "less" else values if self.sides == "greater" else np.abs(values)
        return np.where(np.isnan(values), np.inf, values)

    def by_statistic(self) -> tuple[Floats, Floats, Floats]:
        """Raw, single-step and step-down p-values of ``max_t``."""
        far = ((self.far(codes), np.full(len(codes), weight)) for codes, weight in self.reference.chunks())
        return self._stepped(far, self.own, np.array([one.size(0.0) for one in self.bounds]))

    def by_p(self) -> tuple[Floats, Floats, Floats]:
        """Raw, single-step and step-down p-values of ``min_p``: by rank, the larger statistic first among ties."""
        if self.n * len(self.bounds) > KEPT:
            raise _too_many(self.n, len(self.bounds))
        parts = [(self.far(codes), np.full(len(codes), weight)) for codes, weight in self.reference.chunks()]
        far, weights = np.concatenate([one for one, _ in parts]), np.concatenate([one for _, one in parts])
        own = self.own
        sizes = [one.size(0.0) for one in self.bounds]
        columns = [_shares(far[:, k], own[k], weights, sizes[k]) for k in range(own.size)]
        shares, p = np.stack([one for one, _ in columns], axis=1), np.array([one for _, one in columns])
        return self._stepped(iter([(1 - shares, weights)]), 1 - p, np.ones(p.size), second=own)

    def _stepped(
        self, far: Iterator[tuple[Floats, Floats]], own: Floats, sizes: Floats, second: Floats | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """The shares of allocations at least as extreme, alone, against all, and against those still in."""
        order = np.lexsort((-(own if second is None else second), -own))
        counts = np.zeros((3, own.size))
        for values, weights in far:
            running = np.maximum.accumulate(values[:, order[::-1]], axis=1)[:, ::-1]
            for rank, k in enumerate(order):
                slack = float(sizes[order[rank:]].max())
                for row, seen in enumerate((values[:, k], running[:, 0], running[:, rank])):
                    counts[row, k] += weights @ extreme(seen, own[k], "greater", slack)
        raw, single, stepped = counts / self.total
        stepped[order] = np.maximum.accumulate(stepped[order])
        return raw, single, stepped


def _check_answer(name: str, one: object) -> None:
    """Refuse what is no answer.

    Raises
    ------
    EstimateError
        It is no `Estimate`.
    """
    if not isinstance(one, Estimate):
        raise EstimateError(
            f"{name!r} is {type(one).__name__} and no Estimate, so there is no answer to print beside its p-value. Give what "
            "an estimator returned; for bare p-values take `adjusted`.",
            {"name": name, "type": type(one).__name__},
            da=f"{name!r} er {type(one).__name__} og ikke et Estimate, så der er intet svar at skrive ud for p-værdien. Giv "
            "det, en estimator gav; til rene p-værdier bruges `adjusted`.",
        )


def _values(bounds: Sequence[Bound], codes: Codes) -> Floats:
    return np.stack([one.values(codes) for one in bounds], axis=1)


def _shares(far: Floats, own: float, weights: Floats, size: float) -> tuple[Floats, float]:
    """Each allocation's own p-value, and the observed one; values within rounding of each other are one value."""
    order = np.argsort(-far, kind="stable")
    sorted_ = far[order]
    reached = np.cumsum(weights[order]) / weights.sum()
    with np.errstate(invalid="ignore"):
        step = -np.diff(sorted_)
        last = np.append(
            step > TIE * np.maximum(np.where(np.isfinite(sorted_[1:]), np.abs(sorted_[1:]), 0), size), True
        )
    found = np.empty_like(far)
    ends = np.flatnonzero(last)
    found[order] = reached[ends][np.searchsorted(ends, np.arange(far.size))]
    return found, float(weights @ extreme(far, own, "greater", size) / weights.sum())


def _too_many(allocations: int, outcomes: int) -> EstimateError:
    return EstimateError(
        f"min_p keeps every statistic of {allocations:,} allocations and {outcomes} outcomes, more than {KEPT:,}. Use "
        "max_t, which keeps none, or fewer draws.",
        {"allocations": allocations, "outcomes": outcomes},
        da=f"min_p gemmer alle statistikker for {allocations} tildelinger og {outcomes} udfald, og det er flere end "
        f"{KEPT}. Brug max_t, som ingen gemmer, eller færre træk.",
        code="E_TOO_MANY",
    )


__all__ = ["StepDown", "adjusted", "one_primary", "westfall_young"]
