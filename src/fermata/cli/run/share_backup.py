"""``fermata auditor backup-share`` and ``restore-share``: an auditor's key share, and drills."""

from pathlib import Path

import click

from fermata.cli.options import CONFIG, PATH
from fermata.cli.output import emit, json_option
from fermata.cli.read.log import checked_log
from fermata.cli.unlock import Opener, unlock_options
from fermata.errors import ConfigError
from fermata.node.config import OFFLINE, NodeConfig, load_config
from fermata.node.opener.marks import Marks
from fermata.node.opener.share_backup import (
    back_up_share,
    check_backup,
    load_share,
    newest_share,
    open_share_backup,
    share_path,
)
from fermata.node.run.parts import MARKS, opener_setup
from fermata.node.storage import keystore
from fermata.node.storage.bundles import check_new
from fermata.types import Role


@click.command("backup-share")
@CONFIG
@click.option("--to", required=True, help="age1... recipient whose identity opens the backup.")
@click.option("--out", type=PATH, required=True, help="New file for the backup.")
@json_option
def auditor_backup_share(config_file: Path, to: str, out: Path, as_json: bool) -> None:
    """Back up the key share, with what its opener remembers, for another recipient."""
    config = load_config(config_file, Role.AUDITOR)
    path = newest_share(_share_file(config))
    check_new(out)
    recipient = keystore.Recipient(to)
    share = load_share(path, config.genesis.deployment, _own_lock(config))
    marks = Marks(config.data / MARKS)
    back_up_share(share, marks, config.genesis.deployment, recipient, out)
    text = f"{out}: backup of the share of {config.text.party}, epoch {share.epoch or 1}"
    emit(as_json, {"backup": str(out), "epoch": share.epoch or 1}, text)


@click.command("restore-share")
@CONFIG
@click.option("--in", "file", type=PATH, required=True, help="Backup file.")
@click.option("--drill", is_flag=True, help="Try the backup, and write nothing.")
@unlock_options
@json_option
def auditor_restore_share(
    config_file: Path, file: Path, drill: bool, opener: Opener, as_json: bool
) -> None:
    """Put a key share back, after a trial of it against the log's key; never over another file.

    The node must be stopped; for a drill it may run.
    """
    config = load_config(config_file, Role.AUDITOR)
    first, deployment, me = _share_file(config), config.genesis.deployment, config.text.party
    backup = open_share_backup(file, deployment, opener.unlock())
    with checked_log(config) as (log_port, replica):
        replica.pull(log_port)
    epoch = check_backup(backup, config.genesis.sha256, me, replica.state, file)
    path = share_path(first, epoch)
    if not drill:
        check_new(path)
        lock = _own_lock(config)
        # First: a share that can open must not stand where its memory is missing.
        Marks(config.data / MARKS).restore(backup.marks)
        keystore.save_sealed(path, backup.share.to_bytes(), keystore.KEY_SHARE, deployment, lock)
    done = "would be restored; nothing was written" if drill else f"is restored to {path}"
    text = f"{file}: the share of {me}, which opens under the log's key, {done}"
    emit(as_json, {"share": str(path), "restored": not drill, "opens": True}, text)


def _share_file(config: NodeConfig) -> Path:
    if config.text.keys.share == OFFLINE:
        raise ConfigError(
            "KEY_SHARE", f"{config.file}: says that the share is offline; back up its file there"
        )
    return config.path(config.text.keys.share)


def _own_lock(config: NodeConfig) -> keystore.Unlock:
    """What the configuration says that the share is sealed to."""
    setup = opener_setup(config)
    if setup.identity:
        return keystore.load_identity(Path(setup.identity))
    if setup.passphrase_file:
        return keystore.passphrase_from_file(Path(setup.passphrase_file))
    return keystore.passphrase_from_prompt("Passphrase of the key share")
