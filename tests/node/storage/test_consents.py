"""How a lab's owner hands an accepted charter to the node, and what the node writes and tells."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fermata.memory_store import MemoryStore
from fermata.node.config import NodeConfig
from fermata.node.storage.consents import (
    FOLDER,
    LIST,
    ConsentFiles,
    accepted_charters,
    has_agreed,
    offer_acceptance,
)
from fermata.protocol.roles.consents import ACCEPTED, Consents
from fermata.protocol.roles.replica import Replica

FIRST, SECOND, THIRD = bytes(32), bytes([1]) * 32, bytes([2]) * 32


def state_of(*hashes: bytes) -> Any:
    """A state of charters that differ in everything for lab-1, which is on none of them."""
    charters = [SimpleNamespace(sha256=h, labs=()) for h in hashes]
    versions = tuple(SimpleNamespace(charter=charter) for charter in charters)
    governance = SimpleNamespace(motions={})
    return SimpleNamespace(charter=charters[-1], charters=versions, governance=governance)


@pytest.fixture
def config(tmp_path: Path) -> NodeConfig:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    pinned = SimpleNamespace(sha256=FIRST)
    text = SimpleNamespace(party="lab-1", lab=SimpleNamespace(accept_stricter=False))
    return cast(NodeConfig, SimpleNamespace(data=data, genesis=pinned, roster=pinned, text=text))


def test_a_node_takes_what_its_owner_accepts_and_tells_both_changes_once(
    config: NodeConfig,
) -> None:
    store, events = MemoryStore(), []
    replica = SimpleNamespace(state=state_of(FIRST))
    consents = Consents("lab-1", store, [FIRST], is_by_itself=False)
    files = ConsentFiles(
        config, consents, cast(Replica, replica), lambda event, where: events.append((event, where))
    )
    files.look()
    assert events == []
    replica.state = state_of(FIRST, SECOND)
    files.look()
    files.look()
    assert events == [("not_consented", SECOND.hex())]
    assert not has_agreed(config, replica.state)
    offer_acceptance(config.data, SECOND)
    # Commands count it at once; the node has it in its store when it has looked.
    assert has_agreed(config, replica.state)
    assert store.value(ACCEPTED) == FIRST
    files.look()
    files.look()
    assert events[1:] == [("consented", SECOND.hex())]
    assert store.value(ACCEPTED) == FIRST + SECOND
    assert [path.name for path in (config.data / FOLDER).iterdir()] == [LIST]
    assert accepted_charters(config) == (FIRST, SECOND)


def test_a_list_of_accepted_charters_that_holds_junk_accepts_nothing_by_it(
    config: NodeConfig,
) -> None:
    offer_acceptance(config.data, THIRD)
    (config.data / FOLDER / LIST).write_bytes(b"\xff junk\n" + SECOND.hex().encode() + b"\n00\n")
    (config.data / FOLDER / "junk.new").write_bytes(b"")
    assert accepted_charters(config) == (FIRST, SECOND, THIRD)
