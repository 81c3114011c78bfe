"""Snapshots (docs/spec/log.md, L50 to L55): a start from one gives what a replay gives."""

import gc
import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import StorageError
from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.log.merkle import Tree, leaf_hash
from fermata.memory_store import MemoryStore
from fermata.node.storage.snapshots.body import MAGIC, Expected, read_body, write_body
from fermata.node.storage.snapshots.files import NAME, Snapshots, start_replica
from fermata.protocol.fold.apply import apply
from fermata.protocol.roles.replica import WITNESSES, Replica, Start
from fermata.protocol.state.state import State, Verdict
from harness.chains import COORDINATOR, MODULUS_BITS_MIN, Chain, Run, chain_at, make_deployment
from harness.deployments import HEARTBEAT_S, PAUSE_TABLES
from harness.long_log import AllHold, LongLog, long_deployment
from harness.protocol.amendments import MEMBERS, amended, carried, under

LOGS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "fold_logs.json").read_text()
)
#: Rules of each kind on the two panels, whose memory goes on over a start.
RULES = (
    PAUSE_TABLES.replace('"100"', '"900000000"', 1).replace('"60"', '"10"', 1)
    + """
[[rule]]
id = "growth"
kind = "growth-rate"
metric = "hours"
statistic = "sum"
above = "0.3"
over_rounds = 4
confidence = "0.95"

[[rule]]
id = "dark"
kind = "no-result"
panel = "alpha"
at_least = "2"
"""
)


def folded(leaves: list[bytes], charter_sha256: bytes, bits: int, cache: Any = None) -> list[Start]:
    """What a replica may begin from after each number of entries."""
    state = State(charter_sha256=charter_sha256, modulus_bits_min=bits)
    tree, rejected = Tree(), list[Verdict]()
    starts = [Start(state, tree.copy())]
    for leaf in leaves:
        state, verdict = apply(state, leaf, cache)
        tree.append(leaf_hash(leaf))
        rejected += [] if verdict.accepted else [verdict]
        starts.append(Start(state, tree.copy(), tuple(rejected)))
    return starts


def read(data: bytes, leaves: list[bytes], charter_sha256: bytes, bits: int) -> Start:
    return read_body(data, Expected(charter_sha256, len(leaves), lambda n: leaves[n], bits))


@pytest.mark.parametrize("name", LOGS["logs"])
def test_l54_a_state_comes_back_as_it_was_at_every_size(name: str) -> None:
    leaves = [bytes.fromhex(leaf) for leaf in LOGS["logs"][name]["leaves"]]
    sha256, bits = bytes.fromhex(LOGS["charter_sha256"]), LOGS["modulus_bits_min"]
    for start in folded(leaves, sha256, bits):
        data = write_body(start)
        back = read(data, leaves, sha256, bits)
        assert back.state == start.state
        assert type(back.state) is type(start.state)
        assert back.tree.root() == start.tree.root()
        assert back.rejected == start.rejected
        assert write_body(back) == data


@pytest.fixture(scope="module")
def long() -> tuple[LongLog, list[bytes], list[Start]]:
    """A log of six rounds under rules, with a rejected entry among them."""
    log = LongLog(long_deployment(6, RULES))
    leaves = list(log.start())
    for _ in range(6):
        leaves += log.round(24)
    charter = log.deployment.charter
    return log, leaves, folded(leaves, charter.sha256, MODULUS_BITS_MIN, AllHold())


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_l54_what_follows_from_a_snapshot_is_what_follows_from_entry_0(long, data) -> None:
    log, leaves, starts = long
    size = data.draw(st.integers(1, len(leaves)))
    again = read(write_body(starts[size]), leaves, log.deployment.charter.sha256, MODULUS_BITS_MIN)
    state, tree = again.state, again.tree.copy()
    # A second snapshot on the way, taken from what the first led to.
    stop = data.draw(st.integers(size, len(leaves)))
    for leaf in leaves[size:stop]:
        state, _ = apply(state, leaf, AllHold())
        tree.append(leaf_hash(leaf))
    assert state == starts[stop].state
    assert write_body(Start(state, tree)) == write_body(starts[stop])
    assert tree.inclusion_proof(0, stop) == starts[stop].tree.inclusion_proof(0, stop)


