"""What a witness signs, and whether it is her signature (specification section 9).

Ed25519 as RFC 8032, cofactorless.  The library refuses an unreduced S and compares R byte for byte; what it lets
pass, keys written non-canonically or of small order, is refused here, because one signature must mean one key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from trialkit.canonical import FORMAT, HEX64, jcs

HEX128: Final = re.compile(r"[0-9a-f]{128}", re.ASCII)

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P


def message(stage: str, digest: str, head: str, time: str) -> bytes:
    """The bytes a witness signs.

    ``stage`` is ``commit`` or ``draw``, ``digest`` the protocol's or the record's hash, ``head`` the hash of the
    ledger's last entry as she saw it, ``time`` her own clock's.
    """
    return jcs([FORMAT, "witness", stage, digest, head, time])


def new_key() -> tuple[str, str]:
    """A fresh private key and its public key, 64 hex each."""
    private = Ed25519PrivateKey.generate()
    return private.private_bytes_raw().hex(), private.public_key().public_bytes_raw().hex()


def public_key(private_key: str) -> str:
    """The public key of a private one, 64 hex each."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private_key)).public_key().public_bytes_raw().hex()


def sign(private_key: str, data: bytes) -> str:
    """The signature of ``data``, 128 hex, by a private key of 64 hex."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private_key)).sign(data).hex()


def verify(key: str, data: bytes, signature: str) -> bool:
    """Whether ``signature`` (128 hex) is that of ``data`` by the public ``key`` (64 hex); strict."""
    if not (HEX64.fullmatch(key) and HEX128.fullmatch(signature)):
        return False
    point, signed = bytes.fromhex(key), bytes.fromhex(signature)
    if not (_canonical(point) and _canonical(signed[:32])) or _small_order(point):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(point).verify(signed, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def is_signed(signed: Mapping[str, str], key: str) -> bool:
    """Whether ``signed`` (``stage, hash, head, time, signature`` among its members) is the key owner's."""
    data = message(signed["stage"], signed["hash"], signed["head"], signed["time"])
    return verify(key, data, signed["signature"])


def _canonical(point: bytes) -> bool:
    """Whether the encoding is the only one of its point: y < p, and no x = 0 with sign 1."""
    y, sign = _y_and_sign(point)
    return y < _P and not (sign and y in (1, _P - 1))


def _small_order(point: bytes) -> bool:
    """Whether 8 A = 0, by y alone.

    The points of order 1, 2 and 4 have y = 1, -1 and 0.  One of order 8 doubles to y = 0, which needs x^2 = -y^2, and
    then the curve -x^2 + y^2 = 1 + d x^2 y^2 says d y^4 + 2 y^2 = 1.
    """
    y, _ = _y_and_sign(point)
    return y in (0, 1, _P - 1) or (_D * pow(y, 4, _P) + 2 * y * y - 1) % _P == 0


def _y_and_sign(point: bytes) -> tuple[int, int]:
    number = int.from_bytes(point, "little")
    return number & (2**255 - 1), number >> 255
