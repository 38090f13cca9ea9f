"""What was drawn, and what else the same lot could have given: the reference set of every randomization test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from trialkit.design.assignment import Assignment
from trialkit.design.base import Codes, Design
from trialkit.design.constraint import label_sums
from trialkit.design.lottery import LOTTERY, offered
from trialkit.design.parts import Part
from trialkit.design.parts_design import PartsDesign
from trialkit.design.sequential import SequentialDesign
from trialkit.design.sums import Columns, LabelSums, SubsetSums
from trialkit.errors import DesignError, EstimateError
from trialkit.estimate.whole import check_count, check_generator
from trialkit.units import Units

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ENUMERATED: Final = 3_000_000  # allocations gone through one by one unless the caller says otherwise
ROWS: Final = 8192  # Monte Carlo draws come in chunks of this fixed size, each with its own stream
SUMMED: Final = 64  # sums up to which several chunks of them are drawn as one

_MEMBERS: Final = ("items", "free", "label_names", "item_of_unit", "enumerate", "sample", "count")


@dataclass(frozen=True, eq=False, kw_only=True)
class Drawn:
    """A design with the allocation that its lot gave.

    Parameters
    ----------
    design : Design
    codes : (n_items,) int
        Each item's label, as its place in ``design.label_names``.
    """

    design: Design
    codes: Codes

    @classmethod
    def of(cls, design: Design, drawn: Assignment | Sequence[str] | Codes) -> Self:
        """The allocation as the draw's `Assignment`, as one label per unit, or as one code per item.

        Raises
        ------
        EstimateError
            ``E_NOT_DRAWN``: no lot was drawn.  ``E_NOT_POSSIBLE``: the design could not have given this allocation.
        """
        _check_design(design)
        codes = _item_codes(design, drawn)
        found = cls(design=design, codes=codes)
        if isinstance(design, PartsDesign):
            _check_possible(design, codes)
        return found

    def code(self, label: str) -> int:
        """The code of a label.

        Raises
        ------
        EstimateError
            The design has no such label.
        """
        names = self.design.label_names
        if label not in names:
            raise EstimateError(
                f"The design has no label {label!r}, so nothing can be compared with it. It has {', '.join(names)}.",
                {"label": label, "labels": list(names)},
                da=f"Designet har ingen {label!r}, så intet kan sammenlignes med den. Det har {', '.join(names)}.",
            )
        return names.index(label)

    def arms(self, compare: tuple[str, str]) -> tuple[int, int]:
        """The codes of the new and of the usual arm.

        Raises
        ------
        EstimateError
            Not two labels, the same one twice, or one that the design does not have.
        """
        new, usual = two_labels(compare)
        return self.code(new), self.code(usual)

    @cached_property
    def unit_ids(self) -> tuple[str, ...]:
        """(n_units,) the units' ids; their numbers where the design knows none."""
        return _unit_ids(self.design)

    @cached_property
    def free(self) -> NDArray[np.bool_]:
        """(n_items,) which items were drawn; the others were fixed beforehand and take no part in a comparison."""
        found = np.zeros(len(self.design.items), bool)
        found[list(self.design.free)] = True
        return found

    @cached_property
    def blocks(self) -> NDArray[np.intp]:
        """(n_items,) the number of each item's block, 0 for all in a design without blocks."""
        found = np.zeros(len(self.design.items), np.intp)
        if isinstance(self.design, PartsDesign) and self.design.rules.block:
            for number, items in enumerate(self.design.blocks.values()):
                found[items] = number
        elif isinstance(self.design, SequentialDesign):
            found = np.repeat(np.arange(len(self.design.strata)), self.design.length)
        return found

    @cached_property
    def units_per_item(self) -> Ints:
        """(n_items,) how many units each item has: 1, or a cluster's size."""
        return np.bincount(self.design.item_of_unit, minlength=len(self.design.items))

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The urns, if the design has them."""
        if not isinstance(self.design, PartsDesign):
            return ()
        return offered(self.design) if self.design.kind == LOTTERY.name else self.design.parts

    @property
    def constrained(self) -> bool:
        """Whether allocations were refused for balance."""
        return isinstance(self.design, PartsDesign) and self.design.rule is not None

    @cached_property
    def steady(self) -> bool:
        """Whether every allocation has the same numbers per label in every block."""
        return bool(self.parts) and not any(part.leftover for part in self.parts)

    @cached_property
    def mirrored(self) -> bool:
        """Whether exchanging the two labels gives an equally probable allocation."""
        if not self.parts or len(self.design.label_names) != 2:
            return False
        return all(
            {(share, counts[::-1]) for share, counts in part.profiles()} == set(part.profiles()) for part in self.parts
        )

    def fewest(self, code: int, sizes: Ints) -> int:
        """The least number of units with label ``code`` in any block of any allocation; ``sizes`` is per item."""
        if isinstance(self.design, SequentialDesign):
            return self.design.fewest(code)
        if not self.parts:
            return int(((self.codes == code) * sizes).sum())
        least = []
        for part in self.parts:
            items = min(counts[code] for _, counts in part.profiles())
            least.append(int(np.sort(sizes[list(part.items)])[:items].sum()))
        return min(least)


@dataclass(frozen=True, eq=False, kw_only=True)
class ReferenceSet:
    """Every allocation with its weight, or the one drawn beside ``draws`` others.

    ``seeds`` give each chunk of draws its own stream, so that every pass sees the same allocations and none is kept.
    """

    drawn: Drawn
    draws: int = 0
    seeds: tuple[int, ...] = ()

    @classmethod
    def of(cls, drawn: Drawn, *, most: int, draws: int, rng: np.random.Generator | None) -> Self:
        """All allocations if there are at most ``most``, otherwise ``draws`` of them with ``rng``.

        Raises
        ------
        EstimateError
            ``E_TOO_MANY``: more than ``most``, and no draws or no generator to draw with.  Numbers that count nothing,
            or an ``rng`` that is no generator.
        """
        check_count(most, "most")
        check_count(draws, "draws")
        check_generator(rng)
        total = size(drawn.design)
        if total <= most:
            return cls(drawn=drawn)
        if draws < 1 or rng is None:
            raise EstimateError(
                f"The design has {_roughly(total)} allocations, too many to go through one by one (the limit is "
                f"{most:,}). Ask for a Monte Carlo test with draws=99_999 and rng=numpy.random.default_rng(seed).",
                {"allocations": total, "most": most},
                da=f"Designet har {_roughly(total)} mulige tildelinger, for mange til at gennemgå én for én. Bed om en "
                "stikprøve af dem med draws=99_999 og rng=numpy.random.default_rng(seed).",
                code="E_TOO_MANY",
            )
        seeds = rng.integers(2**63, size=-(-draws // ROWS)).tolist()
        return cls(drawn=drawn, draws=draws, seeds=tuple(seeds))

    @property
    def exact(self) -> bool:
        """Whether these are all the allocations."""
        return self.draws == 0

    def chunks(self, rows: int = ROWS) -> Iterator[tuple[Codes, float]]:
        """(k, n_items) allocations and the weight of each; the drawn one comes first among Monte Carlo draws."""
        if self.exact:
            for chunk in self.drawn.design.enumerate(rows):
                yield chunk.codes, float(chunk.weight)
            return
        yield self.drawn.codes[None, :], 1.0
        for number, seed in enumerate(self.seeds):
            n = min(ROWS, self.draws - number * ROWS)
            codes = self.drawn.design.sample(n, np.random.default_rng(seed))
            for start in range(0, n, rows):
                yield codes[start : start + rows], 1.0

    def sums(self, wanted: LabelSums) -> Iterator[tuple[Columns, int]]:
        """Sums under the same Monte Carlo draws, and how many; the drawn one comes first.

        Where the design draws sums by tables these are other draws than those of `chunks`, from the same distribution.
        """
        tables = SubsetSums.of(wanted, self.draws)
        if tables is None:
            yield from ((wanted.of(codes), len(codes)) for codes, _ in self.chunks())
            return
        yield wanted.of(self.drawn.codes[None, :]), 1
        streams = max(1, min(2, SUMMED // wanted.n_sums))
        for first in range(0, len(self.seeds), streams):
            n = min(streams * ROWS, self.draws - first * ROWS)
            yield tables.sample(n, np.random.default_rng(self.seeds[first])), n


def two_labels(compare: tuple[str, str]) -> tuple[str, str]:
    """The new and the usual label, checked to be two.

    Raises
    ------
    EstimateError
        Anything else.
    """
    pair = list(compare) if isinstance(compare, Sequence | np.ndarray) and not isinstance(compare, str) else []
    if len(pair) == 2 and pair[0] != pair[1] and all(isinstance(one, str) for one in pair):
        return pair[0], pair[1]
    raise EstimateError(
        f"compare={compare!r} is not two different labels, so there is nothing to compare. Write the new one first: "
        "compare=('new', 'usual').",
        {"compare": compare},
        da=f"compare={compare!r} er ikke to forskellige navne, så der er intet at sammenligne. Skriv den nye først: "
        "compare=('new', 'usual').",
    )


def size(design: Design) -> int:
    """How many allocations must be gone through for an exact answer, the refused ones among them."""
    try:
        return design.count().total
    except DesignError as error:
        if "allocations" in error.facts:
            return int(error.facts["allocations"])
        raise


def _check_design(design: object) -> None:
    if all(hasattr(design, member) for member in _MEMBERS):
        return
    name = type(design).__name__
    raise EstimateError(
        f"A randomization test repeats a lot, and {name} is not a design that one was drawn by: nobody can say what "
        "else could have happened. Describe the groups side by side, and say that they were not drawn by lot.",
        {"type": name},
        da=f"En randomiseringstest gentager en lodtrækning, men her er der ikke trukket lod ({name}): ingen kan sige, "
        "hvad der ellers kunne være sket. Beskriv grupperne side om side, og sig, at de ikke er fundet ved lod.",
        code="E_NOT_DRAWN",
    )


def _item_codes(design: Design, drawn: Any) -> Codes:
    """(n_items,) codes from whatever says what was drawn."""
    if isinstance(drawn, np.ndarray) and drawn.dtype.kind in "iu":
        if drawn.shape != (len(design.items),):
            raise _misfit(design, f"has shape {drawn.shape}", f"har formen {drawn.shape}")
        return drawn
    if isinstance(drawn, Assignment):
        if drawn.lists:
            return _coded(design, [label for _, labels in drawn.lists for label in labels])
        if drawn.units.ids != getattr(design, "units", drawn.units).ids:
            raise _misfit(design, "is of other units", "gælder andre enheder")
        return _coded(design, drawn.labels)
    if hasattr(drawn, "index") and hasattr(drawn, "iloc") and np.ndim(drawn) == 1:
        drawn = _in_units_order(design, drawn)
    if isinstance(drawn, Sequence | np.ndarray) and not isinstance(drawn, str):
        return _coded(design, [str(label) for label in drawn])
    _check_design(drawn)  # an observed assignment, or anything else that no lot gave
    raise _misfit(design, "is a design", "er et design")


def _in_units_order(design: Design, drawn: Any) -> list[str]:
    """The labels of a Series in the order of the units, by its own index where it has one."""
    names, found = [str(name) for name in drawn.index], [str(label) for label in drawn]
    ids = _unit_ids(design)
    if list(drawn.index) == list(range(len(found))):
        return found
    if len(set(names)) != len(names) or set(names) != set(ids):
        raise _misfit(design, f"is labelled by {', '.join(names[:3])}, ...", f"har navnene {', '.join(names[:3])}, ...")
    label = dict(zip(names, found, strict=True))
    return [label[one] for one in ids]


def _unit_ids(design: Design) -> tuple[str, ...]:
    """(n_units,) ids; their numbers where the design knows none."""
    units = getattr(design, "units", None)
    ids = tuple(units.ids) if isinstance(units, Units) else tuple(design.items)
    return ids if len(ids) == len(design.item_of_unit) else tuple(map(str, range(len(design.item_of_unit))))


def _coded(design: Design, labels: Sequence[str]) -> Codes:
    place = {name: code for code, name in enumerate(design.label_names)}
    if len(labels) != len(design.item_of_unit) or not place.keys() >= set(labels):
        raise _misfit(design, "has other units or labels", "har andre enheder eller navne")
    per_unit = np.array([place[label] for label in labels], np.int16)
    found = np.zeros(len(design.items), np.int16)
    found[design.item_of_unit] = per_unit
    if not np.array_equal(found[design.item_of_unit], per_unit):
        raise _misfit(design, "splits a cluster", "deler en klynge")
    return found


def _check_possible(design: PartsDesign, codes: Codes) -> None:
    """Refuse an allocation that this lot could not have given: its p-value would mean nothing."""
    fixed = all(label is None or label == code for label, code in zip(design.fixed, codes.tolist(), strict=True))
    drawn = Drawn(design=design, codes=codes)
    counted = all(_counts(codes, part) in {counts for _, counts in part.profiles()} for part in drawn.parts)
    free = [int(codes[item]) for item in design.free]
    if not (fixed and counted):
        raise _impossible(
            "the numbers per label, or a fixed place, are others", "antallet eller en fast plads er en anden"
        )
    if design.rule is not None and not design.rule.accepts_sums(
        *label_sums(design.rule.x, free, len(design.label_names))
    ):
        raise _impossible("it does not meet the balance rule", "den opfylder ikke balancekravet")


def _counts(codes: Codes, part: Part) -> tuple[int, ...]:
    return tuple(np.bincount(codes[list(part.items)], minlength=len(part.counts)).tolist())


def _impossible(why: str, da: str) -> EstimateError:
    return EstimateError(
        f"The design could not have given this allocation: {why}. A test against chances that never were means "
        "nothing. Give the design that was committed, and the allocation as the draw recorded it.",
        da=f"Designet kunne ikke have givet denne tildeling: {da}. En test mod muligheder, der aldrig fandtes, siger "
        "intet. Angiv det låste design og tildelingen, som lodtrækningen gav den.",
        code="E_NOT_POSSIBLE",
    )


def _misfit(design: Design, en: str, da: str) -> EstimateError:
    labels = ", ".join(design.label_names)
    return EstimateError(
        f"The assignment {en} and does not fit the design of {len(design.items)} items with labels {labels}. One unit "
        "would be counted in another's place. Give the draw's Assignment, a label per unit, or a code per item.",
        {"items": len(design.items), "labels": list(design.label_names)},
        da=f"Tildelingen {da} og passer ikke til designet med {len(design.items)} i lodtrækningen og navnene {labels}. "
        "En enhed ville tælle på en andens plads. Angiv lodtrækningens resultat, eller ét navn pr. enhed.",
    )


def _roughly(number: int) -> str:
    text = str(number)
    return f"{number:,}" if len(text) < 13 else f"{text[0]}.{text[1:3]}e{len(text) - 1}"


__all__ = ["ENUMERATED", "ROWS", "Drawn", "ReferenceSet", "size", "two_labels"]
