"""SU4, reason 2: every way in which a coordinator breaks its word, told to one node.

None stops a node where the charter names successors: a coordinator that could stop auditors by a
broken word would stop their Leaves with them.
"""

from collections.abc import Callable

import pytest

from fermata.errors import InvalidProof, Refusal
from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.log.merkle import leaf_hash
from fermata.protocol.fold.apply import judge
from fermata.protocol.fold.references import at, bind, next_leaf
from fermata.protocol.wire.envelope import seal_statement
from fermata.protocol.wire.ports import Draft, Log, LogWrapper, News, Receipt
from fermata.protocol.wire.refusals import seal_refusal
from fermata.wire.v1 import statement_pb2
from harness.chains import COORDINATOR
from harness.protocol.successions import SuccessionRun

SLOT = "said"


class Broken(LogWrapper):
    """A coordinator that tells one node the truth until it begins to lie."""

    def __init__(self, run: SuccessionRun, log: Log) -> None:
        super().__init__(log)
        self.run, self.true = run, log
        self.lies = False

    def news(self, start: int, count_max: int) -> News:
        news = self.true.news(start, count_max)
        return self.lie(news) if self.lies else news

    def lie(self, news: News) -> News:
        return news

    def signed(self, size: int, root: bytes) -> bytes:
        key = self.run.deployment.keys[COORDINATOR]
        origin = self.run.charter.log_origin
        return sign_checkpoint(Checkpoint(origin, size, root), origin, key.sign, key.public_key)


class OtherHead(Broken):
    """SPLIT_VIEW: a head of as many entries and another root."""

    def lie(self, news: News) -> News:
        size = self.run.writers[COORDINATOR].size()
        return news._replace(checkpoint=self.signed(size, b"\1" * 32))


class OldHead(Broken):
    """ROLLBACK: the head of a smaller log."""

    def lie(self, news: News) -> News:
        tree = self.run.writers[COORDINATOR].replica.tree
        return News(self.signed(1, tree.root(1)), [], [])


class NoEntries(Broken):
    """WITHHELD: a head of entries that it does not show."""

    def lie(self, news: News) -> News:
        size = self.run.writers[COORDINATOR].size()
        return News(self.signed(size + 1, b"\1" * 32), [], [])

    def read(self, start: int, count: int) -> list[bytes]:
        return [] if self.lies else self.true.read(start, count)


class BrokenReceipt(Broken):
    """RECEIPT_BROKEN: a receipt for an entry that the log does not have then."""

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        if not self.lies:
            return self.true.append(envelope, sealed_part)
        tree = self.run.writers[COORDINATOR].replica.tree.copy()
        entry, leaf = tree.size, next_leaf(tree, envelope)
        tree.append(leaf_hash(leaf))
        proof = tuple(tree.inclusion_proof(entry, tree.size))
        return Receipt(entry, leaf, self.signed(tree.size, tree.root()), proof)


class NoReceipt(Broken):
    """RECEIPT: the receipt of another statement."""

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        receipt = self.true.append(envelope, sealed_part)
        if not self.lies:
            return receipt
        leaf = self.true.read(0, 1)[0]
        return Receipt(receipt.entry, leaf, receipt.checkpoint, receipt.inclusion_proof)


class FalseRefusal(Broken):
    """A signed refusal for a reason that the fold of its own head does not give."""

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        if not self.lies:
            return self.true.append(envelope, sealed_part)
        reason, size = self.answer(envelope)
        tree, charter = self.run.writers[COORDINATOR].replica.tree, self.run.charter
        key, head = self.run.deployment.keys[COORDINATOR], at(tree, size - 1)
        error = Refusal(reason, "no")
        error.signed = seal_refusal(COORDINATOR, key, charter.sha256, envelope, reason, head)
        raise error

    def answer(self, envelope: bytes) -> tuple[str, int]:
        """A reason, and of how many entries it is."""
        return "EXCLUDED", self.run.writers[COORDINATOR].size()


