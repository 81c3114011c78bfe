"""A coordinator begins its view: SU14 of succession.md."""

from collections.abc import Iterable

from fermata.crypto.signing import SigningKey
from fermata.errors import Refusal
from fermata.protocol.fold.references import bind
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.succession.handover import make_handover
from fermata.protocol.succession.views import Views, leader
from fermata.protocol.wire.envelope import seal_statement
from fermata.protocol.wire.ports import Receipt
from fermata.wire.v1.statement_pb2 import Statement
from fermata.wire.v1.succession_pb2 import Handover


def take_over(
    writer: LogWriter, me: str, key: SigningKey, view: int, leaves: Iterable[bytes]
) -> Receipt:
    """Begins a view after all entries that the writer's copy has, with a quorum's Leaves for it.

    ``leaves``: envelopes, of different auditors. Raises ValueError if the copy lacks what a
    certificate shows; what ``open_leave`` raises; and as ``begin_view`` does.
    """
    state = writer.state.chartered()
    views = Views.of(state.charter, state.charter_sha256)
    return begin_view(writer, me, key, make_handover(views, view, writer.replica.tree, leaves))


def begin_view(writer: LogWriter, me: str, key: SigningKey, handover: Handover) -> Receipt:
    """Begins a view with a Handover that was made for all entries of the writer's copy.

    Raises Refusal VIEW or NOT_LEADER if the view is not this coordinator's to begin; as the fold
    does for too few Leaves, or for a Handover of other entries; StorageError.
    """
    state, view = writer.state.chartered(), handover.view
    # SU14.1: one log for each view, also after a crash.
    if view <= state.view:
        raise Refusal("VIEW", f"handover: view {state.view} has begun, so {view} is over")
    # SU14.2: a view of another coordinator.
    if leader(state.charter, view) != me:
        raise Refusal("NOT_LEADER", f"handover: view {view} is not led by {me}")
    statement = Statement(charter_sha256=state.charter.sha256, author=me, handover=handover)
    bind(writer.replica.tree, statement)
    return writer.append(seal_statement(statement, {me: key}))
