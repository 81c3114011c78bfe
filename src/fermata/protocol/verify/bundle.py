"""A bundle: one folder from which anyone can verify a whole run offline (docs/spec/bundle.md).

bundle.json               which format, and whether sealed parts are inside
charter.toml              the charter file, for people; equal to entry 0
checkpoint                the head that the coordinator signed (C2SP)
witnesses                 auditors' newest cosignatures, of this head or of earlier ones
tile/...                  the log (C2SP tlog-tiles)
ceremony.record           the ceremony that made the key, if no dealer did
ceremony-epoch-N.record   the ceremony of its later epoch N, if the key record names one
sealed/<sha256>.bin       the sealed part of every report that counts; not in a public bundle

The verdict is about the witnessed entries; those after them are there, and count for nothing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence, Set

from fermata.errors import ConfigError, Refusal
from fermata.log.checkpoint import parse_checkpoint, parse_note
from fermata.log.tiles import export_tiles
from fermata.protocol.standing.retention import terms_of
from fermata.protocol.state.state import State
from fermata.protocol.wire.codec import decode_entry
from fermata.protocol.wire.envelope import unseal
from fermata.protocol.wire.ports import Store, Witness
from fermata.protocol.wire.strict_json import NotJson, parse_json
from fermata.protocol.wire.witnesses import encode_witnesses
from fermata.types import RoundNumber

FULL = b'{"format":"fermata-bundle/1","sealed":true}\n'
PUBLIC = b'{"format":"fermata-bundle/1","sealed":false}\n'
MARKER, CHARTER, CHECKPOINT, WITNESSES = "bundle.json", "charter.toml", "checkpoint", "witnesses"
CEREMONY = "ceremony.record"
_LATER_CEREMONY = re.compile(r"ceremony-epoch-[1-9][0-9]{0,3}\.record")
#: That of a newer format may say more than ours.
MARKER_BYTES_MAX = 64 * 1024
FORMAT = 1
_FORMAT = re.compile("fermata-bundle/([1-9][0-9]{0,8})")


def check_readable(where: str, files: Mapping[str, bytes]) -> None:
    """Checks that files can be read as a bundle at all; the verifier says whether it is valid.

    ``files`` are contents by path, and ``where`` names the bundle in messages. Raises ConfigError
    BUNDLE_NEWER if its format is newer than this version's, and BUNDLE if it is not a bundle.
    """
    marker = files.get(MARKER)
    # B1.6: a folder named by mistake.
    if marker is None:
        raise ConfigError("BUNDLE", f"{where}: is not a bundle's folder, it has no {MARKER}")
    try:
        # B1.7: a stranger does not decide on our memory.
        document = parse_json(marker, MARKER_BYTES_MAX)
    except NotJson:
        document = None
    name = document.get("format") if isinstance(document, dict) else None
    if not isinstance(name, str):
        raise ConfigError("BUNDLE", f"{where}: its {MARKER} must be JSON that names a format")
    known = _FORMAT.fullmatch(name)
    # B1.8.
    if known is None:
        raise ConfigError("BUNDLE", f"{where}: its {MARKER} names a format that is not a bundle's")
    # B1.9: what is newer is not invalid.
    if int(known[1]) > FORMAT:
        raise ConfigError(
            "BUNDLE_NEWER",
            f"{where}: is of the newer format {name}; this version reads fermata-bundle/{FORMAT},"
            " so use a newer fermata",
        )
    # B1.10: a copy that stopped half-way.
    if CHECKPOINT not in files:
        raise ConfigError("BUNDLE", f"{where}: has no {CHECKPOINT}; copy the bundle again, whole")


def sealed_path(sealed_sha256: bytes) -> str:
    """The path of a sealed part in a bundle, from its SHA-256 (32 bytes)."""
    return f"sealed/{sealed_sha256.hex()}.bin"


def sealed_wanted(state: State) -> dict[str, tuple[int, str]]:
    """Path of each sealed part that a bundle has, with the entry and the lab of its report.

    These are the reports that count in closed rounds, but for those of rounds that the charter's
    term lets go (log.md, L58). ``state`` is of the entries that are judged.
    """
    gone = terms_of(state, state.size).gone
    return sealed_paths(state, {r.number for r in state.rounds if r.number not in gone})


def sealed_paths(state: State, numbers: Set[RoundNumber]) -> dict[str, tuple[int, str]]:
    """The same of these rounds, whether they are let go or not."""
    return {
        sealed_path(round_.reports[lab].sealed_sha256): (round_.reports[lab].entry, lab)
        for round_ in state.rounds
        if round_.close is not None and round_.number in numbers
        for lab in round_.close.listed
    }


def ceremony_path(epoch: int) -> str:
    """Where a bundle has the record of the ceremony of an epoch of the key."""
    return CEREMONY if epoch == 1 else f"ceremony-epoch-{epoch}.record"


def is_ceremony(path: str) -> bool:
    """Whether a path is one of ``ceremony_path``."""
    return path == CEREMONY or _LATER_CEREMONY.fullmatch(path) is not None


def build_bundle(
    state: State,
    leaves: Sequence[bytes],
    checkpoint: bytes,
    witnesses: Iterable[Witness],
    store: Store | None,
    ceremonies: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """All files of a bundle, by path.

    ``checkpoint`` is of these leaves and has the coordinator's line alone. ``witnesses`` are of
    heads of this log up to it, and hold; ``state`` is that of the entries that are judged
    (``judged_state``), which decides on the sealed parts. Without a store it is a public bundle: no
    sealed part, and so no ciphertext of a single lab. ``ceremonies``: the records that key records
    name, by path.

    Raises Refusal NO_SEALED if this node does not hold a sealed part that the bundle needs.
    """
    head = parse_checkpoint(parse_note(checkpoint).text)
    if head.size != len(leaves):
        raise ValueError("the checkpoint is of another size than the leaves")
    if state.size > len(leaves):
        raise ValueError("the state is of more entries than the leaves")
    entry = decode_entry(leaves[0])
    files = {
        MARKER: PUBLIC if store is None else FULL,
        CHARTER: unseal(entry.envelope).payload,
        CHECKPOINT: checkpoint,
        WITNESSES: encode_witnesses(witnesses),
        **export_tiles(leaves),
    }
    files |= ceremonies or {}
    if store is None:
        return files
    for path, (number, lab) in sealed_wanted(state).items():
        data = store.sealed(bytes.fromhex(path[7:-4]))
        if data is None:
            raise Refusal(
                "NO_SEALED", f"bundle: this node lacks the sealed part of {lab}'s entry {number}"
            )
        files[path] = data
    return files


def summary_paths(files: Mapping[str, bytes]) -> str:
    """How many files and bytes a bundle has, for people."""
    return f"{len(files)} files, {sum(map(len, files.values())):,} bytes"
