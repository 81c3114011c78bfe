"""The charters that a lab's owner accepts: how commands hand them to the node, and read them back.

Normative text: docs/spec/consent.md, CO5. The node's store has what was accepted, and only the node
can open it while it runs. So a command leaves ``<hash>.new`` in the node's data folder for the node
to take, and the node writes what it has accepted there, for commands to read.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fermata.errors import ConfigError
from fermata.node.config import NodeConfig
from fermata.node.files import SECRET_MODE, ensure_directory, read_file, write_atomic
from fermata.protocol.roles.consents import Consents, agreed_to, is_agreed
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import State

FOLDER, LIST = "consent", "accepted"
LIST_BYTES_MAX = 1 << 20
_OFFERED = re.compile(r"([0-9a-f]{64})\.new")


def pinned_charters(config: NodeConfig) -> tuple[bytes, ...]:
    """The hashes of the charters in a node's configuration, which its owner chose."""
    return (config.genesis.sha256, config.roster.sha256)


def accepts_by_itself(config: NodeConfig) -> bool:
    """Whether the node accepts charters that are nowhere weaker for its lab."""
    return config.text.lab is None or config.text.lab.accept_stricter


def offer_acceptance(data: Path, charter_sha256: bytes) -> None:
    """Leaves a charter's hash where the lab's node with this data folder takes it.

    Raises ConfigError.
    """
    ensure_directory(data)
    ensure_directory(data / FOLDER)
    write_atomic(data / FOLDER / f"{charter_sha256.hex()}.new", b"", SECRET_MODE)


def accepted_charters(config: NodeConfig) -> tuple[bytes, ...]:
    """What a lab's node has accepted, and what it has been offered. Raises ConfigError."""
    folder = config.data / FOLDER
    kept: list[bytes] = []
    if (folder / LIST).exists():
        lines = read_file(folder / LIST, LIST_BYTES_MAX).decode("ascii", "replace").split()
        kept = [bytes.fromhex(line) for line in lines if _OFFERED.fullmatch(f"{line}.new")]
    return tuple(dict.fromkeys([*pinned_charters(config), *kept, *_offered(folder)]))


def has_agreed(config: NodeConfig, state: State) -> bool:
    """Whether a lab's owner has agreed to the charter in force, as far as the folder says."""
    accepted, is_by_itself = accepted_charters(config), accepts_by_itself(config)
    return is_agreed(state, agreed_to(state, config.text.party, accepted, is_by_itself))


def _offered(folder: Path) -> list[bytes]:
    names = sorted(path.name for path in folder.glob("*.new"))
    return [bytes.fromhex(match[1]) for name in names if (match := _OFFERED.fullmatch(name))]


class ConsentFiles:
    """A lab's node: takes what its owner accepts, writes what it has, and tells what is missing."""

    def __init__(
        self,
        config: NodeConfig,
        consents: Consents,
        replica: Replica,
        on_event: Callable[[str, str], None],
    ) -> None:
        self._folder = config.data / FOLDER
        self._consents = consents
        self._replica = replica
        self._on_event = on_event
        self._written: tuple[bytes, ...] | None = None
        self._last: bytes | None = None

    def look(self) -> None:
        """Takes and writes what has changed, and tells, once for each charter in force, whether
        it waits for the owner. Raises StorageError."""
        for charter_sha256 in _offered(self._folder):
            self._consents.accept(charter_sha256)
            with suppress(OSError):
                (self._folder / f"{charter_sha256.hex()}.new").unlink(missing_ok=True)
        state = self._replica.state
        is_missing = state.charter is not None and not self._consents.has_agreed(state)
        self._write()
        missing = state.charter.sha256 if state.charter is not None and is_missing else None
        if missing is not None and missing != self._last:
            self._on_event("not_consented", missing.hex())
        elif self._last is not None and missing is None:
            self._on_event("consented", self._last.hex())
        self._last = missing

    def _write(self) -> None:
        accepted = self._consents.accepted
        if accepted == self._written:
            return
        # A full disk is the store's to tell.
        with suppress(ConfigError, OSError):
            ensure_directory(self._folder)
            text = "".join(f"{charter_sha256.hex()}\n" for charter_sha256 in accepted)
            write_atomic(self._folder / LIST, text.encode(), SECRET_MODE)
            self._written = accepted
