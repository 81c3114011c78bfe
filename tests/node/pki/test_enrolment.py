import io
import socket
import stat
import threading
import traceback

import grpc
import pytest

from fermata.errors import ConfigError, FermataError, IdentityError, TransportError
from fermata.node.pki import enrolment
from fermata.node.pki.certificates import make_csr
from fermata.node.pki.enrolment import enroll, enroll_locally, fetch_root
from fermata.node.pki.identity import (
    check_certificate,
    fingerprint_of,
    identity_of,
    load_chain,
    server_name,
)
from fermata.node.pki.server import EnrolmentServer
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.status_codes import error_of_call
from fermata.wire.v1 import log_service_pb2
from harness.node.pki_world import COORDINATOR, LAB, CountedEntropy, make_world

METHOD = "/fermata.wire.v1.EnrolmentService/Enroll"


class Service:
    """An enrolment service on a port of its own, and a way to send it raw bytes."""

    def __init__(self, world, folder):
        self.world = world
        self.problems = []
        enroll_locally(world.authority, COORDINATOR.role, COORDINATOR.id, folder)
        files = TlsFiles(folder / "key.pem", folder / "cert.pem", folder / "root.pem")
        self.server = EnrolmentServer(world.authority, files, world.clock, self.problems.append)
        self.address = self.server.start("127.0.0.1:0")

    def enroll(self, directory, token, fingerprint=None, address=None):
        return enroll(
            directory,
            address or self.address,
            fingerprint or self.world.authority.fingerprint,
            token,
            self.world.clock,
            CountedEntropy("node"),
        )

    def send(self, data):
        authority = self.world.authority
        credentials = grpc.ssl_channel_credentials(authority.root_pem)
        name = server_name(authority.deployment)
        options = [("grpc.ssl_target_name_override", name)]
        with grpc.secure_channel(self.address, credentials, options) as channel:
            return channel.unary_unary(METHOD)(data, timeout=20)

    def refusal(self, data):
        """Status, error as a client sees it."""
        with pytest.raises(grpc.RpcError) as error:
            self.send(data)
        return error.value.code(), error_of_call(error.value, self.address)

    def ask(self, token, csr):
        request = log_service_pb2.EnrollRequest(token=token, csr=csr)
        return request.SerializeToString(deterministic=True)


@pytest.fixture
def world(tmp_path):
    return make_world(tmp_path / "w")


@pytest.fixture
def service(world, tmp_path):
    made = Service(world, tmp_path / "server-tls")
    yield made
    made.server.stop(0)


def _reason(call, *args, **kwargs):
    with pytest.raises(FermataError) as error:
        call(*args, **kwargs)
    return error.value.reason


def _names(folder):
    return sorted(each.name for each in folder.iterdir())


@pytest.fixture
def home(tmp_path):
    (tmp_path / "node").mkdir()
    return tmp_path / "node"


def test_node_enrols_with_a_token_over_the_network(world, service, home):
    token = world.authority.issue_token("lab", "alpha", 60)
    assert service.enroll(home / "tls", token) == LAB
    assert _names(home / "tls") == ["cert.pem", "key.pem", "root.pem"]
    assert stat.S_IMODE((home / "tls" / "key.pem").stat().st_mode) == 0o600
    assert (home / "tls" / "root.pem").read_bytes() == world.authority.root_pem
    leaf = load_chain((home / "tls" / "cert.pem").read_bytes())[0]
    assert identity_of(leaf) == LAB
    check_certificate(leaf, world.authority.root, world.clock(), world.authority.is_denied)
    assert token.encode() not in b"".join(
        path.read_bytes() for path in home.rglob("*") if path.is_file()
    )


def test_fingerprint_may_be_in_capitals(world, service):
    fingerprint = world.authority.fingerprint
    capitals = "SHA256:" + fingerprint[7:].upper()
    for text in (fingerprint, capitals, f" {fingerprint}\n"):
        assert fetch_root(service.address, text) == world.authority.root_pem


def test_wrong_fingerprint_is_refused_before_the_token_is_sent(world, service, home):
    token = world.authority.issue_token("lab", "alpha", 60)
    fingerprint = world.authority.fingerprint
    wrong = fingerprint[:-1] + ("0" if fingerprint[-1] != "0" else "1")
    with pytest.raises(IdentityError, match="do not go on") as error:
        service.enroll(home / "tls", token, wrong)
    assert error.value.reason == "ROOT_FINGERPRINT"
    assert _names(home) == []
    # The token was not spent, so nobody has seen it.
    assert service.enroll(home / "tls", token) == LAB


