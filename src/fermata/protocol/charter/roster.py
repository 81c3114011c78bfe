"""The charter's roster: coordinators, auditors, labs and members, with their keys; and when another
coordinator takes over, and where each of them is.

Normative text: docs/spec/charter.md, C2, and docs/spec/succession.md, SU1 and SU12.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fermata.crypto.signing import check_public_key
from fermata.errors import InvalidSignature
from fermata.protocol.charter.committee import MemberText, check_spelling
from fermata.protocol.charter.metrics import check_id, check_text
from fermata.protocol.charter.toml_source import Seconds, Strict, TomlSource
from fermata.protocol.reprs import short_repr
from fermata.types import Role

SUCCESSORS_MAX, ADDRESSES_MAX = 7, 4
#: A quarter of the longest wait for a Handover (SU3), in units of ``succession_s``.
CONFLICT_MAX = 256
AUTHORITY_BYTES_MAX = 4096
#: A log that takes a heartbeat late, or two, is not silent.
HEARTBEATS_MIN = 2
_ADDRESS = re.compile(r"([a-zA-Z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]):([1-9][0-9]{0,4})")
_PORT_MAX = 65535


class PartyText(Strict, frozen=True):
    """One party as the file writes it; ``signing_key`` is an Ed25519 key in base64."""

    id: str
    organisation: str
    signing_key: str


class CoordinatorText(PartyText, frozen=True):
    """A coordinator as the file writes it; where it is, in a charter with successors alone.

    ``authority``: the certificate (DER, in base64) of the authority of its server's certificate.
    """

    addresses: tuple[str, ...] = ()
    authority: str = ""


class LabText(PartyText, frozen=True):
    """A lab as the file writes it; ``tier`` is empty in a charter without tiers."""

    tier: str = ""


@dataclass(frozen=True, slots=True)
class Party:
    """One party of the roster; ``signing_key`` is an Ed25519 public key of 32 bytes."""

    id: str
    role: Role
    organisation: str
    signing_key: bytes


class SigningKeys(Mapping[str, bytes]):
    """Each party's Ed25519 public key (32 bytes), by id: a view of a roster, and no copy of it,
    since one key is looked up at every entry of a log."""

    __slots__ = ("_parties",)

    def __init__(self, parties: Mapping[str, Party]) -> None:
        self._parties = parties

    def __getitem__(self, party: str) -> bytes:
        return self._parties[party].signing_key

    def __iter__(self) -> Iterator[str]:
        return iter(self._parties)

    def __len__(self) -> int:
        return len(self._parties)


def _party(source: TomlSource, path: str, role: Role, text: PartyText | MemberText) -> Party:
    check_id(source, f"{path}.id", text.id)  # C2.3: no path, no line of a note.
    if not text.organisation:  # C2.4: a cohort counts organisations.
        source.fail(f"{path}.organisation", "must not be empty")
    check_text(source, f"{path}.organisation", text.organisation)
    try:
        public_key = base64.b64decode(text.signing_key, validate=True)
    except ValueError:
        public_key = b""
    if len(public_key) != 32 or base64.b64encode(public_key).decode() != text.signing_key:
        source.fail(f"{path}.signing_key", "must be 32 bytes in standard base64")  # C2.5.
    try:
        check_public_key(public_key)  # C2.9: with another key, verifiers differ (L29).
    except InvalidSignature:
        source.fail(
            f"{path}.signing_key",
            "must be an Ed25519 key: the one encoding of a point of prime order",
        )
    return Party(text.id, role, text.organisation, public_key)


def read_roster(
    source: TomlSource,
    coordinators: Sequence[PartyText],
    auditors: Sequence[PartyText],
    labs: Sequence[LabText],
    members: Sequence[MemberText],
) -> dict[str, Party]:
    """All parties by id, in the file's order; of the coordinators, successors come after the first.

    Raises ConfigError with the line (C2.3 to C2.9).
    """
    listed: list[tuple[str, Role, PartyText | MemberText]] = [
        (f"successor[{i - 1}]" if i else "coordinator", Role.COORDINATOR, p)
        for i, p in enumerate(coordinators)
    ]
    listed += [(f"auditor[{i}]", Role.AUDITOR, p) for i, p in enumerate(auditors)]
    listed += [(f"lab[{i}]", Role.LAB, p) for i, p in enumerate(labs)]
    listed += [(f"member[{i}]", Role.MEMBER, p) for i, p in enumerate(members)]
    parties: dict[str, Party] = {}
    keys = set[bytes]()
    for path, role, party_text in listed:
        with source.part():
            party = _party(source, path, role, party_text)
            if party.id in parties:  # C2.6: two could not be told apart.
                source.fail_repeated(f"{path}.id", party.id)
            if party.signing_key in keys:  # C2.7.
                source.fail(f"{path}.signing_key", "must differ from every other party's key")
            parties[party.id] = party
            keys.add(party.signing_key)
    check_spelling(source, [lab.organisation for lab in labs])
    return parties


class SuccessionText(Strict, frozen=True):
    """The table as the file writes it. Numbers are in seconds."""

    succession_s: Seconds
    conflict_s: Seconds = 7 * 86400


@short_repr()
@dataclass(frozen=True, slots=True)
class CoordinatorNode:
    """Where a coordinator's node is. ``addresses``: host:port, in the order in which to try them;
    ``authority``: the certificate (DER) of the authority that its server's certificate is from."""

    coordinator: str
    addresses: tuple[str, ...]
    authority: bytes


