"""Which auditors' words count where an amendment changes the auditors in one of two logs (SU27)."""

import functools
from typing import cast

import pytest

from fermata.errors import FermataError, Refusal
from fermata.log.checkpoint import cosign
from fermata.memory_store import MemoryStore
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.fold.governance.retire import record_digest
from fermata.protocol.fold.heartbeats import next_count
from fermata.protocol.fold.references import bind, next_leaf
from fermata.protocol.roles.auditor import Retired
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.leaver import LEAVES, Leaver
from fermata.protocol.succession.board import open_words
from fermata.protocol.succession.certificate import check_certificate
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.codec import encode
from fermata.protocol.wire.ports import Log, Outside
from fermata.wire.v1.board_service_pb2 import BoardWords
from fermata.wire.v1.statement_pb2 import Heartbeat, Statement
from harness.chains import COORDINATOR, MODULUS_BITS_MIN, Chain, chain_at
from harness.deployments import party_keys
from harness.epochs import next_epoch, next_statement
from harness.handed_over import log, made
from harness.protocol.amendments import amended, another_auditor, carried, signed
from harness.protocol.successions import STEP_MS, SUCCESSION_MS, SuccessionRun
from harness.succession import Succession

JOINER = party_keys(11, 1, 4)["auditor-4"]
OLD, NEW = ("auditor-1", "auditor-2", "auditor-3"), ("auditor-1", "auditor-2", "auditor-4")


class Shown:
    """A chain as the log of a view's coordinator."""

    def __init__(self, world: Succession, chain: Chain, view: int) -> None:
        self.world, self.chain, self.view = world, chain, view

    def news(self, start: int, count_max: int) -> tuple[bytes, list[object], list[bytes]]:
        return self.world.note(self.view, self.chain.tree), [], self.read(start, count_max)

    def read(self, start: int, count_max: int) -> list[bytes]:
        return self.chain.leaves[start : start + count_max]


@functools.cache
def logs() -> tuple[Succession, Succession, dict[str, Chain]]:
    """What a log is like to whom: with the record in view 0; with a Handover of the old auditors,
    and the record after it; and with one more Handover, of the new auditors."""
    chain = chain_at("collecting", members="axyz", successors=2).fork()
    data = amended(chain, *another_auditor(chain, JOINER))
    chain.advance(carried(chain, data, signatures=signed(data, auditor_4=JOINER)))
    deployment, keys = chain.deployment, {**chain.deployment.keys, "auditor-4": JOINER}
    old = Succession(deployment, Views.of(deployment.charter), keys)
    changed = parse_charter(data, MODULUS_BITS_MIN)
    new = Succession(deployment, Views.of(changed, deployment.charter.sha256), keys)
    first, second = chain.fork(), chain.fork()
    assert next_epoch(first, data, auditor_4=JOINER).accepted
    assert log(second, made(second, old)).accepted
    left = second.fork()
    assert next_epoch(second, data, auditor_4=JOINER).accepted
    third = second.fork()
    leaves = [new.leave(a, third.tree, view=2, head_view=1) for a in NEW]
    third.deployment = second.deployment
    verdict = log(third, new.handover(third.tree, *leaves, view=2), "successor-2")
    assert verdict.accepted, verdict
    chains = {"before": chain, "first": first, "left": left, "second": second, "third": third}
    return old, new, chains


class Node:
    """An auditor's copy and its Leaver."""

    def __init__(self, party: str, said: BoardWords | None = None) -> None:
        self.old, self.new, self.chains = logs()
        genesis, store = self.old.deployment.charter, MemoryStore()
        if said is not None:
            store.put_value(LEAVES, encode(said))
        self.party, self.key = party, self.new.keys[party]
        self.replica = Replica(genesis, store, MODULUS_BITS_MIN)
        outside = Outside(lambda: 0, lambda count: bytes(count), lambda event, fields: None)
        self.leaver = Leaver(party, self.key, self.replica, outside)

    def pull(self, name: str, view: int = 0) -> int:
        world = self.new if name in ("first", "second", "third") else self.old
        return self.replica.pull(cast(Log, Shown(world, self.chains[name], view)))

    def cosign(self, name: str, view: int = 0) -> None:
        note = self.new.note(view, self.chains[name].tree)
        witness = self.new.deployment.charter.witness_name(self.party)
        line = cosign(note, witness, self.key.sign, self.key.public_key, 1)
        self.leaver.cosigns(note, line)
        assert self.leaver._own_head() == (view, self.chains[name].tree.size)


def test_su27_4_who_has_cosigned_with_the_record_waits_for_a_handover_of_those_after_it() -> None:
    node = Node("auditor-4")
    assert node.pull("first")
    assert node.replica.charter.auditors == NEW
    node.cosign("first")
    # The record is in that log too, but nobody who left said anything of what came with it.
    assert node.pull("second", 1) == 0
    assert node.pull("left", 1) == 0
    assert node.replica.state.view == 0
    assert node.pull("third", 2) > 0
    assert (node.replica.state.view, node.replica.charter.auditors) == (2, NEW)


