"""Runs an auditor's or a lab's node."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from fermata.errors import InvalidProof, TransportError
from fermata.node.ceremony.epochs.giving_up import GivingUp
from fermata.node.config import NodeConfig
from fermata.node.hook.silence_watch import unprepared
from fermata.node.observe.telemetry import VALUE_CHARS_MAX
from fermata.node.rpc.local_service import LocalServer, PushDesk
from fermata.node.run.assembly import Base, make_node, running
from fermata.node.run.loop import Wake, follow
from fermata.node.run.own_clock import WitnessClocks
from fermata.node.run.own_opening import OwnOpening
from fermata.node.run.parts import (
    check_log_charter,
    clock_ms,
    copies_of,
    entropy,
    lab_sources,
    remove_addresses,
    write_address,
)
from fermata.node.run.served_copy import serve_copy
from fermata.node.run.succession.following import open_way
from fermata.node.storage.evidence import WitnessedLog
from fermata.protocol.roles.driver import Driver
from fermata.types import Role


def start_local(
    config: NodeConfig, driver: Driver, wake: Wake, stack: ExitStack
) -> Callable[[], int]:
    """The loop's answer to pushes; the node listens for them only if a metric comes by push."""
    texts = config.text.lab.source if config.text.lab is not None else ()
    if config.role != Role.LAB or all(text.kind != "push" for text in texts):
        return lambda: 0
    desk = PushDesk(driver, texts, lab_sources(config), config.data, wake.now)
    server = LocalServer(desk)
    stack.callback(server.stop)
    server.start(config.data)
    return desk.serve


@dataclass(eq=False)
class _Preparation:
    """Tells of a lab that knows too few auditors to tell silence from being cut off: at start, and
    again when an amendment has changed what it lacks. ``known``: the auditors that it can ask."""

    base: Base
    known: frozenset[str]
    _seen: bytes = field(default=b"", init=False)
    _last_lack: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.look()

    def look(self) -> None:
        """Looks at the charter in force, once for each."""
        base, charter = self.base, self.base.replica.charter
        if base.config.role != Role.LAB or self._seen == charter.sha256:
            return
        self._seen = charter.sha256
        lack = unprepared(charter, self.known)
        if lack and lack != self._last_lack:
            base.telemetry.event("silence_unprepared", where=lack[:VALUE_CHARS_MAX])
        self._last_lack = lack


def run_participant(
    config: NodeConfig,
    done: Callable[[Driver], bool] = lambda driver: False,
    from_genesis: bool = False,
) -> Driver:
    """Runs an auditor or a lab until it is stopped, or ``done`` of its driver.

    ``from_genesis``: see ``open_base``. Raises FermataError if it must stop;
    ``fermata.node.run.loop.is_final`` says at which errors.
    """
    with running(config, from_genesis) as (base, wake):
        replica, telemetry = base.replica, base.telemetry
        opening = OwnOpening(base)
        remove_addresses(config.data)
        write_address(config.data, "telemetry", telemetry.serve(config.text.telemetry.address))
        way = open_way(base, wake)
        copies = copies_of(config, base.tls)

        def close() -> None:
            way.close()
            for log_port in copies.values():
                log_port.close()
            opening.close()

        base.stack.callback(close)
        wake.hurry = close
        if config.role == Role.AUDITOR and config.text.listen is not None:
            serve_copy(base, config.text.listen)
        log = WitnessedLog(way.log, base.store)
        node = make_node(base, log, wake, opening.opener, copies, opening.drill_opener)

        def keep_evidence(error: InvalidProof) -> None:
            where = log.keep_evidence(error, config.data)
            telemetry.event("evidence", reason=error.reason, where=where[:VALUE_CHARS_MAX])

        node.driver.keep_evidence = keep_evidence
        preparation = _Preparation(base, frozenset(copies))
        serve_pushes = start_local(config, node.driver, wake, base.stack)
        # A lab's wrong clock harms nobody else, and what it harms check_clock and T show.
        giving_up = GivingUp(config.data, node.driver.retired, base.signer.key)
        clocks = WitnessClocks(base.signer.party, telemetry, clock_ms)

        def work() -> int:
            serve_pushes()
            try:
                if replica.state.size == 0:
                    check_log_charter(way.log, config)
                crossed = way.look(node.driver)
                opening.look(replica)
                preparation.look()
                if config.role == Role.AUDITOR:
                    clocks.look(replica, log)
                    giving_up.look()
                return crossed + node.driver.step()
            except InvalidProof as error:
                opening.look(replica)
                raise log.with_evidence(error, config.data) from None
            except TransportError:
                way.turn()
                raise
            finally:
                way.post(node.driver)

        follow(lambda: way.watch(wake), wake, entropy)
        node.run(wake, work, lambda csr, _: way.renew(csr), done)
        return node.driver
