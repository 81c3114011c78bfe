"""The coordinator's folder while a deployment is set up: what parties handed in, as files.

    charter.toml         may lack signing keys until all are there
    signing-keys/<id>    Ed25519 public keys in base64, as handed in
    charter.toml.sig/    as ``fermata charter sign`` writes them
    recipients/          <auditor>.recipient: an age recipient, and the auditor's signature of it
    key-record.bin       with key-record.bin.sig/, as ``fermata keys sign`` writes them
    shares/              <auditor>.share.age, sealed by the dealer to their auditors

Nothing is kept that its party has not signed, or that is not bound to its one-time token (JN3).
"""

import base64
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fermata.crypto.signing import check_public_key, pae, verify_signature
from fermata.errors import ConfigError, IdentityError, InvalidSignature, Refusal
from fermata.node.config import NodeConfig
from fermata.node.files import SECRET_MODE, ensure_directory, read_file, write_atomic
from fermata.node.joining.hand_in import check_recipient, open_hand_in
from fermata.node.joining.keyless import KeylessCharter, read_keyless
from fermata.node.pki.authority import Authority
from fermata.node.pki.identity import Identity
from fermata.node.pki.own_certificate import coordinators_anchors
from fermata.node.pki.server import Exchange
from fermata.node.storage.signatures import (
    folder_of,
    payload_type_of,
    read_own,
    write_signature,
)
from fermata.protocol.charter.parse import CHARTER_BYTES_MAX
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX
from fermata.types import READERS, Role
from fermata.wire.v1 import log_service_pb2

SHARE_BYTES_MAX = 64 * 1024
_LINE_BYTES_MAX = 1024
PartyFile = log_service_pb2.PartyFile


