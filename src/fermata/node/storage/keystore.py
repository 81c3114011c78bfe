"""Secrets at rest: age files under a passphrase or to an X25519 recipient.

The format is age v1 (age-encryption.org/v1), so the ``age`` tool opens a file too. What it holds
is ``fermata/v1/keyfile <purpose> <deployment>\\n``, the secret's length (4 bytes, big-endian) and
the secret: a file of another purpose or deployment is refused even under the right passphrase.

A passphrase goes through scrypt at age's own cost, about a second for each save and each load,
on purpose. A recipient costs nothing and needs an identity file; it suits tests and the
one-machine demo. Python cannot wipe memory reliably, so a secret may stay in the process's
memory until it ends.
"""

import getpass
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

import pyrage

from fermata.crypto.signing import SigningKey
from fermata.errors import ConfigError
from fermata.node.files import SECRET_BYTES_MAX, read_secret, write_secret

#: Purposes of key files: an Ed25519 seed, a Paillier key share, the authority's root key.
SIGNING = "signing-key"
KEY_SHARE = "key-share"
AUTHORITY = "authority-root"

_DOMAIN = "fermata/v1/keyfile"
_PASSPHRASE_BYTES_MAX = 1024
_IDENTITY_BYTES_MAX = 4096
_LENGTH_BYTES = 4
_WORD = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")
#: Purpose, deployment, the secret's length and the secret.
_FRAMED = re.compile(
    rb"fermata/v1/keyfile ([a-z0-9-]{1,40}) ([a-z0-9-]{1,40})\n(.{4})(.*)", re.DOTALL
)


class _Hidden:
    """Base of types that hold a secret: no printing, no pickling, no copies."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: hidden>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be pickled or copied")


class Passphrase(_Hidden):
    """A passphrase of 1..1024 bytes of UTF-8 on one line. Never from argv or the environment.

    Raises ``ConfigError`` PASSPHRASE_FORM.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text or not text.isprintable() or len(text.encode()) > _PASSPHRASE_BYTES_MAX:
            raise ConfigError(
                "PASSPHRASE_FORM",
                "a passphrase must be one line of printable text, not empty and at most"
                f" {_PASSPHRASE_BYTES_MAX} bytes long",
            )
        self._text = text

    def reveal(self) -> str:
        """The passphrase itself, for a token whose PIN it is."""
        return self._text


class AgeIdentity(_Hidden):
    """An X25519 identity of age: opens what is sealed to ``recipient``."""

    __slots__ = ("_identity", "recipient")

    def __init__(self, identity: pyrage.x25519.Identity) -> None:
        self._identity = identity
        self.recipient = str(identity.to_public())


@dataclass(frozen=True, slots=True)
class Recipient:
    """The public half of somebody's identity: ``age1...``.

    Raises ``ConfigError`` RECIPIENT_FORM.
    """

    text: str

    def __post_init__(self) -> None:
        try:
            pyrage.x25519.Recipient.from_str(self.text)
        except pyrage.RecipientError:
            raise ConfigError(
                "RECIPIENT_FORM",
                "the recipient must be the age1... public key of an X25519 identity",
            ) from None


#: What a secret can be sealed to, and what opens it again.
Lock = Passphrase | AgeIdentity | Recipient
Unlock = Passphrase | AgeIdentity


def passphrase_from_file(path: Path) -> Passphrase:
    """Reads a passphrase from a file that only this user can read; one line end is dropped.

    Raises ``ConfigError`` PASSPHRASE_FORM and those of ``read_secret``.
    """
    return _passphrase_of(read_secret(path, _PASSPHRASE_BYTES_MAX + 2))


def passphrase_from_descriptor(descriptor: int) -> Passphrase:
    """Reads a passphrase from an open file descriptor to its end, and closes it.

    Raises ``ConfigError`` PASSPHRASE_DESCRIPTOR or PASSPHRASE_FORM.
    """
    try:
        with open(descriptor, "rb") as file:
            data = file.read(_PASSPHRASE_BYTES_MAX + 3)
    except (OSError, ValueError):
        raise ConfigError(
            "PASSPHRASE_DESCRIPTOR",
            f"file descriptor {descriptor} cannot be read; open it for the command, as in"
            f" {descriptor}<file",
        ) from None
    return _passphrase_of(data)


