"""What is published with the package: the specification and its vectors, so that strangers can write a checker."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def specification() -> bytes:
    """The specification, ``docs/spec/draw.md``, byte for byte."""
    return (files("trialkit.draw") / "spec.md").read_bytes()


def vectors() -> dict[str, Any]:
    """The specification's vectors, ``tests/vectors/draw_vectors.json``."""
    found: dict[str, Any] = json.loads((files("trialkit.draw") / "vectors.json").read_bytes())
    return found
