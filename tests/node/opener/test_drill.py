"""What an opener checks before it answers a drill, and files that bring answers back: OP7."""

from dataclasses import replace
from pathlib import Path

import pytest

from fermata.crypto.threshold.auditor_share import AuditorShare, auditor_share
from fermata.crypto.threshold.drill import drill_commitment
from fermata.errors import ConfigError, FermataError, TransportError
from fermata.log.checkpoint import add_signatures, cosign
from fermata.memory_store import MemoryStore
from fermata.node.opener import frames
from fermata.node.opener.desk import Desk, drillable
from fermata.node.opener.drill_file import MAGIC, decode_drill_file, encode_drill_file, start_of
from fermata.node.opener.marks import Marks
from fermata.node.opener.offline import OfflineOpener, OpeningFiles, make_drill_task
from fermata.node.opener.process import OpenerProcess
from fermata.node.opener.setup import Setup
from fermata.node.opener.task_file import TaskLog, decode_task, encode_task
from fermata.protocol.drills.duties import DrillAnswer, decode_answer, encode_answer
from fermata.protocol.roles.driver import Signer
from fermata.protocol.roles.replica import Replica
from harness.chains import MODULUS_BITS_MIN, Chain, entropy_of
from harness.drills import commit, drill_of, drilling_chain, part_of, show
from harness.rogue import RogueLog

ME = "auditor-1"
AUDITORS = ("auditor-1", "auditor-2", "auditor-3")


def log_of(chain: Chain, witnessed: int | None = None) -> RogueLog:
    """The chain's log, of which all auditors have cosigned the first entries (all)."""
    log = RogueLog(chain)
    every, made = log.leaves, log.deployment
    log.leaves = every[:witnessed]
    note = log.checkpoint()
    for auditor in made.charter.auditors:
        key, name = made.keys[auditor], made.charter.witness_name(auditor)
        log.add_cosignature(add_signatures(note, [cosign(note, name, key.sign, key.public_key, 1)]))
    log.leaves = every
    return log


def desk_of(log: RogueLog, folder: Path) -> Desk:
    desk = Desk(log.deployment.charter, ME, Marks(folder), entropy_of(1, ME), MODULUS_BITS_MIN)
    desk.read(log)
    return desk


def share_of(log: RogueLog, auditor: str = ME) -> AuditorShare:
    made = log.deployment
    return auditor_share(
        made.shares[auditor], made.record, made.charter.sha256, made.charter.auditors
    )


def reason_of(what, *arguments) -> str:
    with pytest.raises(FermataError) as caught:
        what(*arguments)
    return caught.value.reason


def answered(desk: Desk, log: RogueLog) -> tuple[bytes, DrillAnswer]:
    state, drill = drillable(desk.replica, ME)
    data = desk.answer(state, drill, share_of(log))
    given = decode_answer(state.key.record, drill, data)
    assert given is not None
    return data, given


def test_an_answer_is_the_part_that_the_log_takes(tmp_path) -> None:
    chain = drilling_chain()
    log = log_of(chain)
    _, given = answered(desk_of(log, tmp_path), log)
    drill, record = drill_of(chain), chain.state.keyed().key.record
    assert given.part in (part_of(chain, ME), record.n - part_of(chain, ME))
    said = drill_commitment(record, drill.epoch_id, drill.number, 1, given.nonce, given.part)
    assert len(said) == 32
    # Another one has another nonce, so that no commitment tells the part.
    assert answered(desk_of(log, tmp_path), log)[1].nonce != bytes(32)


def test_a_task_for_the_drill_gives_the_same_as_the_log(tmp_path) -> None:
    log = log_of(drilling_chain())
    node = desk_of(log, tmp_path / "node")
    made = make_drill_task(node.replica, log.deployment.charter_data, ME)
    task = decode_task(b"".join(encode_task(made)))
    assert (task, task.is_drill, task.sealed) == (made, True, {})
    there = Desk(log.deployment.charter, ME, Marks(tmp_path), entropy_of(1, ME), MODULUS_BITS_MIN)
    there.read(TaskLog(task))
    assert answered(there, log)[1].part == answered(node, log)[1].part


def ended(chain: Chain) -> None:
    commit(chain, *AUDITORS)
    show(chain, *AUDITORS)


@pytest.mark.parametrize("go_on", [lambda chain: commit(chain, *AUDITORS), ended])
def test_a_drill_that_takes_no_answers_gets_none(tmp_path, go_on) -> None:
    chain = drilling_chain()
    go_on(chain)
    log = log_of(chain)
    assert reason_of(drillable, desk_of(log, tmp_path).replica, ME) == "NO_DRILL"


