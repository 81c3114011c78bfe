"""The bytes of a snapshot: a head of the log, and all that follows from the entries before it.

    magic, SHA-256 of the rest (32 bytes), then msgpack of the fields of ``_Body``

Normative text: docs/spec/log.md, section 8a. A snapshot is a node's own and never leaves it.
"""

import functools
import gc
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from fermata.errors import FermataError, StorageError
from fermata.log.merkle import Tree
from fermata.node.process import code_sha256
from fermata.node.storage.snapshots.typed import AS_IT_IS, Form, Forms
from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.growing import GrowingMap
from fermata.protocol.roles.replica import Start
from fermata.protocol.state.judgement import NO_MEMORY, FactsRun, RuleMemory, RuleRun
from fermata.protocol.state.state import CharteredState, KeyedState, State, Verdict
from fermata.protocol.statistics.running import cut, with_rounds
from fermata.protocol.wire.codec import decode_entry
from fermata.protocol.wire.envelope import statement_of, unseal

MAGIC = b"fermata snapshot 1\n"
_DIGEST_BYTES = 32
#: The packages whose code says what the bytes mean.
_CODE = ("crypto", "log", "protocol", "node/storage/snapshots")


class _Body(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What is in a snapshot. ``charters``: the entries that brought the charters it names."""

    code: bytes
    charter_sha256: bytes
    size: int
    root: bytes
    levels: list[bytes]
    charters: list[int]
    phase: int
    state: list[Any]
    memory: list[Any]
    rejected: list[Any]


_PHASES: tuple[type[State], ...] = (State, CharteredState, KeyedState)
_MEMORY_TYPE = tuple[tuple[FactsRun, ...], tuple[tuple[bytes, tuple[RuleRun, ...]], ...]]


class _Layout:
    """The forms of a state whose charters are named by their SHA-256; ``charters`` has them."""

    def __init__(self) -> None:
        self.charters: dict[bytes, Charter] = {}
        by_hash = Form(lambda c: c.sha256, lambda sha256: self.charters[sha256])
        # What follows from the rest is left out, or written by itself.
        nothing = Form(lambda _: None, lambda _: NO_MEMORY)
        forms = Forms({Charter: by_hash, RuleMemory: nothing, object: AS_IT_IS})
        self.phases = [forms.of(phase) for phase in _PHASES]
        self.memory = forms.of(_MEMORY_TYPE)
        self.rejected = forms.of(tuple[Verdict, ...])
        self.schema = forms.schema


@functools.cache
def _layout() -> _Layout:
    """Made once: it takes longer than most snapshots."""
    return _Layout()


def _folding_code() -> bytes:
    """The digest of the code that folds and of the state's classes: other code, other snapshots."""
    return code_sha256(_CODE, "\n".join(_layout().schema).encode())


@contextmanager
def no_collection() -> Iterator[None]:
    """Lets Python look for no garbage: of a million objects that all stay it finds none, over and
    over, and half of a start was spent on that. Reference counts work as always.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@no_collection()
def write_body(start: Start) -> bytes:
    """The snapshot of a state and the tree that it belongs to, which may have grown since."""
    state = start.state
    charters = {v.charter.sha256: v.charter for v in state.charters}
    motions = [m for m in state.governance.motions.values() if m.charter is not None]
    layout = _layout()
    memory = cut(state.memory, state.rounds)
    by_rules = {charter.rules: sha256 for sha256, charter in charters.items()}
    runs = tuple((by_rules[rules], run) for rules, run in memory.runs if rules in by_rules)
    body = _Body(
        _folding_code(),
        state.charter_sha256 or b"",
        state.size,
        state.position.root(),
        start.tree.levels(state.size),
        [0, *(m.entry for m in motions)] if state.charters else [],
        _PHASES.index(type(state)),
        _written(layout.phases[_PHASES.index(type(state))], replace(state, digests=GrowingMap())),
        _written(layout.memory, (memory.facts, runs)),
        _written(layout.rejected, start.rejected),
    )
    data = msgspec.msgpack.encode(body)
    return b"".join((MAGIC, hashlib.sha256(data).digest(), data))


def _written(form: Form, value: Any) -> Any:
    return value if form.write is None else form.write(value)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a snapshot is read for: the charter's SHA-256, and the store that it is of.

    ``count``: the store's entries, which ``read_leaf`` gives. ``modulus_bits_min``: as in State.
    """

    charter_sha256: bytes
    count: int
    read_leaf: Callable[[int], bytes]
    modulus_bits_min: int


@no_collection()
def read_body(data: bytes, expected: Expected) -> Start:
    """What a snapshot's bytes say of a log.

    Raises StorageError SNAPSHOT_DAMAGED, SNAPSHOT_OTHER_CODE, SNAPSHOT_FOREIGN or SNAPSHOT_AHEAD.
    """
    head = len(MAGIC) + _DIGEST_BYTES
    view = memoryview(data)
    # L52.1: it was written to the end, and nothing has changed since.
    if data[:head] != MAGIC + hashlib.sha256(view[head:]).digest():
        raise StorageError("SNAPSHOT_DAMAGED", "snapshot: is cut off or damaged")
    try:
        body = msgspec.msgpack.decode(view[head:], type=_Body)
    except msgspec.MsgspecError as error:
        raise StorageError("SNAPSHOT_DAMAGED", f"snapshot: is not a snapshot: {error}") from error
    # L52.2: other code may fold, or write, the same entries to something else.
    if body.code != _folding_code():
        raise StorageError("SNAPSHOT_OTHER_CODE", "snapshot: other code has written it")
    # L52.3: it is of this deployment's log.
    if body.charter_sha256 != expected.charter_sha256:
        raise StorageError("SNAPSHOT_FOREIGN", "snapshot: is of another deployment")
    # L52.4: a store that was set back has its own past.
    if body.size > expected.count:
        raise StorageError(
            "SNAPSHOT_AHEAD",
            f"snapshot: is of {body.size} entries, and the store has {expected.count}",
        )
    return _start_of(body, expected)


def _start_of(body: _Body, expected: Expected) -> Start:
    try:
        return _fields_of(body, expected)
    except StorageError:
        raise
    except (FermataError, LookupError, TypeError, ValueError, AttributeError) as error:
        # L52.1: whatever is in it, a start must not end with it: the log has all of it as well.
        raise StorageError(
            "SNAPSHOT_DAMAGED", f"snapshot: its fields do not fit: {type(error).__name__}"
        ) from error


def _fields_of(body: _Body, expected: Expected) -> Start:
    layout = _layout()
    layout.charters = _charters(body.charters, expected)
    if not 0 <= body.phase < len(layout.phases):
        raise StorageError("SNAPSHOT_DAMAGED", f"snapshot: has no state of kind {body.phase}")
    form = layout.phases[body.phase]
    if form.read is None or layout.memory.read is None or layout.rejected.read is None:
        raise TypeError("records have a form of their own")
    state: State = form.read(body.state)
    tree = Tree.from_levels(body.size, body.levels)
    # L52.5: state and tree are of one log, the one whose head the snapshot has.
    if not body.root == tree.root() == state.position.root():
        raise StorageError(
            "SNAPSHOT_DAMAGED", "snapshot: its state and its tree are not of one log"
        )
    digests = {
        digest: (round_.number, lab)
        for round_ in state.rounds
        for lab, seen in round_.ciphertexts_seen.items()
        for digest in seen
    }
    facts, runs = layout.memory.read(body.memory)
    rules = {v.charter.sha256: v.charter.rules for v in state.charters}
    memory = RuleMemory(
        state.rounds[: len(facts)], facts, tuple((rules[sha256], run) for sha256, run in runs)
    )
    state = replace(state, digests=GrowingMap(digests), memory=with_rounds(memory, state.rounds))
    return Start(state, tree, layout.rejected.read(body.rejected))


def _charters(entries: list[int], expected: Expected) -> dict[bytes, Charter]:
    """The charters that these entries brought: entry 0, and motions to amend."""
    charters = {}
    for entry in entries:
        envelope = unseal(decode_entry(expected.read_leaf(entry)).envelope)
        data = envelope.payload if entry == 0 else statement_of(envelope).motion.charter
        charter = parse_charter(data, expected.modulus_bits_min)
        charters[charter.sha256] = charter
    return charters
