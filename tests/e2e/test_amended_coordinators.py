"""Amendments about coordinators, while all other nodes run on without a restart (SU25, G20)."""

import base64
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from fermata.errors import FermataError
from fermata.memory_store import MemoryStore
from fermata.node.pki.authority import Authority
from fermata.node.pki.certificates import certificate_to_pem
from fermata.node.pki.enrolment import enroll_locally
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.client import GrpcLog
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.run.succession.board_client import BoardClient
from fermata.node.storage import keystore
from fermata.node.storage.signatures import sign_file
from fermata.protocol.charter.parse import MODULUS_BITS_MIN
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import sha256
from harness.e2e.deployment import COORDINATOR, OBSERVER, Deployment, Shape, node_keys
from harness.e2e.epochs import amend
from harness.e2e.fleet import Fleet, check_sums, opened, run_cli, wait_for

PROGRAM = Path(__file__).parents[1] / "harness" / "e2e" / "fast_calls.py"
SUCCESSOR, LAB, KILLED = "successor-1", "lab-1", "auditor-3"
#: All of three endorse; the clock runs fast, and a round waits for its labs for minutes.
AMENDED = Shape(
    "amended", 3, 2, labs=3, rounds=0, figures=400, window_s=20_000, heartbeat_s=120, members=3
)
SUCCESSION_S = 2400


def free_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def place(address: str, authority: Authority) -> str:
    """Where a coordinator is, as a charter says it."""
    der = base64.b64encode(authority.root.public_bytes(Encoding.DER)).decode()
    return f'addresses = ["{address}"]\nauthority = "{der}"\n'


class Amended:
    """A deployment that gets a successor, which then has another authority, while the first
    coordinator goes to another port."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.made = fleet, fleet.deployment
        self.text = self.made.node(COORDINATOR).joinpath("charter.toml").read_text()
        self.addresses = {SUCCESSOR: free_address()}
        self.authorities = {COORDINATOR: self.made.authority()}

    def new_authority(self, name: str) -> None:
        """Another authority of the successor, with a certificate for its node."""
        node = self.made.node(SUCCESSOR)
        identity = keystore.load_identity(node / "keys" / "identity.txt")
        deployment = self.made.charter.deployment
        made = Authority.create(node / name, deployment, identity, clock_ms, entropy)
        self.authorities[SUCCESSOR] = made
        (node / "tls").unlink(missing_ok=True)
        enroll_locally(made, "coordinator", SUCCESSOR, node / "tls")
        self.fleet.edits[SUCCESSOR] = lambda text: (
            text.replace(
                'charter = "charter.toml"', 'charter = "charter.toml"\namended = "new.toml"'
            )
            .replace(
                f'address = "{self.fleet.address}"', f'address = "{self.addresses[SUCCESSOR]}"'
            )
            .replace('authority = "authority"', f'authority = "{name}"')
        )

    def charter(self, previous: str, successor_key: str) -> str:
        """The text of the charter with both coordinators where they are now."""
        first = self.made.charter.parties[COORDINATOR].signing_key
        line = f'signing_key = "{base64.b64encode(first).decode()}"\n'
        text = self.text.replace(
            line, line + place(self.addresses[COORDINATOR], self.authorities[COORDINATOR])
        )
        assert text != self.text
        successor = f'[[successor]]\nid = "{SUCCESSOR}"\norganisation = "{SUCCESSOR}"\n'
        successor += f'signing_key = "{successor_key}"\n'
        successor += place(self.addresses[SUCCESSOR], self.authorities[SUCCESSOR])
        terms = f"[succession]\nsuccession_s = {SUCCESSION_S}\nconflict_s = {SUCCESSION_S}\n\n"
        return f'previous = "{previous}"\n' + text.replace(
            "[[panel]]", f"{successor}\n{terms}[[panel]]", 1
        )


def agreed(fleet: Fleet, file: Path) -> None:
    """The committee and the labs decide on a charter, and the lab with a node accepts it there."""
    amend(fleet, file)
    accepted = run_cli(
        "charter", "accept", str(file), "--yes", "--config", fleet.deployment.config(LAB)
    )
    assert accepted.returncode == 0, accepted.stderr


def in_force(fleet: Fleet, file: Path, number: int) -> None:
    """Lets the round end whose labs all report; with the next one the charter is in force."""
    fleet.report(number, *fleet.deployment.labs[1:])
    wanted = sha256(file.read_bytes())
    fleet.wait("it is in force", lambda s: s.charter.sha256 == wanted, 240)


def check_round(fleet: Fleet) -> None:
    """One more round is opened, with the figures of all labs, one of which has its own node."""
    number = len(fleet.state().rounds)
    fleet.report(number, *fleet.deployment.labs[1:])
    check_sums(fleet.deployment, fleet.wait(f"round {number}", lambda s: opened(s, number), 240))
    fleet.wait("the next round", lambda s: len(s.rounds) > number, 240)


def log_at(fleet: Fleet, address: str, authority: Authority, tls: TlsFiles) -> GrpcLog:
    """A way to a coordinator, which must have a certificate of this authority."""
    roots = certificate_to_pem(authority.root)
    name = fleet.deployment.charter.deployment
    return GrpcLog(address, name, tls, roots=roots, attempts_max=1)


def refusal_of(log: GrpcLog) -> str:
    """Why a call is refused; empty if it is not."""
    try:
        log.checkpoint()
    except FermataError as error:
        return error.reason
    return ""


def posted(fleet: Fleet, log: GrpcLog) -> bool:
    """Whether each auditor's words are on a board."""
    try:
        words = BoardClient(log).read().words
    except FermataError:
        return False
    return {each.party for each in words} >= set(fleet.deployment.auditors)


