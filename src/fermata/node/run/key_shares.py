"""An auditor's key shares on disk: one file for each epoch of the key.

The share of epoch 1 is the file that the configuration names; that of epoch k stands beside it,
with ``-epoch-k`` before its ending. A share is erased once a later epoch is witnessed and its own
share has been read again and fits: until then the older one may still be needed.
"""

from pathlib import Path

from fermata.crypto.threshold.opening import KeyShare, check_share
from fermata.errors import ConfigError, InvalidProof, VerificationError
from fermata.node.config import NodeConfig
from fermata.node.files import remove_durably
from fermata.node.run.parts import load_key_share, passphrase_or_identity
from fermata.node.storage import keystore
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import KeyedState
from fermata.protocol.state.threshold_key import ThresholdKey


def share_path(first: Path, epoch: int) -> Path:
    """Where the share of an epoch stands; ``first`` is the file of epoch 1."""
    return first if epoch == 1 else first.with_stem(f"{first.stem}-epoch-{epoch}")


class KeyShares:
    """The key shares of one auditor, each opened when its epoch is in force."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._me = config.text.party
        self._first = config.path(config.text.keys.share)
        self._open: tuple[bytes, KeyShare] | None = None

    def of(self, replica: Replica) -> KeyShare | None:
        """This auditor's share of the key in force; None while it has none to have.

        Raises ConfigError KEY_SHARE, since no part by a wrong share would be right, and
        those of the key file.
        """
        key = replica.state.key
        if key is None or self._me not in key.auditors:
            return None
        if self._open is None or self._open[0] != key.epoch_id:
            self._open = key.epoch_id, self._read(key)
        return self._open[1]

    def check(self, replica: Replica) -> None:
        """At start: opens the share that is in force, or will be with the log's first key.

        Raises ConfigError KEY_SHARE and those of the key file.
        """
        if replica.state.key is not None:
            self.of(replica)
        elif self._me in self._config.genesis.auditors:
            load_key_share(self._config)

    def _read(self, key: ThresholdKey) -> KeyShare:
        path = share_path(self._first, key.record.epoch)
        if not path.exists():
            raise ConfigError(
                "KEY_SHARE",
                f"{path}: must hold the share of epoch {key.record.epoch} of the key, which is in"
                " force; restore it from a backup, or have the other auditors make a new epoch",
            )
        deployment = self._config.genesis.deployment
        unlock = passphrase_or_identity(self._config)
        data = keystore.load_sealed(path, keystore.KEY_SHARE, deployment, unlock)
        try:
            share = KeyShare.from_bytes(data)
            if share.index != key.auditors.index(self._me) + 1:
                raise ConfigError("KEY_SHARE", f"{path}: must be {self._me}'s, got another's")
            # A part by the share of another epoch would name its honest auditor.
            check_share(key.record, share)
        except (VerificationError, InvalidProof) as error:
            raise ConfigError("KEY_SHARE", f"{path}: {error}") from None
        return share

    def erase_older(self, replica: Replica) -> tuple[int, ...]:
        """Erases the shares of epochs that are over; returns the epochs.

        K33: only once the record of the epoch in force is witnessed, and its share, read again
        from its file, fits. Raises ConfigError as ``of`` does.
        """
        state = replica.trusted()
        if not isinstance(state, KeyedState):
            return ()
        paths = {k.record.epoch: share_path(self._first, k.record.epoch) for k in state.past_keys}
        older = {epoch: path for epoch, path in paths.items() if path.exists()}
        if older and self._me in state.key.auditors:
            self._read(state.key)
        for path in older.values():
            remove_durably(path)
        return tuple(older)
