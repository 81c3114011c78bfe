"""Key generation as a kind of ceremony: its parties, its result, and the key record of it."""

from fermata.crypto.paillier import check_modulus
from fermata.crypto.threshold.auditor_share import auditor_share
from fermata.crypto.threshold.ceremony.lockstep import Ceremony
from fermata.crypto.threshold.key_record import check_key
from fermata.crypto.threshold.keygen.generation import KeyGeneration
from fermata.crypto.threshold.keygen.outcome import Outcome
from fermata.crypto.threshold.opening import KeyShare
from fermata.errors import InvalidProof, Refusal
from fermata.protocol.ceremony.basis import KEYGEN
from fermata.protocol.ceremony.plan import Kind, Plan
from fermata.protocol.wire.codec import distributed_record_to_wire, encode
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.envelope_pb2 import EntryRef


def make(plan: Plan, index: int) -> Ceremony:
    """One auditor's side. Raises Refusal CEREMONY_PLAN.

    What it binds the key to is the ceremony's id: that follows from the charter, and no two
    ceremonies have the same.
    """
    parties, bits, threshold = len(plan.participants), plan.modulus_bits, plan.threshold
    try:
        return KeyGeneration(index, parties, bits, threshold, plan.id)
    except ValueError:
        # CE1.9: a key that those could open who could have made it alone.
        raise Refusal(
            "CEREMONY_PLAN",
            f"plan: {parties} auditors cannot make a key of {bits} bits and threshold {threshold}"
            " without a dealer: it takes 3 to 7 of them, and a threshold of at least half of them,"
            " rounded up; change the charter, or have a dealer make the key",
        ) from None


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


def statement(plan: Plan, result: bytes, record_sha256: bytes, after: EntryRef) -> bytes:
    """The key record, which all auditors sign: canonical bytes of a Statement."""
    record = Outcome.from_bytes(result).record
    return encode(
        statement_pb2.Statement(
            charter_sha256=plan.charter_sha256,
            key_record=distributed_record_to_wire(record, record_sha256, after),
        )
    )


def share_to_keep(plan: Plan, result: bytes, secret: bytes) -> bytes:
    """A participant's share with its place (keys.md, K34), as its file holds it; it is secret."""
    record, share = Outcome.from_bytes(result).record, KeyShare.from_bytes(secret)
    return auditor_share(share, record, plan.charter_sha256, plan.participants).to_bytes()


KEY_GENERATION = Kind(
    KEYGEN, make, check_result, may_disclose=True, statement=statement, to_keep=share_to_keep
)
#: The ceremonies that are held before there is a log.
KINDS = {KEYGEN: KEY_GENERATION}
