"""The node of an auditor whose share is on a machine without a network: tasks out, openings in."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from fermata.errors import ConfigError, FermataError, Refusal
from fermata.log.checkpoint import signed_alone
from fermata.node.files import SECRET_MODE, ensure_directory, read_file, read_secret, write_atomic
from fermata.node.opener.desk import drillable, openable
from fermata.node.opener.drill_file import ANSWER_BYTES_MAX, decode_drill_file
from fermata.node.opener.opening_file import (
    OPENING_BYTES_MAX,
    GivenOpening,
    decode_opening,
)
from fermata.node.opener.task_file import Task
from fermata.protocol.drills.drill import Drill
from fermata.protocol.drills.duties import DrillAnswer
from fermata.protocol.fold.apply import judge
from fermata.protocol.fold.references import next_leaf
from fermata.protocol.roles.auditor import GivenPart
from fermata.protocol.roles.driver import Signer
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import Close, KeyedState, Round
from fermata.protocol.succession.views import leader
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.ports import EventOnce, Log, LogWrapper
from fermata.protocol.wire.strict_json import NotJson, decode_json

#: In an auditor's data folder: openings that came back, and what the node said of them.
FOLDER = "openings"
_ANSWER_BYTES_MAX, _MESSAGE_CHARS_MAX = 16_384, 1000


class _Recording(LogWrapper):
    """A log that remembers the sealed parts that it gave."""

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self.sealed: dict[bytes, bytes] = {}

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """See Log."""
        data = self._log.fetch_sealed(sealed_sha256)
        self.sealed[sha256(data)] = data
        return data


def make_task(replica: Replica, log: Log, charter: bytes, me: str, number: int) -> Task:
    """A task for a round that this node would open itself; it has checked all of it.

    ``replica`` has read ``log``; ``charter``: the bytes of entry 0's file. Raises as ``openable``.
    """
    recording = _Recording(log)
    openable(replica, me, number, recording)
    return _task(replica, charter, me, number, recording.sealed)


def make_drill_task(replica: Replica, charter: bytes, me: str) -> Task:
    """A task for the drill that runs. As ``make_task``; raises Refusal NO_DRILL."""
    drillable(replica, me)
    return _task(replica, charter, me, 0, {})


def _task(
    replica: Replica, charter: bytes, me: str, number: int, sealed: Mapping[bytes, bytes]
) -> Task:
    charter_now, view = replica.charter, replica.state.view
    coordinator = charter_now.parties[leader(charter_now, view)]
    note = signed_alone(
        replica.store.checkpoint() or b"", charter_now.origin_of(view), coordinator.signing_key
    )
    leaves = tuple(replica.leaves(0, replica.tree.size))
    return Task(charter, me, number, note, replica.witnesses, leaves, sealed)


class OpeningFiles:
    """A folder in which a command leaves openings for the node that runs, and gets its answer.

    ``<round>-<charter>.opening`` is one that came back, and ``drill-<leaf hash>.opening`` an answer
    to a drill; ``.answer`` is what the node said of it.
    """

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER

    def path(self, number: int, charter_sha256: bytes) -> Path:
        """Where the opening of a round under a charter (32 bytes) stands."""
        return self.folder / f"{number}-{charter_sha256.hex()}.opening"

    def drill_path(self, start: bytes) -> Path:
        """Where the answer to a drill stands, by the leaf hash of the entry with which it began."""
        return self.folder / f"drill-{start.hex()}.opening"

    def offer(self, path: Path, data: bytes) -> Path:
        """Leaves an opening for the node, at its path; the same one may come again.

        Raises Refusal OPENED_OTHER if another one stands there that was not refused.
        """
        ensure_directory(self.folder)
        # OP5.4: a second part of one round, of which one would be wrong.
        if path.exists():
            if read_secret(path, OPENING_BYTES_MAX) != data:
                raise Refusal(
                    "OPENED_OTHER",
                    f"{path}: is another opening of the same, which the node has; keep both",
                )
            # Its answer may be there already.
            return path
        path.with_suffix(".answer").unlink(missing_ok=True)
        write_atomic(path, data, SECRET_MODE)
        return path

    def answer(self, path: Path) -> FermataError | bool:
        """What the node said of an offered opening: True if it took it, False if nothing yet."""
        answer = path.with_suffix(".answer")
        if not answer.exists():
            return False
        try:
            data = read_file(answer, _ANSWER_BYTES_MAX)
            said = decode_json(data, _Answer, _ANSWER_BYTES_MAX)
        except (NotJson, ValueError):
            return ConfigError("OPENING_FORM", f"{answer}: must be as the node wrote it")
        return Refusal(said.reason, said.message) if said.reason else True

    def say(self, path: Path, error: FermataError | None) -> None:
        """Writes the node's answer; one that was not taken is removed."""
        reason, message = (error.reason, str(error)) if error is not None else ("", "")
        answer = _Answer(reason, message[:_MESSAGE_CHARS_MAX])
        with suppress(ConfigError):
            write_atomic(path.with_suffix(".answer"), msgspec.json.encode(answer), SECRET_MODE)
        if error is not None:
            path.unlink(missing_ok=True)


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: str = ""
    message: str = ""


class OfflineOpener:
    """Gives the parts that came back from the other machine; tells of each that is wanted."""

    def __init__(
        self, signer: Signer, replica: Replica, files: OpeningFiles, tell: EventOnce
    ) -> None:
        self._signer = signer
        self._replica = replica
        self._files = files
        self._tell = tell

    def __call__(self, state: KeyedState, round_: Round, close: Close) -> GivenPart | None:
        """See ``protocol.roles.auditor.Opener``. Raises nothing for a file's content."""
        path = self._files.path(round_.number, state.charter.sha256)
        if not path.exists():
            self._tell("opening_wanted", round_.number, "OFFLINE")
            return None
        try:
            given = self._read(path, state)
            if given.parsed.seen.index >= self._replica.tree.size:
                # The task was made of a log that this node has not read as far yet.
                return None
            part = self._checked(given)
        except FermataError as error:
            self._files.say(path, error)
            self._tell("opening_not_taken", round_.number, error.reason)
            return None
        self._files.say(path, None)
        return part

    def drill(self, state: KeyedState, drill: Drill) -> DrillAnswer | None:
        """See ``protocol.drills.duties.DrillOpener``. Raises nothing for a file's content."""
        path = self._files.drill_path(drill.start.leaf_hash)
        if not path.exists():
            self._tell("drill_wanted", drill.number, "OFFLINE")
            return None
        try:
            given = decode_drill_file(read_secret(path, ANSWER_BYTES_MAX), state, drill, str(path))
        except FermataError as error:
            self._files.say(path, error)
            self._tell("drill_not_taken", drill.number, error.reason)
            return None
        self._files.say(path, None)
        return given

    def _read(self, path: Path, state: KeyedState) -> GivenOpening:
        me = self._signer.party
        data = read_secret(path, OPENING_BYTES_MAX)
        return decode_opening(data, me, state.charter.parties[me].signing_key, str(path))

    def _checked(self, given: GivenOpening) -> GivenPart:
        statement = given.parsed
        envelope = given.envelope(self._signer.party)
        if not envelope:
            envelope = self._signer.seal(self._replica, statement)
        leaf = next_leaf(self._replica.tree, envelope)
        _, verdict, error = judge(self._replica.state, leaf, self._replica.cache)
        # OP5.5: a part of another close or epoch, which the log would refuse, fills no slot.
        if error is not None:
            raise Refusal(verdict.reason, f"opening: {error}")
        return GivenPart(statement, envelope)
