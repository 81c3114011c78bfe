"""The opener of an auditor that came with a later epoch of the key (keys.md, K32)."""

from typing import Any

import pytest

from fermata.crypto.threshold.auditor_share import auditor_share
from fermata.errors import Refusal
from fermata.log.checkpoint import add_signatures, cosign
from fermata.node.opener.desk import Desk
from fermata.node.opener.marks import Marks
from fermata.protocol.wire.codec import decode
from fermata.wire.v1 import statement_pb2
from harness.chains import MODULUS_BITS_MIN, Chain, chain_at, entropy_of
from harness.deployments import party_keys
from harness.epochs import next_epoch
from harness.protocol.amendments import amended, another_auditor, carried, signed
from harness.rogue import RogueLog

JOINER = party_keys(11, 1, 4)["auditor-4"]
NEW = ("auditor-1", "auditor-2", "auditor-4")


def replace_auditor(chain: Chain) -> list[Any]:
    """auditor-4 takes auditor-3's place; returns what witnesses all of the log."""
    data = amended(chain, *another_auditor(chain, JOINER))
    chain.advance(carried(chain, data, signatures=signed(data, auditor_4=JOINER)))
    before = cosigned(chain)
    assert next_epoch(chain, data, auditor_4=JOINER).accepted
    return [*before, *cosigned(chain)]


def cosigned(chain: Chain) -> list[bytes]:
    note, made = RogueLog(chain).checkpoint(), chain.deployment
    lines = []
    for auditor in made.charter.auditors:
        key, name = made.keys[auditor], made.charter.witness_name(auditor)
        line = cosign(note, name, key.sign, key.public_key, 1)
        lines.append(add_signatures(note, [line]))
    return lines


def opener_of(chain: Chain, genesis: Any, notes: list[bytes], me: str, folder: Any) -> Any:
    log = RogueLog(chain)
    for note in notes:
        log.add_cosignature(note)
    desk = Desk(genesis, me, Marks(folder), entropy_of(1, me), MODULUS_BITS_MIN)
    desk.read(log)
    return desk, log


@pytest.mark.parametrize("me", ["auditor-1", "auditor-4"])
def test_what_a_quorum_of_an_earlier_epoch_endorsed_is_opened_by_all_in_force(me, tmp_path) -> None:
    """Else a round that waits for parts when auditors change would wait for ever."""
    chain = chain_at("reported", members="axyz")
    genesis = chain.deployment.charter
    chain.close()
    chain.endorse()
    desk, log = opener_of(chain, genesis, replace_auditor(chain), me, tmp_path)
    passed, made = desk.checked(1, log), chain.deployment
    assert made.charter.auditors == NEW
    share = auditor_share(made.shares[me], passed.state.key.record, genesis.sha256, NEW)
    statement = decode(statement_pb2.Statement, desk.open(passed, share))
    assert chain.put(chain.seal(statement)).accepted


def test_what_no_quorum_had_endorsed_waits_for_those_in_force(tmp_path) -> None:
    chain = chain_at("reported", members="axyz")
    genesis = chain.deployment.charter
    chain.close()
    chain.endorse("auditor-1", "auditor-2")
    desk, log = opener_of(chain, genesis, replace_auditor(chain), "auditor-4", tmp_path)
    with pytest.raises(Refusal) as caught:
        desk.checked(1, log)
    assert caught.value.reason == "NO_QUORUM"