@dataclass(eq=False)
class SetupFolder:
    """Reads and writes the files. Thread-safe; one process at a time."""

    folder: Path
    charter_file: Path
    record_file: Path
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def of(cls, config: NodeConfig) -> "SetupFolder":
        """The folder of a coordinator's configuration."""
        record = config.text.listen.key_record if config.text.listen else "key-record.bin"
        folder = config.file.parent.absolute()
        return cls(folder, config.charter_file, config.path(record))

    @cached_property
    def shares(self) -> Path:
        """Where the sealed shares stand."""
        return self.folder / "shares"

    @cached_property
    def recipients(self) -> Path:
        """Where the auditors' recipients stand."""
        return self.folder / "recipients"

    def charter(self) -> KeylessCharter:
        """The charter as it is now. Raises ConfigError CHARTER and as ``read_file`` does."""
        try:
            return read_keyless(read_file(self.charter_file, CHARTER_BYTES_MAX))
        except ConfigError as error:
            if error.reason != "CHARTER":
                raise
            raise ConfigError("CHARTER", f"{self.charter_file}: {error}") from None

    def exchange(
        self, identity: Identity, hand_in: log_service_pb2.HandIn
    ) -> log_service_pb2.SetupFiles:
        """Keeps what a party handed in, and gives what it needs of the others.

        Raises IdentityError NOT_ON_ROSTER, Refusal, InvalidSignature, InvalidEncoding.
        """
        with self._lock:
            charter = self.charter()
            party = charter.charter.parties.get(identity.id)
            is_reader = identity.role in READERS and party is None
            # JN2.4: whom the charter does not name has no part in it; it may read it.
            if not is_reader and (party is None or party.role != identity.role):
                raise IdentityError(
                    "NOT_ON_ROSTER", "certificate: must be of a party on the roster"
                )
            if not is_reader:
                self._keep(charter, identity, hand_in)
            return self._files(charter, identity)

    def signing_keys(self) -> dict[str, bytes]:
        """The keys that were handed in, 32 bytes each, by party."""
        folder = self.folder / "signing-keys"
        return {path.name: _read_line(path) for path in _files_in(folder)}

    def keep_key(self, charter: KeylessCharter, party: str, key: bytes) -> None:
        """Keeps a party's signing key until the charter has all. Raises Refusal."""
        # JN3.1: a key with which verifiers would differ.
        check_public_key(key)
        if party not in charter.missing:
            # JN3.2: the charter says it, and others may have signed that.
            if charter.charter.parties[party].signing_key != key:
                raise Refusal(
                    "KEY_OTHER",
                    f"the charter has another signing key of {party}; join with the folder that"
                    " holds that key",
                )
            return
        # JN3.3: the charter would not be one (C2.7), for everybody.
        given = {p: k for p, k in self.signing_keys().items() if p != party}
        named = [p.signing_key for p in charter.charter.parties.values() if p.id != party]
        if key in (*given.values(), *named):
            raise Refusal("KEY_TAKEN", "another party has this signing key; make one of your own")
        self._write("signing-keys", party, base64.b64encode(key) + b"\n")

    def complete(self) -> bool:
        """Fills in the charter's missing keys once all are there; whether it has all now."""
        with self._lock:
            charter = self.charter()
            keys = self.signing_keys()
            if charter.missing and keys.keys() >= set(charter.missing):
                write_atomic(self.charter_file, charter.completed(keys))
                return True
            return not charter.missing

    def _keep(
        self, charter: KeylessCharter, identity: Identity, hand_in: log_service_pb2.HandIn
    ) -> None:
        party = identity.id
        if hand_in.signing_key:
            self.keep_key(charter, party, hand_in.signing_key)
        keys = self.signing_keys() | {
            p.id: p.signing_key
            for p in charter.charter.parties.values()
            if p.id not in charter.missing
        }
        if hand_in.recipient and identity.role == Role.AUDITOR:
            # JN3.4: whoever exchanges it would read the share.
            signature = hand_in.recipient_signature
            key = keys.get(party, b"")
            check_recipient(identity.deployment, party, hand_in.recipient, signature, key)
            line = base64.b64encode(signature).decode()
            text = f"{hand_in.recipient}\n{line}\n"
            self._write(self.recipients.name, f"{party}.recipient", text.encode())
        if hand_in.charter_signature and not charter.missing:
            # JN3.5.
            signature = hand_in.charter_signature
            self._keep_signature(self.charter_file, charter.data, party, signature, keys)
        record = self._record() if identity.role == Role.AUDITOR else b""
        if hand_in.key_record_signature and record:
            # JN3.6.
            signature = hand_in.key_record_signature
            self._keep_signature(self.record_file, record, party, signature, keys)

    def _keep_signature(
        self, file: Path, payload: bytes, party: str, signature: bytes, keys: dict[str, bytes]
    ) -> None:
        message = pae(payload_type_of(file), payload)
        try:
            verify_signature(keys[party], signature, message)
        except InvalidSignature:
            raise InvalidSignature(
                "SIGNATURES", f"the signature of {party} is of other bytes than {file.name}"
            ) from None
        with suppress(ConfigError, InvalidSignature):
            # A party can make many good signatures of one file. The key record is bound to the
            # first (F3, KEY_AFTER), so a second one would make the dealt key useless.
            verify_signature(keys[party], read_own(file, party) or b"", message)
            return
        write_signature(file, party, signature)

    def recipient(self, auditor: str) -> tuple[str, bytes]:
        """An auditor's recipient, and its signature. Raises ConfigError RECIPIENT."""
        path = self.recipients / f"{auditor}.recipient"
        try:
            recipient, line = read_file(path, _LINE_BYTES_MAX).decode("ascii").split()
            return recipient, base64.b64decode(line, validate=True)
        except ValueError:
            raise ConfigError(
                "RECIPIENT",
                f"{path}: must be a recipient and a signature; have {auditor} join again",
            ) from None

    def signed_files(self) -> log_service_pb2.SetupFiles:
        """The charter and its signatures."""
        files = log_service_pb2.SetupFiles(charter=self.charter().data)
        files.charter_signatures.extend(_signatures(self.charter_file))
        return files

    def place_key(self, record: bytes, shares: Mapping[str, bytes]) -> None:
        """Puts a checked key record and the sealed shares where auditors get them."""
        with self._lock:
            ensure_directory(self.shares)
            for auditor, share in shares.items():
                write_atomic(self.shares / f"{auditor}.share.age", share, SECRET_MODE)
            # Last: it says that the shares are there.
            write_atomic(self.record_file, record)

    def _files(self, charter: KeylessCharter, identity: Identity) -> log_service_pb2.SetupFiles:
        """What concerns a party. Sealed shares go to their auditors alone."""
        files = log_service_pb2.SetupFiles(charter=charter.data)
        if identity.role in READERS or charter.missing:
            return files
        files.charter_signatures.extend(_signatures(self.charter_file))
        if identity.role != Role.AUDITOR:
            return files
        files.key_record = self._record()
        files.key_record_signatures.extend(_signatures(self.record_file))
        share = self.shares / f"{identity.id}.share.age"
        if share.exists():
            content = read_file(share, SHARE_BYTES_MAX)
            files.sealed_shares.append(PartyFile(party=identity.id, content=content))
        return files

    def _record(self) -> bytes:
        exists = self.record_file.exists()
        return read_file(self.record_file, ENVELOPE_BYTES_MAX) if exists else b""

    def _write(self, folder: str, name: str, data: bytes) -> None:
        ensure_directory(self.folder / folder)
        path = self.folder / folder / name
        if not path.exists() or read_file(path, _LINE_BYTES_MAX) != data:
            write_atomic(path, data)


def _files_in(folder: Path) -> list[Path]:
    """The files of a folder but those of a write that is going on."""
    return sorted(p for p in folder.glob("*") if not p.name.startswith("."))


def _signatures(file: Path) -> list[log_service_pb2.PartyFile]:
    return [PartyFile(party=p.name, content=_read_line(p)) for p in _files_in(folder_of(file))]


def _read_line(path: Path) -> bytes:
    try:
        return base64.b64decode(read_file(path, _LINE_BYTES_MAX).strip(), validate=True)
    except ValueError:
        raise ConfigError("SIGNATURES", f"{path}: must be one line of base64; remove it") from None


def exchange_of(authority: Authority, folder: SetupFolder) -> Exchange:
    """How the enrolment port answers hand-ins, by the authority's certificates."""

    def answer(request: log_service_pb2.ExchangeRequest) -> log_service_pb2.SetupFiles:
        identity, hand_in = open_hand_in(
            request,
            authority.root,
            authority.clock(),
            authority.is_denied,
            coordinators_anchors(folder.charter().charter),
        )
        return folder.exchange(identity, hand_in)

    return answer