@pytest.mark.timeout(1200)
def test_nodes_go_on_when_an_amendment_brings_moves_and_takes_away(
    new_fleet, tmp_path, monkeypatch
):
    epoch = tmp_path / "epoch"
    epoch.touch()
    monkeypatch.setenv("FERMATA_TEST_EPOCH", str(epoch))
    fleet = new_fleet(AMENDED)
    made = fleet.deployment
    fleet.start(COORDINATOR, *made.auditors, LAB, program=PROGRAM)
    stays = {party: fleet.processes[party].pid for party in (*made.auditors, LAB)}
    fleet.report(1, *made.labs[1:])
    check_sums(made, fleet.wait_opened(1))
    before_all = fleet.address
    # An amendment brings a successor, which is started before it is in force.
    world = Amended(fleet)
    world.addresses[COORDINATOR] = fleet.address
    key = node_keys(made.node(SUCCESSOR), made.charter.deployment)
    public_key = base64.b64encode(key.public_key).decode()
    world.new_authority("authority")
    file = made.folder / "second.toml"
    file.write_text(world.charter(made.charter.sha256.hex(), public_key))
    sign_file(file, SUCCESSOR, key)
    for copied, name in ((made.folder / "charter.toml", "charter.toml"), (file, "new.toml")):
        shutil.copy(copied, made.node(SUCCESSOR) / name)
    agreed(fleet, file)
    fleet.deployment = made = Deployment(made.folder, replace(AMENDED, successors=1))
    fleet.start(SUCCESSOR, program=PROGRAM)
    in_force(fleet, file, 2)
    first = world.authorities[SUCCESSOR]
    for coordinator, address in world.addresses.items():
        with log_at(fleet, address, world.authorities[coordinator], made.tls(OBSERVER)) as log:
            wait_for(f"the board of {coordinator}", lambda log=log: posted(fleet, log), 240)
    check_round(fleet)
    # Whom the successor's authority certifies is served, and not any more once it is taken away.
    enroll_locally(first, "observer", "observer-2", tmp_path / "tls")
    paths = (tmp_path / "tls" / f"{part}.pem" for part in ("key", "cert", "root"))
    theirs = TlsFiles(*paths)
    with log_at(fleet, fleet.address, world.authorities[COORDINATOR], theirs) as log:
        assert log.checkpoint()
        previous = fleet.state().charter.sha256.hex()
        fleet.stop(SUCCESSOR)
        world.new_authority("authority-2")
        world.addresses[COORDINATOR] = free_address()
        file = made.folder / "third.toml"
        file.write_text(world.charter(previous, public_key))
        shutil.copy(file, made.node(SUCCESSOR) / "new.toml")
        agreed(fleet, file)
        in_force(fleet, file, len(fleet.state().rounds))
        refusal = wait_for("the authority counts no more", lambda: refusal_of(log), 10)
        assert refusal == "CERT_FOREIGN"
    # The two whose own places have changed are started again, and nobody else is.
    fleet.start(SUCCESSOR, program=PROGRAM)
    fleet.stop(COORDINATOR)
    before = f'address = "{fleet.address}"'
    fleet.edits[COORDINATOR] = lambda text: text.replace(
        before, f'address = "{world.addresses[COORDINATOR]}"'
    )
    fleet.start(COORDINATOR, program=PROGRAM)
    fleet.moves(world.addresses[COORDINATOR])
    check_round(fleet)
    # One that is killed and started again, with the address of the beginning in its configuration,
    # goes on as those that ran.
    fleet.kill(KILLED)
    address, fleet.address = fleet.address, before_all
    fleet.start(KILLED, program=PROGRAM)
    fleet.address = address
    del stays[KILLED]
    check_round(fleet)
    with (
        log_at(fleet, fleet.address, world.authorities[COORDINATOR], theirs) as log,
        pytest.raises(FermataError),
    ):
        log.checkpoint()
    assert {party: fleet.processes[party].pid for party in stays} == stays
    # They leave the first coordinator, which no charter allowed when they were started.
    fleet.kill(COORDINATOR)
    replica = Replica(made.charter, MemoryStore(), MODULUS_BITS_MIN)
    replica.follows = lambda offer: True
    where = world.addresses[SUCCESSOR], world.authorities[SUCCESSOR]
    with log_at(fleet, *where, made.tls(OBSERVER)) as log:

        def leads() -> bool:
            replica.pull(log)
            return replica.state.view == 1

        wait_for("the successor leads", leads, 400)
    fleet.check_all_run()
    assert {party: fleet.processes[party].pid for party in stays} == stays
