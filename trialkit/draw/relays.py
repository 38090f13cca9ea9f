"""A drand round from two relays that must agree.

A relay is not trusted: whoever verifies checks the round's signature (specification section 8).  Two relays only
guard against a mistyped address or one relay that is out of order on the day.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from trialkit.errors import DrawError

RELAYS: Final = ("https://api.drand.sh", "https://drand.cloudflare.com")
_LARGEST_ANSWER: Final = 65536
_SIGNATURE: Final = re.compile(r"[0-9a-f]{96}", re.ASCII)


def fetch(chain: str, round_number: int, relays: Sequence[str] = RELAYS, *, timeout: float = 20.0) -> dict[str, Any]:
    """The evidence ``{kind, round, signature}`` of one drand round, on which two relays agree.

    Parameters
    ----------
    chain : 64 hex digits
    round_number : the round the protocol named
    relays : two or more base addresses (http or https)
    timeout : seconds to wait for each

    Raises
    ------
    DrawError
        ``E_RELAY``: fewer than two relays, one that does not answer or answers with something else, or two that
        disagree; ``facts`` say which.
    """
    if len(set(relays)) < 2:
        raise DrawError(
            "One relay alone could answer anything, so the round is fetched from two. Name a second relay.",
            {"relays": list(relays)},
            da="Én server alene kunne svare hvad som helst, så runden hentes fra to. Angiv en server mere.",
            code="E_RELAY",
        )
    found = {relay: _signature(relay, chain, round_number, timeout) for relay in relays}
    if len(set(found.values())) > 1:
        raise DrawError(
            f"The relays disagree about round {round_number}, so nothing was drawn. Ask others, or type the "
            "signature in from a source everybody in the room can see.",
            {"round": round_number, "answers": found},
            da=f"Serverne er ikke enige om runde {round_number}, så der er ikke trukket lod. Spørg andre, eller tast "
            "signaturen ind fra en kilde, som alle i rummet kan se.",
            code="E_RELAY",
        )
    return {"kind": "drand", "round": round_number, "signature": next(iter(found.values()))}


def _signature(relay: str, chain: str, round_number: int, timeout: float) -> str:
    """What one relay says the round's signature is."""
    if not relay.startswith(("https://", "http://")):
        raise _silent(relay, round_number, "not an http address", "ikke en http-adresse")
    address = f"{relay.rstrip('/')}/{chain}/public/{round_number}"
    try:
        with urlopen(Request(address, headers={"Accept": "application/json"}), timeout=timeout) as answer:  # noqa: S310
            said = json.loads(answer.read(_LARGEST_ANSWER))
    except (URLError, OSError, ValueError, RecursionError) as error:
        if isinstance(error, HTTPError):
            error.close()
        raise _silent(relay, round_number, str(error), str(error)) from None
    signature = said.get("signature") if isinstance(said, dict) else None
    right = isinstance(signature, str) and _SIGNATURE.fullmatch(signature) and said.get("round") == round_number
    if not right:
        raise _silent(relay, round_number, "it answered with another thing", "den svarede med noget andet")
    return str(signature)


def _silent(relay: str, round_number: int, why: str, hvorfor: str) -> DrawError:
    return DrawError(
        f"The relay {relay} did not give round {round_number} ({why}), so nothing was drawn. Wait and try again, name "
        "another relay, or type the signature in.",
        {"relay": relay, "round": round_number},
        da=f"Serveren {relay} gav ikke runde {round_number} ({hvorfor}), så der er ikke trukket lod. Vent og prøv "
        "igen, angiv en anden server, eller tast signaturen ind.",
        code="E_RELAY",
    )
