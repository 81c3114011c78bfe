"""Errors by fault (docs/spec/errors.md).

Every error carries a stable upper-case ``reason`` that programs may match on, and a message for
people. A message never contains a secret, a metric value or the text of a foreign exception.
"""


class FermataError(Exception):
    """Base of all errors that a user of fermata can meet.

    ``reason`` is a stable code such as ``CT_RANGE``; ``str(error)`` says what was wrong, where,
    and what to do.
    """

    exit_code = 1

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __str__(self) -> str:
        return str(self.args[0])


class VerificationError(FermataError):
    """Something received does not hold: the sender's fault, never ours.

    ``signed`` is the envelope in which a log's coordinator signed that it refuses an append for
    this reason (docs/spec/log.md, L32); no bytes for every other error.
    """

    exit_code = 3

    def __init__(self, reason: str, message: str, signed: bytes = b"") -> None:
        super().__init__(reason, message)
        self.signed = signed


class InvalidEncoding(VerificationError):
    """Bytes that are not the one canonical encoding of a value in its domain."""


class InvalidSignature(VerificationError):
    """A signature that does not verify, or is by the wrong party."""


class InvalidProof(VerificationError):
    """A Merkle, key or zero-knowledge proof that does not verify."""


class Refusal(VerificationError):
    """Well formed and authentic, but against a rule of the charter or the protocol."""

    exit_code = 4


class IdentityError(FermataError):
    """A certificate or an identity that does not entitle its holder to the call."""

    exit_code = 5


class TransportError(FermataError):
    """The other side could not be reached, or did not answer in time; trying again may help."""

    exit_code = 6


class StorageError(FermataError):
    """The node's own disk or database: full, damaged, in use or of another deployment."""


class ConfigError(FermataError):
    """A file, flag or charter that its author must fix."""

    exit_code = 2
