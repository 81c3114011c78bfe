"""Participants' health, the key in force, and the account of dues, as pages show them."""

from dataclasses import dataclass

from fermata.protocol.charter.parse import Charter, Party
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.state.state import HeartbeatSeen, State, parties_with_nodes
from fermata.summary.clocks import OFFSET_S_MAX, clock_ahead_s
from fermata.summary.dues_account import Account, account_of, dues_lines

#: Nodes beat once a minute unless they are told otherwise.
STALE_MS = 300_000
CERTIFICATE_WARN_MS = 3 * 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One participant. ``troubles`` is what needs a look; all texts are empty if it never beat."""

    party: str
    role: str
    organisation: str
    version: str
    last_seen: str
    ago: str
    entry: int
    certificate_until: str
    clock: str
    backlog: str
    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyView:
    """The threshold key in force."""

    epoch: int
    origin: str
    threshold: int
    auditors: int
    modulus_bits: int
    key_id: str
    epoch_id: str
    entry: int
    since: str


@dataclass(frozen=True, slots=True)
class DuesRow:
    """What one lab owes for one round."""

    round: int
    period: str
    lab: str
    basis: str
    amount: str


@dataclass(frozen=True, slots=True)
class DuesView:
    """The account: lines newest round first, sums by lab and by round, and the total."""

    unit: str
    by: str
    lines: tuple[DuesRow, ...]
    by_lab: tuple[tuple[str, str], ...]
    by_round: tuple[tuple[int, str, str], ...]
    total: str


def node_rows(state: State, charter: Charter, now_ms: int) -> tuple[NodeRow, ...]:
    """Every participant's health, by its last heartbeat in the log."""
    expected = parties_with_nodes(state)
    rows = []
    for party in charter.parties.values():
        beat, ahead_s = state.heartbeats.get(party.id), clock_ahead_s(state, party.id)
        troubles = _troubles(beat, now_ms, ahead_s) if party.id in expected else ()
        rows.append(_node_row(party, beat, now_ms, ahead_s, troubles))
    return tuple(rows)


def _node_row(
    party: Party,
    beat: HeartbeatSeen | None,
    now_ms: int,
    ahead_s: float,
    troubles: tuple[str, ...],
) -> NodeRow:
    known = (party.id, party.role, party.organisation)
    if beat is None:
        return NodeRow(*known, "", "", "", -1, "", "", "", troubles)
    return NodeRow(
        *known,
        version=beat.version,
        last_seen=utc_text(beat.logged_ms),
        ago=f"{duration_text(max(0, now_ms - beat.logged_ms))} ago",
        entry=beat.entry,
        certificate_until=utc_text(beat.certificate_expires_ms),
        clock=f"{ahead_s:+.1f} s",
        backlog=str(beat.backlog),
        troubles=troubles,
    )


def _troubles(beat: HeartbeatSeen | None, now_ms: int, ahead_s: float) -> tuple[str, ...]:
    if beat is None:
        return ("never seen",)
    found = []
    if now_ms > beat.logged_ms + STALE_MS:
        found.append("not seen lately")
    if now_ms > beat.certificate_expires_ms:
        found.append("its certificate has ended")
    elif now_ms > beat.certificate_expires_ms - CERTIFICATE_WARN_MS:
        found.append("its certificate ends within three days")
    if abs(ahead_s) > OFFSET_S_MAX:
        found.append("its clock is off")
    if beat.backlog:
        found.append("has statements that it could not send yet")
    return tuple(found)


def duration_text(milliseconds: int) -> str:
    """A duration in its two largest units, such as "2 h 5 min"."""
    seconds = milliseconds // 1000
    parts: list[str] = []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count or (name == "s" and not parts):
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def key_view(state: State) -> KeyView | None:
    """The key in force; None before its record is in the log."""
    key = state.key
    if key is None:
        return None
    return KeyView(
        epoch=key.record.epoch,
        origin=key.record.origin,
        threshold=key.record.threshold,
        auditors=key.record.auditors,
        modulus_bits=key.record.n.bit_length(),
        key_id=key.key_id.hex(),
        epoch_id=key.epoch_id.hex(),
        entry=key.entry,
        since=utc_text(key.time_ms),
    )


def dues_view(state: State, charter: Charter) -> DuesView | None:
    """The public account, each round by the charter it was held under; None without dues."""
    if charter.dues is None:
        return None
    account: Account = account_of(charter.dues.unit, dues_lines(state))
    periods: dict[int, str] = {found.number: found.period for found in state.rounds}
    return DuesView(
        unit=account.unit,
        by=f"the band of {charter.dues.metric}" if charter.dues.bands else "the lab's tier",
        lines=tuple(
            DuesRow(each.round, periods[each.round], each.lab, each.basis, f"{each.amount:f}")
            for each in sorted(account.lines, key=lambda line: -line.round)
        ),
        by_lab=tuple((lab, f"{amount:f}") for lab, amount in account.by_lab.items()),
        by_round=tuple(
            (number, periods[number], f"{amount:f}") for number, amount in account.by_round.items()
        ),
        total=f"{account.total:f}",
    )