def test_l54_the_memory_of_rules_goes_on_over_a_start(long) -> None:
    """Without it the first judgement after a start would begin at round 1."""
    log, leaves, starts = long
    back = read(write_body(starts[-1]), leaves, log.deployment.charter.sha256, MODULUS_BITS_MIN)
    memory = back.state.memory
    assert len(memory.facts) == len(memory.rounds) == len(back.state.rounds)
    assert memory.facts == starts[-1].state.memory.facts
    assert memory.runs == starts[-1].state.memory.runs
    assert all(one is other for one, other in zip(memory.rounds, back.state.rounds, strict=True))


def test_rejected_entries_are_remembered() -> None:
    chain = chain_at("reported")
    chain.put(b"no envelope")
    sha256 = chain.deployment.charter.sha256
    start = folded(chain.leaves, sha256, MODULUS_BITS_MIN, chain.cache)[-1]
    assert [v.reason for v in start.rejected]
    assert (
        read(write_body(start), chain.leaves, sha256, MODULUS_BITS_MIN).rejected == start.rejected
    )


def test_l54_the_charter_of_an_amendment_comes_back() -> None:
    chain = Chain(make_deployment(members=MEMBERS))
    chain.start()
    sha256, data = chain.deployment.charter.sha256, amended(chain)
    due_ms = carried(chain, data)
    under(chain, data).open_round(due_ms)
    start = folded(chain.leaves, sha256, MODULUS_BITS_MIN, chain.cache)[-1]
    assert len(start.state.charters) == 2
    assert read(write_body(start), chain.leaves, sha256, MODULUS_BITS_MIN).state == start.state


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_l52_1_damage_anywhere_is_noticed(long, data) -> None:
    log, leaves, starts = long
    whole = write_body(starts[40])
    sha256 = log.deployment.charter.sha256
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    for bad in (flipped, whole[:at], whole + b"\0"):
        with pytest.raises(StorageError) as caught:
            read(bad, leaves, sha256, MODULUS_BITS_MIN)
        assert caught.value.reason == "SNAPSHOT_DAMAGED"


@pytest.mark.parametrize("is_on", [True, False])
def test_pythons_search_for_garbage_is_afterwards_as_it_was(long, is_on: bool) -> None:
    log, leaves, starts = long
    sha256, was_on = log.deployment.charter.sha256, gc.isenabled()
    (gc.enable if is_on else gc.disable)()
    try:
        data = write_body(starts[40])
        read(data, leaves, sha256, MODULUS_BITS_MIN)
        assert gc.isenabled() == is_on
        with pytest.raises(StorageError):
            read(data[:-1], leaves, sha256, MODULUS_BITS_MIN)
        assert gc.isenabled() == is_on
    finally:
        (gc.enable if was_on else gc.disable)()


def changed(data: bytes, place: int, value: object) -> bytes:
    """A snapshot with another field, whose digest holds."""
    fields = msgspec.msgpack.decode(data[len(MAGIC) + 32 :])
    fields[place] = value
    body = msgspec.msgpack.encode(fields)
    return MAGIC + hashlib.sha256(body).digest() + body


def test_l52_each_check_has_its_reason(long) -> None:
    log, leaves, starts = long
    sha256, whole = log.deployment.charter.sha256, write_body(starts[40])
    other_root = starts[41].state.position.root()

    def reason(data: bytes, pinned: bytes = sha256, count: int = len(leaves)) -> str:
        with pytest.raises(StorageError) as caught:
            read(data, leaves[:count], pinned, MODULUS_BITS_MIN)
        return caught.value.reason

    assert reason(changed(whole, 0, bytes(32))) == "SNAPSHOT_OTHER_CODE"  # L52.2.
    assert reason(whole, pinned=bytes(32)) == "SNAPSHOT_FOREIGN"  # L52.3.
    assert reason(whole, count=39) == "SNAPSHOT_AHEAD"  # L52.4.
    assert reason(changed(whole, 3, other_root)) == "SNAPSHOT_DAMAGED"  # L52.5.
    # Fields 4 and 7: the nodes of a tree of another log, and the state of one.
    other = Tree()
    for number in range(40):
        other.append(leaf_hash(b"%d" % number))
    later = msgspec.msgpack.decode(write_body(starts[41])[len(MAGIC) + 32 :])
    assert reason(changed(whole, 4, other.levels(40))) == "SNAPSHOT_DAMAGED"
    assert reason(changed(whole, 7, later[7])) == "SNAPSHOT_DAMAGED"
    assert reason(changed(whole, 2, "forty")) == "SNAPSHOT_DAMAGED"
    # Of more than one fault the first check's reason is told.
    assert reason(changed(whole, 0, bytes(32)), pinned=bytes(32)) == "SNAPSHOT_OTHER_CODE"


