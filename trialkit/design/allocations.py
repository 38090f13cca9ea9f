"""What a design drawn at one time can say about chance: how many allocations, how probable, all of them, or a sample.

Without a constraint everything follows from the urns in exact fractions.  With one, the allocations are looked at one
by one if there are at most `ENUMERABLE`; beyond that the answer is estimated with the caller's generator and says how
well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import prod, sqrt
from sys import float_info
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from trialkit.design.arrangements import Ints
from trialkit.design.base import Allocations, Codes, Count, Shares
from trialkit.design.listing import at_most, blank, listed, place, weighted_shares
from trialkit.design.parts import arrangements
from trialkit.design.screen import Screen
from trialkit.design.urns import BATCH, Urns, shown_parts
from trialkit.errors import DesignError

if TYPE_CHECKING:
    from trialkit.design.constraint import Rule
    from trialkit.design.parts_design import PartsDesign

Floats = NDArray[np.float64]

ENUMERABLE: Final = 10_000_000  # allocations looked at for an exact answer: a few seconds
LISTABLE: Final = 10**12  # allocations `enumerate` will begin to list
TRIED: Final = 200_000  # draws behind an estimated count
ACCEPTED: Final = 20_000  # accepted draws behind estimated probabilities
PATIENCE: Final = 20  # times max_attempts for each accepted draw; rarer than that, the draw itself would fail


def count(design: PartsDesign, *, rng: np.random.Generator | None = None) -> Count:
    """How many allocations there are, before and after the constraint.

    Raises
    ------
    DesignError
        A constraint, too many allocations to look at each, and no ``rng`` to estimate with.
    """
    total = prod(sum(arrangements(counts) for _, counts in part.profiles()) for part in shown_parts(design))
    if design.rule is None:
        return Count(total=total, accepted=total)
    if total <= ENUMERABLE:
        return Count(total=total, accepted=sum(len(found.codes) for found in enumerate(design)))
    return _estimated_count(design, design.rule, total, _needed(design, rng))


def probabilities(design: PartsDesign, *, rng: np.random.Generator | None = None) -> Shares:
    """(n_items, n_labels): the probability that each item gets each label.

    Raises
    ------
    DesignError
        As `count`; ``E_NO_ACCEPT``: no allocation meets the constraint.
    """
    labels = range(len(design.label_names))
    if design.rule is None:
        return _exact(np.stack([_chances(design, label) for label in labels], axis=1))

    def table(codes: Codes) -> Ints:
        return np.stack([np.count_nonzero(codes == label, axis=0) for label in labels], axis=1)

    return _constrained(design, table, rng)


def joint_probabilities(design: PartsDesign, a: int, b: int, *, rng: np.random.Generator | None = None) -> Shares:
    """(n_items, n_items): the probability that item i gets label code ``a`` and item j gets label code ``b``.

    Raises
    ------
    DesignError
        As `probabilities`.
    """
    if design.rule is None:
        return _exact(_joint_chances(design, a, b))
    return _constrained(design, lambda codes: _pairs(codes, a, b), rng)


def enumerate(design: PartsDesign, chunk: int = 65536) -> Iterator[Allocations]:
    """Every allocation that can be drawn, once, in chunks of at most ``chunk`` rows and 64 MiB.

    Row by row in the order of specification section 6.3: by rank, the first part most significant.  With a leftover
    the allocations of one combination of numbers per label follow those of another, each with its weight.

    Raises
    ------
    DesignError
        More than `LISTABLE` allocations; it would take weeks.
    """
    if not at_most(design, LISTABLE):
        raise DesignError(
            f"The design has more than {LISTABLE:,} allocations, and listing them all would take weeks. "
            "Draw a sample of them instead.",
            da=f"Designet har flere end {_danish(LISTABLE)} mulige tildelinger, og det ville tage uger at opregne dem. "
            "Træk en stikprøve af dem i stedet.",
        )
    return listed(design, chunk)


def sample(design: PartsDesign, n: int, rng: np.random.Generator) -> Codes:
    """``n`` independent allocations, (n, n_items), from the same distribution as `assign`.

    With a constraint only accepted draws are kept or stored.  A draw gives up after ``max_attempts`` and a sample goes
    on, so this is the draw's distribution given that the draw succeeds.

    Raises
    ------
    DesignError
        ``E_NO_ACCEPT``: acceptance is so rare that the draw itself would fail nearly every time.
    """
    out, filled, tried = blank(design, n), 0, 0
    urns, free = Urns.of(design), np.array(design.free)
    screen = Screen(design.rule, len(design.label_names)) if design.rule else None
    while filled < n:
        # beside a constraint each batch is as large as all before it, so that a few draws cost little
        drawn = urns.drawn(min(urns.batch, n - filled + tried), rng)
        codes = drawn.codes
        if screen:
            codes, tried = codes[:, screen.accepted(codes, drawn.totals)], tried + codes.shape[1]
            if tried > PATIENCE * design.attempts * (filled + codes.shape[1] + 1):
                raise _hopeless(tried, filled + codes.shape[1])
        kept = codes[:, : n - filled]
        place(out[filled : filled + kept.shape[1]], free, kept.T)
        filled += kept.shape[1]
    return out


# From the urns, in exact fractions


def _chances(design: PartsDesign, label: int) -> Floats:
    """(n_items,) the probability of ``label``, without a constraint."""
    found = np.array([float(fixed == label) for fixed in design.fixed])
    for part in shown_parts(design):
        expected = sum((share * counts[label] for share, counts in part.profiles()), Fraction(0))
        found[list(part.items)] = float(expected / len(part.items))
    return found


def _joint_chances(design: PartsDesign, a: int, b: int) -> Floats:
    """(n_items, n_items): parts are independent of each other, and the items of one part share its urn."""
    chances = _chances(design, a)
    found = np.outer(chances, _chances(design, b))
    for part in shown_parts(design):
        items, n = np.array(part.items, np.intp), len(part.items)
        pairs = sum((share * counts[a] * (counts[b] - (a == b)) for share, counts in part.profiles()), Fraction(0))
        found[np.ix_(items, items)] = float(pairs / (n * (n - 1))) if n > 1 else 0.0
    found[np.diag_indices(len(found))] = chances if a == b else 0.0
    return found


def _exact(values: Floats) -> Shares:
    return Shares(values=values, mc_error=np.zeros_like(values))


# From all accepted allocations, or from a sample of them


def _constrained(design: PartsDesign, table: Callable[[Codes], Ints], rng: np.random.Generator | None) -> Shares:
    """The shares of what ``table`` counts, (n_items, ...)."""
    if at_most(design, ENUMERABLE):
        return _exact(weighted_shares(enumerate(design), table))
    shares = table(sample(design, ACCEPTED, _needed(design, rng))) / ACCEPTED
    known = np.array([label is not None for label in design.fixed])
    sure = known[:, None] & (known if shares.shape[1] == len(known) else True)
    return Shares(values=shares, mc_error=np.where(sure, 0.0, _error(shares, ACCEPTED)))


def _pairs(codes: Codes, a: int, b: int) -> Ints:
    """(n_items, n_items) rows in which item i has label ``a`` and item j label ``b``."""
    n_items = codes.shape[1]
    found = np.zeros((n_items, n_items), np.int64)
    for start in range(0, len(codes), BATCH):  # whole numbers up to 16,000: exact in single precision
        block = codes[start : start + BATCH]
        found += ((block == a).T.astype(np.float32) @ (block == b).astype(np.float32)).astype(np.int64)
    return found


def _estimated_count(design: PartsDesign, rule: Rule, total: int, rng: np.random.Generator) -> Count:
    """The share accepted among `TRIED` draws, weighed so that every allocation counts the same."""
    urns, screen = Urns.of(design), Screen(rule, len(design.label_names))
    found = np.empty(TRIED)
    for start in range(0, TRIED, urns.batch):
        drawn = urns.drawn(min(urns.batch, TRIED - start), rng)
        found[start : start + urns.batch] = drawn.surplus * screen.accepted(drawn.codes, drawn.totals)
    share = float(found.mean())
    error = max(float(found.std()) / sqrt(TRIED), float(_error(np.array(min(share, 1.0)), TRIED)))
    return Count(total=total, accepted=round(total * Fraction(share)), mc_error=_as_float(total * Fraction(error)))


def _error(shares: Floats, n: int) -> Floats:
    """Standard error of shares among ``n`` draws, never 0: one hit and one miss are added (Agresti and Coull 1998)."""
    near = (shares * n + 1) / (n + 2)
    error: Floats = np.sqrt(near * (1 - near) / n)
    return error


def _as_float(value: Fraction) -> float:
    return float(value) if value < Fraction(float_info.max) else float("inf")


def _needed(design: PartsDesign, rng: np.random.Generator | None) -> np.random.Generator:
    if rng is not None:
        return rng
    size = prod(sum(arrangements(counts) for _, counts in part.profiles()) for part in shown_parts(design))
    raise DesignError(
        f"The constraint must be checked on {_roughly(size)} allocations, and more than {ENUMERABLE:,} cannot be "
        "enumerated in reasonable time, so there is no exact answer. Pass rng=numpy.random.default_rng(...) for an "
        "estimate with its error.",
        {"allocations": size, "limit": ENUMERABLE},
        da=f"Balancekravet skulle efterprøves på {_roughly(size)} tildelinger, og flere end {_danish(ENUMERABLE)} kan "
        "ikke opregnes på rimelig tid, så der er intet eksakt svar. Angiv rng=numpy.random.default_rng(...) for at få "
        "et skøn med usikkerhed.",
    )


def _roughly(size: int) -> str:
    digits = str(size)
    return digits if len(digits) <= 15 else f"{digits[0]}.{digits[1:3]}e{len(digits) - 1}"


def _danish(number: int) -> str:
    return f"{number:,}".replace(",", ".")


def _hopeless(tried: int, accepted: int) -> DesignError:
    return DesignError(
        f"Of {tried:,} draws {accepted} met the constraint, so the draw itself would give up nearly every time. "
        "Soften the constraint, or allow more attempts.",
        {"tried": tried, "accepted": accepted},
        da=f"Af {_danish(tried)} lodtrækninger opfyldte {accepted} balancekravet, så selve lodtrækningen ville næsten "
        "altid opgive. Lemp kravet, eller tillad flere forsøg.",
        code="E_NO_ACCEPT",
    )
