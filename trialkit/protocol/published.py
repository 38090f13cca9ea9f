"""The JSON Schema of a draft, published once per version for editors and other programs."""

from __future__ import annotations

import json
from typing import Any, Final

from trialkit.protocol.model import SCHEMA_VERSION, Protocol

FILE: Final = f"protocol-{SCHEMA_VERSION}.json"  # in trialkit/protocol/schema/; a published version is never edited


def json_schema() -> dict[str, Any]:
    """The schema of the version this trialkit reads, generated from the models."""
    found = Protocol.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "version": SCHEMA_VERSION, **found}


def schema_text() -> str:
    """The same as the committed file holds it."""
    return json.dumps(json_schema(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
