"""The file with which a party gives a statement to auditors that the log does not take (PL5).

It holds a signed envelope and a report's sealed part: ciphertexts and proofs, and nothing secret.
"""

import base64
import binascii
from dataclasses import dataclass, field

import msgspec

from fermata.errors import ConfigError
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX, SEALED_BYTES_MAX, sha256
from fermata.protocol.wire.strict_json import NotJson, decode_json
from fermata.types import EnvelopeHash

FORMAT = "fermata-plea/1"
PLEA_BYTES_MAX = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Pleading:
    """A statement that its author could not log: its envelope, and a report's sealed part."""

    envelope: bytes = field(repr=False)
    sealed_part: bytes = field(default=b"", repr=False)

    @property
    def envelope_sha256(self) -> EnvelopeHash:
        """By which the log knows the statement, 32 bytes."""
        return EnvelopeHash(sha256(self.envelope))


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    charter_sha256: str
    envelope: str
    sealed_part: str


def write_pleading(charter_sha256: bytes, pleading: Pleading) -> bytes:
    """The file. ``charter_sha256``: of entry 0's charter, 32 bytes."""
    file = _File(
        FORMAT,
        charter_sha256.hex(),
        base64.b64encode(pleading.envelope).decode(),
        base64.b64encode(pleading.sealed_part).decode(),
    )
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"


def read_pleading(charter_sha256: bytes, data: bytes) -> Pleading:
    """Reads a file, and checks its form alone. Raises ConfigError PLEA_FILE."""
    # PL5.1: the file of another deployment, or none at all.
    try:
        file = decode_json(data, _File, PLEA_BYTES_MAX)
        envelope = base64.b64decode(file.envelope, validate=True)
        sealed_part = base64.b64decode(file.sealed_part, validate=True)
    except (NotJson, binascii.Error, ValueError) as error:
        raise ConfigError("PLEA_FILE", f"plea: must be a file of {FORMAT}: {error}") from None
    if file.format != FORMAT or file.charter_sha256 != charter_sha256.hex():
        raise ConfigError("PLEA_FILE", f"plea: must be of format {FORMAT} and this log's charter")
    if len(envelope) > ENVELOPE_BYTES_MAX or len(sealed_part) > SEALED_BYTES_MAX:
        raise ConfigError("PLEA_FILE", "plea: its envelope or sealed part is too long")
    return Pleading(envelope, sealed_part)
