"""Stepped-wedge trials: periods as factors, the effect as immediate or by exposure time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats
from trialkit.estimate.contrast import check_weights
from trialkit.estimate.given import by_name, numbers, side_by_side
from trialkit.estimate.mixed import Df, MixedFit, mixed_model
from trialkit.estimate.mixed_fit import Criterion
from trialkit.estimate.random_effects import Labels, Random
from trialkit.estimate.result import Estimate
from trialkit.estimate.sandwich import numbered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TREATED = "treated"


@dataclass(frozen=True, eq=False, kw_only=True)
class Wedge:
    """A stepped-wedge trial, fitted: the mixed model and the exposure times it knows.

    Parameters
    ----------
    fit : the mixed model
    exposures : the exposure times with an effect of their own; empty where the effect is immediate and constant
    """

    fit: MixedFit
    exposures: tuple[int, ...] = ()

    def effect(self, *, df: Df = "Kenward-Roger", level: float = 0.95) -> Estimate:
        """The effect that is there at once and stays (Hussey & Hughes 2007), or its average over exposure times.

        The average weighs every exposure time that was seen alike (TATE; Kenny et al. 2022, doi:10.1002/sim.9511).
        """
        if not self.exposures:
            return self.fit.estimate(TREATED, term="immediate effect", df=df, level=level)
        return self.over(dict.fromkeys(self.exposures, 1.0), df=df, level=level)

    def over(self, weights: Mapping[int, float], *, df: Df = "Kenward-Roger", level: float = 0.95) -> Estimate:
        """The average effect over exposure times with these weights, which are scaled to sum to 1.

        Raises
        ------
        EstimateError
            The model has no effect by exposure time, a time was never seen, or the weights sum to 0.
        """
        contrast, term = over_exposures(weights, self.exposures)
        return self.fit.estimate(contrast, term=term, df=df, level=level)

    def at(self, exposure: int, *, df: Df = "Kenward-Roger", level: float = 0.95) -> Estimate:
        """The effect at one exposure time; 1 is the first treated period."""
        return self.over({exposure: 1.0}, df=df, level=level)

    def plot(self, ax: Axes, *, df: Df = "Kenward-Roger", level: float = 0.95) -> Axes:
        """The effect by exposure time with intervals, on the caller's axes; an immediate effect is a line in its band."""
        ax.axhline(0.0, linewidth=0.8, color="grey")
        if self.exposures:
            found = [self.at(time, df=df, level=level) for time in self.exposures]
            ends = [(one.estimate - one.conf_low, one.conf_high - one.estimate) for one in found]
            ax.errorbar(
                list(self.exposures), [one.estimate for one in found], yerr=np.transpose(ends), fmt="o", capsize=3
            )  # fmt: skip
            ax.set_xticks(list(self.exposures))
        else:
            whole = self.effect(df=df, level=level)
            ax.axhspan(whole.conf_low, whole.conf_high, alpha=0.2)
            ax.axhline(whole.estimate)
        ax.set_xlabel("periods since the start, 1 the first")
        ax.set_ylabel(f"effect ({self.fit.unit}), {level:.0%} interval")
        return ax


def stepped_wedge(
    outcome: ArrayLike,
    *,
    clusters: Labels,
    periods: Labels,
    exposure: ArrayLike,
    unit: str,
    effect: str = "immediate",
    random: Random = "nested",
    covariates: Mapping[str, ArrayLike] | None = None,
    persons: Labels | None = None,
    weights: ArrayLike | None = None,
    sizes: ArrayLike | None = None,
    within: ArrayLike | None = None,
    by: Criterion = "REML",
) -> Wedge:
    """The effect of a stepped-wedge trial, with every period's own level.

    Parameters
    ----------
    outcome : (n,) float, in ``unit``
        A person in a period, or the mean of a cluster in a period (then give ``sizes`` and ``within``, or ``weights``).
    clusters, periods : (n,) labels
        Periods sort in time order.
    exposure : (n,) int >= 0
        Periods since the cluster's start: 0 before it, 1 in the first treated period.
    effect : "immediate" or "exposure"
        One effect from the first treated period on, or one effect per exposure time, averaged by ``Wedge.effect``.
    random, persons, weights, sizes, within, by : as in ``mixed_model``
    covariates : name -> (n,) float

    Raises
    ------
    EstimateError
        As ``mixed_model``; also an exposure that is not a whole number from 0, that falls within a cluster or differs
        within one of its periods, or an unknown ``effect``.

    References
    ----------
    Hussey & Hughes (2007), doi:10.1016/j.cct.2006.05.007, equation 1; exposure time: Kenny et al. (2022),
    doi:10.1002/sim.9511, and Maleyeff et al. (2023), doi:10.1111/biom.13803.
    """
    side_by_side(covariates, outcome=outcome, clusters=clusters, periods=periods, exposure=exposure)
    time = check_exposure(exposure, clusters, periods)
    seen = tuple(int(value) for value in np.unique(time) if value > 0) if effect == "exposure" else ()
    return Wedge(
        fit=mixed_model(
            outcome, columns(time, periods, effect=effect, covariates=covariates), clusters=clusters, unit=unit,
            random=random, periods=periods, persons=persons, treated=(time > 0).astype(np.float64), weights=weights,
            sizes=sizes, within=within, by=by,
        ),
        exposures=seen,
    )  # fmt: skip


