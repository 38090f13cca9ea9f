"""Balance rules of a draft -> the constraint of a draw and each unit's covariates, exactly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from trialkit.canonical import decimal_text, decimal_units
from trialkit.design.constraint import Constraint, Mahalanobis, Tolerance
from trialkit.errors import DesignError
from trialkit.protocol.model import Protocol
from trialkit.protocol.text import shortest
from trialkit.protocol.units import Balance
from trialkit.registers import numbers
from trialkit.units import Unit, Units

_MOST_WORK = 100_000_000  # attempts times free items (specification section 4.1)


def balanced(protocol: Protocol, units: Units) -> tuple[Units, Constraint | None]:
    """The units with their covariates ``x``, and the constraint; (units, None) without a balance rule.

    A share per wave becomes one 0/1 covariate per value the free units have, in canonical order.  A tolerance given
    as a share of the mean is that share of the mean over the free items, rounded down to 9 decimals.

    Raises
    ------
    DesignError
        ``E_COVARIATES``: a unit has no such column.
    UnitsError
        A unit has no number in its column.
    """
    rules = protocol.balance
    if not rules:
        return units, None
    free = sum(1 for _ in _free_items(protocol, units))
    attempts = max(1, min(protocol.lottery.attempts if protocol.lottery else 1, _MOST_WORK // max(free, 1), 1_000_000))
    if rules[0].compare == "mahalanobis":
        names = rules[0].variables
        threshold = shortest(format(rules[0].threshold or 0, "f"))
        constraint: Constraint = Mahalanobis(covariates=names, threshold=threshold, max_attempts=attempts)
        return _with_x(units, [_numbers(units, name) for name in names]), constraint
    columns: list[tuple[str, dict[str, str], str]] = [made for rule in rules for made in _made(protocol, units, rule)]
    constraint = Tolerance(
        covariates=tuple(name for name, _, _ in columns),
        tolerances=tuple(limit for _, _, limit in columns),
        max_attempts=attempts,
    )
    return _with_x(units, [x for _, x, _ in columns]), constraint


def _made(protocol: Protocol, units: Units, rule: Balance) -> list[tuple[str, dict[str, str], str]]:
    """One rule as (covariate, x by unit, tolerance)."""
    variable, limit = rule.variable or "", rule.largest_difference
    absolute = limit.absolute if limit else None
    if rule.compare.startswith("share"):
        return _shares(protocol, units, variable, shortest(format(absolute or 0, "f")))
    x = _numbers(units, variable)
    if absolute is not None:
        return [(variable, x, shortest(format(absolute, "f")))]
    share = Fraction(limit.share_of_mean or 0) if limit else Fraction(0)
    sums = [sum(decimal_units(x[unit.id]) for unit in item) for item in _free_items(protocol, units)]
    mean = Fraction(sum(sums), len(sums) or 1)
    return [(variable, x, decimal_text(abs(share * mean).__floor__()))]


def _shares(protocol: Protocol, units: Units, variable: str, limit: str) -> list[tuple[str, dict[str, str], str]]:
    if protocol.clusters:
        raise _no_covariate(
            f"{variable!r} is compared as a share, and clusters are drawn: a share of clusters of different sizes is "
            "not what the rule says. Compare a mean, or draw units.",
            f"{variable!r} sammenlignes som andel, og der trækkes klynger: en andel af klynger af forskellig "
            "størrelse er "
            "ikke det, reglen siger. Sammenlign et gennemsnit, eller træk enheder.",
        )
    facts = {unit.id: _fact(unit, variable) for unit in units}
    values = {facts[unit.id] for item in _free_items(protocol, units) for unit in item}
    return [
        (f"{variable}: {value}", {unit: "1" if fact == value else "0" for unit, fact in facts.items()}, limit)
        for value in sorted(values, key=str.encode)
    ]


def _free_items(protocol: Protocol, units: Units) -> Iterable[list[Unit]]:
    """The units of each item that is drawn: clusters where there are clusters."""
    items: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        if unit.fixed is None:
            items[(unit.cluster or "") if protocol.clusters else unit.id].append(unit)
    return items.values()


def _numbers(units: Units, column: str) -> dict[str, str]:
    return dict(zip(units.ids, numbers(units, column), strict=True))


def _fact(unit: Unit, column: str) -> str:
    if column not in unit.facts:
        raise _no_covariate(
            f"The balance rule asks for the column {column!r}, which the list of units does not have. It has: "
            f"{', '.join(unit.facts) or 'none'}. Correct the name, or add the column.",
            f"Balancereglen spørger efter kolonnen {column!r}, som listen over enheder ikke har. Den har: "
            f"{', '.join(unit.facts) or 'ingen'}. Ret navnet, eller tilføj kolonnen.",
        )
    return unit.facts[column].strip()


def _with_x(units: Units, columns: list[dict[str, str]]) -> Units:
    return units.map(lambda unit: replace(unit, x=tuple(column[unit.id] for column in columns)))


def _no_covariate(en: str, da: str) -> DesignError:
    return DesignError(en, da=da, code="E_COVARIATES")
