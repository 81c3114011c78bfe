"""What a node reports about itself: a log of JSON lines, metrics, and whether it is ready.

Nothing that a lab measured may leave the node here (docs/threat-model.md). So an event's name is a
static word, its fields are on an allow-list, their values are words and numbers, and the text of a
foreign exception is never among them. Anything else raises ``ValueError`` where it is reported.
"""

import math
import os
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET, AF_INET6
from typing import TextIO, TypeVar

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from fermata.errors import ConfigError
from fermata.protocol.wire.ports import ClockMs

#: Names that a field of an event may have.
# fmt: off
FIELDS = frozenset({
    "address", "ahead_s", "backlog", "duration_ms", "entries", "entry", "expires_ms",
    "failures", "fault", "generation", "incident", "method", "parts", "party", "port", "reason",
    "role", "round", "serial", "size", "slot", "status", "times", "version", "view", "where",
})
# fmt: on
#: Names that a label of a metric may have.
LABELS = frozenset({"method", "node", "phase", "reason", "role", "status", "what"})
#: Why the front turns a connection away.
CONNECTION_REASONS = ("CONNECTIONS_OF_SOURCE", "CONNECTIONS_MAX")
VALUE_CHARS_MAX = 256
INT_MAX = 2**63 - 1
#: Reasons may come from another machine; beyond this many they are counted as OTHER.
REASONS_MAX = 100
_EVENT = re.compile(r"[a-z][a-z0-9_]{0,47}\Z")
_ADDRESS = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>[0-9]{1,5})\Z"
)
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Value = str | int | float | bool
M = TypeVar("M", Counter, Gauge, Histogram)


def split_address(address: str) -> tuple[str, int]:
    """``host:port`` or ``[v6]:port`` split into host and port. Raises ConfigError ADDRESS."""
    match = _ADDRESS.match(address)
    if match is None or int(match["port"]) > 65535:
        raise ConfigError("ADDRESS", "address: must be host:port, such as 127.0.0.1:7440")
    return match["six"] or match["host"], int(match["port"])


