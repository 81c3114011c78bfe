"""Signatures that parties make apart, over one file: FILE.sig/<party>, base64, one line."""

import base64
from pathlib import Path

from fermata.crypto.signing import SigningKey, pae, verify_signature
from fermata.errors import ConfigError, InvalidSignature
from fermata.node.files import write_atomic
from fermata.protocol.charter import CHARTER_TYPE, Charter
from fermata.protocol.codec import STATEMENT_TYPE


def folder_of(file: Path) -> Path:
    """Where the signatures of a file stand."""
    return file.with_name(file.name + ".sig")


def payload_type_of(file: Path) -> str:
    """A charter is signed as a charter, anything else as a statement."""
    return CHARTER_TYPE if file.suffix == ".toml" else STATEMENT_TYPE


def sign_file(file: Path, party: str, key: SigningKey) -> Path:
    """Signs a charter or a key record; returns where the signature was written."""
    signature = key.sign(pae(payload_type_of(file), file.read_bytes()))
    folder = folder_of(file)
    folder.mkdir(exist_ok=True)
    out = folder / party
    write_atomic(out, base64.b64encode(signature) + b"\n")
    return out


def read_signatures(file: Path, charter: Charter, parties: tuple[str, ...]) -> dict[str, bytes]:
    """The signatures of all these parties, each checked.

    Raises ConfigError SIGNATURES naming who is missing or whose signature is wrong.
    """
    payload = file.read_bytes()
    message = pae(payload_type_of(file), payload)
    found: dict[str, bytes] = {}
    missing = []
    for party in parties:
        path = folder_of(file) / party
        if not path.is_file():
            missing.append(party)
            continue
        try:
            signature = base64.b64decode(path.read_bytes().strip(), validate=True)
            verify_signature(charter.parties[party].signing_key, signature, message)
        except (ValueError, InvalidSignature) as error:
            raise ConfigError(
                "SIGNATURES", f"{path}: is not {party}'s signature of {file.name}; sign it again"
            ) from error
        found[party] = signature
    if missing:
        raise ConfigError(
            "SIGNATURES", f"{file.name}: not signed by {', '.join(missing)} (see {folder_of(file)})"
        )
    return found