#: Of each way, whether it is told to somebody who only reads, and the word for it.
FAMILY: list[tuple[type[Broken], str]] = [
    (OtherHead, "SPLIT_VIEW"),
    (OldHead, "ROLLBACK"),
    (NoEntries, "WITHHELD"),
    (BrokenReceipt, "RECEIPT_BROKEN"),
    (NoReceipt, "RECEIPT"),
    (FalseRefusal, ""),
]


def lied_to(
    way: Callable[[SuccessionRun, Log], Broken], name: str
) -> tuple[SuccessionRun, list[str]]:
    """A run in which one node is lied to, and the reasons for which it kept evidence."""
    run = SuccessionRun()
    run.turn(3)
    log = way(run, run.log_of(name))
    driver = run.drivers[name] = run.make_driver(name, log)
    kept: list[str] = []
    driver.keep_evidence = lambda error: kept.append(error.reason)
    run.turn(1, 1000)
    said = statement_pb2.Statement(
        charter_sha256=run.charter.sha256,
        author=name,
        heartbeat=statement_pb2.Heartbeat(
            version="1", time_ms=run.now_ms, count=driver.replica.state.heartbeats[name].count + 1
        ),
    )
    bind(driver.replica.tree, said, driver.replica.witnessed.size)
    envelope = seal_statement(said, {name: run.deployment.keys[name]})
    run.stores[name].put_draft(Draft(SLOT, envelope))
    log.lies = True
    # Half of the time in which a silent coordinator would be left.
    run.turn(3)
    return run, kept


@pytest.mark.parametrize(("way", "reason"), FAMILY)
def test_an_auditor_leaves_a_coordinator_that_broke_its_word_and_does_not_stop(
    way: type[Broken], reason: str
) -> None:
    run, kept = lied_to(way, "auditor-1")
    leaver = run.drivers["auditor-1"].leaver
    assert leaver is not None
    assert leaver.holds_back()
    assert kept == ([reason] if reason else [])
    told = {(what, why) for name, what, why in run.told if name == "auditor-1"}
    assert ("left", "proof") in told
    assert ("word_broken", reason) in told or not reason
    assert not [what for what, _ in told if what == "stopped"]
    assert len(run.leaves_for(1)) == 1


@pytest.mark.parametrize(("way", "reason"), FAMILY[:-1])
def test_a_lab_waits_for_another_coordinator_and_keeps_the_evidence(
    way: type[Broken], reason: str
) -> None:
    run, kept = lied_to(way, "lab-1")
    told = {(what, why) for name, what, why in run.told if name == "lab-1"}
    assert kept == [reason]
    assert ("word_broken", reason) in told
    assert not [what for what, _ in told if what == "stopped"]


class TrueRefusal(FalseRefusal):
    """A refusal of fewer entries, which the fold of these gives as well, and of all does not."""

    def answer(self, envelope: bytes) -> tuple[str, int]:
        size = 3
        replica = self.run.writers[COORDINATOR].replica
        leaf = next_leaf(replica.tree.first(size), envelope)
        return judge(replica.state_at(size), leaf)[1].reason, size


def test_a_refusal_that_was_true_when_it_was_signed_is_no_reason_to_leave() -> None:
    run, _ = lied_to(TrueRefusal, "auditor-1")
    leaver = run.drivers["auditor-1"].leaver
    assert leaver is not None
    assert not leaver.holds_back()
    assert ("auditor-1", "refused_falsely") in {(name, what) for name, what, _ in run.told}


def test_without_successors_a_broken_word_stops_the_node() -> None:
    run = SuccessionRun(successors=0)
    run.turn(2)
    log = OtherHead(run, run.log_of("auditor-1"))
    driver = run.make_driver("auditor-1", log)
    log.lies = True
    with pytest.raises(InvalidProof) as error:
        driver.step()
    assert error.value.reason == "SPLIT_VIEW"
