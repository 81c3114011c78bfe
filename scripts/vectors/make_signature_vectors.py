"""Writes tests/vectors/signatures.json: Ed25519 signatures at the edges of the rule (log.md, L29).

    PYTHONPATH=tests:scripts python scripts/vectors/make_signature_vectors.py [--check]

The kinds are those of Chalkias, Garillot and Nikolaenko, "Taming the many EdDSAs" (ePrint
2020/1244), made anew from a public seed: where libraries differ, one answer is due here.
"""

import hashlib
from typing import Any

from common import run, text_of

from fermata.crypto.signing import verify_signature
from fermata.errors import InvalidSignature
from harness.crypto.ed25519 import (
    BASE,
    IDENTITY,
    L,
    P,
    Point,
    add,
    encoded,
    holds_times_8,
    messages,
    multiply,
    signed,
    torsion,
)

SEED = b"fermata signature vectors 1"
SECRET = int.from_bytes(hashlib.sha512(SEED).digest(), "little") % L
NONCE = int.from_bytes(hashlib.sha512(SEED + b" nonce").digest(), "little") % L
KEY, R = multiply(SECRET, BASE), multiply(NONCE, BASE)
TORSION = torsion()


def case(
    what: str, public_key: bytes, message: bytes, signature: bytes, reason: str | None
) -> dict[str, Any]:
    try:
        verify_signature(public_key, signature, message)
        found = None
    except InvalidSignature as error:
        found = error.reason
    if found != reason:
        raise SystemExit(f"{what}: {found} where {reason} is due")
    return {
        "what": what,
        "public_key": public_key.hex(),
        "message": message.hex(),
        "signature": signature.hex(),
        "refused": reason,
    }


def mixed_keys() -> list[dict[str, Any]]:
    """A = aB + T: with a challenge that 8 divides the strict equation holds too."""
    found = []
    for k in (1, 2, 4):
        key: Point = add(KEY, TORSION[k])
        for strict in (True, False):
            for message in messages():
                signature, h = signed(SECRET, encoded(key), NONCE, encoded(R), message)
                if (h * k % 8 == 0) == strict:
                    break
            s = int.from_bytes(signature[32:], "little")
            assert holds_times_8(key, R, s, h)
            which = "both equations hold" if strict else "only the one times 8 holds"
            what = f"the key has a part of order {8 // k}; {which}"
            found.append(case(what, encoded(key), message, signature, "PUBLIC_KEY"))
    return found


def small_keys() -> list[dict[str, Any]]:
    """Under a key of small order anyone signs: S = nonce, for a challenge that kills the key."""
    found = []
    for k, point in enumerate(TORSION):
        for message in messages():
            signature, h = signed(0, encoded(point), NONCE, encoded(R), message)
            if h * k % 8 == 0:
                break
        order = 1 if k == 0 else 8 if k % 2 else 4 if k % 4 else 2
        found.append(
            case(f"the key has order {order} (multiple {k})", encoded(point), message, signature,
                 "PUBLIC_KEY")
        )  # fmt: skip
    for what, data in (
        ("the key is the identity, not reduced", (P + 1).to_bytes(32, "little")),
        ("the key is the identity, with a sign", (1 | 1 << 255).to_bytes(32, "little")),
        ("the key is the point of order 2, with a sign", (P - 1 | 1 << 255).to_bytes(32, "little")),
        ("the key has order 4, not reduced", P.to_bytes(32, "little")),
    ):
        signature, _ = signed(0, data, NONCE, encoded(R), b"message")
        found.append(case(what, data, b"message", signature, "PUBLIC_KEY"))
    return found


def nonces() -> list[dict[str, Any]]:
    """R of small order, with a part of small order, or in another encoding."""
    own, found = encoded(KEY), []
    for k, point in enumerate(TORSION):
        signature, _ = signed(SECRET, own, 0, encoded(point), b"message")
        what = "R is the identity; both equations hold" if k == 0 else f"R is of small order ({k})"
        found.append(case(what, own, b"message", signature, "SIGNATURE"))
    for k in (1, 2, 4):
        r = encoded(add(R, TORSION[k]))
        signature, _ = signed(SECRET, own, NONCE, r, b"message")
        found.append(
            case(f"R has a part of order {8 // k}", own, b"message", signature, "SIGNATURE")
        )
    for what, data in (
        ("R is the identity, not reduced", (P + 1).to_bytes(32, "little")),
        ("R is the identity, with a sign", (1 | 1 << 255).to_bytes(32, "little")),
    ):
        signature, _ = signed(SECRET, own, 0, data, b"message")
        found.append(case(what, own, b"message", signature, "SIGNATURE"))
    return found


def make() -> dict[str, str]:
    own = encoded(KEY)
    good, _ = signed(SECRET, own, NONCE, encoded(R), b"message")
    s = int.from_bytes(good[32:], "little")
    assert multiply(L, KEY) == IDENTITY
    cases = [case("honest", own, b"message", good, None)]
    for factor in (1, 2, 8):
        larger = good[:32] + (s + factor * L).to_bytes(32, "little")
        cases.append(
            case(f"S is {factor} times the order larger", own, b"message", larger, "SIGNATURE")
        )
    cases.append(
        case("S is the order", own, b"message", good[:32] + L.to_bytes(32, "little"), "SIGNATURE")
    )
    no_point = (2).to_bytes(32, "little")
    cases.append(case("the key is not a point", no_point, b"message", good, "PUBLIC_KEY"))
    cases += [*small_keys(), *mixed_keys(), *nonces()]
    return {
        "signatures.json": text_of(
            {
                "source": "scripts/vectors/make_signature_vectors.py; from a public seed",
                "cases": cases,
            }
        )
    }


if __name__ == "__main__":
    run(__doc__, "signatures.json", make)
