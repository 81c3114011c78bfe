"""A new node's folder: keys, a commented configuration and, for the coordinator, the authority.

    fermata.toml         the configuration
    keys/identity.txt    an age identity (0600), which opens the other keys
    keys/signing.age     the signing key (0600)
    authority/, tls/     of a coordinator only: the certificate authority, and its own certificate

Observers and operators sign nothing, so they have no keys. All or nothing is written.
"""

import base64
import errno
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fermata.crypto.signing import SigningKey
from fermata.errors import ConfigError
from fermata.node.causes import cause_text
from fermata.node.files import sync, temporary_directory, write_atomic
from fermata.node.joining.config_text import config_text
from fermata.node.pki.authority import Authority
from fermata.node.pki.enrolment import enroll_locally
from fermata.node.pki.identity import Identity
from fermata.node.storage import keystore
from fermata.protocol.wire.ports import ClockMs, Entropy
from fermata.types import READERS, Role

IDENTITY, SIGNING_KEY, CONFIG = "keys/identity.txt", "keys/signing.age", "fermata.toml"


@dataclass(frozen=True, slots=True)
class NewNode:
    """What a new folder's owner may tell others.

    ``signing_key``: public, in base64. ``recipient``: of the age identity. ``root_fingerprint``: of
    a coordinator's authority. Each is empty for a role that does not have it.
    """

    signing_key: str = ""
    recipient: str = ""
    root_fingerprint: str = ""


def make_node_folder(
    folder: Path,
    identity: Identity,
    clock: ClockMs,
    entropy: Entropy,
    log: str = "",
    host_names: Sequence[str] = (),
) -> NewNode:
    """Makes ``folder`` (0700), which must not exist or be empty.

    ``log``: the coordinator's address as host:port, empty if a join file will name it.
    ``host_names``: those of a coordinator, the first of which stands in join files. Raises
    ConfigError DIRECTORY_IN_USE, FILE_UNWRITABLE, HOST_NAME.
    """
    try:
        # Under another name first: a folder with half of its keys would be taken for a whole one.
        work = temporary_directory(folder.parent)
        try:
            new = _fill(work, identity, clock, entropy, log, host_names)
            work.rename(folder)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        sync(folder.parent)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise ConfigError(
                "DIRECTORY_IN_USE",
                f"{folder} must be an empty folder, since nothing is overwritten; choose another"
                " one, or move it away",
            ) from None
        raise ConfigError(
            "FILE_UNWRITABLE", f"{folder} cannot be written: {cause_text(error)}"
        ) from error
    return new


def _fill(
    work: Path,
    identity: Identity,
    clock: ClockMs,
    entropy: Entropy,
    log: str,
    host_names: Sequence[str],
) -> NewNode:
    text = config_text(identity.role, identity.id, log, host_names[0] if host_names else "")
    write_atomic(work / CONFIG, text.encode(), 0o600)
    if identity.role in READERS:
        return NewNode()
    (work / "keys").mkdir(mode=0o700)
    lock = keystore.new_identity(work / IDENTITY)
    seed = entropy(32)
    keystore.save_sealed(work / SIGNING_KEY, seed, keystore.SIGNING, identity.deployment, lock)
    public_key = base64.b64encode(SigningKey.from_seed(seed).public_key).decode()
    if identity.role != Role.COORDINATOR:
        return NewNode(public_key, lock.recipient)
    place = work / "authority"
    authority = Authority.create(place, identity.deployment, lock, clock, entropy)
    enroll_locally(authority, identity.role, identity.id, work / "tls", host_names)
    return NewNode(public_key, lock.recipient, authority.fingerprint)
