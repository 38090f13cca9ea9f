"""drand quicknet: numbered rounds of public chance, and whether a round's signature is genuine (section 8).

Checking needs the package ``py-ecc`` (extra ``drand``), which is loaded only then.
"""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from trialkit.errors import DrawError

CHAIN: Final = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
PUBLIC_KEY: Final = (
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451"
    "0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
)
GROUP_HASH: Final = "f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e"
BEACON: Final = "quicknet"
PERIOD: Final = 3  # seconds
GENESIS: Final = 1692803367  # Unix time of round 1
LAST_ROUND: Final = 2**36

_TAG: Final = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"


def round_time(number: int) -> datetime:
    """When round ``number`` appears (UTC)."""
    return datetime.fromtimestamp(GENESIS, UTC) + timedelta(seconds=PERIOD * (number - 1))


def round_stamp(number: int) -> str:
    """The same as a ledger writes it."""
    return round_time(number).strftime("%Y-%m-%dT%H:%M:%SZ")


def round_at(moment: datetime) -> int:
    """The first round that appears at or after ``moment``, which must carry its time zone.

    Raises
    ------
    ValueError
        ``moment`` has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone is another moment elsewhere; give one with tzinfo")
    passed = moment - datetime.fromtimestamp(GENESIS, UTC)
    return max(1, 1 - (-passed // timedelta(seconds=PERIOD)))


def randomness(signature: str) -> str:
    """What drand calls the round's randomness: SHA-256 of the signature's bytes."""
    return hashlib.sha256(bytes.fromhex(signature)).hexdigest()


def chain_hash(period: int, genesis: int, public_key: str, group_hash: str, beacon: str) -> str:
    """The name of a chain from its numbers; it holds the public key, so the key is no matter of trust."""
    data = period.to_bytes(4, "big") + genesis.to_bytes(8, "big")
    return hashlib.sha256(data + bytes.fromhex(public_key + group_hash) + beacon.encode()).hexdigest()


def available() -> bool:
    """Whether signatures can be checked here."""
    return find_spec("py_ecc") is not None


@lru_cache(maxsize=64)
def verify_signature(number: int, signature: str) -> bool:
    """Whether ``signature`` (96 hex) is the chain's signature of round ``number``; 1 to 5 seconds.

    Strict decoding: another byte string for the same point would be a second seed.  py-ecc decodes without the
    subgroup check, so that is made here.

    Raises
    ------
    DrawError
        ``E_NO_BLS``: py-ecc is not installed.
    """
    if not available():
        raise DrawError(
            "The signature of a drand round cannot be checked here, and an unchecked one could be 96 made-up letters. "
            "Install trialkit with its extra `drand`, or compare with the round as several relays publish it.",
            da="Signaturen på en drand-runde kan ikke kontrolleres her, og en ukontrolleret kunne være 96 opdigtede "
            "tegn. Installér trialkit med tilvalget `drand`, eller sammenlign med runden hos flere servere.",
            code="E_NO_BLS",
        )
    if len(signature) != 96:
        return False
    curve, bls = _loaded("optimized_bls12_381"), _loaded("bls.g2_primitives")
    try:
        point = _loaded("bls.point_compression").decompress_G1(int(signature, 16))
    except ValueError:
        return False
    if curve.is_inf(point) or not bls.subgroup_check(point):
        return False
    # e(signature, g2) = e(H, pk) as one product, because the final exponentiation is the slow half
    left = curve.pairing(curve.neg(curve.G2), point, final_exponentiate=False)
    right = curve.pairing(_public_point(), _hashed(number), final_exponentiate=False)
    return bool(curve.final_exponentiate(left * right) == curve.FQ12.one())


def _loaded(module: str) -> Any:
    """A module of py-ecc, which is typed for its own use only."""
    limit = sys.getrecursionlimit()
    try:
        return import_module(f"py_ecc.{module}")
    finally:
        sys.setrecursionlimit(limit)  # py-ecc raises it to 100,000, and a nested file could then crash Python


@lru_cache(maxsize=1)
def _public_point() -> Any:
    key = bytes.fromhex(PUBLIC_KEY)
    return _loaded("bls.point_compression").decompress_G2(
        (int.from_bytes(key[:48], "big"), int.from_bytes(key[48:], "big"))
    )


def _hashed(number: int) -> Any:
    """The round's message on the curve, RFC 9380 suite BLS12381G1_XMD:SHA-256_SSWU_RO_."""
    message = hashlib.sha256(number.to_bytes(8, "big")).digest()
    return _loaded("bls.hash_to_curve").hash_to_G1(message, _TAG, hashlib.sha256)