def passphrase_from_prompt(
    prompt: str = "Passphrase", confirm: bool = False, ask: Callable[[str], str] = getpass.getpass
) -> Passphrase:
    """Asks on the terminal without echo; ``confirm`` asks twice, for a new passphrase.

    Raises ``ConfigError`` PASSPHRASE_NO_TERMINAL, PASSPHRASE_MISMATCH or PASSPHRASE_FORM.
    """
    try:
        with warnings.catch_warnings():
            # getpass warns and then echoes where it cannot switch the echo off.
            warnings.simplefilter("error", getpass.GetPassWarning)
            text = ask(f"{prompt}: ")
            again = ask(f"{prompt}, once more: ") if confirm else text
    except (getpass.GetPassWarning, EOFError, OSError):
        raise ConfigError(
            "PASSPHRASE_NO_TERMINAL",
            "no terminal to ask for the passphrase; name a passphrase file in the configuration"
            " or pass a file descriptor",
        ) from None
    if text != again:
        raise ConfigError("PASSPHRASE_MISMATCH", "the two passphrases differ; start again")
    return Passphrase(text)


def new_identity(path: Path) -> AgeIdentity:
    """Makes an identity file (mode 0600) as age-keygen does; never replaces one.

    The key comes from the system's source of randomness, inside the age library. Raises
    ``ConfigError`` FILE_EXISTS or FILE_UNWRITABLE.
    """
    secret = pyrage.x25519.Identity.generate()
    identity = AgeIdentity(secret)
    write_secret(path, f"# public key: {identity.recipient}\n{secret}\n".encode())
    return identity


def load_identity(path: Path) -> AgeIdentity:
    """Reads an identity file: comments and exactly one secret key.

    Raises ``ConfigError`` IDENTITY_FILE_FORM and those of ``read_secret``.
    """
    data = read_secret(path, _IDENTITY_BYTES_MAX)
    try:
        lines = [line.strip() for line in data.decode("ascii").splitlines()]
        (key,) = (line for line in lines if line and not line.startswith("#"))
        return AgeIdentity(pyrage.x25519.Identity.from_str(key))
    except (ValueError, pyrage.IdentityError):
        raise ConfigError(
            "IDENTITY_FILE_FORM",
            f"{path} is not an age identity file with one X25519 key; make one with"
            " age-keygen, or restore it from a backup",
        ) from None


def seal(secret: bytes, purpose: str, deployment: str, lock: Lock) -> bytes:
    """The age file that holds ``secret`` for this purpose and deployment.

    ``purpose`` and ``deployment`` are words of lower-case letters, digits and hyphens. An
    identity seals to its own recipient.
    """
    length = len(secret).to_bytes(_LENGTH_BYTES, "big")
    framed = _header(purpose, deployment) + length + secret
    if isinstance(lock, Passphrase):
        return bytes(pyrage.passphrase.encrypt(framed, lock._text))
    text = lock.recipient if isinstance(lock, AgeIdentity) else lock.text
    return bytes(pyrage.encrypt(framed, [pyrage.x25519.Recipient.from_str(text)]))


def save_sealed(path: Path, secret: bytes, purpose: str, deployment: str, lock: Lock) -> None:
    """Writes ``secret`` to a new age file (mode 0600); never replaces one, never in the clear.

    Raises ``ConfigError`` FILE_EXISTS or FILE_UNWRITABLE.
    """
    write_secret(path, seal(secret, purpose, deployment, lock))


