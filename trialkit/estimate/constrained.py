"""Constrained randomization: which allocations are balanced enough, and what keeping only those does to the chances.

A tighter rule is better balanced and leaves fewer allocations; pushed too far, two units can never, or must always,
share an arm, and the lot is one in name only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from trialkit.design.parts_design import PartsDesign
from trialkit.errors import EstimateError
from trialkit.estimate.curves import TIE
from trialkit.estimate.drawn import ENUMERATED, size
from trialkit.estimate.given import numbers, one_of

if TYPE_CHECKING:
    from trialkit.design.base import Codes, Design
    from trialkit.errors import Lang

Floats = NDArray[np.float64]
Metric = Literal["l2", "l1"]
Twos = tuple[tuple[str, str], ...]

NAMED: Final = 5  # pairs a warning names; the rest are counted


@dataclass(frozen=True, eq=False, kw_only=True)
class Sharing:
    """Who gets what, and who goes with whom.

    Parameters
    ----------
    items, labels : what is drawn, and what can be drawn
    probabilities : (n_items, n_labels) of each label
    together : (n_items, n_items) the probability that two items get the same label
    mc_error : the largest standard error of these; 0 where they are exact
    never, always : pairs of drawn items that the rule keeps apart, or together, though the numbers per label do not
    """

    items: tuple[str, ...]
    labels: tuple[str, ...]
    probabilities: Floats
    together: Floats
    mc_error: float
    never: Twos
    always: Twos

    @property
    def exact(self) -> bool:
        """Whether all allocations were gone through; otherwise pairs were only never, or always, seen in draws."""
        return self.mc_error == 0

    def warnings(self, lang: Lang = "en") -> tuple[str, ...]:
        """What a page must say; empty where every pair can be together and apart."""
        told = []
        for pairs, (en, da) in ((self.never, _NEVER), (self.always, _ALWAYS)):
            if pairs:
                named = ", ".join(f"{a} + {b}" for a, b in pairs[:NAMED]) + (" ..." if len(pairs) > NAMED else "")
                sampled = "" if self.exact else _SAMPLED[lang]
                told.append((da if lang == "da" else en).format(n=len(pairs), named=named) + sampled)
        return tuple(told)


_NEVER: Final = (
    "{n} pairs can never share an arm under the balance rule ({named}), so their comparison was not left to chance and "
    "a model that treats them as independent is wrong. Allow a larger difference.",
    "{n} par kan aldrig komme i samme gruppe med balancekravet ({named}), så forholdet mellem dem er ikke overladt til "
    "tilfældet, og en model, der regner dem for uafhængige, er forkert. Tillad en større forskel.",
)
_ALWAYS: Final = (
    "{n} pairs must always share an arm under the balance rule ({named}): each pair is drawn as one, and there are fewer "
    "independent units than it seems. Allow a larger difference.",
    "{n} par kommer altid i samme gruppe med balancekravet ({named}): de trækkes som én, og der er færre uafhængige "
    "enheder, end det ser ud til. Tillad en større forskel.",
)
_SAMPLED: Final = {
    "en": " (Seen in drawn allocations, not in all.)",
    "da": " (Set i en stikprøve af tildelinger, ikke i alle.)",
}


def sharing(design: PartsDesign, *, rng: np.random.Generator | None = None) -> Sharing:
    """Each item's and each pair's chances under a design, its balance rule included.

    Parameters
    ----------
    design : a design drawn at one time
    rng : where the allocations are too many to go through (`trialkit.design.allocations.ENUMERABLE`)

    Raises
    ------
    DesignError
        Too many allocations and no ``rng``; ``E_NO_ACCEPT``: none meets the rule.

    References
    ----------
    Moulton (2004), doi:10.1191/1740774504cn024oa: validity of constrained designs.
    """
    labels = range(len(design.label_names))
    joint = [design.joint_probabilities(a, a, rng=rng) for a in labels]
    alone = design.probabilities(rng=rng)
    error = max(float(alone.mc_error.max(initial=0.0)), *(float(one.mc_error.max(initial=0.0)) for one in joint))
    return _shared(design, alone.values, sum((one.values for one in joint), np.zeros(joint[0].values.shape)), error)


@dataclass(frozen=True, eq=False, kw_only=True)
class ConstrainedSet:
    """The balanced part of a design's allocations, by score.

    Parameters
    ----------
    metric : ``l2`` or ``l1``
    scores : (k,) of every allocation, or of those drawn; ``weights`` : (k,) each one's weight
    cutoff : the largest score accepted
    accepted : (a, n_items) codes with a score at most ``cutoff``, ties included; ``accepted_weights`` : (a,)
    exact : every allocation was gone through
    sharing : each item's and each pair's chances when only these are drawn from
    """

    metric: Metric
    scores: Floats
    weights: Floats
    cutoff: float
    accepted: Codes
    accepted_weights: Floats
    exact: bool
    sharing: Sharing

    @property
    def mean(self) -> float:
        """The mean score over all allocations."""
        return float(self.weights @ self.scores / self.weights.sum())

    @property
    def sd(self) -> float:
        """The standard deviation of the scores, with n - 1."""
        n = self.scores.size
        spread = float(self.weights @ (self.scores - self.mean) ** 2 / self.weights.sum())
        return sqrt(spread * n / (n - 1)) if n > 1 else 0.0

    def quantile(self, share: float) -> float:
        """The score with ``share`` of the allocations below it: R's type 7; with unequal weights the first to reach it."""
        if np.ptp(self.weights) == 0:
            return float(np.quantile(self.scores, share))
        order = np.argsort(self.scores, kind="stable")
        reached = np.cumsum(self.weights[order]) / self.weights.sum()
        return float(self.scores[order[min(int(np.searchsorted(reached, share - TIE)), order.size - 1)]])

    def at_most(self, score: float) -> float:
        """The weight of the allocations with a score of at most ``score``, ties included (their number, unweighted)."""
        return float(self.weights[self.scores <= _tied(score, self.scores)].sum())


