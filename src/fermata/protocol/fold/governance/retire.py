"""How auditors give up an epoch of the key in favour of one record of the next.

Normative text: docs/spec/keys.md, K31. Two logs that differ after the statements of a quorum cannot
both go on: whoever signed one says nothing in a log that does not hold the record.
"""

from fermata.crypto.signing import SigningKey, pae, verify_signature
from fermata.errors import InvalidSignature, Refusal
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.threshold_key import ThresholdKey
from fermata.protocol.wire.codec import decode, encode, sha256
from fermata.wire.v1.envelope_pb2 import EntryRef
from fermata.wire.v1.statement_pb2 import Retire, Retirement, Statement

#: Payload type of what an auditor signs: no signature on anything else can be taken for it.
RETIRE_TYPE = "application/vnd.fermata.retire.v1+protobuf"


def record_digest(statement: Statement) -> bytes:
    """SHA-256 (32 bytes) of a key record's statement, without the words that give up the epoch
    before: these name it."""
    plain = Statement()
    plain.CopyFrom(statement)
    plain.key_record.ClearField("retires")
    return sha256(encode(plain))


def retirement(
    charter: Charter, key: ThresholdKey, auditor: str, record_sha256: bytes, seen: EntryRef
) -> Retirement:
    """What an auditor of ``key`` signs to give it up; ``charter`` is the one in force then."""
    return Retirement(
        charter_sha256=charter.sha256,
        auditor=auditor,
        epoch_id=key.epoch_id,
        record_sha256=record_sha256,
        seen=seen,
    )


def sign(said: Retirement, key: SigningKey) -> Retire:
    """The signed form, as a record carries it."""
    signature = key.sign(pae(RETIRE_TYPE, encode(said)))
    return Retire(auditor=said.auditor, seen=said.seen, signature=signature)


def read_retirement(data: bytes) -> Retirement:
    """Parses what a node kept of what it signed. Raises InvalidEncoding."""
    return decode(Retirement, data)


def check_retires(charter: Charter, key: ThresholdKey, statement: Statement) -> None:
    """Checks that a quorum of the auditors in force gives its epoch up for this record.

    Their ``seen`` were looked up before (F2.16). Raises Refusal RETIRES, SEEN_BEFORE;
    InvalidSignature SIGNATURE.
    """
    record = statement.key_record
    auditors, quorum = [r.auditor for r in record.retires], charter.endorsement_quorum
    # F3.21: of two records for one epoch, or of two logs, a quorum gives it up for one alone.
    if auditors != sorted(set(auditors)) or not set(auditors) <= set(charter.auditors):
        raise Refusal(
            "RETIRES",
            "key record: its retires must be of auditors in force, ordered by id, one of each",
        )
    if len(auditors) < quorum:
        raise Refusal(
            "RETIRES",
            f"key record: {quorum} auditors must give up epoch {key.record.epoch}, got"
            f" {len(auditors)}",
        )
    digest = record_digest(statement)
    for said in record.retires:
        # F3.22: nobody gives an epoch up for what had not been decided in this log.
        if said.seen.index < record.after.index:
            raise Refusal(
                "SEEN_BEFORE",
                f"key record: {said.auditor} had folded {said.seen.index + 1} entries and gives up"
                f" its epoch for what came after entry {record.after.index}",
            )
        message = encode(retirement(charter, key, said.auditor, digest, said.seen))
        try:
            # F3.23: forgery, or words that were said for another record.
            verify_signature(
                charter.signing_keys[said.auditor], said.signature, pae(RETIRE_TYPE, message)
            )
        except InvalidSignature as error:
            raise InvalidSignature(
                "SIGNATURE", f"key record: the retire of {said.auditor} does not verify"
            ) from error
