"""A lab node's service for the lab's own pipelines: they push figures over a local socket.

The socket is in a folder that only the node's user can enter (mode 0700), so whoever can call is
that user already. Calls wait for the node's loop, the one thread that uses replica and store.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitTimeout
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NoReturn

import grpc

from fermata.errors import ConfigError, FermataError, Refusal, TransportError
from fermata.node.files import ensure_directory
from fermata.node.rpc.rpc_contract import parse
from fermata.node.rpc.status_codes import error_of_call, incident_status, to_status
from fermata.node.sources.choose import plain_value
from fermata.node.sources.gather import Sources
from fermata.node.sources.mapping import SourceText
from fermata.node.sources.readers.pushed import FOLDER, keep_pushed, load_pushed
from fermata.protocol.charter.encoding import encode_value
from fermata.protocol.charter.periods import check_period, period_count
from fermata.protocol.roles.driver import Driver
from fermata.protocol.roles.lab import charter_of_period
from fermata.protocol.state.calls import round_of_period, second_call_ms
from fermata.protocol.state.state import Round
from fermata.protocol.wire.codec import encode
from fermata.wire.v1 import local_service_pb2 as wire

SERVICE = wire.DESCRIPTOR.services_by_name["LocalService"]
SOCKET_FOLDER = "local"
SOCKET = "node.sock"
#: sockaddr_un has 108 bytes, one of them for the terminating zero (unix(7)).
SOCKET_PATH_BYTES_MAX = 107
REQUEST_BYTES_MAX = 64 * 1024
VALUES_MAX = 1000
#: A step of the loop may be making a report, which takes seconds.
ANSWER_S = 60.0
_THREADS = 4

#: A push, and where its answer goes.
_Waiting = tuple[wire.PushRequest, Future[wire.PushResponse]]


def socket_path(data: Path) -> Path:
    """The path of the socket of the node with this folder. Raises ConfigError SOCKET_PATH."""
    path = data / SOCKET_FOLDER / SOCKET
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        raise ConfigError(
            "SOCKET_PATH",
            f"{path}: a socket's path must have at most {SOCKET_PATH_BYTES_MAX} bytes; give the"
            " node a data folder with a shorter path",
        )
    return path


@dataclass(eq=False)
class PushDesk:
    """Takes pushes in any thread, and answers them in the loop's."""

    driver: Driver
    texts: tuple[SourceText, ...]
    sources: Sources
    data: Path
    wake: Callable[[], None]

    def __post_init__(self) -> None:
        self._by_metric = {text.metric: text for text in self.texts if text.kind == "push"}
        self._folder = self.data / FOLDER
        self._waiting: SimpleQueue[_Waiting] = SimpleQueue()

    def ask(self, request: wire.PushRequest) -> wire.PushResponse:
        """Waits for the loop's answer. Raises its FermataError, or TransportError DEADLINE."""
        answer: Future[wire.PushResponse] = Future()
        self._waiting.put((request, answer))
        self.wake()
        try:
            return answer.result(ANSWER_S)
        except WaitTimeout:
            # The caller is about to read that the push is lost, so it must not happen later.
            if answer.cancel():
                raise TransportError("DEADLINE", "the node is busy; push again") from None
            return answer.result(ANSWER_S)

    def serve(self) -> int:
        """Answers the waiting pushes; returns how many. Only the loop's thread may call it."""
        served = 0
        while True:
            try:
                request, answer = self._waiting.get_nowait()
            except Empty:
                return served
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(self._take(request))
                except FermataError as error:
                    answer.set_exception(error)
                served += 1

    def _take(self, request: wire.PushRequest) -> wire.PushResponse:
        period, number = self._period(request.period)
        values = self._values(request, period)
        driver = self.driver
        state = driver.replica.state
        round_ = round_of_period(state.rounds, period)
        number = round_.number if round_ is not None else number
        if round_ is not None and round_.close is not None and not self._comes_again(round_):
            raise Refusal("ROUND_CLOSED", f"the round of {period} is closed")
        if round_ is not None and round_.close is not None:
            # The figures are for the second call, which has no answer of this lab yet.
            round_, number = None, len(state.rounds) + 1
        is_answered = driver.store.draft(f"answer/{number}/0") is not None
        if is_answered and not request.correct:
            raise Refusal(
                "REPORTED",
                f"the round of {period} already has this lab's answer; --correct allows to correct"
                " it",
            )
        if is_answered and round_ is None:
            raise Refusal("NO_ROUND", f"the log has no round of {period} yet; push again soon")
        old = load_pushed(self._folder, period)
        keep_pushed(self._folder, period, {**old, **values})
        slot = ""
        if is_answered and round_ is not None:
            slot = self._correct(round_, old)
        replaced = sorted(m for m, value in values.items() if old.get(m, value) != value)
        return wire.PushResponse(period=period, replaced=replaced, slot=slot)

    def _comes_again(self, round_: Round) -> bool:
        """Whether a closed round's period may be called a second time, by the log's time."""
        state, charter = self.driver.replica.state, self.driver.replica.charter
        if round_ is not state.current:
            return False
        return second_call_ms(charter, state.rounds, state.clock, state.time_ms) is not None

    def _correct(self, round_: Round, old: Mapping[str, str]) -> str:
        """Drafts the corrected report; the figures from before stay if it cannot be made.

        Returns the slot of the draft. Raises what making the report raises.
        """
        try:
            charter, me = charter_of_period(self.driver.replica, round_.period), self.driver.me
            measurement = self.sources.gather(round_.period, charter.metrics_of(me)).measurement()
            return self.driver.correct(round_, measurement)
        except FermataError:
            keep_pushed(self._folder, round_.period, old)
            raise

    def _period(self, written: str) -> tuple[str, int]:
        """The period for which the figures are, and its round's number."""
        charter = self.driver.replica.charter
        if not written:
            current = self.driver.replica.state.current
            if current is None or current.close is not None:
                raise Refusal("NO_ROUND", "no round is open; say with --period which one you mean")
            return current.period, current.number

        def fail(what: str) -> NoReturn:
            raise Refusal("PERIOD", f"period {what}")

        check_period(charter.cadence, written, fail)
        number = period_count(charter.cadence, charter.first_period, written)
        last = charter.last_period or written
        if number < 1 or period_count(charter.cadence, written, last) < 1:
            fail(f"must be one of the charter's, from {charter.first_period} on")
        return written, number

    def _values(self, request: wire.PushRequest, period: str) -> dict[str, str]:
        """The figures by metric; each is of a metric that comes by push, and in its range."""
        metrics = charter_of_period(self.driver.replica, period).metrics_of(self.driver.me)
        values: dict[str, str] = {}
        for pushed in request.values:
            text = self._by_metric.get(pushed.metric)
            if text is None:
                raise Refusal(
                    "METRIC_UNKNOWN",
                    "a pushed metric must have a [[lab.source]] of kind push; these have one:"
                    f" {', '.join(sorted(self._by_metric)) or 'none'}",
                )
            if text.metric not in metrics:
                raise Refusal(
                    "METRIC_UNKNOWN",
                    f"{text.metric}: must be one that the charter of {period} asks of this lab",
                )
            if pushed.metric in values:
                raise Refusal("METRIC_TWICE", f"{pushed.metric}: must be pushed once at a time")
            encode_value(metrics[text.metric], plain_value(text, pushed.value, "the push"))
            values[pushed.metric] = pushed.value
        if not 0 < len(values) <= VALUES_MAX:
            raise Refusal("PUSH_EMPTY", f"a push must have 1 to {VALUES_MAX} figures")
        return values


