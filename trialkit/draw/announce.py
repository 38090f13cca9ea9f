"""A draft -> the protocol that is committed, and a protocol -> its design (specification sections 4 and 10)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trialkit.canonical import FORMAT
from trialkit.design.build import from_spec
from trialkit.design.parts_design import PartsDesign
from trialkit.design.sequential import SequentialDesign
from trialkit.draw.evidence import check_sources
from trialkit.draw.names import check_protocol_names, check_texts, normalise
from trialkit.draw.schema import check_format, check_schema

At = Callable[[int], object]  # told the number of each step of section 10 as it begins


def unheard(step: int) -> None:
    """For those who do not follow the steps."""


def design_of(protocol: Mapping[str, Any], at: At = unheard) -> PartsDesign | SequentialDesign:
    """The design a protocol commits, after checking all of the protocol (steps 4 and 6 to 10).

    Raises
    ------
    TrialkitError
        The first failure, by the specification's name.
    """
    for number, check in ((4, check_format), (6, check_schema)):
        at(number)
        check(protocol)
    return _named_and_built(protocol, at)


def _named_and_built(protocol: Mapping[str, Any], at: At) -> PartsDesign | SequentialDesign:
    """Steps 7 to 10."""
    at(7)
    check_texts(protocol)
    at(8)
    check_protocol_names(protocol)
    at(9)
    design = from_spec(protocol["method"], protocol["design"], protocol["units"])
    at(10)
    check_sources(protocol)
    return design


def prepare(draft: Mapping[str, Any], at: At = unheard) -> dict[str, Any]:
    """The protocol of a draft: texts in NFC, units and quotas in canonical order, everything checked.

    Preparing a protocol gives the same protocol.

    Raises
    ------
    TrialkitError
        The first failure of steps 6 to 10, by the specification's name.
    """
    protocol: dict[str, Any] = {**_copied(dict(draft)), "format": FORMAT, "kind": "protocol"}
    at(6)
    check_schema(protocol)
    normalise(protocol)
    protocol["units"].sort(key=lambda unit: _bytes(unit["id"]))
    if quotas := protocol["design"].get("quotas"):
        quotas.sort(key=lambda quota: _bytes(quota["block"]))
    _named_and_built(protocol, at)
    return protocol


def _copied(value: Any) -> Any:
    """A copy that can be changed: a draft stays as it was."""
    if isinstance(value, dict):
        return {key: _copied(member) for key, member in value.items()}
    return [_copied(member) for member in value] if isinstance(value, list) else value


def _bytes(text: str) -> bytes:
    """For sorting before texts are checked: half a character must not stop the sort."""
    return text.encode("utf-8", "surrogatepass")
