"""Balance: whether the arms began alike, by the lot that made them.

Arms drawn by lot differ only by chance, so a small p-value here is no reason to adjust or to draw again.  The table says
how far apart chance put them; the omnibus test says whether the lot ran as it was described.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from math import nan, sqrt
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, f, ks_2samp, norm

from trialkit.errors import EstimateError
from trialkit.estimate.arms import aligned, indicator
from trialkit.estimate.drawn import ENUMERATED, Drawn
from trialkit.estimate.given import by_name, labelled, numbers, one_of, same_rows
from trialkit.estimate.randomization import RandomizationTest, randomization_test

if TYPE_CHECKING:
    import pandas as pd

    from trialkit.design.assignment import Assignment
    from trialkit.design.base import Codes, Design

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]
Weights = Literal["harmonic", "treated"]

RANK: Final = 1e-9  # eigenvalues of the correlation matrix below this share of the largest are 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariate:
    """One covariate in the two arms, in its own units where nothing else is said.

    Parameters
    ----------
    mean_new, mean_usual, difference : with blocks, block means weighted as asked
    std_difference : over the standard deviation pooled within arms (n - 1), blocks ignored in the denominator
    std_average, std_overall, std_usual : over the root of the arms' mean variance, the standard deviation of all, and
        that of the usual arm
    null_sd : the standard deviation of the difference over all draws; with clusters, of the difference in totals
    z, p_value : the difference (with clusters, of cluster totals) over ``null_sd``; two-sided normal, not adjusted
    variance_ratio : new over usual
    welch_t : the t statistic with unequal variances
    ks : the largest gap between the arms' distribution functions
    """

    variable: str
    mean_new: float
    mean_usual: float
    difference: float
    std_difference: float
    std_average: float
    std_overall: float
    std_usual: float
    null_sd: float
    z: float
    p_value: float
    variance_ratio: float
    welch_t: float
    ks: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Balance:
    """How alike two arms began.

    Parameters
    ----------
    rows : one per covariate
    d2, df, p_value : the omnibus statistic of Hansen and Bowers, its rank, and its chi-square p-value: an approximation
        that supposes a draw without a balance rule
    f_statistic, p_f : the F test of the arm on the covariates; nan with blocks or clusters
    test : the same omnibus statistic through the design's own lot; None where no design was given
    """

    rows: tuple[Covariate, ...]
    d2: float
    df: int
    p_value: float
    f_statistic: float
    p_f: float
    test: RandomizationTest | None = None

    def to_frame(self) -> pd.DataFrame:
        """One row per covariate."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    def summary(self) -> str:
        """The omnibus test in one line; through the design where there is one."""
        text = f"{len(self.rows)} covariates: d2 = {self.d2:.3g} on {self.df} degrees of freedom"
        if self.test is None:
            return f"{text}, p = {self.p_value:.3g} (chi-square)"
        n, error = self.test.estimate.n_allocations, self.test.estimate.mc_error
        how = f"all {n:,} allocations" if self.test.exact else f"{n:,} drawn allocations, Monte Carlo error {error:.2g}"
        return f"{text}, p = {self.test.p_value:.3g} ({how})"


def balance(
    covariates: Mapping[str, ArrayLike],
    treated: ArrayLike,
    *,
    blocks: Sequence[str] | None = None,
    clusters: Sequence[str] | None = None,
    weights: Weights = "harmonic",
) -> Balance:
    """The table of covariates by arm, with the omnibus test by its chi-square approximation.

    Parameters
    ----------
    covariates : name -> (n,) float, without gaps
    treated : (n,) bool, the new arm
    blocks : (n,) names, optional; the difference is then within blocks
    clusters : (n,) names, optional; whole clusters were drawn.  The omnibus test is of cluster totals and, if clusters
        differ in size, of their sizes too.
    weights : ``harmonic`` weighs blocks n1 n0 / (n1 + n0), as the test does; ``treated`` by their units in the new arm

    Raises
    ------
    EstimateError
        Shapes that differ, a gap, an arm without units in every block, a cluster in two arms.

    References
    ----------
    Hansen and Bowers (2008), doi:10.1214/08-STS254, sections 2.2 and 3.1 (clusters, d2 and its weights).
    """
    one_of(weights, get_args(Weights), "weights")
    covariates = by_name(covariates, "covariates")
    table = _Table.of(covariates, treated, blocks, clusters)
    found = table.omnibus()
    sizes = float(table.units)
    plain = blocks is None and clusters is None
    df = found.rank
    r2 = found.d2 / (sizes - 1) if sizes > 1 else nan
    left = sizes - 1 - df
    ratio = (r2 / df) / ((1 - r2) / left) if plain and df and left > 0 and r2 < 1 else nan
    return Balance(
        rows=tuple(table.row(k, name, weights, found) for k, name in enumerate(covariates)),
        d2=found.d2,
        df=df,
        p_value=float(chi2.sf(found.d2, df)) if df else 1.0,
        f_statistic=ratio,
        p_f=float(f.sf(ratio, df, left)) if ratio == ratio else nan,
    )


