"""Two faults at once: the reason is that of the check that log.md names first."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fermata.errors import VerificationError
from fermata.log.checkpoint import (
    NOTE_BYTES_MAX,
    SIGNATURES_MAX,
    Checkpoint,
    Note,
    NoteSignature,
    cosign,
    note_to_bytes,
    open_checkpoint,
    parse_note,
    sign_checkpoint,
    verify_cosignature,
)
from fermata.log.merkle import verify_consistency, verify_inclusion

ORIGIN, OTHER = "demo.fermata/log", "other.fermata/log"
AUDITOR = "demo.fermata/auditor/auditor-1"
ROOT = hashlib.sha256(b"root").digest()
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = PRIVATE.public_key().public_bytes_raw()
FOREIGN = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32).public_key().public_bytes_raw()


def head(origin=ORIGIN):
    return sign_checkpoint(Checkpoint(origin, 7, ROOT), ORIGIN, PRIVATE.sign, KEY)


def with_text(note, text):
    """The note with another text, under the signatures of the one before."""
    return note_to_bytes(Note(text, parse_note(note).signatures))


def signed_text(text):
    """A text of any form, rightly signed by the log's key."""
    key_id = hashlib.sha256(ORIGIN.encode() + b"\n\x01" + KEY).digest()[:4]
    return note_to_bytes(Note(text, (NoteSignature(ORIGIN, key_id, PRIVATE.sign(text)),)))


def told_of(check, *arguments):
    with pytest.raises(VerificationError) as caught:
        check(*arguments)
    return caught.value.reason, str(caught.value)


def reason_of(note, key=KEY):
    return told_of(open_checkpoint, note, ORIGIN, ORIGIN, key)[0]


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (b"x" * (NOTE_BYTES_MAX + 1), "must have at most"),
        (b"\x00", "must have an empty line"),
        (b"text\x00\n\n", "control character"),
        (b"text\n\n" + b"x\n" * (SIGNATURES_MAX + 1), "signatures"),
        (b"text\n\n" + b"x\n" * 2, "a dash, a name and base64"),
    ],
    ids=["L14.1 L14.2", "L14.2 L14.3", "L14.3 L14.4", "L14.4 L14.5", "L14.5 L14.7"],
)
def test_the_first_fault_of_a_note_is_told(note, words) -> None:
    assert words in told_of(parse_note, note)[1]


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        (with_text(head(), b"no head\n"), "SIGNATURE"),
        (signed_text(b"no head\n"), "CHECKPOINT"),
        (signed_text(b"other.fermata/log\n07\nAAAA\n"), "CHECKPOINT"),
        (head(OTHER), "ORIGIN"),
    ],
    ids=["L13.2 L11.1", "L11.1", "L11.2 L12.1", "L12.1"],
)
def test_the_first_fault_of_a_head_is_told(note, reason) -> None:
    assert reason_of(note) == reason


def test_a_head_of_another_log_that_nobody_known_signed_is_unsigned() -> None:
    assert reason_of(head(OTHER), FOREIGN) == "UNSIGNED"


def test_the_first_fault_of_a_cosignature_is_told() -> None:
    line = cosign(head(), AUDITOR, PRIVATE.sign, KEY, 1)
    forged = with_text(head(), b"demo.fermata/log\n8\n" + head().split(b"\n")[2] + b"\n")
    told = told_of(verify_cosignature, signed_text(b"no head\n"), line, AUDITOR, FOREIGN)
    assert told[0] == "CHECKPOINT"
    assert told_of(verify_cosignature, forged, line, AUDITOR, FOREIGN)[0] == "UNSIGNED"
    assert told_of(verify_cosignature, forged, line, AUDITOR, KEY)[0] == "SIGNATURE"


LEAF, SHORT = bytes(32), bytes(31)


@pytest.mark.parametrize(
    ("index", "size", "proof", "words"),
    [
        (4, 4, [SHORT], "32 bytes"),
        (4, 4, [LEAF] * 9, "must be below the size"),
        (0, 2, [LEAF] * 2, "too many"),
        (0, 4, [LEAF], "too few"),
        (0, 2, [LEAF], "root"),
    ],
    ids=["L10.1 L10.2", "L10.2 L10.3", "L10.3 L10.5", "L10.4 L10.5", "L10.5"],
)
def test_the_first_fault_of_an_inclusion_proof_is_told(index, size, proof, words) -> None:
    assert words in told_of(verify_inclusion, LEAF, index, size, proof, ROOT)[1]


@pytest.mark.parametrize(
    ("old", "new", "proof", "words"),
    [
        (0, 0, [SHORT], "the old size must be at least 1"),
        (2, 2, [SHORT], "one size"),
        (2, 3, [SHORT], "32 bytes"),
        (3, 5, [], "is empty"),
        (2, 4, [LEAF] * 2, "too many"),
        (1, 4, [LEAF], "too few"),
        (1, 2, [LEAF], "both roots"),
    ],
    ids=["L10.6", "L10.7 L10.8", "L10.8", "L10.9 L10.11", "L10.10", "L10.11 L10.12", "L10.12"],
)
def test_the_first_fault_of_a_consistency_proof_is_told(old, new, proof, words) -> None:
    assert words in told_of(verify_consistency, old, LEAF, new, ROOT, proof)[1]
