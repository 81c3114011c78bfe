"""docs/spec/bytes.md: each recipe, written again with hashlib alone, gives the product's bytes."""

import hashlib
import json
import re
from math import ceil
from pathlib import Path

import pytest

from fermata.assessment.calibration import seed_of
from fermata.crypto.threshold import modulus_proof
from fermata.crypto.threshold.key_record import DEALER, KeyRecord, epoch_id, key_id
from fermata.crypto.threshold.key_record import verification_base as product_base
from fermata.node.hook.notice import idempotency_key
from fermata.protocol.fold.round_rules import aggregate_digest
from fermata.protocol.wire.report_secrets import (
    EvidenceFile,
    evidence_commitment,
    evidence_sha256,
)

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "spec" / "bytes.md").read_text()
VECTORS = json.loads((ROOT / "tests" / "vectors" / "bytes.json").read_text())

#: Numbers of no meaning; 1 is the lowest bit, so that n is odd.
N = int.from_bytes(hashlib.sha512(b"n").digest(), "big") | 1 << 511 | 1
CHARTER, SALT, W = hashlib.sha256(b"charter").digest(), hashlib.sha256(b"salt").digest(), 12345
WIDTH = (N.bit_length() + 7) // 8
RECORD = KeyRecord(N, 2, 1, 3628800, 7, (11, 12, 13), DEALER)
ROSTER = ("a-1", "a-2", "a-3")
ROUNDS = tuple((3 + i, 5 + i, bool(i % 2), bool(i % 3)) for i in range(128))
FILES = (EvidenceFile("b.json", b"two"), EvidenceFile("a.json", b"one"))
AGGREGATES = {"alpha": (b"\1" * 8, b"\2" * 8), "beta/east+west": (b"\3" * 8,)}


def be(value, width):
    return value.to_bytes(width, "big")


def minimal(value):
    return be(value, (value.bit_length() + 7) // 8)


def parts(domain, *items):
    data = b"".join(be(len(i), 8) + i for i in (domain.encode(), *items))
    return hashlib.sha256(data).digest()


def shake_mod_n(domain, data):
    count = ceil((N.bit_length() + 256) / 8)
    found = hashlib.shake_256(domain.encode() + data).digest(count)
    return int.from_bytes(found, "big") % N


def seed():
    return parts("fermata/v1/modulus-proof", CHARTER, be(N, WIDTH), be(W, WIDTH))


def weights():
    roots = [be(v, WIDTH) for x, z, _, _ in ROUNDS for v in (x, z)]
    signs = bytes(2 * a + b for _, _, a, b in ROUNDS)
    key = parts("fermata/v1/root-weights", CHARTER, be(N, WIDTH), be(W, WIDTH), *roots, signs)
    words = hashlib.shake_256(key).digest(7 * 128 * 4)
    return [int.from_bytes(words[i : i + 4], "big") >> 12 for i in range(0, len(words), 4)]


def of_key():
    return parts("fermata/v1/key-id", b"paillier-root/1", be(N, WIDTH))


def of_epoch():
    return parts(
        "fermata/v1/epoch-id", of_key(), be(1, 8), be(2, 4), be(3, 4),
        *(a.encode() for a in ROSTER), minimal(3628800), minimal(7),
        *(be(v, WIDTH) for v in (11, 12, 13)),
    )  # fmt: skip


def of_aggregates():
    items = []
    for cell, ciphertexts in AGGREGATES.items():
        items += [cell.encode(), be(len(ciphertexts), 4), *ciphertexts]
    return parts("fermata/v1/aggregate", *items)


def of_evidence():
    items = []
    for name, data in (("a.json", b"one"), ("b.json", b"two")):
        items += [name.encode(), hashlib.sha256(data).digest()]
    return parts("fermata/v1/evidence", *items)


def of_notice():
    return hashlib.sha256(b"fermata/v1/notice" + CHARTER + be(3, 8)).digest()


def of_calibration():
    return hashlib.sha256(b"fermata/v1/calibration" + CHARTER + b"fast").digest()


PROOF = modulus_proof.ModulusProof(W, ROUNDS)
#: Name: (by the recipe, by the product).
MADE = {
    "key-id": (of_key, lambda: key_id(RECORD)),
    "epoch-id": (of_epoch, lambda: epoch_id(RECORD, ROSTER)),
    "verification-base": (
        lambda: be(shake_mod_n("fermata/v1/verification-base", be(N, WIDTH)) ** 2 % N, WIDTH),
        lambda: be(product_base(N), WIDTH),
    ),
    "modulus-proof-challenge": (
        lambda: b"".join(
            be(shake_mod_n("fermata/v1/modulus-proof", seed() + be(i, 4)), WIDTH)
            for i in (0, 1, 127)
        ),
        lambda: b"".join(
            be(modulus_proof._challenges(N, W, CHARTER)[i], WIDTH) for i in (0, 1, 127)
        ),
    ),
    "modulus-proof-weights": (
        lambda: b"".join(be(w, 3) for w in weights()),
        lambda: b"".join(
            be(w, 3) for row in modulus_proof._weights(N, PROOF, CHARTER) for w in row
        ),
    ),
    "aggregate": (of_aggregates, lambda: aggregate_digest(AGGREGATES)),
    "evidence": (of_evidence, lambda: evidence_sha256(FILES)),
    "evidence-commitment": (
        lambda: parts("fermata/v1/evidence-commitment", SALT, of_evidence()),
        lambda: evidence_commitment(evidence_sha256(FILES), SALT),
    ),
    "notice": (of_notice, lambda: bytes.fromhex(idempotency_key(CHARTER, 3))),
    "calibration": (of_calibration, lambda: be(seed_of(CHARTER, "fast"), 32)),
}


@pytest.mark.parametrize("name", MADE)
def test_recipe_vector_and_product_agree(name):
    by_recipe, by_product = MADE[name]
    assert by_recipe().hex() == by_product().hex() == VECTORS[name]


def test_every_recipe_has_a_vector_and_the_reverse():
    first = PAGE.partition("## Where")[0]
    named = set(re.findall(r"^\| `([a-z-]+)` \|", first, re.MULTILINE))
    # The seed is shown by the challenges that are made of it.
    assert named - {"modulus-proof-seed"} == set(MADE) == set(VECTORS)


DOMAIN = r"(fermata/v1/[a-z-]+|paillier-root/1)"


def domains_of_source():
    found = set()
    for path in (ROOT / "src" / "fermata").rglob("*.py"):
        if "v1" not in path.parts:
            found |= set(re.findall(DOMAIN, path.read_text()))
    return found


#: What never leaves one machine: the book of tokens, the simulator's dice.
LOCAL = {"fermata/v1/enrolment-token", "fermata/v1/sim"}


def test_every_domain_string_of_the_source_is_in_the_page():
    assert domains_of_source() - LOCAL - set(re.findall(DOMAIN, PAGE)) == set()


@pytest.mark.parametrize("page", ["bytes.md", "README.md"])
def test_every_domain_string_of_a_page_is_in_the_source(page):
    text = (ROOT / "docs" / "spec" / page).read_text()
    assert set(re.findall(DOMAIN, text)) - domains_of_source() == set()
