"""The network between the nodes and the log: requests get lost, doubled, delayed, cut off."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from fermata.errors import IdentityError, TransportError, VerificationError
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.wire.ports import Log, News, Receipt, Witness, gathered_news
from fermata.sim.dice import Dice
from fermata.sim.faults import Crash, Tally
from fermata.sim.reference.watch import Watch
from fermata.types import Role

T = TypeVar("T")
Request = Callable[[LogWriter], T]


@dataclass(frozen=True, slots=True)
class Odds:
    """How many of a thousand requests meet each fault."""

    lost: int = 0
    reply_lost: int = 0
    duplicated: int = 0
    delayed: int = 0


CALM = Odds()


@dataclass
class Network:
    """Carries requests to whichever log writer is reachable for the caller.

    ``writer_for`` gives None while the coordinator is down. ``on_crash`` is called when the
    coordinator's process ends in the middle of somebody's request. ``watch`` sees everything that
    crosses the network.
    """

    dice: Dice
    tally: Tally
    writer_for: Callable[[str], LogWriter | None]
    on_crash: Callable[[Crash], None]
    watch: Watch
    odds: Odds = CALM
    cut_off: set[str] = field(default_factory=set)
    held_up: list[Request[object]] = field(default_factory=list)

    def carry(self, caller: str, request: Request[T], can_wait: bool) -> T:
        """Delivers, loses or delays a request. Raises TransportError, or what the log raises."""
        if caller in self.cut_off:
            raise TransportError("UNREACHABLE", f"log: cannot be reached from {caller}")
        if self._happens(self.odds.lost, "request lost"):
            raise TransportError("UNREACHABLE", "log: the request was lost")
        if can_wait and self._happens(self.odds.delayed, "request delayed"):
            self.held_up.append(request)
            raise TransportError("TIMEOUT", "log: no answer in time")
        if can_wait and self._happens(self.odds.duplicated, "request duplicated"):
            self._deliver_unheard(caller, request)
        answer = self._deliver(caller, request)
        if self._happens(self.odds.reply_lost, "reply lost"):
            raise TransportError("TIMEOUT", "log: no answer in time")
        return answer

    def release(self, index: int) -> None:
        """Delivers a delayed request; its sender no longer listens."""
        self.tally["delayed request delivered"] += 1
        self._deliver_unheard("", self.held_up.pop(index))

    def _happens(self, per_mille: int, kind: str) -> bool:
        if per_mille == 0 or not self.dice.chance(per_mille):
            return False
        self.tally[kind] += 1
        return True

    def _deliver_unheard(self, caller: str, request: Request[object]) -> None:
        with suppress(TransportError, VerificationError, IdentityError):
            self._deliver(caller, request)

    def _deliver(self, caller: str, request: Request[T]) -> T:
        writer = self.writer_for(caller)
        if writer is None:
            self.tally["coordinator down"] += 1
            raise TransportError("UNREACHABLE", "log: the coordinator is down")
        try:
            return request(writer)
        except Crash as crash:
            self.tally["crash of the coordinator in a request"] += 1
            self.on_crash(crash)
            raise TransportError("UNREACHABLE", "log: the connection broke") from None
        except VerificationError as error:
            self.watch.saw_refusal(error)
            raise


class SimLog:
    """One caller's Log: it stands for the node's gRPC client and the log service together."""

    def __init__(self, network: Network, role: Role, caller: str) -> None:
        self._network = network
        self._role = role
        self._caller = caller

    def _ask(self, request: Callable[[Log], T], *, can_wait: bool = False) -> T:
        return self._network.carry(
            self._caller,
            lambda writer: request(writer.as_caller(self._role, self._caller)),
            can_wait,
        )

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        """See Log."""

        def request(writer: LogWriter) -> Receipt:
            before = writer.state
            try:
                receipt = writer.append_as(self._role, self._caller, envelope, sealed_part)
            except VerificationError:
                self._network.watch.check_refusal(before, writer.state)
                raise
            self._network.watch.saw_receipt(receipt)
            return receipt

        self._network.watch.saw_request(self._caller, envelope, sealed_part)
        return self._network.carry(self._caller, request, can_wait=True)

    def checkpoint(self) -> bytes:
        """See Log."""

        def request(log: Log) -> bytes:
            note = log.checkpoint()
            self._network.watch.saw_head(note)
            return note

        return self._ask(request)

    def witnesses(self) -> list[Witness]:
        """See Log."""
        return self._ask(lambda log: log.witnesses())

    def read(self, start: int, count_max: int) -> list[bytes]:
        """See Log."""
        return self._ask(lambda log: log.read(start, count_max))

    def news(self, start: int, count_max: int) -> News:
        """See Log; each part may be lost by itself."""
        return gathered_news(self, start, count_max)

    def prove_inclusion(self, entry: int, size: int) -> list[bytes]:
        """See Log."""
        return self._ask(lambda log: log.prove_inclusion(entry, size))

    def prove_consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """See Log."""
        return self._ask(lambda log: log.prove_consistency(old_size, new_size))

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """See Log."""
        return self._ask(lambda log: log.fetch_sealed(sealed_sha256))

    def add_cosignature(self, note: bytes) -> None:
        """See Log."""
        self._ask(lambda log: log.add_cosignature(note), can_wait=True)
