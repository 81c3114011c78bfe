"""Options that say what opens age files, which several commands share."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from fermata.cli.options import PATH
from fermata.crypto.signing import SigningKey
from fermata.errors import ConfigError, IdentityError
from fermata.node.pki.identity import check_deployment
from fermata.node.pki.token_key import is_token_uri, open_token_key
from fermata.node.storage import keystore


@dataclass(frozen=True, slots=True)
class Opener:
    """The given options, at most one; without one, the passphrase is asked for."""

    identity: Path | None
    passphrase_file: Path | None
    passphrase_fd: int | None

    def check(self) -> None:
        """Raises ConfigError UNLOCK for more than one option."""
        given = (self.identity, self.passphrase_file, self.passphrase_fd)
        if sum(source is not None for source in given) > 1:
            raise ConfigError(
                "UNLOCK", "give only one of --identity, --passphrase-file and --passphrase-fd"
            )

    def unlock(self, confirm: bool = False) -> keystore.Unlock:
        """What opens a file; ``confirm`` asks twice for the passphrase of a new file.

        Raises ConfigError UNLOCK for more than one option, and whatever the keystore raises.
        """
        self.check()
        if self.identity is not None:
            return keystore.load_identity(self.identity)
        if self.passphrase_file is not None:
            return keystore.passphrase_from_file(self.passphrase_file)
        if self.passphrase_fd is not None:
            return keystore.passphrase_from_descriptor(self.passphrase_fd)
        return keystore.passphrase_from_prompt(confirm=confirm)


def signing_key_of(
    key: Path, unlock: keystore.Unlock, deployment: str, public_key: bytes, party: str
) -> SigningKey:
    """A party's key in an age file, or in a token (``pkcs11:...``) whose PIN is the passphrase.

    Raises ConfigError SIGNING_KEY, UNLOCK, and as opening either does.
    """
    if not is_token_uri(str(key)):
        return keystore.open_signing_key(key, deployment, unlock, public_key, party)
    return open_token_key(str(key), pin_of(unlock), public_key, party)


def pin_of(unlock: keystore.Unlock) -> keystore.Passphrase:
    """A token's PIN, which comes as a passphrase does. Raises ConfigError UNLOCK."""
    if not isinstance(unlock, keystore.Passphrase):
        raise ConfigError(
            "UNLOCK", "a token has a PIN: give --passphrase-file, --passphrase-fd, or type it"
        )
    return unlock


def unlock_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds --identity, --passphrase-file and --passphrase-fd; the command gets ``opener``."""

    @click.option("--identity", type=PATH, help="age identity file (0600).")
    @click.option("--passphrase-file", type=PATH, help="File with the passphrase (0600).")
    @click.option(
        "--passphrase-fd",
        type=click.IntRange(min=0),
        help="Open file descriptor to read the passphrase from, as in --passphrase-fd 3 3<FILE",
    )
    @functools.wraps(command)
    def wrapped(
        *args: Any,
        identity: Path | None,
        passphrase_file: Path | None,
        passphrase_fd: int | None,
        **kwargs: Any,
    ) -> None:
        command(*args, opener=Opener(identity, passphrase_file, passphrase_fd), **kwargs)

    return wrapped


def signing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of a command that signs as a party."""
    key = click.option(
        "--key", type=PATH, required=True, help="Signing key: age file, or pkcs11:..."
    )
    party = click.option("--party", required=True, help="The party's id in the charter.")
    return party(key(unlock_options(command)))


def checked_deployment(context: click.Context, option: click.Parameter, value: str) -> str:
    """The value of an option that names a deployment. Raises click.BadParameter."""
    try:
        check_deployment(value)
    except IdentityError as error:
        raise click.BadParameter(str(error)) from None
    return value


#: Adds --deployment, which must be a name that a deployment can have.
deployment_option = click.option(
    "--deployment",
    required=True,
    callback=checked_deployment,
    help="The charter's deployment name.",
)
