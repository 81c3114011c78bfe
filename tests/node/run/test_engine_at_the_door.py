"""EN1 to EN3 and EN7 at a coordinator's door: what leaves it, and what is believed there."""

import dataclasses
import pickle

import msgspec
import pytest

from fermata.crypto.report.proof_cache import ProofCache
from fermata.errors import VerificationError
from fermata.memory_store import MemoryStore
from fermata.node.rpc.engine import choose, own_process, tasks
from fermata.node.rpc.engine.own_process import OwnEngine
from fermata.node.rpc.engine.spread import Terms
from fermata.node.run import coordinator
from fermata.node.run.shared_log_writer import SharedLogWriter
from fermata.protocol.fold.proofs import items_of, proven_round
from fermata.protocol.roles.driver import Driver
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import decode
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.types import Role
from fermata.wire.v1 import envelope_pb2
from harness.chains import COORDINATOR, MODULUS_BITS_MIN, chain_at
from harness.crypto.keys import SeededEntropy
from harness.node.engines import Recording, Saying, Told
from harness.nodes import LABS, lay_out, until


class Door:
    """A coordinator with an open round and workers, and a report that a lab would send it."""

    def __init__(self, executor):
        self.chain = chain_at("collecting")
        self.told = Told(executor, Terms(task_s=60))
        deployment = self.chain.deployment
        self.replica = Replica(deployment.charter, MemoryStore(), MODULUS_BITS_MIN)
        self.shared = SharedLogWriter(
            self.replica, deployment.keys[COORDINATOR], lambda: 0, self.told.engine
        )
        for leaf in self.chain.leaves:
            self.shared.append(decode(envelope_pb2.LogEntry, leaf).envelope)

    def report(self, lab, is_false=False):
        statement = self.chain.report_statement(lab)
        if is_false:
            proof = bytearray(statement.report.parts[0].proof)
            proof[-1] ^= 1
            statement.report.parts[0].proof = bytes(proof)
        report = self.chain.seal(statement)
        sealed = self.chain.fetch(statement_of(unseal(report)).report.sealed_sha256)
        return report, sealed

    def send(self, lab, is_false=False):
        return self.shared.append_as(Role.LAB, lab, *self.report(lab, is_false))

    @property
    def round(self):
        return self.replica.state.current

    def proven(self, cache):
        state = self.replica.state.keyed()
        return proven_round(state.charter, state.key, self.round, cache)


def public_bytes(door):
    """All that is in the log or a sealed part of it, and the key's modulus."""
    store, key = door.replica.store, door.replica.state.keyed().key.public_key
    whole = [*store.leaves(0, door.shared.size()), key.n.to_bytes(key.modulus_width, "big")]
    whole += [store.sealed(seen.sealed_sha256) for seen in door.round.reports.values()]
    return b"".join(whole)


def test_en1_nothing_leaves_for_a_worker_that_is_not_in_the_log_or_a_sealed_part():
    executor = Recording()
    door = Door(executor)
    charter = door.replica.charter
    for lab in charter.labs:
        door.send(lab)
    public, known = public_bytes(door), {panel.id for panel in charter.panels}
    statements = {tasks._statements_bytes(panel.claims.statements) for panel in charter.panels}
    assert len(executor.calls) == len(charter.labs)
    for function, arguments, named in executor.calls:
        assert (function, named) == (tasks.answer_check, {})
        (sent,) = arguments
        assert type(sent) is bytes
        # What is pickled is a name and these bytes.
        assert len(pickle.dumps((function, arguments))) - len(sent) < 200
        task = msgspec.msgpack.decode(sent, type=tasks.CheckTask)
        assert msgspec.msgpack.encode(task) == sent
        assert task.code == tasks.checking_code()
        assert set(task.statements) <= statements
        assert task.modulus in public
        for panel in task.panels:
            charter_hash, round_id, lab = panel.context
            assert charter_hash == charter.sha256
            assert int.from_bytes(round_id[:8], "big") == 1
            assert round_id[8:].decode() in known
            assert lab.decode() in charter.labs
            for field in (
                panel.open_part, *panel.ciphertexts, *panel.announcements, *panel.exponents
            ):  # fmt: skip
                assert field in public


def test_en1_a_task_has_no_place_for_a_secret():
    """Whoever adds a field to what is sent meets this list."""
    assert [f.name for f in msgspec.structs.fields(tasks.CheckTask)] == [
        "code", "modulus", "statements", "panels",
    ]  # fmt: skip
    assert [f.name for f in msgspec.structs.fields(tasks.Panel)] == [
        "statements", "context", "open_part", "ciphertexts", "announcements", "exponents",
    ]  # fmt: skip
    assert [f.name for f in msgspec.structs.fields(tasks.MultiplyTask)] == [
        "code", "modulus", "factors",
    ]  # fmt: skip


def test_the_log_is_the_same_with_workers_as_without():
    with_workers, alone = Door(Recording()), Door(None)
    made = {lab: alone.report(lab, lab == "lab-3") for lab in ("lab-1", "lab-2", "lab-3")}
    reasons = []
    for door in (with_workers, alone):
        for lab in ("lab-1", "lab-2"):
            door.shared.append_as(Role.LAB, lab, *made[lab])
        with pytest.raises(VerificationError) as caught:
            door.shared.append_as(Role.LAB, "lab-3", *made["lab-3"])
        reasons.append(caught.value.reason)
        door.shared.confirm()
    assert reasons[0] == reasons[1]
    # Whoever says truly that a proof fails has not lied.
    assert with_workers.told.names() == ["engine_ready"]
    assert with_workers.replica.tree.root() == alone.replica.tree.root()
    assert with_workers.replica.state == alone.replica.state


