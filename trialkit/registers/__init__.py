"""Units from files, and from the registers trialkit ships."""

from __future__ import annotations

from trialkit.registers.cpr import holds_cpr, masked
from trialkit.registers.join import join
from trialkit.registers.names import OUTSIDE, Outside, danish_key, place
from trialkit.registers.number import number, numbers
from trialkit.registers.read import read_units, units_csv, write_units
from trialkit.registers.shipped import register, registers

__all__ = [
    "OUTSIDE",
    "Outside",
    "danish_key",
    "holds_cpr",
    "join",
    "masked",
    "number",
    "numbers",
    "place",
    "read_units",
    "register",
    "registers",
    "units_csv",
    "write_units",
]
