"""Parties and the health of their nodes as records."""

from dataclasses import dataclass

from fermata.protocol.state.consents import not_consenting
from fermata.protocol.state.heartbeats import HeartbeatSeen
from fermata.protocol.state.state import CharteredState, State, parties_with_nodes
from fermata.protocol.succession.views import leader
from fermata.summary.records.clocks import clock_offsets, seen_ms
from fermata.types import Role


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One party of the charter in force, and its node's last heartbeat, or None.

    ``is_expected``: its node must be seen. ``seen_ms``: when it was last seen, in milliseconds
    since 1970, UTC, by the log; None if it never was, or the log has no time.
    ``ahead_s``: seconds by which its clock is ahead of the auditors', for sure; below 0 is behind.
    ``is_among_nodes``: ahead of most nodes' instead (``clocks.clock_offsets``).
    ``done``: what it has done in the newest round; None without a round, or unless ``is_expected``.
    ``excluded_from``: the first round from which a lab is excluded; None for everybody else.
    ``not_consented``: it is a lab whose owner has not consented to the charter in force, as its
    heartbeats say; ``accepted_charter``: the newest charter that it has accepted, its hash in hex;
    None if it has named none.
    """

    party: str
    role: Role
    organisation: str
    is_expected: bool
    beat: HeartbeatSeen | None
    seen_ms: int | None
    ahead_s: float
    done: str | None
    is_among_nodes: bool = False
    excluded_from: int | None = None
    not_consented: bool = False
    accepted_charter: str | None = None


def node_records(state: State) -> tuple[NodeRecord, ...]:
    """Every party in the roster's order; empty before the log has a charter."""
    if not isinstance(state, CharteredState):
        return ()
    expected, beats = parties_with_nodes(state), state.heartbeats
    unconsenting = not_consenting(state)
    offsets, exclusions = clock_offsets(state), state.governance.exclusions
    return tuple(
        NodeRecord(
            party=party.id,
            role=party.role,
            organisation=party.organisation,
            is_expected=party.id in expected,
            beat=beats.get(party.id),
            seen_ms=seen_ms(state, beats[party.id]) if party.id in beats else None,
            ahead_s=offsets.ahead_s.get(party.id, 0.0),
            done=_done(state, party.id) if party.id in expected else None,
            is_among_nodes=offsets.is_among_nodes,
            excluded_from=exclusions.get(party.id),
            not_consented=party.id in unconsenting,
            accepted_charter=_accepted(state, party.id),
        )
        for party in state.charter.parties.values()
    )


def _accepted(state: CharteredState, party: str) -> str | None:
    beat = state.heartbeats.get(party)
    return beat.accepted.hex() if beat is not None and beat.accepted else None


def _done(state: CharteredState, party: str) -> str | None:
    round_, charter = state.current, state.charter
    if round_ is None:
        return None
    if party == leader(charter, state.view):
        return round_.phase(charter.endorsement_quorum)
    if party in charter.auditors:
        steps = (("opened", party in round_.parts), ("endorsed", party in round_.endorsements))
    else:
        steps = (("reported", party in round_.reports), ("abstained", party in round_.abstained))
    return next((what for what, is_done in steps if is_done), "not yet")
