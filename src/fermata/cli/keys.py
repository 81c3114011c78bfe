"""``fermata keys``: signing keys, and the dealer's ceremony for the threshold key."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from fermata.cli.output import emit, json_option, say
from fermata.crypto.dealer import deal as deal_key
from fermata.crypto.key_record import check_key
from fermata.crypto.modulus_proof import verify as verify_modulus_proof
from fermata.crypto.paillier import check_modulus
from fermata.crypto.signing import SigningKey
from fermata.errors import ConfigError
from fermata.node import keystore
from fermata.node.config import read_charter
from fermata.node.files import write_atomic
from fermata.node.nodes import entropy
from fermata.node.signatures import sign_file
from fermata.protocol.codec import decode, encode, key_record_from_wire, key_record_to_wire
from fermata.wire.v1 import statement_pb2

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)


def unlock_from(identity: Path | None, passphrase_file: Path | None) -> keystore.Unlock:
    """What opens age files: an identity file, a passphrase file, or a prompt."""
    if identity is not None:
        return keystore.load_identity(identity)
    if passphrase_file is not None:
        return keystore.passphrase_from_file(passphrase_file)
    return keystore.passphrase_from_prompt()


def unlock_options(command: F) -> F:
    """Adds --identity and --passphrase-file; without them the passphrase is asked for."""
    command = click.option("--identity", type=PATH, help="age identity file (0600).")(command)
    return click.option("--passphrase-file", type=PATH, help="File with the passphrase (0600).")(
        command
    )


def signing_options(command: F) -> F:
    """Adds what a command needs to sign as a party."""
    command = unlock_options(command)
    command = click.option("--key", type=PATH, required=True, help="Signing key (age file).")(
        command
    )
    return click.option("--party", required=True, help="The party's id in the charter.")(command)


@click.group()
def keys() -> None:
    """Signing keys, and the threshold key of a deployment."""


@keys.command("identity")
@click.argument("out", type=PATH)
def identity(out: Path) -> None:
    """Make an age identity that opens this node's key files (0600; guard it)."""
    emit(False, None, keystore.new_identity(out).recipient)


@keys.command("new")
@click.argument("out", type=PATH)
@click.option("--deployment", required=True, help="The charter's deployment name.")
@unlock_options
@json_option
def new(
    out: Path, deployment: str, identity: Path | None, passphrase_file: Path | None, as_json: bool
) -> None:
    """Make a signing key; prints the public key for the charter's roster."""
    seed = entropy(32)
    public_key = base64.b64encode(SigningKey.from_seed(seed).public_key).decode()
    keystore.save_sealed(
        out, seed, keystore.SIGNING, deployment, unlock_from(identity, passphrase_file)
    )
    emit(as_json, {"signing_key": public_key, "file": str(out)}, public_key)


@keys.command("deal")
@click.argument("charter_file", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder for the record and the shares.")
@click.option(
    "--recipients", type=PATH, required=True,
    help="Folder with <auditor>.recipient files (age public keys), one an auditor.",
)  # fmt: skip
@json_option
def deal(charter_file: Path, out: Path, recipients: Path, as_json: bool) -> None:
    """Deal the threshold key; each share is encrypted to its auditor at birth."""
    charter = read_charter(charter_file)
    to = {a: _recipient(recipients / f"{a}.recipient") for a in charter.auditors}
    record_file = out / "key-record.bin"
    if record_file.exists():
        raise ConfigError("FILE_EXISTS", f"{record_file}: is there already; deal into a new folder")
    out.mkdir(parents=True, exist_ok=True)
    dealt = deal_key(
        charter.modulus_bits,
        charter.threshold,
        len(charter.auditors),
        entropy,
        charter.sha256,
        progress=lambda step: say(f"dealing: {step}"),
    )
    for auditor, share in zip(charter.auditors, dealt.shares, strict=True):
        keystore.save_sealed(
            out / f"{auditor}.share.age",
            share.to_bytes(),
            keystore.KEY_SHARE,
            charter.deployment,
            to[auditor],
        )
    statement = statement_pb2.Statement(
        charter_sha256=charter.sha256,
        key_record=key_record_to_wire(dealt.record, dealt.modulus_proof),
    )
    write_atomic(record_file, encode(statement))
    say("This is a dealer key: whoever ran this command could have kept it. Destroy this machine's")
    say("memory and disk as your ceremony says, and have every auditor check and sign the record.")
    emit(as_json, {"key_record": str(record_file), "origin": "dealer"}, f"wrote {record_file}")


def _recipient(path: Path) -> keystore.Recipient:
    try:
        return keystore.recipient(path.read_text().strip())
    except OSError as error:
        raise ConfigError("RECIPIENT", f"{path}: cannot be read ({error.strerror})") from error


@keys.command("check")
@click.argument("charter_file", type=PATH)
@click.argument("record_file", type=PATH)
@json_option
def check(charter_file: Path, record_file: Path, as_json: bool) -> None:
    """Check a key record as every lab and auditor should before using it."""
    charter = read_charter(charter_file)
    statement = decode(statement_pb2.Statement, record_file.read_bytes())
    if statement.charter_sha256 != charter.sha256:
        raise ConfigError("CHARTER_HASH", f"{record_file}: was dealt for another charter")
    record, proof = key_record_from_wire(statement.key_record, charter.modulus_bits)
    check_modulus(record.n, charter.modulus_bits)
    check_key(record)
    verify_modulus_proof(record.n, proof, charter.sha256)
    text = f"{record_file}: a {charter.modulus_bits}-bit dealer key, {record.threshold} of"
    text += f" {len(record.verification)}, whose shares interpolate and whose modulus is proven"
    emit(as_json, {"valid": True, "origin": record.origin, "epoch": record.epoch}, text)


@keys.command("sign")
@click.argument("charter_file", type=PATH)
@click.argument("record_file", type=PATH)
@signing_options
def sign(
    charter_file: Path,
    record_file: Path,
    party: str,
    key: Path,
    identity: Path | None,
    passphrase_file: Path | None,
) -> None:
    """Sign a key record as one auditor, after checking it."""
    charter = read_charter(charter_file)
    if party not in charter.auditors:
        raise ConfigError("PARTY", f"{charter_file}: has no auditor called {party}")
    seed = keystore.load_sealed(
        key, keystore.SIGNING, charter.deployment, unlock_from(identity, passphrase_file)
    )
    out = sign_file(record_file, party, SigningKey.from_seed(seed))
    emit(False, None, f"signed {record_file} as {party}: {out}")
