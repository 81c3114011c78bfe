"""What must not start does not start, or gets nowhere, and says why in one line."""

import time
from pathlib import Path

import grpc
import pytest

from fermata.node.pki.authority import Authority
from fermata.node.pki.certificates import DAY_MS
from fermata.node.pki.enrolment import enroll_locally
from fermata.node.pki.identity import server_name
from fermata.node.rpc.rpc_contract import path_of
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.storage import keystore
from fermata.protocol.wire.codec import encode
from fermata.wire.v1 import log_service_pb2
from harness.e2e.deployment import COORDINATOR, SMALL, Deployment, charter_text
from harness.e2e.fleet import Fleet, fleet_of

STOP_S = 15.0
CONFIG_ERROR, STORE_ERROR, IDENTITY_ERROR = 2, 1, 5


@pytest.fixture(scope="module")
def served(template, tmp_path_factory):
    """A coordinator that runs for all tests here; they leave it as it was."""
    with fleet_of(template(SMALL), tmp_path_factory.mktemp("refusals") / "run") as fleet:
        fleet.start(COORDINATOR)
        yield fleet
        assert fleet.stop(COORDINATOR) == {COORDINATOR: 0}


@pytest.fixture
def twin(served, template, tmp_path):
    """Nodes of the same deployment on a fresh copy of its files, before the same coordinator."""
    with fleet_of(template(SMALL), tmp_path / "twin") as fleet:
        fleet.address = served.address
        yield fleet


def start_refused(fleet: Fleet, party: str, code: int, reason: str) -> str:
    """The node ends by itself and says why in one line, which is given."""
    done = fleet.run_once(party)
    said = done.stderr.splitlines()
    assert done.returncode == code, said
    assert said[-1].startswith("fermata: "), said
    assert said[-1].endswith(f"[{reason}]"), said
    # The gRPC library has a line of its own about a port.
    assert not any("Traceback" in line for line in said)
    assert done.stdout == ""
    return said[-1]


def test_a_second_server_on_one_port_is_refused(served, twin):
    said = start_refused(twin, COORDINATOR, CONFIG_ERROR, "PORT_IN_USE")
    assert served.address in said
    served.check_all_run()


def test_a_second_process_on_one_store_is_refused(served, twin):
    assert "store.db" in start_refused(served, COORDINATOR, STORE_ERROR, "STORE_IN_USE")
    served.check_all_run()
    twin.start("lab-1")
    twin.wait_told("lab-1", "started")
    start_refused(twin, "lab-1", STORE_ERROR, "STORE_IN_USE")
    assert twin.stop() == {"lab-1": 0}


def test_a_charter_that_lacks_a_signature_is_not_served(twin):
    twin.address = "127.0.0.1:0"
    (twin.deployment.node(COORDINATOR) / "charter.toml.sig" / "lab-2").unlink()
    said = start_refused(twin, COORDINATOR, CONFIG_ERROR, "SIGNATURES")
    assert "not signed by lab-2" in said


def test_a_charter_that_was_changed_after_signing_is_not_served(twin):
    twin.address = "127.0.0.1:0"
    path = twin.deployment.node(COORDINATOR) / "charter.toml"
    path.write_text(path.read_text().replace("An end-to-end test", "Another charter"))
    start_refused(twin, COORDINATOR, CONFIG_ERROR, "SIGNATURES")


def test_keys_of_another_deployment_do_not_open(twin):
    made = twin.deployment
    path = made.node("lab-1") / "charter.toml"
    path.write_text(path.read_text().replace("e2e-small", "e2e-other"))
    said = start_refused(twin, "lab-1", CONFIG_ERROR, "KEYFILE_FOREIGN")
    assert "e2e-small" in said
    assert "e2e-other" in said


