"""The record of a later epoch, F3.14 to F3.23 of docs/spec/fold.md, and what it brings about."""

from dataclasses import replace

from fermata.crypto.threshold.key_record import epoch_id
from fermata.crypto.threshold.reshare.next_record import check_next
from fermata.crypto.threshold.reshare.plan import StepKind
from fermata.errors import Refusal
from fermata.protocol.fold.governance.amendment import amend, is_effect_due, waiting_amendment
from fermata.protocol.fold.governance.retire import check_retires, record_digest
from fermata.protocol.fold.governance.votes import recount
from fermata.protocol.state.governance import Motion
from fermata.protocol.state.state import CLOSED, ENDORSED, OPENED, KeyedState, Round
from fermata.protocol.state.threshold_key import ThresholdKey
from fermata.protocol.wire.codec import later_record_from_wire
from fermata.types import EntryIndex
from fermata.wire.v1 import statement_pb2


def awaited(state: KeyedState, charter_sha256: bytes) -> Motion | None:
    """The amendment that a record bound to this charter brings; None for one of a refresh."""
    motion = waiting_amendment(state)
    if motion is None or motion.charter is None or motion.charter.sha256 != charter_sha256:
        return None
    return motion


def check_next_record(
    state: KeyedState,
    statement: statement_pb2.Statement,
    entry: EntryIndex,
    *,
    has_retires: bool = True,
) -> ThresholdKey:
    """Checks the record of the next epoch but for its envelope's signatures (F3.14 to F3.23).

    Without ``has_retires`` the epoch before need not be given up yet. Returns its key, of a record
    in ``entry``. Raises VerificationError.
    """
    wire, old = statement.key_record, state.key
    motion = awaited(state, statement.charter_sha256)
    new = motion.charter if motion is not None and motion.charter is not None else state.charter
    # F3.14, F3.15: nothing is proven again, and one form for each number.
    record = later_record_from_wire(wire, new.modulus_bits, old.record.origin)
    kind = check_next(old.record, record)  # F3.16: the same key, one epoch on (K21).
    # F3.17: the auditors agreed to come after this, and to nothing else.
    after = motion.entry if motion is not None else old.entry
    if wire.after.index != after:
        what = "the amendment that it is for" if motion is not None else "the record before"
        raise Refusal("KEY_AFTER", f"key record: must come after entry {after}, {what}")
    # F3.18: nobody's notice is cut short.
    if motion is not None and not is_effect_due(state, motion):
        raise Refusal("TOO_EARLY", "key record: the amendment that it is for may not begin yet")
    # F3.19: fewer auditors than agreed must not be able to open.
    if (record.threshold, record.auditors) != (new.threshold, len(new.auditors)):
        raise Refusal(
            "KEY_SHAPE", "key record: threshold and number of auditors must be the charter's"
        )
    # F3.20: a refresh gives nobody a share who had none, and moves none to another.
    if kind == StepKind.REFRESH and new.auditors != old.auditors:
        raise Refusal("KEY_SHAPE", "key record: other auditors need a reshare, got a refresh")
    if has_retires:
        check_retires(state.charter, old, statement)  # F3.21 to F3.23.
    return ThresholdKey(
        record,
        old.public_key,
        old.key_id,
        epoch_id(record, new.auditors),
        entry,
        new.auditors,
        record_digest(statement),
    )


def next_key(
    state: KeyedState, statement: statement_pb2.Statement, key: ThresholdKey
) -> KeyedState:
    """The state in the next epoch, whose record ``check_next_record`` has passed."""
    motion = awaited(state, statement.charter_sha256)
    quorum = state.charter.endorsement_quorum
    state = replace(
        state,
        key=key,
        past_keys=(*state.past_keys, state.key),
        rounds=tuple(_under_new_epoch(r, quorum) for r in state.rounds),
    )
    if motion is not None and motion.charter is not None:
        state = amend(state, key.entry, motion.charter)
        # Members may have come or gone with the charter.
        state = recount(state, key.entry).keyed()
    return state


def _under_new_epoch(round_: Round, quorum: int) -> Round:
    """K32: what a quorum has endorsed stays endorsed; all else is said again, by those in force."""
    match round_.phase(quorum):
        case phase if phase == ENDORSED:
            # Parts of two epochs do not combine.
            return replace(round_, keeps_endorsements=True, parts={})
        case phase if phase == CLOSED:
            return replace(round_, endorsements={}, parts={})
        case phase if phase == OPENED:
            return replace(round_, keeps_endorsements=True)
        case _:
            return round_
