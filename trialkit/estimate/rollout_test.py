"""The randomization test of a staggered rollout: the estimate under every order the lot could have given.

A contrast of cohort means weighs a unit's outcomes by coefficients that depend on its cohort alone.  So each unit has
one number per cohort it could have been in, made once; under any allocation the estimate and Neyman's error are sums
of these numbers, at a cost that does not depend on the number of periods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.design.base import Codes
from trialkit.errors import EstimateError
from trialkit.estimate.cohorts import Bools, Floats, Ints, balanced, check_columns, clustered, sized, timing, unknown
from trialkit.estimate.curves import NOTHING, Curves
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.event_study import Estimand, contrasts, weights
from trialkit.estimate.given import by_unit
from trialkit.estimate.rollout_strata import RULES, Method, beta_of, taking_part

KEPT: Final = 200_000  # allocations whose sums are kept: 160 bytes each and stratum


@dataclass(frozen=True, eq=False, kw_only=True)
class StaggeredContrast:
    """The estimate of `staggered` as a statistic of `randomization_test`.

    Parameters
    ----------
    outcome : (n_units, t) float
        In the order of the design's units; with timing drawn for clusters, rows are gathered as ``per`` says.
    starts : one per label of the design, in the order of its ``label_names``; 0, nan, infinity or None for never
    periods : (t,) ascending numbers
    estimand, method, beta, common_beta : as in `staggered`; ``all_placebos`` is refused
    studentized : bool
        Over Neyman's error of each re-assignment; otherwise the estimate itself.
    per : ``cluster`` or ``unit``
    sizes : (n_units,) what each unit's outcome is a mean over, as in `staggered`; then ``per`` is left alone

    References
    ----------
    Roth and Sant'Anna (2023), doi:10.1086/726581, section 3.5: a permutation test that is exact under no effect for
    anybody, and for the average effect in large samples if studentized.
    """

    outcome: ArrayLike
    starts: Sequence[float | None]
    periods: ArrayLike | None = None
    estimand: Estimand = "simple"
    method: Method = "efficient"
    beta: float | None = None
    common_beta: bool = True
    studentized: bool = True
    per: str = "cluster"
    sizes: ArrayLike | None = None

    def bind(self, drawn: Drawn) -> Efficient | FixedBeta:
        """The statistic of what was drawn; of a beta that is given its curve in the effect is known.

        Raises
        ------
        EstimateError
            A wrong number of starts, wave sizes that the lot itself draws, or nothing to compare.
        """
        beta = beta_of(self.method, self.beta)
        if len(self.starts) != len(drawn.design.label_names) or not drawn.steady or self.method == "all_placebos":
            raise _unfit(drawn, len(self.starts))
        y, _ = rows_of(drawn, by_design(drawn, self.outcome, self.periods), self.per, self.sizes)
        first, _ = timing(np.array(self.starts, object), self.periods, y.shape[1], names=drawn.design.label_names)
        tables = _tables(drawn, y, first, self)
        words = RULES[self.method].words + (" over Neyman's error" if self.studentized else "")
        if beta is not None:
            return FixedBeta(drawn=drawn, tables=tables, beta=beta, studentized=self.studentized, name=words)
        return Efficient(drawn=drawn, tables=tables, common=self.common_beta, studentized=self.studentized, name=words)


class Table(NamedTuple):
    """One stratum: who it holds, and what each is worth in each cohort it could have been in."""

    share: float
    items: NDArray[np.intp]  # (m,)
    labels: tuple[tuple[int, ...], ...]  # labels of each cohort: two that start in the same period are one
    sizes: Ints  # (c,)
    weigh: Floats  # (m,): 1, or size over its mean
    rows: Floats  # (c, 2, t): coefficients of the effect and of the comparison before
    scores: Floats  # (c, 4, m): effect and before of the outcome, effect and before of having started


class Sums(NamedTuple):
    """(4, k) the contrasts, and (4, 4, k) Neyman's covariances, under each allocation, of one stratum."""

    value: Floats
    spread: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Efficient:
    """The contrast with beta found anew under every allocation, bound; satisfies `trialkit.estimate.arms.Bound`."""

    drawn: Drawn
    tables: tuple[Table, ...]
    studentized: bool
    name: str
    common: bool = True
    centre: float | None = None
    _kept: list[tuple[Codes, list[tuple[float, Sums]]]] = field(default_factory=list, repr=False)

    @property
    def n_units(self) -> int:
        """Units that were drawn."""
        return int(self.drawn.units_per_item[np.concatenate([t.items for t in self.tables])].sum())

    @property
    def estimate(self) -> float:
        """The effect found."""
        return float(self._judged(self.drawn.codes[None, :], 0.0)[0][0])

    @property
    def std_error(self) -> float:
        """Neyman's."""
        return float(np.sqrt(self._judged(self.drawn.codes[None, :], 0.0)[1][0]))

    @cached_property
    def largest(self) -> float:
        """What rounding is measured against."""
        return max(float(np.abs(t.scores[:, :2]).max(initial=0.0)) for t in self.tables) or 1.0

    def size(self, tau: float) -> float:
        """Of the statistic; a studentized one is measured against itself."""
        return 1.0 if self.studentized else self.largest + abs(tau)

    def values(self, codes: Codes, tau: float = 0.0) -> Floats:
        """(k,) the statistic if the effect were ``tau`` for every unit in every treated period."""
        top, variance = self._judged(codes, tau)
        if not self.studentized:
            return top
        flat = variance <= NOTHING * (self.largest + abs(tau)) ** 2
        ends = np.where(np.abs(top) <= 1e-9 * (self.largest + abs(tau)), 0.0, np.copysign(np.inf, top))
        found: Floats = np.where(flat, ends, top / np.sqrt(np.where(flat, 1.0, variance)))
        return found

    def with_noise(self, rng: np.random.Generator) -> Self:
        """Made-up outcomes."""
        made = [t._replace(scores=_noisy(t, rng)) for t in self.tables]
        return replace(self, tables=tuple(made), _kept=[])

    def _sums(self, codes: Codes) -> list[tuple[float, Sums]]:
        """Per stratum; kept for the chunks of a reference set, which come again for every hypothesised effect."""
        for known, found in self._kept:
            if known is codes:
                return found
        found = [(t.share, _sums(t, codes[:, t.items])) for t in self.tables]
        if len(codes) > 1 and sum(len(known) for known, _ in self._kept) + len(codes) <= KEPT:
            self._kept.append((codes, found))
        return found

    def _judged(self, codes: Codes, tau: float) -> tuple[Floats, Floats]:
        """(k,) the estimate less the hypothesised effect's part, and its variance."""
        turn = np.array([[1.0, 0.0, -tau, 0.0], [0.0, 1.0, 0.0, -tau]])
        each = [
            (share * (turn @ found.value), share**2 * np.einsum("ai,ijk,bj->abk", turn, found.spread, turn))
            for share, found in self._sums(codes)
        ]
        if self.common:
            each = [(sum(top for top, _ in each), sum(spread for _, spread in each))]  # type: ignore[list-item]
        value, variance = np.zeros(len(codes)), np.zeros(len(codes))
        for (effect, x), spread in each:
            beta = np.divide(spread[0, 1], spread[1, 1], out=np.zeros_like(x), where=spread[1, 1] > 0)
            value += effect - beta * x
            variance += spread[0, 0] - 2 * beta * spread[0, 1] + beta**2 * spread[1, 1]
        return value, variance


