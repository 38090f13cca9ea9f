"""Made-up stepped wedges by what a mixed model needs of them: cells' means and one sum of squares, never a person.

With people who are new in each cell the mean of a cell and the squares about it are independent: means are normal with
the covariance of `Components.covariances`, and the squares of all cells together are sigma^2 times a chi-square with
people less cells degrees of freedom (Cochran 1934, doi:10.1017/S0305004100016595).  Both are sufficient for every model
whose columns are constant within a cell, so that a study costs the same for 20 people in a cell as for 2,000.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import DesignError
from trialkit.estimate.mixed import Df
from trialkit.estimate.mixed_many import ManyFits, ManyModel, joined
from trialkit.estimate.random_effects import Random
from trialkit.estimate.wedge import TREATED, columns
from trialkit.power.components import Components
from trialkit.power.layout import Layout
from trialkit.power.simulate import Rate
from trialkit.power.wedge_sums import SumsDrawn

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

CHUNK: Final = 5_000  # data sets with one stream: the numbers do not depend on how many are asked for at a time


class CellSets(NamedTuple):
    """Data sets as cells: means (d, cells) and the sum of squares of all people about them (d,)."""

    mean: Floats
    within: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class WedgeWorld:
    """A stepped wedge as a power study believes it: normal outcomes of new people in each cluster and period.

    Parameters
    ----------
    layout : who is observed when, and under which treatment
    components : one value each; ``person`` must be 0, since people who are measured again need their own rows
    effect : in the outcome's unit, of full treatment
    levels : (t,) float
        Mean of each period without the new way.

    Raises
    ------
    DesignError
        A grid of components, people who are measured again, sizes that are not whole, or levels of other periods.
    """

    layout: Layout
    components: Components
    effect: float
    levels: Floats

    def __post_init__(self) -> None:
        sizes = self.layout.sizes
        if self.components.shape != () or self.components.person != 0:
            raise _impossible("components are a grid, or people are measured again", "komponenterne er et gitter")
        if not (sizes == np.floor(sizes)).all() or sizes.sum() <= self.layout.observed.sum():
            raise _impossible("a size is not whole, or every cell has one person", "en størrelse er ikke et helt tal")
        if np.shape(self.levels) != sizes.shape[1:] or not np.isfinite(self.levels).all():
            raise _impossible("levels are not one number per period", "der er ikke ét niveau pr. periode")

    @property
    def sizes(self) -> Ints:
        """(cells,) people in each observed cell, cluster by cluster."""
        return self.layout.sizes[self.layout.observed].astype(np.intp)

    @cached_property
    def cluster(self) -> Ints:
        """(cells,) from 0."""
        return np.nonzero(self.layout.observed)[0]

    @cached_property
    def period(self) -> Ints:
        """(cells,) from 0."""
        return np.nonzero(self.layout.observed)[1]

    @cached_property
    def expected(self) -> Floats:
        """(n, t) mean of each cell."""
        return np.asarray(self.levels + self.effect * self.layout.treated, np.float64)

    def cells(self, n_sets: int, rng: np.random.Generator) -> CellSets:
        """Data sets as means and squares.

        Parameters
        ----------
        n_sets : int
        rng : of the study

        Returns
        -------
        CellSets
        """
        return _stacked([self._chunk(n, np.random.default_rng(seed)) for n, seed in _chunks(n_sets, rng)])

    def persons(self, n_sets: int, rng: np.random.Generator) -> Floats:
        """(d, people) the same world person by person, cell by cell: what `cells` saves, for a check.

        Cluster, cluster-period and person are drawn one by one; a decay or a cluster's own effect is not.
        """
        c = self.components
        if c.treatment != 0 or c.cluster_decay != 1:
            raise _impossible("a decay or a cluster's own effect is drawn by cells only", "kun felter kan trækkes her")
        of_cluster = np.sqrt(c.cluster) * rng.standard_normal((n_sets, len(self.layout.sizes)))
        of_cell = np.sqrt(c.cluster_period) * rng.standard_normal((n_sets, len(self.sizes)))
        mean = self.expected[self.cluster, self.period] + of_cluster[:, self.cluster] + of_cell
        noise = np.sqrt(c.residual) * rng.standard_normal((n_sets, int(self.sizes.sum())))
        return np.asarray(np.repeat(mean, self.sizes, axis=1) + noise, np.float64)

    def fits(
        self, n_sets: int, rng: np.random.Generator, *, random: Random = "nested", df: Df = "Kenward-Roger"
    ) -> ManyFits:
        """Data sets, drawn and fitted: the immediate effect of each.

        Parameters
        ----------
        n_sets, rng : as in `cells`
        random, df : as in `trialkit.estimate.mixed_many.many_mixed_models`; the treatment enters as the layout has it

        Raises
        ------
        EstimateError
            The model cannot be told by this layout.
        """
        model = self._model(random, df)
        drawn = SumsDrawn.of(model.layout, self._shifts(), self._covariance(), float(self.components.residual))
        seeds = _chunks(n_sets, rng)
        return joined([model.of_sums(drawn.sums(n, np.random.default_rng(seed))) for n, seed in seeds])

    def power(
        self, n_sets: int, rng: np.random.Generator, *, random: Random = "nested", df: Df = "Kenward-Roger",
        alpha: float = 0.05,
    ) -> Rate:  # fmt: skip
        """The share of data sets whose effect is seen, two-sided, with its Monte Carlo error."""
        found = self.fits(n_sets, rng, random=random, df=df)
        return Rate.of(int((found.p_value < alpha).sum()), n_sets)

    def _model(self, random: Random, df: Df) -> ManyModel:
        treated = self.layout.treated[self.layout.observed]
        _, *periods = columns(np.ones_like(self.period), self.period).items()
        return ManyModel.of(
            {TREATED: treated, **dict(periods)}, len(self.period), contrast=TREATED, clusters=self.cluster,
            periods=self.period, treated=treated if "treatment" in random else None, sizes=self.sizes, random=random,
            df=df, unit="1",
        )  # fmt: skip

    def _shifts(self) -> Floats:
        """(cells,) what the treatment adds; the periods' own levels move no fit, and are left at 0."""
        return np.asarray(self.effect * self.layout.treated[self.layout.observed], np.float64)

    def _covariance(self) -> Floats:
        """(cells, cells) of the means."""
        each = self.components.covariances(self.layout.treated, self.layout.sizes)
        found = each[self.cluster[:, None], self.period[:, None], self.period]
        return np.asarray(np.where(self.cluster[:, None] == self.cluster, found, 0.0), np.float64)

    @cached_property
    def _roots(self) -> Floats:
        """(n, t, t) of each cluster, upper: normal numbers times it are its means' deviations."""
        found = self.components.covariances(self.layout.treated, self.layout.sizes)
        return np.ascontiguousarray(np.swapaxes(np.linalg.cholesky(found), 1, 2))

    def _chunk(self, n: int, rng: np.random.Generator) -> CellSets:
        clusters, periods = self.layout.sizes.shape
        noise = rng.standard_normal((clusters, n, periods)) @ self._roots
        means = (noise + self.expected[:, None]).transpose(1, 0, 2)
        free = int(self.sizes.sum()) - len(self.sizes)
        within = self.components.residual * rng.chisquare(free, n)
        if self.layout.observed.all():
            return CellSets(means.reshape(n, -1), np.asarray(within, np.float64))
        return CellSets(means[:, self.cluster, self.period], np.asarray(within, np.float64))


def _chunks(n_sets: int, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """How many data sets, and the seed of their stream."""
    seeds = rng.integers(2**63, size=-(-n_sets // CHUNK)).tolist()
    return ((min(CHUNK, n_sets - k * CHUNK), seed) for k, seed in enumerate(seeds))


def _stacked(parts: list[CellSets]) -> CellSets:
    return CellSets(np.concatenate([part.mean for part in parts]), np.concatenate([part.within for part in parts]))


def _impossible(why: str, da: str) -> DesignError:
    return DesignError(
        f"No wedge can be made up so: {why}. Give one value per component, whole numbers of new people per cell (more than "
        "one somewhere), and one level per period.",
        {"reason": why},
        da=f"Sådan kan intet forsøg simuleres: {da}. Angiv én værdi pr. komponent, hele tal af nye personer pr. felt (flere "
        "end én et sted) og ét niveau pr. periode.",
    )


__all__ = ["CellSets", "WedgeWorld"]
