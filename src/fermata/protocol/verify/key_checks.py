"""V2 of the verifier: the key record, and the ceremony that it names (docs/spec/verifier.md)."""

from collections.abc import Mapping

from fermata.crypto.threshold.key_record import KeyRecord, check_key
from fermata.crypto.threshold.keygen.outcome import Outcome
from fermata.errors import VerificationError
from fermata.protocol.ceremony.key_generation import KINDS, NAME
from fermata.protocol.ceremony.record import check_record
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.state import ThresholdKey
from fermata.protocol.verify.bundle import CEREMONY
from fermata.protocol.wire.codec import decode_entry, sha256
from fermata.protocol.wire.envelope import statement_of, unseal


def ceremony_sha256_of(leaf: bytes) -> bytes:
    """The SHA-256 of the ceremony's record that a logged key record names; empty for a dealer's."""
    return statement_of(unseal(decode_entry(leaf).envelope)).key_record.ceremony_sha256


def findings_v2(
    charter: Charter, key: ThresholdKey, leaf: bytes, files: Mapping[str, bytes]
) -> list[str]:
    """What is wrong with the key in force; ``leaf`` is that of its record.

    ``charter`` is that of entry 0; ``files`` are those of the bundle.
    """
    findings = []
    try:
        check_key(key.record)  # V2.3: apart from the fold.
    except VerificationError as error:
        findings.append(f"entry {key.entry}: {error}")
    wanted = ceremony_sha256_of(leaf)
    if not wanted:
        return findings
    data = files.get(CEREMONY)
    # V2.4: the record that the auditors signed, and no other.
    if data is None or sha256(data) != wanted:
        what = "the file is missing" if data is None else "is not the one that the key record names"
        return [*findings, f"{CEREMONY}: {what}"]
    return [*findings, *_ceremony_findings(charter, key.record, data)]


def _ceremony_findings(charter: Charter, record: KeyRecord, data: bytes) -> list[str]:
    try:
        checked = check_record(data, charter, KINDS)
        # V2.5: a key of a rehearsal, or of a ceremony that did not come to its end.
        if not checked.is_usable or checked.plan.kind != NAME:
            return [f"{CEREMONY}: is not of a key generation that is done, and no rehearsal"]
        # V2.6: a key other than the one that was made there.
        if Outcome.from_bytes(checked.public_result).record != record:
            return [f"{CEREMONY}: made another key than the log's"]
    except VerificationError as error:
        return [f"{CEREMONY}: {error}"]
    return []
