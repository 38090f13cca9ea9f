"""What a marginal model is given, checked and brought into cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats, Ints, check_clusters, check_rank, check_rows, fixed_effects, weights_of
from trialkit.estimate.gee_cells import Grid, Outcomes, Rows, gathered
from trialkit.estimate.gee_family import Family
from trialkit.estimate.given import labelled, numbers
from trialkit.estimate.sandwich import numbered

Labels = Sequence[object] | NDArray[np.generic]


@dataclass(frozen=True, eq=False, kw_only=True)
class Prepared:
    """Rows in cells, and what is needed to speak of rows again.

    Parameters
    ----------
    terms : (p,) names
    clusters : names of the clusters with somebody in them
    x : (n, p) float
    offset : (n,) float
    per_person : (n,) float
        The first data set's outcome per person; nan for a row of nobody.
    grid, outcomes : the cells
    """

    terms: tuple[str, ...]
    clusters: tuple[str, ...]
    family: Family
    x: Floats
    offset: Floats
    per_person: Floats
    grid: Grid
    outcomes: Outcomes

    @classmethod
    def of(
        cls,
        outcomes: Floats,
        columns: Mapping[str, ArrayLike],
        *,
        clusters: Labels,
        family: Family,
        correlation: str,
        periods: Labels | None,
        sizes: ArrayLike | None,
        squares: ArrayLike | None,
        weights: ArrayLike | None,
        offset: ArrayLike | None,
    ) -> Prepared:
        """Outcomes (d, n) and the rest as ``gee`` takes them.

        Raises
        ------
        EstimateError
            As ``gee``, what does not need a fit.
        """
        n = outcomes.shape[-1]
        terms, x = fixed_effects(columns, n)
        owner = numbered(clusters, "clusters")[0]
        w = weights_of(weights, n)
        beside = np.zeros(n) if offset is None else numbers(offset, "offset")
        check_rows(outcomes, x, owner, w)
        _check_beside(beside, n)
        _check_together(correlation, periods, sizes, weights, n)
        rows = Rows.of(outcomes, sizes, squares, binary=family.name == "binomial")
        _check_values(rows, family)
        if _counted(family, sizes, squares, weights):
            _check_whole(outcomes, family)
        real = rows.size > 0
        check_rank(x[real], terms)
        code, names = numbered(np.asarray(clusters)[real], "clusters")
        period = np.zeros(n, np.intp) if periods is None else numbered(periods, "periods")[0]
        if correlation not in ("nested", "autoregressive"):
            period = np.zeros(n, np.intp)  # periods make no cells of their own where they do not matter
        period = np.unique(period[real], return_inverse=True)[1].ravel()
        check_clusters(len(names))
        if correlation == "autoregressive":
            _check_one_row(code, period)
        seen = Rows(size=rows.size[real], mean=rows.mean[:, real], squares=rows.squares[:, real])
        grid, cells = gathered(
            seen, x[real], code, period, w[real], beside[real], by_period=correlation == "autoregressive"
        )
        return cls(
            terms=terms, clusters=names, family=family, x=x, offset=beside,
            per_person=np.where(real, rows.mean[0], np.nan), grid=grid, outcomes=cells,
        )  # fmt: skip


def _check_beside(offset: Floats, n: int) -> None:
    if offset.shape != (n,) or not np.isfinite(offset).all():
        raise EstimateError(
            f"The offset has shape {offset.shape} or a missing value, and there are {n} rows. Give one number per row.",
            {"shape": offset.shape, "rows": n},
            da=f"offset har formen {offset.shape} eller mangler en værdi, og der er {n} rækker. Giv ét tal pr. række.",
        )


def _check_together(
    correlation: str, periods: Labels | None, sizes: ArrayLike | None, weights: ArrayLike | None, n: int
) -> None:
    """What a correlation needs, and what does not go with it."""
    if periods is not None and len(labelled(periods, "periods")) != n:
        raise EstimateError(
            f"There are {len(periods)} periods for {n} rows. Give one per row.",
            {"periods": len(periods), "rows": n},
            da=f"Der er {len(periods)} perioder til {n} rækker. Giv én pr. række.",
        )
    if correlation in ("nested", "autoregressive") and periods is None:
        raise EstimateError(
            f"The {correlation} correlation needs periods, since it lies between them. Give periods=.",
            {"correlation": correlation},
            da=f"Korrelationen {correlation} kræver perioder, for den ligger mellem dem. Giv periods=.",
        )
    if weights is not None and (correlation == "nested" or sizes is not None):
        raise EstimateError(
            "Weights stand for the variance of a row, and here persons are counted instead. Give sizes with sums, or "
            "weights with means and another correlation, not both.",
            {"correlation": correlation},
            da="Vægte står for en rækkes varians, og her tælles personer i stedet. Giv sizes med summer, eller vægte med "
            "gennemsnit og en anden korrelation, ikke begge dele.",
        )
    if correlation == "autoregressive" and sizes is not None:
        raise EstimateError(
            "Persons of one period would be correlated 1 under AR(1), so sums over persons have no place in it. Give "
            "shares or means with weights, or counts with an offset, and leave sizes out.",
            {"correlation": correlation},
            da="Personer i samme periode ville have korrelation 1 under AR(1), så summer over personer passer ikke ind. "
            "Giv andele eller gennemsnit med vægte, eller antal med offset, og udelad sizes.",
        )


def _check_values(rows: Rows, family: Family) -> None:
    """Outcomes the family can have: from 0, and up to 1 for a share."""
    low = 0.0 if family.name != "gaussian" else -np.inf
    high = 1.0 if family.name == "binomial" else np.inf
    wrong = ((rows.mean < low) | (rows.mean > high)).any(axis=0)
    if wrong.any():
        found = np.flatnonzero(wrong)
        raise EstimateError(
            f"{len(found)} rows have an outcome that is not {low:g} or more{' and 1 or less' if high == 1 else ''} per "
            f"person, as {family.name} needs; the first is row {found[0]}. Check the outcome, or use another family.",
            {"rows": found.tolist(), "family": family.name},
            da=f"{len(found)} rækker har et udfald pr. person, som {family.name} ikke kan have; den første er række "
            f"{found[0]}. Se på udfaldet, eller brug en anden familie.",
        )


def _counted(family: Family, sizes: ArrayLike | None, squares: ArrayLike | None, weights: ArrayLike | None) -> bool:
    """Whether rows are counts: of events among persons, or of events (weighted rows are means)."""
    if family.name == "binomial":
        return sizes is not None and squares is None
    return family.name == "poisson" and weights is None


def _check_whole(outcomes: Floats, family: Family) -> None:
    wrong = np.flatnonzero((outcomes != np.floor(outcomes)).any(axis=0))
    if wrong.size:
        raise EstimateError(
            f"{wrong.size} rows have an outcome that is no whole number, the first is row {wrong[0]}, and {family.name} "
            "outcomes are counted: with sizes the sum over the row's persons, not their share. Give counts, or shares and "
            "rates with weights.",
            {"rows": wrong.tolist(), "family": family.name},
            da=f"{wrong.size} rækker har et udfald, der ikke er et helt tal, den første er række {wrong[0]}, og udfald i "
            f"{family.name} tælles: med sizes er det summen over rækkens personer, ikke deres andel. Giv antal, eller "
            "andele og rater med weights.",
        )


def _check_one_row(cluster: Ints, period: Ints) -> None:
    cells = np.stack([cluster, period])
    if len(np.unique(cells, axis=1).T) < len(cluster):
        raise EstimateError(
            "A cluster has several rows in one period, and AR(1) would take them to be the same. Give one row per cluster "
            "and period (a mean or share with weights), or use the nested correlation.",
            {"rows": len(cluster)},
            da="En klynge har flere rækker i samme periode, og AR(1) ville regne dem for ens. Giv én række pr. klynge og "
            "periode (et gennemsnit eller en andel med vægte), eller brug korrelationen nested.",
        )


__all__ = ["Prepared"]
