"""Evidence that a coordinator showed two logs, for whoever was not there (log.md, 7b).

A *view* says what one party was shown at an index: the entry's leaf hash, proven under a head that
the coordinator signed. Two views of one index with two leaf hashes are of no one log (L2a), and so
convict the coordinator. A signed refusal names the last entry of the log that refused, and counts
as a view. Nothing here needs a log or a network.
"""

import base64
import binascii
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from fermata.errors import ConfigError, VerificationError
from fermata.log.checkpoint import open_checkpoint, parse_checkpoint, parse_note
from fermata.log.merkle import Tree, verify_inclusion
from fermata.protocol.charter.parse import Charter
from fermata.protocol.succession.views import leader, view_of_origin
from fermata.protocol.wire.refusals import open_refusal
from fermata.protocol.wire.strict_json import NotJson, parse_json

FORMAT = "fermata-evidence/1"
EVIDENCE_BYTES_MAX = 16 * 1024 * 1024


class View(msgspec.Struct, frozen=True):
    """What a party was shown at an index. ``note``: the signed head, as text; ``leaf_hash`` and
    ``path`` (RFC 6962 inclusion proof in the head's tree) in hex."""

    note: str
    index: int
    leaf_hash: str
    path: tuple[str, ...]


class KeptRefusal(msgspec.Struct, frozen=True):
    """A refusal that the coordinator signed. ``envelope``: what was refused; ``signed``: the
    refusal's own envelope; both in base64."""

    reason: str
    envelope: str
    signed: str


class Evidence(msgspec.Struct, frozen=True):
    """A file of evidence. ``charter_sha256``: the charter of entry 0, in hex."""

    format: str
    charter_sha256: str
    views: tuple[View, ...] = ()
    refusals: tuple[KeptRefusal, ...] = ()

    def to_bytes(self) -> bytes:
        """The file: JSON with two spaces of indentation."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


@dataclass(frozen=True, slots=True)
class Conviction:
    """Two files that no one log gives. ``index``: the entry at which they differ.

    ``coordinator``: who signed both, as the leader of one view.
    """

    index: int
    files: tuple[str, str]
    coordinator: str


def view_of(tree: Tree, note: bytes, index: int) -> View:
    """What the owner of a log was shown at an index, under the newest head that it holds.

    ``tree`` is the log's of the head's size. Raises ValueError for an index beyond it.
    """
    path = tree.inclusion_proof(index, tree.size)
    return View(note.decode(), index, tree.leaf(index).hex(), tuple(h.hex() for h in path))


def kept_refusal(reason: str, envelope: bytes, signed: bytes) -> KeptRefusal:
    """A refusal as a file holds it."""
    return KeptRefusal(
        reason, base64.b64encode(envelope).decode(), base64.b64encode(signed).decode()
    )


def parse_evidence(data: bytes, where: str) -> Evidence:
    """Reads a file of evidence, and checks its form alone. Raises ConfigError EVIDENCE."""
    try:
        document: Any = parse_json(data, EVIDENCE_BYTES_MAX)
        evidence = msgspec.convert(document, Evidence)
    except (NotJson, msgspec.ValidationError) as error:
        raise ConfigError("EVIDENCE", f"{where}: must be a file of evidence: {error}") from None
    if evidence.format != FORMAT:
        raise ConfigError("EVIDENCE", f"{where}: must have the format {FORMAT}")
    return evidence


def convictions(charter: Charter, files: Mapping[str, Evidence]) -> list[Conviction]:
    """What convicts the charter's coordinator of two logs, by index; one conviction an index.

    ``files``: evidence by name. Raises ConfigError EVIDENCE for evidence of another deployment,
    VerificationError for evidence that does not hold (a head that the coordinator did not sign, a
    false proof): whoever made the file has no such view.
    """
    leaves_at: dict[tuple[int, int], dict[bytes, str]] = {}
    for name, evidence in files.items():
        if evidence.charter_sha256 != charter.sha256.hex():
            raise ConfigError("EVIDENCE", f"{name}: is of a deployment with another charter")
        for view, index, leaf in _positions(charter, name, evidence):
            leaves_at.setdefault((view, index), {}).setdefault(leaf, name)
    return [
        Conviction(index, (first, second), leader(charter, view))
        for (view, index), leaves in sorted(leaves_at.items())
        for first, second in itertools.islice(itertools.combinations(leaves.values(), 2), 1)
    ]


def _positions(charter: Charter, name: str, evidence: Evidence) -> Iterator[tuple[int, int, bytes]]:
    """Each view and index with the leaf hash that its coordinator's signature says is there.

    A refusal names no view, so that only those of view 0's coordinator count, for that view.
    """
    key = charter.parties[charter.coordinator].signing_key
    try:
        yield from _of_views(charter, evidence.views)
        for kept in evidence.refusals:
            envelope = base64.b64decode(kept.envelope, validate=True)
            signed = base64.b64decode(kept.signed, validate=True)
            refusal = open_refusal(
                charter.coordinator, key, charter.sha256, signed, envelope, kept.reason
            )
            if refusal.HasField("head"):
                yield 0, refusal.head.index, refusal.head.leaf_hash
    except (binascii.Error, ValueError) as error:
        raise ConfigError("EVIDENCE", f"{name}: must have hex and base64 where due") from error
    except VerificationError as error:
        raise type(error)(error.reason, f"{name}: {error}") from None


def _of_views(charter: Charter, views: Iterable[View]) -> Iterator[tuple[int, int, bytes]]:
    for view in views:
        note = view.note.encode()
        number = view_of_origin(charter, parse_checkpoint(parse_note(note).text).origin) or 0
        origin, key = charter.origin_of(number), charter.signing_keys[leader(charter, number)]
        # L34.1: the coordinator promised this head.
        head = open_checkpoint(note, origin, origin, key)
        path = [bytes.fromhex(h) for h in view.path]
        # Bytes are compared, as one hash has many spellings.
        leaf = bytes.fromhex(view.leaf_hash)
        # L34.2: the entry is in it.
        verify_inclusion(leaf, view.index, head.size, path, head.root)
        yield number, view.index, leaf
