"""``fermata keys``: signing keys, and the dealer's ceremony for the threshold key."""

import base64
import tempfile
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import click

from fermata.cli.late_group import LateGroup
from fermata.cli.options import PATH
from fermata.cli.output import emit, json_option, progress_bar, say
from fermata.cli.unlock import (
    Opener,
    deployment_option,
    pin_of,
    signing_key_of,
    signing_options,
    unlock_options,
)
from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.auditor_share import auditor_share
from fermata.crypto.threshold.dealer import DealtKey
from fermata.crypto.threshold.dealer import deal as deal_key
from fermata.crypto.threshold.key_record import DEALER, DISTRIBUTED
from fermata.errors import ConfigError
from fermata.node.config import read_charter
from fermata.node.files import SECRET_MODE, read_file, write_directory, write_secret
from fermata.node.joining.ceremony import dealt_file, open_dealer_file
from fermata.node.joining.key_check import check_own_share, check_record
from fermata.node.pki.token_key import open_token_key
from fermata.node.run.parts import entropy
from fermata.node.storage import keystore
from fermata.node.storage.bundles import check_new
from fermata.node.storage.signatures import check_unchanged, sealed_charter, sign_file
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.references import first_entry
from fermata.protocol.wire.codec import (
    ENVELOPE_BYTES_MAX,
    encode,
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


@click.group(
    cls=LateGroup,
    later={
        "cancel": "fermata.cli.ceremony:cancel",
        "ceremony": "fermata.cli.ceremony:ceremony",
        "record": "fermata.cli.ceremony:record",
    },
)
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


@keys.command("public")
@click.argument("key", help="A key in a token: pkcs11:...")
@unlock_options
@json_option
def public(key: str, opener: Opener, as_json: bool) -> None:
    """Print the public key of a signing key in a token, for the charter's roster."""
    token = open_token_key(key, pin_of(opener.unlock()), None, "")
    public_key = base64.b64encode(token.public_key).decode()
    emit(as_json, {"signing_key": public_key}, public_key)


@keys.command("deal")
@click.argument("file", type=PATH, help="The charter, or for-dealer.bin of coordinator gather.")
@click.option(
    "--out", type=PATH, required=True, help="New file for the coordinator, or a new folder."
)
@click.option(
    "--recipients", type=PATH,
    help="With a charter: folder with <auditor>.recipient files (age public keys).",
)  # fmt: skip
@json_option
def deal(file: Path, out: Path, recipients: Path | None, as_json: bool) -> None:
    """Deal the threshold key; each share is encrypted to its auditor at birth.

    FILE is for-dealer.bin of fermata coordinator gather, which gives one file back, or a charter
    with all its signatures beside it, which gives a folder.
    """
    is_charter = file.suffix == ".toml"
    if is_charter != (recipients is not None):
        raise click.UsageError("--recipients goes with a charter, and with nothing else")
    check_new(out, may_be_empty=is_charter)
    if recipients is not None:
        to = {a: _recipient(recipients / f"{a}.recipient") for a in read_charter(file).auditors}
        record, shares, origin = _deal_to(file, to)
        files = {RECORD: (record, 0o644)}
        files |= {f"{a}.share.age": (sealed, SECRET_MODE) for a, sealed in shares.items()}
        # All of it or nothing: a record without one of its shares is worth nothing.
        write_directory(out, files)
        written = [str(out / name) for name in files]
        data: dict[str, object] = {
            "key_record": str(out / RECORD),
            "shares": {a: str(out / f"{a}.share.age") for a in shares},
        }
    else:
        with tempfile.TemporaryDirectory() as work:
            record, shares, origin = _deal_to(*open_dealer_file(file, Path(work)))
        write_secret(out, dealt_file(record, shares))
        written, data = [str(out)], {"file": str(out)}
    say("This is a dealer key: whoever ran this command could have kept it. Destroy this machine's")
    say("memory and disk as your ceremony says, and have every auditor check and sign the record.")
    emit(as_json, data | {"origin": origin}, "\n".join(f"wrote {name}" for name in written))


def _deal_to(
    charter_file: Path, to: Mapping[str, keystore.Recipient]
) -> tuple[bytes, dict[str, bytes], str]:
    """The record, the share of each auditor, sealed to it, and the record's origin."""
    charter = read_charter(charter_file)
    if charter.key_origin == DISTRIBUTED:
        raise ConfigError("KEY_ORIGIN", f"{charter_file}: takes no key that a dealer made")
    # The record names entry 0, which the signatures belong to: they must be complete.
    after = first_entry(sealed_charter(charter_file, charter))
    with progress_bar("dealing", _STEPS) as advance:
        dealt = _deal(charter, advance)
    statement = statement_pb2.Statement(
        charter_sha256=charter.sha256,
        key_record=key_record_to_wire(dealt.record, dealt.modulus_proof, dealt.factor_proof, after),
    )
    shares = {
        charter.auditors[share.index - 1]: keystore.seal(
            auditor_share(share, dealt.record, charter.sha256, charter.auditors).to_bytes(),
            keystore.KEY_SHARE,
            charter.deployment,
            to[charter.auditors[share.index - 1]],
        )
        for share in dealt.shares
    }
    return encode(statement), shares, dealt.record.origin


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
    modulus = "is proven" if record.origin == DEALER else "is as auditors make them"
    text += f" {record.auditors}, whose shares interpolate and whose modulus {modulus}"
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
    signing_key = signing_key_of(
        key, unlock, charter.deployment, charter.parties[party].signing_key, party
    )
    if share is not None:
        check_own_share(share, charter, record, party, unlock)
    out = sign_file(record_file, party, signing_key, payload)
    data = {"key_record": str(record_file), "party": party, "signature": str(out)}
    emit(as_json, data, f"signed {record_file} as {party}: {out}")
