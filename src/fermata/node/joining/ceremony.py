"""What goes to the dealer's machine and what comes back: one file each way.

The dealer gets the charter with all its signatures and the auditors' signed recipients, so that it
can deal without a network. It gives back the key record and the sealed shares.
"""

from collections.abc import Mapping
from pathlib import Path

from fermata.errors import ConfigError, VerificationError
from fermata.node.files import read_file, write_atomic
from fermata.node.joining.hand_in import check_recipient
from fermata.node.joining.key_check import check_record
from fermata.node.joining.setup_folder import PartyFile, SetupFolder
from fermata.node.storage.keystore import Recipient
from fermata.node.storage.signatures import write_signature
from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.wire.codec import decode, encode
from fermata.wire.v1 import log_service_pb2

#: In the coordinator's folder.
DEALER_FILE, DEALT_FILE = "for-dealer.bin", "from-dealer.bin"
SETUP_BYTES_MAX = 2 * 1024 * 1024


def dealer_file(folder: SetupFolder, charter: Charter) -> bytes:
    """What the dealer needs, of a charter that all have signed. Raises ConfigError RECIPIENT."""
    files = folder.signed_files()
    for auditor in charter.auditors:
        recipient, signature = folder.recipient(auditor)
        content = recipient.encode() + b"\n" + signature
        files.recipients.append(PartyFile(party=auditor, content=content))
    return encode(files)


def open_dealer_file(file: Path, work: Path) -> tuple[Path, dict[str, Recipient]]:
    """Writes a dealer's file into ``work`` as a charter with its signatures.

    Gives the charter's path, and each auditor's recipient. Whether all have signed the charter is
    the next check's question. Raises ConfigError SETUP_FILE, and as ``check_recipient`` does.
    """
    files = read_setup_file(file)
    charter = parse_charter(files.charter)
    path = work / "charter.toml"
    write_atomic(path, files.charter)
    for signed in files.charter_signatures:
        if signed.party in charter.parties:
            write_signature(path, signed.party, signed.content)
    given = {r.party: r.content.partition(b"\n") for r in files.recipients}
    recipients = {}
    for auditor in charter.auditors:
        recipient, _, signature = given.get(auditor, (b"", b"", b""))
        text = recipient.decode("ascii", "replace")
        # JN5.1: whoever carried the file could have put a recipient of theirs into it.
        key = charter.parties[auditor].signing_key
        check_recipient(charter.deployment, auditor, text, signature, key)
        recipients[auditor] = Recipient(text)
    return path, recipients


def dealt_file(record: bytes, shares: Mapping[str, bytes]) -> bytes:
    """What the dealer gives back: the key record, and each auditor's sealed share."""
    files = log_service_pb2.SetupFiles(key_record=record)
    for auditor, share in shares.items():
        files.sealed_shares.append(PartyFile(party=auditor, content=share))
    return encode(files)


def place_dealt(folder: SetupFolder, charter: Charter, file: Path) -> None:
    """Checks what the dealer gave back and puts it where auditors get it.

    Raises ConfigError SETUP_FILE, and as ``check_record`` does.
    """
    files = read_setup_file(file)
    shares = {share.party: share.content for share in files.sealed_shares}
    # JN5.2: an auditor without a share could not sign, and would not know why.
    if set(shares) != set(charter.auditors):
        raise ConfigError("SETUP_FILE", f"{file}: must have a share for each auditor")
    check_record(charter, folder.charter_file, files.key_record, file)
    folder.place_key(files.key_record, shares)


def read_setup_file(file: Path) -> log_service_pb2.SetupFiles:
    """Raises ConfigError SETUP_FILE, and as ``read_file`` does."""
    data = read_file(file, SETUP_BYTES_MAX)
    try:
        return decode(log_service_pb2.SetupFiles, data, SETUP_BYTES_MAX)
    except VerificationError:
        raise ConfigError(
            "SETUP_FILE",
            f"{file}: must be a file that fermata coordinator gather or fermata keys deal wrote;"
            " copy it again",
        ) from None
