"""What is asked of a fitted model: one coefficient, or several with their weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import EstimateError

Contrast = Mapping[str, float] | str


def contrast_weights(contrast: Contrast, terms: tuple[str, ...]) -> NDArray[np.float64]:
    """(p,) weights of a contrast: by term, or one term.

    Raises
    ------
    EstimateError
        A term is not in the model, or no term has a weight.
    """
    given = {contrast: 1.0} if isinstance(contrast, str) else contrast
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


def contrast_name(contrast: Contrast) -> str:
    """The term, or the terms with their weights."""
    return contrast if isinstance(contrast, str) else " ".join(f"{w:+g} {t}" for t, w in contrast.items())


__all__ = ["Contrast", "contrast_name", "contrast_weights"]
