"""A lab's node speaks only under charters that its owner has agreed to: CO5."""

import base64
import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from fermata.errors import ConfigError
from fermata.memory_store import MemoryStore
from fermata.protocol.roles.consents import Consents, agreed_to, is_agreed
from fermata.protocol.roles.driver import Driver, Signer
from fermata.protocol.roles.lab import LabTools, Measurement
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.witness import Witnessed
from fermata.protocol.state.state import State
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.ports import Log, Outside
from fermata.wire.v1 import statement_pb2
from harness.chains import Chain, chain_at, party_keys
from harness.protocol.amendments import (
    MEMBERS,
    NEW_KEY,
    amended,
    carried,
    close_round,
    joining,
    signed,
    under,
)

LAB = "lab-1"
WEAKER = ("cohort_min = 3", "cohort_min = 3\nthresholds_max = 70")
STRICTER = ("cohort_min = 3", "cohort_min = 4")


def in_force(data: bytes, chain: Chain, **keys: object) -> Chain:
    """The chain with its next round opened under this charter."""
    author = f"member-{len(chain.state.rounds)}"
    signatures = signed(data, **keys) if keys else []
    due_ms = carried(chain, data, author=author, signatures=signatures)
    close_round(chain)
    under(chain, data, **keys).open_round(due_ms)
    return chain


@functools.cache
def weaker_chain() -> Chain:
    chain = chain_at("collecting", members=MEMBERS).fork()
    return in_force(amended(chain, WEAKER), chain)


@functools.cache
def stricter_chain() -> Chain:
    chain = chain_at("collecting", members=MEMBERS).fork()
    return in_force(amended(chain, STRICTER), chain)


@functools.cache
def puppet_chain() -> Chain:
    """A lab that nobody knows has joined every panel without a list of labs."""
    chain = chain_at("collecting", members=MEMBERS).fork()
    return in_force(joining(chain), chain, lab_7=NEW_KEY)


def driver_of(
    chain: Chain, consents: Consents, store: MemoryStore, sent: list[bytes] | None = None
) -> Driver:
    """Lab-1's node over the chain, whose entries are all witnessed, and which abstains.

    ``sent``: takes what it sends to the log."""
    replica = SimpleNamespace(
        state=chain.state,
        store=store,
        charter=chain.deployment.charter,
        tree=chain.tree,
        witnessed=Witnessed(chain.state.size, 3, {}),
    )
    tools = LabTools(lambda period: Measurement({}), newest_agreed=consents.newest_agreed)
    return Driver(
        Signer(LAB, chain.deployment.keys[LAB]),
        cast(Replica, replica),
        cast(Log, SimpleNamespace(append=sent.append if sent is not None else None)),
        Outside(lambda: chain.time_ms, chain.entropy),
        statement_pb2.Heartbeat,
        tools=tools,
    )


def first(chain: Chain) -> bytes:
    return chain.state.charters[0].charter.sha256


@pytest.mark.parametrize("make", [weaker_chain, puppet_chain])
def test_a_lab_drafts_nothing_under_a_charter_that_is_weaker_until_it_is_accepted(
    make: Callable[[], Chain],
) -> None:
    chain = make()
    store = MemoryStore()
    consents = Consents(LAB, store, [first(chain)], is_by_itself=True)
    driver = driver_of(chain, consents, store)
    driver._plan()
    assert store.draft("answer/2/0") is None
    with pytest.raises(ConfigError) as caught:
        driver.correct(chain.state.rounds[1], Measurement({}))
    assert caught.value.reason == "NOT_CONSENTED"
    consents.accept(chain.deployment.charter.sha256)
    driver._plan()
    assert store.draft("answer/2/0") is not None


def test_its_heartbeats_name_the_newest_charter_that_its_owner_has_accepted() -> None:
    chain, store, sent = weaker_chain(), MemoryStore(), list[bytes]()
    consents = Consents(LAB, store, [first(chain)], is_by_itself=True)
    driver = driver_of(chain, consents, store, sent)
    driver._beat(0)
    consents.accept(chain.deployment.charter.sha256)
    driver._beat(0)
    beats = [statement_of(unseal(envelope)).heartbeat for envelope in sent]
    assert [beat.accepted_charter_sha256 for beat in beats] == [
        first(chain),
        chain.deployment.charter.sha256,
    ]


def test_a_lab_accepts_by_itself_what_is_nowhere_weaker_and_keeps_it() -> None:
    chain = stricter_chain()
    store = MemoryStore()
    driver_of(chain, Consents(LAB, store, [first(chain)], is_by_itself=True), store)._plan()
    assert store.draft("answer/2/0") is not None
    # After a restart it is among what was accepted, whatever the owner has switched off by then.
    again = Consents(LAB, store, [first(chain)], is_by_itself=False)
    assert again.accepted == (first(chain), chain.deployment.charter.sha256)
    assert again.has_agreed(chain.state)


def test_an_owner_who_has_switched_it_off_is_asked_about_stricter_charters_too() -> None:
    chain = stricter_chain()
    store = MemoryStore()
    driver_of(chain, Consents(LAB, store, [first(chain)], is_by_itself=False), store)._plan()
    assert store.draft("answer/2/0") is None


def test_nothing_is_nowhere_weaker_than_a_charter_that_nobody_accepted() -> None:
    chain = stricter_chain()
    assert agreed_to(chain.state, LAB, [], is_by_itself=True) == ()
    assert not is_agreed(State(), [])


def test_terms_go_back_only_to_those_of_the_newest_charter_that_was_accepted() -> None:
    """A stricter charter was accepted; one with the first terms again is weaker than that."""
    chain = stricter_chain().fork()
    data = amended(chain, ("cohort_min = 4", "cohort_min = 3"))
    in_force(data, chain)
    consents = Consents(LAB, MemoryStore(), [first(chain)], is_by_itself=True)
    assert not consents.has_agreed(chain.state)
    assert len(consents.accepted) == 2


def test_another_labs_new_key_is_a_lab_that_the_owner_has_not_seen() -> None:
    chain = chain_at("collecting", members=MEMBERS).fork()
    old = base64.b64encode(chain.deployment.keys["lab-2"].public_key).decode()
    key = party_keys(9, 9, 3)["lab-9"]
    data = amended(chain, (old, base64.b64encode(key.public_key).decode()))
    in_force(data, chain, lab_2=key)
    assert not Consents(LAB, MemoryStore(), [first(chain)], True).has_agreed(chain.state)