@short_repr()
@dataclass(frozen=True, slots=True)
class SuccessionTerms:
    """Who leads which view, and how long auditors wait, in milliseconds.

    ``nodes``: of coordinators 0 to k-1; view v is led by number v mod k. ``succession_ms``: how
    long a log is silent before auditors leave it. ``conflict_ms``: how long they wait for what a
    Handover leaves out.
    """

    nodes: tuple[CoordinatorNode, ...]
    succession_ms: int
    conflict_ms: int

    def leader(self, view: int) -> str:
        """The coordinator of a view, by its id."""
        return self.nodes[view % len(self.nodes)].coordinator


def read_succession(
    source: TomlSource,
    text: SuccessionText | None,
    coordinators: Sequence[CoordinatorText],
    succession_min_s: int,
) -> SuccessionTerms | None:
    """The terms of succession; None for a charter without them. Raises ConfigError with the line.

    ``coordinators``: the first, and then its successors. ``succession_min_s``: the least
    ``succession_s`` of this charter.
    """
    successors = len(coordinators) - 1
    # SU12.1: auditors who may leave, and have nobody to go to; or the reverse.
    if (text is not None) != bool(successors):
        table = "successor" if text is None else "succession"
        source.fail(table, "must have a [succession] table exactly if it has a [[successor]]")
    if successors > SUCCESSORS_MAX:  # SU12.2: more parties than anyone waits for in turn.
        what = f"must have at most {SUCCESSORS_MAX} [[successor]]s, got {successors}"
        source.fail(f"successor[{SUCCESSORS_MAX}]", what)
    # SU12.3: a coordinator that logs every heartbeat must not count as silent.
    if text is not None and text.succession_s < succession_min_s:
        what = f"must be {succession_min_s} or more, got {text.succession_s}"
        source.fail("succession.succession_s", what)
    # SU12.7: a Handover that leaves heads out must be waited for until auditors may take it.
    if text is not None and text.conflict_s > CONFLICT_MAX * text.succession_s:
        what = (
            f"must be {CONFLICT_MAX} times succession_s or less, which is"
            f" {CONFLICT_MAX * text.succession_s}, got {text.conflict_s}"
        )
        source.fail("succession.conflict_s", what)
    nodes = []
    for number, coordinator in enumerate(coordinators):
        path = f"successor[{number - 1}]" if number else "coordinator"
        with source.part():
            nodes.append(_node(source, path, coordinator, is_wanted=text is not None))
    if text is None:
        return None
    return SuccessionTerms(tuple(nodes), text.succession_s * 1000, text.conflict_s * 1000)


def _node(source: TomlSource, path: str, text: CoordinatorText, is_wanted: bool) -> CoordinatorNode:
    # SU12.4: a coordinator that nobody could reach after the one before it is gone.
    if is_wanted != bool(text.addresses) or is_wanted != bool(text.authority):
        what = "must have addresses and authority exactly if the charter has a [succession] table"
        source.fail(path, what)
    for address in text.addresses:
        match = _ADDRESS.fullmatch(address)
        if match is None or int(match[2]) > _PORT_MAX:  # SU12.5: a place that no node can call.
            source.fail(f"{path}.addresses", f"must be of the form host:port, got {address}")
    if len(text.addresses) > ADDRESSES_MAX or len(set(text.addresses)) != len(text.addresses):
        source.fail(
            f"{path}.addresses", f"must be at most {ADDRESSES_MAX} addresses, each of them once"
        )
    return CoordinatorNode(text.id, text.addresses, _authority(source, path, text.authority))


def _authority(source: TomlSource, path: str, text: str) -> bytes:
    """SU12.6: the bytes of a certificate; whether it is an authority's is checked where it is used.

    Raises ConfigError.
    """
    try:
        der = base64.b64decode(text, validate=True)
    except ValueError:
        der = b""
    is_plain = base64.b64encode(der).decode() == text and len(der) <= AUTHORITY_BYTES_MAX
    if not is_plain or (text and not _is_sequence(der)):
        source.fail(
            f"{path}.authority",
            "must be one X.509 certificate: its DER form in standard base64, of at most"
            f" {AUTHORITY_BYTES_MAX} bytes",
        )
    return der


def _is_sequence(der: bytes) -> bool:
    """Whether bytes are one DER sequence of 128 to 65,535 bytes, as every certificate is."""
    if der[:2] == b"\x30\x81" and len(der) > 2:
        return der[2] >= 0x80 and len(der) == 3 + der[2]
    size = int.from_bytes(der[2:4])
    return der[:2] == b"\x30\x82" and size >= 0x100 and len(der) == 4 + size
