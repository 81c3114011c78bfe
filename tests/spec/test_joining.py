"""tests/vectors/joining.json: the product, and the page's words written again, agree with it."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from fermata.errors import FermataError
from fermata.node.joining.hand_in import check_recipient, open_hand_in
from fermata.node.joining.keyless import without_keys
from fermata.node.pki.certificates import make_csr
from fermata.node.pki.identity import Identity, load_chain
from fermata.types import Role
from fermata.wire.v1 import log_service_pb2
from harness.node.pki_world import make_world

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "joining.json").read_text())
KEYLESS = {case["name"]: case for case in VECTORS["keyless"]}
HAND_IN, RECIPIENT = VECTORS["hand_in"], VECTORS["recipient"]
#: The hash of these is that of the charter with all keys: nothing but a key is taken out.
SAME = {"all keys", "one key empty", "all keys empty", "another key"}


def by_the_page(text):
    """JN1, line by line."""
    lines = []
    for line in text.split("\n"):
        found = re.match(r'(signing_key[ \t]*=[ \t]*")([^"]*)(")', line)
        if found and re.fullmatch("[A-Za-z0-9+/]{43}=", found[2]):
            line = found[1] + found[3] + line[found.end() :]
        lines.append(line)
    return "\n".join(lines)


@pytest.mark.parametrize("name", KEYLESS)
def test_jn1_the_keyless_hash_is_that_of_the_vector(name):
    case = KEYLESS[name]
    for hashed in (without_keys(case["charter"].encode()), by_the_page(case["charter"]).encode()):
        assert hashed.decode() == case["hashed"]
        assert hashlib.sha256(hashed).hexdigest() == case["keyless_hash"]


def test_jn1_only_keys_leave_the_keyless_hash_as_it_is():
    hashes = {name: case["keyless_hash"] for name, case in KEYLESS.items()}
    assert {name for name, said in hashes.items() if said == hashes["all keys"]} == SAME
    assert len(set(hashes.values())) == len(hashes) - len(SAME) + 1


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Opens a hand-in with the vector's fields, under a certificate for the vector's key."""
    world = make_world(tmp_path_factory.mktemp("joining") / "world", HAND_IN["deployment"])
    key = ec.derive_private_key(int(HAND_IN["private_key"], 16), ec.SECP256R1())
    identity = Identity.of(HAND_IN["deployment"], HAND_IN["role"], HAND_IN["id"])
    (leaf, root) = load_chain(world.authority.issue(identity, make_csr(key)))

    def open_fields(**fields):
        request = log_service_pb2.ExchangeRequest(
            certificate=leaf.public_bytes(Encoding.DER),
            hand_in=bytes.fromhex(fields["hand_in"]),
            signature=bytes.fromhex(fields["signature"]),
        )
        return open_hand_in(request, root, world.clock(), lambda identity, serial: False)

    return open_fields


def test_jn2_the_hand_in_of_the_vector_is_taken(opened):
    identity, hand_in = opened(**HAND_IN)
    assert (identity.role, identity.id) == (Role.LAB, HAND_IN["id"])
    assert hand_in.deployment == HAND_IN["deployment"]
    assert HAND_IN["pae"].endswith(HAND_IN["hand_in"])


@pytest.mark.parametrize("bad", HAND_IN["bad"], ids=lambda bad: bad["name"])
def test_jn2_a_hand_in_with_one_defect_is_refused(opened, bad):
    with pytest.raises(FermataError) as error:
        opened(**(HAND_IN | bad))
    assert error.value.reason == bad["reason"]


def checked(deployment, id, recipient, signature, public_key, **_):
    check_recipient(deployment, id, recipient, bytes.fromhex(signature), bytes.fromhex(public_key))


def test_jn3_4_the_recipient_of_the_vector_is_taken():
    checked(**RECIPIENT)
    said = f"{RECIPIENT['deployment']} {RECIPIENT['id']} {RECIPIENT['recipient']}"
    assert bytes.fromhex(RECIPIENT["pae"]).endswith(said.encode())


@pytest.mark.parametrize("bad", RECIPIENT["bad"], ids=lambda bad: bad["name"])
def test_jn3_4_a_recipient_with_one_defect_is_refused(bad):
    with pytest.raises(FermataError) as error:
        checked(**(RECIPIENT | bad))
    assert error.value.reason == bad["reason"]
