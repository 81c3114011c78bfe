"""The log writer for many callers: who waits for whose proofs, and who pays for them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fermata.crypto.report import batch
from fermata.errors import InvalidProof, Refusal, TransportError
from fermata.memory_store import MemoryStore
from fermata.node.run import shared_log_writer
from fermata.node.run.shared_log_writer import TOGETHER_MAX, ProofDesk, SharedLogWriter
from fermata.protocol.fold.proofs import ReportCheck
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

    def __init__(self, engine=None):
        self.chain = chain_at("collecting")
        deployment = self.chain.deployment
        replica = Replica(deployment.charter, MemoryStore(), MODULUS_BITS_MIN)
        self.shared = SharedLogWriter(replica, deployment.keys[COORDINATOR], lambda: 0, engine)
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


def test_labs_that_report_at_once_have_the_table_of_their_charter_made_once(monkeypatch):
    """Ten of the first fifty reports made it, each for itself."""
    door, made, real = Door(), [], log_writer.prover_table
    door.shared._table = None

    def slow(*given):
        made.append(given)
        time.sleep(0.05)
        return real(*given)

    monkeypatch.setattr(log_writer, "prover_table", slow)
    state, at_once = door.shared.state.keyed(), threading.Barrier(8)

    def table():
        at_once.wait(60)
        return door.shared.verification_table(state.charter, state.key)

    with ThreadPoolExecutor(8) as pool:
        tables = [each.result() for each in [pool.submit(table) for _ in range(8)]]
    assert len(made) == 1
    assert all(table is tables[0] for table in tables)


@pytest.mark.parametrize("answers", [[True], [False, True]])
def test_en7_what_checks_take_is_made_as_the_round_opens_and_not_as_the_first_report_comes(
    monkeypatch, answers
):
    """The first of fifty reports that came at once waited for two tables of powers."""
    asked, ready = [], list(answers)

    class Asked:
        def prepare(self, public_key, statements):
            asked.append((public_key, statements))
            return ready.pop(0)

    door = Door(engine=Asked())
    charter, key = door.chain.deployment.charter, door.shared.state.keyed().key
    for _ in range(3):
        door.shared.prepare()
    monkeypatch.setattr(log_writer, "prover_table", lambda *_: pytest.fail("it is not there"))
    assert door.shared.verification_table(charter, key) is not None
    # At each turn while the round is open, until a process took it.
    assert asked == [(key.public_key, charter.panels[0].claims.statements)] * len(answers)


def test_en7_each_of_two_shares_has_its_own_verdicts():
    """Those of the node's share were counted from its first."""
    alone, door = [], Door()
    truth = {"lab-2": True, "lab-4": False, "lab-5": True, "lab-6": False}

    class Halves:
        def share(self, count):
            return count // 2

        def verdicts(self, reports):
            alone.extend(items for _, items in reports)
            return [truth[f"lab-{items[0]}"] for _, items in reports]

    def check_here(checks, cache):
        return {
            place: InvalidProof("EC1", f"{check.lab}: is wrong")
            for place, check in enumerate(checks)
            if not truth[check.lab]
        }

    door.shared._engine = Halves()
    checks = [ReportCheck(lab, 1, None, (int(lab[-1]),)) for lab in truth]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_log_writer, "check_reports", check_here)
        failures = door.shared.check_together(checks)
    assert alone == [(2,), (4,)]
    assert {place: str(error) for place, error in failures.items()} == {
        1: "lab-4: is wrong",
        3: "lab-6: is wrong",
    }


