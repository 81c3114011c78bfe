"""A standby's copy of the log, as it is served to whoever reads (SU20)."""

from dataclasses import dataclass
from typing import NoReturn

from fermata.errors import IdentityError, Refusal, TransportError
from fermata.node.run.served_copy import ServedCopy
from fermata.protocol.standing.retention import lacking_text
from fermata.protocol.wire.ports import Receipt
from fermata.types import Role


@dataclass(frozen=True, slots=True)
class MirrorLog(ServedCopy):
    """A standby's copy as one caller reaches it: all that can be read, and nothing else.

    ``role``: the caller's. ``leader``: the coordinator that writes.
    """

    role: Role
    leader: str

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        """Raises TransportError NOT_LEADER."""
        self._not_leading()

    def add_cosignature(self, note: bytes) -> None:
        """Raises TransportError NOT_LEADER."""
        self._not_leading()

    def _not_leading(self) -> NoReturn:
        # No refusal: the statement may be in order, and belongs to another coordinator's log.
        raise TransportError("NOT_LEADER", f"log: {self.leader} writes the log; send it there")

    def prove_inclusion(self, entry: int, size: int) -> list[bytes]:
        """See Log. Raises Refusal RANGE."""
        tree = self.replica.tree
        if not 0 <= entry < size <= tree.size:
            raise Refusal("RANGE", f"log: has {tree.size} entries")
        return tree.inclusion_proof(entry, size)

    def prove_consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """See Log. Raises Refusal RANGE."""
        tree = self.replica.tree
        if not 0 <= old_size <= new_size <= tree.size:
            raise Refusal("RANGE", f"log: has {tree.size} entries")
        return tree.consistency_proof(old_size, new_size)

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """See Log. Raises IdentityError WRONG_ROLE, Refusal NO_SEALED."""
        if self.role not in (Role.AUDITOR, Role.COORDINATOR):
            raise IdentityError("WRONG_ROLE", "log: sealed parts are for auditors only")
        sealed_part = self.replica.store.sealed(sealed_sha256)
        if sealed_part is None:
            state, witnessed = self.replica.state, self.replica.witnessed.size
            why = lacking_text(state, witnessed, sealed_sha256)
            raise Refusal("NO_SEALED", f"log: {why}")
        return sealed_part
