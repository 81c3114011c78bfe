"""What an auditor checks of a key record and of its share before it signs the record."""

from pathlib import Path

from fermata.crypto.paillier import check_modulus
from fermata.crypto.threshold.key_record import KeyRecord, check_key
from fermata.crypto.threshold.opening import KeyShare, check_share
from fermata.crypto.threshold.origin import check_origin
from fermata.errors import ConfigError, InvalidEncoding, InvalidProof, Refusal
from fermata.node.storage import keystore
from fermata.node.storage.signatures import folder_of, sealed_charter
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.references import first_entry
from fermata.protocol.wire.codec import check_ceremony, decode, key_record_from_wire
from fermata.wire.v1 import statement_pb2


def check_record(charter: Charter, charter_file: Path, data: bytes, where: Path) -> KeyRecord:
    """Checks a key record as the fold will (F3), without its signatures; returns it.

    ``charter_file`` has every party's signature beside it, and so says what entry 0 will be.
    Raises ConfigError CHARTER_HASH for another charter's and SIGNATURES, else VerificationError.
    """
    statement = decode(statement_pb2.Statement, data)
    if statement.WhichOneof("body") != "key_record" or statement.author:
        raise InvalidEncoding("KEY_RECORD", f"{where}: is not a key record")
    if statement.charter_sha256 != charter.sha256:
        raise ConfigError("CHARTER_HASH", f"{where}: was dealt for another charter")
    if statement.key_record.after != first_entry(sealed_charter(charter_file, charter)):
        raise Refusal(
            "KEY_AFTER",
            f"{where}: was dealt for a log that begins with other signatures than those in"
            f" {folder_of(charter_file)}",
        )
    record, proofs = key_record_from_wire(statement.key_record, charter.modulus_bits)
    if record.epoch != 1:
        raise Refusal("KEY_EPOCH", f"{where}: the first key has epoch 1")
    if (record.threshold, record.auditors) != (charter.threshold, len(charter.auditors)):
        raise Refusal("KEY_SHAPE", f"{where}: threshold or number of auditors is not the charter's")
    check_modulus(record.n, charter.modulus_bits)
    check_key(record)
    check_origin(record, proofs, charter.sha256)
    check_ceremony(statement.key_record)
    return record


def check_own_share(
    path: Path, charter: Charter, record: KeyRecord, party: str, unlock: keystore.Unlock
) -> None:
    """Checks that a file holds the party's share of this key. Raises ConfigError KEY_SHARE."""
    data = keystore.load_sealed(path, keystore.KEY_SHARE, charter.deployment, unlock)
    try:
        share = KeyShare.from_bytes(data)
        check_share(record, share)
    except (InvalidEncoding, InvalidProof) as error:
        raise ConfigError("KEY_SHARE", f"{path}: {error}; do not sign, tell the dealer") from None
    if charter.auditors[share.index - 1] != party:
        raise ConfigError("KEY_SHARE", f"{path}: is the share of another auditor; do not sign")
