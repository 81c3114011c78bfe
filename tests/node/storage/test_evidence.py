"""When the log breaks a promise, the signed heads that show it are kept."""

import pytest

from fermata.errors import InvalidProof
from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.memory_store import MemoryStore
from fermata.node.storage.evidence import RECEIPT_HEADS, WitnessedLog
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.outbox import PROMISES
from fermata.protocol.roles.replica import Replica
from harness.chains import COORDINATOR, MODULUS_BITS_MIN, Run, beat_into, figures, make_deployment


class Witness:
    """A lab in a deployment in one process, with its way to the log witnessed."""

    def __init__(self):
        self.run = Run(make_deployment())
        self.store = self.run.stores["lab-1"]
        self.log = WitnessedLog(self.run.log_of("lab-1"), self.store)
        self.driver = self.run.make_driver("lab-1", self.log)

    def other_log(self, entries):
        """A ledger of the same coordinator that has only so many of the entries."""
        store = MemoryStore()
        replica = Replica(self.run.charter, store, MODULUS_BITS_MIN)
        ledger = LogWriter(replica, self.run.deployment.keys[COORDINATOR])
        tree = self.run.ledger.replica.tree
        root = tree.root(entries)
        key = self.run.deployment.keys[COORDINATOR]
        head = Checkpoint(self.run.charter.log_origin, entries, root)
        note = sign_checkpoint(head, head.origin, key.sign, key.public_key)
        store.extend(0, self.run.leaves()[:entries], note)
        ledger.replica = Replica(self.run.charter, store, MODULUS_BITS_MIN)
        return ledger

    def point_to(self, ledger):
        self.log._log = self.run.log_of("lab-1", ledger)

    def broken(self, folder):
        with pytest.raises(InvalidProof) as caught:
            self.driver.step()
        return self.log.with_evidence(caught.value, folder)


def notes_in(folder):
    return {path.read_bytes() for path in folder.glob("evidence-*.note")}


def corrected(run):
    return Measurement({**figures(run.deployment, "lab-1"), "share": "1"})


def grow(run, ledger, count):
    """Another log of the same coordinator goes on, with heartbeats of an auditor."""
    for _ in range(count):
        run.now_ms += 60_000
        beat_into(run.deployment, ledger, "auditor-1", run.now_ms)


def test_a_log_that_goes_back_leaves_both_heads(tmp_path):
    witness = Witness()
    witness.run.until_quiet(
        *witness.run.charter.auditors, *witness.run.charter.labs[1:], COORDINATOR
    )
    witness.driver.step()
    held = witness.store.checkpoint()
    other = witness.other_log(3)
    witness.point_to(other)
    error = witness.broken(tmp_path)
    assert error.reason == "ROLLBACK"
    assert error.exit_code == 3
    assert notes_in(tmp_path) == {held, other.checkpoint()}
    for path in tmp_path.iterdir():
        assert path.name in str(error)
    assert "\n" not in str(error)
    # Being started again and again does not fill the disk.
    witness.broken(tmp_path)
    assert len(notes_in(tmp_path)) == 2


def test_two_logs_leave_both_heads(tmp_path):
    witness = Witness()
    witness.driver.step()
    other = witness.other_log(2)
    witness.run.until_quiet(
        *witness.run.charter.auditors, *witness.run.charter.labs[1:], COORDINATOR
    )
    witness.driver.step()
    held = witness.store.checkpoint()
    size = witness.driver.replica.tree.size
    grow(witness.run, other, size)
    witness.point_to(other)
    error = witness.broken(tmp_path)
    assert error.reason == "SPLIT_VIEW"
    assert notes_in(tmp_path) == {held, other.checkpoint()}


def test_a_receipt_that_is_not_kept_leaves_the_head_that_was_in_it(tmp_path):
    witness = Witness()
    witness.run.step(*witness.run.charter.auditors, COORDINATOR, *witness.run.charter.auditors)
    other = witness.other_log(witness.run.ledger.size())
    witness.driver.step()
    assert witness.store.value(PROMISES)
    # Of its heartbeat and of its report.
    promised = [note for _, note in witness.log._receipts()][-1]
    # The log that goes on is one in which the report was never there.
    grow(witness.run, other, 3)
    witness.point_to(other)
    error = witness.broken(tmp_path)
    assert error.reason == "RECEIPT_BROKEN"
    assert promised in notes_in(tmp_path)


def test_heads_of_receipts_are_kept_until_their_entries_were_read():
    witness = Witness()
    witness.run.step(*witness.run.charter.auditors, COORDINATOR, *witness.run.charter.auditors)
    witness.driver.step()
    assert len(list(witness.log._receipts())) == 2
    witness.driver.step()
    witness.run.drivers["lab-1"] = witness.driver
    slot = witness.driver.correct(witness.run.state.rounds[0], corrected(witness.run))
    draft = witness.store.draft(slot)
    witness.log.append(draft.envelope, draft.sealed_part)
    kept = list(witness.log._receipts())
    assert [entry for entry, _ in kept] == [witness.run.ledger.size() - 1]
    assert witness.store.value(RECEIPT_HEADS)


def test_a_disk_that_is_full_does_not_hide_what_happened(tmp_path):
    witness = Witness()
    witness.run.step(*witness.run.charter.auditors, COORDINATOR)
    witness.driver.step()
    witness.point_to(witness.other_log(2))
    error = witness.broken(tmp_path / "not there")
    assert error.reason == "ROLLBACK"
    assert "no evidence could be written" in str(error)
