"""Runs an auditor's or a lab's node."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from fermata.crypto.threshold.opening import KeyShare, check_share
from fermata.errors import ConfigError, InvalidProof
from fermata.node.config import NodeConfig
from fermata.node.hook.silence_watch import unprepared
from fermata.node.observe.telemetry import VALUE_CHARS_MAX
from fermata.node.rpc.client import GrpcLog
from fermata.node.rpc.local_service import LocalServer, PushDesk
from fermata.node.run.assembly import make_node, running
from fermata.node.run.loop import Wake, follow
from fermata.node.run.own_clock import WitnessClocks
from fermata.node.run.parts import (
    check_log_charter,
    clock_ms,
    connect,
    copies_of,
    entropy,
    lab_sources,
    load_key_share,
    remove_addresses,
    write_address,
)
from fermata.node.run.served_copy import serve_copy
from fermata.node.storage.evidence import WitnessedLog
from fermata.protocol.roles.driver import Driver
from fermata.protocol.roles.replica import Replica
from fermata.types import Role


class ShareCheck:
    """Checks an auditor's key share against the key record once both exist; a lab has no share."""

    def __init__(self, path: Path, share: KeyShare | None) -> None:
        self._path = path
        self._share = share
        self._is_done = False

    def look(self, replica: Replica) -> None:
        """Raises ConfigError KEY_SHARE, since no opening part from a wrong share would be right."""
        key = replica.state.key
        if self._is_done or key is None or self._share is None:
            return
        try:
            check_share(key.record, self._share)
        except InvalidProof as error:
            raise ConfigError("KEY_SHARE", f"{self._path}: {error}") from None
        self._is_done = True


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


def run_participant(
    config: NodeConfig, done: Callable[[Driver], bool] = lambda driver: False
) -> Driver:
    """Runs an auditor or a lab until it is stopped, or ``done`` of its driver.

    Raises FermataError if it must stop; ``fermata.node.run.loop.is_final`` says at which errors.
    """
    with running(config) as (base, wake):
        replica, telemetry = base.replica, base.telemetry
        share = load_key_share(config) if config.role == Role.AUDITOR else None
        remove_addresses(config.data)
        write_address(config.data, "telemetry", telemetry.serve(config.text.telemetry.address))
        remote = base.stack.enter_context(connect(config, base.tls))
        copies = copies_of(config, base.tls)

        def close() -> None:
            for log_port in (remote, *copies.values()):
                log_port.close()

        base.stack.callback(close)
        wake.hurry = close
        if config.role == Role.AUDITOR and config.text.listen is not None:
            serve_copy(base, config.text.listen)
        log = WitnessedLog(remote, base.store)
        node = make_node(base, log, wake, share, copies)
        if config.role == Role.LAB and (lack := unprepared(replica.charter, copies)):
            telemetry.event("silence_unprepared", where=lack[:VALUE_CHARS_MAX])
        serve_pushes = start_local(config, node.driver, wake, base.stack)
        # A lab's wrong clock harms nobody else, and what it harms check_clock and T show.
        clocks = WitnessClocks(base.signer.party, telemetry, clock_ms)
        share_check = ShareCheck(config.path(config.text.keys.share), share)

        def work() -> int:
            serve_pushes()
            try:
                if replica.state.size == 0:
                    check_log_charter(remote, config)
                share_check.look(replica)
                if config.role == Role.AUDITOR:
                    clocks.look(replica, log)
                return node.driver.step()
            except InvalidProof as error:
                share_check.look(replica)
                raise log.with_evidence(error, config.data) from None

        follow(lambda: _wake_by_entries(remote, wake), wake, entropy)
        node.run(wake, work, lambda csr, _: remote.renew(csr), done)
        return node.driver


def _wake_by_entries(remote: GrpcLog, wake: Wake) -> None:
    """Wakes the loop when the log grows, when more of it is witnessed, and when it is back."""
    for _ in remote.watch():
        wake.now()
