"""What a contrast of a marginal model is read by: its errors and the degrees of freedom of t."""

from __future__ import annotations

from math import nan
from typing import Final, Literal, get_args

from trialkit.errors import EstimateError
from trialkit.estimate.gee_sandwich import Errors

Df = Literal["clusters - 2", "clusters - parameters", "normal"]
DEFAULT_ERRORS: Final[Errors] = "MD"  # the others rejected up to 7 percent: docs/decisions/0011-clusters.md


def degrees_of_freedom(df: str, clusters: int, terms: int) -> float:
    """Of t; nan for the normal distribution.

    Raises
    ------
    EstimateError
        A name nobody knows, or nothing is left (``E_FEW_CLUSTERS``).
    """
    if df not in get_args(Df):
        raise EstimateError(
            f"There are no degrees of freedom called {df!r}. Use one of {', '.join(get_args(Df))}.",
            {"df": df},
            da=f"Der er ingen frihedsgrader, der hedder {df!r}. Brug en af {', '.join(get_args(Df))}.",
        )
    left = {"clusters - 2": clusters - 2, "clusters - parameters": clusters - terms}.get(df)
    if left is not None and left <= 0:
        raise EstimateError(
            f"t({df}) is undefined: {clusters} clusters and {terms} coefficients leave {left} degrees of freedom. Use "
            "df='clusters - 2', which needs three clusters, or the permutation test.",
            {"df": df, "clusters": clusters, "coefficients": terms},
            da=f"t({df}) findes ikke: {clusters} klynger og {terms} koefficienter giver {left} frihedsgrader. Brug "
            "df='clusters - 2', som kræver tre klynger, eller permutationstesten.",
            code="E_FEW_CLUSTERS",
        )
    return nan if left is None else float(left)


def undefined(errors: str, terms: list[str]) -> EstimateError:
    """A contrast that one cluster decides alone."""
    return EstimateError(
        f"{errors} errors have no answer for {', '.join(terms)}: one cluster alone decides it, and nothing shows how that "
        "cluster would differ. Ask for FG errors by name, a contrast that more clusters see, or the permutation test.",
        {"errors": errors, "terms": terms},
        da=f"{errors}-fejl har intet svar for {', '.join(terms)}: én klynge alene bestemmer det, og intet viser, hvor "
        "forskellig den klynge er. Bed om FG ved navn, om en kontrast, som flere klynger ser, eller brug "
        "permutationstesten.",
        code="E_FEW_CLUSTERS",
    )


__all__ = ["DEFAULT_ERRORS", "Df", "degrees_of_freedom", "undefined"]
