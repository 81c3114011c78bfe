"""Nodes in words: what of one needs attention, what it has not done yet, and who leads the log."""

from fermata.summary.records.clocks import OFFSET_S_MAX
from fermata.summary.records.nodes import NodeRecord
from fermata.summary.records.succession import SuccessionRecord
from fermata.summary.words import CERTIFICATE_WARN_MS, time_text


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


def leader_line(record: SuccessionRecord) -> str:
    """Who leads the log, since when and by whose Leaves, and who follows, in a line."""
    line, since = f"view {record.view}: {record.leader} leads the log", record.since
    if since is not None:
        line += f" since {time_text(since.time_ms)}, entry {since.entry}"
        line += f", by the Leaves of {', '.join(since.auditors)}"
    if since is not None and since.left_out:
        line += f"; the heads of {', '.join(since.left_out)} are left out"
    return f"{line}; next in turn: {', '.join(record.following)}"


def left_lines(record: SuccessionRecord) -> list[str]:
    """Which auditors are known to have left for a later view: a line for each view."""
    return [
        f"left for view {view}, which {record.leads(view)} would lead: {', '.join(auditors)};"
        f" {record.needed} Leaves are needed"
        for view, auditors in record.left_for.items()
    ]


def left_troubles(record: SuccessionRecord) -> list[tuple[str, str]]:
    """(auditor, what): those that have left, and so say and cosign nothing for now."""
    return [
        (auditor, f"it has left for view {view}, and says nothing until a Handover of it comes")
        for auditor, view in record.left.items()
    ]
