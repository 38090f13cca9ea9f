"""Means weighted by the chance of being where one is: Horvitz and Thompson's, and Hajek's, with the design's own chances.

Unbiased for any design, whatever the probabilities; the variance asks the design how probable every pair was.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import DesignError, EstimateError
from trialkit.estimate.arms import aligned
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.given import one_of
from trialkit.estimate.moments import Moments
from trialkit.estimate.result import Estimate
from trialkit.estimate.sandwich import left_over
from trialkit.estimate.whole import check_generator

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Effects = Literal["any", "constant"]
NeverTogether = Literal["bound", "leave_out"]
Freedom = Literal["welch", "normal"]


def horvitz_thompson(
    outcome: ArrayLike,
    drawn: Drawn,
    *,
    compare: tuple[str, str],
    unit: str,
    effects: Effects = "any",
    never_together: NeverTogether = "bound",
    df: Freedom = "welch",
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    term: str = "average effect",
    exploratory: bool = True,
    digests: tuple[str, ...] = (),
) -> Estimate:
    """Average effect, each outcome divided by the probability of seeing it; exactly unbiased under the design.

    The estimate moves when a constant is added to all outcomes, unless the design's arms have fixed sizes; `hajek`
    does not.

    Parameters
    ----------
    outcome : (n_units,) float, in `unit`; or (n_items,) sums per cluster
        In the design's order.  Fixed units take no part.
    drawn : Drawn
        The design with what it gave; its probabilities are asked for, never re-described.
    compare : two labels, the new one first
    unit : str
        What one step of `outcome` means.
    effects : ``any`` or ``constant``
        ``any`` bounds what is never seen, a unit's two outcomes together; ``constant`` takes the effect found for
        everybody's, and is not conservative where effects vary.
    never_together : ``bound`` or ``leave_out``
        Pairs that can never be seen in the compared arms (the only treated of a block): bounded from above, or left
        out of the variance as the R package estimatr does, which can make it too small.
    df : ``welch`` or ``normal``
        Degrees of freedom of t by Welch's formula for the two arms' weighted spread, or the normal, which the R package
        estimatr uses and which rejected a true null in up to 15 percent of trials with 6 units.
    rng : generator, needed where a constraint's probabilities must be estimated
    level : float in (0, 1)

    Returns
    -------
    Estimate
        ``df`` is nan with ``normal``.

    Raises
    ------
    DesignError
        A unit could never be in one of the arms, or probabilities that need ``rng``.
    EstimateError
        Outcomes that do not fit the design, an unknown label, or no design.

    References
    ----------
    Horvitz and Thompson (1952), doi:10.1080/01621459.1952.10483446; Aronow and Middleton (2013),
    doi:10.1515/jci-2012-0009, for the variance by Young's inequality; Aronow and Samii (2013), Survey Methodology 39,
    231-241, for pairs of probability 0.
    """
    one_of(effects, get_args(Effects), "effects")
    _check_options(never_together, df)
    seen = Seen.of(outcome, drawn, compare, rng)
    new, usual = seen.total / seen.chance[0], seen.total / seen.chance[1]
    value = float(new[seen.new].sum() - usual[seen.usual].sum()) / seen.n_units
    if effects == "constant":
        variance = seen.known_variance(*seen.completed(value, compare))
    else:
        variance = seen.variance(seen.total, seen.total, never_together=never_together)
    freedom = seen.welch() if df == "welch" else nan
    return Moments(value=value, std_error=sqrt(max(variance, 0.0)) / seen.n_units, df=freedom).as_estimate(
        unit=unit,
        level=level,
        method=_named("Horvitz-Thompson", effects, never_together),
        n_units=seen.n_units,
        term=term,
        exploratory=exploratory,
        digests=digests,
    )


def _check_options(never_together: NeverTogether, df: Freedom) -> None:
    """Refuse words that name no choice.

    Raises
    ------
    EstimateError
        As said.
    """
    one_of(never_together, get_args(NeverTogether), "never_together")
    one_of(df, get_args(Freedom), "df")


def hajek(
    outcome: ArrayLike,
    drawn: Drawn,
    *,
    compare: tuple[str, str],
    unit: str,
    never_together: NeverTogether = "bound",
    df: Freedom = "welch",
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    term: str = "average effect",
    exploratory: bool = True,
    digests: tuple[str, ...] = (),
) -> Estimate:
    """Difference of weighted means, each unit by one over its probability; adding a constant to all changes nothing.

    Below 5 units in an arm print the exact interval of `trialkit.estimate.randomization.randomization_test` first.

    Parameters
    ----------
    outcome : (n_units,) float, in `unit`
        In the design's order.
    drawn, compare, unit, never_together, df, rng, level : as for `horvitz_thompson`

    Returns
    -------
    Estimate
        The variance is Horvitz and Thompson's of the residuals from the arms' means (linearized), times m / (m - 1) for
        the m drawn; with equal chances for single units that is the difference in means with Neyman's error and Welch's
        degrees of freedom, to the last digit.

    Raises
    ------
    DesignError, EstimateError
        As `horvitz_thompson`; nobody in one of the arms.

    References
    ----------
    Hajek (1971), in Foundations of Statistical Inference, 236; Särndal, Swensson and Wretman (1992), Model Assisted
    Survey Sampling, section 5.7; Aronow and Samii (2017), doi:10.1214/16-AOAS1005, section 4; Welch (1947),
    doi:10.1093/biomet/34.1-2.28.
    """
    _check_options(never_together, df)
    seen = Seen.of(outcome, drawn, compare, rng)
    means, parts = [], []
    for chance, here in zip(seen.chance, (seen.new, seen.usual), strict=True):
        people = float((seen.size / chance)[here].sum())
        if people == 0:
            raise EstimateError(
                f"Nobody was drawn to one of {compare[0]!r} and {compare[1]!r}, so there is no mean to compare.",
                {"compare": list(compare)},
                da=f"Ingen blev trukket til en af grupperne {compare[0]!r} og {compare[1]!r}, så der er intet "
                "gennemsnit at sammenligne.",
            )
        means.append(seen.mean(here, chance))
        parts.append((seen.total - means[-1] * seen.size) / people)
    m = seen.new.size
    variance = seen.variance(parts[0], parts[1], never_together=never_together) * m / (m - 1)
    freedom = seen.welch() if df == "welch" else nan
    return Moments(value=means[0] - means[1], std_error=sqrt(max(variance, 0.0)), df=freedom).as_estimate(
        unit=unit,
        level=level,
        method=_named("Hajek", "any", never_together),
        n_units=seen.n_units,
        term=term,
        exploratory=exploratory,
        digests=digests,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Seen:
    """Sums of outcomes by item, and how probable everything was; fixed items are gone.

    Parameters
    ----------
    total, size : (m,) float, sum of outcomes and number of units of each item
    new, usual : (m,) bool
    chance : two (m,) float, the probability of the new and of the usual arm
    joint : three (m, m) float: both new, both usual, one new and the other usual
    """

    total: Floats
    size: Floats
    new: Bools
    usual: Bools
    chance: tuple[Floats, Floats]
    joint: tuple[Floats, Floats, Floats]

    @classmethod
    def of(cls, outcome: ArrayLike, drawn: Drawn, compare: tuple[str, str], rng: np.random.Generator | None) -> Seen:
        """Everything that is asked of the design, once."""
        if not isinstance(drawn, Drawn):
            raise EstimateError(
                "These weights are the design's probabilities, and no design was given. Give Drawn.of(design, "
                "assignment).",
                {"type": type(drawn).__name__},
                da="Vægtene er designets sandsynligheder, og der er ikke angivet noget design. Angiv "
                "Drawn.of(design, tildeling).",
                code="E_NOT_DRAWN",
            )
        check_generator(rng)
        new, usual = drawn.arms(compare)
        values, item = aligned(drawn, outcome)
        free, n_items = drawn.free, len(drawn.design.items)
        chances = drawn.design.probabilities(rng=rng).values[free]
        _check_both_possible(drawn, chances[:, [new, usual]], compare)
        pairs = [drawn.design.joint_probabilities(*of, rng=rng) for of in ((new, new), (usual, usual), (new, usual))]
        here = np.ix_(free, free)
        codes = np.asarray(drawn.codes)[free]
        return cls(
            total=np.bincount(item, values, minlength=n_items)[free].astype(np.float64, copy=False),
            size=drawn.units_per_item[free].astype(np.float64),
            new=codes == new,
            usual=codes == usual,
            chance=(chances[:, new], chances[:, usual]),
            joint=(pairs[0].values[here], pairs[1].values[here], pairs[2].values[here]),
        )

    @property
    def n_units(self) -> int:
        """Units the lot fell on, whatever their arm."""
        return int(self.size.sum())

    def mean(self, arm: Bools, chance: Floats) -> float:
        """The mean of an arm's outcomes, each unit weighed by one over its probability."""
        return float((self.total / chance)[arm].sum()) / float((self.size / chance)[arm].sum())

    def welch(self) -> float:
        """Welch's degrees of freedom, (v1 + v0)^2 / (v1^2 / (n1 - 1) + v0^2 / (n0 - 1)), with v each arm's weighted sum of
        squares over its number less 1; nan where nothing varies."""
        top = bottom = 0.0
        for arm, chance in ((self.new, self.chance[0]), (self.usual, self.chance[1])):
            n = int(arm.sum())
            if n > 1:
                apart = left_over(self.total[arm], self.mean(arm, chance) * self.size[arm]) / chance[arm]
                spread = float(apart @ apart) / (n - 1) * n
                top, bottom = top + spread, bottom + spread**2 / (n - 1)
        return top**2 / bottom if bottom > 0 else nan

    def variance(self, new: Floats, usual: Floats, *, never_together: NeverTogether) -> float:
        """Estimated variance of the difference of two sums over arms (Aronow and Middleton 2013, section 4).

        ``new`` and ``usual`` are (m,) and matter where they were seen.  A product of two outcomes that no allocation
        shows together is bounded by half their squares.
        """
        a = np.where(self.new, new, 0.0)
        b = np.where(self.usual, usual, 0.0)
        own = np.eye(a.size, dtype=bool)
        hidden = [table <= 0 for table in self.joint]
        if never_together == "leave_out":
            hidden[0], hidden[1], hidden[2] = hidden[0] & own, hidden[1] & own, hidden[2] & own
        squares = a**2 / self.chance[0], b**2 / self.chance[1]
        seen = self._product(a, a, 0) + self._product(b, b, 1) - 2 * self._product(a, b, 2)
        alike = hidden[0].sum(axis=1) @ squares[0] + hidden[1].sum(axis=1) @ squares[1]
        return float(seen + alike + hidden[2].sum(axis=1) @ squares[0] + hidden[2].sum(axis=0) @ squares[1])

    def completed(self, effect: float, compare: tuple[str, str]) -> tuple[Floats, Floats]:
        """(m,) everybody's outcomes in either arm if the effect on each unit were ``effect``.

        Raises
        ------
        EstimateError
            Somebody was drawn to a third arm, whose effect is another.
        """
        if not (self.new | self.usual).all():
            raise EstimateError(
                f"Some were drawn to other arms than {compare[0]!r} and {compare[1]!r}, and one constant effect does "
                "not say what they would have had there. Use effects='any'.",
                {"compare": list(compare)},
                da=f"Nogle blev trukket til andre grupper end {compare[0]!r} og {compare[1]!r}, og én fast effekt siger "
                "ikke, hvad de ville have haft dér. Brug effects='any'.",
            )
        moved = effect * self.size
        return self.total + np.where(self.usual, moved, 0.0), self.total - np.where(self.new, moved, 0.0)

    def known_variance(self, new: Floats, usual: Floats) -> float:
        """The variance if (m,) ``new`` and ``usual`` were everybody's outcomes in either arm."""
        a, b = new / self.chance[0], usual / self.chance[1]
        tables = [
            table - np.outer(self.chance[i], self.chance[j])
            for table, (i, j) in zip(self.joint, ((0, 0), (1, 1), (0, 1)), strict=True)
        ]
        return float(a @ tables[0] @ a + b @ tables[1] @ b - 2 * (a @ tables[2] @ b))

    def _product(self, a: Floats, b: Floats, which: int) -> float:
        """Sum over the pairs seen of their covariance, divided by the probability of seeing them."""
        left, right = self.chance[which == 1], self.chance[which > 0]
        table = self.joint[which]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(table > 0, (table - np.outer(left, right)) / table, 0.0)
        return float((a / left) @ share @ (b / right))


def _named(name: str, effects: Effects, never_together: NeverTogether) -> str:
    kind = ", constant effect" if effects == "constant" else ""
    return name + kind + (", pairs never seen together left out" if never_together == "leave_out" else "")


def _check_both_possible(drawn: Drawn, chances: Floats, compare: tuple[str, str]) -> None:
    sure = np.flatnonzero((chances <= 0).any(axis=1))
    if sure.size:
        names = [name for name, free in zip(drawn.design.items, drawn.free, strict=True) if free]
        raise DesignError(
            f"{sure.size} of those drawn, among them {names[sure[0]]!r}, could not be in both {compare[0]!r} and "
            f"{compare[1]!r}, so nothing shows the effect on them. Fix them beforehand, or choose other arms.",
            {"items": [names[k] for k in sure]},
            da=f"{sure.size} af de trukne, blandt andre {names[sure[0]]!r}, kunne ikke komme i både {compare[0]!r} og "
            f"{compare[1]!r}, så intet viser effekten på dem. Sæt dem fast på forhånd, eller vælg andre grupper.",
        )


__all__ = ["Effects", "Freedom", "NeverTogether", "Seen", "hajek", "horvitz_thompson"]
