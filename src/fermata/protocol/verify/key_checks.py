"""V2 of the verifier: the key record, and the ceremony that it names (docs/spec/verifier.md)."""

from collections.abc import Callable, Mapping, Sequence

from fermata.crypto.threshold.key_record import KeyRecord, check_key
from fermata.crypto.threshold.keygen.outcome import Outcome
from fermata.errors import VerificationError
from fermata.protocol.ceremony.key_generation import KINDS, NAME
from fermata.protocol.ceremony.record import check_record
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.state import KeyedState, State, ThresholdKey
from fermata.protocol.verify.bundle import CEREMONY
from fermata.protocol.wire.codec import decode_entry, sha256
from fermata.protocol.wire.envelope import statement_of, unseal


def ceremony_sha256_of(state: State, leaf_at: Callable[[int], bytes]) -> bytes:
    """The SHA-256 of the record of the ceremony that made the key; empty for a dealer's, or none.

    ``leaf_at`` gives the log's leaves by entry.
    """
    if not isinstance(state, KeyedState):
        return b""
    leaf = leaf_at(_first_key(state).entry)
    return statement_of(unseal(decode_entry(leaf).envelope)).key_record.ceremony_sha256


def _first_key(state: KeyedState) -> ThresholdKey:
    """The key as its first record made it: only that one names a ceremony (F3.14)."""
    return (*state.past_keys, state.key)[0]


def findings_v2(
    charter: Charter, state: KeyedState, leaves: Sequence[bytes], files: Mapping[str, bytes]
) -> list[str]:
    """What is wrong with the key of a log, given by its leaves.

    ``charter`` is that of entry 0; ``files`` are those of the bundle.
    """
    findings, key = [], state.key
    try:
        check_key(key.record)  # V2.3: apart from the fold.
    except VerificationError as error:
        findings.append(f"entry {key.entry}: {error}")
    wanted = ceremony_sha256_of(state, leaves.__getitem__)
    if not wanted:
        return findings
    data = files.get(CEREMONY)
    # V2.4: the record that the auditors signed, and no other.
    if data is None or sha256(data) != wanted:
        what = "the file is missing" if data is None else "is not the one that the key record names"
        return [*findings, f"{CEREMONY}: {what}"]
    return [*findings, *_ceremony_findings(charter, _first_key(state).record, data)]


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