def test_su27_4_an_auditor_of_both_does_not_go_back_to_those_before() -> None:
    node = Node("auditor-1")
    assert node.pull("first")
    node.cosign("first")
    assert node.pull("left", 1) == 0
    assert node.pull("second", 1) == 0


def test_su27_4_whoever_has_cosigned_nothing_of_it_goes_on_at_once() -> None:
    node = Node("auditor-4")
    assert node.pull("first")
    assert node.pull("second", 1) > 0
    # With what it cosigned before the record an auditor goes on as well.
    other = Node("auditor-1")
    assert other.pull("before")
    note = other.old.note(0, other.chains["before"].tree)
    witness = other.old.deployment.charter.witness_name("auditor-1")
    other.leaver.cosigns(note, cosign(note, witness, other.key.sign, other.key.public_key, 1))
    assert other.pull("second", 1) > 0


def test_su27_4_whoever_is_no_auditor_any_more_goes_where_a_log_goes() -> None:
    node = Node("auditor-3")
    assert node.pull("before")
    note = node.old.note(0, node.chains["before"].tree)
    witness = node.old.deployment.charter.witness_name("auditor-3")
    node.leaver.cosigns(note, cosign(note, witness, node.key.sign, node.key.public_key, 1))
    assert node.pull("first")
    assert "auditor-3" not in node.replica.charter.parties
    assert node.pull("second", 1) > 0


def test_su27_4_it_stays_so_once_it_has_gone_on_with_those_after_it() -> None:
    node = Node("auditor-4")
    assert node.pull("third", 2)
    assert node.leaver._own_head() == (0, 0)
    old, _, chains = logs()
    fourth = chains["left"].fork()
    leaves = [old.leave(a, fourth.tree, view=3, head_view=1) for a in OLD]
    assert log(fourth, old.handover(fourth.tree, *leaves, view=3), "oversight").accepted
    assert node.replica.pull(cast(Log, Shown(old, fourth, 3))) == 0
    assert node.replica.state.view == 2


def given_up(node: Node, retired: Retired, statement: Statement) -> int:
    return retired.give_up(statement, node.key).seen.index


def test_su27_1_in_a_log_that_lacks_what_it_named_an_auditor_says_the_same_record_again() -> None:
    old, new, chains = logs()
    lost, before = chains["before"].fork(), chains["before"]
    beat = Heartbeat(count=next_count(lost.state, "auditor-2"), time_ms=lost.time_ms + 10**7)
    said = lost.deployment.statement("auditor-2", heartbeat=beat)
    bind(lost.tree, said)
    assert lost.put_leaf(next_leaf(lost.tree, lost.deployment.seal(said))).accepted
    node = Node("auditor-1")
    node.replica.pull(cast(Log, Shown(old, lost, 0)))
    node.replica.take([old.witness(0, before.tree, auditor) for auditor in OLD])
    statement, _ = next_statement(before, new.views.charter)
    other, _ = next_statement(before, new.views.charter)
    retired = Retired("auditor-1", node.replica)
    assert given_up(node, retired, statement) == before.tree.size
    assert given_up(node, retired, statement) == before.tree.size
    assert node.pull("left", 1)
    node.replica.take([old.witness(1, chains["left"].tree, auditor) for auditor in OLD])
    assert given_up(node, retired, statement) == chains["left"].tree.size - 1
    # Also after a restart, and for no other record.
    again = Retired("auditor-1", node.replica)
    assert given_up(node, again, statement) == chains["left"].tree.size - 1
    with pytest.raises(Refusal) as caught:
        again.give_up(other, node.key)
    assert caught.value.reason == "RETIRED"
    assert record_digest(other) != record_digest(statement)


def test_su27_2_who_has_left_a_view_gives_no_epoch_up_in_it() -> None:
    run = SuccessionRun()
    run.turn(3)
    driver, key = run.drivers["auditor-1"], run.deployment.keys["auditor-1"]
    reasons = []
    for _ in range(2):
        with pytest.raises(FermataError) as caught:
            driver.retired.give_up(Statement(), key)
        reasons.append(caught.value.reason)
        run.down.add(COORDINATOR)
        run.turn(SUCCESSION_MS // STEP_MS + 2)
    assert "VIEW" not in reasons[:1]
    assert reasons[1] == "VIEW"


def test_su27_5_a_certificate_of_the_auditors_before_is_not_said_to_those_after() -> None:
    old, _, chains = logs()
    certificate = old.certificate(chains["before"].tree, auditors=OLD)
    node = Node("auditor-1", BoardWords(party="auditor-1", certificate=certificate))
    assert node.pull("before")
    assert node.leaver.words().certificate == certificate
    open_words(node.leaver.views, node.leaver.words())
    assert node.pull("first")
    with pytest.raises(FermataError) as caught:
        check_certificate(node.leaver.views, certificate)
    assert caught.value.reason == "NOT_ON_ROSTER"
    node.cosign("first")
    words = node.leaver.words()
    assert not words.HasField("certificate")
    # Its words are taken, and so is its Leave.
    open_words(node.leaver.views, words)
    node.leaver._leave(1, 0)
    ((left, _),) = open_words(node.leaver.views, node.leaver.words()).leaves
    assert (left.view, left.certificate) == (1, None)