def test_reads_and_writes_of_others_go_on_while_a_proof_is_checked(monkeypatch):
    door, begun, go_on = Door(), threading.Event(), threading.Event()
    real = shared_log_writer.check_reports

    def slow(*args):
        begun.set()
        assert go_on.wait(60)
        return real(*args)

    monkeypatch.setattr(shared_log_writer, "check_reports", slow)
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
    door, real, checked = Door(), batch.paillier_holds, []

    def counted(*args):
        checked.append(args[1][0])
        assert not door.shared.lock._is_owned()
        return real(*args)

    monkeypatch.setattr(batch, "paillier_holds", counted)
    assert door.send()
    panels = door.chain.deployment.charter.panels
    ciphertexts = sum(panel.claims.statements.packing.ciphertexts for panel in panels)
    assert len(checked) == len(set(checked)) == ciphertexts > len(panels)


def test_reports_that_come_while_one_is_checked_are_checked_together_each_with_its_own_end():
    begun, go_on, batches = threading.Event(), threading.Event(), []

    def check_all(checks):
        batches.append([check.lab for check in checks])
        begun.set()
        assert go_on.wait(60)
        return {
            place: InvalidProof("EC1", f"{check.lab}: is wrong")
            for place, check in enumerate(checks)
            if check.lab in ("lab-3", "lab-7")
        }

    def check(lab):
        return ReportCheck(lab, 1, None, ())

    desk, labs = ProofDesk(check_all), [f"lab-{i}" for i in range(1, 2 + TOGETHER_MAX + 5)]
    with ThreadPoolExecutor(len(labs)) as pool:
        try:
            ends = {labs[0]: pool.submit(desk.run, check(labs[0]))}
            assert begun.wait(60)
            for lab in labs[1:]:
                ends[lab] = pool.submit(desk.run, check(lab))
            limit = time.monotonic() + 60
            while len(desk._waiting) < len(labs) - 1:
                assert time.monotonic() < limit
        finally:
            go_on.set()
        wrong = {lab: end.exception(60) for lab, end in ends.items()}
    assert list(map(len, batches)) == [1, TOGETHER_MAX, len(labs) - 1 - TOGETHER_MAX]
    assert sorted(lab for each in batches for lab in each) == sorted(labs)
    assert {lab: str(e) for lab, e in wrong.items() if e} == {
        lab: f"{lab}: is wrong" for lab in ("lab-3", "lab-7")
    }
    # The two are charged, each once, and nobody is busy any more.
    assert desk._failed == {"lab-3": 1, "lab-7": 1}
    assert desk._busy == set()


@pytest.mark.parametrize("fills", [True, False])
def test_where_two_reports_wait_the_check_is_put_off_until_enough_came_or_its_time_is_up(
    monkeypatch, fills: bool
):
    monkeypatch.setattr(shared_log_writer, "TOGETHER_MAX", 3)
    begun, go_on, batches = threading.Event(), threading.Event(), []

    def check_all(checks):
        batches.append([check.lab for check in checks])
        begun.set()
        assert go_on.wait(60)
        return {}

    desk = ProofDesk(check_all, gather_s=300 if fills else 0.05)

    def waits_for(count: int) -> None:
        limit = time.monotonic() + 60
        while len(desk._waiting) != count:
            assert time.monotonic() < limit

    with ThreadPoolExecutor(4) as pool:
        ends = [pool.submit(desk.run, ReportCheck("lab-1", 1, None, ()))]
        # One that comes alone is checked at once.
        assert begun.wait(60)
        for number, lab in enumerate(("lab-2", "lab-3")):
            ends.append(pool.submit(desk.run, ReportCheck(lab, 1, None, ())))
            waits_for(number + 1)
        go_on.set()
        ends[0].result(60)
        if fills:
            # The two still wait, however long it takes, and the third ends their wait.
            assert len(batches) == 1
            ends.append(pool.submit(desk.run, ReportCheck("lab-4", 1, None, ())))
        for end in ends:
            end.result(60)
    together = ["lab-2", "lab-3", *["lab-4"] * fills]
    assert batches == [["lab-1"], together]


