"""A coordinator's folder while parties join, with its real port on loopback, and the parties."""

from dataclasses import dataclass
from pathlib import Path

from fermata.node.joining.hand_in import seal_hand_in, sign_recipient
from fermata.node.joining.join_file import Invitation
from fermata.node.joining.joiner import Joiner, Next
from fermata.node.joining.keyless import KeylessCharter, without_keys
from fermata.node.joining.setup_folder import SetupFolder, exchange_of
from fermata.node.pki import enrolment
from fermata.node.pki.authority import Authority
from fermata.node.pki.certificates import make_csr, new_key
from fermata.node.pki.enrolment import enroll_locally
from fermata.node.pki.identity import Identity, load_chain
from fermata.node.pki.server import EnrolmentServer
from fermata.node.pki.tls import TlsFiles
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.storage import keystore
from fermata.node.storage.signatures import sign_file
from fermata.wire.v1 import log_service_pb2
from harness.chains import charter_text, party_keys

KEYS = party_keys(0, 6, 3)
TEXT = charter_text(KEYS, 2048).encode()


def agree(keyless: KeylessCharter) -> None:
    """The consent of an owner who agrees."""


@dataclass
class Setup:
    """The coordinator's side; ``home`` is where the parties have their folders."""

    home: Path
    folder: SetupFolder
    authority: Authority
    server: EnrolmentServer
    address: str

    @property
    def roster(self):
        return self.folder.charter().charter.parties

    def invitation(self, party: str, role: str = "") -> Invitation:
        identity = Identity.of(self.authority.deployment, role or self.roster[party].role, party)
        token = self.authority.issue_token(identity.role, party, 3600)
        keyless = self.folder.charter().keyless_sha256
        fingerprint = self.authority.fingerprint
        return Invitation(identity, self.address, "127.0.0.1:1", fingerprint, keyless, token)

    def joiner(self, party: str, role: str = "", consent=agree) -> Joiner:
        invitation = self.invitation(party, role)
        joiner = Joiner(self.home / party, invitation, consent, clock_ms, entropy)
        joiner.prepare()
        return joiner

    def everyone(self) -> dict[str, Joiner]:
        """All parties but the coordinator, joined as far as handing in their keys."""
        joiners = {p: self.joiner(p) for p in self.roster if self.roster[p].role != "coordinator"}
        for joiner in joiners.values():
            assert joiner.step() == Next.WAIT
        return joiners

    def complete(self) -> dict[str, Joiner]:
        """The same, with the coordinator's own key, and the charter filled in."""
        joiners = self.everyone()
        own = next(p.id for p in self.roster.values() if p.role == "coordinator")
        self.folder.keep_key(self.folder.charter(), own, KEYS[own].public_key)
        assert self.folder.complete()
        sign_file(self.folder.charter_file, own, KEYS[own])
        return joiners

    def hand_in(self, identity: Identity, **fields) -> log_service_pb2.SetupFiles:
        """What somebody with a certificate of this identity hands in, by its own words."""
        key = new_key(entropy)
        chain = load_chain(self.authority.issue(identity, make_csr(key)))
        fields = {"deployment": identity.deployment} | fields
        request = seal_hand_in(log_service_pb2.HandIn(**fields), chain[0], key)
        return enrolment.exchange(self.address, self.authority.root, request, clock_ms)

    def identity(self, party: str) -> Identity:
        return Identity.of(self.authority.deployment, self.roster[party].role, party)

    def recipient_fields(self, auditor: str) -> dict[str, object]:
        identity, key = keystore.new_identity(self.home / f"{auditor}.txt"), KEYS[auditor]
        signature = sign_recipient(self.identity(auditor), identity.recipient, key)
        return {"recipient": identity.recipient, "recipient_signature": signature}


def make_setup(root: Path) -> Setup:
    """A port that listens, before anybody has joined. The caller stops ``server``."""
    (root / "home").mkdir()
    node = root / "oversight"
    node.mkdir()
    file = node / "charter.toml"
    file.write_bytes(without_keys(TEXT))
    folder = SetupFolder(node, file, node / "key-record.bin")
    charter = folder.charter().charter
    lock = keystore.new_identity(root / "identity.txt")
    authority = Authority.create(node / "authority", charter.deployment, lock, clock_ms, entropy)
    enroll_locally(authority, "coordinator", charter.coordinator, node / "tls")
    tls = TlsFiles(*(node / "tls" / f"{name}.pem" for name in ("key", "cert", "root")))
    problems: list[Exception] = []
    server = EnrolmentServer(
        authority, tls, clock_ms, problems.append, exchange=exchange_of(authority, folder)
    )
    return Setup(root / "home", folder, authority, server, server.start("127.0.0.1:0"))
