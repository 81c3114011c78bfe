"""Signatures that parties make apart, over one file: FILE.sig/<party>, base64, one line."""

import base64
from pathlib import Path

from fermata.crypto.signing import SigningKey, pae, verify_signature
from fermata.errors import ConfigError, InvalidSignature
from fermata.node.files import read_file, write_atomic
from fermata.protocol.charter.parse import CHARTER_BYTES_MAX, Charter
from fermata.protocol.wire.codec import (
    CHARTER_TYPE,
    ENVELOPE_BYTES_MAX,
    STATEMENT_TYPE,
)
from fermata.protocol.wire.envelope import seal_charter

_LINE_BYTES_MAX = 1024
MISSING, SIGNED, WRONG = "not signed", "signed", "WRONG"


def folder_of(file: Path) -> Path:
    """Where the signatures of a file stand."""
    return file.with_name(file.name + ".sig")


def payload_type_of(file: Path) -> str:
    """A charter is signed as a charter, anything else as a statement."""
    return CHARTER_TYPE if file.suffix == ".toml" else STATEMENT_TYPE


def sign_file(file: Path, party: str, key: SigningKey, payload: bytes | None = None) -> Path:
    """Signs a charter or a key record; returns where the signature was written.

    ``payload``: the file's bytes as they were checked; a file that has changed since is not
    signed. Raises ConfigError FILE_CHANGED, FILE_UNWRITABLE and those of ``read_file``.
    """
    data = read_file(file, ENVELOPE_BYTES_MAX)
    if payload is not None and data != payload:
        raise ConfigError("FILE_CHANGED", f"{file}: has changed while it was checked; start again")
    signature = key.sign(pae(payload_type_of(file), data))
    return write_signature(file, party, signature)


def write_signature(file: Path, party: str, signature: bytes) -> Path:
    """Writes a party's signature of a file beside it; returns where.

    Raises ConfigError FILE_UNWRITABLE.
    """
    folder = folder_of(file)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "FILE_UNWRITABLE",
            f"{folder}: cannot be made ({error.strerror}); fix the folder that it is in",
        ) from None
    out = folder / party
    write_atomic(out, base64.b64encode(signature) + b"\n")
    return out


def read_own(file: Path, party: str) -> bytes | None:
    """The signature of a file that this party made here, unchecked; None if there is none.

    Raises ConfigError SIGNATURES.
    """
    path = folder_of(file) / party
    if not path.exists():
        return None
    try:
        return base64.b64decode(read_file(path, _LINE_BYTES_MAX).strip(), validate=True)
    except ValueError:
        raise ConfigError(
            "SIGNATURES", f"{path}: must be base64; remove it to sign again"
        ) from None


def signature_states(file: Path, payload: bytes, charter: Charter) -> dict[str, str]:
    """MISSING, SIGNED or WRONG for each party of the charter, over these bytes of the file."""
    states = {}
    for party in charter.parties:
        try:
            signature = _read_one(file, payload, charter, party)
            states[party] = MISSING if signature is None else SIGNED
        except ConfigError:
            states[party] = WRONG
    return states


def check_unchanged(file: Path, payload: bytes, charter: Charter) -> None:
    """Checks that every signature there is fits these bytes of the file.

    Raises ConfigError SIGNATURES: someone has signed another version.
    """
    wrong = [p for p, state in signature_states(file, payload, charter).items() if state == WRONG]
    if wrong:
        raise ConfigError(
            "SIGNATURES",
            f"{file}: the signature of {', '.join(wrong)} is of other bytes; if the file was"
            f" changed, all must sign again: remove {folder_of(file)} first",
        )


def read_signatures(file: Path, charter: Charter, parties: tuple[str, ...]) -> dict[str, bytes]:
    """The signatures of all these parties, each checked.

    Raises ConfigError SIGNATURES naming who is missing or whose signature is wrong.
    """
    payload = read_file(file, ENVELOPE_BYTES_MAX)
    signatures = {party: _read_one(file, payload, charter, party) for party in parties}
    missing = [party for party, signature in signatures.items() if signature is None]
    if missing:
        raise ConfigError(
            "SIGNATURES", f"{file.name}: not signed by {', '.join(missing)} (see {folder_of(file)})"
        )
    return {party: signature for party, signature in signatures.items() if signature is not None}


def sealed_charter(file: Path, charter: Charter) -> bytes:
    """The envelope of a charter that every party has signed: what its log begins with.

    Raises ConfigError SIGNATURES as ``read_signatures``.
    """
    signatures = read_signatures(file, charter, charter.signers)
    return seal_charter(read_file(file, CHARTER_BYTES_MAX), signatures)


def _read_one(file: Path, payload: bytes, charter: Charter, party: str) -> bytes | None:
    """A party's signature, checked; None if there is none. Raises ConfigError SIGNATURES."""
    path = folder_of(file) / party
    if not path.exists():
        return None
    try:
        signature = base64.b64decode(read_file(path, _LINE_BYTES_MAX).strip(), validate=True)
        message = pae(payload_type_of(file), payload)
        verify_signature(charter.parties[party].signing_key, signature, message)
    except (ValueError, InvalidSignature):
        raise ConfigError(
            "SIGNATURES", f"{path}: is not {party}'s signature of {file.name}; sign it again"
        ) from None
    return signature
