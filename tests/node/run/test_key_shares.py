"""K33: an auditor's node has a file for the share of each epoch, and erases those that are over."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from fermata.crypto.threshold.auditor_share import AuditorShare
from fermata.crypto.threshold.opening import KeyShare
from fermata.errors import ConfigError
from fermata.node.config import NodeConfig
from fermata.node.opener.setup import Setup, ShareFile
from fermata.node.opener.share_backup import newest_share, set_aside, share_path
from fermata.node.run.key_shares import erase_older, has_share
from fermata.node.storage import keystore
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import KeyedState, State
from harness.chains import Chain, chain_at
from harness.epochs import next_epoch

ME = "auditor-2"


class Node:
    """An auditor's folder, what its replica says, and its opener's check of the share."""

    def __init__(self, folder: Path, chain: Chain) -> None:
        self.chain = chain
        self.first = folder / "share.age"
        self.identity = keystore.new_identity(folder / "identity.txt")
        self.trusted: State = chain.state
        charter = chain.deployment.charter
        setup = Setup(
            str(self.first),
            str(folder / "marks"),
            pinned=charter.sha256.hex(),
            identity=str(folder / "identity.txt"),
        )
        self.file = ShareFile(setup, charter)

    def write(self, epoch: int, shares: Mapping[str, KeyShare], party: str = ME) -> Path:
        path, deployment = share_path(self.first, epoch), self.chain.deployment.charter.deployment
        data = shares[party].to_bytes()
        keystore.save_sealed(path, data, keystore.KEY_SHARE, deployment, self.identity)
        return path

    def replica(self) -> Replica:
        return cast(Replica, SimpleNamespace(state=self.chain.state, trusted=lambda: self.trusted))

    def check(self) -> None:
        """What the opener's desk does with the share of the epoch in force."""
        state = self.chain.state
        assert isinstance(state, KeyedState)
        key, charter = state.key, self.chain.deployment.charter

        def checked(share: AuditorShare) -> bytes:
            share.check_place(charter.sha256, key.auditors, ME)
            share.check_epoch(key.record, key.epoch_id)
            return b""

        self.file.use(checked, key.record.epoch)

    def erase(self) -> tuple[int, ...]:
        return erase_older(self.first, ME, self.replica(), self.check)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path, chain_at("keyed").fork())


def test_the_share_in_force_is_used_and_an_older_one_erased_once_that_is_witnessed(
    node: Node,
) -> None:
    first = node.write(1, node.chain.deployment.shares)
    node.check()
    assert next_epoch(node.chain).accepted
    second = node.write(2, node.chain.deployment.shares)
    assert second.name == "share-epoch-2.age"
    node.check()
    # The record is not witnessed yet.
    assert node.erase() == ()
    assert first.exists()
    node.trusted = node.chain.state
    assert node.erase() == (1,)
    assert not first.exists()
    assert second.exists()
    assert node.erase() == ()


def test_k41_1_a_share_that_was_set_aside_goes_with_the_epoch_that_began_in_its_place(
    node: Node,
) -> None:
    node.write(1, node.chain.deployment.shares)
    # Of a ceremony that was held again.
    aside = set_aside(node.write(2, node.chain.deployment.shares))
    assert aside.name.startswith("share-epoch-2.age.unused-")
    assert newest_share(node.first) == node.first
    assert node.erase() == ()
    assert next_epoch(node.chain).accepted
    second = node.write(2, node.chain.deployment.shares)
    assert newest_share(node.first) == second
    assert node.erase() == ()
    assert aside.exists()
    node.trusted = node.chain.state
    assert node.erase() == (1, 2)
    assert not aside.exists()
    assert second.exists()


def test_nothing_is_erased_before_the_new_share_has_been_read_again(node: Node) -> None:
    first = node.write(1, node.chain.deployment.shares)
    assert next_epoch(node.chain).accepted
    node.trusted = node.chain.state
    with pytest.raises(ConfigError, match="epoch 2") as caught:
        node.erase()
    assert caught.value.reason == "KEY_SHARE"
    node.write(2, node.chain.deployment.shares, "auditor-1")
    with pytest.raises(ConfigError, match="another auditor's"):
        node.erase()
    assert first.exists()


def test_a_backup_is_of_the_newest_share_that_is_there(node: Node) -> None:
    assert newest_share(node.first) == node.first
    node.write(1, node.chain.deployment.shares)
    for epoch in (2, 10):
        path = node.write(epoch, node.chain.deployment.shares)
    for other in ("share-epoch-11.age.pending", "share-epoch-x.age", "share-epoch-012.age"):
        (node.first.parent / other).touch()
    assert newest_share(node.first) == path == share_path(node.first, 10)


def test_a_share_of_another_epoch_is_refused_with_its_file(node: Node) -> None:
    old = node.chain.deployment.shares
    assert next_epoch(node.chain).accepted
    path = node.write(2, old)
    with pytest.raises(ConfigError, match="another epoch") as caught:
        node.check()
    assert str(path) in str(caught.value)


def test_who_has_no_share_of_the_epoch_needs_none(node: Node) -> None:
    def config(me: str) -> NodeConfig:
        text = SimpleNamespace(party=me)
        return cast(NodeConfig, SimpleNamespace(text=text, genesis=node.chain.deployment.charter))

    assert has_share(config(ME), node.replica())
    assert not has_share(config("auditor-9"), node.replica())
    node.chain.state = chain_at("empty").state
    assert has_share(config(ME), node.replica())
