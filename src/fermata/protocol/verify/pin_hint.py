"""The hint for a reader that pinned a log by the hash of an amended charter."""

from collections.abc import Iterable

from fermata.protocol.fold.apply import apply
from fermata.protocol.state.state import State


def hint_for_pin(leaves: Iterable[bytes], pinned: bytes, modulus_bits_min: int) -> str:
    """The text that says from which round the charter with hash ``pinned`` is in force, or "".

    The log is folded as if no hash had been asked for. Nothing else is concluded from that: the
    bundle stays invalid, since whoever made its entry 0 may have put that charter into it.
    """
    state = State(modulus_bits_min=modulus_bits_min)
    for leaf in leaves:
        state, _ = apply(state, leaf)
        if state.charter is None:
            return ""
    for version in state.charters[1:]:
        if version.charter.sha256 == pinned:
            first = state.charters[0].charter.sha256.hex()
            return (
                f"; the hash is that of the amended charter in force from round"
                f" {version.from_round}, but a log is pinned by the charter of entry 0: if the"
                f" parties confirm that theirs has the hash {first}, give that one"
            )
    return ""
