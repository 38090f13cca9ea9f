"""The difference in means adjusted for covariates: Lin's interacted regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.compared import Compared, Lot
from trialkit.estimate.difference import DegreesOfFreedom
from trialkit.estimate.given import by_name, numbers, same_rows
from trialkit.estimate.regression import Labels, Regression, check_column, least_squares
from trialkit.estimate.result import Estimate
from trialkit.estimate.sandwich import Errors

Floats = NDArray[np.float64]


def adjusted_difference(
    outcome: ArrayLike,
    assignment: Lot,
    covariates: Mapping[str, ArrayLike],
    *,
    compare: tuple[str, str],
    unit: str,
    rows: Sequence[str] | None = None,
    weights: ArrayLike | None = None,
    errors: Errors | None = None,
    df: DegreesOfFreedom = "satterthwaite",
    level: float = 0.95,
    term: str = "average effect",
    exploratory: bool = True,
    digests: tuple[str, ...] = (),
) -> Estimate:
    """Average effect, with covariates known before the draw to make it sharper.

    Covariates are centred and interacted with treatment, so that each arm has slopes of its own: with many units this
    never widens the interval, which one common slope can.  Blocks of the lot enter as covariates; without others the
    result is the difference within blocks by their share.

    Parameters
    ----------
    outcome : (n_units,) float, in `unit`; (n_rows,) with ``rows``
    assignment : Assignment, or Drawn
        What was drawn; see `difference_in_means`.
    covariates : name -> float, as long as ``outcome``
        Measured before the draw.
    compare, unit, rows, weights, level : as for `difference_in_means`
    errors : HC2, or CR2 where clusters were drawn, unless given
    df : ``satterthwaite`` or ``design``
        Of HC2's t: Bell and McCaffrey's, which count how few units an error was seen in, or rows - 2 x (1 + covariates),
        as the R package estimatr has them; with 3 against 9 units these rejected a true null in 14 percent of trials, and
        those in 1.  Other errors, and clusters, have their own.

    Returns
    -------
    Estimate
        Below 5 units in an arm print the exact test with `trialkit.estimate.statistics.OlsAdjusted` first.

    Raises
    ------
    UnitsError, DesignError
        As `difference_in_means`.
    EstimateError
        A covariate that others say already, or too many for the units; see `least_squares`.

    References
    ----------
    Lin (2013), doi:10.1214/12-AOAS583, section 3; Bell and McCaffrey (2002), Survey Methodology 28, 169-181, and Imbens and
    Kolesar (2016), doi:10.1162/REST_a_00552, for the degrees of freedom of single units.
    """
    found = Compared.of(outcome, assignment, compare, rows=rows, weights=weights)
    found.check_two_per_arm()
    named = by_name(covariates, "covariates")
    given = {name: found.aligned(values, name) for name, values in named.items()}
    columns = {**block_indicators(found), **given}
    clusters = found.item if found.clustered else None
    fitted = lin(found.outcome, found.treated, columns, clusters=clusters, weights=found.weights, errors=errors)
    moments, name = fitted.moments(TREATED), str(fitted.errors)
    if fitted.errors == "HC2" and df == "satterthwaite":  # CR2's, with every unit a cluster of its own
        alone = np.arange(found.outcome.size)
        by_unit = lin(found.outcome, found.treated, columns, clusters=alone, weights=found.weights).moments(TREATED)
        moments, name = replace(moments, df=by_unit.df), f"{name}, Satterthwaite"
    return moments.as_estimate(
        unit=unit,
        level=level,
        method=f"Lin's adjusted difference in means, {name}",
        n_units=found.n_units,
        term=term,
        exploratory=exploratory,
        digests=digests,
    )


TREATED = "z"


def lin(
    outcome: ArrayLike,
    treated: ArrayLike,
    covariates: Mapping[str, ArrayLike],
    *,
    clusters: Labels | None = None,
    weights: ArrayLike | None = None,
    errors: Errors | None = None,
) -> Regression:
    """The whole interacted regression: ``z`` is the average effect, ``x_c`` slopes without, ``z:x_c`` their change.

    Parameters
    ----------
    outcome, treated : (n,) float; ``treated`` is 0 or 1
    covariates : name -> (n,) float
        Centred at their mean over all rows, weighted where there are weights.
    clusters, weights, errors : as for `least_squares`

    Raises
    ------
    EstimateError
        ``treated`` is not 0 or 1; otherwise as `least_squares`.

    References
    ----------
    Lin (2013), doi:10.1214/12-AOAS583, section 3.
    """
    covariates = by_name(covariates, "covariates")
    same_rows({"outcome": outcome, "treated": treated, "clusters": clusters, "weights": weights, **covariates})
    z = numbers(treated, "treated")
    if not np.isin(z, (0.0, 1.0)).all():
        raise EstimateError(
            "Treatment is not 0 or 1 everywhere, so an average over two arms has no meaning. Compare two arms at a "
            "time.",
            da="Indsatsen er ikke 0 eller 1 overalt, så et gennemsnit over to grupper giver ingen mening. Sammenlign to "
            "grupper ad gangen.",
        )
    for name, values in covariates.items():
        check_column(name, numbers(values, name), z.shape)
    centred = {f"{name}_c": _centred(numbers(values, name), weights) for name, values in covariates.items()}
    changed = {f"{TREATED}:{name}": z * values for name, values in centred.items()}
    columns = {TREATED: z, **centred, **changed}
    return least_squares(outcome, columns, clusters=clusters, weights=weights, errors=errors)


def block_indicators(found: Compared) -> dict[str, Floats]:
    """Block -> (n,) 1.0 in it, for every block but the first."""
    names = found.block_names[1:]
    return {f"block {name}": (found.block == code).astype(np.float64) for code, name in enumerate(names, start=1)}


def _centred(column: Floats, weights: ArrayLike | None) -> Floats:
    w = np.ones_like(column) if weights is None else numbers(weights, "weights")
    check_column("weights", w, column.shape)
    return column - float(np.average(column, weights=w) if w.sum() > 0 else 0.0)


__all__ = ["adjusted_difference", "block_indicators", "lin"]
