"""The wild cluster bootstrap: tests and intervals of a coefficient with few clusters.

Residuals under the hypothesis change sign by cluster, all rows of a cluster together.  A draw's t needs only clusters x
clusters numbers, so 100,000 draws cost a matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf, nan, sqrt
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.given import one_of
from trialkit.estimate.moments import check_level
from trialkit.estimate.regression import Columns, Labels
from trialkit.estimate.result import Estimate
from trialkit.estimate.sandwich import Clustered, Fit, covariance, left_over, orthonormal
from trialkit.estimate.whole import check_count, check_generator

Floats = NDArray[np.float64]
Signs = Literal["rademacher", "webb"]
Sides = Literal["symmetric", "equal_tailed", "greater", "less"]

ROWS: Final = 8192  # draws per chunk
FEW: Final = 12  # clusters per column up to which one matrix for all of them costs less than two thin ones
AT_ONCE: Final = 1024  # draws evaluated at a time, so that they stay in the cache
TIES: Final = 1e-9  # relative
SIX: Final = np.array([-sqrt(1.5), -1.0, -sqrt(0.5), sqrt(0.5), 1.0, sqrt(1.5)])


@dataclass(frozen=True, eq=False, kw_only=True)
class WildBootstrap:
    """A wild cluster bootstrap of one coefficient.

    Parameters
    ----------
    estimate : the answer; statistic by CR1, ``df`` nan, interval by inverting the test
    signs : ``rademacher`` (-1 and 1) or ``webb`` (six points)
    sides : ``symmetric`` (|t|), ``equal_tailed`` (twice the smaller tail), ``greater`` or ``less``
    draws : how many
    exact : all sign patterns were gone through, the data's own among them
    curves : t of every draw as a function of the hypothesis
    """

    estimate: Estimate
    signs: Signs
    sides: Sides
    draws: int
    exact: bool
    curves: Draws

    @property
    def p_value(self) -> float:
        """The p-value of no effect."""
        return self.estimate.p_value

    def p_value_at(self, value: float, sides: Sides | None = None) -> float:
        """The p-value of the hypothesis that the coefficient is ``value``."""
        return self.curves.p_value(value, sides or self.sides)


def wild_bootstrap(
    outcome: ArrayLike,
    columns: Mapping[str, ArrayLike],
    term: str,
    *,
    clusters: Labels,
    unit: str,
    draws: int = 99_999,
    rng: np.random.Generator | None = None,
    signs: Signs = "rademacher",
    sides: Sides = "symmetric",
    weights: ArrayLike | None = None,
    blocks: Labels | None = None,
    interval: bool = True,
    level: float = 0.95,
    exploratory: bool = True,
    digests: tuple[str, ...] = (),
) -> WildBootstrap:
    """Test one coefficient with the hypothesis imposed, t by CR1.

    With very few treated (or very few other) clusters it hardly ever rejects; use `randomization_test` there.

    Parameters
    ----------
    outcome : (n,) float, in `unit`
    columns : name -> (n,) float
        The intercept is added, unless there are ``blocks``.
    term : str
        The column tested.
    clusters : (n,) labels
    unit : str
        What one step of the coefficient means.
    draws : int
        How many; with Rademacher signs all 2^clusters patterns are gone through if there are no more than that.
    rng : generator, needed unless all are gone through
    signs : ``rademacher``, or ``webb`` by name, which has more p-values to choose from with few clusters but rejected a
        true null in 7 to 8 percent of trials with 6 to 8 of them (``simulations/results/exact_size.md``)
    sides : what counts as extreme
    weights, blocks : as for `least_squares`
    interval : bool
        Of the values this very test does not reject at 1 - level; an end is infinite if none is rejected on that side.
    level : float in (0, 1)

    Returns
    -------
    WildBootstrap
        p = (1 + #)/(1 + draws), or the exact share of the patterns.

    Raises
    ------
    EstimateError
        No such column, no ``rng``, one cluster, or columns that do not fit.

    References
    ----------
    Cameron, Gelbach and Miller (2008), doi:10.1162/rest.90.3.414, section III; Webb (2023, working paper 2013),
    doi:10.1111/caje.12661, for six points; Roodman, MacKinnon, Nielsen and Webb (2019), doi:10.1177/1536867X19830877,
    sections 5 and 7, for the algebra and the interval.
    """
    check_level(level)
    one_of(signs, get_args(Signs), "signs")
    one_of(sides, get_args(Sides), "sides")
    check_count(draws, "draws", least=1)
    check_generator(rng)
    given = Columns.of(outcome, columns, blocks=blocks, clusters=clusters, weights=weights)
    if given.clusters is None:
        raise _no_clusters()
    groups = int(given.clusters.max()) + 1
    exact = signs == "rademacher" and 2**groups <= draws
    if not exact and rng is None:
        raise _no_generator(draws)
    tested = Tested.of(given, term)
    found = Draws.of(tested, patterns(groups) if exact else drawn(groups, draws, signs, rng), exact=exact)
    p = found.p_value(0.0, sides)
    low, high = found.accepted(sides, 1 - level) if interval else (nan, nan)
    how = f"all {2**groups:,} sign patterns" if exact else f"{draws:,} draws"
    estimate = Estimate(
        term=term,
        method=f"wild cluster bootstrap, restricted, {signs.capitalize()}, {how}, CR1",
        estimate=tested.value,
        std_error=tested.std_error,
        statistic=tested.value / tested.std_error,
        df=nan,
        p_value=p,
        smallest_p=nan,
        conf_low=low,
        conf_high=high,
        level=level,
        n_units=groups,
        n_allocations=0,
        mc_error=0.0 if exact else sqrt(p * (1 - p) / draws),
        unit=unit,
        exploratory=exploratory,
        digests=digests,
    )
    n = 2**groups if exact else draws
    return WildBootstrap(estimate=estimate, signs=signs, sides=sides, draws=n, exact=exact, curves=found)


@dataclass(frozen=True, eq=False, kw_only=True)
class Tested:
    """One coefficient, with what a draw needs, under the hypothesis that it is 0 and how that moves with the hypothesis.

    ``shift`` (2, G) is the coefficient's change by cluster, c'M x_g'W u_g, and ``score`` (2, G, k) is x_g'W u_g; the
    first of two is at 0, the second the change per step.  ``pull`` (G, k) c'M x_g'W x_g is what a cluster loses of its
    shift to the draw's own regression.
    """

    value: float
    std_error: float
    factor: float
    shift: Floats
    score: Floats
    pull: Floats

    @classmethod
    def of(cls, given: Columns, term: str) -> Tested:
        """The regression with and without the column."""
        if term not in given.names[: given.reported]:
            raise EstimateError(
                f"There is no column {term!r} to test. There are {', '.join(given.names[: given.reported])}.",
                {"term": term},
                da=f"Der er ingen kolonne {term!r} at teste. Der er {', '.join(given.names[: given.reported])}.",
            )
        place = given.names.index(term)
        x, back = orthonormal(given.values, given.weights, given.names)
        weighted = x if given.weights is None else x * given.weights[:, None]
        coefficients = back @ (weighted.T @ given.outcome)
        fit = Fit(x=x, back=back, residual=left_over(given.outcome, given.values @ coefficients), weights=given.weights)
        assert given.clusters is not None
        sums = Clustered.of(fit, given.clusters)
        variance = float(covariance(fit, "CR1", sums)[place, place])
        _check_varies(variance, term)
        turned = back[place]
        restricted = [_without(column, given, place) for column in (given.outcome, -given.values[:, place])]
        scores = [Clustered.of(_with(fit, column), given.clusters).scores("CR0") for column in restricted]
        own = sums.gram[:, sums.own, : fit.k]  # (G, k, k) x'Wx by cluster
        score = np.stack(scores)
        groups = len(sums.gram)
        factor = groups / (groups - 1) * (fit.n - 1) / (fit.n - fit.k)
        return cls(
            value=float(coefficients[place]),
            std_error=sqrt(variance),
            factor=factor,
            shift=score @ turned,
            score=score,
            pull=own @ turned,
        )

    def scores(self, v: Floats) -> tuple[Floats, Floats]:
        """(b, G) twice: each cluster's part of the draw's own error under multipliers ``v`` (b, G), at 0 and per step."""
        groups, k = self.pull.shape
        if groups <= FEW * k:
            both = v @ self._each
            return both[:, :groups], both[:, groups:]
        first, second = (
            v * shift - v @ score @ self.pull.T for shift, score in zip(self.shift, self.score, strict=True)
        )
        return first, second

    @cached_property
    def _each(self) -> Floats:
        """(G, 2 G) the same as one matrix, cheaper while clusters are few beside the columns."""
        return np.hstack([np.diag(s) - x @ self.pull.T for s, x in zip(self.shift, self.score, strict=True)])


@dataclass(frozen=True, eq=False, kw_only=True)
class Draws:
    """t of every draw as a function of the hypothesis: (level + slope v) / sqrt(v0 + v1 v + v2 v^2), five (B,) arrays."""

    tested: Tested
    exact: bool
    top: Floats  # (2, B)
    spread: Floats  # (3, B)

    @classmethod
    def of(cls, tested: Tested, chunks: Iterator[Floats], *, exact: bool) -> Draws:
        """Every chunk (b, G) of multipliers."""
        tops, spreads = [], []
        for v in (chunk[start : start + AT_ONCE] for chunk in chunks for start in range(0, len(chunk), AT_ONCE)):
            tops.append(tested.shift @ v.T)
            a, b = tested.scores(v)
            products = [np.einsum("bg,bg->b", *pair) for pair in ((a, a), (a, b), (b, b))]
            spreads.append(np.stack([products[0], 2 * products[1], products[2]]) * tested.factor)
        return cls(tested=tested, exact=exact, top=np.hstack(tops), spread=np.hstack(spreads))

    def p_value(self, value: float, sides: Sides) -> float:
        """The p-value of the hypothesis ``value``; a draw without variance counts as extreme."""
        own = (self.tested.value - value) / self.tested.std_error
        variance = np.maximum(self.spread[0] + value * (self.spread[1] + value * self.spread[2]), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (self.top[0] + value * self.top[1]) / np.sqrt(variance)
        undefined = ~np.isfinite(t)
        slack = TIES * max(abs(own), 1.0)
        if sides == "symmetric":
            return self._share(int(np.count_nonzero((np.abs(t) >= abs(own) - slack) | undefined)))
        above = self._share(int(np.count_nonzero((t >= own - slack) | undefined)))
        below = self._share(int(np.count_nonzero((t <= own + slack) | undefined)))
        if sides == "equal_tailed":
            return min(1.0, 2 * min(above, below))
        return above if sides == "greater" else below

    def _share(self, extreme: int) -> float:
        draws = len(self.top[0])
        return extreme / draws if self.exact else (1 + extreme) / (1 + draws)

    def accepted(self, sides: Sides, alpha: float) -> tuple[float, float]:
        """Ends of the values around the estimate that are not rejected; the nearest rejection on either side ends it."""
        low = -inf if sides == "less" else self._end(-1, sides, alpha)
        high = inf if sides == "greater" else self._end(1, sides, alpha)
        return low, high

    def _end(self, direction: int, sides: Sides, alpha: float) -> float:
        """The first value that is rejected going out from the estimate, by doubling steps and then halving."""
        start, step = self.tested.value, self.tested.std_error

        def rejected(distance: float) -> bool:
            return self.p_value(start + direction * distance, sides) <= alpha

        inner, outer = 0.0, step / 4
        while not rejected(outer):
            inner, outer = outer, outer + max(outer / 2, step / 4)
            if outer > 1e6 * step:
                return inf if direction > 0 else -inf
        return start + direction * _halved(rejected, inner, outer)


def patterns(groups: int) -> Iterator[Floats]:
    """All 2^groups patterns of -1 and 1, in chunks (b, groups)."""
    bits = np.arange(groups)
    for start in range(0, 2**groups, ROWS):
        numbers = np.arange(start, min(start + ROWS, 2**groups))
        yield np.where(numbers[:, None] >> bits & 1, 1.0, -1.0)


def drawn(groups: int, draws: int, signs: Signs, rng: np.random.Generator | None) -> Iterator[Floats]:
    """Independent multipliers with mean 0 and variance 1, in chunks of fixed size (b, groups)."""
    assert rng is not None
    for start in range(0, draws, ROWS):
        size = min(ROWS, draws - start)
        if signs == "webb":
            yield SIX[rng.integers(6, size=(size, groups), dtype=np.int8)]
        else:  # every bit of a byte is a sign
            bits = rng.integers(256, size=(size, -(-groups // 8)), dtype=np.uint8)
            yield np.unpackbits(bits, axis=1, count=groups).astype(np.float64) * 2 - 1


def _without(column: Floats, given: Columns, place: int) -> Floats:
    """What is left of a column after the regression on all others than the one tested."""
    rest = np.delete(given.values, place, axis=1)
    if rest.shape[1] == 0:
        return column
    names = given.names[:place] + given.names[place + 1 :]
    x, _ = orthonormal(rest, given.weights, names)
    weighted = x if given.weights is None else x * given.weights[:, None]
    return column - x @ (weighted.T @ column)


def _with(fit: Fit, residual: Floats) -> Fit:
    return Fit(x=fit.x, back=fit.back, residual=residual, weights=fit.weights)


def _halved(rejected: Callable[[float], bool], inner: float, outer: float) -> float:
    for _ in range(60):
        middle = (inner + outer) / 2
        inner, outer = (inner, middle) if rejected(middle) else (middle, outer)
    return outer


def _check_varies(variance: float, term: str) -> None:
    if not variance > 0:
        raise EstimateError(
            f"The regression leaves nothing unexplained, so {term!r} has no error and signs of residuals change "
            "nothing. Check the columns: one of them may be the outcome.",
            {"term": term},
            da=f"Regressionen efterlader intet uforklaret, så {term!r} har ingen usikkerhed, og skiftende fortegn "
            "ændrer intet. Tjek kolonnerne: en af dem kan være selve udfaldet.",
        )


def _no_clusters() -> EstimateError:
    return EstimateError(
        "A cluster bootstrap turns the signs of whole clusters, and no clusters were given. Give one label per row.",
        da="En klyngebootstrap vender fortegn for hele klynger, og der er ikke angivet nogen. Giv ét navn pr. række.",
    )


def _no_generator(draws: int) -> EstimateError:
    return EstimateError(
        f"{draws:,} draws need a generator, and none is made in secret: the answer must be the same again. Pass "
        "rng=numpy.random.default_rng(seed).",
        {"draws": draws},
        da=f"{draws} trækninger kræver en talgenerator, og der laves ingen i det skjulte: svaret skal kunne gentages. "
        "Angiv rng=numpy.random.default_rng(frø).",
    )


__all__ = ["Draws", "Sides", "Signs", "WildBootstrap", "wild_bootstrap"]
