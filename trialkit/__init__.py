"""trialkit: roll something new out by public lot, and learn whether it works.

The front door.  Names load on first use, so that ``import trialkit`` costs no more than Python itself.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing has it, which alone would cost half of Python's own start
if TYPE_CHECKING:
    from trialkit.design import (
        blocked,
        blocked_wedge,
        complete,
        lottery,
        matched,
        rollout,
        sequential,
        stepped_wedge,
    )
    from trialkit.design.base import Design, Simulated
    from trialkit.design.compile import build
    from trialkit.draw.official import Draw
    from trialkit.draw.verify import Verdict, verify_ledger, verify_record
    from trialkit.errors import TrialkitError
    from trialkit.estimate.result import Estimate
    from trialkit.panel import Panel
    from trialkit.power.feasibility import feasibility
    from trialkit.protocol.load import load
    from trialkit.protocol.model import Protocol
    from trialkit.registers import read_units, register
    from trialkit.trial import Trial
    from trialkit.units import Unit, Units

_DOORS = {
    "Design": "design.base",
    "Draw": "draw.official",
    "Estimate": "estimate.result",
    "Panel": "panel",
    "Protocol": "protocol.model",
    "Simulated": "design.base",
    "Trial": "trial",
    "TrialkitError": "errors",
    "Unit": "units",
    "Units": "units",
    "Verdict": "draw.verify",
    "blocked": "design",
    "blocked_wedge": "design",
    "build": "design.compile",
    "complete": "design",
    "feasibility": "power.feasibility",
    "load": "protocol.load",
    "lottery": "design",
    "matched": "design",
    "read_units": "registers",
    "register": "registers",
    "rollout": "design",
    "sequential": "design",
    "stepped_wedge": "design",
    "verify_ledger": "draw.verify",
    "verify_record": "draw.verify",
}

__version__ = "0.1.0"
__all__ = [
    "Design",
    "Draw",
    "Estimate",
    "Panel",
    "Protocol",
    "Simulated",
    "Trial",
    "TrialkitError",
    "Unit",
    "Units",
    "Verdict",
    "blocked",
    "blocked_wedge",
    "build",
    "complete",
    "feasibility",
    "load",
    "lottery",
    "matched",
    "read_units",
    "register",
    "rollout",
    "sequential",
    "stepped_wedge",
    "verify_ledger",
    "verify_record",
]


def __getattr__(name: str) -> object:
    if name not in _DOORS:
        raise AttributeError(f"module 'trialkit' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"trialkit.{_DOORS[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
