import io
import socket
import ssl
import stat
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from cryptography import x509

from fermata.errors import ConfigError
from fermata.node.pki.certificates import make_csr
from fermata.node.pki.enrolment import enroll_locally, renew
from fermata.node.pki.identity import identity_of, not_after_ms, not_before_ms
from fermata.node.pki.tls import TlsFiles, needs_renewal, parse_tls, write_tls
from harness.node.pki_world import COORDINATOR, LAB, OTHER_LAB, make_world


@pytest.fixture
def world(tmp_path):
    return make_world(tmp_path / "w")


class Node:
    """A node's TLS directory with a certificate, and what was told of it."""

    def __init__(self, world, folder, identity=LAB):
        self.world = world
        self.directory = folder
        self.problems = []
        enroll_locally(world.authority, identity.role, identity.id, folder)
        self.files = self.open()

    def open(self):
        parts = (self.directory / name for name in ("key.pem", "cert.pem", "root.pem"))
        return TlsFiles(*parts, alarm=self.problems.append)

    def renew(self):
        identity = self.files.material().identity
        authority = self.world.authority
        return renew(
            self.directory,
            lambda csr: authority.issue(identity, csr),
            self.world.clock,
            self.world.entropy,
        )


@pytest.fixture
def node(world, tmp_path):
    return Node(world, tmp_path / "tls")


def _names(folder):
    return sorted(each.name for each in folder.iterdir())


def _reason(call, *args):
    with pytest.raises(ConfigError) as error:
        call(*args)
    return error.value.reason


def test_files_have_their_modes(node):
    assert _names(node.directory) == ["cert.pem", "key.pem", "root.pem"]
    modes = {
        name: stat.S_IMODE((node.directory / name).stat().st_mode)
        for name in _names(node.directory)
    }
    assert modes == {"key.pem": 0o600, "cert.pem": 0o644, "root.pem": 0o644}
    assert stat.S_IMODE(node.directory.resolve().stat().st_mode) == 0o700


