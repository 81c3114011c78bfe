"""What a node knows to be witnessed of its copy of the log: it is durable, and it never falls."""

from collections.abc import Callable, Iterable

import pytest

from fermata.errors import InvalidSignature, StorageError, TransportError
from fermata.log.checkpoint import Checkpoint
from fermata.memory_store import MemoryStore
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.governance.heads import open_head
from fermata.protocol.roles import replica as module
from fermata.protocol.roles.replica import WITNESSES, Replica
from fermata.protocol.state.state import State
from fermata.protocol.wire.ports import LogWrapper, Witness
from fermata.protocol.wire.witnesses import decode_witnesses
from harness.bundles import state_after, witness_of
from harness.chains import MODULUS_BITS_MIN, Chain, chain_at
from harness.rogue import RogueLog

#: Of three auditors with threshold 2 all must cosign.
AUDITORS = ("auditor-1", "auditor-2", "auditor-3")


class Handing(LogWrapper):
    """A chain's log whose coordinator hands out the cosignatures that it likes."""

    def __init__(self, chain: Chain) -> None:
        super().__init__(RogueLog(chain))
        self.handed: list[Witness] = []

    def witnesses(self) -> list[Witness]:
        return self.handed


class Reader:
    """A node that reads a chain's log."""

    def __init__(self) -> None:
        self.chain = chain_at("closed")
        self.log = Handing(self.chain)
        self.store = MemoryStore()
        self.replica = self.start()

    def start(self) -> Replica:
        self.replica = Replica(self.chain.deployment.charter, self.store, MODULUS_BITS_MIN)
        return self.replica

    def line(self, auditor: str, size: int) -> Witness:
        return witness_of(self.chain.deployment, self.chain.tree, auditor, size)

    def pull(self, *sizes: int) -> int:
        """Reads the log, of which these are the sizes that the auditors have cosigned."""
        self.log.handed = [self.line(a, s) for a, s in zip(AUDITORS, sizes, strict=False)]
        self.replica.pull(self.log)
        return self.replica.witnessed.size


@pytest.fixture
def reader() -> Reader:
    return Reader()


def test_so_many_entries_are_witnessed_as_a_quorum_has_cosigned(reader: Reader) -> None:
    assert reader.pull() == 0
    assert reader.pull(5, 7) == 0
    assert reader.pull(5, 7, 3) == 3
    assert reader.pull(5, 7, 6) == 5


def test_a_log_that_hands_out_older_cosignatures_or_none_takes_nothing_back(reader: Reader) -> None:
    assert reader.pull(5, 7, 6) == 5
    kept = reader.replica.witnesses
    assert reader.pull(4, 2, 3) == 5
    assert reader.pull() == 5
    assert reader.replica.witnesses == kept


def test_a_note_that_was_opened_is_not_opened_again_until_the_state_or_the_note_changes(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bytes] = []

    def opens(state: State, pinned: Charter, note: bytes) -> Checkpoint:
        opened.append(note)
        return open_head(state, pinned, note)

    monkeypatch.setattr(module, "open_head", opens)
    reader.pull()
    # In the state that its own entries have brought, another key might be the coordinator's.
    reader.pull()
    reader.pull()
    note = reader.log.checkpoint()
    assert opened == [note, note]
    # One digit of the signature: the text and all the rest are those of the note that was opened.
    place = note.rindex(b" ") + 60
    digit = b"B" if note[place : place + 1] == b"A" else b"A"
    other = note[:place] + digit + note[place + 1 :]
    for _ in range(2):
        with pytest.raises(InvalidSignature):
            reader.replica.open_checkpoint(other)
    assert reader.replica.open_checkpoint(note).size == len(reader.chain.leaves)


def test_what_is_witnessed_outlives_a_restart(reader: Reader) -> None:
    reader.pull(5, 7, 6)
    reader.start()
    assert reader.replica.witnessed.size == 5
    assert decode_witnesses(reader.store.value(WITNESSES) or b"") == list(reader.replica.witnesses)
    assert reader.replica.witnessed.cosigned["auditor-2"].size == 7
    assert reader.pull(8, 8, 8) == 8


def test_a_store_whose_cosignatures_are_damaged_is_not_started_from(reader: Reader) -> None:
    reader.pull(5, 7, 6)
    reader.store.put_value(WITNESSES, b"5 nothing\n")
    with pytest.raises(StorageError) as caught:
        reader.start()
    assert caught.value.reason == "DATA_LOSS"


