"""The dashboard over HTTP: headers on every answer, reads only, the verifier's button."""

import socket
import ssl
import urllib.request
from contextlib import ExitStack, contextmanager, suppress

import pytest
from starlette.testclient import TestClient

from fermata.dashboard import connections
from fermata.dashboard.app import HEADERS, make_app
from fermata.dashboard.checks import DONE, FAILED, IDLE, RUNNING, Checks, checks_view
from fermata.dashboard.pages import NAVIGATION
from fermata.dashboard.server import is_loopback, serving
from fermata.errors import ConfigError, TransportError
from harness.dashboard import paused_checks, paused_source

SAME = {"Sec-Fetch-Site": "same-origin"}


class Clock:
    def __init__(self):
        self.now_ms = 1_000_000

    def __call__(self):
        return self.now_ms


class Broken:
    """A source whose verifier ends as it is told."""

    def __init__(self, error=None):
        self.error = error
        self.runs = 0

    def snapshot(self):
        return paused_source().snapshot()

    def verify(self):
        self.runs += 1
        if self.error is not None:
            raise self.error
        return paused_source().verification


def client(source=None, checks=None, loopback=True):
    source = source or paused_source()
    app = make_app(source, checks or paused_checks(), loopback)
    return TestClient(app, base_url="http://127.0.0.1:8443", follow_redirects=False)


def checks_of(source, waiting, clock=None):
    return Checks(source, clock or Clock(), spawn=waiting.append)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 200), ("HEAD", "/", 200), ("GET", "/style.css", 200), ("GET", "/nothing", 404),
     ("GET", "/a/b/c", 404), ("GET", "/%00", 404), ("GET", "/..%2f..%2fetc", 404),
     ("GET", "/round-99.html", 404), ("GET", f"/{'x' * 5000}", 404), ("POST", "/", 405),
     ("PUT", "/index.html", 405), ("DELETE", "/round-1.html", 405), ("PATCH", "/", 405),
     ("OPTIONS", "/", 405), ("POST", "/verify.html", 403), ("GET", "/log-99999999999.html", 404)],
)  # fmt: skip
def test_every_answer_has_its_status_and_all_headers(method, path, status):
    answer = client().request(method, path)
    assert answer.status_code == status
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "server" not in answer.headers


