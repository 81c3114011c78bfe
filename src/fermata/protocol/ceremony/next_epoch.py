"""A refresh or a reshare as a kind of ceremony: its parties, its result, and the record of it."""

from collections.abc import Callable, Mapping, Sequence

from fermata.crypto.threshold.auditor_share import auditor_share
from fermata.crypto.threshold.ceremony.lockstep import Ceremony
from fermata.crypto.threshold.opening import KeyShare
from fermata.crypto.threshold.reshare.ceremony import NextEpoch
from fermata.crypto.threshold.reshare.outcome import Outcome, check_outcome
from fermata.crypto.threshold.reshare.plan import Plan as KeyPlan
from fermata.crypto.threshold.reshare.plan import parties_of, plan_refresh, plan_reshare
from fermata.crypto.threshold.reshare.public_view import check_public
from fermata.errors import InvalidProof, Refusal
from fermata.protocol.ceremony.basis import REFRESH, RESHARE
from fermata.protocol.ceremony.plan import Disputed, Kind, Plan
from fermata.protocol.state.threshold_key import ThresholdKey
from fermata.protocol.wire.codec import encode, later_record_to_wire
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.envelope_pb2 import EntryRef

#: Gives a participant's share of the epoch that ends; it is secret.
OwnShare = Callable[[Plan], KeyShare]


def key_before(plan: Plan) -> ThresholdKey:
    """The key of the epoch that ends. Raises Refusal CEREMONY_PLAN."""
    if plan.basis.key is None:
        raise Refusal("CEREMONY_PLAN", "plan: must go on from an epoch of a key")
    return plan.basis.key


def key_plan(plan: Plan) -> KeyPlan:
    """The plan as the computation has it: participants are parties, auditors are indices.

    Raises Refusal CEREMONY_PLAN; InvalidEncoding KEY_SHAPE or KEY_RANGE for a key that has had its
    last epoch, or its last reshare.
    """
    key, new = key_before(plan), plan.basis.charter
    try:
        if plan.kind == REFRESH:
            return plan_refresh(key.record, key.epoch_id, plan.id)
        _, dealers = parties_of(key.auditors, new.auditors, plan.dealers)
        count = len(new.auditors)
        return plan_reshare(key.record, key.epoch_id, plan.id, new.threshold, count, dealers)
    except ValueError as error:
        raise Refusal("CEREMONY_PLAN", f"plan: {error}") from None


def _make(plan: Plan, index: int, own_share: OwnShare | None) -> Ceremony:
    computed = key_plan(plan)
    is_dealer = index in dict(computed.dealers)
    if not is_dealer or own_share is None:
        return NextEpoch(computed, index)
    return NextEpoch(computed, index, own_share(plan))


def check_result(plan: Plan, result: bytes) -> None:
    """Checks a public result as the log will check its record (K25, CE5.6). Raises FermataError."""
    key, outcome = key_before(plan), outcome_of(plan, result)
    check_outcome(key.record, key.epoch_id, outcome)
    computed = key_plan(plan)
    said = (outcome.ceremony, outcome.kind, outcome.dealers)
    # The result of another ceremony, or with other dealers than took part.
    if said != (plan.id, computed.kind, computed.old_indices):
        raise InvalidProof("CEREMONY_RECORD", "record: the result is not of this plan")
    record, new = outcome.record, plan.basis.charter
    # Fewer auditors able to open than agreed.
    if (record.threshold, record.auditors) != (new.threshold, len(new.auditors)):
        raise InvalidProof("CEREMONY_RECORD", "record: the key is not of the plan's shape")


def outcome_of(plan: Plan, result: bytes) -> Outcome:
    """A public result. Raises InvalidEncoding NEXT_EPOCH."""
    return Outcome.from_bytes(result, key_before(plan).record.n)


def disputed(plan: Plan, result: bytes) -> tuple[Disputed, ...]:
    """Each dispute over a sub-share, which its dealer then showed (K24)."""
    old, new = key_before(plan).auditors, plan.basis.charter.auditors
    pairs = outcome_of(plan, result).disputes
    return tuple(
        Disputed(old[pair.dealer - 1], new[pair.receiver - 1], pair.received_sha256)
        for pair in pairs
    )


def private_bytes_max(plan: Plan) -> int:
    """The most bytes of a private body: those of a sub-share (K23)."""
    return key_plan(plan).sub_share_bytes


def statement(plan: Plan, result: bytes, record_sha256: bytes, after: EntryRef) -> bytes:
    """The key record, still without the words that give the epoch before up."""
    record = later_record_to_wire(outcome_of(plan, result).record, after, record_sha256)
    return encode(statement_pb2.Statement(charter_sha256=plan.charter_sha256, key_record=record))


def judge_public(plan: Plan, turns: Sequence[Mapping[int, bytes]]) -> None:
    """Raises Misbehaviour if what was said to all shows who broke the rules (CE9.1)."""
    check_public(key_plan(plan), turns)


def later_kinds(
    own_share: OwnShare | None = None, first_charter_sha256: bytes = b""
) -> dict[str, Kind]:
    """Both kinds. Who takes part gives its share, and the hash of entry 0's charter (K34)."""

    def make(plan: Plan, index: int) -> Ceremony:
        return _make(plan, index, own_share)

    def to_keep(plan: Plan, result: bytes, secret: bytes) -> bytes:
        share, record = KeyShare.from_bytes(secret), outcome_of(plan, result).record
        auditors = plan.basis.charter.auditors
        return auditor_share(share, record, first_charter_sha256, auditors).to_bytes()

    return {
        name: Kind(
            name,
            make,
            check_result,
            may_disclose=False,
            statement=statement,
            to_keep=to_keep,
            judge_public=judge_public,
            disputed=disputed,
            private_bytes_max=private_bytes_max,
        )
        for name in (REFRESH, RESHARE)
    }
