"""F15 of docs/spec/fold.md: another coordinator goes on with the log, and signs it from then on."""

from dataclasses import replace

from fermata.errors import Refusal
from fermata.protocol.fold.entry import Entry
from fermata.protocol.state.state import CharteredState
from fermata.protocol.succession.handover import check_handover
from fermata.protocol.succession.views import Views, leader
from fermata.protocol.wire.codec import decode_entry
from fermata.wire.v1.succession_pb2 import Handover


def handover(state: CharteredState, entry: Entry, wire: Handover, author: str) -> CharteredState:
    """The log in its next view. Raises VerificationError."""
    charter, start = state.charter, entry.index
    # F15.1: a log with one writer has no other.
    if charter.succession is None:
        raise Refusal("NO_SUCCESSORS", "handover: the charter in force has no successors")
    # F15.2: a view that is over would begin again, with what had been given up.
    if wire.view <= state.view:
        raise Refusal("VIEW", f"handover: must be for a view after {state.view}, got {wire.view}")
    # F15.3: a coordinator that takes the turn of another.
    if author != leader(charter, wire.view):
        raise Refusal(
            "NOT_LEADER",
            f"handover: view {wire.view} is led by {leader(charter, wire.view)}, not {author}",
        )
    # F15.4: one Handover that is logged again after other entries than it was signed for.
    if entry.seen != start - 1:
        raise Refusal("SEEN_BEFORE", f"handover: must have seen entry {start - 1}, the last before")
    before = decode_entry(entry.leaf).previous_root
    # F15.5: SU6.1 to SU6.4 and SU8.1 to SU8.5.
    handed = check_handover(Views.of(charter, state.charter_sha256), wire, start, before)
    return replace(state, handovers=(*state.handovers, handed))
