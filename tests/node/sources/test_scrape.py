"""A live scrape: one page, bounded in size and time, from where the configuration says."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fermata.errors import ConfigError
from fermata.node.sources.readers.prometheus import BYTES_MAX
from fermata.node.sources.readers.scrape import scrape

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@contextlib.contextmanager
def page(status=200, body=b"a 1\n", kind=TEXT, length=None, **headers):
    """A server with one page; gives its URL and the requests that it got."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, dict(self.headers)))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/metrics?a=b", asked
        finally:
            server.shutdown()


def refused(url, **options):
    with pytest.raises(ConfigError) as caught:
        scrape(url, **options)
    assert caught.value.reason == "SOURCE_SCRAPE"
    return str(caught.value)


def test_a_page_is_read_as_it_is():
    with page() as (url, asked):
        assert scrape(url) == b"a 1\n"
    ((path, headers),) = asked
    assert (path, headers["Accept"]) == ("/metrics?a=b", "text/plain;version=0.0.4")


@pytest.mark.parametrize("status", [301, 302, 307, 404, 500, 204])
def test_another_status_is_refused_and_no_redirect_followed(status):
    with page(status=status, Location="/other") as (url, asked):
        assert f"status {status}" in refused(url)
    assert len(asked) == 1


def test_another_type_is_refused():
    with page(kind="application/openmetrics-text") as (url, _):
        assert "another type" in refused(url)


def test_a_page_that_is_too_long_is_refused():
    with page(body=b"a" * (BYTES_MAX + 1)) as (url, _):
        assert "longer than" in refused(url)


def test_a_page_that_ends_early_is_refused():
    with page(length=100) as (url, _):
        assert refused(url)


def test_a_page_that_takes_too_long_is_refused():
    times = iter([0.0, 100.0, 200.0])
    with page() as (url, _):
        assert "takes too long" in refused(url, monotonic_s=lambda: next(times))


def test_a_server_that_is_away_is_refused():
    with page() as (url, _):
        pass
    assert "cannot be read" in refused(url)
