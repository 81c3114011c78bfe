"""What a node has not done yet, in words."""

from fermata.summary.records.nodes import NodeRecord


def backlog_text(node: NodeRecord) -> list[str]:
    """Whether a node had unsent statements at its last heartbeat: one text or none."""
    waits = node.is_expected and node.beat is not None and node.beat.backlog
    return ["has statements that it could not send yet"] if waits else []