def test_fingerprint_of_a_leaf_is_no_root(world, service, home, tmp_path):
    leaf = load_chain((tmp_path / "server-tls" / "cert.pem").read_bytes())[0]
    token = world.authority.issue_token("lab", "alpha", 60)
    reason = _reason(service.enroll, home / "tls", token, fingerprint_of(leaf))
    assert reason == "ROOT_FORM"
    assert service.enroll(home / "tls", token) == LAB


@pytest.mark.parametrize("text", ["", "SHA256:", "SHA256:" + "0" * 63, "MD5:" + "0" * 64, "0" * 65])
def test_fingerprint_of_another_form_is_refused(service, text):
    assert _reason(fetch_root, service.address, text) == "FINGERPRINT_FORM"


@pytest.mark.parametrize("form", ["SHA256:{}", "sha256:{}", "{}", " {}\n"])
@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_a_fingerprint_is_taken_as_people_paste_it(world, service, form, case):
    digest = world.authority.fingerprint.removeprefix("SHA256:")
    assert fetch_root(service.address, form.format(case(digest)))


@pytest.mark.parametrize("address", ["", "localhost", "localhost:", "https://a:1", "a:99999"])
def test_address_of_another_form_is_refused(world, address):
    assert _reason(fetch_root, address, world.authority.fingerprint) == "ADDRESS"


def test_silent_address_is_a_transport_error(world):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(TransportError, match="check the address") as error:
            fetch_root(address, world.authority.fingerprint)
    assert error.value.reason == "UNREACHABLE"


def test_address_that_speaks_no_tls_is_a_transport_error(world):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk():
            connection, _ = listening.accept()
            with connection:
                connection.recv(10)
                connection.sendall(b"220 mail\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        assert _reason(fetch_root, address, world.authority.fingerprint) == "UNREACHABLE"
        thread.join()


def test_refused_token_leaves_nothing_behind(world, service, home):
    used = world.authority.issue_token("lab", "alpha", 60)
    service.enroll(home / "tls", used)
    expired = world.authority.issue_token("lab", "beta", 1)
    denied = world.authority.issue_token("lab", "gamma", 60)
    world.authority.deny("lab", "gamma")
    world.clock.now_ms += 1000
    texts = set()
    for token in (used, expired, denied, "A" * 43, "nonsense"):
        with pytest.raises(IdentityError) as error:
            service.enroll(home / "other", token)
        texts.add((error.value.reason, str(error.value)))
    assert len(texts) == 1
    assert texts.pop()[0] == "TOKEN_REFUSED"
    assert [name for name in _names(home) if not name.startswith("tls")] == []


def test_directory_in_use_is_refused_before_the_token_is_sent(world, service, home):
    token = world.authority.issue_token("lab", "alpha", 60)
    (home / "tls").mkdir()
    assert _reason(service.enroll, home / "tls", token) == "DIRECTORY_IN_USE"
    assert service.enroll(home / "fresh", token) == LAB


def test_failure_to_write_leaves_nothing_behind(world, service, home, monkeypatch):
    token = world.authority.issue_token("lab", "alpha", 60)

    def fail(path, target):
        raise ConfigError("FILE_UNWRITABLE", "full")

    monkeypatch.setattr("fermata.node.pki.tls.write_link", fail)
    assert _reason(service.enroll, home / "tls", token) == "FILE_UNWRITABLE"
    assert _names(home) == []


def test_answer_with_another_root_or_key_is_refused(world, service, home, tmp_path, monkeypatch):
    strange = make_world(tmp_path / "strange")
    _, own_chain = world.issue()
    _, strange_chain = strange.issue()
    for chain, root, reason in (
        (own_chain, strange.authority.root_pem, "ROOT_FINGERPRINT"),
        (own_chain, b"", "CHAIN_FORM"),
        (strange_chain, world.authority.root_pem, "CERT_FOREIGN"),
        (own_chain, world.authority.root_pem, "TLS_FILES"),
        (b"", world.authority.root_pem, "CHAIN_FORM"),
    ):
        answer = log_service_pb2.EnrollResponse(certificate_chain=chain, root=root)
        with monkeypatch.context() as patch:
            patch.setattr(enrolment, "_call_enroll", lambda *args, a=answer: a)
            assert _reason(service.enroll, home / "tls", "A" * 43) == reason
        assert _names(home) == []


def test_impostor_with_another_root_gets_no_token(world, tmp_path, home):
    strange = make_world(tmp_path / "strange")
    impostor = Service(strange, tmp_path / "impostor-tls")
    token = world.authority.issue_token("lab", "alpha", 60)
    try:
        reason = _reason(impostor.enroll, home / "tls", token, world.authority.fingerprint)
    finally:
        impostor.server.stop(0)
    assert reason == "ROOT_FINGERPRINT"
    world.authority.enroll(token, make_csr(world.key()))


def test_tampered_request_is_refused_and_costs_no_token(world, service):
    token = world.authority.issue_token("lab", "alpha", 60)
    csr = make_csr(world.key())
    code, error = service.refusal(service.ask(token, csr[:-1] + bytes([csr[-1] ^ 1])))
    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CSR_REFUSED")
    # Said of the request alone: the same with a token that does not exist.
    _, other = service.refusal(service.ask("A" * 43, csr[:-1] + bytes([csr[-1] ^ 1])))
    assert str(other) == str(error)
    service.send(service.ask(token, csr))


def test_unparseable_request_is_the_callers_fault(service):
    for data in (b"\xff\xff", b"garbage", b"\x0a\x02\xff\xfe", b"\x0a\x85"):
        code, error = service.refusal(data)
        assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "ENCODING")


