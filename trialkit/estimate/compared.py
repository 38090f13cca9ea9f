"""Two arms of what was drawn, row by row: what every design-based estimate starts from.

A row is a unit, or a person in one; an item is what the lot fell on, a unit or a cluster of units.  Fixed units take
no part: no lot fell on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.design.assignment import Assignment
from trialkit.design.parts_design import PartsDesign
from trialkit.errors import DesignError, EstimateError, UnitsError
from trialkit.estimate.drawn import Drawn, two_labels
from trialkit.estimate.given import by_unit, labelled, numbers, same_rows
from trialkit.estimate.sandwich import Ints, numbered
from trialkit.estimate.whole import check_whole

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Lot = Assignment | Drawn


class Places(NamedTuple):
    """Where each unit stood in the lot: (n_units,) arrays beside the ids."""

    ids: tuple[str, ...]
    labels: NDArray[np.str_]  # what each drew
    block: NDArray[np.str_]  # empty where the lot had none
    item: Ints  # the unit or cluster that the lot fell on, from 0
    free: Bools  # False where fixed beforehand


@dataclass(frozen=True, eq=False, kw_only=True)
class Compared:
    """The rows of two arms.

    Parameters
    ----------
    outcome : (n,) float
    treated : (n,) bool
    block : (n,) int from 0, with ``block_names``
    item : (n,) int from 0
    weights : (n,) float or None
    unit : (n,) int, the unit of each row
    kept : (m,) bool, which of the caller's rows these are
    order : (m,) the caller's units, where every row is a unit; otherwise empty
    """

    outcome: Floats
    treated: Bools
    block: Ints
    block_names: tuple[str, ...]
    item: Ints
    weights: Floats | None
    unit: Ints
    kept: Bools
    order: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        outcome: ArrayLike,
        lot: Lot,
        compare: tuple[str, str],
        *,
        rows: Sequence[str] | None = None,
        weights: ArrayLike | None = None,
    ) -> Self:
        """Outcomes lined up with the lot: one per unit in its order, or one per row with ``rows`` naming the units.

        An `Assignment` is taken to have been drawn by the blocks and clusters that its units carry; give a `Drawn`
        (the design with it) where the units carry some that the lot did not use.

        Raises
        ------
        UnitsError
            Another length, a missing value, an unknown unit, or one without a row; ``facts["units"]`` lists which.
        DesignError
            A label nobody has, or a cluster with both arms.
        """
        places = _places(lot)
        two_labels(compare)
        same_rows({} if rows is None else {"rows": rows, "outcomes": outcome, "weights": weights})
        rows = None if rows is None else [str(row) for row in labelled(rows, "rows")]
        order = places.ids if rows is None else ()
        at = np.arange(len(places.ids)) if rows is None else _at(places.ids, rows)
        y = aligned(outcome, places.ids, at, "outcomes", "udfald", order)
        w = None if weights is None else aligned(weights, places.ids, at, "weights", "vægte", order)
        _check_labels(places, compare)
        in_arms = places.free & np.isin(places.labels, compare)
        _check_all_seen(places, in_arms, at)
        kept = in_arms[at]
        seen = at[kept]
        names, block = np.unique(places.block[seen], return_inverse=True)  # "" where the lot had no blocks
        return cls(
            outcome=y[kept],
            treated=places.labels[seen] == compare[0],
            block=block.ravel().astype(np.intp),
            block_names=tuple(map(str, names)),
            item=numbered(places.item[seen])[0],
            weights=None if w is None else positive(w[kept]),
            unit=seen,
            kept=kept,
            order=order,
        )

    @cached_property
    def clustered(self) -> bool:
        """Whether an item has more than one row."""
        return self.n_items < self.outcome.size

    @property
    def n_items(self) -> int:
        """What the lot fell on."""
        return int(self.item.max(initial=-1)) + 1

    @property
    def n_units(self) -> int:
        """Units with a row."""
        return np.unique(self.unit).size

    @cached_property
    def items_by_arm(self) -> NDArray[np.int64]:
        """(blocks, 2) how many items of the usual and of the new arm each block has."""
        first = np.unique(self.item, return_index=True)[1]
        cells = 2 * self.block[first] + self.treated[first]
        return np.bincount(cells, minlength=2 * len(self.block_names)).reshape(-1, 2)

    @property
    def paired(self) -> bool:
        """Whether the lot fell within several blocks of one item per arm."""
        return len(self.block_names) > 1 and bool((self.items_by_arm == 1).all())

    def aligned(self, values: ArrayLike, what: str) -> Floats:
        """(n,) the rows kept of a column given for the caller's rows.

        Raises
        ------
        UnitsError
            Another length, or a missing value.
        """
        column = by_unit(values, self.order, what) if self.order else numbers(values, what)
        if column.shape != self.kept.shape:
            raise _uneven(what, what, column.shape, self.kept.size)
        gaps = np.flatnonzero(~np.isfinite(column) & self.kept)
        if gaps.size:
            ids = self.order or tuple(f"row {k}" for k in range(1, column.size + 1))
            raise _gaps(what, what, [ids[k] for k in gaps], self.kept.size)
        return column[self.kept]

    def check_two_per_arm(self) -> None:
        """Refuse blocks in which a variance cannot be seen.

        Raises
        ------
        DesignError
            An arm of a block has one unit (or cluster), or none.
        """
        fewest = self.items_by_arm.min(axis=1)
        if (fewest >= 2).all():
            return
        number = int(np.argmin(fewest))
        raise _too_few(self.block_names[number], int(fewest[number]), len(self.block_names), self.clustered)


def positive(weights: Floats) -> Floats:
    """Weights that can weigh.

    Raises
    ------
    UnitsError
        One is not above 0.
    """
    if (weights <= 0).any():
        raise UnitsError(
            f"{int((weights <= 0).sum())} weights are not above 0, and a unit cannot count for nothing or less. Leave "
            "it out of the comparison beforehand, or correct the weight.",
            {"rows": np.flatnonzero(weights <= 0).tolist()},
            da=f"{int((weights <= 0).sum())} vægte er ikke over 0, og en enhed kan ikke tælle for intet eller mindre. "
            "Udelad den på forhånd, eller ret vægten.",
        )
    return weights


def aligned(
    values: ArrayLike, ids: tuple[str, ...], at: Ints, what: str, da: str, order: tuple[str, ...] = ()
) -> Floats:
    """(m,) floats, one per row, none missing; where every row is a unit, in the ``order`` of the units.

    Raises
    ------
    UnitsError
        Another length, or a gap; ``facts["units"]`` lists whose.
    """
    column = by_unit(values, order, what) if order else numbers(values, what)
    if column.shape != at.shape:
        raise _uneven(what, da, column.shape, at.size)
    gaps = sorted({ids[k] for k in at[~np.isfinite(column)]})
    if gaps:
        raise _gaps(what, da, gaps, at.size)
    check_whole(column, [ids[k] for k in at], what)
    return column


def _places(lot: Lot) -> Places:
    """Where each unit stood.

    Raises
    ------
    EstimateError
        ``E_NOT_DRAWN``: neither an `Assignment` nor a `Drawn`.
    """
    if isinstance(lot, Drawn):
        return _of_drawn(lot)
    if isinstance(lot, Assignment):
        return _of_assignment(lot)
    raise EstimateError(
        f"{type(lot).__name__} does not say what the lot gave each unit, so nobody knows who is compared. Give the draw's "
        "Assignment, or Drawn.of(design, assignment).",
        {"type": type(lot).__name__},
        da=f"{type(lot).__name__} siger ikke, hvad loddet gav hver enhed, så ingen ved, hvem der sammenlignes. Angiv "
        "lodtrækningens Assignment, eller Drawn.of(design, tildeling).",
        code="E_NOT_DRAWN",
    )


def _of_assignment(lot: Assignment) -> Places:
    units = lot.units
    block = np.array([unit.block or "" for unit in units])
    clusters = [unit.cluster for unit in units]
    codes = np.arange(len(units)) if None in clusters else numbered([cluster or "" for cluster in clusters])[0]
    labels = np.array(lot.labels)
    free = np.array([unit.fixed is None for unit in units])
    _check_whole(codes, numbered(labels)[0], clusters)
    return Places(units.ids, labels, block, codes.astype(np.intp), free)


def _of_drawn(lot: Drawn) -> Places:
    item = np.asarray(lot.design.item_of_unit, np.intp)
    labels = np.array(lot.design.label_names)[lot.codes[item]]
    codes = lot.blocks[item]
    if not isinstance(lot.design, PartsDesign):
        return Places(lot.design.items, labels, codes.astype(str), item, lot.free[item])
    names = np.array(list(lot.design.blocks))
    block = names[codes] if codes.any() else np.full(codes.shape, "")
    return Places(lot.design.units.ids, labels, block, item, lot.free[item])


def _at(ids: tuple[str, ...], rows: Sequence[str]) -> Ints:
    """(m,) the place of each row's unit."""
    place = {name: k for k, name in enumerate(ids)}
    unknown = sorted({str(row) for row in rows if row not in place})
    if unknown:
        raise UnitsError(
            f"{len(unknown)} units of the rows are not in the draw, among them {unknown[0]!r}: nobody knows their arm. "
            "Correct the ids, or leave those rows out and say so.",
            {"units": unknown},
            da=f"{len(unknown)} enheder i rækkerne er ikke med i lodtrækningen, blandt andre {unknown[0]!r}: ingen "
            "kender deres gruppe. Ret id'erne, eller udelad rækkerne og sig det.",
        )
    return np.array([place[row] for row in rows], np.intp)


