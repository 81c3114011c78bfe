"""The one view of the log that commands trust: what a quorum of auditors has witnessed.

A head that the coordinator alone has signed says what it wants this reader to see. Commands say
what follows from the witnessed prefix, and say how much of the log that is.
"""

from pathlib import Path

from fermata.cli.output import say
from fermata.cli.read.log import replicate
from fermata.errors import InvalidProof, TransportError
from fermata.node.config import NodeConfig
from fermata.node.files import ensure_directory, read_file, write_atomic
from fermata.node.storage.high_water import HEAD_BYTES_MAX, open_head
from fermata.node.storage.high_water import NAME as NODE_HEAD
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.crossing import view_of

#: The newest head that a command with this folder was shown.
SEEN_HEAD = "view.note"


def witnessed_line(replica: Replica) -> str:
    """How much of a log is witnessed, and whom the rest waits for."""
    size, witnessed = replica.tree.size, replica.witnessed
    waits = witnessed.waits_for(size, replica.charter.auditors)
    rest = f"; the rest waits for {', '.join(waits)}" if waits else ""
    false = f"; cosignatures that do not hold: {', '.join(witnessed.false)}"
    return (
        f"{witnessed.size} of {size} entries are witnessed by {witnessed.quorum} auditors{rest}"
        + (false if witnessed.false else "")
    )


def trusted_view(config: NodeConfig) -> Replica:
    """The log of which this folder may trust what is witnessed: see ``Replica.trusted``.

    Raises TransportError NOT_COSIGNED if nothing is witnessed, and as ``view_of_log`` does.
    """
    replica = view_of_log(config)
    # L36.1: what only the coordinator signed, it may have shown to nobody else.
    if not replica.witnessed.size:
        raise TransportError(
            "NOT_COSIGNED",
            f"log: {witnessed_line(replica)}; a head that only the coordinator signed is"
            " not trusted; see whether the auditors' nodes run, and try again",
        )
    if replica.witnessed.size < replica.tree.size:
        say(f"{witnessed_line(replica)}; what follows is of the witnessed entries")
    return replica


def view_of_log(config: NodeConfig) -> Replica:
    """The log up to its head, and what is witnessed of it.

    The log must extend every head that this folder has seen; its own is then kept. Raises
    InvalidProof ROLLBACK or SPLIT_VIEW, TransportError OLD_VIEW, ConfigError HEAD_NOTE, and as
    ``replicate`` does.
    """
    # A node that runs beside this command keeps newer heads while the log is read.
    known = {path: read_file(path, HEAD_BYTES_MAX) for path in _heads(config) if path.exists()}
    replica, _ = replicate(config)
    for path, earlier in known.items():
        _check_extends(replica, path, earlier)
    note = replica.store.checkpoint()
    if note is not None:
        ensure_directory(config.data)
        write_atomic(config.data / SEEN_HEAD, note)
    return replica


def _heads(config: NodeConfig) -> tuple[Path, ...]:
    return config.data / NODE_HEAD, config.data / SEEN_HEAD


def _is_of_view_before(replica: Replica, path: Path, note: bytes) -> bool:
    """Whether a kept head is of a view that is over in this log. Raises TransportError OLD_VIEW."""
    view, current = view_of(replica.charter, note), replica.state.view
    # L37.3: a view may lack what the one before it had, and is over once the next has begun.
    if view is not None and view > current:
        raise TransportError(
            "OLD_VIEW",
            f"log: is of view {current}, and {path} is a head of view {view}; the coordinator that"
            " answered was left, or the one that leads does not answer: try again",
        )
    return view is not None and view < current


def _check_extends(replica: Replica, path: Path, note: bytes) -> None:
    if _is_of_view_before(replica, path, note):
        return
    head = open_head(replica, path, note)
    size = replica.tree.size
    # L37.1: a log set back to before an entry would take back what it promised.
    if head.size > size:
        raise InvalidProof(
            "ROLLBACK", f"log: shows {size} entries, and {path} is a signed head of {head.size}"
        )
    # L37.2: another log for this reader than before.
    if replica.tree.root(head.size) != head.root:
        raise InvalidProof(
            "SPLIT_VIEW",
            f"log: its first {head.size} entries are not those of the signed head {path}; keep both"
            " and show them to the auditors",
        )
