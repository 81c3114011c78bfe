"""Openings that come back to the node of an auditor whose share is elsewhere: OP5."""

import pytest

from fermata.crypto.signing import pae
from fermata.errors import ConfigError, Refusal
from fermata.memory_store import MemoryStore
from fermata.node.opener.offline import OfflineOpener, OpeningFiles
from fermata.node.opener.opening_file import GivenOpening, encode_opening
from fermata.node.opener.process import OpenerProcess
from fermata.node.opener.setup import Setup
from fermata.protocol.fold.references import at
from fermata.protocol.roles.driver import Signer
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import STATEMENT_TYPE, encode
from harness.chains import MODULUS_BITS_MIN, chain_at
from harness.rogue import RogueLog

ME = "auditor-1"


class Node:
    """What the node of such an auditor has: its log, its key and its folder."""

    def __init__(self, folder) -> None:
        self.chain = chain_at("endorsed")
        made = self.chain.deployment
        self.key, self.charter = made.keys[ME], made.charter
        self.replica = Replica(made.charter, MemoryStore(), MODULUS_BITS_MIN)
        self.replica.pull(RogueLog(self.chain))
        self.files = OpeningFiles(folder)
        self.told: list[tuple[str, int, str]] = []
        self.opener = OfflineOpener(
            Signer(ME, self.key), self.replica, self.files, lambda *what: self.told.append(what)
        )

    def ask(self):
        state = self.replica.state.keyed()
        return self.opener(state, state.rounds[0], state.rounds[0].close)

    def statement(self, change=lambda statement: None):
        statement = self.chain.bind(self.chain.opening_statement(ME))
        change(statement)
        return statement

    def file(self, statement, is_signed=False) -> bytes:
        data = encode(statement)
        signature = self.key.sign(pae(STATEMENT_TYPE, data)) if is_signed else b""
        return encode_opening(GivenOpening(data, signature))

    def offer(self, data):
        return self.files.offer(self.files.path(1, self.charter.sha256), data)


@pytest.fixture
def node(tmp_path) -> Node:
    return Node(tmp_path)


def test_a_round_that_waits_for_an_opening_is_told(node) -> None:
    assert node.ask() is None
    assert node.told == [("opening_wanted", 1, "OFFLINE")]


@pytest.mark.parametrize("is_signed", [False, True])
def test_an_opening_that_came_back_is_sent_in_the_nodes_own_name(node, is_signed: bool) -> None:
    statement = node.statement()
    path = node.offer(node.file(statement, is_signed))
    assert node.files.answer(path) is False
    part = node.ask()
    assert part.statement.partial_opening == statement.partial_opening
    assert node.files.answer(path) is True
    # The same again is taken again; another one is not.
    assert node.offer(node.file(statement, is_signed)) == path
    assert node.files.answer(path) is True
    with pytest.raises(Refusal) as caught:
        node.offer(node.file(statement, not is_signed))
    assert caught.value.reason == "OPENED_OTHER"
    assert node.chain.put(part.envelope).accepted


def other_close(statement) -> None:
    statement.partial_opening.close.CopyFrom(statement.seen)


def other_epoch(statement) -> None:
    statement.partial_opening.epoch_id = bytes(32)


def fewer_parts(statement) -> None:
    del statement.partial_opening.panels[0].parts[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [(other_close, "WRONG_CLOSE"), (other_epoch, "EPOCH_ID"), (fewer_parts, "LENGTH")],
)
def test_an_opening_that_the_log_would_refuse_fills_no_slot(node, change, reason: str) -> None:
    path = node.offer(node.file(node.statement(change)))
    assert node.ask() is None
    assert node.files.answer(path).reason == reason
    assert node.told == [("opening_not_taken", 1, reason)]
    # The right one can still be brought.
    node.offer(node.file(node.statement()))
    assert node.ask() is not None


def test_a_damaged_file_is_answered_and_removed(node) -> None:
    path = node.offer(node.file(node.statement())[:-1])
    assert node.ask() is None
    assert node.files.answer(path).reason == "OPENING_FORM"
    assert not path.exists()
    path.with_suffix(".answer").write_bytes(b"nonsense")
    assert isinstance(node.files.answer(path), ConfigError)


def test_an_opening_of_a_longer_log_waits_until_the_node_has_read_it(node) -> None:
    node.chain.beat("auditor-2")
    newer = node.statement(lambda s: s.seen.CopyFrom(at(node.chain.tree, node.chain.tree.size - 1)))
    path = node.offer(node.file(newer))
    assert node.ask() is None
    assert node.files.answer(path) is False
    node.replica.pull(RogueLog(node.chain))
    assert node.ask() is not None


def test_a_part_under_a_charter_that_is_no_longer_in_force_waits(node, monkeypatch) -> None:
    process = OpenerProcess(Setup(share="/s", marks="/m"), b"", node.replica, lambda *what: None)
    state, given = node.replica.state.keyed(), [encode(node.statement())]
    monkeypatch.setattr(process, "_order", lambda kind, data: given[0])
    ask = (state, state.rounds[0], state.rounds[0].close)
    assert process(*ask) is not None
    given[0] = encode(node.statement(lambda s: setattr(s, "charter_sha256", bytes(32))))
    assert process(*ask) is None
    given[0] = b""
    assert process(*ask) is None


def test_what_an_opener_refuses_is_told_and_asked_again_when_more_is_witnessed(
    node, monkeypatch
) -> None:
    told, asked = [], []

    def order(kind, data):
        asked.append(data)
        raise Refusal("LOG_FORKED", "no")

    process = OpenerProcess(
        Setup(share="/s", marks="/m"), b"", node.replica, lambda *w: told.append(w)
    )
    monkeypatch.setattr(process, "_order", order)
    state = node.replica.state.keyed()
    ask = (state, state.rounds[0], state.rounds[0].close)
    assert process(*ask) is None
    assert process(*ask) is None
    assert (told, len(asked)) == ([("opening_refused", "LOG_FORKED")], 1)

    def wrong(kind, data):
        raise ConfigError("KEY_SHARE", "wrong")

    process._refused.clear()
    monkeypatch.setattr(process, "_order", wrong)
    with pytest.raises(ConfigError):
        process(*ask)