def _check_labels(places: Places, compare: tuple[str, str]) -> None:
    known = sorted(set(places.labels[places.free].tolist()))
    absent = [label for label in compare if label not in known]
    if absent or compare[0] == compare[1]:
        raise DesignError(
            f"{compare[0]!r} and {compare[1]!r} are not two arms that units were drawn to, so there is nothing to "
            f"compare. There are {', '.join(known)}; give the new one first.",
            {"compare": list(compare), "labels": known},
            da=f"{compare[0]!r} og {compare[1]!r} er ikke to grupper, som enheder er trukket til, så der er intet at "
            f"sammenligne. Der er {', '.join(known)}; angiv den nye først.",
        )


def _check_all_seen(places: Places, in_arms: Bools, at: Ints) -> None:
    seen = np.zeros(len(places.ids), bool)
    seen[at] = True
    silent = [places.ids[k] for k in np.flatnonzero(in_arms & ~seen)]
    if silent:
        raise UnitsError(
            f"{len(silent)} units were drawn and have no row, among them {silent[0]!r}. Leaving them out silently would "
            "break the comparison that the lot made fair. Give their rows, or bound the effect without them.",
            {"units": silent},
            da=f"{len(silent)} enheder er med i lodtrækningen og har ingen række, blandt andre {silent[0]!r}. At "
            "udelade dem i stilhed ville ødelægge den sammenligning, som lodtrækningen gjorde fair. Angiv deres "
            "rækker, eller find grænser for effekten uden dem.",
        )


