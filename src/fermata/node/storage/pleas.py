"""Files of statements that the log does not take: what a lab writes, and what an auditor keeps.

Normative text: docs/spec/pleas.md, PL5 and PL6. They hold ciphertexts and proofs, and no secret. A
fault of one of them stops no node.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from fermata.errors import ConfigError, FermataError
from fermata.node.files import (
    SECRET_MODE,
    ensure_directory,
    read_file,
    read_secret,
    sync,
    write_atomic,
)
from fermata.protocol.roles.pleas import PleaFolder
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.plea_file import (
    PLEA_BYTES_MAX,
    Pleading,
    read_pleading,
    write_pleading,
)
from fermata.protocol.wire.ports import Draft, Store
from fermata.protocol.wire.strict_json import NotJson, decode_json

#: In an auditor's data folder: what it keeps, and what a person has put there for it.
TAKEN = "pleas"
#: In a lab's data folder: what its node has signed and has not seen in the log.
UNLOGGED = "unlogged"
#: An auditor keeps at most so many; a round has far fewer labs.
KEPT_MAX = 64
ANSWER_BYTES_MAX, MESSAGE_CHARS_MAX = 16_384, 1000
_KEPT = re.compile(r"([0-9]{8})-([0-9a-f]{64})\.plea")


class PleaFiles(PleaFolder):
    """An auditor's folder. ``<hash>.new`` is a file to look at, ``<hash>.refused`` the answer to
    one that was not taken, ``<number>-<hash>.plea`` one that was; hashes are of the files."""

    def __init__(self, folder: Path, charter_sha256: bytes) -> None:
        self._folder = folder
        self._charter_sha256 = charter_sha256
        self._known: dict[str, Pleading] = {}

    def incoming(self) -> list[bytes]:
        """See PleaFolder."""
        if len(self._names()) >= KEPT_MAX:
            return []
        files = []
        for path in sorted(self._folder.glob("*.new")):
            try:
                files.append(read_secret(path, PLEA_BYTES_MAX))
            except ConfigError:
                _remove(path)
        return files

    def keep(self, file: bytes, pleading: Pleading) -> None:
        """See PleaFolder. On a full disk the file stays incoming."""
        digest, names = _id_of(file), self._names()
        number = int(names[-1][:8]) + 1 if names else 1
        with suppress(OSError):
            (self._folder / f"{digest}.new").rename(self._folder / f"{number:08}-{digest}.plea")
            sync(self._folder)

    def refuse(self, file: bytes, error: FermataError) -> None:
        """See PleaFolder."""
        digest = _id_of(file)
        answer = msgspec.json.encode(Answer(error.reason, str(error)[:MESSAGE_CHARS_MAX]))
        with suppress(ConfigError):
            write_atomic(self._folder / f"{digest}.refused", answer, SECRET_MODE)
        _remove(self._folder / f"{digest}.new")

    def kept(self) -> list[Pleading]:
        """See PleaFolder."""
        names = self._names()
        self._known = {name: p for name, p in self._known.items() if name in names}
        for name in names:
            if name not in self._known:
                try:
                    data = read_secret(self._folder / name, PLEA_BYTES_MAX)
                    self._known[name] = read_pleading(self._charter_sha256, data)
                except ConfigError:
                    _remove(self._folder / name)
        return [self._known[name] for name in names if name in self._known]

    def drop(self, pleading: Pleading) -> None:
        """See PleaFolder."""
        for name, known in list(self._known.items()):
            if known == pleading:
                del self._known[name]
                _remove(self._folder / name)

    def _names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return sorted(p.name for p in self._folder.iterdir() if _KEPT.fullmatch(p.name))


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a node did with a file. ``reason`` and ``message`` if it was not taken."""

    reason: str = ""
    message: str = ""


def offer(data: Path, file: bytes) -> None:
    """Puts a file where the auditor's node with this data folder looks. Raises ConfigError."""
    folder = data / TAKEN
    ensure_directory(data)
    ensure_directory(folder)
    digest = _id_of(file)
    _remove(folder / f"{digest}.refused")
    write_atomic(folder / f"{digest}.new", file, SECRET_MODE)


def answer_to(data: Path, file: bytes) -> Answer | None:
    """What the node did with a file that was offered; None while it has not looked at it.

    Raises ConfigError.
    """
    digest = _id_of(file)
    folder = data / TAKEN
    if (folder / f"{digest}.new").exists():
        return None
    path = folder / f"{digest}.refused"
    if not path.exists():
        return Answer()
    try:
        return decode_json(read_file(path, ANSWER_BYTES_MAX), Answer, ANSWER_BYTES_MAX)
    except NotJson as error:
        raise ConfigError("PLEA_FILE", f"{path}: the node's answer {error}; try again") from None


class Unlogged:
    """A lab's drafts that are not settled, as files that auditors take, while its node runs."""

    def __init__(self, data: Path, charter_sha256: bytes, store: Store) -> None:
        self._folder = data / UNLOGGED
        self._charter_sha256 = charter_sha256
        self._store = store
        self._written: set[str] | None = None

    def look(self) -> None:
        """Writes and removes what has changed. Raises StorageError."""
        drafts = {f"{_name_of(draft)}.plea": draft for draft in self._pending()}
        if drafts.keys() == self._written:
            return
        # A full disk is the store's to tell.
        with suppress(ConfigError, OSError):
            ensure_directory(self._folder)
            for path in self._folder.iterdir():
                if path.name not in drafts:
                    _remove(path)
            for name, draft in drafts.items():
                file = write_pleading(
                    self._charter_sha256, Pleading(draft.envelope, draft.sealed_part)
                )
                write_atomic(self._folder / name, file, SECRET_MODE)
            self._written = set(drafts)

    def _pending(self) -> Iterator[Draft]:
        for draft in self._store.drafts_pending():
            if draft.slot.startswith(("answer/", "acknowledgement/")):
                yield draft


def unlogged_files(data: Path) -> dict[str, Path]:
    """What a lab's node has not seen in the log, by the name of its draft, as its last step was."""
    return {path.stem: path for path in sorted((data / UNLOGGED).glob("*.plea"))}


def _id_of(file: bytes) -> str:
    """By which two files are told apart."""
    return sha256(file).hex()


def _name_of(draft: Draft) -> str:
    return draft.slot.replace("/", "-")


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
