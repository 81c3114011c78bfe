"""F3.14 to F3.23: the record of a later epoch, and one failing test for each check."""

import pytest

from fermata.crypto.threshold.key_record import DELTA, RESHARES_MAX
from fermata.protocol.charter.parse import parse_charter
from fermata.wire.v1 import statement_pb2
from harness.chains import MODULUS_BITS_MIN, Chain, chain_at
from harness.epoch_defects import DEFECTS
from harness.epochs import next_epoch, next_statement, retired, sealed_record
from harness.protocol.amendments import amended, carried, signed

Q = ("auditor-1", "auditor-2", "auditor-3")


@pytest.fixture
def chain() -> Chain:
    return chain_at("keyed", members="axyz")


def rejected(chain: Chain, reason: str, envelope: bytes) -> None:
    before = chain.state.keyed()
    verdict = chain.fork().put(envelope)
    assert (verdict.accepted, verdict.reason) == (False, reason), verdict
    assert verdict.detail
    assert chain.state == before


def test_the_next_epoch_of_a_key_is_accepted(chain: Chain) -> None:
    before = chain.state.keyed()
    assert next_epoch(chain).accepted
    after = chain.state.keyed()
    assert after.key.record.epoch == 2
    assert after.key.record.kappa == DELTA**3
    assert after.past_keys == (before.key,)
    assert (after.key.key_id, after.key.public_key) == (before.key.key_id, before.key.public_key)
    assert after.key.epoch_id != before.key.epoch_id
    assert chain.verdicts[after.key.entry].kind == "KeyRecord"


def test_a_refresh_keeps_kappa(chain: Chain) -> None:
    assert next_epoch(chain, factor=1).accepted
    assert next_epoch(chain, factor=1).accepted
    key = chain.state.keyed().key.record
    assert (key.epoch, key.kappa) == (3, DELTA)


def test_epochs_follow_one_another(chain: Chain) -> None:
    for _ in range(3):
        assert next_epoch(chain).accepted
    state = chain.state.keyed()
    assert [k.record.epoch for k in (*state.past_keys, state.key)] == [1, 2, 3, 4]


def test_a_record_of_the_first_epoch_is_refused_once_there_is_a_key(chain: Chain) -> None:
    rejected(chain, "KEY_EXISTS", chain.deployment.key_envelope)


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_later_record_with_one_defect_is_refused(chain: Chain, defect: str) -> None:
    reason, change = DEFECTS[defect]
    statement, _ = next_statement(chain)
    change(statement.key_record)
    rejected(chain, reason, sealed_record(chain, retired(chain, statement)))


def test_a_record_comes_after_the_one_before(chain: Chain) -> None:
    # F3.17: entry 0 is what the first record came after.
    statement, _ = next_statement(chain, after=0)
    rejected(chain, "KEY_AFTER", sealed_record(chain, retired(chain, statement)))


def test_after_the_last_reshare_a_new_key_is_needed(chain: Chain) -> None:
    """F3.16; refreshes do not count, and may still come."""
    for _ in range(RESHARES_MAX):
        assert next_epoch(chain).accepted
    statement, _ = next_statement(chain)
    rejected(chain, "KEY_RANGE", sealed_record(chain, retired(chain, statement)))
    assert next_epoch(chain, factor=1).accepted


# F3.21 to F3.23: who gives the epoch before up.


def test_a_quorum_must_give_the_epoch_before_up(chain: Chain) -> None:
    statement, _ = next_statement(chain)
    for auditors in ((), ("auditor-1",), ("auditor-1", "auditor-2")):
        few = retired(chain, statement, auditors or ("auditor-1",))
        if not auditors:
            del few.key_record.retires[:]
        rejected(chain, "RETIRES", sealed_record(chain, few))


def test_a_quorum_is_enough_where_one_auditor_is_gone() -> None:
    chain = chain_at("keyed", auditors=4, members="axyz")
    assert next_epoch(chain, retiring=Q).accepted