def _check_whole(item: Ints, label: Ints, clusters: Sequence[str | None]) -> None:
    whole = np.zeros(item.max(initial=-1) + 1, np.intp)
    whole[item] = label
    split = np.flatnonzero(whole[item] != label)
    if split.size:
        raise DesignError(
            f"The cluster {clusters[split[0]]!r} holds several arms, so the lot fell on units and not on clusters. "
            "Give the design beside the assignment, Drawn.of(design, assignment), which says what was drawn.",
            {"cluster": clusters[split[0]]},
            da=f"Klyngen {clusters[split[0]]!r} rummer flere grupper, så der er trukket lod om enheder og ikke om "
            "klynger. Angiv designet sammen med tildelingen, Drawn.of(design, assignment), som siger, hvad der blev "
            "trukket lod om.",
        )


def _uneven(what: str, da: str, shape: tuple[int, ...], rows: int) -> UnitsError:
    return UnitsError(
        f"There are {what} of shape {shape} for {rows} rows. A shifted or silently shortened list would credit one unit "
        "with another's. Give one number per row, in order.",
        {"shape": shape, "rows": rows, "units": []},
        da=f"Der er {da} af formen {shape} til {rows} rækker. En forskudt eller afkortet liste ville give én enhed en "
        "andens tal. Angiv ét tal pr. række i rækkefølge.",
    )


def _gaps(what: str, da: str, units: list[str], rows: int) -> UnitsError:
    told = ", ".join(units[:5]) + (", ..." if len(units) > 5 else "")
    return UnitsError(
        f"There are {what} for {rows} rows that are missing or infinite for {len(units)}: {told}. To leave them out would "
        "break the comparison that the lot made fair. Decide about missing ones before, or bound the effect without them.",
        {"rows": rows, "units": units},
        da=f"Der er {da} til {rows} rækker, som mangler eller er uendelige for {len(units)}: {told}. At udelade dem ville "
        "ødelægge den sammenligning, som lodtrækningen gjorde fair. Afgør først, hvad der gøres ved manglende tal, eller "
        "find grænser for effekten uden dem.",
    )


def _too_few(block: str, fewest: int, blocks: int, clustered: bool) -> DesignError:
    where = f"Block {block!r}" if blocks > 1 else "The draw"
    what = "cluster" if clustered else "unit"
    if fewest == 0:
        return DesignError(
            f"{where} has {what}s in one arm only, so nothing can be compared in it. Compare the other blocks and say "
            "which one is left out, or merge it with its like.",
            {"block": block, "fewest": 0},
            da=f"{where if blocks == 1 else f'Blok {block!r}'} har kun enheder i den ene gruppe, så der er intet at "
            "sammenligne. Sammenlign de andre blokke og sig, hvilken der er udeladt, eller slå den sammen med en, der "
            "ligner.",
        )
    return DesignError(
        f"{where} has one {what} in an arm, so its variance cannot be seen, and any error printed would be made up. "
        "Use the randomization test, which needs no variance, or merge the block with its like.",
        {"block": block, "fewest": fewest},
        da=f"{'Lodtrækningen' if blocks == 1 else f'Blok {block!r}'} har én enhed i en gruppe, så dens spredning kan "
        "ikke ses, og enhver usikkerhed ville være opfundet. Brug randomiseringstesten, som ingen spredning skal "
        "bruge, eller slå blokken sammen med en, der ligner.",
    )


__all__ = ["Compared", "Lot", "Places", "aligned", "positive"]