def balance_scores(
    new: NDArray[np.generic], x: Floats, *, weights: Sequence[float] | None = None, metric: Metric = "l2"
) -> Floats:
    """How unbalanced each allocation is.

    Every column is standardised over all items (mean, n - 1); ``s_j`` is its sum over the items of the new arm times
    its weight; the score is the sum of ``s_j^2`` (``l2``) or of ``|s_j|`` (``l1``).  With equal arms an allocation and
    its mirror image score the same.

    Parameters
    ----------
    new : (k, n) bool or 0/1, who is in the new arm
    x : (n, p) float, one row per item; a name with several values as `dummies`
    weights : (p,) float, optional; 1 each unless given

    Returns
    -------
    (k,) float, without unit

    Raises
    ------
    EstimateError
        Shapes that differ, a gap, or a column that does not vary.

    References
    ----------
    Raab and Butcher (2001), doi:10.1002/1097-0258(20010215)20:3<351::AID-SIM797>3.0.CO;2-C; Li, Lokhnygina, Murray,
    Heagerty and DeLong (2016), doi:10.1002/sim.6813, section 2 (l1, l2).
    """
    one_of(metric, get_args(Metric), "metric")
    table = numbers(x, "x")
    factor = np.ones(table.shape[-1:]) if weights is None else numbers(weights, "weights")
    varied = table.ndim == 2 and len(table) > 1 and bool(np.isfinite(table).all()) and (np.ptp(table, axis=0) > 0).all()
    if not varied or new.shape[1:] != table.shape[:1] or factor.shape != table.shape[1:]:
        raise EstimateError(
            f"Scores need one row per item and a weight per column, no gaps, and columns that vary; the covariates have "
            f"shape {table.shape}, the weights {factor.shape}, the allocations {new.shape}. Correct them.",
            {"covariates": table.shape, "weights": factor.shape, "allocations": new.shape},
            da=f"En score kræver én række pr. enhed, én vægt pr. kolonne, ingen huller og kolonner, der varierer; "
            f"kovariaterne har formen {table.shape}. Ret dem.",
        )
    standard = (table - table.mean(axis=0)) / table.std(axis=0, ddof=1) * factor
    sums = new.astype(np.float64) @ standard
    found: Floats = (sums**2).sum(axis=1) if metric == "l2" else np.abs(sums).sum(axis=1)
    return found


def dummies(values: Sequence[str]) -> Floats:
    """(n, levels - 1) 0/1 columns of a name with several values; the first in sorted order has none."""
    levels = sorted(set(values))
    return np.array([[float(value == level) for level in levels[1:]] for value in values]).reshape(len(values), -1)


