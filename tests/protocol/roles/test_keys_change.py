"""L36 and L40: who witnesses a log, and who signs its heads, where keys and auditors change."""

import base64
from typing import cast

import pytest

from fermata.errors import InvalidSignature
from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.memory_store import MemoryStore
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.fold.governance.heads import head_keys
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.witness import witnessed
from fermata.protocol.wire.ports import Log, Witness
from harness.bundles import witness_of
from harness.chains import MODULUS_BITS_MIN, Chain, chain_at
from harness.deployments import party_keys
from harness.epochs import next_epoch
from harness.governed import ChainLog
from harness.protocol.amendments import amended, carried, close_round, signed, under

JOINER = party_keys(11, 1, 4)["auditor-4"]
OTHER = party_keys(12, 1, 1)["oversight"]


def key_text(key: object) -> str:
    return base64.b64encode(key.public_key).decode()  # type: ignore[attr-defined]


def replaced_chain() -> tuple[Chain, Chain]:
    """A chain before and after auditor-4 took the place of auditor-3."""
    chain = chain_at("collecting", members="axyz").fork()
    old = key_text(chain.deployment.keys["auditor-3"])
    data = amended(chain, ("auditor-3", "auditor-4"), (old, key_text(JOINER)))
    chain.advance(carried(chain, data, signatures=signed(data, auditor_4=JOINER)))
    before = chain.fork()
    assert next_epoch(chain, data, auditor_4=JOINER).accepted
    return before, chain


def lines(before: Chain, chain: Chain, **sizes: int) -> list[Witness]:
    """Cosignatures of these sizes, each with the key that its auditor had then."""
    entry = chain.state.keyed().key.entry
    named = {name.replace("_", "-"): size for name, size in sizes.items()}
    return [
        witness_of((chain if size > entry else before).deployment, chain.tree, name, size)
        for name, size in named.items()
    ]


def size_of(chain: Chain, found: list[Witness]) -> int:
    charter = chain.state.chartered().charter
    return witnessed(charter, chain.tree, found, chain.state.charters).size


def test_each_set_of_auditors_witnesses_the_entries_of_its_epoch() -> None:
    before, chain = replaced_chain()
    entry, size = chain.state.keyed().key.entry, len(chain.leaves)
    assert before.tree.size <= entry < size
    old = lines(before, chain, auditor_1=entry, auditor_2=entry, auditor_3=entry)
    assert size_of(chain, old) == entry
    # A quorum of either set is three here: one of the old ones and two new ones are none.
    mixed = lines(before, chain, auditor_1=size, auditor_2=size, auditor_3=entry)
    assert size_of(chain, mixed) == entry
    new = lines(before, chain, auditor_1=size, auditor_2=size, auditor_4=size)
    assert size_of(chain, new) == size


def test_who_has_left_witnesses_nothing_that_came_after() -> None:
    before, chain = replaced_chain()
    size = len(chain.leaves)
    late = [witness_of(before.deployment, chain.tree, a, size) for a in ("auditor-3",)]
    found = witnessed(chain.state.chartered().charter, chain.tree, late, chain.state.charters)
    assert (found.cosigned, found.false) == ({}, ())
    early = [witness_of(chain.deployment, chain.tree, "auditor-4", 3)]
    assert witnessed(chain.state.chartered().charter, chain.tree, early).size == 0


def test_what_is_witnessed_stays_so_after_a_restart_in_the_next_epoch() -> None:
    before, chain = replaced_chain()
    entry = chain.state.keyed().key.entry
    log, store = ChainLog(chain), MemoryStore()
    genesis = chain.state.charters[0].charter
    replica = Replica(genesis, store, MODULUS_BITS_MIN)
    log.size = len(chain.leaves)
    replica.pull(cast(Log, log))
    replica.take(lines(before, chain, auditor_1=entry, auditor_2=entry, auditor_3=entry))
    assert replica.witnessed.size == entry
    replica.take(lines(before, chain, auditor_1=log.size))
    assert replica.witnessed.size == entry
    assert Replica(genesis, store, MODULUS_BITS_MIN).witnessed.size == entry


