"""Permuted blocks for people who come later: one list of labels per stratum, drawn beforehand (section 6.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from trialkit.design.assignment import Assignment
from trialkit.design.labels import Label
from trialkit.design.parts import shuffle
from trialkit.errors import DesignError
from trialkit.units import Units

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trialkit.design.base import Allocations, Chance, Codes, Count, Shares, Stream

LONGEST: Final = 1_000_000  # strata times length


@dataclass(frozen=True, kw_only=True)
class SequentialDesign:
    """A list of ``length`` labels per stratum, in permuted blocks; satisfies `trialkit.design.base.Design`.

    Parameters
    ----------
    labels : with weights
    strata : each has its own list, in the protocol's order
    blocks : the sizes a block can have, equally likely; multiples of the sum of the weights
    length : labels per stratum; the last block is cut

    Raises
    ------
    DesignError
        ``E_DESIGN``: sizes that are equal or no multiples, lists too long, or another method than shuffle.
    """

    kind: ClassVar[Literal["sequential"]] = "sequential"

    labels: tuple[Label, ...]
    strata: tuple[str, ...]
    blocks: tuple[int, ...]
    length: int
    method: Literal["shuffle", "rank"] = "shuffle"

    def __post_init__(self) -> None:
        self._check_members()
        if self.method != "shuffle":
            raise _undrawable(
                "A sequence has no numbered allocations; its method must be shuffle. Change the method.",
                "En løbende lodtrækning har ingen nummererede tildelinger; metoden skal være shuffle. Ret metoden.",
            )
        if len(self.strata) * self.length > LONGEST:
            raise _undrawable(
                f"{len(self.strata)} strata of {self.length} labels are more than {LONGEST}. Shorten the lists.",
                f"{len(self.strata)} strata med {self.length} pladser er mere end {LONGEST}. Gør listerne kortere.",
            )
        self._check_blocks()

    def _check_members(self) -> None:
        weighed = len(self.labels) >= 2 and all(label.weight is not None for label in self.labels)
        if not (weighed and self.strata and self.blocks and self.length >= 1):
            raise _undrawable(
                "A sequence needs two labels with weights, a stratum, a block size and a length. Add what is missing.",
                "En løbende lodtrækning skal have to navne med vægte, et stratum, en blokstørrelse og en længde. "
                "Tilføj det, der mangler.",
            )

    def _check_blocks(self) -> None:
        uneven = [size for size in self.blocks if size < 1 or size % self.weight]
        if uneven or len(set(self.blocks)) < len(self.blocks):
            raise _undrawable(
                f"The block sizes {list(self.blocks)} must differ and be multiples of {self.weight}, the sum of the "
                "weights, or a block would not hold the promised shares. Correct them.",
                f"Blokstørrelserne {list(self.blocks)} skal være forskellige, og vægtenes sum {self.weight} skal gå op "
                "i dem, ellers rummer en blok ikke de lovede andele. Ret dem.",
            )

    @property
    def weight(self) -> int:
        """The sum of the weights."""
        return sum(self.weights)

    @cached_property
    def weights(self) -> tuple[int, ...]:
        """The labels' weights."""
        return tuple(label.weight or 0 for label in self.labels)

    @property
    def units(self) -> Units:
        """Nobody yet: people come later."""
        return Units(())

    @cached_property
    def items(self) -> tuple[str, ...]:
        """``stratum/position`` from 1, stratum by stratum."""
        return tuple(f"{stratum}/{place}" for stratum in self.strata for place in range(1, self.length + 1))

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels, in order."""
        return tuple(label.name for label in self.labels)

    @property
    def free(self) -> tuple[int, ...]:
        """All items."""
        return tuple(range(len(self.items)))

    @property
    def item_of_unit(self) -> NDArray[np.intp]:
        """(n_items,) every place of a list is a unit to come."""
        import numpy as np

        return np.arange(len(self.items), dtype=np.intp)

    @property
    def warnings(self) -> tuple[str, ...]:
        """None: blocks are multiples of the weights."""
        return ()

    def assign(self, chance: Chance) -> Assignment:
        """The lists, by the rule of the public draw."""
        lists = tuple((name, self._list(chance.stream("sequence", "stratum", name, 0))) for name in self.strata)
        return Assignment(units=self.units, labels=(), lists=lists)

    def _list(self, stream: Stream) -> tuple[str, ...]:
        found: list[int] = []
        while len(found) < self.length:
            size = self.blocks[stream.below(len(self.blocks))]
            found += shuffle(self.block_of(size), stream)
        return tuple(self.labels[code].name for code in found[: self.length])

    def block_of(self, size: int) -> list[int]:
        """Label codes of one block, in order: each label its share of ``size``."""
        shares = ((code,) * (weight * size // self.weight) for code, weight in enumerate(self.weights))
        return list(chain.from_iterable(shares))

    def fewest(self, code: int) -> int:
        """The least number of places with label ``code`` in any list: a last block that is cut can begin with others."""
        least = [0]
        for places in range(1, self.length + 1):
            shares = [(size, self.weights[code] * size // self.weight) for size in self.blocks]
            least.append(
                min(
                    share + least[places - size] if size <= places else max(0, places - (size - share))
                    for size, share in shares
                )
            )
        return least[-1]

    def count(self, *, rng: np.random.Generator | None = None) -> Count:
        """How many different lists there are."""
        from trialkit.design import sequences

        return sequences.count(self, rng=rng)

    def probabilities(self, *, rng: np.random.Generator | None = None) -> Shares:
        """(n_items, n_labels): the probability that each place gets each label."""
        from trialkit.design import sequences

        return sequences.probabilities(self, rng=rng)

    def joint_probabilities(self, a: int, b: int, *, rng: np.random.Generator | None = None) -> Shares:
        """(n_items, n_items): the probability that place i gets label code ``a`` and place j gets ``b``."""
        from trialkit.design import sequences

        return sequences.joint_probabilities(self, a, b, rng=rng)

    def enumerate(self, chunk: int = 65536) -> Iterator[Allocations]:
        """Every list once, in chunks of at most ``chunk`` rows."""
        from trialkit.design import sequences

        return sequences.enumerate(self, chunk)

    def sample(self, n: int, rng: np.random.Generator) -> Codes:
        """``n`` independent lists, (n, n_items), from the same distribution as `assign`."""
        from trialkit.design import sequences

        return sequences.sample(self, n, rng)


def _undrawable(message: str, da: str) -> DesignError:
    return DesignError(message, da=da, code="E_DESIGN")
