"""The file that brings an opening back from a machine without a network (docs/spec/opener.md, OP5).

It holds a statement, which will be in the log, and perhaps its author's signature: nothing secret
once it is sent, and before that worth as much as this auditor's word in one opening.
"""

from dataclasses import dataclass
from typing import NoReturn

from fermata.crypto.signing import SIGNATURE_BYTES, pae, verify_signature
from fermata.errors import ConfigError, InvalidEncoding, InvalidSignature
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX, STATEMENT_TYPE, decode
from fermata.protocol.wire.envelope import assemble
from fermata.wire.v1 import statement_pb2

MAGIC = b"fermata/v1/opening\n"
OPENING_BYTES_MAX = ENVELOPE_BYTES_MAX + 1024
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class GivenOpening:
    """``statement``: a partial opening, canonical bytes; ``signature``: 64 bytes, or none."""

    statement: bytes
    signature: bytes = b""

    @property
    def parsed(self) -> statement_pb2.Statement:
        """The statement. Raises InvalidEncoding."""
        return decode(statement_pb2.Statement, self.statement)

    def envelope(self, me: str) -> bytes:
        """Its envelope if it is signed, else no bytes."""
        if not self.signature:
            return b""
        return assemble(STATEMENT_TYPE, self.statement, {me: self.signature})


def encode_opening(given: GivenOpening) -> bytes:
    """The file's bytes."""
    length = len(given.statement).to_bytes(_LENGTH_BYTES, "big")
    return MAGIC + length + given.statement + given.signature


def decode_opening(data: bytes, me: str, public_key: bytes, where: str) -> GivenOpening:
    """Parses a file that this auditor made; it is not compared with the log.

    ``me``: the auditor's id; ``public_key``: its signing key, 32 bytes. Raises ConfigError
    OPENING_FORM, OPENING_FOREIGN.
    """
    # OP5.1: a file that was named by mistake, or that is damaged or cut short.
    if not data.startswith(MAGIC) or len(data) > OPENING_BYTES_MAX:
        _fail(where, "is not an opening; make one with fermata auditor open")
    start = len(MAGIC) + _LENGTH_BYTES
    end = start + int.from_bytes(data[len(MAGIC) : start], "big")
    statement, signature = data[start:end], data[end:]
    if len(statement) < end - start or len(signature) not in (0, SIGNATURE_BYTES):
        _fail(where, "is damaged or cut short; copy it again, whole")
    given = GivenOpening(statement, signature)
    try:
        parsed = given.parsed
        if parsed.WhichOneof("body") != "partial_opening":
            _fail(where, "holds no part of an opening")
        # OP5.2: another auditor's part would make this one a culprit.
        if parsed.author != me:
            raise ConfigError("OPENING_FOREIGN", f"{where}: is not of {me}; give it to its auditor")
        # OP5.3: a file that was changed on its way.
        if signature:
            verify_signature(public_key, signature, pae(STATEMENT_TYPE, statement), where)
    except InvalidEncoding:
        _fail(where, "is damaged; copy it again, whole")
    except InvalidSignature:
        raise ConfigError(
            "OPENING_FORM", f"{where}: was changed after it was signed; open the task again"
        ) from None
    return given


def _fail(where: str, what: str) -> NoReturn:
    raise ConfigError("OPENING_FORM", f"{where}: {what}")
