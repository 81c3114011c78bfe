"""What settles a draft: the node's own fold, and no word of the other side (L32, L33)."""

from collections.abc import Callable

import pytest

from fermata.crypto.signing import SigningKey
from fermata.errors import InvalidEncoding, Refusal, VerificationError
from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.references import at, next_leaf
from fermata.protocol.roles.driver import Driver, Signer
from fermata.protocol.wire.codec import encode, sha256
from fermata.protocol.wire.envelope import seal, statement_of, unseal
from fermata.protocol.wire.ports import LOGGED, Draft, Log, LogWrapper, Receipt
from fermata.protocol.wire.refusals import REFUSAL_TYPE, open_refusal, seal_refusal
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.log_service_pb2 import AppendRefusal
from harness.chains import COORDINATOR, Run, deadline_of, make_deployment

SLOT = "answer/1/0"


class Answering(LogWrapper):
    """The way of one lab to a log whose coordinator answers appends as it likes."""

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self.answer: Callable[[bytes, bytes], Receipt] = log.append

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        if statement_of(unseal(envelope)).HasField("heartbeat"):
            return super().append(envelope)
        return self.answer(envelope, sealed_part)


class World:
    """A deployment with an open round, and a lab that is about to answer."""

    def __init__(self) -> None:
        self.run = Run(make_deployment(last="2025Q4"))
        self.run.step(*self.run.charter.auditors, COORDINATOR)
        self.run.step(*self.run.charter.auditors)
        self.log = Answering(self.run.log_of("lab-1"))
        self.lab: Driver = self.run.make_driver("lab-1", self.log)
        self.store = self.run.stores["lab-1"]

    @property
    def outcome(self) -> str | None:
        return self.store.draft_outcome(SLOT)

    def told(self, event: str) -> bool:
        return event in {what for name, what, _ in self.run.told if name == "lab-1"}

    def signed(self, envelope: bytes, reason: str) -> bytes:
        charter, tree = self.run.charter, self.run.ledger.replica.tree
        key = self.run.deployment.keys[COORDINATOR]
        head = at(tree, tree.size - 1)
        return seal_refusal(charter.coordinator, key, charter.sha256, envelope, reason, head)

    def open(self, signed: bytes, envelope: bytes, reason: str) -> AppendRefusal:
        key = self.run.charter.parties[COORDINATOR].signing_key
        pinned = self.run.charter.sha256
        return open_refusal(COORDINATOR, key, pinned, signed, envelope, reason)

    def pass_deadline(self) -> None:
        """The auditors say that the round's window is over."""
        self.run.step(*self.run.charter.auditors)
        self.run.now_ms = deadline_of(self.run, 1)
        self.run.step(*self.run.charter.auditors)

    def steps(self, count: int = 3) -> None:
        for _ in range(count):
            self.run.now_ms += 1000
            self.lab.step()


@pytest.fixture
def world() -> World:
    return World()


def test_a_receipt_settles_nothing_before_its_entry_was_read(world: World) -> None:
    world.steps(1)
    assert world.outcome is None
    assert world.told("statement_logged") is False
    world.steps(1)
    assert world.outcome == LOGGED
    assert world.told("statement_logged")


def test_a_receipt_is_waited_for_and_not_asked_for_again(world: World) -> None:
    asked = []
    honest = world.log.answer

    def answer(envelope: bytes, sealed_part: bytes) -> Receipt:
        asked.append(envelope)
        return honest(envelope, sealed_part)

    world.log.answer = answer
    world.steps(4)
    assert len(asked) == 1


def forced(world: World, envelope: bytes, sealed_part: bytes) -> Receipt:
    """A true receipt for an entry that the fold rejects: it was held back past the deadline."""
    writer = world.run.ledger
    world.pass_deadline()
    leaf = next_leaf(writer.replica.tree, envelope)
    after, verdict = apply(writer.state, leaf)
    assert verdict.reason == "LATE"
    writer._commit(leaf, [sealed_part], after, verdict)
    return writer._receipt(verdict.entry)


def test_a_true_receipt_for_an_entry_without_effect_does_not_settle_it_as_logged(
    world: World,
) -> None:
    world.log.answer = lambda envelope, sealed: forced(world, envelope, sealed)
    world.steps(2)
    assert world.told("logged_without_effect")
    assert world.outcome is None


def lying(world: World, sign: Callable[[bytes], bytes], reason: str = "EXCLUDED") -> None:
    def answer(envelope: bytes, sealed_part: bytes) -> Receipt:
        raise Refusal(reason, "no") if not sign(envelope) else _with(sign(envelope), reason)

    world.log.answer = answer


def _with(signed: bytes, reason: str) -> VerificationError:
    error = Refusal(reason, "no")
    error.signed = signed
    return error


def by_nobody(world: World, envelope: bytes) -> bytes:
    return b""


def of_another_deployment(world: World, envelope: bytes) -> bytes:
    key = world.run.deployment.keys[COORDINATOR]
    return seal_refusal(COORDINATOR, key, bytes(32), envelope, "EXCLUDED", None)


def by_a_stranger(world: World, envelope: bytes) -> bytes:
    key = SigningKey.from_seed(bytes(32))
    refusal = AppendRefusal(envelope_sha256=sha256(envelope), reason="EXCLUDED")
    return seal(REFUSAL_TYPE, encode(refusal), {COORDINATOR: key})