def load_sealed(
    path: Path, purpose: str, deployment: str, unlock: Unlock, *, size_max: int = SECRET_BYTES_MAX
) -> bytes:
    """The secret in an age file that was saved for this purpose and deployment.

    Raises ``ConfigError`` KEYFILE_UNREADABLE, the same for a wrong passphrase, a wrong identity
    and damage; KEYFILE_FOREIGN for another purpose or deployment; and those of ``read_secret``.
    """
    wanted = _header(purpose, deployment)
    data = read_secret(path, size_max)
    try:
        if isinstance(unlock, Passphrase):
            framed = bytes(pyrage.passphrase.decrypt(data, unlock._text))
        else:
            framed = bytes(pyrage.decrypt(data, [unlock._identity]))
    except pyrage.DecryptError:
        # K9.1: wrong passphrase, wrong identity and damage look alike from outside (E5).
        raise _unreadable(path) from None
    match = _FRAMED.fullmatch(framed)
    if match is None or int.from_bytes(match[3], "big") != len(match[4]):
        raise _unreadable(path)
    # K9.2: a key must not be used for what it was not made for.
    if not framed.startswith(wanted):
        raise ConfigError(
            "KEYFILE_FOREIGN",
            f"{path} holds a {match[1].decode()} of deployment {match[2].decode()}; a {purpose} of"
            f" deployment {deployment} is wanted here",
        )
    return match[4]


def open_signing_key(
    path: Path, deployment: str, unlock: Unlock, public_key: bytes, party: str
) -> SigningKey:
    """The key in an age file, which must be the party's key in the charter.

    Raises ConfigError SIGNING_KEY and whatever ``load_sealed`` raises.
    """
    seed = load_sealed(path, SIGNING, deployment, unlock)
    try:
        key = SigningKey.from_seed(seed)
    except ValueError:
        raise ConfigError("SIGNING_KEY", f"{path}: must hold an Ed25519 seed; restore it") from None
    if key.public_key != public_key:
        raise ConfigError("SIGNING_KEY", f"{path}: must be the key of {party} in the charter")
    return key


class _Out:
    """A file that remembers a failed write: the age library drops what its last flush met."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.failed = False

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self.file.write(rest) :]
        except OSError:
            self.failed = True
            raise
        return len(data)

    def flush(self) -> None:
        self.file.flush()


def seal_file(source: Path, target: Path, to: Recipient) -> None:
    """Encrypts a file of any size to a recipient, into a new file that is its owner's only.

    Raises ``ConfigError`` FILE_EXISTS, FILE_UNWRITABLE.
    """
    recipients = [pyrage.x25519.Recipient.from_str(to.text)]
    _convert(source, target, lambda read, write: pyrage.encrypt_io(read, write, recipients))


def open_file(source: Path, target: Path, identity: AgeIdentity) -> None:
    """The inverse of ``seal_file``.

    Raises ``ConfigError`` KEYFILE_UNREADABLE, FILE_EXISTS, FILE_UNWRITABLE.
    """
    identities = [identity._identity]
    _convert(source, target, lambda read, write: pyrage.decrypt_io(read, write, identities))


def _convert(source: Path, target: Path, through: Callable[[BinaryIO, _Out], object]) -> None:
    write_secret(target, b"")
    with source.open("rb") as read, target.open("wb", buffering=0) as file:
        out = _Out(file)
        try:
            through(read, out)
            os.fsync(file.fileno())
        except (pyrage.EncryptError, pyrage.DecryptError, OSError):
            if not out.failed:
                raise _unreadable(source) from None
    if out.failed:
        raise ConfigError(
            "FILE_UNWRITABLE", f"{target} cannot be written; check that its disk has free space"
        )


def _header(purpose: str, deployment: str) -> bytes:
    for word in (purpose, deployment):
        if not _WORD.match(word):
            raise ValueError("purpose and deployment must be words of a-z, 0-9 and -")
    return f"{_DOMAIN} {purpose} {deployment}\n".encode()


def _unreadable(path: Path) -> ConfigError:
    return ConfigError(
        "KEYFILE_UNREADABLE",
        f"{path} does not open: wrong passphrase or identity, or the file is damaged; try again,"
        " or restore it from a backup",
    )


def _passphrase_of(data: bytes) -> Passphrase:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        # An empty text is refused with the one message there is for every bad form.
        text = ""
    return Passphrase(text.removesuffix("\n").removesuffix("\r"))
