"""What a lab keeps of each report that it makes, to open one value of it in an audit on site.

It is as secret as the figures themselves: the node keeps it encrypted
(node/storage/report_secrets.py).
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fermata.crypto.transcript import digest_parts
from fermata.errors import ConfigError
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.strict_json import parse_json

FORMAT = "fermata-kept-report/1"
SECRETS_BYTES_MAX = 64 * 1024 * 1024
DOMAIN_EVIDENCE = "fermata/v1/evidence"
DOMAIN_COMMITMENT = "fermata/v1/evidence-commitment"
SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file that figures were read from: its name without a folder, and all of its bytes."""

    name: str
    data: bytes = field(repr=False)


def evidence_sha256(files: Iterable[EvidenceFile]) -> bytes:
    """The digest of evidence, 32 bytes; none for no file.

    Always of a list: the number of files, then the name and the SHA-256 of each, in the order of
    the names. A digest of one bare file could be that of a file that is itself such a list.
    """
    digests = sorted((file.name, sha256(file.data)) for file in files)
    if not digests:
        return b""
    listed = (part for name, digest in digests for part in (name.encode(), digest))
    return digest_parts(DOMAIN_EVIDENCE, len(digests).to_bytes(4, "big"), *listed)


def evidence_commitment(digest: bytes, salt: bytes) -> bytes:
    """The commitment to evidence in a report, 32 bytes; empty for an empty ``digest``.

    ``salt`` has SALT_BYTES and hides the digest: without it, whoever tries all contents of a file
    with a few short figures would find the right one. The commitment hides if SHA-256 is like a
    random function, and binds as long as no collision is found.
    """
    return digest_parts(DOMAIN_COMMITMENT, salt, digest) if digest else b""


@dataclass(frozen=True, slots=True)
class PanelSecrets:
    """The secrets of one panel: every value of its claims, in order, and the blinding of W."""

    panel: str
    values: tuple[int, ...] = field(repr=False)
    gamma: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReportSecrets:
    """The secrets of one report; ``sealed_sha256`` names the report, as no two share it."""

    round: int
    sealed_sha256: bytes
    panels: tuple[PanelSecrets, ...]
    evidence: tuple[EvidenceFile, ...] = ()
    evidence_salt: bytes = field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        """JSON; integers as decimal strings, bytes in base64."""
        document = {
            "format": FORMAT,
            "round": self.round,
            "sealed_sha256": self.sealed_sha256.hex(),
            "panels": [
                {"panel": p.panel, "values": [str(v) for v in p.values], "gamma": str(p.gamma)}
                for p in self.panels
            ],
            "evidence": [
                {"name": e.name, "data": base64.b64encode(e.data).decode()} for e in self.evidence
            ],
            "evidence_salt": self.evidence_salt.hex(),
        }
        return json.dumps(document).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "ReportSecrets":
        """Reads what ``to_bytes`` wrote. Raises ConfigError KEPT_REPORT for anything else."""
        try:
            return _from_document(parse_json(data, SECRETS_BYTES_MAX))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigError(
                "KEPT_REPORT",
                "report secrets: must have a form that this version knows; restore the file from a"
                " backup",
            ) from None

    def panel(self, panel_id: str) -> PanelSecrets | None:
        """The secrets of a panel; None if the report does not have it."""
        return next((p for p in self.panels if p.panel == panel_id), None)


def _from_document(document: Any) -> ReportSecrets:
    if document["format"] != FORMAT or type(document["round"]) is not int:
        raise ValueError
    return ReportSecrets(
        document["round"],
        bytes.fromhex(document["sealed_sha256"]),
        tuple(
            PanelSecrets(
                _text(p["panel"]), tuple(int(_text(v)) for v in p["values"]), int(p["gamma"])
            )
            for p in document["panels"]
        ),
        tuple(
            EvidenceFile(_text(e["name"]), base64.b64decode(e["data"], validate=True))
            for e in document["evidence"]
        ),
        bytes.fromhex(document["evidence_salt"]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
