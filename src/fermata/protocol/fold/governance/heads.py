"""By which key a head of the log is signed, where the coordinator's may have changed.

Normative text: docs/spec/log.md, L40 and L41. Heads and receipts of an earlier key stay valid
for the sizes at which it was in force, and for no others.
"""

from fermata.errors import InvalidSignature
from fermata.log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, parse_note
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.governance.amendment import carried_amendment
from fermata.protocol.state.state import State
from fermata.protocol.succession.views import leader, view_at


def head_keys(state: State, pinned: Charter, size: int) -> tuple[bytes, ...]:
    """Keys (32 bytes each) of which one signs a head of ``size`` entries, as far as is known.

    L40.1: that of the charter in force after so many entries. L40.2: and that of the charter which
    follows it, while that has carried and is not in force: the coordinator's node has one key, and
    must have the new one when it logs what brings it into force. L41.2: of the coordinators, that
    of the head's view.
    """
    charters = [v.charter for v in state.charters] or [pinned]
    first = sum(v.entry < size for v in state.charters[1:])
    ahead = charters[first : first + 2]
    motion = carried_amendment(state)
    if len(ahead) == 1 and motion is not None and motion.charter is not None:
        ahead.append(motion.charter)
    view = view_at(state.handovers, size)
    keys = [charter.parties[leader(charter, view)].signing_key for charter in ahead]
    return tuple(dict.fromkeys(keys))


def open_head(state: State, pinned: Charter, note: bytes) -> Checkpoint:
    """The checkpoint of a note that the coordinator has signed.

    ``pinned`` is the charter before entry 0 is known. Raises as ``open_checkpoint`` does.
    """
    size = parse_checkpoint(parse_note(note).text).size
    keys = head_keys(state, pinned, size)
    # L41.1: a head of a view that is over says nothing of the entries after it.
    origin = pinned.origin_of(view_at(state.handovers, size))
    for key in keys[:-1]:
        try:
            return open_checkpoint(note, origin, origin, key)
        except InvalidSignature:
            continue
    return open_checkpoint(note, origin, origin, keys[-1])