def test_a_check_that_was_put_off_begins_when_none_came_for_as_long_as_one_alone_takes():
    """Fifty that came within 0.16 s waited for a quarter of a second."""
    now_s, go_on, batches = [0.0], threading.Event(), []

    def check_all(checks):
        batches.append([check.lab for check in checks])
        # By the desk's clock.
        now_s[0] += 0.02 if len(checks) == 1 else 5
        if len(batches) == 1:
            assert go_on.wait(60)
        return {}

    desk, waits = ProofDesk(check_all, gather_s=300, seconds=lambda: now_s[0]), []
    desk._came.wait = waits.append
    with ThreadPoolExecutor(3) as pool:
        ends = [pool.submit(desk.run, ReportCheck("lab-1", 1, None, ()))]
        limit = time.monotonic() + 60
        while not batches:
            assert time.monotonic() < limit
        for lab in ("lab-2", "lab-3"):
            ends.append(pool.submit(desk.run, ReportCheck(lab, 1, None, ())))
        while len(desk._waiting) < 2:
            assert time.monotonic() < limit
        go_on.set()
        for end in ends:
            end.result(60)
    assert [sorted(labs) for labs in batches] == [["lab-1"], ["lab-2", "lab-3"]]
    # None came while it waited, and what two take together says nothing of one.
    assert waits == [pytest.approx(0.02)]
    assert desk._alone_s == pytest.approx(0.02)


@pytest.mark.parametrize("is_fault", [True, False])
def test_a_report_that_is_refused_at_once_does_not_shorten_the_wait_for_others(is_fault):
    """Else a lab that sends garbage has the desk check two at a time."""

    def refuse(checks):
        if is_fault:
            raise RuntimeError("a fault")
        return {0: InvalidProof("EC1", "is wrong")}

    desk = ProofDesk(refuse, gather_s=0.5)
    with pytest.raises(RuntimeError if is_fault else InvalidProof):
        desk.run(ReportCheck("lab-1", 1, None, ()))
    assert desk._alone_s == 0.5


def test_a_check_is_put_off_for_so_long_at_most_however_many_come():
    """Each that comes within the time of one alone would put it off again."""
    now_s, waits = [0.0], []
    desk = ProofDesk(lambda checks: {}, gather_s=0.5, seconds=lambda: now_s[0])

    def one_comes(seconds):
        waits.append(seconds)
        now_s[0] += 0.2
        return True

    desk._came.wait = one_comes
    with desk._changed:
        desk._gather()
    assert waits == pytest.approx([0.5, 0.3, 0.1])


def test_a_fault_of_the_check_ends_all_that_wait_for_it_and_the_next_is_checked():
    faults = [RuntimeError("a fault")]

    def check_all(checks):
        if faults:
            raise faults.pop()
        return {}

    desk = ProofDesk(check_all)
    with pytest.raises(RuntimeError, match="a fault"):
        desk.run(ReportCheck("lab-1", 1, None, ()))
    desk.run(ReportCheck("lab-1", 1, None, ()))
    assert desk._failed == {}


def test_a_report_whose_round_closed_while_it_was_checked_is_refused(monkeypatch):
    door, real = Door(), shared_log_writer.check_reports
    closed = []

    def slow(*args):
        failures = real(*args)
        if not closed:
            closed.append(True)
            for auditor in door.chain.deployment.charter.auditors:
                beat_into(door.chain.deployment, door.shared, auditor, door.chain.deadline_ms)
        return failures

    monkeypatch.setattr(shared_log_writer, "check_reports", slow)
    with pytest.raises(Refusal) as caught:
        door.send()
    assert caught.value.reason == "LATE"
    assert door.shared.state.current.reports == {}


def test_failed_proofs_are_charged_to_their_lab_and_the_next_is_not_checked(monkeypatch):
    door, checks = Door(), []

    def fails(*args):
        checks.append(args)
        return {0: InvalidProof("EC1", "report: its proof does not hold")}

    monkeypatch.setattr(shared_log_writer, "check_reports", fails)
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