#: Places of fields in a snapshot from 2 on, each with values that no snapshot of this log has.
_WRONG = [
    *((place, value) for place in (2, 6) for value in (-1, 0, 7, 1 << 40, "", None)),
    *((place, value) for place in (3,) for value in (b"", bytes(31), 5)),
    *((place, value) for place in (4, 5, 7, 8) for value in ([], [5], [[]], [b""], 5, {})),
    # This log has no rejected entries, so the field is an empty list.
    *((9, value) for value in ([5], [[]], [b""], 5, {})),
]


@pytest.mark.parametrize(("place", "value"), _WRONG)
def test_l52_a_field_that_holds_something_else_is_damage_and_no_fault(
    long, place: int, value: object
) -> None:
    log, leaves, starts = long
    whole = write_body(starts[40])
    assert msgspec.msgpack.decode(whole[len(MAGIC) + 32 :])[place] != value
    with pytest.raises(StorageError) as caught:
        read(changed(whole, place, value), leaves, log.deployment.charter.sha256, MODULUS_BITS_MIN)
    assert caught.value.reason in {"SNAPSHOT_DAMAGED", "SNAPSHOT_AHEAD"}


class CountingStore(MemoryStore):
    """Tells how many leaves were read."""

    def __init__(self, kept: MemoryStore) -> None:
        super().__init__()
        self.__dict__.update(kept.copy().__dict__)
        self.read = 0

    def leaves(self, start: int, stop: int) -> list[bytes]:
        self.read += stop - start
        return super().leaves(start, stop)


class Node:
    """A folder, the store of a lab that has seen a round, and what is told."""

    def __init__(self, folder: Path) -> None:
        self.run = Run(make_deployment(labs=4, auditors=3))
        for _ in range(6):
            self.run.step()
        self.folder = folder
        folder.chmod(0o700)
        self.replica = self.run.drivers["lab-1"].replica
        self.told: list[tuple[str, str]] = []

    def tell(self, event: str, **fields: str) -> None:
        self.told.append((event, fields["reason"]))

    def keep(self) -> Path:
        Snapshots(self.folder, self.replica, self.tell, entries_min=1).look()
        return self.folder / NAME

    def start(self, store: MemoryStore | None = None, **options: bool) -> tuple[Replica, int]:
        """A replica of the folder, and how many leaves it read."""
        counted = CountingStore(store or self.run.stores["lab-1"])
        charter = self.run.charter
        replica = start_replica(
            self.folder, charter, counted, MODULUS_BITS_MIN, self.tell, **options
        )
        return replica, counted.read


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_l51_a_snapshot_is_of_the_witnessed_entries_and_for_its_owner_alone(node: Node) -> None:
    path = node.keep()
    assert path.stat().st_mode & 0o777 == 0o600
    replica, read_leaves = node.start()
    assert replica.state == node.replica.state
    assert replica.witnessed.size == node.replica.witnessed.size
    size = node.replica.tree.size
    assert read_leaves == size - node.replica.witnessed.size + 1  # And entry 0's charter.
    assert node.told == []
    assert [p.name for p in node.folder.iterdir()] == [NAME]


def test_l51_it_is_written_again_when_the_log_has_grown_enough(node: Node) -> None:
    snapshots = Snapshots(node.folder, node.replica, node.tell, entries_min=1)
    snapshots.look()
    first = (node.folder / NAME).stat().st_ino
    snapshots.look()
    assert (node.folder / NAME).stat().st_ino == first
    rare = Snapshots(node.folder, node.replica, node.tell)
    rare.look()
    assert (node.folder / NAME).stat().st_ino == first, "fewer than 1,000 entries are no reason"