def test_it_is_durable_before_anything_rests_on_it(reader: Reader) -> None:
    class Full(MemoryStore):
        has_room = False

        def put_value(self, name: str, value: bytes) -> None:
            if not self.has_room:
                raise StorageError("STORAGE_FULL", "store: the disk is full")
            super().put_value(name, value)

    reader.store = store = Full()
    reader.start()
    with pytest.raises(StorageError):
        reader.pull(5, 7, 6)
    assert (reader.replica.witnessed.size, reader.replica.witnesses) == (0, ())
    store.has_room = True
    # The same cosignatures, with no news, count once there is room.
    assert reader.pull(5, 7, 6) == 5


def forged(reader: Reader, size: int) -> Witness:
    """A true cosignature of another size, handed out for this one."""
    return Witness("auditor-3", size, reader.line("auditor-3", 2).line)


def of_a_fork(reader: Reader, size: int) -> Witness:
    fork = chain_at("reported").fork()
    fork.beat("lab-1")
    fork.beat("lab-2")
    return witness_of(reader.chain.deployment, fork.tree, "auditor-3", fork.tree.size)


@pytest.mark.parametrize("false", [forged, of_a_fork])
def test_a_cosignature_that_does_not_hold_counts_for_nothing_and_names_its_auditor(
    reader: Reader, false: Callable[[Reader, int], Witness]
) -> None:
    size = reader.chain.tree.size
    reader.pull(size, size, 3)
    reader.log.handed[2] = false(reader, size)
    reader.replica.pull(reader.log)
    assert reader.replica.witnessed.size == 3
    assert reader.replica.witnessed.false == ("auditor-3",)
    assert reader.line("auditor-3", 3) in reader.replica.witnesses


def test_a_cosignature_of_entries_that_this_node_has_not_read_counts_later(reader: Reader) -> None:
    class Shorter(Handing):
        def checkpoint(self) -> bytes:
            chain = self.chain
            return RogueLog(chain).checkpoint()

        chain: Chain

    log = Shorter(reader.chain)
    log.chain = chain_at("keyed")
    log.handed = [reader.line(a, 8) for a in AUDITORS]
    reader.replica.pull(log)
    assert reader.replica.witnessed.size == 0
    reader.log.handed = log.handed
    reader.replica.pull(reader.log)
    assert reader.replica.witnessed.size == 8


@pytest.mark.parametrize("recent", [1, 3, 64])
def test_the_trusted_state_follows_from_the_witnessed_entries(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, recent: int
) -> None:
    """Whether the state was kept when its entry was folded, or is folded again."""
    monkeypatch.setattr(module, "RECENT_STATES", recent)
    reader.start()
    reader.pull()
    # Entry 0 is the charter that the node was configured with.
    assert reader.replica.trusted() == state_after(reader.chain, 1)
    for size in (1, 2, 5, 8, reader.chain.tree.size):
        reader.pull(size, size, size)
        assert reader.replica.trusted() == state_after(reader.chain, size)


def test_a_state_that_was_trusted_is_not_folded_again(reader: Reader) -> None:
    reader.pull(5, 5, 5)
    assert reader.replica.trusted() is reader.replica.trusted()


def sizes(witnesses: Iterable[Witness]) -> list[int]:
    return [w.size for w in witnesses]


def test_an_auditor_has_one_cosignature_and_the_newest_is_kept(reader: Reader) -> None:
    reader.pull(5, 7, 6)
    reader.pull(6, 6, 8)
    assert sizes(reader.replica.witnesses) == [6, 7, 8]


def test_a_new_head_is_handed_on_when_it_is_durable_and_before_its_entries_are_folded(
    reader: Reader,
) -> None:
    held: list[tuple[int, int, int]] = []
    replica, size = reader.replica, reader.chain.tree.size
    for _ in range(2):
        replica.pull(
            reader.log,
            lambda n: held.append((n, reader.store.entry_count(), replica.state.size)),
        )
    assert held == [(size, size, 0)]
    assert replica.state.size == size


def test_a_head_that_could_not_be_handed_on_is_folded_all_the_same(reader: Reader) -> None:
    def away(size: int) -> None:
        raise TransportError("UNAVAILABLE", "log: does not answer")

    with pytest.raises(TransportError):
        reader.replica.pull(reader.log, away)
    assert reader.replica.state == state_after(reader.chain, reader.chain.tree.size)
    assert reader.replica.pull(reader.log, away) == 0