# The coordinator's key.


def handed_over() -> tuple[Chain, int]:
    """A chain whose coordinator has another key since the returned entry."""
    chain = chain_at("collecting", members="axyz").fork()
    old = key_text(chain.deployment.keys["oversight"])
    data = amended(chain, (old, key_text(OTHER)))
    due_ms = carried(chain, data, signatures=signed(data, oversight=OTHER))
    close_round(chain)
    under(chain, data, oversight=OTHER).open_round(due_ms)
    return chain, chain.round.entry


def note(chain: Chain, size: int, key: object) -> bytes:
    origin = chain.state.charters[0].charter.log_origin
    head = Checkpoint(origin, size, chain.tree.root(size))
    return sign_checkpoint(head, origin, key.sign, key.public_key)  # type: ignore[attr-defined]


class SignedLog(ChainLog):
    """A chain as a log whose head of each size is signed with the key that is given."""

    def __init__(self, chain: Chain, key: object) -> None:
        super().__init__(chain)
        self.key, self.size = key, len(chain.leaves)

    def news(self, start: int, count_max: int) -> tuple[bytes, list[Witness], list[bytes]]:
        return note(self.chain, self.size, self.key), [], self.read(start, count_max)


def test_a_head_is_signed_with_the_key_that_is_in_force_at_its_size() -> None:
    chain, entry = handed_over()
    old = chain_at("keyed", members="axyz").deployment.keys["oversight"]
    genesis = chain.state.charters[0].charter
    carried_at = next(m.decided_entry for m in chain.state.governance.motions.values())
    assert head_keys(chain.state, genesis, entry + 1) == (OTHER.public_key,)
    assert head_keys(chain.state, genesis, carried_at) == (old.public_key, OTHER.public_key)
    replica = Replica(genesis, MemoryStore(), MODULUS_BITS_MIN)
    # P9.1: whoever has stolen the old key signs no head beyond the change.
    with pytest.raises(InvalidSignature):
        replica.pull(cast(Log, SignedLog(chain, old)))
    assert replica.tree.size == 0
    replica.pull(cast(Log, SignedLog(chain, OTHER)))
    assert replica.state == chain.state
    assert replica.open_checkpoint(note(chain, entry, old)).size == entry
    with pytest.raises(InvalidSignature):
        replica.open_checkpoint(note(chain, entry + 1, old))


def test_a_reader_that_follows_the_log_takes_the_new_key_with_its_entry() -> None:
    chain, entry = handed_over()
    old = chain_at("keyed", members="axyz").deployment.keys["oversight"]
    replica = Replica(chain.state.charters[0].charter, MemoryStore(), MODULUS_BITS_MIN)
    log = SignedLog(chain, old)
    log.size = entry
    replica.pull(cast(Log, log))
    log.key, log.size = OTHER, len(chain.leaves)
    replica.pull(cast(Log, log))
    assert replica.state == chain.state


def test_l40_2_the_new_key_signs_heads_from_when_its_amendment_has_carried() -> None:
    chain, entry = handed_over()
    old = chain_at("keyed", members="axyz").deployment.keys["oversight"]
    carried_at = next(m.decided_entry for m in chain.state.governance.motions.values())
    for size, is_known in ((carried_at, False), (entry, True)):
        replica = Replica(chain.state.charters[0].charter, MemoryStore(), MODULUS_BITS_MIN)
        log = SignedLog(chain, old)
        log.size = size
        replica.pull(cast(Log, log))
        assert len(replica.charters) == 1
        if is_known:
            assert replica.open_checkpoint(note(chain, size, OTHER)).size == size
        else:
            with pytest.raises(InvalidSignature):
                replica.open_checkpoint(note(chain, size, OTHER))


def test_the_rest_of_the_charter_of_a_coordinator_stays() -> None:
    chain, _ = handed_over()
    charter = parse_charter(chain.deployment.charter_data, MODULUS_BITS_MIN)
    assert chain.state.charter == charter
