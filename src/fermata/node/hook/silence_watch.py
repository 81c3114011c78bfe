"""A lab's watch over the silence of its log: it asks auditors, and tells the hook.

Normative text: docs/spec/silence.md. The coordinator may be the party that is silent, so the lab
asks auditors directly, for their copies of the log. What they answer is checked like the log
itself; only that they have nothing newer is their word.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fermata.crypto.signing import SigningKey
from fermata.errors import (
    ConfigError,
    FermataError,
    InvalidProof,
    TransportError,
    VerificationError,
)
from fermata.node.files import write_atomic
from fermata.node.hook.hooks import Hook
from fermata.node.hook.silence_notice import (
    Answer,
    KnownLog,
    SilenceBrief,
    seal_silence,
    silence_notice,
)
from fermata.node.observe.telemetry import Telemetry
from fermata.node.storage.evidence import WitnessedLog
from fermata.protocol.charter.parse import Charter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.silence import (
    NONE,
    OVER,
    UNREACHABLE,
    UNUSABLE,
    Silence,
    auditors_needed,
    change_of,
    heard,
    is_silent,
)
from fermata.protocol.state.state import State
from fermata.protocol.wire.ports import ClockMs, Log, LogWrapper, Witness
from fermata.summary.records.pause import pause_brief

#: The file in the data folder with the newest change, for people and for ``fermata status``.
FILE = "silence.json"
#: While the log is silent, auditors are asked so often, or ``ASKS`` times in ``silence_s``.
ASK_MS_MAX, ASK_MS_MIN, ASKS = 60_000, 1_000, 20


class Copy(LogWrapper):
    """An auditor's copy of the log, whose refusals say nothing about the log.

    A lying auditor must not end this node with an error that it makes up.
    """

    def checkpoint(self) -> bytes:
        """See Log. Raises TransportError."""
        try:
            return super().checkpoint()
        except FermataError as error:
            raise _unusable(error) from None

    def witnesses(self) -> list[Witness]:
        """See Log. Raises TransportError."""
        try:
            return super().witnesses()
        except FermataError as error:
            raise _unusable(error) from None

    def read(self, start: int, count_max: int) -> list[bytes]:
        """See Log. Raises TransportError."""
        try:
            return super().read(start, count_max)
        except FermataError as error:
            raise _unusable(error) from None


def _unusable(error: FermataError) -> FermataError:
    if isinstance(error, TransportError):
        return error
    return TransportError("COPY", "copy of the log: its auditor does not hand it out")


def unprepared(charter: Charter, auditors: Collection[str]) -> str:
    """What a lab lacks to tell silence from being cut off, in words; empty if nothing.

    ``auditors``: those whose addresses the lab's configuration has.
    """
    if charter.pause is None or not charter.pause.holds_in_silence:
        return ""
    needed, known = auditors_needed(charter), [a for a in auditors if a in charter.auditors]
    if len(known) >= needed:
        return ""
    return (
        f'the charter says silence = "hold", and [silence] names {len(known)} of its auditors: with'
        f" fewer than {needed}, this node cannot tell silence from being cut off, and holds only"
        " after twice silence_s"
    )


@dataclass(eq=False)
class SilenceWatch:
    """Decides, after each step of a lab's loop, whether its hook must be told of silence.

    ``copies``: by auditor, its copy of the log. ``data`` is the node's folder.
    """

    me: str
    replica: Replica
    signing_key: SigningKey
    copies: Mapping[str, Log]
    hook: Hook
    telemetry: Telemetry
    clock_ms: ClockMs
    data: Path

    def __post_init__(self) -> None:
        self._book = self.hook.silences
        self._asked_ms: int | None = None
        self._answers: dict[str, str] = {}
        self._holding = self.telemetry.gauge(
            "fermata_silence_holding", "1 while this lab holds because its log is silent."
        )
        self._holding.set(self._book.known.is_holding)

    def look(self) -> None:
        """Also after a step that failed. Raises InvalidProof SPLIT_VIEW, StorageError."""
        now_ms = self.clock_ms()
        known, state, charter = self._now(now_ms)
        answers = None
        if is_silent(known, state, charter.pause, now_ms) and self._may_ask(charter, now_ms):
            self._asked_ms = now_ms
            answers = self._ask(charter)
            known, state, charter = self._now(now_ms)
        change = change_of(known, charter, state, answers, now_ms)
        if change:
            self._tell(change, state, charter, now_ms)

    def _now(self, now_ms: int) -> tuple[Silence, State, Charter]:
        """What is remembered, and the witnessed state with its charter."""
        state = self.replica.trusted()
        self._book.keep(heard(self._book.known, self.replica.witnessed.size, now_ms))
        return self._book.known, state, state.charter or self.replica.charter

    def _may_ask(self, charter: Charter, now_ms: int) -> bool:
        silence_ms = charter.pause.silence_ms if charter.pause else 0
        wait_ms = max(ASK_MS_MIN, min(ASK_MS_MAX, silence_ms // ASKS))
        # A clock that was set back must not put this off until it has caught up.
        return self._asked_ms is None or not 0 <= now_ms - self._asked_ms < wait_ms

    def _ask(self, charter: Charter) -> dict[str, str]:
        """Asks all auditors of the charter whose address is known; what came of it, by auditor."""
        asked = {
            auditor: WitnessedLog(Copy(copy), self.replica.store)
            for auditor, copy in sorted(self.copies.items())
            if auditor in charter.auditors
        }
        if not asked:
            return {}
        with ThreadPoolExecutor(len(asked), thread_name_prefix="ask") as threads:
            heads = {a: threads.submit(_head_of, copy) for a, copy in asked.items()}
        answers = {}
        for auditor, copy in asked.items():
            try:
                note, witnesses = heads[auditor].result()
                self.replica.learn(note, witnesses, copy)
                answers[auditor] = NONE
            except InvalidProof as error:
                raise copy.with_evidence(error, self.data) from None
            except TransportError as error:
                answers[auditor] = UNUSABLE if error.reason == "COPY" else UNREACHABLE
            except VerificationError:
                answers[auditor] = UNUSABLE
            if self._answers.get(auditor) != answers[auditor]:
                self.telemetry.event("auditor_asked", party=auditor, status=answers[auditor])
        self._answers = answers
        return answers

    def _tell(self, change: str, state: State, charter: Charter, now_ms: int) -> None:
        """Makes a change durable, with its notice, for the hook's thread."""
        known, pinned = self._book.known, state.charter_sha256 or charter.sha256
        answers = () if change == OVER else tuple(Answer(a, w) for a, w in self._answers.items())
        brief = SilenceBrief(known.count, change, change != OVER, known.seen_ms, now_ms, answers)
        log = KnownLog(state.size, self.replica.tree.root(state.size).hex(), state.time_ms)
        notice = silence_notice(charter, pinned, self.me, brief, pause_brief(state), log)
        self._book.decide(change, notice.idempotency_key, seal_silence(notice, self.signing_key))
        self._holding.set(change != OVER)
        name = "silence_over" if change == OVER else "silence_hold"
        self.telemetry.event(name, status=change, entries=state.size)
        try:
            write_atomic(self.data / FILE, msgspec.json.format(msgspec.json.encode(notice)) + b"\n")
        except ConfigError as error:
            # The hook is told all the same, from the store.
            self.telemetry.event("alarm", reason=error.reason, where=FILE)


def _head_of(copy: Log) -> tuple[bytes, list[Witness]]:
    """A copy's head and cosignatures, the cosignatures first, as ``Replica.pull`` reads them."""
    witnesses = copy.witnesses()
    return copy.checkpoint(), witnesses
