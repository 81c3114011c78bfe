"""``fermata keys``: signing keys, and the dealer's ceremony for the threshold key."""

import base64
from collections.abc import Callable
from itertools import count
from pathlib import Path

import click

from fermata.cli.options import PATH
from fermata.cli.output import emit, json_option, progress_bar, say
from fermata.cli.unlock import Opener, deployment_option, signing_options, unlock_options
from fermata.crypto.paillier import check_modulus
from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.dealer import DealtKey
from fermata.crypto.threshold.dealer import deal as deal_key
from fermata.crypto.threshold.factor_proof import verify as verify_factor_proof
from fermata.crypto.threshold.key_record import DISTRIBUTED, KeyRecord, check_key
from fermata.crypto.threshold.modulus_proof import verify as verify_modulus_proof
from fermata.crypto.threshold.opening import KeyShare, check_share
from fermata.errors import ConfigError, InvalidEncoding, InvalidProof, Refusal
from fermata.node.config import read_charter
from fermata.node.files import SECRET_MODE, read_file, write_directory
from fermata.node.run.parts import entropy, open_signing_key
from fermata.node.storage import keystore
from fermata.node.storage.bundles import check_new
from fermata.node.storage.signatures import check_unchanged, folder_of, sealed_charter, sign_file
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.references import first_entry
from fermata.protocol.wire.codec import (
    ENVELOPE_BYTES_MAX,
    decode,
    encode,
    key_record_from_wire,
    key_record_to_wire,
)
from fermata.wire.v1 import statement_pb2

RECORD = "key-record.bin"
RECIPIENT_BYTES_MAX = 1024
_STEPS = 3


CHARTER_FILE = click.argument(
    "charter_file", type=PATH, help="The charter, with its signatures beside it."
)
RECORD_FILE = click.argument("record_file", type=PATH, help="The key record that keys deal wrote.")


@click.group()
def keys() -> None:
    """Signing keys, and the threshold key of a deployment."""


@keys.command("identity")
@click.argument("out", type=PATH, help="A new file for the identity.")
@json_option
def identity(out: Path, as_json: bool) -> None:
    """Make an age identity that opens this node's key files (0600; guard it)."""
    recipient = keystore.new_identity(out).recipient
    emit(as_json, {"recipient": recipient, "file": str(out)}, recipient)


@keys.command("new")
@click.argument("out", type=PATH, help="A new file for the signing key.")
@deployment_option
@unlock_options
@json_option
def new(out: Path, deployment: str, opener: Opener, as_json: bool) -> None:
    """Make a signing key; prints the public key for the charter's roster."""
    check_new(out)
    lock = opener.unlock(confirm=True)
    seed = entropy(32)
    public_key = base64.b64encode(SigningKey.from_seed(seed).public_key).decode()
    keystore.save_sealed(out, seed, keystore.SIGNING, deployment, lock)
    emit(as_json, {"signing_key": public_key, "file": str(out)}, public_key)


@keys.command("deal")
@CHARTER_FILE
@click.option("--out", type=PATH, required=True, help="New folder for the record and the shares.")
@click.option(
    "--recipients", type=PATH, required=True,
    help="Folder with <auditor>.recipient files (age public keys), one an auditor.",
)  # fmt: skip
@json_option
def deal(charter_file: Path, out: Path, recipients: Path, as_json: bool) -> None:
    """Deal the threshold key; each share is encrypted to its auditor at birth."""
    charter = read_charter(charter_file)
    if charter.key_origin == DISTRIBUTED:
        raise ConfigError("KEY_ORIGIN", f"{charter_file}: takes no key that a dealer made")
    # The record names entry 0, which the signatures belong to: they must be complete.
    after = first_entry(sealed_charter(charter_file, charter))
    to = {a: _recipient(recipients / f"{a}.recipient") for a in charter.auditors}
    check_new(out, may_be_empty=True)
    with progress_bar("dealing", _STEPS) as advance:
        dealt = _deal(charter, advance)
    statement = statement_pb2.Statement(
        charter_sha256=charter.sha256,
        key_record=key_record_to_wire(dealt.record, dealt.modulus_proof, dealt.factor_proof, after),
    )
    files = {RECORD: (encode(statement), 0o644)}
    for auditor, share in zip(charter.auditors, dealt.shares, strict=True):
        sealed = keystore.seal(
            share.to_bytes(), keystore.KEY_SHARE, charter.deployment, to[auditor]
        )
        files[f"{auditor}.share.age"] = (sealed, SECRET_MODE)
    # All of it or nothing: a record without one of its shares is worth nothing.
    write_directory(out, files)
    say("This is a dealer key: whoever ran this command could have kept it. Destroy this machine's")
    say("memory and disk as your ceremony says, and have every auditor check and sign the record.")
    data = {
        "key_record": str(out / RECORD),
        "origin": dealt.record.origin,
        "shares": {a: str(out / f"{a}.share.age") for a in charter.auditors},
    }
    emit(as_json, data, "\n".join(f"wrote {out / name}" for name in files))


