"""Which charters a lab's owner has agreed to, and whether the one in force is among them.

Normative text: docs/spec/consent.md, CO5.
"""

from collections.abc import Collection

from fermata.protocol.consent.comparison import is_nowhere_weaker
from fermata.protocol.state.consents import voted_for
from fermata.protocol.state.state import State
from fermata.protocol.wire.ports import Store

#: The note of the store that has the accepted hashes, 32 bytes each, in the order of acceptance.
ACCEPTED = "accepted-charters"
_HASH_BYTES = 32


def agreed_to(
    state: State, lab: str, accepted: Collection[bytes], is_by_itself: bool
) -> tuple[bytes, ...]:
    """The hashes of the charters so far, up to the one in force, that the owner has agreed to.

    These are those in ``accepted``, those that the lab has voted for, and with ``is_by_itself``
    each that is nowhere weaker for the lab than the newest before it that the owner had agreed to.
    """
    agreed, base = [], None
    voted = voted_for(state, lab)
    for version in state.charters:
        charter = version.charter
        # CO5.1: what the committee decides alone does not bind a lab's figures.
        is_accepted = charter.sha256 in accepted or charter.sha256 in voted
        # CO5.2: an owner need not read what can only protect the lab better.
        is_no_weaker = is_by_itself and base is not None and is_nowhere_weaker(base, charter, lab)
        if is_accepted or is_no_weaker:
            agreed.append(charter.sha256)
            base = charter
    return tuple(agreed)


def is_agreed(state: State, agreed: Collection[bytes]) -> bool:
    """Whether the charter in force is one of these; False before there is one."""
    return state.charter is not None and state.charter.sha256 in agreed


class Consents:
    """A lab's accepted charters, in its node's store.

    ``pinned`` are hashes of charters that the owner has put into the node's configuration.
    """

    def __init__(
        self, lab: str, store: Store, pinned: Collection[bytes], is_by_itself: bool
    ) -> None:
        self._lab = lab
        self._store = store
        self._is_by_itself = is_by_itself
        kept = store.value(ACCEPTED) or b""
        self._kept = [kept[i : i + _HASH_BYTES] for i in range(0, len(kept), _HASH_BYTES)]
        self._accept(pinned)

    @property
    def accepted(self) -> tuple[bytes, ...]:
        """The accepted hashes, the oldest first."""
        return tuple(self._kept)

    def accept(self, charter_sha256: bytes) -> None:
        """Keeps what the owner has accepted; it is durable when this returns."""
        self._accept([charter_sha256])

    def newest_agreed(self, state: State) -> bytes:
        """The hash of the newest charter of the log that the owner has agreed to; empty if none.

        What follows from it is kept.
        """
        agreed = agreed_to(state, self._lab, self._kept, self._is_by_itself)
        self._accept(agreed)
        return agreed[-1] if agreed else b""

    def has_agreed(self, state: State) -> bool:
        """Whether that is the charter in force."""
        return is_agreed(state, (self.newest_agreed(state),))

    def _accept(self, hashes: Collection[bytes]) -> None:
        new = [h for h in dict.fromkeys(hashes) if h not in self._kept]
        if new:
            self._store.put_value(ACCEPTED, b"".join([*self._kept, *new]))
            self._kept += new