def columns(
    exposure: ArrayLike,
    periods: Labels,
    *,
    effect: str = "immediate",
    covariates: Mapping[str, ArrayLike] | None = None,
) -> dict[str, ArrayLike]:
    """The fixed effects of a stepped wedge beside the intercept: the effect, the later periods, the covariates.

    Raises
    ------
    EstimateError
        An exposure that is not a whole number from 0, or an unknown ``effect``.
    """
    time = exposures_of(exposure)
    found: dict[str, ArrayLike] = {}
    if effect == "immediate":
        found[TREATED] = (time > 0).astype(np.float64)
    elif effect == "exposure":
        found |= {exposure_term(int(e)): (time == e).astype(np.float64) for e in np.unique(time) if e > 0}
    else:
        raise EstimateError(
            f"There is no effect {effect!r}. Write 'immediate' (one effect from the start) or 'exposure' (one for each "
            "exposure time).",
            {"effect": effect},
            da=f"Der er ingen effekt {effect!r}. Skriv 'immediate' (én effekt fra start) eller 'exposure' (én for hver "
            "periode efter start).",
        )
    code, names = numbered(periods, "periods")
    found |= {f"period {name}": (code == k).astype(np.float64) for k, name in enumerate(names) if k > 0}
    return found | by_name(covariates, "covariates")


def over_exposures(weights: Mapping[int, float], exposures: tuple[int, ...]) -> tuple[dict[str, float], str]:
    """The contrast that averages exposure times with these weights, scaled to sum to 1, and what it is called.

    Raises
    ------
    EstimateError
        The model has no effect by exposure time, a time was never seen, or the weights sum to 0.
    """
    check_weights(weights)
    unknown, total = sorted(set(weights) - set(exposures)), sum(weights.values())
    if unknown or not total:
        raise EstimateError(
            f"No effect at exposure times {unknown} can be told: the model knows {list(exposures)}, and weights must not "
            "sum to 0. Fit effect='exposure' and name times that were seen.",
            {"unknown": unknown, "exposures": list(exposures)},
            da=f"Effekten efter {unknown} perioder kan ikke ses: modellen kender {list(exposures)}, og vægtene må ikke "
            "give 0. Brug effect='exposure', og nævn tider, der findes.",
        )
    contrast = {exposure_term(time): weight / total for time, weight in weights.items()}
    if len(weights) == 1:
        return contrast, f"effect at exposure time {min(weights)}"
    even = "averaged" if len(set(weights.values())) == 1 else "weighted"
    return contrast, f"effect {even} over exposure times {min(weights)} to {max(weights)}"


def exposure_term(time: int) -> str:
    """The name of the effect at one exposure time."""
    return f"exposure {time}"


def exposures_of(exposure: ArrayLike) -> Floats:
    """(n,) periods since the start; refuses what is not a whole number from 0."""
    found = numbers(exposure, "exposure")
    wrong = ~(found >= 0) | (found != np.floor(found)) | ~np.isfinite(found)
    if wrong.any():
        raise EstimateError(
            f"Row {int(np.flatnonzero(wrong)[0])} has an exposure that is not a whole number from 0. Exposure counts "
            "periods since the start: 0 before it, 1 in the first treated period.",
            {"rows": np.flatnonzero(wrong).tolist()},
            da=f"Række {int(np.flatnonzero(wrong)[0])} har en eksponering, der ikke er et helt tal fra 0. Tæl perioder "
            "siden start: 0 før, 1 i den første periode med indsatsen.",
        )
    return found


def check_exposure(exposure: ArrayLike, clusters: Labels, periods: Labels) -> Floats:
    """(n,) exposures that a start can have brought about: one per cluster and period, and never less than before.

    Raises
    ------
    EstimateError
        As `exposures_of`; another length, an exposure that differs within a cluster's period, or one that falls in it.
    """
    time = exposures_of(exposure)
    owner, names = numbered(clusters, "clusters")
    period, labels = numbered(periods, "periods")
    if not time.shape == owner.shape == period.shape:
        raise EstimateError(
            f"There are {time.size} exposures, {owner.size} clusters and {period.size} periods. Give one of each per row.",
            {"exposure": time.size, "clusters": owner.size, "periods": period.size},
            da=f"Der er {time.size} eksponeringer, {owner.size} klynger og {period.size} perioder. Giv én af hver pr. række.",
        )
    order = np.lexsort([period, owner])
    same = np.diff(owner[order]) == 0
    step, again = np.diff(time[order]), np.diff(period[order]) == 0
    wrong = np.flatnonzero(same & ((step < 0) | (again & (step != 0))))
    if wrong.size:
        row = int(order[wrong[0] + 1])
        cluster, label = names[owner[row]], labels[period[row]]
        raise EstimateError(
            f"The exposure of cluster {cluster} differs within period {label} or is less than in the period before. Who has "
            "started goes on, so such rows would be counted with the wrong ones. Correct the exposure, give periods that "
            "sort in time order, or leave out rows in transition; who stops is a question for mixed_model with columns.",
            {"cluster": cluster, "period": label, "row": row},
            da=f"Eksponeringen i klyngen {cluster} er ikke ens i perioden {label} eller er mindre end i perioden før. Den, der "
            "er begyndt, bliver ved, så sådanne rækker ville tælle med de forkerte. Ret eksponeringen, giv perioder, der "
            "sorterer i tidens orden, eller udelad rækker midt i skiftet.",
        )
    return time


__all__ = [
    "TREATED", "Wedge", "check_exposure", "columns", "exposure_term", "exposures_of", "over_exposures", "stepped_wedge",
]  # fmt: skip