@dataclass(frozen=True, eq=False, kw_only=True)
class FixedBeta(Efficient):
    """The contrast with a given beta: straight in the effect; satisfies `trialkit.estimate.arms.Straight`."""

    beta: float = 1.0
    monotone: bool = False

    def values(self, codes: Codes, tau: float = 0.0) -> Floats:
        """(k,) the statistic."""
        return self.curves(codes).at(tau)

    def _judged(self, codes: Codes, tau: float) -> tuple[Floats, Floats]:
        curves = self._curves(codes)
        assert curves.variance is not None
        return curves.level - curves.slope * tau, np.array([1.0, tau, tau**2]) @ curves.variance

    def curves(self, codes: Codes) -> Curves:
        """The statistic under each allocation as a function of the effect."""
        found = self._curves(codes)
        return found if self.studentized else found.lines()

    def _curves(self, codes: Codes) -> Curves:
        level, slope, variance = np.zeros(len(codes)), np.zeros(len(codes)), np.zeros((3, len(codes)))
        turn = np.array([[1.0, -self.beta, 0.0, 0.0], [0.0, 0.0, 1.0, -self.beta]])
        for share, found in self._sums(codes):
            (y, z), spread = turn @ found.value, np.einsum("ai,ijk,bj->abk", turn, found.spread, turn)
            level, slope = level + share * y, slope + share * z
            variance += share**2 * np.stack([spread[0, 0], -2 * spread[0, 1], spread[1, 1]])
        return Curves(level=level, slope=slope, variance=variance, size=self.largest)