def _deal(charter: Charter, advance: Callable[[int], None]) -> DealtKey:
    done = count()

    def step(name: str) -> None:
        advance(next(done))
        say(f"dealing: {name}")

    auditors = len(charter.auditors)
    return deal_key(
        charter.modulus_bits, charter.threshold, auditors, entropy, charter.sha256, progress=step
    )


def _recipient(path: Path) -> keystore.Recipient:
    try:
        return keystore.Recipient(read_file(path, RECIPIENT_BYTES_MAX).decode("ascii").strip())
    except UnicodeDecodeError:
        raise ConfigError("RECIPIENT_FORM", f"{path}: must be an age recipient in ASCII") from None
    except ConfigError as error:
        if error.reason == "RECIPIENT_FORM":
            raise ConfigError(error.reason, f"{path}: {error}") from None
        raise


def check_record(charter: Charter, charter_file: Path, data: bytes, where: Path) -> KeyRecord:
    """Checks a key record as the fold will (F3), without its signatures; returns it.

    ``charter_file`` has every party's signature beside it, and so says what entry 0 will be.
    Raises ConfigError CHARTER_HASH for another charter's and SIGNATURES, else VerificationError.
    """
    statement = decode(statement_pb2.Statement, data)
    if statement.WhichOneof("body") != "key_record" or statement.author:
        raise InvalidEncoding("KEY_RECORD", f"{where}: is not a key record")
    if statement.charter_sha256 != charter.sha256:
        raise ConfigError("CHARTER_HASH", f"{where}: was dealt for another charter")
    if statement.key_record.after != first_entry(sealed_charter(charter_file, charter)):
        raise Refusal(
            "KEY_AFTER",
            f"{where}: was dealt for a log that begins with other signatures than those in"
            f" {folder_of(charter_file)}",
        )
    record, proof, factors = key_record_from_wire(statement.key_record, charter.modulus_bits)
    if record.epoch != 1:
        raise Refusal("KEY_EPOCH", f"{where}: the first key has epoch 1")
    if (record.threshold, record.auditors) != (charter.threshold, len(charter.auditors)):
        raise Refusal("KEY_SHAPE", f"{where}: threshold or number of auditors is not the charter's")
    check_modulus(record.n, charter.modulus_bits)
    check_key(record)
    verify_modulus_proof(record.n, proof, charter.sha256)
    verify_factor_proof(record.n, factors, charter.sha256)
    return record


@keys.command("check")
@CHARTER_FILE
@RECORD_FILE
@json_option
def check(charter_file: Path, record_file: Path, as_json: bool) -> None:
    """Check a key record as every lab and auditor should before using it.

    All signatures of the charter must be beside it: the record is for the log that they begin.
    """
    charter = read_charter(charter_file)
    record = check_record(
        charter, charter_file, read_file(record_file, ENVELOPE_BYTES_MAX), record_file
    )
    text = f"{record_file}: a {charter.modulus_bits}-bit {record.origin} key, {record.threshold} of"
    text += f" {record.auditors}, whose shares interpolate and whose modulus is proven"
    data = {
        "valid": True,
        "origin": record.origin,
        "epoch": record.epoch,
        "modulus_bits": charter.modulus_bits,
        "threshold": record.threshold,
        "auditors": record.auditors,
    }
    emit(as_json, data, text)


@keys.command("sign")
@CHARTER_FILE
@RECORD_FILE
@signing_options
@click.option("--share", type=PATH, help="Your key share (age file); checked against the record.")
@json_option
def sign(
    charter_file: Path,
    record_file: Path,
    party: str,
    key: Path,
    opener: Opener,
    share: Path | None,
    as_json: bool,
) -> None:
    """Sign a key record as one auditor, after checking it, and your share if you give it."""
    charter = read_charter(charter_file)
    if party not in charter.auditors:
        raise ConfigError("PARTY", f"{charter_file}: has no auditor called {party}")
    if record_file.suffix == ".toml":
        raise ConfigError("KEY_RECORD", f"{record_file}: a key record's file is not called .toml")
    payload = read_file(record_file, ENVELOPE_BYTES_MAX)
    record = check_record(charter, charter_file, payload, record_file)
    check_unchanged(record_file, payload, charter)
    unlock = opener.unlock()
    signing_key = open_signing_key(
        key, charter.deployment, unlock, charter.parties[party].signing_key, party
    )
    if share is not None:
        _check_share(share, charter, record, party, unlock)
    out = sign_file(record_file, party, signing_key, payload)
    data = {"key_record": str(record_file), "party": party, "signature": str(out)}
    emit(as_json, data, f"signed {record_file} as {party}: {out}")


def _check_share(
    path: Path, charter: Charter, record: KeyRecord, party: str, unlock: keystore.Unlock
) -> None:
    """Raises ConfigError KEY_SHARE unless this is the party's share of this key."""
    data = keystore.load_sealed(path, keystore.KEY_SHARE, charter.deployment, unlock)
    try:
        share = KeyShare.from_bytes(data)
        check_share(record, share)
    except (InvalidEncoding, InvalidProof) as error:
        raise ConfigError("KEY_SHARE", f"{path}: {error}; do not sign, tell the dealer") from None
    if charter.auditors[share.index - 1] != party:
        raise ConfigError("KEY_SHARE", f"{path}: is the share of another auditor; do not sign")
