"""What a protocol may hold: exact members, types and ranges (specification section 4; step 6 of section 10)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from trialkit.canonical import DECIMAL, FORMAT, HEX64
from trialkit.design.blocked import BLOCKED_WEDGE
from trialkit.design.kind import Kind
from trialkit.design.lottery import LOTTERY
from trialkit.design.parts_design import KINDS
from trialkit.draw.drand import CHAIN, LAST_ROUND
from trialkit.errors import DrawError

Check = Callable[[Any], None]

MOST_UNITS: Final = 1_000_000
MOST_PLACES: Final = 1_000_000

_DRAW_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_POSITIVE: Final = re.compile(rf"(?!-){DECIMAL.pattern}", re.ASCII)


class _WrongError(Exception):
    """A value that does not fit, and the path to it, filled in on the way out."""

    def __init__(self, why: str, hvorfor: str) -> None:
        super().__init__(why)
        self.why, self.hvorfor = why, hvorfor
        self.path: list[str] = []


def check_format(protocol: Mapping[str, Any]) -> None:
    """Step 4: format and kind.

    Raises
    ------
    DrawError
        ``E_FORMAT``.
    """
    if (protocol.get("format"), protocol.get("kind")) != (FORMAT, "protocol"):
        raise DrawError(
            f"This is not a protocol of {FORMAT}, so it may mean something else to another program. Choose the file "
            "that was committed.",
            {"format": protocol.get("format"), "kind": protocol.get("kind")},
            da=f"Det er ikke en lodtrækningsprotokol efter {FORMAT}, så den kan betyde noget andet for et andet "
            "program. Vælg den fil, der blev låst.",
            code="E_FORMAT",
        )


def check_schema(protocol: Mapping[str, Any]) -> None:
    """Step 6: members, types, ranges.

    Raises
    ------
    DrawError
        ``E_SCHEMA``; ``facts["member"]`` says where.
    """
    try:
        _protocol(protocol)
    except _WrongError as wrong:
        place = ".".join(reversed(wrong.path)) or "protocol"
        raise DrawError(
            f"In the protocol, {place} {wrong.why}, so programs could read it differently. Correct it.",
            {"member": place},
            da=f"I protokollen: {place} {wrong.hvorfor}, så programmer kunne læse det forskelligt. Ret det.",
            code="E_SCHEMA",
        ) from None


def _protocol(value: Any) -> None:
    if not isinstance(value, dict):
        raise _WrongError("is not an object", "er ikke et objekt")
    design = value.get("design")
    _members(
        format=_const(FORMAT),
        kind=_const("protocol"),
        draw_id=_matching(_DRAW_ID),
        title=_text,
        method=_one_of("shuffle", "rank"),
        design=_design(design),
        units=_units(design),
        entropy=_array(_source, 1, 16),
        witnesses=_array(_members(name=_text, public_key=_matching(HEX64)), 0, 100),
        quorum=_integer(0, len(value["witnesses"]) if isinstance(value.get("witnesses"), list) else 0),
        plan_hash_optional=_matching(HEX64),
    )(value)


def _design(design: Any) -> Check:
    """The check of the design's members, which follow from its kind."""
    name = design.get("kind") if isinstance(design, dict) else None
    if name == "sequential":
        return _members(
            kind=_const(name),
            labels=_array(_members(name=_text, weight=_integer(1, 1_000_000)), 2, 1000),
            strata=_array(_text, 1, 1000),
            blocks=_array(_integer(1, 10_000), 1, 16),
            length=_integer(1, 1_000_000),
        )
    if not isinstance(name, str) or name not in KINDS:
        return _never("has a kind that is not known", "har en kind, der ikke kendes")
    kind = KINDS[name]
    members: dict[str, Check] = {"kind": _const(name), "level": _one_of("unit", "cluster")}
    if kind is LOTTERY:
        members["places"] = _integer(0, MOST_PLACES)
    else:
        members["labels"] = _array(_label(kind), kind.fewest_labels, 1000)
    if kind is BLOCKED_WEDGE:
        places = _array(_integer(0, MOST_PLACES), 1, 1000)
        members["quotas"] = _array(_members(block=_text, places=places), 1, MOST_UNITS)
    if kind.constraint:
        members["constraint_optional"] = _constraint
    return _members(**members)


def _label(kind: Kind) -> Check:
    if kind.sized == "weight":
        return _members(name=_text, weight=_integer(1, 1_000_000))
    return _members(name=_text, places=_integer(0, MOST_PLACES)) if kind.sized == "places" else _members(name=_text)


