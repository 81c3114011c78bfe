"""The join file: all that a party needs of the coordinator to join, on one small page of TOML."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from fermata.errors import ConfigError, IdentityError
from fermata.node.files import read_file
from fermata.node.observe.telemetry import split_address
from fermata.node.pki.identity import Identity
from fermata.protocol.charter.toml_source import Strict, TomlSource
from fermata.protocol.wire.codec import sha256_from_text

JOIN_BYTES_MAX = 4096
_TEMPLATE = """\
# {uri} joins with: fermata join FILE
# The token is a secret and good for one certificate, of this party alone.
format = 1
deployment = "{deployment}"
role = "{role}"
id = "{party}"
enrolment = "{enrolment}"
log = "{log}"
root_fingerprint = "{fingerprint}"
# Of the charter without its signing keys: compare it with what the parties agreed on.
keyless_hash = "{keyless}"
token = "{token}"
"""


class JoinText(Strict, frozen=True):
    """The shape of the file."""

    format: Annotated[int, Meta(ge=1, le=1)]
    deployment: str
    role: str
    id: str
    enrolment: str
    log: str
    root_fingerprint: str
    keyless_hash: str
    token: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """A checked join file.

    ``enrolment`` and ``log`` are host:port. ``token`` is a secret. ``keyless_sha256``: of the
    charter that the party is asked to sign, without its signing keys.
    """

    identity: Identity
    enrolment: str
    log: str
    root_fingerprint: str
    keyless_sha256: bytes
    token: str

    def __repr__(self) -> str:
        return f"<Invitation of {self.identity.uri}: its token is hidden>"

    def to_bytes(self) -> bytes:
        """The file."""
        return _TEMPLATE.format(
            uri=self.identity.uri,
            deployment=self.identity.deployment,
            role=self.identity.role,
            party=self.identity.id,
            enrolment=self.enrolment,
            log=self.log,
            fingerprint=self.root_fingerprint,
            keyless=self.keyless_sha256.hex(),
            token=self.token,
        ).encode()


def read_invitation(path: Path) -> Invitation:
    """Reads a join file. Raises ConfigError JOIN_FILE with the line, and as ``read_file`` does."""
    source = TomlSource(read_file(path, JOIN_BYTES_MAX), str(path), "JOIN_FILE", JOIN_BYTES_MAX)
    text = source.decode(JoinText)
    try:
        identity = Identity.of(text.deployment, text.role, text.id)
    except IdentityError as error:
        source.fail("id", f"must be of a party: {error}")
    for key in ("enrolment", "log"):
        try:
            split_address(getattr(text, key))
        except ConfigError:
            source.fail(key, "must be host:port")
    hashes = {k: sha256_from_text(getattr(text, k)) for k in ("root_fingerprint", "keyless_hash")}
    for key, digest in hashes.items():
        if digest is None:
            source.fail(key, "must be 64 hexadecimal digits; copy the file whole")
    keyless = hashes["keyless_hash"] or b""
    return Invitation(
        identity, text.enrolment, text.log, text.root_fingerprint, keyless, text.token
    )
