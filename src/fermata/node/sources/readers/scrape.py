"""A live scrape: one GET of a page in Prometheus text format, bounded in time and size."""

import http.client
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPSConnection
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from fermata.errors import ConfigError
from fermata.node.sources.readers.prometheus import BYTES_MAX

TIMEOUT_S = 5.0
#: A server that sends a byte now and then must not hold the node.
TOTAL_S = 15.0
ACCEPT = "text/plain;version=0.0.4"
URL_CHARACTERS_MAX = 500
_CHUNK_BYTES = 64 * 1024


def url_fault(url: str) -> str:
    """What is wrong with a URL as the configuration has it; empty if nothing is."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not named:
        return "must be a URL of http or https, such as http://127.0.0.1:9090/metrics"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "must have no user, password or fragment"
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > URL_CHARACTERS_MAX:
        return f"must be at most {URL_CHARACTERS_MAX} printable ASCII characters, without spaces"
    return ""


def scrape(
    url: str,
    timeout_s: float = TIMEOUT_S,
    total_s: float = TOTAL_S,
    monotonic_s: Callable[[], float] = time.monotonic,
) -> bytes:
    """The page at ``url``, which must have passed ``url_fault``.

    No redirect is followed, no proxy of the environment is used. Raises ConfigError
    SOURCE_SCRAPE, which is no reason to stop: the next try may find the page.
    """
    end_s = monotonic_s() + total_s
    with ExitStack() as stack:
        try:
            answer = _ask(stack, urlsplit(url), timeout_s)
            if answer.status != http.client.OK:
                _fail(url, f"answers with status {answer.status}; redirects are not followed")
            kind = answer.getheader("Content-Type", "").partition(";")[0].strip().lower()
            if kind != "text/plain":
                _fail(url, "answers with another type than text/plain")
            return _read(url, answer, lambda: monotonic_s() < end_s)
        except (OSError, http.client.HTTPException, ValueError):
            _fail(url, "cannot be read; is the exporter up, and its certificate good?")


def _ask(stack: ExitStack, parts: SplitResult, timeout_s: float) -> http.client.HTTPResponse:
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    stack.enter_context(closing(connection))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", target, headers={"Accept": ACCEPT, "User-Agent": "fermata"})
    return stack.enter_context(closing(connection.getresponse()))


def _read(url: str, answer: http.client.HTTPResponse, has_time: Callable[[], bool]) -> bytes:
    body = bytearray()
    while chunk := answer.read1(_CHUNK_BYTES):
        body += chunk
        if len(body) > BYTES_MAX:
            _fail(url, f"is longer than {BYTES_MAX} bytes")
        if not has_time():
            _fail(url, "takes too long to read")
    if answer.length:
        _fail(url, "ends before its end")
    return bytes(body)


def _fail(url: str, what: str) -> NoReturn:
    raise ConfigError("SOURCE_SCRAPE", f"{url}: {what}")
