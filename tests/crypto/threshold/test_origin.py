"""What a lab sees of a key without a dealer, and refuses (keys.md, K19)."""

from dataclasses import replace

import pytest

from fermata.crypto.paillier import check_modulus
from fermata.crypto.threshold.key_record import DEALER, DELTA, KeyRecord, check_key
from fermata.crypto.threshold.keygen.parameters import STEP, parameters_of
from fermata.crypto.threshold.origin import check_distributed, check_origin
from fermata.errors import VerificationError
from harness.crypto import keys
from harness.crypto.keygens import BITS, CONTEXT, finished
from harness.crypto.keys import dealt

RECORD = finished()[0].record
SIEVE = int(parameters_of(BITS, 3).sieve)


def refused(record: KeyRecord) -> str:
    with pytest.raises(VerificationError) as caught:
        check_distributed(record)
    return caught.value.reason


def test_the_record_of_a_ceremony_is_taken() -> None:
    check_modulus(RECORD.n, BITS)
    check_key(RECORD)
    check_distributed(RECORD)
    check_origin(RECORD, None, CONTEXT)


@pytest.mark.parametrize(
    "record",
    [
        replace(RECORD, verification=RECORD.verification[:2]),
        replace(RECORD, verification=RECORD.verification * 3),
        replace(RECORD, threshold=1),
        replace(RECORD, epoch=2),
        replace(RECORD, kappa=DELTA**3),
        replace(RECORD, n=RECORD.n + 2),
        replace(RECORD, n=RECORD.n + 64),
        replace(RECORD, n=RECORD.n >> 2 | 1),
    ],
    ids=["two", "nine", "threshold", "epoch", "kappa", "residue", "residue 64", "length"],
)
def test_a_record_that_no_ceremony_gives_is_refused(record: KeyRecord) -> None:
    assert refused(record) == "KEY_DISTRIBUTED"


def test_a_modulus_with_a_prime_of_the_sieve_is_refused() -> None:
    n = RECORD.n - RECORD.n % (STEP * 11) + 11 * next(k for k in range(STEP) if 11 * k % STEP == 1)
    assert n % STEP == 1
    assert n % 11 == 0
    assert SIEVE % 11 == 0
    assert refused(replace(RECORD, n=n)) == "KEY_DISTRIBUTED"


def test_a_dealers_proofs_that_held_once_vouch_for_no_other_key_proof_or_charter() -> None:
    key, other, context = dealt(512, 2, 3), dealt(256, 2, 3), keys.CONTEXT
    proofs = key.modulus_proof, key.factor_proof
    for _ in range(2):
        check_origin(key.record, proofs, context)
        for record, wrong, bound_to in (
            (key.record, proofs, context[::-1]),
            (replace(key.record, n=key.record.n + 4), proofs, context),
            (key.record, (other.modulus_proof, key.factor_proof), context),
            (key.record, (key.modulus_proof, other.factor_proof), context),
        ):
            with pytest.raises(VerificationError) as caught:
                check_origin(record, wrong, bound_to)
            assert caught.value.reason in {"MODULUS_PROOF", "FACTOR_PROOF"}


def test_a_dealers_modulus_is_refused_unless_it_happens_to_be_1_modulo_420() -> None:
    key = dealt(256, 2, 3)
    assert key.record.origin == DEALER
    assert key.record.n % STEP != 1
    assert refused(key.record) == "KEY_DISTRIBUTED"
