"""Key generation as a kind of ceremony: its parties, its result, and the key record of it."""

from fermata.crypto.paillier import check_modulus
from fermata.crypto.threshold.ceremony.lockstep import Ceremony
from fermata.crypto.threshold.key_record import check_key
from fermata.crypto.threshold.keygen.generation import KeyGeneration
from fermata.crypto.threshold.keygen.outcome import Outcome
from fermata.errors import InvalidProof, Refusal
from fermata.protocol.ceremony.plan import Kind, Plan

NAME = "keygen"


def make(plan: Plan, index: int) -> Ceremony:
    """One auditor's side. Raises Refusal CEREMONY_PLAN.

    What it binds the key to is the ceremony's id: that follows from the charter, and no two
    ceremonies have the same.
    """
    try:
        side = KeyGeneration(index, len(plan.participants), plan.modulus_bits, plan.id)
    except ValueError:
        raise Refusal(
            "CEREMONY_PLAN",
            f"plan: {len(plan.participants)} auditors cannot make a key of {plan.modulus_bits} bits"
            " without a dealer; it takes 3 to 7",
        ) from None
    # CE1.9: a key that fewer auditors open than the charter says, or more.
    if side.threshold != plan.threshold:
        raise Refusal(
            "CEREMONY_PLAN",
            f"plan: a key of {len(plan.participants)} auditors without a dealer has threshold"
            f" {side.threshold}, and the charter has {plan.threshold}; have a dealer make it, or"
            " change the charter",
        )
    return side


def check_result(plan: Plan, result: bytes) -> None:
    """Checks a public result as every lab checks the key record that it becomes (K2, K3).

    Raises VerificationError.
    """
    record = Outcome.from_bytes(result).record
    if (record.threshold, record.auditors) != (plan.threshold, len(plan.participants)):
        raise InvalidProof("CEREMONY_RECORD", "record: the key is not of the plan's shape")
    # A rehearsal's key is short, and its primes may be found.
    if not plan.is_rehearsal:
        check_modulus(record.n, plan.modulus_bits)
    check_key(record)


KEY_GENERATION = Kind(NAME, make, check_result, may_disclose=True)
#: The ceremonies that this version holds.
KINDS = {NAME: KEY_GENERATION}