def test_retires_are_of_auditors_in_order_and_one_of_each(chain: Chain) -> None:
    statement, _ = next_statement(chain)
    good = retired(chain, statement)
    for order in ((0, 0, 1), (1, 0, 2), (0, 1, 1, 2)):
        bad = statement_pb2.Statement()
        bad.CopyFrom(good)
        del bad.key_record.retires[:]
        bad.key_record.retires.extend(good.key_record.retires[i] for i in order)
        rejected(chain, "RETIRES", sealed_record(chain, bad))
    good.key_record.retires[2].auditor = "lab-1"
    rejected(chain, "RETIRES", sealed_record(chain, good))


def test_an_epoch_is_given_up_for_one_record_alone(chain: Chain) -> None:
    """F3.23: the same words do not serve another record, epoch, author or view."""
    statement, _ = next_statement(chain)
    other, _ = next_statement(chain)
    assert statement.key_record != other.key_record
    words = retired(chain, statement)
    other.key_record.retires.extend(words.key_record.retires)
    rejected(chain, "SIGNATURE", sealed_record(chain, other))
    names = retired(chain, statement)
    names.key_record.retires[0].signature, names.key_record.retires[1].signature = (
        names.key_record.retires[1].signature,
        names.key_record.retires[0].signature,
    )
    rejected(chain, "SIGNATURE", sealed_record(chain, names))
    later = retired(chain, statement)
    later.key_record.retires[0].seen.CopyFrom(chain.ref(chain.tree.size - 2))
    rejected(chain, "SIGNATURE", sealed_record(chain, later))
    short = retired(chain, statement)
    short.key_record.retires[0].signature = short.key_record.retires[0].signature[:63]
    rejected(chain, "SIGNATURE", sealed_record(chain, short))


def test_a_retire_is_about_this_log(chain: Chain) -> None:
    """F2.15, F2.16: whoever gave an epoch up in a fork gave it up there."""
    statement, _ = next_statement(chain)
    fork = chain.fork()
    fork.advance(fork.time_ms + 60_000)
    assert len(fork.leaves) > len(chain.leaves)
    foreign = retired(chain, statement, seen=fork.ref(fork.tree.size - 1))
    rejected(chain, "SPLIT_VIEW", sealed_record(chain, foreign))
    blind = retired(chain, statement)
    blind.key_record.retires[0].ClearField("seen")
    rejected(chain, "SEEN", sealed_record(chain, blind))


def test_nobody_gives_an_epoch_up_before_its_end_was_decided(chain: Chain) -> None:
    """F3.22, of an amendment: the auditor had not folded the motion."""
    early = chain.ref(chain.tree.size - 1)
    data = amended(chain, ('"Audit auditor-2"', '"Others"'))
    key = chain.deployment.keys["auditor-2"]
    chain.advance(carried(chain, data, signatures=signed(data, auditor_2=key)))
    charter = parse_charter(data, MODULUS_BITS_MIN)
    statement, _ = next_statement(chain, charter)
    late = retired(chain, statement, seen=early)
    rejected(chain, "SEEN_BEFORE", sealed_record(chain, late, charter))


def test_all_auditors_of_the_new_epoch_sign(chain: Chain) -> None:
    """F2.12, also where a quorum has given the epoch before up."""
    statement, _ = next_statement(chain)
    whole = retired(chain, statement)
    two = chain.deployment.seal(whole, "auditor-1", "auditor-2")
    rejected(chain, "SIGNERS", two)


def test_retires_of_old_entries_are_proven_by_the_logger(chain: Chain) -> None:
    """The entries that eight references name are older than the last 256."""
    statement, _ = next_statement(chain)
    whole = retired(chain, statement)
    while len(chain.leaves) < 300:
        chain.advance(chain.time_ms + 60_000)
    assert chain.put(sealed_record(chain, whole)).accepted
