"""What is checked of a first key by who made it (docs/spec/keys.md, K4, K10, K19).

A dealer proves that its modulus has two primes and that neither is small. Of a key without a dealer
nobody can prove that, for nobody knows the primes: a majority of honest auditors vouches for it,
and what can be seen of the modulus from outside is checked.
"""

from functools import lru_cache

from fermata.crypto.integers import gcd
from fermata.crypto.threshold import factor_proof, modulus_proof
from fermata.crypto.threshold.factor_proof import FactorProof
from fermata.crypto.threshold.key_record import DELTA, KeyRecord
from fermata.crypto.threshold.keygen.parameters import STEP, parameters_of
from fermata.crypto.threshold.modulus_proof import ModulusProof
from fermata.errors import InvalidProof

#: What a dealer proves of its modulus: that it has two primes, and that neither is small.
DealerProofs = tuple[ModulusProof, FactorProof]
#: Dealers' keys whose proofs are remembered; a deployment has one.
_KEYS_MAX = 16


def check_origin(record: KeyRecord, proofs: DealerProofs | None, context: bytes) -> None:
    """Checks what a first key's maker must have done, after ``check_modulus`` and ``check_key``.

    ``proofs``: a dealer's, over ``context`` (the charter's hash); None for a key without a dealer.
    Raises InvalidProof: MODULUS_PROOF, FACTOR_PROOF; KEY_DISTRIBUTED.
    """
    if proofs is not None:
        _check_dealer(record.n, *proofs, context)
    else:
        # F3.12: a majority of honest auditors stands for the rest (K19).
        check_distributed(record)


@lru_cache(maxsize=_KEYS_MAX)
def _check_dealer(n: int, modulus: ModulusProof, factors: FactorProof, context: bytes) -> None:
    """Proofs that held are not computed again: a node folds its key record once more for what is
    witnessed. Those that did not are."""
    # F3.10: ciphertexts open one way (K4).
    modulus_proof.verify(n, modulus, context)
    # F3.11: a report's ciphertexts hold what it proves only if no prime of n is small (K10).
    factor_proof.verify(n, factors, context)


def check_distributed(record: KeyRecord) -> None:
    """Checks of a key without a dealer what anyone can see; ``check_modulus`` goes before.

    Raises InvalidProof KEY_DISTRIBUTED.
    """
    bits, count = record.n.bit_length(), record.auditors
    # K19.1: a key that no ceremony of these auditors gives, of which a dealer may have the primes.
    try:
        parameters = parameters_of(bits, count)
    except ValueError as error:
        raise _refusal(str(error)) from None
    if record.threshold <= parameters.degree:
        raise _refusal(f"its threshold must be at least {parameters.degree + 1}")
    # K19.2: in epoch 1; what later epochs may have follows from the record before.
    if (record.epoch, record.kappa) != (1, DELTA):
        raise _refusal("in epoch 1, kappa must be Delta")
    # K19.3: the candidates of a ceremony are -1 modulo 420, and have no prime of its sieve.
    if record.n % STEP != 1 or gcd(record.n, parameters.sieve) != 1:
        raise _refusal("its modulus is none that such a ceremony gives")


def _refusal(text: str) -> InvalidProof:
    return InvalidProof("KEY_DISTRIBUTED", f"key record: a key without a dealer: {text}")