def constrained_set(
    design: Design,
    x: Floats,
    *,
    new: str,
    share: float = 0.1,
    weights: Sequence[float] | None = None,
    metric: Metric = "l2",
    most: int = ENUMERATED,
    draws: int = 0,
    rng: np.random.Generator | None = None,
) -> ConstrainedSet:
    """The best-balanced ``share`` of a design's allocations, ties at the cutoff kept.

    The cutoff is the score of rank round(share x allocations) from below; whoever ties with it is in, so an
    allocation and its mirror image stay together and equal arms keep equal chances.

    Parameters
    ----------
    design : Design
        With two labels.
    x : (n_items, p) float
        Covariates of units, or of clusters where those are drawn, in the order of ``design.items``.
    new : the label of the new arm
    share : float in (0, 1]
    weights, metric : as `balance_scores`
    most, draws, rng : up to ``most`` allocations are gone through, otherwise ``draws`` of them with ``rng``

    Raises
    ------
    EstimateError
        As `balance_scores`; another number of labels than two; ``E_TOO_MANY``.

    References
    ----------
    As `balance_scores`.
    """
    total = size(design)
    if len(design.label_names) != 2 or new not in design.label_names or not 0 < share <= 1:
        raise EstimateError(
            f"Scores compare two labels ({', '.join(design.label_names)}), one of them new ({new!r}), and keep a share "
            f"({share}) above 0 and at most 1. For more labels use a Mahalanobis rule in the design.",
            {"labels": list(design.label_names), "new": new, "share": share},
            da=f"En score sammenligner to grupper ({', '.join(design.label_names)}), hvoraf {new!r} er den nye, og "
            f"beholder en andel ({share}) over 0 og højst 1. Brug Mahalanobis i designet, når der er flere grupper.",
        )
    exact = total <= most
    if not exact and (draws < 1 or rng is None):
        raise EstimateError(
            f"The design has more than {most:,} allocations, too many to score each. Give draws=50_000 and a generator.",
            {"allocations": total, "most": most},
            da=f"Designet har flere end {most} mulige tildelinger, for mange til at regne en score for hver. Angiv "
            "draws=50_000 og en generator.",
            code="E_TOO_MANY",
        )
    code, free = design.label_names.index(new), list(design.free)
    found, weight = [], []
    for codes, one in _chunks(design, exact, draws, rng):
        found.append(
            (codes, balance_scores(codes[:, free] == code, np.asarray(x)[free], weights=weights, metric=metric))
        )
        weight.append(np.full(len(codes), one))
    scores, masses = np.concatenate([score for _, score in found]), np.concatenate(weight)
    cutoff = _at_rank(scores, masses, share)
    limit = _tied(cutoff, scores)
    accepted = np.concatenate([codes[score <= limit] for codes, score in found])
    kept = masses[scores <= limit]
    return ConstrainedSet(
        metric=metric,
        scores=scores,
        weights=masses,
        cutoff=cutoff,
        accepted=accepted,
        accepted_weights=kept,
        exact=exact,
        sharing=_counted(design, accepted, kept, exact),
    )


def _chunks(design: Design, exact: bool, draws: int, rng: np.random.Generator | None) -> Iterator[tuple[Codes, float]]:
    if exact:
        for chunk in design.enumerate():
            yield chunk.codes, float(chunk.weight)
    elif rng is not None:
        yield design.sample(draws, rng), 1.0


def _at_rank(scores: Floats, weights: Floats, share: float) -> float:
    """The score at which round(share x weight), and at least one allocation, is reached."""
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order])
    wanted = max(round(share * float(weights.sum())), 1)
    return float(scores[order[int(np.searchsorted(reached, wanted * (1 - TIE)))]])


def _tied(score: float, scores: Floats) -> float:
    """Scores up to here are the same but for rounding, which a perfect balance of 0 has too: measured by the largest."""
    return score + TIE * float(scores.max(initial=0.0))


def _counted(design: Design, codes: Codes, weights: Floats, exact: bool) -> Sharing:
    """Chances when every accepted allocation is drawn in proportion to its weight."""
    mass = weights / weights.sum()
    labels = range(len(design.label_names))
    here = [(codes == label).astype(np.float64) for label in labels]
    alone = np.stack([mass @ one for one in here], axis=1)
    together = sum(((one * mass[:, None]).T @ one for one in here), np.zeros((codes.shape[1], codes.shape[1])))
    error = 0.0 if exact else 0.5 / sqrt(len(codes))
    return _shared(design, alone, together, error)


def _shared(design: Design, alone: Floats, together: Floats, error: float) -> Sharing:
    """With the pairs that only the rule keeps apart, or together."""
    free = np.zeros(len(design.items), bool)
    free[list(design.free)] = True
    drawn = np.triu(np.outer(free, free), 1)
    before = _without_rule(design)
    never = drawn & (together <= TIE) & (before > TIE)
    always = drawn & (together >= 1 - TIE) & (before < 1 - TIE)
    return Sharing(
        items=design.items,
        labels=design.label_names,
        probabilities=alone,
        together=together,
        mc_error=error,
        never=_named(design, never),
        always=_named(design, always),
    )


def _without_rule(design: Design) -> Floats:
    """The probability of sharing a label if only the numbers per label counted."""
    open_ = replace(design, constraint=None) if isinstance(design, PartsDesign) else design
    return sum(
        (open_.joint_probabilities(a, a).values for a in range(len(design.label_names))),
        np.zeros((len(design.items), len(design.items))),
    )


def _named(design: Design, pairs: NDArray[np.bool_]) -> Twos:
    return tuple((design.items[i], design.items[j]) for i, j in np.argwhere(pairs).tolist())


__all__ = ["ConstrainedSet", "Sharing", "balance_scores", "constrained_set", "dummies", "sharing"]