def _units(design: Any) -> Check:
    """The check of the units, whose members follow from the design's; none where the design itself is wrong."""
    if not isinstance(design, dict) or not isinstance(design.get("kind"), str):
        return _never("cannot be judged without a design", "kan ikke bedømmes uden et design")
    if design["kind"] not in KINDS:
        return _array(_text, 0, 0)  # sequential: people come later
    kind = KINDS[design["kind"]]
    members: dict[str, Check] = {"id": _text}
    if kind.block:
        members["block"] = _text
    if design.get("level") == "cluster":
        members["cluster"] = _text
    if kind.tier:
        members["tier"] = _integer(1, 1000)
    if "constraint" in design:
        members["x"] = _array(_matching(DECIMAL), 1, 50)
    if kind.fixed:
        members["fixed_optional"] = _text
    return _array(_members(**members), 1, MOST_UNITS)


def _constraint(value: Any) -> None:
    shared: dict[str, Check] = {"covariates": _array(_text, 1, 50), "max_attempts": _integer(1, 1_000_000)}
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind == "mahalanobis":
        _members(kind=_const(kind), threshold=_matching(_POSITIVE), **shared)(value)
    elif kind == "tolerance":
        _members(kind=_const(kind), tolerances=_array(_matching(_POSITIVE), 1, 50), **shared)(value)
    else:
        raise _WrongError("is neither mahalanobis nor tolerance", "er hverken mahalanobis eller tolerance")


def _source(value: Any) -> None:
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _SOURCES:
        raise _WrongError("is no known source of chance", "er ikke en kendt kilde til lod")
    _SOURCES[kind](value)
    if kind == "rolls" and value["low"] >= value["high"]:
        raise _WrongError("has low not below high", "har low, der ikke er under high")


def _members(**checks: Check) -> Check:
    """An object with exactly these members; a name that ends in ``_optional`` may be left out."""
    known = {name.removesuffix("_optional"): check for name, check in checks.items()}
    required = {name for name in checks if not name.endswith("_optional")}

    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise _WrongError("is not an object", "er ikke et objekt")
        if not required <= value.keys() <= known.keys():
            wrong = sorted(map(str, (value.keys() ^ required) - (known.keys() - required)))
            raise _WrongError(
                f"lacks or should not have the member {wrong[0]!r}", f"mangler eller må ikke have {wrong[0]!r}"
            )
        for name, member in value.items():
            try:
                known[name](member)
            except _WrongError as wrong_member:
                wrong_member.path.append(name)
                raise

    return check


def _array(item: Check, fewest: int, most: int) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, list) or not fewest <= len(value) <= most:
            raise _WrongError(f"is not a list of {fewest} to {most}", f"er ikke en liste med {fewest} til {most}")
        place = 0
        try:
            for place, member in enumerate(value):  # noqa: B007
                item(member)
        except _WrongError as wrong:
            wrong.path.append(str(place))
            raise

    return check


def _integer(low: int, high: int) -> Check:
    def check(value: Any) -> None:
        if type(value) is not int or not low <= value <= high:  # True is an int to Python, and not to JSON
            raise _WrongError(
                f"is not a whole number from {low} to {high}", f"er ikke et helt tal fra {low} til {high}"
            )

    return check


def _matching(pattern: re.Pattern[str]) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise _WrongError(
                f"is not a text of the form {pattern.pattern}", f"er ikke en tekst af formen {pattern.pattern}"
            )

    return check


def _one_of(*choices: str) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, str) or value not in choices:
            raise _WrongError(f"is not one of {', '.join(choices)}", f"er ikke en af {', '.join(choices)}")

    return check


def _const(only: str) -> Check:
    return _one_of(only)


def _boolean(value: Any) -> None:
    if not isinstance(value, bool):
        raise _WrongError("is neither true nor false", "er hverken true eller false")


def _text(value: Any) -> None:
    if not isinstance(value, str):
        raise _WrongError("is not a text", "er ikke en tekst")


def _never(why: str, hvorfor: str) -> Check:
    def check(value: Any) -> None:
        raise _WrongError(why, hvorfor)

    return check


_SOURCES: Final[Mapping[str, Check]] = {
    "drand": _members(kind=_text, chain=_const(CHAIN), round=_integer(1, LAST_ROUND)),
    "rolls": _members(
        kind=_text, low=_integer(0, 1000), high=_integer(0, 1000), count=_integer(1, 1000), distinct=_boolean
    ),
    "number": _members(kind=_text),
    "commit": _members(kind=_text, party=_text, commitment=_matching(HEX64)),
    "published": _members(kind=_text, value=_text),
}
