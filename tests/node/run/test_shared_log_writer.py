"""The log writer for many callers: who waits for whose proofs, and who pays for them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fermata.errors import InvalidProof, Refusal, TransportError
from fermata.memory_store import MemoryStore
from fermata.node.run.shared_log_writer import SharedLogWriter
from fermata.protocol.fold import proofs
from fermata.protocol.fold.round_rules import REVISIONS_MAX
from fermata.protocol.roles import log_writer
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import decode
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.types import Role
from fermata.wire.v1 import envelope_pb2, statement_pb2
from harness.chains import COORDINATOR, MODULUS_BITS_MIN, beat_into, chain_at, cosigned


class Door:
    """A ledger that has an open round, and the report that lab-2 would send."""

    def __init__(self):
        self.chain = chain_at("collecting")
        deployment = self.chain.deployment
        replica = Replica(deployment.charter, MemoryStore(), MODULUS_BITS_MIN)
        self.shared = SharedLogWriter(replica, deployment.keys[COORDINATOR], lambda: 0)
        for leaf in self.chain.leaves:
            entry = decode(envelope_pb2.LogEntry, leaf)
            self.shared.append(entry.envelope)
        self.report = self.chain.seal(self.chain.report_statement("lab-2"))
        named = statement_of(unseal(self.report)).report.sealed_sha256
        self.sealed = self.chain.fetch(named)

    def send(self):
        return self.shared.append_as(Role.LAB, "lab-2", self.report, self.sealed)

    def abstain(self, lab):
        statement = self.chain.deployment.statement(
            lab, abstention=statement_pb2.Abstention(round=1)
        )
        return self.shared.append_as(Role.LAB, lab, self.chain.seal(statement), b"")


def test_reads_and_writes_of_others_go_on_while_a_proof_is_checked(monkeypatch):
    door, begun, go_on = Door(), threading.Event(), threading.Event()
    real = log_writer.verify_report

    def slow(*args):
        begun.set()
        assert go_on.wait(60)
        real(*args)

    monkeypatch.setattr(log_writer, "verify_report", slow)
    with ThreadPoolExecutor(4) as pool:
        try:
            sent = pool.submit(door.send)
            assert begun.wait(60)
            size = door.shared.size()
            shared = door.shared
            for call in (
                shared.checkpoint,
                lambda: shared.read(0, 10),
                lambda: shared.prove_inclusion(0, size),
                lambda: shared.prove_consistency(1, size),
                lambda: door.abstain("lab-3"),
            ):
                assert pool.submit(call).result(20)
            with pytest.raises(TransportError) as caught:
                pool.submit(door.send).result(20)
            assert caught.value.reason == "BUSY"
            assert not sent.done()
        finally:
            go_on.set()
        assert sent.result(60).entry == size + 1


def test_a_report_is_checked_once_before_the_lock_and_not_again_under_it(monkeypatch):
    door, real, checked = Door(), proofs.verify, []

    def counted(*args):
        checked.append(args[2])
        assert not door.shared.lock._is_owned()
        real(*args)

    monkeypatch.setattr(proofs, "verify", counted)
    assert door.send()
    panels = door.chain.deployment.charter.panels
    assert len(checked) == len(set(checked)) == len(panels) > 1


def test_a_report_whose_round_closed_while_it_was_checked_is_refused(monkeypatch):
    door, real = Door(), log_writer.verify_report
    closed = []

    def slow(*args):
        real(*args)
        if not closed:
            closed.append(True)
            for auditor in door.chain.deployment.charter.auditors:
                beat_into(door.chain.deployment, door.shared, auditor, door.chain.deadline_ms)

    monkeypatch.setattr(log_writer, "verify_report", slow)
    with pytest.raises(Refusal) as caught:
        door.send()
    assert caught.value.reason == "LATE"
    assert door.shared.state.current.reports == {}


def test_failed_proofs_are_charged_to_their_lab_and_the_next_is_not_checked(monkeypatch):
    door, checks = Door(), []

    def fails(*args):
        checks.append(args)
        raise InvalidProof("EC1", "report: its proof does not hold")

    monkeypatch.setattr(log_writer, "verify_report", fails)
    for _ in range(REVISIONS_MAX):
        with pytest.raises(InvalidProof):
            door.send()
    with pytest.raises(Refusal) as caught:
        door.send()
    assert caught.value.reason == "REVISIONS"
    assert len(checks) == REVISIONS_MAX
    assert door.abstain("lab-3")


def test_the_cosignature_that_makes_more_witnessed_tells_the_watchers_at_once():
    door, sizes = Door(), []
    shared, deployment = door.shared, door.chain.deployment
    shared.on_growth = lambda size: sizes.append((size, shared.replica.witnessed.size))
    head, size = shared.checkpoint(), shared.size()
    auditors = deployment.charter.auditors
    quorum = deployment.charter.endorsement_quorum
    for auditor in auditors[: quorum - 1]:
        shared.add_cosignature_as(auditor, cosigned(deployment, head, auditor))
    assert sizes == []
    for auditor in auditors[quorum - 1 :]:
        shared.add_cosignature_as(auditor, cosigned(deployment, head, auditor))
    assert sizes == [(size, size)]