def join_address(host: str, port: int) -> str:
    """``host:port``, or ``[v6]:port``: the inverse of ``split_address``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def plain_text(text: str, chars_max: int) -> str:
    """Foreign text made safe for a terminal: at most so many characters, all printable."""
    printable = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[:chars_max])
    return printable[:chars_max]


@dataclass(eq=False)
class Telemetry:
    """One node's log, metrics and health page. Thread-safe.

    The log goes to ``log_file`` (made with mode 0600, appended to), otherwise to ``stream``,
    otherwise to standard error. Raises ConfigError LOG_FILE.
    """

    node: str
    role: str
    clock_ms: ClockMs
    log_file: Path | None = None
    stream: TextIO | None = None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._reasons: set[str] = set()
        #: Whether ``/-/ready`` answers 200; see ``set_ready``.
        self.is_ready = False
        self._entries_seen = -1
        self._server: _HealthServer | None = None
        self._file = _open_log(self.log_file) if self.log_file is not None else None
        self.registry = CollectorRegistry()
        self._make_metrics()
        node = self.gauge("fermata_node", "This node.", "node", "role")
        node.labels(self.node, self.role).set(1)

    def _make_metrics(self) -> None:
        counter, gauge = partial(self._metric, Counter), self.gauge
        self._calls = counter("fermata_calls", "Calls answered.", "method", "role", "status")
        self._call_seconds = self._metric(
            Histogram, "fermata_call_seconds", "Time to answer a call.", "method"
        )
        self._troubles = counter("fermata_troubles", "Events that carried a reason.", "reason")
        self._connections_refused = counter(
            "fermata_connections_refused",
            "Connections turned away before anything was read from them.",
            "reason",
        )
        for reason in CONNECTION_REASONS:
            # Exported from the start, so that an alert sees the first increase.
            self._connections_refused.labels(reason)
        self._lost = counter("fermata_log_lines_lost", "Lines that could not be written.")
        self._ready = gauge("fermata_ready", "1 if the node is ready.")
        self._entries = gauge("fermata_log_entries", "Entries known.")
        self._grown = gauge(
            "fermata_log_grown_timestamp_seconds", "When this node last saw a new entry."
        )
        self._rounds = gauge("fermata_rounds", "Rounds known.")
        self._backlog = gauge("fermata_backlog", "Statements not sent yet.")
        self._notices = counter("fermata_hook_notices", "Notices given to the hook.", "status")
        self._governance_notices = counter(
            "fermata_governance_hook_notices", "Notices given to the governance hook.", "status"
        )
        self._overdue = gauge("fermata_overdue", "1 for what is late by the charter.", "what")
        self._phase = gauge("fermata_pause_phase", "1 for the phase of the pause.", "phase")
        self._expiry = gauge(
            "fermata_certificate_expiry_timestamp_seconds", "When this node's certificate ends."
        )

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A new gauge. Raises ValueError for a name in use or a label that is not allowed."""
        return self._metric(Gauge, name, text, *labels)

    def _metric(self, kind: type[M], name: str, text: str, *labels: str) -> M:
        if not LABELS.issuperset(labels):
            raise ValueError(f"telemetry: labels {labels} must all be on the list of labels")
        return kind(name, text, labels, registry=self.registry)

    def event(self, event: str, /, **fields: Value) -> None:
        """Writes one line. Raises ValueError for a name, field or value that is not allowed.

        A line that cannot be written (full disk) is counted and dropped: the node goes on.
        """
        if not _EVENT.match(event):
            raise ValueError("telemetry: an event's name must be a static word in snake_case")
        line: dict[str, Value] = {"time_ms": self.clock_ms(), "node": self.node, "event": event}
        for name, value in fields.items():
            if name not in FIELDS:
                raise ValueError(f"telemetry: field {name!r} must be on the list of fields")
            line[name] = _plain(name, value)
        if isinstance(reason := line.get("reason"), str):
            self._troubles.labels(self._known_reason(reason)).inc()
        text = msgspec.json.encode(line).decode() + "\n"
        with self._lock:
            out = self._file or self.stream or sys.stderr
            try:
                out.write(text)
                out.flush()
            except (OSError, ValueError):
                self._lost.inc()

    def _known_reason(self, reason: str) -> str:
        with self._lock:
            if len(self._reasons) < REASONS_MAX:
                self._reasons.add(reason)
            return reason if reason in self._reasons else "OTHER"

    def count_call(self, method: str, role: str, status: str, seconds: float) -> None:
        """Counts one answered call of ``seconds``; all three words are from fixed sets."""
        self._calls.labels(method, role, status).inc()
        self._call_seconds.labels(method).observe(seconds)

    def count_connection_refused(self, reason: str) -> None:
        """Counts a connection that a limit turned away; the reason is from a fixed set."""
        self._connections_refused.labels(reason).inc()

    def set_progress(self, entries: int, rounds: int, backlog: int) -> None:
        """Sets the entries and rounds of the node's replica, and how many statements wait."""
        with self._lock:
            if entries != self._entries_seen:
                self._entries_seen = entries
                self._grown.set(self.clock_ms() / 1000)
            self._entries.set(entries)
        self._rounds.set(rounds)
        self._backlog.set(backlog)

    def set_certificate_expiry(self, expires_ms: int) -> None:
        """Sets when the node's certificate ends, in milliseconds since 1970."""
        self._expiry.set(expires_ms / 1000)

    def count_notice(self, status: str) -> None:
        """Counts one delivery to the hook: ``taken``, or ``failed`` this time."""
        self._notices.labels(status).inc()

    def count_governance_notice(self, status: str) -> None:
        """Counts one delivery to the governance hook, as ``count_notice`` does."""
        self._governance_notices.labels(status).inc()

    def set_pause(self, phases: Mapping[str, bool], overdue: Mapping[str, bool]) -> None:
        """Sets the phase of the pause and what is late; the words are from fixed sets."""
        for phase, is_now in phases.items():
            self._phase.labels(phase).set(int(is_now))
        for what, is_late in overdue.items():
            self._overdue.labels(what).set(int(is_late))

    def set_ready(self, is_ready: bool) -> None:
        """Sets whether ``/-/ready`` answers 200; otherwise it answers 503."""
        self.is_ready = is_ready
        self._ready.set(int(is_ready))

    def serve(self, address: str = "127.0.0.1:0") -> str:
        """Serves ``/metrics``, ``/-/ready`` and ``/-/healthy``; returns the bound address.

        The page has no access control, so bind it to the machine itself. Raises ConfigError
        ADDRESS, PORT_IN_USE.
        """
        host, port = split_address(address)
        try:
            server = _HealthServer((host, port), self)
        except OSError:
            raise ConfigError(
                "PORT_IN_USE",
                f"telemetry: cannot listen on {address}; it must be free, and of this machine",
            ) from None
        self._server = server
        threading.Thread(
            target=server.serve_forever, args=(0.1,), name="telemetry", daemon=True
        ).start()
        return join_address(host, server.server_address[1])

    def close(self) -> None:
        """Stops the page and closes the log file; may be called twice."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                file.close()


class _HealthServer(ThreadingHTTPServer):
    daemon_threads = True
    # A connection that hangs must not delay the stop; its own time limit ends it.
    block_on_close = False

    def __init__(self, place: tuple[str, int], telemetry: Telemetry) -> None:
        self.address_family = AF_INET6 if ":" in place[0] else AF_INET
        self.telemetry = telemetry
        super().__init__(place, _Page)

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing when a peer goes away; the default prints a traceback."""


class _Page(BaseHTTPRequestHandler):
    server: _HealthServer
    timeout = 5.0
    server_version = "fermata"
    sys_version = ""

    def do_GET(self) -> None:
        """Answers one of the three paths, otherwise 404."""
        telemetry = self.server.telemetry
        if self.path == "/metrics":
            self._answer(200, generate_latest(telemetry.registry), _METRICS_TYPE)
        elif self.path == "/-/healthy":
            self._answer(200, b"healthy\n")
        elif self.path == "/-/ready":
            ready = telemetry.is_ready
            self._answer(200 if ready else 503, b"ready\n" if ready else b"not ready\n")
        else:
            self._answer(404, b"there is /metrics, /-/ready and /-/healthy\n")

    do_HEAD = do_GET

    def _answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Logs no requests: their text is the peer's."""


def _plain(name: str, value: Value) -> Value:
    """The value if it may be reported, with control characters made visible."""
    if isinstance(value, str):
        return plain_text(value, VALUE_CHARS_MAX)
    if isinstance(value, int) and -INT_MAX <= value <= INT_MAX:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"telemetry: {name} must be a word or a finite number")


def _open_log(path: Path) -> TextIO:
    try:
        number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        raise ConfigError(
            "LOG_FILE", f"{path}: cannot be written; its folder must exist and be yours"
        ) from None
    return os.fdopen(number, "w", encoding="utf-8")
