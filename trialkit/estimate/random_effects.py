"""Which random effects a row carries: the slots of its cluster, and the structure over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats, Ints
from trialkit.estimate.covariances import Structure
from trialkit.estimate.given import numbers
from trialkit.estimate.sandwich import numbered

Random = Literal["cluster", "nested", "cohort", "nested cohort", "treatment", "independent treatment", "decay"]
Labels = Sequence[object] | NDArray[np.generic]
NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "cluster": (), "nested": ("periods",), "cohort": ("persons",), "nested cohort": ("periods", "persons"),
    "treatment": ("treated",), "independent treatment": ("treated",), "decay": ("periods",),
}  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class RandomEffects:
    """Slots (n, q) of the rows, the structure over them, and what each group of slots is called."""

    structure: Structure
    z: Floats  # (n, q)
    cluster: Ints  # (n,) from 0
    clusters: tuple[str, ...]
    slots: tuple[tuple[str, slice], ...]

    @classmethod
    def of(
        cls,
        random: Random,
        clusters: Labels,
        *,
        periods: Labels | None = None,
        persons: Labels | None = None,
        treated: ArrayLike | None = None,
        sizes: Floats | None = None,
    ) -> RandomEffects:
        """The structure by name; ``sizes`` (n,) are the persons behind each row, one unless given.

        Raises
        ------
        EstimateError
            An unknown structure, labels it needs that are missing or of another length, or a structure that cannot be
            told from the residual because no cluster-period (or person) has two rows.
        """
        given: dict[str, ArrayLike | Labels | None] = {"periods": periods, "persons": persons, "treated": treated}
        _check_given(random, given)
        cluster, names = numbered(clusters, "clusters")
        for name in NEEDS[random]:
            _check_length(name, np.asarray(given[name]).shape, len(cluster))
        parts: list[tuple[str, Floats]] = []
        if random in ("nested", "nested cohort", "decay"):
            period = _indicators(numbered(periods, "periods")[0])
            _check_repeated(random, "cluster-period", cluster, period, sizes)
            parts.append(("cluster-period", period))
        elif random in ("treatment", "independent treatment"):
            parts += [("cluster", np.ones((len(cluster), 1))), ("treatment", _zero_or_one(treated)[:, None])]
        else:
            parts.append(("cluster", np.ones((len(cluster), 1))))
        if random in ("cohort", "nested cohort"):
            person = _indicators(_within(cluster, numbered(persons, "persons")[0]))
            _check_repeated(random, "person", cluster, person, sizes)
            parts.append(("person", person))
        widths = np.cumsum([0, *(part.shape[1] for _, part in parts)])
        slots = tuple(
            (name, slice(int(low), int(high)))
            for (name, _), low, high in zip(parts, widths[:-1], widths[1:], strict=True)
        )
        z = np.concatenate([part for _, part in parts], axis=1)
        return cls(structure=_structure(random, slots), z=z, cluster=cluster, clusters=names, slots=slots)

    def by_name(self, predicted: Floats) -> dict[str, Floats]:
        """Predictions (c, q) by what the slots are; in nested models a period's slot holds cluster plus period."""
        return {name: predicted[:, where] for name, where in self.slots}


def _structure(random: Random, slots: tuple[tuple[str, slice], ...]) -> Structure:
    q = slots[-1][1].stop
    first = slots[0][1].stop
    block, identity = np.zeros((q, q)), np.zeros((q, q))
    block[:first, :first] = 1
    identity[:first, :first] = np.eye(first)
    if random == "decay":
        steps = np.arange(q)
        return Structure(
            names=("cluster-period", "decay"), kind="decay",
            basis=np.stack([np.abs(steps[:, None] - steps)] * 2).astype(np.float64),
        )  # fmt: skip
    if random in ("treatment", "independent treatment"):
        corner, last, cross = np.diag([1.0, 0]), np.diag([0, 1.0]), np.array([[0, 1.0], [1.0, 0]])
        if random == "independent treatment":
            return Structure(names=("cluster", "treatment"), basis=np.stack([corner, last]))
        return Structure(
            names=("cluster", "cluster x treatment", "treatment"), basis=np.stack([corner, cross, last]),
            kind="intercept and slope",
        )  # fmt: skip
    person = np.diag(np.r_[np.zeros(first), np.ones(q - first)])
    basis = {"cluster": block}
    if random in ("nested", "nested cohort"):
        basis["cluster-period"] = identity
    if random in ("cohort", "nested cohort"):
        basis["person"] = person
    return Structure(names=tuple(basis), basis=np.stack(list(basis.values())))


def _check_given(random: str, given: Mapping[str, object]) -> None:
    if random not in NEEDS:
        raise EstimateError(
            f"There is no structure {random!r} of random effects. Write one of {', '.join(get_args(Random))}.",
            {"random": random, "known": list(get_args(Random))},
            da=f"Der er ingen struktur {random!r} af tilfældige effekter. Skriv en af {', '.join(get_args(Random))}.",
        )
    missing = [name for name in NEEDS[random] if given[name] is None]
    if missing:
        raise EstimateError(
            f"Random effects {random!r} need {' and '.join(missing)}, which were not given. Give one label per row.",
            {"random": random, "missing": missing},
            da=f"De tilfældige effekter {random!r} kræver {' og '.join(missing)}, som mangler. Giv én pr. række.",
        )


def _check_length(name: str, shape: tuple[int, ...], n: int) -> None:
    if shape != (n,):
        raise EstimateError(
            f"{name} has shape {shape}, and there are {n} rows. Give one label per row.",
            {"name": name, "shape": shape, "rows": n},
            da=f"{name} har formen {shape}, men der er {n} rækker. Giv én pr. række.",
        )


def _check_repeated(random: str, what: str, cluster: Ints, indicators: Floats, sizes: Floats | None) -> None:
    """One row per slot cannot tell the slot's variance from the residual's, whatever the weights pretend."""
    pairs = np.column_stack([cluster, indicators.argmax(axis=1)])
    if sizes is not None and (sizes > 1).any():
        return
    if random != "decay" and len(np.unique(pairs, axis=0)) == len(pairs):
        raise EstimateError(
            f"Every {what} has one row, so its variance cannot be told from the residual's. Give rows of persons "
            "instead of means, or use random='cluster' on the means.",
            {"random": random, "slot": what},
            da=f"Hver {what} har én række, så dens varians kan ikke skelnes fra restvariansen. Giv rækker for personer "
            "i stedet for gennemsnit, eller brug random='cluster' på gennemsnittene.",
        )


def _zero_or_one(treated: ArrayLike | None) -> Floats:
    found = numbers(np.nan if treated is None else treated, "treated")
    if not np.isin(found, (0.0, 1.0)).all():
        raise EstimateError(
            "treated holds something else than 0 and 1, so nobody can tell who was treated. Write 0 or 1.",
            {"values": np.unique(found)[:10].tolist()},
            da="treated indeholder andet end 0 og 1, så ingen kan se, hvem der fik indsatsen. Skriv 0 eller 1.",
        )
    return found


def _within(cluster: Ints, person: Ints) -> Ints:
    """Persons numbered from 0 within their cluster: slots are shared by position."""
    pairs, code = np.unique(np.column_stack([cluster, person]), axis=0, return_inverse=True)
    starts = np.searchsorted(pairs[:, 0], pairs[:, 0])
    return np.asarray((np.arange(len(pairs)) - starts)[code.ravel()], np.intp)


def _indicators(codes: Ints) -> Floats:
    return np.asarray(codes[:, None] == np.arange(codes.max() + 1), np.float64)


__all__ = ["Labels", "Random", "RandomEffects"]