def test_a_drill_that_only_the_coordinator_has_seen_gets_no_answer(tmp_path) -> None:
    chain = drilling_chain()
    log = log_of(chain, drill_of(chain).start.index)
    assert reason_of(drillable, desk_of(log, tmp_path).replica, ME) == "NO_DRILL"
    log = log_of(chain, drill_of(chain).start.index + 1)
    drillable(desk_of(log, tmp_path).replica, ME)


def test_a_share_of_somebody_else_answers_nothing(tmp_path) -> None:
    log = log_of(drilling_chain())
    desk = desk_of(log, tmp_path)
    state, drill = drillable(desk.replica, ME)
    assert reason_of(desk.answer, state, drill, share_of(log, "auditor-2")) == "SHARE_AUDITOR"
    assert reason_of(drillable, desk.replica, "lab-1") == "NO_DRILL"


# Files that bring an answer back.


class Node:
    """The node of an auditor whose share is elsewhere, in a log whose drill runs."""

    def __init__(self, folder: Path) -> None:
        self.chain = drilling_chain()
        made = self.chain.deployment
        self.replica = Replica(made.charter, MemoryStore(), MODULUS_BITS_MIN)
        self.replica.pull(RogueLog(self.chain))
        self.files, self.told = OpeningFiles(folder), []
        self.opener = OfflineOpener(
            Signer(ME, made.keys[ME]),
            self.replica,
            self.files,
            lambda *what: self.told.append(what),
        )
        self.state, self.drill = self.replica.state.keyed(), drill_of(self.chain)
        self.path = self.files.drill_path(self.drill.start.leaf_hash)
        given = DrillAnswer(bytes(range(32)), part_of(self.chain, ME))
        self.given, self.record = given, self.state.key.record
        self.file = encode_drill_file(encode_answer(self.record, self.drill, given))

    def ask(self) -> DrillAnswer | None:
        return self.opener.drill(self.state, self.drill)


@pytest.fixture
def node(tmp_path) -> Node:
    return Node(tmp_path)


def test_an_answer_that_is_wanted_is_told_and_one_that_came_back_is_given(node) -> None:
    assert node.ask() is None
    assert node.told == [("drill_wanted", 1, "OFFLINE")]
    node.files.offer(node.path, node.file)
    assert node.ask() == node.given
    assert node.files.answer(node.path) is True


def test_an_answer_that_does_not_fit_is_answered_and_removed(node) -> None:
    node.files.offer(node.path, node.file[:-1])
    assert node.ask() is None
    assert node.told == [("drill_not_taken", 1, "OPENING_FORM")]
    assert node.files.answer(node.path).reason == "OPENING_FORM"
    other = replace(node.drill, start=replace(node.drill.start, leaf_hash=bytes(32)))
    node.files.offer(node.path, encode_drill_file(encode_answer(node.record, other, node.given)))
    assert node.ask() is None
    assert node.files.answer(node.path).reason == "NO_DRILL"
    node.files.offer(node.path, node.file)
    assert node.ask() == node.given


@pytest.mark.parametrize(
    "data", [b"", MAGIC, MAGIC + bytes(64), MAGIC + bytes(577), b"x" + MAGIC + bytes(128)]
)
def test_a_file_that_is_no_answer_is_refused(node, data: bytes) -> None:
    assert reason_of(start_of, data, "file") == "OPENING_FORM"
    assert reason_of(decode_drill_file, data, node.state, node.drill, "file") == "OPENING_FORM"


# What goes wrong with a drill stops no node.


def test_an_opener_that_refuses_a_drill_is_told_once_and_asked_again(node, monkeypatch) -> None:
    told, orders = [], []
    process = OpenerProcess(
        Setup(share="/none", marks="/none"), b"", node.replica, lambda *what: told.append(what)
    )
    errors = iter(
        [
            ConfigError("KEY_SHARE", "no"),
            TransportError("OPENER_GONE", "no"),
            ConfigError("KEY_SHARE", ""),
        ]
    )

    def refuse(kind: bytes, data: bytes) -> bytes:
        orders.append(kind)
        raise next(errors)

    monkeypatch.setattr(process, "_order", refuse)
    for size in (7, 7, 8, 8, 9):
        node.replica.witnessed = replace(node.replica.witnessed, size=size)
        assert process.drill(node.state, node.drill) is None
    assert orders == [frames.DRILL] * 3
    assert told == [("drill_refused", "KEY_SHARE"), ("drill_refused", "OPENER_GONE")]
    made = encode_answer(node.record, node.drill, node.given)
    monkeypatch.setattr(process, "_order", lambda kind, data: made)
    node.replica.witnessed = replace(node.replica.witnessed, size=10)
    assert process.drill(node.state, node.drill) == node.given
    monkeypatch.setattr(process, "_order", lambda kind, data: b"")
    assert process.drill(node.state, node.drill) is None
