"""V3: the files of a bundle's log, whose head it has, and how much of it auditors have witnessed.

A bundle is meant to be complete: a line that vouches for nothing, or for a head that is not in it,
makes it invalid. The verdict is about the witnessed entries (docs/spec/verifier.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fermata.crypto.report.proof_cache import ProofCache
from fermata.errors import VerificationError
from fermata.log.checkpoint import (
    Checkpoint,
    check_signed_alone,
    parse_checkpoint,
    parse_note,
    verify_witness,
)
from fermata.log.merkle import Tree, leaf_hash
from fermata.log.tiles import ENTRIES_MAX, TILE_WIDTH, check_tiles, expected_paths, read_entries
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.governance.heads import head_keys, open_head
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.witness import Cosigned, Witnessed, charter_of_head, size_under
from fermata.protocol.state.heartbeats import settled_size
from fermata.protocol.state.state import CharterVersion, State
from fermata.protocol.succession.handover import HandedOver
from fermata.protocol.succession.views import view_at
from fermata.protocol.verify.bundle import CHECKPOINT, FULL, MARKER, PUBLIC, WITNESSES
from fermata.protocol.wire.witnesses import decode_witnesses

#: Of a log that no auditor has cosigned, as far as anybody has looked.
NOTHING = Witnessed(0, 0, {})


def read_log(files: Mapping[str, bytes]) -> tuple[list[bytes], Tree, list[str]]:
    """V3 as far as it needs no key: the leaves that the head binds, their tree, and what is wrong.

    There are no leaves if nothing can be folded.
    """
    tree, findings = Tree(), []
    if files.get(MARKER) not in (FULL, PUBLIC):  # V3.1.
        findings.append(f"{MARKER}: missing, or not of a bundle that this version knows")
    try:
        head = parse_checkpoint(parse_note(files[CHECKPOINT]).text)  # V3.2.
    except KeyError:
        return [], tree, [*findings, f"{CHECKPOINT}: the file is missing"]
    except VerificationError as error:
        return [], tree, [*findings, f"{CHECKPOINT}: {error.reason}: {error}"]
    # V3.3: a forged size must not cost the reader its memory.
    if not 0 < head.size <= min(ENTRIES_MAX, TILE_WIDTH * len(files)):
        said = f"{CHECKPOINT}: covers {head.size} entries, more than the tiles can hold"
        return [], tree, [*findings, said]
    # Other files are not so much as read: of what size they are is up to whoever put them there.
    expected = expected_paths(head.size)
    tiles = {p: files[p] for p in expected if p in files}
    # V3.4: the log is cut.
    findings += [f"{path}: the file is missing" for path in expected if path not in tiles]
    try:
        leaves = read_entries(tiles, head.size)  # V3.5.
    except VerificationError as error:
        return [], tree, [*findings, str(error)]
    for leaf in leaves:
        tree.append(leaf_hash(leaf))
    if tree.root() != head.root:  # V3.6: entries were changed.
        said = f"{_first_difference(leaves, tiles)}: its hash is not in the checkpoint's root"
        return [], tree, [*findings, said]
    try:
        check_tiles(tiles, leaves)  # V3.7.
    except VerificationError as error:
        findings.append(str(error))
    return leaves, tree, findings


def _first_difference(leaves: list[bytes], tiles: Mapping[str, bytes]) -> str:
    """Names the first entry whose hash is not the one in the hash tiles."""
    paths = [p for p in expected_paths(len(leaves)) if p.startswith("tile/0/")]
    hashes = b"".join(tiles.get(p, b"") for p in paths)
    for index, leaf in enumerate(leaves):
        if hashes[32 * index : 32 * index + 32] != leaf_hash(leaf):
            return f"entry {index}"
    return CHECKPOINT


def state_of_keys(
    state: State, charter: Charter, leaves: Sequence[bytes], cache: ProofCache
) -> State:
    """A state whose charters are those of the whole log: their keys say who signs a head, and who
    witnesses it. ``state`` is after entry 0, with ``charter``; ``leaves`` are the others.
    """
    # A Handover brings another key, and is bound to the same charter.
    if charter.succession or any(charter.sha256 not in leaf for leaf in leaves):
        for leaf in leaves:
            state, _ = apply(state, leaf, cache)
    return state


def settled_part(state: State, seen: Witnessed) -> Witnessed:
    """Of what is witnessed, the part that no Handover takes back; all of it without successors.

    ``state`` is after all entries.
    """
    charter = state.charter
    if charter is None or charter.succession is None:
        return seen
    # SU2.2: nobody is to rest on entries that another coordinator may not go on from.
    return replace(seen, size=min(seen.size, settled_size(charter, state.heartbeats)))


def judged_state(replica: Replica) -> State:
    """After the entries of a log that a verifier judges: those that ``settled_part`` leaves of the
    witnessed ones. It decides which files belong to a bundle, for who makes one and who reads it.
    """
    part = settled_part(replica.state, replica.witnessed)
    # Entry 0 is judged in any case.
    size = max(part.size, 1)
    return replica.trusted() if size == replica.witnessed.size else replica.state_at(size)


def findings_of_checkpoint(state: State, charter: Charter, note: bytes) -> list[str]:
    """What does not hold of a bundle's checkpoint; nothing if it is the coordinator's, alone.

    ``state`` is after all entries; ``charter``: entry 0's.
    """
    try:
        head = open_head(state, charter, note)  # V3.8: nobody promised this log.
    except VerificationError as error:
        return [f"checkpoint: {error.reason}: {error}"]
    origin = charter.origin_of(view_at(state.handovers, head.size))
    for key in head_keys(state, charter, head.size):
        try:
            check_signed_alone(note, origin, key)  # V3.9: what vouches for nothing.
        except VerificationError as error:
            finding = f"checkpoint: {error.reason}: {error}"
        else:
            return []
    return [finding]


def check_witnesses(
    charters: Sequence[CharterVersion],
    tree: Tree,
    data: bytes | None,
    handovers: Sequence[HandedOver] = (),
) -> tuple[Witnessed, list[str]]:
    """What auditors have witnessed of a bundle's log, and what does not hold of their lines.

    ``charters``: all of the log, also those that entries brought of which nobody knows yet whether
    they are witnessed. Of these, one with other auditors comes with the words of a quorum of those
    before (F3.19), so it is no less than witnessed by them. ``tree``: of all entries. ``data``: the
    file, None if it is missing. ``handovers``: those of the log, which name a head's view (L41).
    """
    # V3.10: a bundle that says of no entry who saw it.
    if data is None:
        return NOTHING, [f"{WITNESSES}: the file is missing"]
    try:
        lines = decode_witnesses(data)  # V3.11: one set of cosignatures, one form.
    except VerificationError as error:
        return NOTHING, [f"{WITNESSES}: {error.reason}: {error}"]
    cosigned: dict[str, Cosigned] = {}
    findings: list[str] = []
    # Of each line in turn.
    for line in lines:
        charter = charter_of_head(charters, line.size)
        # V3.12: vouchers who are not on the roster.
        if line.auditor not in charter.auditors:
            findings.append(f"{WITNESSES}: FOREIGN_LINE: has a line of nobody known here")
            continue
        # V3.13: a promise about entries that this reader is not shown.
        if not 0 < line.size <= tree.size:
            findings.append(
                f"{WITNESSES}: SIZE: the line of {line.auditor} is of {line.size} entries, and the"
                f" log has {tree.size}"
            )
            continue
        origin = charter.origin_of(view_at(handovers, line.size))
        head = Checkpoint(origin, line.size, tree.root(line.size))
        name, key = charter.witness_name(line.auditor), charter.parties[line.auditor].signing_key
        try:
            time_s = verify_witness(head, line.line, name, key)  # V3.14: of another log, or forged.
        except VerificationError as error:
            findings.append(f"{WITNESSES}: {error.reason}: {error}")
            continue
        cosigned[line.auditor] = Cosigned(line.size, time_s)
    quorum = charters[-1].charter.endorsement_quorum
    size = size_under(charters, cosigned)
    # V3.15: a fork for this reader alone.
    if not size:
        findings.append(
            f"{WITNESSES}: no entry is witnessed: cosigned by {len(cosigned)} of {quorum} needed"
        )
    return Witnessed(size, quorum, cosigned), findings
