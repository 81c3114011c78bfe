"""A party that joins: it enrols, hands in its keys, and signs what it has checked."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.key_record import DISTRIBUTED
from fermata.errors import ConfigError, Refusal
from fermata.node.config import load_config
from fermata.node.files import SECRET_MODE, read_file, write_atomic
from fermata.node.joining.config_text import NO_ADDRESS
from fermata.node.joining.hand_in import seal_hand_in, sign_recipient
from fermata.node.joining.join_file import Invitation
from fermata.node.joining.key_check import check_own_share, check_record
from fermata.node.joining.keyless import KeylessCharter, read_keyless
from fermata.node.joining.node_folder import CONFIG, IDENTITY, SIGNING_KEY, make_node_folder
from fermata.node.pki import enrolment
from fermata.node.pki.identity import CHAIN_BYTES_MAX, load_chain, not_after_ms
from fermata.node.pki.own_certificate import charter_authorities
from fermata.node.pki.tls import TlsFiles, TlsMaterial
from fermata.node.pki.trust import Anchor, Pins
from fermata.node.storage import keystore
from fermata.node.storage.signatures import read_own, sign_file, write_signature
from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX
from fermata.protocol.wire.ports import ClockMs, Entropy
from fermata.types import READERS, Role
from fermata.wire.v1 import log_service_pb2

RECORD = "key-record.bin"
SHARE = "keys/share.age"
_CONFIG_BYTES_MAX = 256 * 1024


class Next(Enum):
    """What a party that has exchanged once does next."""

    DONE = "done"
    AGAIN = "again"
    WAIT = "wait"


@dataclass(eq=False)
class Joiner:
    """One party and its folder.

    ``consent`` is asked once with the charter, before it is signed, and raises if its owner does
    not agree. ``waits_for`` says what the party waits for.
    """

    folder: Path
    invitation: Invitation
    consent: Callable[[KeylessCharter], None]
    clock: ClockMs
    entropy: Entropy
    waits_for: str = ""

    def __post_init__(self) -> None:
        self._has_consent = False
        self._charter_file = self.folder / "charter.toml"
        self._record_file = self.folder / RECORD

    @property
    def party(self) -> str:
        """The party's id."""
        return self.invitation.identity.id

    def prepare(self) -> None:
        """Makes the folder if there is none, and enrols if it has no certificate.

        Raises ConfigError, IdentityError TOKEN_REFUSED, ROOT_FINGERPRINT; TransportError.
        """
        invitation, tls, config = self.invitation, self.folder / "tls", self.folder / CONFIG
        if not self.folder.exists():
            make_node_folder(
                self.folder, invitation.identity, self.clock, self.entropy, invitation.log
            )
        text = read_file(config, _CONFIG_BYTES_MAX)
        if NO_ADDRESS.encode() in text:
            text = text.replace(NO_ADDRESS.encode(), invitation.log.encode())
            write_atomic(config, text, SECRET_MODE)
        if not tls.exists() or self._has_expired(tls):
            if invitation.identity.role not in READERS:
                # Before the token is spent.
                self._signing_key()
            address, fingerprint = invitation.enrolment, invitation.root_fingerprint
            enrolment.enroll(tls, address, fingerprint, invitation.token, self.clock, self.entropy)
        held = self._tls().identity
        if held != invitation.identity:
            raise ConfigError(
                "WRONG_CERTIFICATE",
                f"{tls}: is of {held.uri}, and the join file of {invitation.identity.uri}; give"
                " another folder",
            )

    def step(self) -> Next:
        """Exchanges once, and takes the step that is next. Raises FermataError."""
        files = self._exchange()
        try:
            keyless = read_keyless(files.charter)
        except ConfigError as error:
            raise Refusal("CHARTER", f"the coordinator's charter: {error}") from None
        # JN4.1: the terms are those that people agreed on, whoever filled in the keys.
        if keyless.keyless_sha256 != self.invitation.keyless_sha256:
            raise Refusal(
                "CHARTER_OTHER",
                f"the coordinator has a charter of keyless hash {keyless.keyless_sha256.hex()}, not"
                " that of the join file; ask for a new join file, and what was changed",
            )
        if self.invitation.identity.role in READERS:
            if keyless.missing:
                return self._wait(f"{len(keyless.missing)} parties that have not joined")
            self._keep_charter(keyless.data)
            return Next.DONE
        if not self._has_consent and read_own(self._charter_file, self.party) is None:
            self.consent(keyless)
        self._has_consent = True
        if keyless.missing:
            return self._wait(f"{', '.join(keyless.missing)} to join")
        return self._sign(parse_charter(keyless.data), keyless.data, files)

    def _sign(self, charter: Charter, data: bytes, files: log_service_pb2.SetupFiles) -> Next:
        """The charter is complete: signs it and, as an auditor, the key record."""
        listed = charter.parties.get(self.party)
        key = self._signing_key()
        # JN4.2: somebody else would sign as this party.
        if listed is None or listed.role != self.invitation.identity.role:
            raise Refusal("NOT_ON_ROSTER", f"the charter has no such party as {self.party}")
        if listed.signing_key != key.public_key:
            raise Refusal(
                "KEY_OTHER",
                f"the charter has another signing key of {self.party} than {self.folder}; do not"
                " sign, and ask the coordinator where it came from",
            )
        self._keep_charter(data)
        if read_own(self._charter_file, self.party) is None:
            sign_file(self._charter_file, self.party, key, data)
            return Next.AGAIN
        signed = {s.party: s.content for s in files.charter_signatures}
        if self.party not in signed:
            return self._wait("the coordinator to keep the signature of the charter")
        if listed.role != Role.AUDITOR:
            return Next.DONE
        if lacking := [party for party in charter.signers if party not in signed]:
            return self._wait(f"{', '.join(lacking)} to sign the charter")
        for party in charter.signers:
            write_signature(self._charter_file, party, signed[party])
        if charter.key_origin == DISTRIBUTED:
            # The key is made by the auditors together: fermata keys ceremony.
            return Next.DONE
        return self._sign_record(charter, key, files)

    def _sign_record(
        self, charter: Charter, key: SigningKey, files: log_service_pb2.SetupFiles
    ) -> Next:
        share = next((s.content for s in files.sealed_shares if s.party == self.party), b"")
        if not files.key_record:
            return self._wait("the dealer")
        record = files.key_record
        if read_own(self._record_file, self.party) is not None:
            # JN4.3: an auditor signs one key.
            if read_file(self._record_file, ENVELOPE_BYTES_MAX) != record:
                raise Refusal(
                    "KEY_RECORD", "the coordinator has another key record than the one signed here"
                )
            if any(s.party == self.party for s in files.key_record_signatures):
                return Next.DONE
            return self._wait("the coordinator to keep the signature of the key record")
        if not share:
            return self._wait("the dealer")
        write_atomic(self._record_file, record)
        write_atomic(self.folder / SHARE, share, SECRET_MODE)
        checked = check_record(charter, self._charter_file, record, self._record_file)
        check_own_share(self.folder / SHARE, charter, checked, self.party, self._unlock())
        sign_file(self._record_file, self.party, key, record)
        return Next.AGAIN

    def _exchange(self) -> log_service_pb2.SetupFiles:
        identity, tls = self.invitation.identity, self._tls()
        hand_in = log_service_pb2.HandIn(deployment=identity.deployment)
        if identity.role not in READERS:
            key = self._signing_key()
            hand_in.signing_key = key.public_key
            if identity.role == Role.AUDITOR:
                hand_in.recipient = self._unlock().recipient
                hand_in.recipient_signature = sign_recipient(identity, hand_in.recipient, key)
            hand_in.charter_signature = read_own(self._charter_file, self.party) or b""
            hand_in.key_record_signature = read_own(self._record_file, self.party) or b""
        holder = serialization.load_pem_private_key(tls.key_pem, None)
        if not isinstance(holder, ec.EllipticCurvePrivateKey):
            raise ConfigError("TLS_FILES", f"{self.folder / 'tls'}: the key must be a P-256 key")
        request = seal_hand_in(hand_in, tls.certificate, holder)
        (root,) = load_chain(tls.root_pem)
        return enrolment.exchange(self.invitation.enrolment, root, request, self.clock)

    def _keep_charter(self, data: bytes) -> None:
        """Writes the charter; one that this party has signed is never replaced."""
        path = self._charter_file
        if path.exists() and read_file(path, ENVELOPE_BYTES_MAX) == data:
            return
        if read_own(path, self.party) is not None:
            raise Refusal(
                "CHARTER_OTHER", f"the coordinator has another charter than {path}, which is signed"
            )
        write_atomic(path, data)

    def _has_expired(self, tls: Path) -> bool:
        """Whether only a new join file can give a certificate: nobody renews one that is over."""
        leaf = load_chain(read_file(tls / "cert.pem", CHAIN_BYTES_MAX))[0]
        return not_after_ms(leaf) < self.clock()

    def _wait(self, what: str) -> Next:
        self.waits_for = what
        return Next.WAIT

    def _tls(self) -> TlsMaterial:
        tls, pins = self.folder / "tls", Pins(self._authorities())
        paths = tls / "key.pem", tls / "cert.pem", tls / "root.pem"
        return TlsFiles(*paths, pins=pins).material()

    def _authorities(self) -> tuple[Anchor, ...]:
        """Whoever led the log since may have renewed the certificate (succession.md, SU20)."""
        if not self._charter_file.exists():
            return ()
        return charter_authorities(load_config(self.folder / CONFIG))

    def _unlock(self) -> keystore.AgeIdentity:
        return keystore.load_identity(self.folder / IDENTITY)

    def _signing_key(self) -> SigningKey:
        deployment = self.invitation.identity.deployment
        path = self.folder / SIGNING_KEY
        return SigningKey.from_seed(
            keystore.load_sealed(path, keystore.SIGNING, deployment, self._unlock())
        )