def test_l51_it_is_written_again_for_a_tenth_more_entries_and_not_before(node: Node) -> None:
    snapshots, path = (
        Snapshots(node.folder, node.replica, node.tell, entries_min=1),
        node.folder / NAME,
    )
    snapshots.look()
    kept, written, waited = node.replica.witnessed.size, 0, 0
    assert kept >= 20
    for _ in range(12):
        before = path.stat().st_ino, path.stat().st_mtime_ns
        node.run.now_ms += HEARTBEAT_S * 1000
        node.run.step()
        snapshots.look()
        size = node.replica.witnessed.size
        is_written = (path.stat().st_ino, path.stat().st_mtime_ns) != before
        assert is_written == (size - kept >= kept // 10 and size > kept)
        written, waited = written + is_written, waited + (kept < size and not is_written)
        kept = size if is_written else kept
    assert written
    assert waited


def test_what_a_snapshot_leaves_in_memory_is_not_searched_for_garbage(node: Node) -> None:
    node.keep()
    gc.unfreeze()
    try:
        node.start(from_genesis=True)
        assert gc.get_freeze_count() == 0
        node.start()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_l55_from_genesis_reads_every_entry(node: Node) -> None:
    node.keep()
    replica, read_leaves = node.start(from_genesis=True)
    assert read_leaves == replica.tree.size
    assert replica.state == node.replica.state


def test_l52_what_is_wrong_is_told_once_and_the_log_is_folded(node: Node) -> None:
    path = node.keep()
    whole = path.read_bytes()
    forgetful = node.run.stores["lab-1"].copy()
    forgetful.put_value(WITNESSES, b"")
    cases = {
        "SNAPSHOT_DAMAGED": (whole[:-1], None, 0o600),
        "SNAPSHOT_OTHER_CODE": (changed(whole, 0, bytes(32)), None, 0o600),
        "SNAPSHOT_FOREIGN": (changed(whole, 1, bytes(32)), None, 0o600),
        "SNAPSHOT_UNWITNESSED": (whole, forgetful, 0o600),
        "SECRET_MODE": (whole, None, 0o644),
    }
    for reason, (data, store, mode) in cases.items():
        path.write_bytes(data)
        path.chmod(mode)
        node.told.clear()
        replica, read_leaves = node.start(store)
        assert node.told == [("snapshot_unused", reason)]
        assert read_leaves >= replica.tree.size
        assert replica.state == node.replica.state


def test_l53_a_snapshot_of_a_fork_is_not_gone_on_with(node: Node) -> None:
    """Another log of the same charter: its nodes do not lead to the store's signed head."""
    node.keep()
    other = Run(make_deployment(labs=4, auditors=3))
    other.now_ms += 1
    for _ in range(8):
        other.step()
    forked = other.stores["lab-1"]
    assert forked.entry_count() >= node.replica.witnessed.size
    replica, _ = node.start(forked)
    assert node.told in ([("snapshot_unused", "DATA_LOSS")], [("snapshot_unused", "PREVIOUS_ROOT")])
    assert replica.state == other.drivers["lab-1"].replica.state


def test_l53_a_snapshot_of_as_many_entries_as_a_fork_has_is_not_gone_on_with(node: Node) -> None:
    """No entry comes after it whose own root would tell."""
    node.keep()
    other = Run(make_deployment(labs=4, auditors=3))
    other.now_ms += 1
    for _ in range(8):
        other.step()
    size, charter = node.replica.witnessed.size, other.charter
    leaves, tree = other.leaves()[:size], other.ledger.replica.tree
    key = other.deployment.keys[COORDINATOR]
    head = Checkpoint(charter.log_origin, size, tree.root(size))
    forked = MemoryStore()
    forked.extend(0, leaves, sign_checkpoint(head, head.origin, key.sign, key.public_key))
    assert tree.root(size) != node.replica.tree.root(size)
    replica, _ = node.start(forked)
    assert node.told == [("snapshot_unused", "DATA_LOSS")]
    assert replica.tree.root() == tree.root(size)


def test_a_full_disk_leaves_the_older_snapshot(node: Node) -> None:
    path = node.keep()
    whole = path.read_bytes()
    node.folder.chmod(0o500)
    try:
        Snapshots(node.folder, node.replica, node.tell, entries_min=1).look()
    finally:
        node.folder.chmod(0o700)
    assert path.read_bytes() == whole
