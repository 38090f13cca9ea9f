"""Signatures of witnesses: the strict rules, against the curve itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialkit.draw import witness

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
L = 2**252 + 27742317777372353535851937790883648493
SECRET = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"  # RFC 8032, 7.1, test 1
DATA = witness.message("commit", "aa" * 32, "bb" * 32, "2024-01-01T00:00:00Z")


def add(one, other):
    """Twisted Edwards addition, -x^2 + y^2 = 1 + d x^2 y^2."""
    (x1, y1), (x2, y2) = one, other
    t = D * x1 * x2 * y1 * y2 % P
    return ((x1 * y2 + x2 * y1) * pow(1 + t, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - t, -1, P) % P)


def times(n, point):
    found = (0, 1)
    while n:
        found = add(found, point) if n & 1 else found
        point, n = add(point, point), n >> 1
    return found


def point_at(y):
    """A point with this y, or None."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return None if (x * x - square) % P else (x, y)


def encoded(point, sign=None):
    x, y = point
    return (y | (x & 1 if sign is None else sign) << 255).to_bytes(32, "little")


def torsion():
    """The eight points of small order: the multiples of L times some point, until one has order 8."""
    for y in range(2, 100):
        point = point_at(y)
        if point and times(4, eighth := times(L, point)) != (0, 1):
            return [times(k, eighth) for k in range(8)]
    raise AssertionError


def test_all_eight_points_of_small_order_are_refused_and_no_other_is():
    eight = torsion()
    assert len(set(eight)) == 8
    assert all(witness._small_order(encoded(point)) for point in eight)
    others = [point for y in range(2, 60) if (point := point_at(y))]
    assert len(others) > 20
    for point in others:
        assert witness._small_order(encoded(point)) == (times(8, point) == (0, 1))


def test_a_key_of_small_order_signs_anything_and_is_refused():
    """With A = 0 the signature (R, S) = (S B, S) verifies for every message: cofactorless, yet forged."""
    base = point_at(4 * pow(5, -1, P) % P)
    base = base if base[0] % 2 == 0 else (P - base[0], base[1])
    forged = (encoded(times(5, base)) + (5).to_bytes(32, "little")).hex()
    for key in ("01" + "00" * 31, "ec" + "ff" * 30 + "7f"):
        assert not witness.verify(key, DATA, forged)


def test_encodings_that_are_not_the_only_one_of_their_point_are_refused():
    genuine = witness.sign(SECRET, DATA)
    for y in (P, P + 1, P + 3, 2**255 - 1):
        written = y.to_bytes(32, "little").hex()
        assert not witness.verify(written, DATA, genuine)
        assert not witness.verify(witness.public_key(SECRET), DATA, written + genuine[64:])
    for y in (1, P - 1):  # x = 0 with sign 1
        assert not witness._canonical(encoded((0, y), sign=1))
        assert witness._canonical(encoded((0, y), sign=0))


def test_the_key_is_that_of_rfc_8032():
    assert witness.public_key(SECRET) == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert witness.sign(SECRET, b"") == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=60), st.data())
def test_a_signature_holds_for_its_bytes_and_no_others(secret, data, draw):
    signature, key = witness.sign(secret.hex(), data), witness.public_key(secret.hex())
    assert witness.verify(key, data, signature)
    place = draw.draw(st.integers(0, 127))
    other = (
        signature[:place] + f"{int(signature[place], 16) ^ draw.draw(st.integers(1, 15)):x}" + signature[place + 1 :]
    )
    assert not witness.verify(key, data, other)
    assert not witness.verify(key, data + b"x", signature)


def test_s_not_below_the_order_is_refused():
    signature = bytes.fromhex(witness.sign(SECRET, DATA))
    s = int.from_bytes(signature[32:], "little") + L
    assert not witness.verify(witness.public_key(SECRET), DATA, (signature[:32] + s.to_bytes(32, "little")).hex())


@pytest.mark.parametrize("text", ["", "AB" * 64, "zz" * 64, "ab" * 63])
def test_what_is_no_signature_is_none(text):
    assert not witness.verify(witness.public_key(SECRET), DATA, text)
    assert not witness.verify(text[:64], DATA, witness.sign(SECRET, DATA))


def test_fresh_keys_sign_and_differ():
    (one, public), (other, _) = witness.new_key(), witness.new_key()
    assert one != other
    signed = {"stage": "draw", "hash": "aa" * 32, "head": "bb" * 32, "time": "2024-01-01T00:00:00Z"}
    signature = witness.sign(one, witness.message(*signed.values()))
    assert witness.is_signed({**signed, "signature": signature, "name": "Å"}, public)
    assert not witness.is_signed({**signed, "signature": signature, "stage": "commit"}, public)