def test_en2_2_no_worker_has_a_true_report_refused():
    door = Door(Saying(tasks.FAILS))
    assert door.send("lab-1")
    assert "engine_lied" in door.told.names()


def test_en2_1_a_false_report_that_a_worker_passed_is_excluded_by_the_fold_and_told():
    door = Door(Saying(tasks.HOLDS))
    for lab, is_false in (("lab-1", False), ("lab-2", True), ("lab-3", False)):
        door.send(lab, is_false=is_false)
    door.shared.confirm()
    assert ("engine_lied", {"reason": "PROOF", "party": "lab-2", "round": 1}) in door.told.events
    proven = door.proven(door.replica.cache)
    assert sorted(proven.reports) == ["lab-1", "lab-3"]
    assert proven == door.proven(ProofCache())


def test_en3_the_fold_never_takes_a_worker_s_word():
    door = Door(Saying(tasks.HOLDS))
    door.send("lab-1")
    door.send("lab-2", is_false=True)
    # Without the node's own check before it: the cache knows nothing of what workers said.
    assert door.proven(door.replica.cache) == door.proven(ProofCache())
    assert sorted(door.proven(door.replica.cache).reports) == ["lab-1"]


def test_en3_after_its_own_check_the_node_asks_nothing_again():
    door = Door(Recording())
    for lab in ("lab-1", "lab-2"):
        door.send(lab)
    door.shared.confirm()
    cache, state = door.replica.cache, door.replica.state.keyed()
    public_key = state.key.public_key
    items = [
        one
        for seen in door.round.reports.values()
        for one in items_of(state.charter, 1, seen.lab, seen.parts, {})
    ]
    assert sorted(one.context.lab_id for one in items) == [b"lab-1", b"lab-2", b"lab-2"]
    assert all(one.digests(public_key)[0] in cache for one in items)
    changed = [dataclasses.replace(one, open_part=b"") for one in items]
    assert not any(one.digests(public_key)[0] in cache for one in changed)


@pytest.fixture
def own_door(monkeypatch):
    """A door at which one report is enough, and a process of the node's own has begun."""
    monkeypatch.setattr(own_process, "SEVERAL", 1)
    door = Door(None)
    engine = OwnEngine(lambda: 0.0, SeededEntropy("x"), door.told._tell, door.replica.cache)
    door.shared._engine = engine
    engine.open()
    assert engine.wait(60)
    yield door
    engine.close()


def test_en7_what_the_second_process_has_checked_the_node_checks_nowhere_again(
    own_door, monkeypatch
):
    here = []
    monkeypatch.setattr("fermata.crypto.report.batch.holds", lambda given: here.append(given))
    for lab in ("lab-1", "lab-2"):
        own_door.send(lab)
    own_door.shared.confirm()
    assert sorted(own_door.proven(own_door.replica.cache).reports) == ["lab-1", "lab-2"]
    assert here == []


def test_en7_a_false_report_is_refused_with_the_reason_that_it_has_without_the_process(own_door):
    alone, reasons = Door(None), []
    made = alone.report("lab-1", is_false=True)
    for door in (own_door, alone):
        with pytest.raises(VerificationError) as caught:
            door.shared.append_as(Role.LAB, "lab-1", *made)
        reasons.append((caught.value.reason, str(caught.value)))
    assert reasons[0] == reasons[1]
    assert own_door.told.names()[-1] == "engine_ready"
    assert own_door.send("lab-2")


def test_en3_a_coordinator_confirms_right_before_each_of_its_steps_and_pins_after(
    tmp_path, monkeypatch
):
    """In the loop of the real node, which is what closes rounds.

    A step may bring a charter into force: whom it takes the authority from was served until the
    turn after, which the preparation for its reports had put off.
    """
    seen = []

    def recorded(owner, name):
        method = getattr(owner, name)

        def called(self):
            seen.append(name)
            return method(self)

        monkeypatch.setattr(owner, name, called)

    recorded(SharedLogWriter, "confirm")
    recorded(SharedLogWriter, "prepare")
    recorded(Driver, "step")
    recorded(coordinator._Succession, "pin")
    site = lay_out(tmp_path / "site")
    with site.coordinator():
        until(lambda: seen.count("step") > 2)
    turns = " ".join(seen).split("pin confirm ")
    assert set(turns[1:-1]) == {"step pin prepare "}


@pytest.mark.parametrize("has_many", [True, False])
def test_en7_a_coordinator_of_many_labs_has_its_second_process_from_the_start(
    has_many, tmp_path, monkeypatch
):
    monkeypatch.setattr(choose, "_cores", lambda: 2)
    site = lay_out(tmp_path / "site")
    monkeypatch.setattr(coordinator, "MANY", len(LABS) if has_many else len(LABS) + 1)
    with site.coordinator():
        until(lambda: site.events(COORDINATOR, "started"))
        if has_many:
            until(lambda: site.events(COORDINATOR, "engine_ready"))
    assert len(site.events(COORDINATOR, "engine_")) == has_many
