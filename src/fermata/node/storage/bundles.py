"""Bundles on disk and from a running log."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from fermata.errors import ConfigError, Refusal, TransportError
from fermata.log.checkpoint import signed_alone
from fermata.node.files import read_file
from fermata.node.storage.bundle_files import BundleFiles
from fermata.protocol.ceremony.record import RECORD_BYTES_MAX
from fermata.protocol.charter.parse import Charter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import State
from fermata.protocol.succession.views import leader
from fermata.protocol.verify.bundle import build_bundle, check_readable, sealed_wanted
from fermata.protocol.verify.check_texts import FAILED
from fermata.protocol.verify.key_checks import ceremonies_of
from fermata.protocol.verify.log_checks import judged_state
from fermata.protocol.verify.verification import Verification
from fermata.protocol.verify.verifier import verify_bundle
from fermata.protocol.wire.codec import sha256, sha256_from_text
from fermata.protocol.wire.ports import ClockMs, Log

POLL_S = 0.2


def pull_witnessed(
    replica: Replica, log: Log, wait_s: float, clock_ms: ClockMs, sleep: Callable[[float], None]
) -> None:
    """Reads the log, and waits until the entries that it had at the start are witnessed.

    After ``wait_s`` seconds what is witnessed by then must do. Raises as ``Replica.pull`` does.
    """
    limit_ms = clock_ms() + int(wait_s * 1000)
    replica.pull(log)
    wanted = replica.tree.size
    while replica.witnessed.size < wanted and clock_ms() <= limit_ms:
        sleep(POLL_S)
        replica.pull(log)


#: A number of steps to a bar that is open while they are made, and is given how many are done.
OpenBar = Callable[[int], AbstractContextManager[Callable[[int], None]]]


def export_bundle(
    replica: Replica,
    log: Log,
    is_public: bool = False,
    folder: Path | None = None,
    open_bar: OpenBar = lambda count: nullcontext(lambda done: None),
) -> dict[str, bytes]:
    """The files of a bundle of the log up to the replica's head.

    ``folder``: of the node's configuration, where the record of the key's ceremony is.
    ``open_bar``: is given how many sealed parts are to come, and its bar how many have come.

    The replica has read the log, into a store that may keep sealed parts; a public bundle needs and
    has none. Raises TransportError NOT_COSIGNED if nothing of the log is witnessed, and Refusal
    NO_CEREMONY if the key was made in a ceremony whose record is not there.
    """
    note, seen, charter = replica.store.checkpoint(), replica.witnessed, replica.charter
    if note is None or not seen.size:
        raise TransportError(
            "NOT_COSIGNED",
            f"log: {len(seen.cosigned)} of {seen.quorum} auditors needed have cosigned a head of"
            " it; see whether the auditors' nodes run, and try again",
        )
    state = judged_state(replica)
    wanted = {} if is_public else sealed_wanted(state)
    with open_bar(len(wanted)) as advance:
        for done, path in enumerate(wanted, 1):
            replica.store.put_sealed(log.fetch_sealed(bytes.fromhex(Path(path).stem)))
            advance(done)
    view = replica.state.view
    coordinator = charter.parties[leader(charter, view)].signing_key
    return build_bundle(
        state,
        replica.leaves(0, replica.tree.size),
        signed_alone(note, charter.origin_of(view), coordinator),
        replica.witnesses,
        None if is_public else replica.store,
        _ceremonies_of(replica, state, folder),
    )


def _ceremonies_of(replica: Replica, state: State, folder: Path | None) -> dict[str, bytes]:
    """The records that the log's key records name, by their path in a bundle."""
    wanted = ceremonies_of(state, lambda entry: replica.leaves(entry, entry + 1)[0])
    if not wanted:
        return {}
    at_hand = {}
    for path in sorted(folder.glob("ceremony*.record")) if folder is not None else []:
        data = read_file(path, RECORD_BYTES_MAX)
        at_hand[sha256(data)] = data
    for place, digest in wanted.items():
        if digest not in at_hand:
            raise Refusal(
                "NO_CEREMONY",
                f"bundle: the record of the key's ceremony, SHA-256 {digest.hex()}, must be in"
                f" {folder}; copy it there from an auditor or the coordinator as {place}",
            )
    return {place: at_hand[digest] for place, digest in wanted.items()}


def write_bundle(out: Path, files: dict[str, bytes]) -> None:
    """Writes a bundle's folder whole or not at all.

    Raises ConfigError FILE_EXISTS, FILE_UNWRITABLE.
    """
    check_new(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            temporary.chmod(0o755)
            for path, data in files.items():
                target = temporary / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            temporary.rename(out)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    except OSError as error:
        raise ConfigError(
            "FILE_UNWRITABLE",
            f"{out}: cannot be written ({error.strerror}); nothing was left there; check its"
            " folder and the free space",
        ) from None


def check_new(out: Path, may_be_empty: bool = False) -> None:
    """Raises ConfigError FILE_EXISTS if something stands there, be it a broken link.

    ``may_be_empty``: an empty folder counts as a missing one.
    """
    if may_be_empty and out.is_dir() and not any(out.iterdir()):
        return
    if os.path.lexists(out):
        raise ConfigError("FILE_EXISTS", f"{out}: is there already; choose another name")


def pinned_hash(text: str | None) -> bytes | None:
    """The hash of the charter that a user trusts, from its hex form, if it was given.

    Raises ConfigError CHARTER_HASH.
    """
    if text is None:
        return None
    charter_hash = sha256_from_text(text)
    if charter_hash is None:
        raise ConfigError(
            "CHARTER_HASH", "charter hash: must be 64 hex digits, SHA256: before or not"
        )
    return charter_hash


def read_bundle(folder: Path) -> Mapping[str, bytes]:
    """The files of a bundle's folder by their path in it, read as they are asked for.

    Raises ConfigError BUNDLE if it cannot be read as a bundle at all, and BUNDLE_NEWER if its
    format is newer than this version's.
    """
    # B1.1.
    if not folder.is_dir():
        raise ConfigError("BUNDLE", f"{folder}: is not a bundle's folder")
    files = BundleFiles(folder)
    check_readable(str(folder), files)
    return files


def read_valid(
    folder: Path, charter_sha256: bytes | None, modulus_bits_min: int
) -> tuple[Verification, Charter]:
    """What the verifier found of a bundle that passes all checks, and the charter in force.

    Raises ConfigError as ``read_bundle``, and Refusal BUNDLE_INVALID naming the checks that failed.
    """
    verification = verify_bundle(read_bundle(folder), charter_sha256, modulus_bits_min)
    return verification, charter_of_valid(verification, str(folder))


def charter_of_valid(verification: Verification, where: str) -> Charter:
    """The charter in force of a bundle that passes all checks. Raises Refusal BUNDLE_INVALID."""
    if not verification.is_valid or verification.state.charter is None:
        failed = ", ".join(f"V{c.number}" for c in verification.checks if c.status == FAILED)
        raise Refusal("BUNDLE_INVALID", f"{where}: does not verify ({failed}); see: fermata verify")
    return verification.state.charter
