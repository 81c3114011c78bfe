"""Which view a node's copy of the log is in, and who leads it (SU1)."""

from fermata.node.run.succession.board_folder import LogStanding
from fermata.protocol.roles.replica import Replica
from fermata.protocol.succession.views import Views


def standing_of(replica: Replica) -> LogStanding:
    """The log that a node has."""
    state, tree = replica.state, replica.tree
    handover = state.handovers[-1].start if state.handovers else 0
    return LogStanding(state.view, handover, tree)


def views_of(replica: Replica) -> Views:
    """The views under the charter in force; Leaves are bound to that of entry 0."""
    pinned = replica.charters[0].charter.sha256
    return Views.of(replica.charter, pinned)


def leader_of(replica: Replica) -> str:
    """The coordinator that writes the log which this node has."""
    return views_of(replica).coordinator(standing_of(replica).view).id


def has_successors(replica: Replica) -> bool:
    """Whether the charter in force names other coordinators."""
    return replica.charter.succession is not None
