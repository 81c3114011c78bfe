"""Writes tests/vectors/joining.json: what parties hash and sign to join (joining.md, JN1 to JN3).

    PYTHONPATH=tests:scripts python scripts/vectors/make_joining_vectors.py [--check]

The keyless cases are one charter with one change each. Hand-ins are signed deterministically (RFC
6979), so that the file comes out the same; a certificate is not part of it.
"""

import base64
import hashlib
from typing import Any

from common import SeededEntropy, run, text_of
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fermata.crypto.signing import SigningKey, pae
from fermata.node.joining.hand_in import HAND_IN_TYPE, RECIPIENT_TYPE, sign_recipient
from fermata.node.joining.keyless import without_keys
from fermata.node.pki.certificates import new_key
from fermata.node.pki.identity import Identity
from fermata.protocol.wire.codec import encode
from fermata.types import Role
from fermata.wire.v1 import log_service_pb2
from harness.chains import charter_text, party_keys

SEED = "vectors/joining"
AUDITOR, PARTY = "auditor-1", "lab-1"
#: Two age recipients; nobody has the keys.
RECIPIENT = "age1qxsgc7l04tux0hxl88vgf0g0sq0d4v6h9czcfvnha8x08kuqkaas8j4u5k"
OTHER_RECIPIENT = "age1gzwpld7xdmu2utkc4jwxh9vqwmzwy00l8tww924kduf0e8hvygtqppn79u"


def keyless() -> list[dict[str, Any]]:
    """Texts of a charter, the text that is hashed, and the hash."""
    text = charter_text(party_keys(0, 6, 3), 2048)
    start = text.index("signing_key")
    line = text[start : text.index("\n", start)]
    key = line.split('"')[1]
    url_safe = base64.urlsafe_b64encode(bytes([251]) * 32).decode()
    cases = {
        "all keys": text,
        "one key empty": text.replace(key, "", 1),
        "all keys empty": without_keys(text.encode()).decode(),
        "another key": text.replace(key, base64.b64encode(bytes(range(32))).decode(), 1),
        "a key is one character short": text.replace(key, key[1:], 1),
        "a key is in the alphabet of addresses": text.replace(key, url_safe, 1),
        "a key is without its padding": text.replace(key, key[:-1], 1),
        "a space before a key's line": text.replace(line, f" {line}", 1),
        "tabs beside the sign": text.replace(line, f'signing_key\t=\t"{key}"', 1),
        "no space beside the sign": text.replace(line, f'signing_key="{key}"', 1),
        "a comment with a key": text.replace(line, f"# {line}", 1),
        "a comment after a key": text.replace(line, f"{line} # mine", 1),
        "another title": text.replace('title = "', 'title = "x', 1),
    }
    return [
        {
            "name": name,
            "charter": case,
            "hashed": without_keys(case.encode()).decode(),
            "keyless_hash": hashlib.sha256(without_keys(case.encode())).hexdigest(),
        }
        for name, case in cases.items()
    ]


def hand_in() -> dict[str, Any]:
    """A hand-in that is accepted, and its defects."""
    key, other = (new_key(SeededEntropy(f"{SEED}/{name}")) for name in ("holder", "other"))
    signing_key = SigningKey.from_seed(bytes(range(32))).public_key

    def sealed(deployment: str, signer: ec.EllipticCurvePrivateKey, type_: str) -> dict[str, str]:
        data = encode(log_service_pb2.HandIn(deployment=deployment, signing_key=signing_key))
        deterministic = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        signature = signer.sign(pae(type_, data), deterministic)
        return {"hand_in": data.hex(), "signature": signature.hex()}

    good = sealed("tests", key, HAND_IN_TYPE)
    cut = {"hand_in": good["hand_in"][:-2]}
    unsigned = {"signature": good["signature"][:-2] + "00"}
    padded = bytes.fromhex(good["hand_in"]) + bytes.fromhex("0a00")
    deterministic = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    bad = {
        "signed by another key": (sealed("tests", other, HAND_IN_TYPE), "HAND_IN_SIGNATURE"),
        "signed as another type": (sealed("tests", key, RECIPIENT_TYPE), "HAND_IN_SIGNATURE"),
        "a byte short": (cut, "HAND_IN_SIGNATURE"),
        "the signature's last byte is 0": (unsigned, "HAND_IN_SIGNATURE"),
        "of another deployment": (sealed("other", key, HAND_IN_TYPE), "DEPLOYMENT"),
        "signed and not canonical": (
            {
                "hand_in": padded.hex(),
                "signature": key.sign(pae(HAND_IN_TYPE, padded), deterministic).hex(),
            },
            "ENCODING",
        ),
    }
    return {
        "deployment": "tests",
        "role": "lab",
        "id": PARTY,
        "private_key": f"{key.private_numbers().private_value:064x}",
        "public_key": key.public_key()
        .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        .hex(),
        "type": HAND_IN_TYPE,
        "pae": pae(HAND_IN_TYPE, bytes.fromhex(good["hand_in"])).hex(),
        **good,
        "bad": [{"name": name, **fields, "reason": why} for name, (fields, why) in bad.items()],
    }


def recipient() -> dict[str, Any]:
    """An auditor's signed recipient (JN3.4), and its defects."""
    key = SigningKey.from_seed(bytes(range(1, 33)))
    signature = sign_recipient(Identity("tests", Role.AUDITOR, AUDITOR), RECIPIENT, key)
    message = f"tests {AUDITOR} {RECIPIENT}".encode()
    other = SigningKey.from_seed(bytes(32)).public_key
    form, signed = "RECIPIENT_FORM", "RECIPIENT_SIGNATURE"
    bad = [
        ("of another deployment", {"deployment": "other"}, signed),
        ("of another auditor", {"id": "auditor-2"}, signed),
        ("another recipient", {"recipient": OTHER_RECIPIENT}, signed),
        ("a recipient with another checksum", {"recipient": RECIPIENT[:-1] + "l"}, form),
        ("the signature's first byte is 0", {"signature": "00" + signature.hex()[2:]}, signed),
        ("the key of another", {"public_key": other.hex()}, signed),
    ]
    return {
        "deployment": "tests",
        "id": AUDITOR,
        "seed": bytes(range(1, 33)).hex(),
        "public_key": key.public_key.hex(),
        "recipient": RECIPIENT,
        "type": RECIPIENT_TYPE,
        "pae": pae(RECIPIENT_TYPE, message).hex(),
        "signature": signature.hex(),
        "bad": [{"name": name, **fields, "reason": why} for name, fields, why in bad],
    }


def make() -> dict[str, str]:
    document = {"keyless": keyless(), "hand_in": hand_in(), "recipient": recipient()}
    return {"joining.json": text_of(document)}


if __name__ == "__main__":
    run(__doc__, "joining.json", make)
