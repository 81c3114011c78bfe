"""A standby keeps the log as the leader writes it, with its sealed parts (SU11, SU20)."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from fermata.errors import (
    FermataError,
    IdentityError,
    StorageError,
    TransportError,
    VerificationError,
)
from fermata.protocol.roles.replica import READ_COUNT, Replica
from fermata.protocol.standing.dropping import Dropper, sealed_named
from fermata.protocol.standing.retention import judged_size, letting_go
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.ports import Log

#: In the store: from which entry on sealed parts may be missing.
SEALED_FROM = "sealed-from"
#: Sealed parts that are asked for in one step.
FETCH_MAX = 16


@dataclass(eq=False)
class SealedParts:
    """Fetches the sealed part of each logged report, and goes on after a restart (SU11).

    A part that nobody hands out is asked for again, after all others that are missing.
    """

    replica: Replica
    _missing: dict[int, bytes] = field(default_factory=dict, init=False)
    _looked: int = field(default=0, init=False)
    _kept: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        kept = self.replica.store.value(SEALED_FROM)
        self._looked = self._kept = int.from_bytes(kept or b"", "big")

    def fetch(self, sources: Sequence[Log]) -> int:
        """Asks each source in turn for what is missing; returns how many parts came.

        Raises StorageError.
        """
        self._look()
        self._let_go()
        came = 0
        for entry, digest in list(self._missing.items())[:FETCH_MAX]:
            del self._missing[entry]
            sealed_part = _first_of(sources, digest)
            if sealed_part is not None:
                self.replica.store.put_sealed(sealed_part)
                came += 1
            else:
                # Those that are gone for good must not keep the others from being asked for.
                self._missing[entry] = digest
        self._keep(min(self._missing, default=self._looked))
        return came

    @property
    def lacking(self) -> tuple[bytes, ...]:
        """SHA-256 of the parts that have not come, of the entries that it has looked at."""
        return tuple(self._missing.values())

    def _keep(self, complete_to: int) -> None:
        if complete_to != self._kept:
            self._kept = complete_to
            self.replica.store.put_value(SEALED_FROM, complete_to.to_bytes(8, "big"))

    def _let_go(self) -> None:
        """SU22: what the term lets go is asked of nobody; by its own copy, whatever others say."""
        if not self._missing:
            return
        state = self.replica.state
        going = letting_go(state, judged_size(state, self.replica.witnessed.size))
        for entry, digest in list(self._missing.items()):
            if going.lets_go(entry, digest):
                del self._missing[entry]

    def _look(self) -> None:
        """Notes the reports among the entries that came since it looked last."""
        store, size = self.replica.store, self.replica.tree.size
        for start in range(self._looked, size, READ_COUNT):
            stop = min(start + READ_COUNT, size)
            for entry, digest in sealed_named(store.leaves(start, stop), start):
                if store.sealed(digest) is None:
                    self._missing[entry] = digest
        self._looked = size


def _first_of(sources: Sequence[Log], digest: bytes) -> bytes | None:
    for source in sources:
        with suppress(TransportError, VerificationError, IdentityError):
            sealed_part = source.fetch_sealed(digest)
            if sha256(sealed_part) == digest:
                return sealed_part
    return None


@dataclass(eq=False)
class Mirror:
    """Keeps a standby's replica up to what the leader, or any other coordinator, shows.

    ``tell`` gets the reason for which the leader's log was not taken, once while it lasts.
    """

    replica: Replica
    tell: Callable[[str], None]
    _last_reason: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.sealed = SealedParts(self.replica)
        self._dropper = Dropper(self.replica.store)

    def step(self, leader: Log, others: Sequence[Log]) -> int:
        """Reads once; returns how much came. A leader that is silent, or breaks its word, stops no
        standby: it keeps what it has, and learns from the copies of the others.

        Raises StorageError.
        """
        before = self.replica.tree.size
        try:
            self.replica.pull(leader)
            self._last_reason = ""
        except StorageError:
            raise
        except FermataError as error:
            if error.reason != self._last_reason:
                self._last_reason = error.reason
                self.tell(error.reason)
            for other in others:
                with suppress(TransportError, VerificationError, IdentityError):
                    news = other.news(0, 0)
                    self.replica.learn(news.checkpoint, news.witnesses, other)
        came = self.replica.tree.size - before
        came += self.sealed.fetch([leader, *others])
        return came + self._dropper.step(self.replica.state, self.replica.witnessed.size)