def balance_test(
    design: Design,
    drawn: Assignment | Sequence[str] | Codes,
    covariates: Mapping[str, Floats],
    *,
    compare: tuple[str, str],
    weights: Weights = "harmonic",
    most: int = ENUMERATED,
    draws: int = 0,
    rng: np.random.Generator | None = None,
) -> Balance:
    """The table, with the omnibus test through the design's own lot: exact where all allocations can be gone through.

    Parameters
    ----------
    design, drawn : what was drawn from, and what the lot gave
    covariates : name -> (n_units,) float, or (n_items,) for one value per cluster
    compare : the new and the usual label
    weights : as `balance`
    most, draws, rng : as in `trialkit.estimate.randomization.randomization_test`

    Returns
    -------
    Balance
        ``test.p_value`` is the share of allocations with a d2 at least as large; it holds for every design, also under
        a balance rule, where the chi-square does not.

    Raises
    ------
    EstimateError
        As `randomization_test` and `balance`.

    References
    ----------
    Hansen and Bowers (2008), doi:10.1214/08-STS254, section 3.1.
    """
    lot = Drawn.of(design, drawn)
    named = by_name(covariates, "covariates")
    new, usual = lot.arms(compare)
    per_unit = {name: aligned(lot, values, name=name) for name, values in named.items()}
    if not per_unit:
        raise _nothing()
    item = next(iter(per_unit.values()))[1]
    codes = lot.codes[item]
    kept = lot.free[item] & np.isin(codes, [new, usual])
    found = balance(
        {name: values[kept] for name, (values, _) in per_unit.items()},
        codes[kept] == new,
        blocks=lot.blocks[item][kept].astype(str).tolist() if len(set(lot.blocks[lot.free])) > 1 else None,
        clusters=item[kept].astype(str).tolist() if len(np.unique(item[kept])) < kept.sum() else None,
        weights=weights,
    )
    statistic = HansenBowers(covariates=covariates, compare=compare)
    test = randomization_test(
        design, drawn, statistic, unit="d2", term="balance", sides="greater", interval=False, most=most, draws=draws,
        rng=rng,
    )  # fmt: skip
    return Balance(**{**vars(found), "test": test})


@dataclass(frozen=True, eq=False, kw_only=True)
class HansenBowers:
    """The omnibus statistic d2, for `trialkit.estimate.randomization.randomization_test` with ``sides="greater"``.

    Parameters
    ----------
    covariates : name -> (n_units,) or (n_items,) float
    compare : the new and the usual label
    """

    covariates: Mapping[str, Floats]
    compare: tuple[str, str]

    def bind(self, drawn: Drawn) -> Omnibus:
        """The statistic of what was drawn.

        Raises
        ------
        EstimateError
            No covariate, a gap or another length, or an unknown label.
        """
        covariates = by_name(self.covariates, "covariates")
        if not covariates:
            raise _nothing()
        new, usual = drawn.arms(self.compare)
        columns, sizes = [], np.ones(len(drawn.design.items))
        for name, values in covariates.items():
            x, item = aligned(drawn, values, name=name)
            sizes = np.bincount(item, minlength=sizes.size).astype(np.float64)
            columns.append(np.bincount(item, x, minlength=sizes.size))
        table = _with_sizes(np.stack(columns, axis=1), sizes, drawn.free)
        return Omnibus(drawn=drawn, new=new, usual=usual, x=table[drawn.free], n_units=int(sizes[drawn.free].sum()))


@dataclass(frozen=True, eq=False, kw_only=True)
class Omnibus:
    """`HansenBowers`, bound; satisfies `trialkit.estimate.arms.Bound`."""

    drawn: Drawn
    new: int
    usual: int
    x: Floats  # (n_free, p) totals per drawn item
    n_units: int
    name: str = "omnibus balance d2 (Hansen and Bowers)"
    centre: float | None = None
    estimate: float = nan
    std_error: float = nan

    @cached_property
    def block(self) -> Ints:
        """(n_free,) the number of each item's block."""
        return np.unique(self.drawn.blocks[self.drawn.free], return_inverse=True)[1].ravel()

    def size(self, tau: float) -> float:
        """d2 is of the size of its degrees of freedom."""
        return float(self.x.shape[1])

    def values(self, codes: Codes, tau: float = 0.0) -> Floats:
        """(k,) d2 of each allocation; an effect on a covariate has no meaning, so ``tau`` changes nothing."""
        free = codes[:, self.drawn.free]
        found = _differences(self.x, indicator(free, self.new), indicator(free, self.usual), self.block)
        return found.d2()

    def with_noise(self, rng: np.random.Generator) -> Omnibus:
        """Made-up covariates."""
        return Omnibus(
            drawn=self.drawn, new=self.new, usual=self.usual, x=rng.normal(size=self.x.shape), n_units=self.n_units
        )


