"""Known answers: the project's own for threshold openings, and outside ones for Paillier."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import phe
import pytest

from fermata import errors
from fermata.crypto.integers import jacobi
from fermata.crypto.paillier import PublicKey, ciphertext_from_bytes, product
from fermata.crypto.threshold.key_record import DELTA, KeyRecord, check_key, epoch_id, key_id
from fermata.crypto.threshold.opening import Opening, check_opening, combine
from harness.crypto.keys import VECTORS

ROOT = Path(__file__).parents[3]
OUTSIDE = ROOT.parent / "shared" / "vectors"
GOOD = json.loads((VECTORS / "opening.json").read_text())
BAD = sorted(path.name for path in VECTORS.glob("opening_bad_*.json"))


def record_of(vector: dict[str, Any]) -> KeyRecord:
    fields = vector["record"]
    return KeyRecord(
        n=int(fields["n"], 16),
        threshold=fields["threshold"],
        epoch=fields["epoch"],
        kappa=int(fields["kappa"], 16),
        theta=int(fields["theta"], 16),
        verification=tuple(int(v, 16) for v in fields["verification"]),
        origin=fields["origin"],
    )


def run(vector: dict[str, Any], position: int) -> Opening | None:
    """What a party does with a record, a ciphertext, its parts and a claimed opening."""
    record, case = record_of(vector), vector["openings"][position]
    check_key(record)
    ciphertext = ciphertext_from_bytes(PublicKey(record.n), bytes.fromhex(case["ciphertext"]))
    parts = {int(index): int(part, 16) for index, part in case["parts"].items()}
    opening = combine(record, ciphertext, parts)
    check_opening(record.n, ciphertext, int(case["plaintext"], 16), int(case["root"], 16))
    return opening


@pytest.mark.parametrize("position", range(4))
def test_a_good_opening_vector_is_reproduced(position: int) -> None:
    case = GOOD["openings"][position]
    expected = Opening(int(case["plaintext"], 16), int(case["root"], 16), ())
    assert run(GOOD, position) == expected
    ciphertext, n = int(case["ciphertext"], 16), int(GOOD["record"]["n"], 16)
    assert case["jacobi"] == jacobi(ciphertext % n, n)
    for index, share in enumerate(GOOD["shares"], start=1):
        assert int(case["parts"][str(index)], 16) == pow(ciphertext, DELTA * int(share, 16), n)
    p, q = (int(prime, 16) for prime in GOOD["primes"])
    private = phe.PaillierPrivateKey(phe.PaillierPublicKey(n), p, q)
    assert private.raw_decrypt(ciphertext) == expected.plaintext


def test_the_ids_of_the_vector_are_reproduced() -> None:
    record = record_of(GOOD)
    assert key_id(record).hex() == GOOD["key_id"]
    assert epoch_id(record, GOOD["roster"]).hex() == GOOD["epoch_id"]


def test_there_is_a_vector_for_every_kind_of_defect() -> None:
    assert len(BAD) == 28


@pytest.mark.parametrize("name", BAD)
def test_a_bad_opening_vector_gets_the_answer_it_names(name: str) -> None:
    bad = json.loads((VECTORS / name).read_text())
    assert bad["of"] == "opening.json"
    vector = copy.deepcopy(GOOD)
    *path, last = bad["replace"]
    place = vector
    for step in path:
        place = place[step]
    assert place[last] != bad["by"]
    place[last] = bad["by"]
    if "refused" in bad:
        with pytest.raises(errors.VerificationError) as error:
            run(vector, bad["opening"])
        assert type(error.value) is getattr(errors, bad["refused"]["error"])
        assert error.value.reason == bad["refused"]["reason"]
        return
    opening = run(vector, bad["opening"])
    assert (opening is not None) == bad.get("opened", True)
    if opening is not None:
        assert opening.root == int(GOOD["openings"][bad["opening"]]["root"], 16)
        assert list(opening.culprits) == bad["culprits"]


def outside(name: str) -> list[dict[str, int]]:
    """Cases of one outside file; none where the folder is missing, which CI does not allow."""
    path = OUTSIDE / f"milagro_paillier_{name}.txt"
    if not path.exists():
        assert "CI" not in os.environ, f"{path} is missing"
        return []
    cases: list[dict[str, int]] = []
    for line in path.read_text().replace(",", "").split("\n"):
        if " = " in line:
            field, value = line.split(" = ")
            if field == "TEST":
                cases.append({})
            else:
                cases[-1][field] = int(value, 16)
    assert len(cases) == {"enc": 11, "dec": 10, "add": 100}[name]
    return cases


def test_outside_encryptions_are_reproduced_and_open_to_their_randomness() -> None:
    for case in outside("enc"):
        n, message = case["N"], case["PLAINTEXT"]
        root = case["R"] % n
        assert case["G"] == n + 1
        ours = (1 + n * message) * pow(root, n, n * n) % (n * n)
        theirs = phe.PaillierPublicKey(n).raw_encrypt(message, r_value=root)
        assert ours == theirs == case["CIPHERTEXT"]
        check_opening(n, case["CIPHERTEXT"], message, root)
        with pytest.raises(errors.InvalidProof):
            check_opening(n, case["CIPHERTEXT"], message + 1, root)


def test_outside_ciphertexts_decrypt_as_they_say() -> None:
    for case in outside("dec"):
        p, q = case["P"], case["Q"]
        n = p * q
        private = phe.PaillierPrivateKey(phe.PaillierPublicKey(n), p, q)
        assert private.raw_decrypt(case["CIPHERTEXT"]) == case["PLAINTEXT"]
        root = pow(case["CIPHERTEXT"], pow(n, -1, (p - 1) * (q - 1)), n)
        check_opening(n, case["CIPHERTEXT"], case["PLAINTEXT"], root)


def test_outside_sums_are_our_products() -> None:
    for case in outside("add"):
        key = PublicKey(case["N"])
        total = product(key, (case["CIPHERTEXT1"], case["CIPHERTEXT2"]))
        public = phe.PaillierPublicKey(key.n)
        by_phe = phe.EncryptedNumber(public, case["CIPHERTEXT1"]) + phe.EncryptedNumber(
            public, case["CIPHERTEXT2"]
        )
        assert total == by_phe.ciphertext(be_secure=False) == case["CIPHERTEXT"]