def test_renewal_is_due_after_two_thirds_of_life(world):
    leaf = world.leaf()
    start_ms, life_ms = not_before_ms(leaf), not_after_ms(leaf) - not_before_ms(leaf)
    due_ms = start_ms + -(-2 * life_ms // 3)
    assert not needs_renewal(leaf, due_ms - 1)
    assert needs_renewal(leaf, due_ms)
    assert needs_renewal(leaf, not_after_ms(leaf) + 1)


def test_renewal_changes_the_generation_and_nothing_else_does(node, world):
    old = node.files.material()
    assert [node.files.current()[0] for _ in range(3)] == [1, 1, 1]
    world.clock.pass_days(21)
    assert needs_renewal(old.certificate, world.clock())
    assert node.renew() == LAB
    assert node.files.current()[0] == 2
    new = node.files.material()
    assert (new.identity, new.root_pem) == (old.identity, old.root_pem)
    assert new.key_pem != old.key_pem
    assert not needs_renewal(new.certificate, world.clock())
    assert node.files.certificate() == (node.directory / "cert.pem").read_bytes()
    assert node.problems == []


def test_files_are_read_again_only_when_they_have_changed(node, monkeypatch):
    readings = []
    read = TlsFiles._read
    monkeypatch.setattr(TlsFiles, "_read", lambda files: readings.append(1) or read(files))
    assert [node.files.current()[0] for _ in range(3)] == [1, 1, 1]
    assert readings == []
    (node.directory / "cert.pem").touch()
    assert [node.files.current()[0] for _ in range(3)] == [1, 1, 1]
    assert readings == [1]
    node.renew()
    assert [node.files.current()[0] for _ in range(3)] == [2, 2, 2]
    assert readings == [1, 1]


def test_old_files_are_deleted_after_a_renewal(node):
    for _ in range(3):
        node.renew()
    beside = [name for name in _names(node.directory.parent) if name.startswith("tls")]
    assert len(beside) == 2


def test_failed_renewal_leaves_the_old_files(node, world):
    old = (node.directory / "cert.pem").read_bytes()
    before = _names(node.directory.parent)

    def fail(csr):
        raise ConfigError("NO", "no")

    for send in (
        fail,
        lambda csr: world.authority.issue(OTHER_LAB, csr),
        lambda csr: world.authority.issue(LAB, make_csr(world.key())),
    ):
        with pytest.raises(ConfigError):
            renew(node.directory, send, world.clock, world.entropy)
        assert (node.directory / "cert.pem").read_bytes() == old
        assert _names(node.directory.parent) == before
    assert node.files.current()[0] == 1


def test_crash_before_the_link_moves_leaves_the_old_files(node, monkeypatch):
    old = (node.directory / "cert.pem").read_bytes()

    def crash(path, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fermata.node.pki.tls.write_link", crash)
        with pytest.raises(KeyboardInterrupt):
            node.renew()
    assert (node.directory / "cert.pem").read_bytes() == old
    assert node.open().material().chain_pem == old
    # The next renewal clears what the crash left.
    node.renew()
    beside = [name for name in _names(node.directory.parent) if name.startswith("tls")]
    assert len(beside) == 2


def test_directory_of_another_party_is_not_replaced(node, world):
    reason = _reason(enroll_locally, world.authority, "lab", "beta", node.directory)
    assert reason == "DIRECTORY_IN_USE"
    assert node.files.material().identity == LAB


def test_directory_that_people_made_is_not_replaced(world, tmp_path):
    (tmp_path / "made").mkdir()
    reason = _reason(enroll_locally, world.authority, "lab", "beta", tmp_path / "made")
    assert reason == "DIRECTORY_IN_USE"
    # And nothing was issued for it.
    assert not (world.folder / "issued").exists()


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize("name", ["key.pem", "cert.pem", "root.pem"])
def test_truncated_file_keeps_the_old_ones_and_is_told_once(node, name):
    old = node.files.material()
    path = node.directory / name
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    assert [node.files.current()[0] for _ in range(3)] == [1, 1, 1]
    assert node.files.material() is old
    assert [each.reason for each in node.problems] == ["TLS_FILES"]
    path.write_bytes(good)
    assert node.files.current()[0] == 1
    path.write_bytes(good[:10])
    assert node.files.material() is old
    assert len(node.problems) == 2


def test_key_of_another_certificate_keeps_the_old_ones(node, world):
    old = node.files.material()
    other = Node(world, node.directory.with_name("other"), OTHER_LAB)
    (node.directory / "key.pem").write_bytes((other.directory / "key.pem").read_bytes())
    assert node.files.material() is old
    assert ["key is not the certificate's" in str(each) for each in node.problems] == [True]


def test_missing_or_readable_key_keeps_the_old_ones(node):
    old = node.files.material()
    (node.directory / "key.pem").chmod(0o644)
    assert node.files.material() is old
    (node.directory / "key.pem").unlink()
    assert node.files.material() is old
    assert [each.reason for each in node.problems] == ["SECRET_MODE", "FILE_MISSING"]


def test_other_root_or_identity_is_not_taken_over_while_running(node, world, tmp_path):
    old = node.files.material()
    strange = make_world(tmp_path / "strange")
    for other, word in (
        (Node(strange, tmp_path / "a", LAB), "root"),
        (Node(world, tmp_path / "b", OTHER_LAB), "identity"),
    ):
        for name in ("key.pem", "cert.pem", "root.pem"):
            (node.directory / name).write_bytes((other.directory / name).read_bytes())
        assert node.files.material() is old
        assert f"the {word} changed" in str(node.problems[-1])
    assert node.open().material().identity == OTHER_LAB


def test_broken_files_are_refused_at_start(node):
    _truncate(node.directory / "key.pem")
    with pytest.raises(ConfigError, match="put back the three files") as error:
        node.open()
    assert error.value.reason == "TLS_FILES"


def test_files_that_change_while_they_are_read_are_no_problem(node):
    stop = threading.Event()
    seen = set()

    def look():
        while not stop.is_set():
            material = node.files.material()
            seen.add(identity_of(material.certificate))

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(15):
        node.renew()
    stop.set()
    reader.join()
    assert seen == {LAB}
    assert node.files.material().chain_pem == (node.directory / "cert.pem").read_bytes()


def test_material_and_errors_do_not_show_the_key(node):
    material = node.files.material()
    secret = material.key_pem.decode().splitlines()[1]
    shown = io.StringIO()
    shown.write(repr(material) + str(material) + repr(node.files))
    try:
        parse_tls(node.directory, material.key_pem[:-40], material.chain_pem, material.root_pem)
    except ConfigError as error:
        traceback.print_exception(error, file=shown)
    assert "is not an unencrypted PEM key" in shown.getvalue()
    assert "alpha" in shown.getvalue()
    assert secret not in shown.getvalue()


def test_files_that_do_not_fit_are_not_written(world, tmp_path):
    _, chain = world.issue()
    directory = tmp_path / "new"
    reason = _reason(write_tls, directory, world.key(), chain, world.authority.root_pem)
    assert reason == "TLS_FILES"
    assert "new" not in _names(tmp_path)


def client_credentials(files):
    """Of the files in force now; they do not follow a rotation."""
    found = files.material()
    return grpc.ssl_channel_credentials(found.root_pem, found.key_pem, found.chain_pem)


class EchoServer:
    """A gRPC server over mutual TLS that answers with the caller's certificate."""

    def __init__(self, files, require_client=True):
        def whoami(request, context):
            return context.auth_context()["x509_pem_cert"][0]

        method = grpc.unary_unary_rpc_method_handler(whoami)
        handler = grpc.method_handlers_generic_handler("test.Who", {"AmI": method})
        self._server = grpc.server(
            ThreadPoolExecutor(2), handlers=[handler], options=[("grpc.so_reuseport", 0)]
        )
        credentials = files.server_credentials(require_client=require_client)
        self.port = self._server.add_secure_port("127.0.0.1:0", credentials)

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *error):
        self._server.stop(0).wait()

    def call(self, credentials, name="spring.fermata"):
        options = [
            ("grpc.ssl_target_name_override", name),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        target = f"127.0.0.1:{self.port}"
        with grpc.secure_channel(target, credentials, options) as channel:
            return channel.unary_unary("/test.Who/AmI")(b"", timeout=20)


def _status(call):
    with pytest.raises(grpc.RpcError) as error:
        call()
    return error.value.code()


def _served_serial(server, node):
    """Serial number of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cadata=node.files.material().root_pem.decode())
    context.load_cert_chain(node.directory / "cert.pem", node.directory / "key.pem")
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", server.port), 10) as plain,
        context.wrap_socket(plain, server_hostname="spring.fermata") as connection,
    ):
        der = connection.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(der).serial_number


def test_server_shows_the_new_certificate_without_a_restart(world, node, tmp_path):
    coordinator = Node(world, tmp_path / "server", COORDINATOR)
    with EchoServer(coordinator.files) as server:
        first = _served_serial(server, node)
        assert first == coordinator.files.material().certificate.serial_number
        coordinator.renew()
        second = _served_serial(server, node)
        assert second == coordinator.files.material().certificate.serial_number != first
        _truncate(coordinator.directory / "key.pem")
        assert _served_serial(server, node) == second
        assert [each.reason for each in coordinator.problems] == ["TLS_FILES"]


def test_client_is_known_by_its_certificate_and_shows_the_new_one(world, node, tmp_path):
    coordinator = Node(world, tmp_path / "server", COORDINATOR)
    with EchoServer(coordinator.files) as server:
        old = node.files.material().chain_pem
        assert old.startswith(server.call(client_credentials(node.files)))
        node.renew()
        new = server.call(client_credentials(node.files))
        assert node.files.material().chain_pem.startswith(new)
        assert not old.startswith(new)


def test_strangers_are_refused_by_the_handshake(world, node, tmp_path):
    coordinator = Node(world, tmp_path / "server", COORDINATOR)
    strange = Node(make_world(tmp_path / "strange"), tmp_path / "c", LAB).files.material()
    root = node.files.material().root_pem
    with EchoServer(coordinator.files) as server:
        nobody = grpc.ssl_channel_credentials(root)
        forged = grpc.ssl_channel_credentials(root, strange.key_pem, strange.chain_pem)
        for credentials in (nobody, forged):
            status = _status(lambda c=credentials: server.call(c))
            assert status is grpc.StatusCode.UNAVAILABLE
        assert server.call(client_credentials(node.files))


def test_expired_certificate_is_refused_by_the_handshake(world, node, tmp_path):
    coordinator = Node(world, tmp_path / "server", COORDINATOR)
    world.clock.pass_days(-40)
    expired = Node(world, tmp_path / "expired", OTHER_LAB)
    world.clock.pass_days(80)
    early = Node(world, tmp_path / "early", OTHER_LAB)
    with EchoServer(coordinator.files) as server:
        for each in (expired, early):
            credentials = client_credentials(each.files)
            status = _status(lambda c=credentials: server.call(c))
            assert status is grpc.StatusCode.UNAVAILABLE
        assert server.call(client_credentials(node.files))


def test_lab_cannot_stand_in_for_the_coordinator(world, node, tmp_path):
    impostor = Node(world, tmp_path / "impostor", OTHER_LAB)
    with EchoServer(impostor.files) as server:
        for name in ("spring.fermata", "127.0.0.1"):
            status = _status(lambda n=name: server.call(client_credentials(node.files), n))
            assert status is grpc.StatusCode.UNAVAILABLE