class LocalServer:
    """Listens on the node's socket."""

    def __init__(self, desk: PushDesk) -> None:
        self._desk = desk
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="local")
        self._server: grpc.Server | None = None

    def start(self, data: Path) -> Path:
        """Listens; returns the socket's path. Raises ConfigError SOCKET_PATH, SOCKET_FOLDER."""
        path = socket_path(data)
        ensure_directory(path.parent)
        if path.parent.is_symlink() or path.parent.stat().st_uid != os.geteuid():
            raise ConfigError(
                "SOCKET_FOLDER", f"{path.parent}: must be a folder of this user; remove it"
            )
        path.parent.chmod(0o700)
        handlers: dict[str, Any] = {"Push": grpc.unary_unary_rpc_method_handler(self._push)}
        options = [("grpc.max_receive_message_length", REQUEST_BYTES_MAX), ("grpc.so_reuseport", 0)]
        self._server = grpc.server(
            self._threads,
            handlers=[grpc.method_handlers_generic_handler(SERVICE.full_name, handlers)],
            options=options,
            maximum_concurrent_rpcs=2 * _THREADS,
        )
        try:
            self._server.add_insecure_port(f"unix:{path}")
        except RuntimeError:
            raise ConfigError("SOCKET_PATH", f"{path}: cannot listen there") from None
        self._server.start()
        return path

    def stop(self) -> None:
        """Stops listening and ends all calls."""
        if self._server is not None:
            self._server.stop(0).wait()
        self._threads.shutdown(wait=False)

    def _push(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            return encode(self._desk.ask(parse(wire.PushRequest, data)))
        except ConfigError as error:
            # Here to_status would say that the fault is on another machine than the caller's.
            status = to_status(Refusal(error.reason, str(error)))
        except FermataError as error:
            status = to_status(error)
        except Exception:  # noqa: BLE001 - the one place that turns faults into INTERNAL
            status = incident_status("local")
        context.abort_with_status(status)
        raise RuntimeError("unreachable: abort raises")


def push(path: Path, request: wire.PushRequest, timeout_s: float = ANSWER_S) -> wire.PushResponse:
    """Pushes figures to the node that listens at ``path``.

    Raises TransportError NODE_AWAY, or the error with which the node answers.
    """
    if not path.is_socket():
        raise _away(path)
    with grpc.insecure_channel(f"unix:{path}") as channel:
        call: Any = channel.unary_unary(f"/{SERVICE.full_name}/Push")
        try:
            answer = call(encode(request), timeout=timeout_s)
        except grpc.RpcError as failure:
            error = error_of_call(failure, str(path))
            raise (_away(path) if error.reason == "UNREACHABLE" else error) from None
    return parse(wire.PushResponse, answer)


def _away(path: Path) -> TransportError:
    return TransportError(
        "NODE_AWAY",
        f"{path}: no node listens there; start it with fermata lab run, as this user, and with a"
        " [[lab.source]] of kind push",
    )
