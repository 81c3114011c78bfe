"""V2 of the verifier: key records, and the ceremonies that they name (docs/spec/verifier.md)."""

from collections.abc import Callable, Mapping, Sequence

from fermata.crypto.threshold.key_record import check_key
from fermata.crypto.threshold.keygen.outcome import Outcome
from fermata.crypto.threshold.reshare.next_record import check_next
from fermata.errors import VerificationError
from fermata.protocol.ceremony.basis import KEYGEN, basis_of_plan
from fermata.protocol.ceremony.kinds import ALL_KINDS
from fermata.protocol.ceremony.next_epoch import outcome_of
from fermata.protocol.ceremony.record import RECORD_BYTES_MAX, CheckedRecord, check_record
from fermata.protocol.state.state import KeyedState, State, ThresholdKey
from fermata.protocol.verify.bundle import ceremony_path
from fermata.protocol.wire.codec import decode, decode_entry, sha256
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.wire.v1 import ceremony_service_pb2 as wire


def ceremonies_of(state: State, leaf_at: Callable[[int], bytes]) -> dict[str, bytes]:
    """The SHA-256 of the ceremony's record of each epoch that names one, by its path in a bundle.

    ``leaf_at`` gives the log's leaves by entry.
    """
    named = {}
    for key in _keys(state):
        entry = unseal(decode_entry(leaf_at(key.entry)).envelope)
        if digest := statement_of(entry).key_record.ceremony_sha256:
            named[ceremony_path(key.record.epoch)] = digest
    return named


def _keys(state: State) -> tuple[ThresholdKey, ...]:
    return (*state.past_keys, state.key) if isinstance(state, KeyedState) else ()


def findings_v2(
    state: KeyedState, leaves: Sequence[bytes], files: Mapping[str, bytes]
) -> list[str]:
    """What is wrong with the key of a log, given by its leaves; ``files`` are the bundle's."""
    findings, keys = [], _keys(state)
    try:
        check_key(state.key.record)  # V2.3: apart from the fold.
    except VerificationError as error:
        findings.append(f"entry {state.key.entry}: {error}")
    wanted = ceremonies_of(state, leaves.__getitem__)
    for number, key in enumerate(keys):
        path = ceremony_path(key.record.epoch)
        if path not in wanted:
            continue
        data = files.get(path)
        # V2.4, V2.7: the record that the auditors signed, and no other.
        if data is None or sha256(data) != wanted[path]:
            what = "the file is missing" if data is None else "is not the one that is named"
            findings.append(f"{path}: {what}, by the key record of entry {key.entry}")
            continue
        before = keys[number - 1] if number else None
        findings += [f"{path}: {what}" for what in _ceremony_findings(state, before, key, data)]
    return findings


def liars_of_ceremonies(
    state: State, files: Mapping[str, bytes]
) -> tuple[tuple[str, str, str], ...]:
    """Who misbehaved in the ceremonies of a valid bundle: path of the record, party and reason.

    V2.11: a dealer or a receiver whom a done ceremony names, and of whom nobody would hear.
    """
    liars = []
    for key in _keys(state):
        path = ceremony_path(key.record.epoch)
        if (data := files.get(path)) is not None:
            checked = _checked(state, data)
            liars += [(path, party, reason) for party, reason in checked.culprits.items()]
    return tuple(liars)


def _checked(state: State, data: bytes) -> CheckedRecord:
    plan = decode(wire.CeremonyRecord, data, RECORD_BYTES_MAX).plan
    return check_record(data, basis_of_plan(state, plan), ALL_KINDS)


def _ceremony_findings(
    state: KeyedState, before: ThresholdKey | None, key: ThresholdKey, data: bytes
) -> list[str]:
    try:
        checked = _checked(state, data)
        return (
            _findings_of_later(before, key, checked) if before else _findings_of_first(key, checked)
        )
    except VerificationError as error:
        return [str(error)]


def _findings_of_first(key: ThresholdKey, checked: CheckedRecord) -> list[str]:
    # V2.5: a key of a rehearsal, or of a ceremony that did not come to its end.
    if not checked.is_usable or checked.plan.kind != KEYGEN:
        return ["is not of a key generation that is done, and no rehearsal"]
    # V2.6: a key other than the one that was made there.
    if Outcome.from_bytes(checked.public_result).record != key.record:
        return ["made another key than the log's"]
    return []


def _findings_of_later(
    before: ThresholdKey, key: ThresholdKey, checked: CheckedRecord
) -> list[str]:
    plan = checked.plan
    # V2.8: shares of a ceremony that did not come to its end, or of another kind than kappa says.
    if not checked.is_usable or plan.kind != check_next(before.record, key.record):
        return ["is not of a done ceremony of the kind that the key record shows"]
    # V2.9: a ceremony of another epoch, or of auditors who do not have the key.
    if plan.basis.epoch_id != before.epoch_id or plan.basis.charter.auditors != key.auditors:
        return ["went on from another epoch, or to other auditors, than the log's"]
    # V2.10: an epoch that was made elsewhere.
    if outcome_of(plan, checked.public_result).record != key.record:
        return ["made other shares than the log's"]
    return []
