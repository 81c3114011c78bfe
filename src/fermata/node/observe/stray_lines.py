"""Turns what Python itself would print into events, so that a node's log has only JSON lines.

Libraries log through ``logging``, which without a handler prints to standard error. A thread that
ends with an exception prints a traceback, and ``warnings`` prints source lines. Their texts may
quote what a peer sent or what a lab measured, so the events have only the place in the code.
"""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from fermata.node.observe.telemetry import VALUE_CHARS_MAX, Telemetry


def place_of(fault: BaseException) -> str:
    """Class and place of a fault, but not its text, which may quote a secret or a figure."""
    return f"{type(fault).__name__} at {line_of(fault)}"


def line_of(fault: BaseException) -> str:
    """File and line, as ``name.py:7``, where a fault arose; ``nowhere:0`` if it was not raised."""
    place = fault.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    name = place.tb_frame.f_code.co_filename.rpartition("/")[2] if place else "nowhere"
    return f"{name}:{place.tb_lineno if place else 0}"


class _Events(logging.Handler):
    """An event for each record of a library, without its text."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__(logging.WARNING)
        self._telemetry = telemetry

    def emit(self, record: logging.LogRecord) -> None:
        where = f"{record.name}:{record.lineno}"[:VALUE_CHARS_MAX]
        self._telemetry.event("library_record", reason=record.levelname, where=where)


@contextmanager
def only_events(telemetry: Telemetry) -> Iterator[None]:
    """In this context, log records, warnings and exceptions that end a thread become events."""
    handler, root = _Events(telemetry), logging.getLogger()
    show, ended = warnings.showwarning, threading.excepthook

    def tell_warning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        place = f"{category.__name__} at {filename.rpartition('/')[2]}:{lineno}"
        telemetry.event("library_record", reason="WARNING", where=place[:VALUE_CHARS_MAX])

    def tell_end(hook: threading.ExceptHookArgs) -> None:
        where = place_of(hook.exc_value) if hook.exc_value is not None else "nowhere"
        telemetry.event("thread_failed", reason="INTERNAL", where=where[:VALUE_CHARS_MAX])

    root.addHandler(handler)
    warnings.showwarning, threading.excepthook = tell_warning, tell_end
    try:
        yield
    finally:
        warnings.showwarning, threading.excepthook = show, ended
        root.removeHandler(handler)