class _Omnibus(NamedTuple):
    """d2 of one allocation with what it is made of: (p,) weighted differences and their variances."""

    d2: float
    rank: int
    differences: Floats
    variances: Floats
    weight: float


@dataclass(frozen=True, eq=False)
class _Differences:
    """Weighted differences (p, k), block weights (blocks, k) and each block's covariance (blocks, p, p)."""

    top: Floats
    weight: Floats
    spread: Floats

    def d2(self) -> Floats:
        """(k,) top' V^+ top, with one inverse for all allocations of the same weights."""
        found = np.empty(self.top.shape[1])
        kinds, group = np.unique(np.round(self.weight, 12), axis=1, return_inverse=True)
        for number in range(kinds.shape[1]):
            here = group.ravel() == number
            inverse, _ = self.inverse(kinds[:, number])
            found[here] = np.einsum("pk,pq,qk->k", self.top[:, here], inverse, self.top[:, here])
        return found

    def inverse(self, weight: Floats) -> tuple[Floats, int]:
        """The pseudo-inverse of the covariance of the differences, and its rank."""
        variance = np.tensordot(weight, self.spread, axes=1)
        scale = np.sqrt(np.diag(variance))
        flat = scale <= 1e-12 * max(float(scale.max(initial=0.0)), 1e-300)
        scale = np.where(flat, np.inf, scale)
        values, vectors = np.linalg.eigh(variance / np.outer(scale, scale))
        kept = values > RANK * max(float(values.max(initial=0.0)), 1e-300)
        inner = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
        return inner / np.outer(scale, scale), int(kept.sum())