def test_a_node_with_another_charter_than_the_log_says_so_and_sends_nothing(served, twin):
    made = twin.deployment
    keys = {party: made.signing_key(party) for party in made.parties}
    other = made.node("lab-1") / "charter.toml"
    other.write_text(charter_text(SMALL, keys, title="Another charter of the same parties"))
    size = served.state().size
    said = start_refused(twin, "lab-1", CONFIG_ERROR, "CHARTER_HASH")
    assert "charter" in said
    assert served.state().size == size


def certify(made: Deployment, party: str, authority: Authority) -> None:
    """Gives a party a certificate of this authority in place of its own."""
    tls = made.node(party) / "tls"
    tls.unlink()
    enroll_locally(authority, made.role(party), party, tls)


def foreign_authority(folder: Path, name: str) -> Authority:
    """An authority of the same name that nobody here has heard of."""
    folder.mkdir()
    identity = keystore.new_identity(folder / "identity.txt")
    return Authority.create(folder / "authority", name, identity, clock_ms, entropy)


def call_with(address: str, made: Deployment, party: str, root: bytes) -> grpc.StatusCode:
    """Calls the log with a party's certificate; gives the status."""
    tls = made.node(party) / "tls"
    credentials = grpc.ssl_channel_credentials(
        root, (tls / "key.pem").read_bytes(), (tls / "cert.pem").read_bytes()
    )
    options = (("grpc.ssl_target_name_override", server_name(made.charter.deployment)),)
    with grpc.secure_channel(address, credentials, options) as channel:
        call = channel.unary_unary(path_of("GetNews"))
        try:
            call(encode(log_service_pb2.GetNewsRequest()), timeout=10)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def check_gets_nowhere(served: Fleet, twin: Fleet, party: str) -> None:
    """A node that cannot reach the log says so, tries again, and stops when it is told to."""
    size = served.state().size
    twin.start(party)
    twin.wait_told(party, "log_unreachable")
    started = time.monotonic()
    assert twin.stop() == {party: 0}
    assert time.monotonic() - started < STOP_S
    assert not twin.events(party, "statement_logged")
    assert served.state().size == size
    served.check_all_run()


def test_a_certificate_of_another_authority_is_let_in_by_neither_side(served, twin, tmp_path):
    made = twin.deployment
    root = (made.node("lab-1") / "tls" / "root.pem").read_bytes()
    assert call_with(served.address, made, "lab-1", root) is grpc.StatusCode.OK
    certify(made, "lab-1", foreign_authority(tmp_path / "foreign", made.charter.deployment))
    check_gets_nowhere(served, twin, "lab-1")
    # With the right root the client trusts the server, which still does not trust it.
    assert call_with(served.address, made, "lab-1", root) is grpc.StatusCode.UNAVAILABLE


def test_an_expired_certificate_gets_nowhere(served, twin):
    made = twin.deployment
    long_ago = made.authority(lambda: clock_ms() - 31 * DAY_MS)
    for party in ("auditor-1", "lab-1", COORDINATOR):
        certify(made, party, long_ago)
        said = start_refused(twin, party, IDENTITY_ERROR, "CERT_EXPIRED")
        assert "cert.pem" in said
    # A node that does not look at its own certificate meets a server that does.
    root = (made.node("lab-1") / "tls" / "root.pem").read_bytes()
    assert call_with(served.address, made, "lab-1", root) is grpc.StatusCode.UNAVAILABLE
    assert call_with(served.address, made, "lab-2", root) is grpc.StatusCode.OK


def test_a_node_stops_in_time_while_the_log_is_away(new_fleet):
    fleet = new_fleet(SMALL)
    fleet.start(COORDINATOR)
    fleet.start("lab-1", *fleet.deployment.auditors)
    fleet.wait("a report", lambda s: s.rounds and s.rounds[0].reports)
    fleet.kill(COORDINATOR)
    for party in ("lab-1", "auditor-1"):
        fleet.wait_told(party, "log_unreachable", failures=2)
    started = time.monotonic()
    assert fleet.stop() == dict.fromkeys(("lab-1", *fleet.deployment.auditors), 0)
    assert time.monotonic() - started < STOP_S
