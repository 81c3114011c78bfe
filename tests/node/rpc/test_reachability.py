"""A call without an answer names the step that failed, over real sockets on loopback."""

import contextlib
import socket
import ssl
import threading

import pytest

from fermata.errors import TransportError
from fermata.node.pki.identity import not_after_ms, not_before_ms
from fermata.node.rpc.client import GrpcLog
from fermata.node.rpc.reachability import Way, failed_step
from fermata.protocol.charter.periods import utc_text
from harness.node.node_script import scripting
from harness.node.node_world import DEPLOYMENT, HOUR, NAME, Authority, now, pem, world

NOW_MS = int(now().timestamp() * 1000)


@pytest.fixture
def here():
    with world() as made:
        yield made


@contextlib.contextmanager
def port_that(answer):
    """The address of a port where ``answer`` has each connection, one after another."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, contextlib.suppress(OSError):
                        answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            # Wakes the thread that waits for a connection.
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextlib.contextmanager
def tls_server(tls, folder, protocols=("h2",)):
    """The address of a server that only shakes hands, with this certificate."""
    file = folder / "both.pem"
    file.write_bytes(tls.found.key_pem + tls.found.chain_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.set_alpn_protocols(list(protocols))

    def answer(connection):
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    with port_that(answer) as address:
        yield address


def step(address, authority, own=None, now_ms=NOW_MS):
    way = Way(address, pem(authority.certificate), NAME, own)
    return failed_step(way, lambda: now_ms)


def unreachable(log):
    with log, pytest.raises(TransportError) as caught:
        log.checkpoint()
    assert caught.value.reason == "UNREACHABLE"
    return str(caught.value)


def log_at(address, tls):
    return GrpcLog(address, DEPLOYMENT, tls, sleep=lambda seconds: None, attempts_max=1)


def test_a_name_that_does_not_resolve_is_told(here):
    # Longer than a name may be (RFC 1035, 2.3.4), so that no resolver asks another machine.
    name = ".".join(["a" * 60] * 5)
    said = unreachable(log_at(f"{name}:7440", here.party("lab")))
    assert said == (
        f"log at {name}:7440: the name {name} does not resolve; check the address and this"
        " machine's DNS"
    )


def test_a_port_that_refuses_is_told(here):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        said = unreachable(log_at(f"127.0.0.1:{port}", here.party("lab")))
    assert f"port {port} of 127.0.0.1: Connection refused, ECONNREFUSED; nothing listens" in said


def test_a_port_of_another_program_is_told(here):
    with port_that(lambda connection: connection.sendall(b"220 mail ready\r\n")) as address:
        said = unreachable(log_at(address, here.party("lab")))
    assert "is open, but does not speak TLS; another program listens there" in said


def test_a_port_that_closes_at_once_is_told():
    with port_that(lambda connection: None) as address:
        assert "is open, but does not speak TLS" in step(address, Authority())


def test_a_port_that_says_nothing_is_told(monkeypatch):
    monkeypatch.setattr("fermata.node.rpc.reachability.STEP_S", 0.2)
    ending = threading.Event()
    with port_that(lambda connection: ending.wait(30)) as address:
        said = step(address, Authority())
        ending.set()
    assert "is open, but says nothing in TLS" in said


def test_a_certificate_of_another_root_is_told():
    with scripting() as start:
        _, log, _ = start(server_tls=Authority().party("coordinator", "hub"))
        said = unreachable(log)
    assert "the server's certificate is not of an authority that this node pins" in said


def test_a_certificate_of_another_node_is_told():
    with scripting() as start:
        _, log, _ = start(server_tls=start.authority.leaf(dns=("other.fermata",)))
        said = unreachable(log)
    assert f"of a pinned authority, but not for {NAME}; another node of the deployment" in said


@pytest.mark.parametrize("hours", [(-3, -2), (2, 3)])
def test_a_servers_certificate_that_is_not_valid_now_is_told_with_both_times(hours, tmp_path):
    authority = Authority()
    first, last = (now() + count * HOUR for count in hours)
    tls = authority.party("coordinator", "hub", start=first, end=last)
    with tls_server(tls, tmp_path) as address:
        said = step(address, authority)
    leaf = tls.found.certificate
    span = f"from {utc_text(not_before_ms(leaf))} to {utc_text(not_after_ms(leaf))}"
    clock = f"and this machine's clock says {utc_text(NOW_MS)}; set the clock if it is wrong"
    assert f"the server's certificate is valid {span}, {clock}" in said


@pytest.mark.parametrize("hours", [(-3, -2), (2, 3)])
def test_an_own_certificate_that_is_not_valid_now_is_told_with_both_times(here, hours):
    first, last = (now() + count * HOUR for count in hours)
    tls = here.authority.party("lab", "ada", start=first, end=last)
    said = unreachable(log_at(here.address, tls))
    assert "this node's own certificate is valid from " in said
    assert utc_text(not_after_ms(tls.found.certificate)) in said
    assert "otherwise enrol again" in said


def test_a_server_that_speaks_tls_and_not_grpc_is_told(tmp_path):
    authority = Authority()
    tls = authority.party("coordinator", "hub")
    with tls_server(tls, tmp_path, ("http/1.1",)) as address:
        assert "the server does not speak gRPC" in step(address, authority)


def test_where_every_step_goes_well_the_server_is_to_be_looked_at(here):
    own = Authority().party("lab", "ada")
    assert step(here.address, here.authority, here.party("lab").found.certificate) == ""
    # Of another root: the server does not take it, and TLS does not say so to a client.
    own.trust(here.authority, alone=True)
    said = unreachable(log_at(here.address, own))
    assert "the way there and TLS go well, but no answer comes" in said


@pytest.mark.parametrize("address", ["localhost", "a:99999", "unix:/x"])
def test_an_address_of_another_form_is_told(address):
    assert "must be host:port" in step(address, Authority())


def test_nobody_looks_for_causes_where_nobody_reads_them(here, monkeypatch):
    monkeypatch.setattr("fermata.node.rpc.client.failed_step", lambda *way: pytest.fail("looked"))
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        log = log_at(address, here.party("lab"))
        log.has_causes = False
        assert "no answer (UNAVAILABLE)" in unreachable(log)