def _differences(x: Floats, new: Floats, usual: Floats, block: Ints) -> _Differences:
    """Of ``x`` (n, p) between arms given as (n, k) indicators, within blocks weighted n1 n0 / (n1 + n0)."""
    blocks = int(block.max(initial=0)) + 1
    top = np.zeros((x.shape[1], new.shape[1]))
    weight, spread = np.zeros((blocks, new.shape[1])), np.zeros((blocks, x.shape[1], x.shape[1]))
    for b in range(blocks):
        here = block == b
        inside = x[here] - x[here].mean(axis=0)
        n1, n0 = new[here].sum(axis=0), usual[here].sum(axis=0)
        both = (n1 > 0) & (n0 > 0)
        weight[b] = np.where(both, n1 * n0 / np.maximum(n1 + n0, 1), 0.0)
        gap = inside.T @ new[here] / np.maximum(n1, 1) - inside.T @ usual[here] / np.maximum(n0, 1)
        top += weight[b] * gap
        if len(inside) > 1:
            spread[b] = inside.T @ inside / (len(inside) - 1)
    return _Differences(top, weight, spread)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Table:
    """Covariates per unit, and their totals per item that was drawn."""

    x: Floats  # (n, p)
    z: Bools  # (n,)
    block: Ints  # (n,)
    item: Ints  # (n,)

    @classmethod
    def of(
        cls,
        covariates: Mapping[str, ArrayLike],
        treated: ArrayLike,
        blocks: Sequence[str] | None,
        clusters: Sequence[str] | None,
    ) -> _Table:
        covariates = by_name(covariates, "covariates")
        if not covariates:
            raise _nothing()
        same_rows({"treated": treated, "blocks": blocks, "clusters": clusters, **covariates})
        z = np.asarray(treated)
        columns = [numbers(values, name) for name, values in covariates.items()]
        names = [np.zeros(z.shape, int) if blocks is None else labelled(blocks, "blocks")]
        names.append(np.arange(z.size) if clusters is None else labelled(clusters, "clusters"))
        if any(column.shape != z.shape for column in (*columns, *names)) or z.ndim != 1 or z.dtype != bool:
            raise _misfit("one value per unit, and True or False for the arm", "ét tal pr. enhed og sandt eller falsk")
        x = np.stack(columns, axis=1)
        if not np.isfinite(x).all():
            raise _misfit("no gaps", "ingen huller")
        block, item = (np.unique(one, return_inverse=True)[1].ravel() for one in names)
        first = np.unique(item, return_index=True)[1]
        if not (np.array_equal(z, z[first][item]) and np.array_equal(block, block[first][item])):
            raise _misfit("every cluster whole in one arm and one block", "hver klynge samlet i én gruppe og én blok")
        found = cls(x=x, z=z, block=block, item=item)
        if not found._within.any():
            raise _misfit("both arms in at least one block", "begge grupper i mindst én blok")
        return found

    @property
    def units(self) -> int:
        """How many."""
        return int(self.z.size)

    @cached_property
    def _within(self) -> Floats:
        """(blocks, 2) units per block in the new and the usual arm."""
        count = int(self.block.max()) + 1
        found = [np.bincount(self.block[arm], minlength=count) for arm in (self.z, ~self.z)]
        both = np.stack(found, axis=1).astype(np.float64)
        return np.where(both.min(axis=1, keepdims=True) > 0, both, 0.0)

    def omnibus(self) -> _Omnibus:
        """d2 of cluster totals; of the units themselves without clusters."""
        first = np.unique(self.item, return_index=True)[1]
        sizes: Floats = np.bincount(self.item).astype(np.float64)
        totals: Floats = np.stack([np.bincount(self.item, column) for column in self.x.T], axis=1).astype(np.float64)
        table = _with_sizes(totals, sizes, np.ones(sizes.size, bool))
        new = self.z[first].astype(np.float64)[:, None]
        found = _differences(table, new, 1 - new, self.block[first])
        _, rank = found.inverse(found.weight[:, 0])
        variances = np.diag(np.tensordot(found.weight[:, 0], found.spread, axes=1))
        return _Omnibus(float(found.d2()[0]), rank, found.top[:, 0], variances, float(found.weight.sum()))

    def row(self, k: int, name: str, weights: Weights, omnibus: _Omnibus) -> Covariate:
        """One covariate."""
        x, z = self.x[:, k], self.z
        n1, n0 = self._within.T
        weight = n1 * n0 / np.maximum(n1 + n0, 1) if weights == "harmonic" else n1
        share = weight / weight.sum()
        new, usual = (
            float(share @ (np.bincount(self.block[arm], x[arm], minlength=share.size) / np.maximum(n, 1)))
            for arm, n in ((z, n1), (~z, n0))
        )
        s1, s0 = (float(x[arm].var(ddof=1)) if arm.sum() > 1 else nan for arm in (z, ~z))
        m, n = int(z.sum()), int((~z).sum())
        pooled = ((m - 1) * s1 + (n - 1) * s0) / (m + n - 2) if m + n > 2 else nan
        gap, null_sd = new - usual, sqrt(omnibus.variances[k]) / omnibus.weight
        score = omnibus.differences[k] / sqrt(omnibus.variances[k]) if omnibus.variances[k] > 0 else 0.0
        return Covariate(
            variable=name,
            mean_new=new,
            mean_usual=usual,
            difference=gap,
            std_difference=_over(gap, pooled),
            std_average=_over(gap, (s1 + s0) / 2),
            std_overall=_over(gap, float(x.var(ddof=1))),
            std_usual=_over(gap, s0),
            null_sd=null_sd,
            z=score,
            p_value=float(2 * norm.sf(abs(score))),
            variance_ratio=s1 / s0 if s0 > 0 else nan,
            welch_t=_over(float(x[z].mean() - x[~z].mean()), s1 / m + s0 / n),
            ks=float(ks_2samp(x[z], x[~z], method="asymp").statistic),
        )


def _over(gap: float, variance: float) -> float:
    return gap / sqrt(variance) if variance > 0 else nan


def _with_sizes(totals: Floats, sizes: Floats, used: Bools) -> Floats:
    """Totals, and the clusters' sizes beside them where those differ: a lot over clusters draws them too."""
    return np.column_stack([totals, sizes]) if np.ptp(sizes[used]) > 0 else totals


def _nothing() -> EstimateError:
    return EstimateError(
        "No covariate was given, so there is nothing to compare. Name at least one.",
        da="Der er ikke angivet nogen kovariat, så der er intet at sammenligne. Angiv mindst én.",
    )


def _misfit(needed: str, da: str) -> EstimateError:
    return EstimateError(
        f"Balance needs {needed}; otherwise one unit's covariates would be counted in another's place. Correct the "
        "columns.",
        {"needed": needed},
        da=f"En balancetabel kræver {da}; ellers tælles én enheds tal med en andens. Ret kolonnerne.",
    )


__all__ = ["Balance", "Covariate", "HansenBowers", "Omnibus", "balance", "balance_test"]
