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
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.sealed_parts import SealedParts
from fermata.protocol.standing.dropping import Dropper
from fermata.protocol.wire.ports import Log


def learn_from(replica: Replica, others: Sequence[Log]) -> int:
    """Takes what the copies of others have beyond a replica while the leader does not answer;
    returns how many entries came. A copy that cannot be read, or does not hold, counts for nothing
    (silence.md, SI3). Raises StorageError.
    """
    before = replica.tree.size
    for other in others:
        with suppress(TransportError, VerificationError, IdentityError):
            news = other.news(0, 0)
            replica.learn(news.checkpoint, news.witnesses, other)
    return replica.tree.size - before


@dataclass(eq=False)
class Mirror:
    """Keeps a standby's replica up to what the leader, or any other coordinator, shows.

    ``tell`` gets the reason for which the leader's log was not taken, once while it lasts.
    ``sealed``: the parts that its copy lacks, also for readers in other threads.
    """

    replica: Replica
    tell: Callable[[str], None]
    sealed: SealedParts
    _last_reason: str = field(default="", init=False)

    def __post_init__(self) -> None:
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
            learn_from(self.replica, others)
        came = self.replica.tree.size - before
        self.sealed.look()
        came += self.sealed.fetch([leader, *others])
        return came + self._dropper.step(self.replica.state, self.replica.witnessed.size)
