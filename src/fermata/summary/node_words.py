"""Nodes in words: what of one needs attention, and what it has not done yet."""

from fermata.summary.records.clocks import OFFSET_S_MAX
from fermata.summary.records.nodes import NodeRecord
from fermata.summary.words import CERTIFICATE_WARN_MS


def node_troubles(node: NodeRecord, now_ms: int, silence_ms: int, stale_ms: int) -> list[str]:
    """What of a node needs attention; empty for a node that need not run.

    ``now_ms`` is the reader's clock, and ``silence_ms`` the time by which silence is judged (see
    ``silence_ms`` of the clocks' records), both in milliseconds since 1970. ``stale_ms``: a node
    that was last seen longer ago needs attention.
    """
    beat, troubles = node.beat, []
    if not node.is_expected:
        return []
    if beat is None:
        return ["was never seen"]
    if node.seen_ms is not None and silence_ms > node.seen_ms + stale_ms:
        troubles.append(f"not seen for {(silence_ms - node.seen_ms) // 1000} s")
    # What a silent node last said of its clock is out of date.
    elif abs(node.ahead_s) > OFFSET_S_MAX:
        others = "those of most nodes" if node.is_among_nodes else "the auditors'"
        troubles.append(f"its clock is {node.ahead_s:+.0f} s off {others}")
    if node.not_consented:
        last = (node.accepted_charter or "")[:16]
        troubles.append(f"not consented to the charter in force; the newest it accepts is {last}")
    if now_ms > beat.certificate_expires_ms:
        troubles.append("its certificate has ended")
    elif now_ms > beat.certificate_expires_ms - CERTIFICATE_WARN_MS:
        troubles.append("its certificate ends within three days")
    return troubles


def backlog_text(node: NodeRecord) -> list[str]:
    """Whether a node had unsent statements at its last heartbeat: one text or none."""
    waits = node.is_expected and node.beat is not None and node.beat.backlog
    return ["has statements that it could not send yet"] if waits else []


def done_text(node: NodeRecord) -> str:
    """What a node has done in the newest round, or that its lab is excluded or without consent."""
    if node.excluded_from is not None:
        return f"excluded from round {node.excluded_from} on"
    return "not consented" if node.not_consented else node.done or "-"