def test_empty_request_is_refused(service):
    code, error = service.refusal(b"")
    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CSR_REFUSED")


def test_huge_request_is_refused(service):
    with pytest.raises(grpc.RpcError) as error:
        service.send(service.ask("A" * 43, b"\0" * 100_000))
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_host_that_tries_too_often_is_held_back(world, service):
    data = service.ask("A" * 43, make_csr(world.key()))
    reasons = [service.refusal(data)[1].reason for _ in range(31)]
    assert reasons == ["TOKEN_REFUSED"] * 30 + ["RATE"]
    world.clock.now_ms += 2000
    assert service.refusal(data)[1].reason == "TOKEN_REFUSED"


def test_trouble_of_our_own_gets_a_number_and_no_text(world, service):
    token = world.authority.issue_token("lab", "alpha", 60)
    (world.folder / "tokens.json").write_text("canary-text")
    code, error = service.refusal(service.ask(token, make_csr(world.key())))
    assert code is grpc.StatusCode.INTERNAL
    assert error.reason == "INCIDENT"
    assert str(world.folder) not in str(error)
    (problem,) = service.problems
    number = str(problem).partition("incident ")[2].partition(":")[0]
    assert number in str(error)
    assert "TOKEN_BOOK" in str(problem)
    for secret in (token, "canary-text"):
        assert secret not in str(problem) + str(error)


def test_second_service_on_one_port_is_refused(world, service, tmp_path):
    folder = tmp_path / "server-tls"
    files = TlsFiles(folder / "key.pem", folder / "cert.pem", folder / "root.pem")
    second = EnrolmentServer(world.authority, files, world.clock)
    assert _reason(second.start, service.address) == "PORT_IN_USE"
    second.stop(0)


def test_no_error_of_an_enrolment_shows_the_token(world, service, home):
    shown = io.StringIO()
    token = world.authority.issue_token("lab", "alpha", 1)
    world.clock.now_ms += 1000
    wrong = "SHA256:" + "0" * 64
    for arguments in ((token,), (token, wrong), (token, "x"), (token, None, "nowhere")):
        try:
            service.enroll(home / "tls", *arguments)
        except FermataError as error:
            traceback.print_exception(error, file=shown)
    assert shown.getvalue().count("Error: ") == 4
    assert token not in shown.getvalue()


def test_silent_calls_of_one_host_end_at_their_limit_and_the_port_still_answers(service, world):
    options = [
        ("grpc.ssl_target_name_override", server_name(world.authority.deployment)),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    gate = threading.Event()

    def nothing():
        gate.wait(60)
        yield from ()

    credentials = grpc.ssl_channel_credentials(world.authority.root_pem)
    with grpc.secure_channel(service.address, credentials, options) as channel:
        start = channel.stream_unary(METHOD).future
        calls = [start(nothing(), timeout=20) for _ in range(60)]
        # Two may wait for their message; each of the others is refused at its headers.
        ended = threading.Semaphore(0)
        for each in calls:
            each.add_done_callback(lambda _: ended.release())
        for _ in range(58):
            assert ended.acquire(timeout=4)
        world.clock.now_ms += 3_600_000
        # So the refusal is that of a place, not of the rate: the port answers.
        code, error = service.refusal(service.ask("token", b"csr"))
        gate.set()
    assert (code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "BUSY")
