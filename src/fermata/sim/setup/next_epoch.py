"""The ceremony of a next epoch of the key, all of its parties in one process."""

from collections.abc import Mapping

from fermata.crypto.threshold.ceremony.lockstep import SEED_BYTES, Received
from fermata.crypto.threshold.key_record import KeyRecord
from fermata.crypto.threshold.opening import KeyShare
from fermata.crypto.threshold.reshare.ceremony import NextEpoch
from fermata.crypto.threshold.reshare.outcome import Outcome
from fermata.crypto.threshold.reshare.plan import Plan, plan_refresh, plan_reshare
from fermata.protocol.state.threshold_key import ThresholdKey
from fermata.protocol.wire.ports import Entropy


def next_epoch(
    key: ThresholdKey, shares: Mapping[str, KeyShare], entropy: Entropy, *, is_refresh: bool
) -> tuple[KeyRecord, dict[str, KeyShare]]:
    """The next record of a key with the same auditors, and their shares by id.

    ``shares``: of all its auditors. In a reshare the first of them deal.
    """
    record, ceremony = key.record, entropy(32)
    if is_refresh:
        plan = plan_refresh(record, key.epoch_id, ceremony)
    else:
        dealers = {i: i for i in range(1, record.threshold + 1)}
        count = record.auditors
        plan = plan_reshare(record, key.epoch_id, ceremony, record.threshold, count, dealers)
    return _run(plan, key.auditors, shares, entropy)


def _run(
    plan: Plan, auditors: tuple[str, ...], shares: Mapping[str, KeyShare], entropy: Entropy
) -> tuple[KeyRecord, dict[str, KeyShare]]:
    dealers = {party for party, _ in plan.dealers}
    sides = {
        party: NextEpoch(plan, party, shares[auditors[party - 1]] if party in dealers else None)
        for party in plan.parties
    }
    turns = {party: side.begin(entropy(SEED_BYTES)) for party, side in sides.items()}
    while not all(turn.is_done for turn in turns.values()):
        sent = {party: turn.messages for party, turn in turns.items()}
        for party, side in sides.items():
            received = {
                other: Received(said.public, said.private.get(party, b""))
                for other, said in sent.items()
                if other != party and said is not None
            }
            turns[party] = side.step(turns[party].kept, received)
    done = next(iter(turns.values()))
    outcome = Outcome.from_bytes(done.public_result, plan.record.n)
    made = {
        auditors[party - 1]: KeyShare.from_bytes(turn.secret_result)
        for party, turn in turns.items()
    }
    return outcome.record, made
