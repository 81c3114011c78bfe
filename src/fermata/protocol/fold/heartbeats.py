"""F10 of docs/spec/fold.md: heartbeats, and the time that those of the auditors tell."""

from dataclasses import replace

from fermata.errors import InvalidEncoding, Refusal
from fermata.log.merkle import HASH_BYTES
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import TIME_MS_MAX
from fermata.protocol.fold.entry import Entry
from fermata.protocol.fold.governance import motions
from fermata.protocol.fold.limits import is_news
from fermata.protocol.growing import with_item
from fermata.protocol.state.consents import newest_charter
from fermata.protocol.state.heartbeats import HeartbeatSeen, Plea
from fermata.protocol.state.state import CharteredState, State
from fermata.types import EnvelopeHash, RoundNumber, TimeMs
from fermata.wire.v1 import statement_pb2

#: Two heartbeats of a node that tell nothing new are at least so far apart.
INTERVAL_MS_MIN = 60_000
VERSION_CHARACTERS_MAX = 40
#: Pleas of one heartbeat.
PLEAS_MAX = 16


def heartbeat(
    state: CharteredState, entry: Entry, wire: statement_pb2.Heartbeat, author: str
) -> CharteredState:
    """F10: a node's health; an auditor's is the time as well. Raises VerificationError."""
    # F10.1: dates beyond it overflow.
    if max(wire.time_ms, wire.certificate_expires_ms) > TIME_MS_MAX:
        raise Refusal("TIME", f"heartbeat: {author} names a time beyond the year 9000")
    last = state.heartbeats.get(author)
    # F10.2: a replayed heartbeat makes a dead node look alive. Times do not order heartbeats: a
    # clock that was ahead and is right again goes back. And nobody runs out of counts.
    count = next_count(state, author)
    if wire.count != count:
        raise Refusal("STALE", f"heartbeat: the next of {author} must have count {count}")
    # F10.3: a node that has folded less than before has another log, or lost its store.
    if last is not None and entry.seen < last.seen:
        raise Refusal(
            "SEEN_BACK",
            f"heartbeat: {author} had folded entry {last.seen}, and names entry {entry.seen}",
        )
    time_ms = TimeMs(wire.time_ms)
    # F10.4: one node must not fill the log.
    if last is not None and not _is_wanted(state, entry, author, last, time_ms):
        raise Refusal("TOO_OFTEN", f"heartbeat: {author} has sent one a moment ago")
    # F10.5: other text could harm a screen.
    version = wire.version
    if len(version) > VERSION_CHARACTERS_MAX or not version.isascii() or not version.isprintable():
        raise InvalidEncoding(
            "VERSION",
            f"heartbeat: the version must have at most {VERSION_CHARACTERS_MAX} printable ASCII"
            " characters",
        )
    check_pleas(wire, author in state.charter.auditors)  # F10.6 to F10.8.
    check_accepted(state, wire.accepted_charter_sha256, author)  # F10.9 to F10.11.
    if author in state.charter.auditors:
        state = replace(state, clock=state.clock.heard(author, entry.seen, time_ms))
    seen = HeartbeatSeen(
        entry.index,
        wire.count,
        entry.seen,
        state.time_ms,
        time_ms,
        version,
        wire.certificate_expires_ms,
        wire.backlog,
        tuple(
            Plea(RoundNumber(p.round), p.lab, EnvelopeHash(p.envelope_sha256)) for p in wire.pleas
        ),
        wire.accepted_charter_sha256,
        newest_charter(
            state, (wire.accepted_charter_sha256, last.accepted if last is not None else b"")
        ),
    )
    return motions.settle(replace(state, heartbeats=with_item(state.heartbeats, author, seen)))


def check_pleas(wire: statement_pb2.Heartbeat, is_auditor: bool) -> None:
    """F10.6 to F10.8: the form of the pleas. Whether one counts is asked elsewhere (PL2)."""
    # F10.6: a lab could let the close wait for its own report, or for anyone's.
    if wire.pleas and not is_auditor:
        raise Refusal("PLEA_AUTHOR", "heartbeat: only an auditor's may have pleas")
    labs = [plea.lab for plea in wire.pleas]
    # F10.7: one list in several orders, or one that fills the state.
    if len(labs) > PLEAS_MAX or labs != sorted(set(labs)):
        raise Refusal(
            "PLEA_LIST",
            f"heartbeat: must have at most {PLEAS_MAX} pleas, ordered by lab, one for each",
        )
    # F10.8: other bytes name nothing, and take room in the state.
    if any(len(plea.envelope_sha256) != HASH_BYTES for plea in wire.pleas):
        raise InvalidEncoding(
            "LENGTH", f"heartbeat: each plea must name an envelope by a hash of {HASH_BYTES} bytes"
        )


def check_accepted(state: CharteredState, charter_sha256: bytes, author: str) -> None:
    """F10.9 to F10.11: which charter a heartbeat may name as the newest that is accepted."""
    if not charter_sha256:
        return
    # F10.9: nobody else's consent is asked, and it would take room in the state.
    if author not in state.charter.labs:
        raise Refusal("CONSENT_AUTHOR", "heartbeat: only a lab's may name an accepted charter")
    # F10.10: other bytes name nothing.
    if len(charter_sha256) != HASH_BYTES:
        raise InvalidEncoding(
            "LENGTH",
            f"heartbeat: the accepted charter must be named by a hash of {HASH_BYTES} bytes",
        )
    # F10.11: a lab must not owe by a charter that is not the log's, or that asks nothing of it.
    known = {v.charter.sha256 for v in state.charters if author in v.charter.labs}
    if charter_sha256 not in known:
        raise Refusal(
            "CONSENT_CHARTER",
            f"heartbeat: the charter that {author} accepts must be one that is or was in force"
            " and that has it as a lab",
        )


def stale_ms(charter: Charter) -> int:
    """How long after its last heartbeat a node needs attention (ms): three are missing then."""
    return 3000 * charter.heartbeat_s


def next_count(state: State, author: str) -> int:
    """The count of a party's next heartbeat: one more than that of its last in the log."""
    last = state.heartbeats.get(author)
    return 1 if last is None else last.count + 1


def _is_wanted(
    state: CharteredState, entry: Entry, author: str, last: HeartbeatSeen, time_ms: TimeMs
) -> bool:
    """T4: a minute has passed, by the auditor's own clock or by the log's, or a limit needs it."""
    if author not in state.charter.auditors:
        return state.time_ms >= last.logged_ms + INTERVAL_MS_MIN
    is_apart = abs(time_ms - last.time_ms) >= INTERVAL_MS_MIN
    return is_apart or is_news(state, author, entry.seen, time_ms)