@pytest.mark.parametrize("name", [name for name, _ in NAVIGATION])
def test_every_page_of_the_navigation_is_there(name):
    answer = client().get(f"/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_a_page_that_is_not_there_says_so_for_people():
    answer = client().get("/round-99.html")
    assert "There is no such page" in answer.text
    assert 'href="index.html"' in answer.text


def test_bytes_of_an_entry_are_a_download():
    answer = client().get("/entry-7.bin")
    assert answer.headers["content-disposition"] == 'attachment; filename="entry-7.bin"'


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8443", "127.0.0.1.evil.example", "["]
)
def test_on_the_machine_itself_other_names_are_refused(host):
    answer = client().get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    assert client(loopback=False).get("/", headers={"Host": "log.example"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
     {"Sec-Fetch-Site": "none"}, {"Origin": "null"}, {"Origin": "http://evil.example"},
     {"Origin": "http://127.0.0.1:1"}],
)  # fmt: skip
def test_only_the_page_itself_starts_the_verifier(headers):
    waiting = []
    answer = client(checks=checks_of(Broken(), waiting)).post("/verify.html", headers=headers)
    assert (answer.status_code, waiting) == (403, [])


@pytest.mark.parametrize("headers", [SAME, {"Origin": "http://127.0.0.1:8443"}])
def test_the_button_starts_the_verifier_once_and_leads_back_to_the_page(headers):
    waiting = []
    checks = checks_of(Broken(), waiting)
    site = client(checks=checks)
    for _ in range(3):
        answer = site.post("/verify.html", headers=headers)
        assert (answer.status_code, answer.headers["location"]) == (303, "verify.html")
    assert len(waiting) == 1
    assert checks.view().status == RUNNING
    waiting.pop()()
    found = checks.view()
    assert (found.status, found.is_valid, len(found.checks)) == (DONE, True, 11)
    assert "V12" in site.get("/verify.html").text


def test_after_a_run_the_verifier_rests():
    waiting, clock = [], Clock()
    checks = checks_of(Broken(), waiting, clock)
    assert checks.view().status == IDLE
    assert checks.start()
    clock.now_ms += 5_000
    waiting.pop()()
    assert not checks.start()
    assert checks.view().next_s == 50
    clock.now_ms += 50_000
    assert checks.start()


def test_a_clock_that_was_ahead_at_the_end_of_a_run_makes_nobody_wait():
    waiting, clock = [], Clock()
    checks = checks_of(Broken(), waiting, clock)
    assert checks.start()
    clock.now_ms += 21 * 86_400_000
    waiting.pop()()
    clock.now_ms -= 21 * 86_400_000 - 1000
    assert checks.view().next_s == 0
    assert checks.start()


@pytest.mark.parametrize(
    ("error", "said"),
    [(TransportError("NOT_COSIGNED", "log: wait"), "NOT_COSIGNED"), (KeyError("secret"), "itself")],
)
def test_a_run_that_ends_badly_is_told_and_does_not_block_the_next(error, said):
    waiting, clock = [], Clock()
    checks = checks_of(Broken(error), waiting, clock)
    checks.start()
    waiting.pop()()
    found = checks.view()
    assert found.status == FAILED
    assert said in found.error
    assert "secret" not in found.error
    clock.now_ms += 60_000
    assert checks.start()


def test_a_log_that_cannot_be_read_now_is_said_plainly():
    class Gone(Broken):
        def snapshot(self):
            raise TransportError("STORAGE", "secret place")

    answer = client(Gone()).get("/")
    assert answer.status_code == 503
    assert "secret" not in answer.text


def test_a_fault_of_ours_shows_no_text_of_it():
    class Faulty(Broken):
        def snapshot(self):
            raise KeyError("secret")

    answer = client(Faulty()).get("/")
    assert (answer.status_code, "secret" in answer.text) == (500, False)


@pytest.mark.parametrize(
    ("address", "local"),
    [("127.0.0.1:0", True), ("127.9.9.9:1", True), ("[::1]:0", True), ("localhost:0", True),
     ("0.0.0.0:0", False), ("10.0.0.1:1", False), ("log.example:1", False), ("[::]:1", False)],
)  # fmt: skip
def test_only_addresses_of_the_machine_are_of_the_machine(address, local):
    assert is_loopback(address) is local


@contextmanager
def served(tls=None):
    with serving(paused_source(), paused_checks(), "127.0.0.1:0", tls) as address:
        yield address


def test_it_serves_until_it_is_left():
    with served() as address:
        with urllib.request.urlopen(f"http://{address}/", timeout=10) as answer:
            assert b"lifting" in answer.read()
        host, port = address.split(":")
    with pytest.raises(OSError):
        socket.create_connection((host, int(port)), timeout=2)


def opened(address, source="127.0.0.1", said=b""):
    host, port = address.split(":")
    found = socket.create_connection((host, int(port)), timeout=10, source_address=(source, 0))
    found.sendall(said)
    return found


def page_of(address, source="127.0.0.1"):
    request = b"GET / HTTP/1.1\r\nHost: " + address.encode() + b"\r\nConnection: close\r\n\r\n"
    with opened(address, source, request) as connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


#: What a peer may send and then fall silent; after the last it does not read its answer either.
STALLED = {
    "nothing": b"",
    "half a line": b"GET / HT",
    "half a head": b"GET / HTTP/1.1\r\nHost: a\r\nX: ",
    "a head without its body": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
}


@pytest.mark.parametrize("said", STALLED.values(), ids=STALLED)
def test_slow_connections_do_not_keep_others_out(said):
    with served() as address, ExitStack() as stack:
        for number in range(200):
            slow = f"127.0.0.{2 + number % 8}"
            stack.enter_context(opened(address, slow, said))
        # One that only falls silent does not keep out even its own neighbours.
        sources = ["127.0.0.1"] if said.endswith(b"\r\n\r\n") else ["127.0.0.1", "127.0.0.2"]
        for source in sources:
            answer = page_of(address, source)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"</html>" in answer


@pytest.mark.parametrize("said", STALLED.values(), ids=STALLED)
def test_a_connection_that_stalls_is_closed(said, monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_S", 0.2)
    with served() as address, opened(address, said=said) as slow, suppress(ConnectionResetError):
        while slow.recv(65536):
            pass


def test_a_byte_now_and_then_does_not_move_the_deadline(monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_S", 0.3)
    with served() as address, opened(address) as slow:
        slow.settimeout(0.05)
        sent = 0
        with suppress(ConnectionError):
            while sent < 200:
                slow.sendall(b"G")
                sent += 1
                with suppress(TimeoutError):
                    if slow.recv(100) == b"":
                        break
        assert sent < 200


def test_one_source_has_at_most_its_share_of_the_connections():
    with served() as address, ExitStack() as stack:
        slow = [stack.enter_context(opened(address, "127.0.0.2")) for _ in range(60)]
        page_of(address)
        still = 0
        for connection in slow:
            connection.settimeout(0.01)
            try:
                connection.recv(1)
            except TimeoutError:
                still += 1
            except ConnectionError:
                pass
        assert still <= connections.PER_SOURCE_MAX


def test_a_port_that_is_taken_is_told():
    with (
        served() as address,
        pytest.raises(ConfigError) as refused,
        serving(paused_source(), paused_checks(), address),
    ):
        pass
    assert refused.value.reason == "PORT_IN_USE"


def test_a_finished_check_keeps_what_was_found():
    view = checks_view(paused_source().verification, 0)
    assert view.is_valid
    assert [c.number for c in view.checks] == [*range(1, 11), 12]


def test_over_tls_a_renewed_certificate_is_taken_over(tmp_path):
    first, second = (make_certificate(tmp_path / name) for name in ("a", "b"))
    with served(first) as address:
        host, port = address.split(":")
        before = ssl.get_server_certificate((host, int(port)))
        assert before.strip() == first[0].read_text().strip()
        for old, new in zip(first, second, strict=True):
            old.write_bytes(new.read_bytes())
        after = ssl.get_server_certificate((host, int(port)))
        assert after.strip() == second[0].read_text().strip()


def make_certificate(folder):
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, folder.name)])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"