def of_another_envelope(world: World, envelope: bytes) -> bytes:
    return world.signed(b"another", "EXCLUDED")


def for_another_reason(world: World, envelope: bytes) -> bytes:
    return world.signed(envelope, "LATE")


def of_another_type(world: World, envelope: bytes) -> bytes:
    refusal = AppendRefusal(envelope_sha256=sha256(envelope), reason="EXCLUDED")
    key = world.run.deployment.keys[COORDINATOR]
    return seal("application/vnd.other", encode(refusal), {COORDINATOR: key})


def with_bytes_after(world: World, envelope: bytes) -> bytes:
    return world.signed(envelope, "EXCLUDED") + b"\x28\x01"


@pytest.mark.parametrize(
    "sign",
    [
        by_nobody,
        by_a_stranger,
        of_another_deployment,
        of_another_envelope,
        for_another_reason,
        of_another_type,
        with_bytes_after,
    ],
)
def test_a_refusal_that_convicts_nobody_is_no_answer(
    world: World, sign: Callable[[World, bytes], bytes]
) -> None:
    honest = world.log.answer
    lying(world, lambda envelope: sign(world, envelope))
    world.steps()
    assert world.outcome is None
    assert world.told("refusal_unsigned")
    world.log.answer = honest
    world.steps()
    assert world.outcome == LOGGED


def test_a_signed_refusal_that_the_own_fold_contradicts_settles_nothing_and_is_kept(
    world: World,
) -> None:
    """One false refusal of an endorsement lost it for good, and the round never opened."""
    honest = world.log.answer
    lying(world, lambda envelope: world.signed(envelope, "EXCLUDED"))
    world.steps()
    assert world.outcome is None
    assert world.told("refused_falsely")
    draft = world.store.draft(SLOT)
    kept = world.store.value(f"refusal/{SLOT}")
    assert draft is not None
    assert kept is not None
    refusal = world.open(kept, draft.envelope, "EXCLUDED")
    assert refusal.head.index == world.run.ledger.size() - 1
    world.log.answer = honest
    world.steps()
    assert world.outcome == LOGGED


def late(world: World) -> Draft:
    """The lab's answer after its coordinator has refused it as late, the first and only time."""
    world.lab._plan()
    world.lab.replica.pull(world.log)
    world.lab._plan()
    world.pass_deadline()
    asked: list[bytes] = []

    def answer(envelope: bytes, sealed_part: bytes) -> Receipt:
        asked.append(envelope)
        return world.run.log_of("lab-1").append(envelope, sealed_part)

    world.log.answer = answer
    world.steps()
    draft = world.store.draft(SLOT)
    assert draft is not None
    assert asked == [draft.envelope]
    return draft


def plead(world: World, draft: Draft) -> None:
    """An auditor says in its heartbeat that it had the lab's answer in time."""
    run, auditor = world.run, "auditor-1"
    last = run.state.heartbeats[auditor]
    run.now_ms += 60_000
    beat = statement_pb2.Heartbeat(
        count=last.count + 1,
        time_ms=run.now_ms,
        pleas=[statement_pb2.Plea(round=1, lab="lab-1", envelope_sha256=sha256(draft.envelope))],
    )
    statement = statement_pb2.Statement(
        charter_sha256=run.charter.sha256, author=auditor, heartbeat=beat
    )
    signer = Signer(auditor, run.deployment.keys[auditor])
    envelope = signer.seal(run.drivers[auditor].replica, statement, last.seen + 1)
    run.log_of(auditor).append(envelope)


def test_a_true_refusal_settles_the_draft(world: World) -> None:
    late(world)
    world.run.step(COORDINATOR)
    world.steps()
    assert world.outcome == "ROUND_CLOSED"
    assert world.told("statement_refused")


def test_an_answer_that_was_late_is_sent_again_when_an_auditor_names_it(world: World) -> None:
    """Before, it was settled as late for good, although the close still waited for it."""
    draft = late(world)
    assert world.outcome is None
    assert world.told("answer_late")
    plead(world, draft)
    world.steps()
    assert world.outcome == LOGGED
    assert "lab-1" in world.run.state.rounds[0].reports


def test_a_refusal_is_read_as_it_was_signed(world: World) -> None:
    signed = world.signed(b"an envelope", "LATE")
    refusal = world.open(signed, b"an envelope", "LATE")
    assert refusal.reason == "LATE"
    assert refusal.charter_sha256 == world.run.charter.sha256
    with pytest.raises(InvalidEncoding):
        world.open(b"", b"an envelope", "LATE")


def test_the_coordinator_signs_every_refusal_of_an_append(world: World) -> None:
    for envelope in (b"", b"junk", bytes(600 * 1024)):
        with pytest.raises(VerificationError) as caught:
            world.run.log_of("lab-1").append(envelope)
        refusal = world.open(caught.value.signed, envelope, caught.value.reason)
        tree = world.run.ledger.replica.tree
        assert refusal.head == at(tree, tree.size - 1)


def test_a_note_is_not_a_refusal(world: World) -> None:
    key = world.run.deployment.keys[COORDINATOR]
    origin = world.run.charter.log_origin
    note = sign_checkpoint(Checkpoint(origin, 1, bytes(32)), origin, key.sign, key.public_key)
    with pytest.raises(InvalidEncoding):
        world.open(note, b"x", "LATE")
