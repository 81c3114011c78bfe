"""What a participant keeps on its disk during a ceremony: encrypted, and replaced whole.

The state is written before the messages that follow from it leave the node, so that a node that was
killed hands in the same messages again. It is sealed to a key of this one ceremony, and that key to
whatever opens the node's other key files. Both are deleted at the end. Never restore it from a
backup: the node would say something else in a turn that it has been through.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyrage

from fermata.errors import ConfigError
from fermata.node.files import SECRET_MODE, ensure_directory, write_atomic
from fermata.node.storage import keystore

STATE, KEY = "ceremony-state", "ceremony-key"
STATE_BYTES_MAX = 256 * 1024 * 1024


class KeptItem(msgspec.Struct, frozen=True):
    """An item of the turn that a participant is in, as it was or will be handed in."""

    item: int
    turn: int
    receiver: int
    data: bytes


class Kept(msgspec.Struct):
    """A participant's state; ``seed`` and ``kept`` are secret.

    ``set_ups``: envelopes by participant, empty until all are there. ``turns``: of each whole turn
    everybody's envelope. ``number`` is the turn that this participant is in, -1 before the first.
    ``items`` are what it hands in there. ``end``: its signed end, empty before.
    """

    plan: bytes
    seed: bytes
    set_up: bytes
    resumed: int = 0
    set_ups: list[bytes] = []
    turns: list[list[bytes]] = []
    number: int = -1
    kept: bytes = b""
    items: list[KeptItem] = []
    end: bytes = b""

    def __repr__(self) -> str:
        return "<Kept of a ceremony: hidden>"


@dataclass(eq=False)
class StateFile:
    """The state of one ceremony in a folder of its own. One process at a time."""

    folder: Path
    deployment: str
    unlock: keystore.Unlock

    def __post_init__(self) -> None:
        self._key: keystore.AgeIdentity | None = None

    @property
    def path(self) -> Path:
        """The state."""
        return self.folder / "state.age"

    @property
    def _key_path(self) -> Path:
        return self.folder / "key.age"

    def load(self) -> Kept | None:
        """The state; None if there is none. Raises ConfigError."""
        if not self.path.exists():
            return None
        data = keystore.load_sealed(
            self.path, STATE, self.deployment, self._open(), size_max=STATE_BYTES_MAX
        )
        try:
            return msgspec.msgpack.decode(data, type=Kept)
        except msgspec.DecodeError:
            raise ConfigError(
                "CEREMONY_STATE",
                f"{self.path}: must be the state of a ceremony of this version; move it away, and"
                " have the ceremony cancelled",
            ) from None

    def save(self, kept: Kept) -> None:
        """Replaces the state; it is on the disk when this returns. Raises ConfigError."""
        ensure_directory(self.folder)
        data = keystore.seal(msgspec.msgpack.encode(kept), STATE, self.deployment, self._open())
        write_atomic(self.path, data, SECRET_MODE)

    def erase(self) -> None:
        """Deletes the state and its key."""
        self.path.unlink(missing_ok=True)
        self._key_path.unlink(missing_ok=True)
        self._key = None

    def _open(self) -> keystore.AgeIdentity:
        """The key of this ceremony; a passphrase takes a second, and there are many turns."""
        if self._key is None:
            if self._key_path.exists():
                text = keystore.load_sealed(self._key_path, KEY, self.deployment, self.unlock)
                self._key = keystore.AgeIdentity(pyrage.x25519.Identity.from_str(text.decode()))
            else:
                ensure_directory(self.folder)
                secret = pyrage.x25519.Identity.generate()
                data = str(secret).encode()
                keystore.save_sealed(self._key_path, data, KEY, self.deployment, self.unlock)
                self._key = keystore.AgeIdentity(secret)
        return self._key
