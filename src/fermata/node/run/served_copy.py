"""An auditor's node serves its copy of the log to labs: SI7 of docs/spec/silence.md.

The coordinator may be silent, or keep the log from a lab. All that is handed out is signed by the
coordinator and the auditors, so a lab checks it as it checks the log.
"""

from dataclasses import dataclass
from typing import NoReturn

from fermata.errors import ConfigError, Refusal
from fermata.node.config import ListenText
from fermata.node.pki.deny_list import DenyList
from fermata.node.pki.own_certificate import alarm_of
from fermata.node.rpc.front import FrontLimits
from fermata.node.rpc.limits import Limits
from fermata.node.rpc.service import COPY_ALLOWED, LogServer
from fermata.node.run.assembly import Base
from fermata.node.run.callers import authorise
from fermata.node.run.parts import clock_ms, write_address
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.ports import News, Receipt, Witness, gathered_news
from fermata.protocol.wire.submission import leaves_that_fit


@dataclass(frozen=True, slots=True)
class ServedCopy:
    """A node's copy of the log, as a ``Log`` that can only be read; any thread may call it.

    It has what the node has read and checked, and the cosignatures that the log has given it: none
    of its own that the log withholds, since what a lab does follows from what others see too.
    """

    replica: Replica

    def checkpoint(self) -> bytes:
        """The head of the copy, as the coordinator signed it. Raises Refusal EMPTY_LOG."""
        note = self.replica.store.checkpoint()
        if note is None:
            raise Refusal("EMPTY_LOG", "log: this node has read no entry yet")
        return note

    def witnesses(self) -> list[Witness]:
        """See Log."""
        return list(self.replica.witnesses)

    def read(self, start: int, count_max: int) -> list[bytes]:
        """See Log."""
        stop = min(start + count_max, self.replica.store.entry_count())
        return leaves_that_fit(self.replica.leaves, start, stop)

    def news(self, start: int, count_max: int) -> News:
        """See Log."""
        return gathered_news(self, start, count_max)

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        """Not served, like the methods below. Raises Refusal NO_SERVICE."""
        _not_served()

    def prove_inclusion(self, entry: int, size: int) -> list[bytes]:
        """Raises Refusal NO_SERVICE."""
        _not_served()

    def prove_consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """Raises Refusal NO_SERVICE."""
        _not_served()

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """Raises Refusal NO_SERVICE."""
        _not_served()

    def add_cosignature(self, note: bytes) -> None:
        """Raises Refusal NO_SERVICE."""
        _not_served()


def _not_served() -> NoReturn:
    raise Refusal("NO_SERVICE", "log: a copy can only be read")


def serve_copy(base: Base, listen: ListenText) -> None:
    """Serves an auditor's copy until the node ends; its address goes to ``log.address``.

    Raises ConfigError AUTHORITY_FOREIGN, ADDRESS, PORT_IN_USE.
    """
    config, tls, telemetry = base.config, base.tls, base.telemetry
    if tls.material().is_foreign:
        raise ConfigError(
            "AUTHORITY_FOREIGN",
            f"{config.file}: [listen] needs a certificate of the deployment's own authority, the"
            " only one that labs take for an auditor's; leave [listen] out, or enrol",
        )
    copy = ServedCopy(base.replica)
    denied = None
    if listen.deny_list:
        path = config.path(listen.deny_list)
        denied = DenyList(path, alarm_of(telemetry), clock_ms).is_denied
    server = LogServer(
        lambda caller: copy,
        tls=tls,
        authorise=authorise(base.replica),
        limits=Limits(front=FrontLimits(listen.connections_of_source)),
        clock_ms=clock_ms,
        telemetry=telemetry,
        is_denied=denied,
        allowed=COPY_ALLOWED,
    )
    address = server.start(listen.address)
    base.stack.callback(server.stop)
    write_address(config.data, "log", address)
