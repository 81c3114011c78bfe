"""K33: an auditor's node has a file for the share of each epoch, and erases those that are over."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from fermata.crypto.threshold.opening import KeyShare
from fermata.errors import ConfigError
from fermata.node.config import NodeConfig
from fermata.node.run import key_shares
from fermata.node.run.key_shares import KeyShares, share_path
from fermata.node.storage import keystore
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import State
from harness.chains import Chain, chain_at
from harness.epochs import next_epoch

ME = "auditor-2"


class Node:
    """An auditor's folder and what its replica says."""

    def __init__(self, folder: Path, chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chain = chain
        self.first = folder / "share.age"
        self.identity = keystore.new_identity(folder / "identity.txt")
        monkeypatch.setattr(key_shares, "passphrase_or_identity", lambda config: self.identity)
        keys = SimpleNamespace(share="share.age")
        self.shares = KeyShares(
            cast(
                NodeConfig,
                SimpleNamespace(
                    text=SimpleNamespace(party=ME, keys=keys),
                    path=lambda name: folder / name,
                    genesis=chain.deployment.charter,
                ),
            )
        )
        self.trusted = chain.state

    def write(self, epoch: int, shares: Mapping[str, KeyShare], party: str = ME) -> Path:
        path, deployment = share_path(self.first, epoch), self.chain.deployment.charter.deployment
        data = shares[party].to_bytes()
        keystore.save_sealed(path, data, keystore.KEY_SHARE, deployment, self.identity)
        return path

    def replica(self, state: State | None = None) -> Replica:
        found = state or self.chain.state
        return cast(Replica, SimpleNamespace(state=found, trusted=lambda: self.trusted))

    def share(self) -> KeyShare | None:
        return self.shares.of(self.replica())


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, chain_at("keyed").fork(), monkeypatch)


def test_the_share_in_force_is_used_and_an_older_one_erased_once_that_is_witnessed(
    node: Node,
) -> None:
    first = node.write(1, node.chain.deployment.shares)
    assert node.share() == node.chain.deployment.shares[ME]
    assert next_epoch(node.chain).accepted
    second = node.write(2, node.chain.deployment.shares)
    assert second.name == "share-epoch-2.age"
    assert node.share() == node.chain.deployment.shares[ME]
    # The record is not witnessed yet.
    assert node.shares.erase_older(node.replica()) == ()
    assert first.exists()
    node.trusted = node.chain.state
    assert node.shares.erase_older(node.replica()) == (1,)
    assert not first.exists()
    assert second.exists()
    assert node.shares.erase_older(node.replica()) == ()


def test_nothing_is_erased_before_the_new_share_has_been_read_again(node: Node) -> None:
    first = node.write(1, node.chain.deployment.shares)
    assert next_epoch(node.chain).accepted
    node.trusted = node.chain.state
    with pytest.raises(ConfigError, match="epoch 2") as caught:
        node.shares.erase_older(node.replica())
    assert caught.value.reason == "KEY_SHARE"
    node.write(2, node.chain.deployment.shares, "auditor-1")
    with pytest.raises(ConfigError, match="another's"):
        node.shares.erase_older(node.replica())
    assert first.exists()


def test_a_share_of_another_epoch_is_refused_with_its_file(node: Node) -> None:
    old = node.chain.deployment.shares
    assert next_epoch(node.chain).accepted
    path = node.write(2, old)
    with pytest.raises(ConfigError, match="another epoch") as caught:
        node.share()
    assert str(path) in str(caught.value)


def test_who_has_no_share_of_the_epoch_needs_none(node: Node) -> None:
    node.chain.state = chain_at("empty").state
    assert node.share() is None
