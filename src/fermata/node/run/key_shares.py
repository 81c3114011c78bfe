"""An auditor's key shares on disk: one file for each epoch of the key, which its opener reads.

A share is erased once a later epoch is witnessed and its own share has been read again and fits:
until then the older one may still be needed.
"""

from collections.abc import Callable
from pathlib import Path

from fermata.node.config import NodeConfig
from fermata.node.files import remove_durably
from fermata.node.opener.share_backup import share_path, shares_set_aside
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import KeyedState


def has_share(config: NodeConfig, replica: Replica) -> bool:
    """Whether this auditor has a share of the key in force, or will have of the log's first."""
    key = replica.state.key
    return config.text.party in (config.genesis.auditors if key is None else key.auditors)


def erase_older(
    first: Path, me: str, replica: Replica, check: Callable[[], None]
) -> tuple[int, ...]:
    """Erases the shares of epochs that are over, or never began; returns the epochs.

    K33: only once the record of the epoch in force is witnessed and, if ``me`` has a share of it,
    ``check`` has read that from its file and found that it fits; ``check`` raises ConfigError.
    ``first`` is the file of epoch 1.
    """
    key, state = replica.state.key, replica.trusted()
    if key is None or not isinstance(state, KeyedState) or state.key.epoch_id != key.epoch_id:
        return ()
    paths = {k.record.epoch: share_path(first, k.record.epoch) for k in state.past_keys}
    older = [(epoch, path) for epoch, path in paths.items() if path.exists()]
    # K41.1: a share of an epoch that never began opens with others of its kind all the same.
    for epoch in (*paths, key.record.epoch):
        older += [(epoch, path) for path in shares_set_aside(first, epoch)]
    if older and me in key.auditors:
        check()
    for _, path in older:
        remove_durably(path)
    return tuple(epoch for epoch, _ in older)
