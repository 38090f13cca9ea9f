"""What is asked of a fitted model: one coefficient, or several with their weights."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import EstimateError

Contrast = Mapping[str, float] | str


def contrast_weights(contrast: Contrast, terms: tuple[str, ...]) -> NDArray[np.float64]:
    """(p,) weights of a contrast: by term, or one term.

    Raises
    ------
    EstimateError
        A term is not in the model, no term has a weight, or as `check_weights`.
    """
    given = check_weights({contrast: 1.0} if isinstance(contrast, str) else contrast)
    unknown = [term for term in given if term not in terms]
    if unknown or not any(given.values()):
        raise EstimateError(
            f"The model has no term {', '.join(map(repr, unknown)) or 'in this contrast'}, so there is nothing to "
            f"report. It has {', '.join(terms)}.",
            {"unknown": unknown, "terms": list(terms)},
            da=f"Modellen har ikke {'leddet ' + ', '.join(map(repr, unknown)) if unknown else 'noget led i kontrasten'}, "
            f"så der er intet at vise. Den har {', '.join(terms)}.",
        )
    return np.array([given.get(term, 0.0) for term in terms])


def check_weights(weights: Mapping[Any, float]) -> Mapping[Any, float]:
    """The weights as they are, if they are finite numbers by name; refuses anything else."""
    named = isinstance(weights, Mapping)
    if not named or not all(isinstance(one, int | float | np.number) and isfinite(one) for one in weights.values()):
        raise EstimateError(
            f"{weights!r} is no contrast: it needs the name of a term, or a dictionary from terms to their weights, all finite "
            "numbers.",
            {"contrast": repr(weights)},
            da=f"{weights!r} er ingen kontrast: den skal være navnet på et led, eller en dictionary fra led til vægte, der "
            "alle er endelige tal.",
        )
    return weights


def contrast_name(contrast: Contrast) -> str:
    """The term, or the terms with their weights; refuses what `check_weights` does."""
    return (
        contrast if isinstance(contrast, str) else " ".join(f"{w:+g} {t}" for t, w in check_weights(contrast).items())
    )


__all__ = ["Contrast", "check_weights", "contrast_name", "contrast_weights"]
