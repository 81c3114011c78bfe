"""The charter's roster: the coordinator, auditors, labs and members, with their keys.

Normative text: docs/spec/charter.md, C2.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from fermata.crypto.signing import check_public_key
from fermata.errors import InvalidSignature
from fermata.protocol.charter.committee import MemberText, check_spelling
from fermata.protocol.charter.metrics import check_id, check_text
from fermata.protocol.charter.toml_source import Strict, TomlSource
from fermata.types import Role


class PartyText(Strict, frozen=True):
    """One party as the file writes it; ``signing_key`` is an Ed25519 key in base64."""

    id: str
    organisation: str
    signing_key: str


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
    coordinator: PartyText,
    auditors: Sequence[PartyText],
    labs: Sequence[LabText],
    members: Sequence[MemberText],
) -> dict[str, Party]:
    """All parties by id, in the file's order. Raises ConfigError with the line (C2.3 to C2.9)."""
    listed: list[tuple[str, Role, PartyText | MemberText]] = [
        ("coordinator", Role.COORDINATOR, coordinator)
    ]
    listed += [(f"auditor[{i}]", Role.AUDITOR, p) for i, p in enumerate(auditors)]
    listed += [(f"lab[{i}]", Role.LAB, p) for i, p in enumerate(labs)]
    listed += [(f"member[{i}]", Role.MEMBER, p) for i, p in enumerate(members)]
    parties: dict[str, Party] = {}
    for path, role, party_text in listed:
        with source.part():
            party = _party(source, path, role, party_text)
            if party.id in parties:  # C2.6: two could not be told apart.
                source.fail_repeated(f"{path}.id", party.id)
            if any(p.signing_key == party.signing_key for p in parties.values()):  # C2.7.
                source.fail(f"{path}.signing_key", "must differ from every other party's key")
            parties[party.id] = party
    check_spelling(source, [lab.organisation for lab in labs])
    return parties
