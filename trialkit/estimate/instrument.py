"""The effect on those who take part because they were drawn: two-stage least squares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import fdtrc

from trialkit.errors import EstimateError
from trialkit.estimate.adjusted import TREATED, block_indicators
from trialkit.estimate.compared import Compared, Lot
from trialkit.estimate.given import by_name, one_of
from trialkit.estimate.regression import Columns, Labels, Regression, least_squares
from trialkit.estimate.result import Estimate
from trialkit.estimate.sandwich import Errors, orthonormal

Floats = NDArray[np.float64]
TAKEN = "taken"


def complier_effect(
    outcome: ArrayLike,
    taken: ArrayLike,
    assignment: Lot,
    *,
    compare: tuple[str, str],
    unit: str,
    covariates: Mapping[str, ArrayLike] | None = None,
    rows: Sequence[str] | None = None,
    weights: ArrayLike | None = None,
    errors: Errors | None = None,
    level: float = 0.95,
    term: str = "effect on those who took part because they were drawn",
    exploratory: bool = True,
    digests: tuple[str, ...] = (),
) -> Estimate:
    """Complier average causal effect: the effect of being drawn over its effect on taking part.

    Needs what no data can show: being drawn changes outcomes through taking part only, and makes nobody stay away.
    Blocks enter as indicators, which weighs them by how much taking part differs in them.

    Parameters
    ----------
    outcome : (n_units,) float, in `unit`; (n_rows,) with ``rows``
    taken : float, as long as ``outcome``
        1 for those who took part, 0 for others; or a dose.
    assignment : Assignment, or Drawn
        What was drawn; see `difference_in_means`.
    covariates : name -> (n_units,) float, or (n_rows,), optional
        Measured before the draw.
    compare, unit, rows, weights, level : as for `difference_in_means`
    errors : HC2, or CR2 where clusters were drawn, unless given

    Raises
    ------
    UnitsError, DesignError
        As `difference_in_means`.
    EstimateError
        Taking part does not differ between the arms at all, or columns do not fit; see `two_stage`.

    References
    ----------
    Imbens and Angrist (1994), doi:10.2307/2951620; Angrist, Imbens and Rubin (1996), doi:10.1080/01621459.1996.10476902.
    """
    found = Compared.of(outcome, assignment, compare, rows=rows, weights=weights)
    found.check_two_per_arm()
    named = by_name(covariates, "covariates")
    given = {name: found.aligned(values, name) for name, values in named.items()}
    both = {**block_indicators(found), **given}
    fitted = two_stage(
        found.outcome,
        {TAKEN: found.aligned(taken, TAKEN), **both},
        {TREATED: found.treated.astype(np.float64), **both},
        clusters=found.item if found.clustered else None,
        weights=found.weights,
        errors=errors,
    )
    return fitted.moments(TAKEN).as_estimate(
        unit=unit,
        level=level,
        method=f"two-stage least squares, {fitted.errors}",
        n_units=found.n_units,
        term=term,
        exploratory=exploratory,
        digests=digests,
    )


def two_stage(
    outcome: ArrayLike,
    columns: Mapping[str, ArrayLike],
    instruments: Mapping[str, ArrayLike],
    *,
    clusters: Labels | None = None,
    weights: ArrayLike | None = None,
    blocks: Labels | None = None,
    errors: Errors | None = None,
) -> Regression:
    """Least squares on what the instruments say of the columns; residuals are those with the columns themselves.

    Parameters
    ----------
    outcome : (n,) float
    columns : name -> (n,) float
        What the outcome depends on.
    instruments : name -> (n,) float
        As many or more; columns that are their own instruments stand in both.
    clusters, weights, blocks, errors : as for `least_squares`
        Leverages, and so HC2, HC3, CR2 and CR3, are those of the second stage's regressors.

    Raises
    ------
    EstimateError
        The instruments do not tell the columns apart; otherwise as `least_squares`.

    References
    ----------
    Angrist, Imbens and Rubin (1996), doi:10.1080/01621459.1996.10476902; errors as in `least_squares`.
    """
    given = Columns.of(outcome, columns, blocks=blocks, clusters=clusters, weights=weights)
    first = Columns.of(outcome, instruments, blocks=blocks, clusters=clusters, weights=weights)
    basis, _ = orthonormal(first.values, given.weights, first.names)
    weighted = basis if given.weights is None else basis * given.weights[:, None]
    said = basis @ (weighted.T @ given.values)
    _check_relevant(given, first, said)
    return given.solved(said, errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class FTest:
    """An F statistic of one hypothesis."""

    value: float
    df_between: float
    df_within: float

    @property
    def p_value(self) -> float:
        """The chance of a larger one if the hypothesis holds."""
        return float(fdtrc(self.df_between, self.df_within, self.value))


def instrument_test(
    kind: Literal["weak", "endogenous"],
    outcome: ArrayLike,
    columns: Mapping[str, ArrayLike],
    instruments: Mapping[str, ArrayLike],
    *,
    clusters: Labels | None = None,
    weights: ArrayLike | None = None,
    errors: Errors | None = None,
) -> FTest:
    """Is the one instrument weak; does it matter, against least squares (Wu and Hausman)?

    Parameters
    ----------
    kind : ``weak``: the instrument's coefficient in the first stage is 0.  ``endogenous``: the first stage's residual
        has none in the outcome's regression, so that least squares would have done.
    outcome, columns, instruments, clusters, weights, errors : as for `two_stage`
        One column that is not an instrument, and one instrument that is not a column.

    Raises
    ------
    EstimateError
        More than one of either.

    References
    ----------
    Hausman (1978), doi:10.2307/1913827; robust as in Wooldridge (2010), Econometric Analysis, section 6.3.1.
    """
    one_of(kind, ("weak", "endogenous"), "kind")
    columns = by_name(columns, "columns")
    instruments = by_name(instruments, "instruments")
    taken, drawn = sorted(set(columns) - set(instruments)), sorted(set(instruments) - set(columns))
    if len(taken) != 1 or len(drawn) != 1:
        raise EstimateError(
            f"This test is for one column and one instrument, and there are {len(taken)} and {len(drawn)}. Test them "
            "one by one.",
            {"columns": taken, "instruments": drawn},
            da=f"Denne test gælder én kolonne og ét instrument, og der er {len(taken)} og {len(drawn)}. Afprøv dem én "
            "for én.",
        )
    options = {"clusters": clusters, "weights": weights}
    first = least_squares(columns[taken[0]], instruments, **options, errors=errors)  # type: ignore[arg-type]
    if kind == "weak":
        moments = first.moments(drawn[0])
        within = first.n_clusters - 1 if first.n_clusters else moments.df
    else:
        fitted = np.column_stack([np.ones(first.n_rows), *(np.asarray(instruments[name]) for name in first.terms[1:])])
        left = np.asarray(columns[taken[0]], np.float64) - fitted @ first.coefficients
        second = least_squares(outcome, {**columns, "residual": left}, **options, errors=errors)  # type: ignore[arg-type]
        moments = second.moments("residual")
        within = second.n_clusters - 1 if second.n_clusters else moments.df
    return FTest(value=moments.statistic**2, df_between=1.0, df_within=float(within))


def _check_relevant(given: Columns, first: Columns, said: Floats) -> None:
    """Refuse instruments that do not move a column beyond what stands in both: the effect would be a division by 0."""
    both = [k for k, name in enumerate(given.names) if name in first.names]
    shared = given.values[:, both]
    for k in sorted(set(range(len(given.names))) - set(both)):
        left = said[:, k] - shared @ np.linalg.lstsq(shared, said[:, k], rcond=None)[0] if both else said[:, k]
        if np.linalg.norm(left) <= 1e-9 * np.linalg.norm(given.values[:, k]):
            name = given.names[k]
            raise EstimateError(
                f"The column {name!r} is the same on average whatever was drawn, so its effect would be a division by "
                "0. Report the effect of being drawn instead.",
                {"column": name},
                da=f"Kolonnen {name!r} er i gennemsnit den samme, uanset hvad der blev trukket, så dens effekt ville "
                "være en division med 0. Vis effekten af at blive trukket i stedet.",
            )


__all__ = ["FTest", "complier_effect", "instrument_test", "two_stage"]