def unit_ids(drawn: Drawn) -> Sequence[str]:
    """The design's units, in order."""
    units = getattr(drawn.design, "units", None)
    return drawn.design.items if units is None else tuple(units.ids)


def check_labels(starts: object, known: Sequence[str]) -> None:
    """Refuse starts that are not by label, or of labels that the design does not have."""
    named = isinstance(starts, Mapping)
    odd = [str(label) for label in starts if label not in known] if isinstance(starts, Mapping) else []
    if not named or odd:
        said = f"starts name {', '.join(odd)}" if named else f"starts are a {type(starts).__name__}"
        sagt = f"starts nævner {', '.join(odd)}" if named else f"starts er {type(starts).__name__}"
        raise EstimateError(
            f"{said}, and the design's labels are {', '.join(known)}. Give a dictionary from these labels to starts.",
            {"labels": odd, "known": list(known)},
            da=f"{sagt}, og designets bølger hedder {', '.join(known)}. Giv en dictionary fra bølgerne til deres start.",
        )


def by_design(drawn: Drawn, outcome: ArrayLike, periods: ArrayLike | None) -> Floats:
    """(n_units, t) outcomes in the order of the design's units, whatever order a table has them in.

    Raises
    ------
    EstimateError
        A table labelled by others than the units, or in another order of periods.
    PanelError
        A gap.
    """
    check_columns(outcome, periods)
    return balanced(by_unit(outcome, unit_ids(drawn), "outcome"))


def items_of(drawn: Drawn, outcome: Floats, per: str) -> Floats:
    """(n_items, t) one row per unit or cluster that the lot fell on.

    ``per="unit"`` scales totals by the mean cluster size of the cluster's own stratum, so that every stratum's mean
    over clusters is its mean over units.

    Raises
    ------
    EstimateError
        Another number of rows than units, or an unknown ``per``.
    """
    item = np.asarray(drawn.design.item_of_unit)
    if len(outcome) != item.size:
        raise EstimateError(
            f"{len(outcome)} rows of outcomes for the design's {item.size} units; a shifted row would credit one unit "
            "with another's outcome. Give one row per unit, in the design's order.",
            {"rows": len(outcome), "units": int(item.size)},
            da=f"{len(outcome)} rækker udfald til designets {item.size} enheder; en forskudt række giver én enhed en "
            "andens tal. Giv én række pr. enhed i designets rækkefølge.",
        )
    found = clustered(outcome, item, per=per)
    if per == "unit":
        sizes = drawn.units_per_item.astype(np.float64)
        for block in np.unique(drawn.blocks):
            here = (drawn.blocks == block) & drawn.free
            found[here] *= sizes.mean() / (sizes[here].mean() if here.any() else 1.0)
    return found


def rows_of(drawn: Drawn, outcome: Floats, per: str, sizes: ArrayLike | None) -> tuple[Floats, Floats | None]:
    """`items_of`; or, with sizes, each item's mean by size and (n_items,) its size.

    Raises
    ------
    EstimateError
        As `items_of`; sizes that are not one per unit and above 0; ``per`` given beside them.
    """
    counted = sized(None if sizes is None else by_unit(sizes, unit_ids(drawn), "sizes"), len(outcome))
    if counted is None:
        return items_of(drawn, outcome, per), None
    if per != "cluster":
        raise unknown("per beside sizes", per, ("sizes alone",))
    item = np.asarray(drawn.design.item_of_unit)
    own = items_of(drawn, counted[:, None], "cluster")[:, 0]  # mean size of the item's units
    return items_of(drawn, outcome * counted[:, None], "cluster") / own[:, None], own * np.bincount(item)


