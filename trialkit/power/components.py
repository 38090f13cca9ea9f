"""Who resembles whom, as variances: the random effects behind closed-form power, one value each or a whole grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import DesignError
from trialkit.power.analytic import Correlation

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Components:
    """The variances of a mixed model for people in clusters in periods, in the outcome's unit squared.

    Every field is one number, or an array: arrays are broadcast against each other, and answers have their shape.

    Parameters
    ----------
    cluster : tau^2 of a cluster's own level
    cluster_period : gamma^2 of its level in one period, new in each
    person : psi^2 of a person's own level, where the same people are measured again
    residual : sigma^2 of one measurement
    treatment : eta^2 of a cluster's own effect
    cluster_treatment : rho, correlation of a cluster's level and its effect
    cluster_decay, treatment_decay, person_decay : in [0, 1]
        Correlation of the effect in neighbouring periods, ``decay ** lag`` over more; 1 lasts.
    churn : in [0, 1]
        Share of a cluster's people who are not the same in another period: 0 a closed cohort, 1 new people each time.
    rotating : bool
        False: any two periods share ``1 - churn`` of the people; True: neighbours do, and ``(1 - churn) ** lag`` stay
        over more.

    References
    ----------
    Hooper et al. (2016), doi:10.1002/sim.7028, and Girling & Hemming (2016), doi:10.1002/sim.6850 (cluster, period and
    person); Kasza et al. (2019), doi:10.1177/0962280217734981 (decay); Kasza et al. (2020), doi:10.1002/sim.8519 (open
    cohorts); Hughes et al. (2015), doi:10.1016/j.cct.2015.07.006 (a cluster's own effect).
    """

    residual: float | Floats
    cluster: float | Floats = 0.0
    cluster_period: float | Floats = 0.0
    person: float | Floats = 0.0
    treatment: float | Floats = 0.0
    cluster_treatment: float | Floats = 0.0
    cluster_decay: float | Floats = 1.0
    treatment_decay: float | Floats = 1.0
    person_decay: float | Floats = 1.0
    churn: float | Floats = 0.0
    rotating: bool = False

    def __post_init__(self) -> None:
        for name in _VARIANCES:
            _within(name, getattr(self, name), 0.0, np.inf)
        for name in _SHARES:
            _within(name, getattr(self, name), 0.0, 1.0)
        _within("cluster_treatment", self.cluster_treatment, -1.0, 1.0)

    @classmethod
    def of(cls, correlation: Correlation, *, total: float = 1.0) -> Self:
        """From correlations of one person's total variance."""
        return cls.shares(
            correlation.icc, correlation.cac, iac=correlation.iac, decay=correlation.decay, total=total,
        )  # fmt: skip

    @classmethod
    def shares(
        cls,
        icc: ArrayLike,
        cac: ArrayLike = 1.0,
        *,
        iac: ArrayLike = 0.0,
        decay: bool = False,
        total: ArrayLike = 1.0,
        treatment: ArrayLike = 0.0,
        cluster_treatment: ArrayLike = 0.0,
    ) -> Self:
        """From correlations of one person's total variance, each a number or an array.

        Parameters
        ----------
        icc : correlation of two people of one cluster in one period
        cac : the same over that, between periods (nested exchangeable), or between neighbours with ``decay``
        iac : the same for one person's own part; within a person across periods it is
            ``icc * cac + (1 - icc) * iac``
        total : one person's variance without the treatment's; p (1 - p) for a share
        treatment, cluster_treatment : eta^2 in the outcome's unit squared, and rho
        """
        icc, cac, iac, total = (np.asarray(value, np.float64) for value in (icc, cac, iac, total))
        for name, value in (("icc", icc), ("cac", cac), ("iac", iac)):
            _within(name, value, 0.0, 1.0)
        lasting = np.ones_like(cac) if decay else cac
        return cls(
            cluster=total * icc * lasting,
            cluster_period=total * icc * (1 - lasting),
            person=total * (1 - icc) * iac,
            residual=total * (1 - icc) * (1 - iac),
            treatment=np.asarray(treatment, np.float64),
            cluster_treatment=np.asarray(cluster_treatment, np.float64),
            cluster_decay=cac if decay else 1.0,
        )

    @classmethod
    def deviations(
        cls,
        *,
        sigma: ArrayLike,
        tau: ArrayLike = 0.0,
        gamma: ArrayLike = 0.0,
        psi: ArrayLike = 0.0,
        eta: ArrayLike = 0.0,
        rho: ArrayLike = 0.0,
        ar: ArrayLike = 1.0,
        churn: ArrayLike = 0.0,
    ) -> Self:
        """From standard deviations, as mixed models print them.

        Parameters
        ----------
        sigma, tau, gamma, psi, eta : of a measurement, cluster, cluster-period, person and a cluster's effect
        rho : correlation of tau's and eta's effects
        ar : one number, or three for tau, eta and psi
            Autocorrelation of neighbouring periods.
        churn : share of people who are new, see `Components`
        """
        own = np.broadcast_to(np.asarray(ar, np.float64), (3,))
        square = [np.asarray(value, np.float64) ** 2 for value in (sigma, tau, gamma, psi, eta)]
        return cls(
            residual=square[0], cluster=square[1], cluster_period=square[2], person=square[3], treatment=square[4],
            cluster_treatment=np.asarray(rho, np.float64), churn=np.asarray(churn, np.float64),
            cluster_decay=float(own[0]), treatment_decay=float(own[1]), person_decay=float(own[2]),
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, ...]:
        """The grid's shape; () for one set of values."""
        return np.broadcast_shapes(*(np.shape(getattr(self, field.name)) for field in fields(self)))

    def parts(self, chunk: int) -> Iterator[Self]:
        """The grid in a row, at most ``chunk`` of its points at a time."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "rotating"}
        flat = {name: np.broadcast_to(value, self.shape).reshape(-1) for name, value in values.items()}
        for start in range(0, int(np.prod(self.shape)), chunk):
            part = {name: value[start : start + chunk] for name, value in flat.items()}
            yield type(self)(rotating=self.rotating, **part)

    @property
    def within_person(self) -> Floats:
        """Correlation of one person's outcomes in neighbouring periods, of those who are measured again."""
        lasting = np.asarray(self.cluster) * self.cluster_decay + np.asarray(self.person) * self.person_decay
        total = np.asarray(self.cluster) + self.cluster_period + self.person + self.residual
        return np.asarray(lasting / total, np.float64)

    def covariances(self, treated: Floats, sizes: Floats) -> Floats:
        """The covariance of a cluster's period means.

        For periods j and k, with lag = |j - k|::

            tau^2 r^lag + gamma^2 [j = k] + psi^2 s(lag) r_p^lag / max(n_j, n_k) + sigma^2 [j = k] / n_j
            + eta^2 r_e^lag x_j x_k + rho tau eta r_e^lag (x_j + x_k),

        s the share of people who are the same.  The smaller group is among the larger where sizes change in time.

        Parameters
        ----------
        treated, sizes : (n, t) float
            A cell with 0 people stands alone: variance 1, no covariance.

        Returns
        -------
        (..., n, t, t) float, ... the grid's shape
        """
        n_periods = treated.shape[1]
        lag = np.abs(np.subtract.outer(np.arange(n_periods), np.arange(n_periods)))
        same = np.eye(n_periods)
        seen = sizes > 0
        people = np.where(seen, sizes, 1.0)
        both = treated[:, :, None] * treated[:, None, :]
        either = treated[:, :, None] + treated[:, None, :]
        cross = self._each("cluster_treatment") * np.sqrt(self._each("cluster") * self._each("treatment"))
        found = self._each("cluster") * self._each("cluster_decay") ** lag + self._each("cluster_period") * same
        found = found + self._each("treatment") * self._each("treatment_decay") ** lag * both
        found = found + cross * self._each("treatment_decay") ** lag * either
        larger = np.maximum(people[:, :, None], people[:, None, :])
        found = found + self._each("person") * self._staying(lag) * self._each("person_decay") ** lag / larger
        found = found + self._each("residual") * same / people[:, :, None]
        pairs = seen[:, :, None] & seen[:, None, :]
        return np.asarray(np.where(pairs, found, same * ~seen[:, :, None]), np.float64)

    def _staying(self, lag: NDArray[np.intp]) -> Floats:
        """(..., 1, t, t) share of the people of one period who are also measured in the other."""
        stay = 1 - self._each("churn")
        return np.asarray(stay**lag if self.rotating else np.where(lag == 0, 1.0, stay), np.float64)

    def _each(self, name: str) -> Floats:
        """One field with three axes more, for clusters and two periods."""
        return np.asarray(getattr(self, name), np.float64)[..., None, None, None]


_VARIANCES = ("residual", "cluster", "cluster_period", "person", "treatment")
_SHARES = ("cluster_decay", "treatment_decay", "person_decay", "churn")


def _within(name: str, value: ArrayLike, low: float, high: float) -> None:
    given = np.asarray(value, np.float64)
    if np.all((given >= low) & (given <= high)) and np.isfinite(given).all():
        return
    between = f"between {low:g} and {high:g}" if np.isfinite(high) else f"of at least {low:g}"
    mellem = f"mellem {low:g} og {high:g}" if np.isfinite(high) else f"på mindst {low:g}"
    raise DesignError(
        f"{name} = {given.tolist()} is not a number {between}, so no variance follows from it. Correct it.",
        {"name": name, "value": given.tolist()},
        da=f"{name} = {given.tolist()} er ikke et tal {mellem}, så ingen varians følger af det. Ret det.",
    )


__all__ = ["Components"]