def _tables(drawn: Drawn, y: Floats, first: Ints, asked: StaggeredContrast) -> tuple[Table, ...]:
    rule, found = RULES[asked.method], []
    own = first[drawn.codes][drawn.design.item_of_unit]
    has_started = (np.arange(y.shape[1]) >= own[:, None]).astype(np.float64)
    started, sizes = rows_of(drawn, has_started, asked.per, asked.sizes)
    plain = np.ones(len(drawn.codes))
    counts = sizes if sizes is not None else drawn.units_per_item if asked.per == "unit" else plain
    weigh = plain if sizes is None else sizes
    for block in np.unique(drawn.blocks[drawn.free]):
        items = np.flatnonzero((drawn.blocks == block) & drawn.free)
        starts, n = np.unique(first[drawn.codes[items]], return_counts=True)
        keep: Bools = taking_part(starts, n, before=rule.before)
        starts, n = starts[keep], n[keep].astype(np.int64)
        pair = contrasts(starts, n, weights(starts, n, y.shape[1], asked.estimand), rule.control)
        middle = y[items] - y[items].mean(axis=0)  # each period's contrast sums to 0, so its level drops out
        rows = [[outcome @ a.T for a in pair] for outcome in (middle, started[items])]
        scores = np.stack([one for two in rows for one in two]).transpose(2, 0, 1)
        labels = tuple(tuple(np.flatnonzero(first == start).tolist()) for start in starts)
        share = float(counts[items].sum() / counts[drawn.free].sum())
        by_size = weigh[items] / weigh[items].mean()
        found.append(Table(share, items, labels, n, by_size, np.stack(pair, axis=1), np.ascontiguousarray(scores)))
    return tuple(found)


def _sums(table: Table, codes: Codes) -> Sums:
    """Contrasts and covariances of one stratum under allocations (k, m)."""
    value, spread = np.zeros((4, len(codes))), np.zeros((4, 4, len(codes)))
    (a, b), w = np.triu_indices(4), table.weigh
    for labels, size, scores in zip(table.labels, table.sizes, table.scores, strict=True):
        here = np.isin(codes, labels).astype(np.float64).T  # (m, k)
        middle = scores.mean(axis=1, keepdims=True)
        once = w * (scores - middle)  # sums of squares without cancellation
        found = np.concatenate([[w, w * w], once, w * once, once[a] * once[b]]) @ here
        total, squares, mean, second = found[0], found[1], found[2:6] / found[0], found[6:10]
        value += mean + middle
        left = found[10:] - mean[a] * second[b] - mean[b] * second[a] + mean[a] * mean[b] * squares
        spread[a, b] += left * (size / (size - 1)) / total**2
    spread[b, a] = spread[a, b]
    return Sums(value, spread)


def _noisy(table: Table, rng: np.random.Generator) -> Floats:
    """Scores of made-up outcomes: two cohorts that mirror each other still do."""
    made = table.scores.copy()
    made[:, :2] = table.rows @ rng.normal(size=(table.items.size, table.rows.shape[2])).T
    return made


def _unfit(drawn: Drawn, starts: int) -> EstimateError:
    labels = drawn.design.label_names
    return EstimateError(
        f"The rollout statistic needs one start for each of {len(labels)} labels ({starts} given), waves whose sizes "
        "are fixed beforehand, and a single comparison before the start: without them the estimate of another order is "
        "not defined. Give a start per label, or use another statistic.",
        {"labels": list(labels), "starts": starts, "steady": drawn.steady},
        da=f"Der skal være én start til hver af {len(labels)} bølger ({starts} er angivet), bølgernes størrelse skal "
        "ligge fast på forhånd, og der må kun være én sammenligning før start. Angiv en start pr. bølge, eller brug en "
        "anden teststørrelse.",
    )


__all__ = ["KEPT", "Efficient", "FixedBeta", "StaggeredContrast", "items_of", "rows_of"]
