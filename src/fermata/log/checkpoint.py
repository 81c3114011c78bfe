"""Signed notes, checkpoints and cosignatures (C2SP signed-note, tlog-checkpoint, tlog-cosignature).

What this module would not print it does not parse, so every accepted note has one spelling.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature as _BadSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fermata.errors import InvalidEncoding, InvalidSignature

Sign = Callable[[bytes], bytes]

#: Signature types of C2SP signed-note: plain Ed25519, and timestamped cosignature.
ED25519, COSIGNATURE = 0x01, 0x04
NOTE_BYTES_MAX = 64 * 1024
SIGNATURES_MAX = 64
_DASH = "\u2014 "
_NAME = re.compile(r"[!-*,-~]{1,200}\Z")
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,18})\Z")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: its origin line, its size, and the RFC 6962 root of 32 bytes."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the key's name, its 4-byte id, and the rest of the signature."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note: ``text`` ends in a newline; at least one signature, none twice."""

    text: bytes
    signatures: tuple[NoteSignature, ...]


def _refuse(what: str) -> InvalidEncoding:
    return InvalidEncoding("NOTE", f"signed note: {what}")


def _unbase64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise _refuse("base64 that does not decode") from error
    if base64.b64encode(data).decode() != text:
        raise _refuse("base64 that is not canonical")
    return data


def parse_note(data: bytes) -> Note:
    """Parses a signed note; verifies nothing. Raises InvalidEncoding NOTE."""
    if len(data) > NOTE_BYTES_MAX:
        raise _refuse(f"more than {NOTE_BYTES_MAX} bytes")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refuse("is not UTF-8") from error
    if any(c != "\n" and (ord(c) < 0x20 or ord(c) == 0x7F) for c in whole):
        raise _refuse("has control characters")
    text, gap, rest = whole.rpartition("\n\n")
    if not gap or not text or not rest.endswith("\n"):
        raise _refuse("lacks the empty line before its signatures, or the last newline")
    signatures = tuple(_signature(line) for line in rest[:-1].split("\n"))
    keys = [(s.name, s.key_id) for s in signatures]
    if len(set(keys)) != len(keys) or len(keys) > SIGNATURES_MAX:
        raise _refuse("is signed twice by one key, or too often")
    return Note((text + "\n").encode(), signatures)


def _signature(line: str) -> NoteSignature:
    if not line.startswith(_DASH):
        raise _refuse("a signature line does not begin with a dash")
    name, gap, encoded = line[len(_DASH) :].partition(" ")
    if not gap or not _NAME.match(name):
        raise _refuse("a signature line has no key name")
    data = _unbase64(encoded)
    if len(data) < 5:
        raise _refuse("a signature is too short")
    return NoteSignature(name, data[:4], data[4:])


def signature_line(signature: NoteSignature) -> bytes:
    """One signature line with its newline."""
    encoded = base64.b64encode(signature.key_id + signature.signature).decode()
    return f"{_DASH}{signature.name} {encoded}\n".encode()


def note_to_bytes(note: Note) -> bytes:
    """Prints a note: text, an empty line, the signature lines."""
    return note.text + b"\n" + b"".join(signature_line(s) for s in note.signatures)


def checkpoint_text(checkpoint: Checkpoint) -> bytes:
    """The three lines that are signed. ValueError for what could not be parsed back."""
    root = base64.b64encode(checkpoint.root).decode()
    text = f"{checkpoint.origin}\n{checkpoint.size}\n{root}\n".encode()
    if parse_checkpoint(text) != checkpoint:
        raise ValueError("not a checkpoint that can be printed")
    return text


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Parses a note's text as a checkpoint. Raises InvalidEncoding CHECKPOINT or NOTE."""
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InvalidEncoding("CHECKPOINT", "checkpoint: is not UTF-8") from error
    if len(lines) != 4 or lines[3] or not _NAME.match(lines[0]) or not _DECIMAL.match(lines[1]):
        raise InvalidEncoding("CHECKPOINT", "checkpoint: is not origin, size and root, a line each")
    root = _unbase64(lines[2])
    if len(root) != 32:
        raise InvalidEncoding("CHECKPOINT", "checkpoint: its root has not 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root)


def key_id(name: str, public_key: bytes, kind: int = ED25519) -> bytes:
    """C2SP key id: SHA-256(name || 0x0A || type || key)[:4]."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:4]


def vkey(name: str, public_key: bytes, kind: int = ED25519) -> str:
    """The verifier key as text: name+id+base64(type || key)."""
    encoded = base64.b64encode(bytes([kind]) + public_key).decode()
    return f"{name}+{key_id(name, public_key, kind).hex()}+{encoded}"


def sign_checkpoint(checkpoint: Checkpoint, name: str, sign: Sign, public_key: bytes) -> bytes:
    """The whole note with the log's own signature; the same bytes each time."""
    text = checkpoint_text(checkpoint)
    signature = NoteSignature(name, key_id(name, public_key), sign(text))
    return note_to_bytes(Note(text, (signature,)))


def _verify(public_key: bytes, signature: bytes, message: bytes, name: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (_BadSignature, ValueError) as error:
        raise InvalidSignature(
            "NOTE_SIGNATURE", f"signed note: the signature of {name} does not verify"
        ) from error


def _find(note: Note, name: str, wanted: bytes) -> NoteSignature:
    for signature in note.signatures:
        if signature.name == name and signature.key_id == wanted:
            return signature
    raise InvalidSignature("NOTE_UNSIGNED", f"signed note: is not signed by {name}")


def open_checkpoint(data: bytes, origin: str, name: str, public_key: bytes) -> Checkpoint:
    """The checkpoint of a note with this origin, signed by the log.

    Other signatures are not looked at. Raises InvalidEncoding or InvalidSignature.
    """
    note = parse_note(data)
    found = _find(note, name, key_id(name, public_key))
    _verify(public_key, found.signature, note.text, name)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != origin:
        raise InvalidSignature("ORIGIN", "checkpoint: of another log than the one asked for")
    return checkpoint


def _cosignature_message(text: bytes, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n".encode() + text


def cosign(note: bytes, name: str, sign: Sign, public_key: bytes, time_s: int) -> bytes:
    """A cosignature line of a note's checkpoint at a time (seconds since the epoch)."""
    text = parse_note(note).text
    parse_checkpoint(text)
    signature = time_s.to_bytes(8, "big") + sign(_cosignature_message(text, time_s))
    return signature_line(NoteSignature(name, key_id(name, public_key, COSIGNATURE), signature))


def verify_cosignature(note: bytes, line: bytes, name: str, public_key: bytes) -> int:
    """Checks a cosignature line of a note; returns its time in seconds.

    Raises InvalidEncoding or InvalidSignature.
    """
    text = parse_note(note).text
    return _check_cosignature(text, _parse_line(line), name, public_key)


def _parse_line(line: bytes) -> NoteSignature:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refuse("a signature line is not UTF-8") from error
    if not text.endswith("\n") or text.count("\n") != 1:
        raise _refuse("a signature line is not one line")
    return _signature(text[:-1])


def _check_cosignature(text: bytes, found: NoteSignature, name: str, public_key: bytes) -> int:
    if found.name != name or found.key_id != key_id(name, public_key, COSIGNATURE):
        raise InvalidSignature("NOTE_UNSIGNED", f"signed note: is not cosigned by {name}")
    if len(found.signature) != 72:
        raise _refuse("a cosignature has not 8 + 64 bytes")
    time_s = int.from_bytes(found.signature[:8], "big")
    _verify(public_key, found.signature[8:], _cosignature_message(text, time_s), name)
    return time_s


def witness_line(note: Note, name: str) -> bytes:
    """The one signature line of a note by this name. Raises InvalidSignature NOTE_UNSIGNED."""
    found = [s for s in note.signatures if s.name == name]
    if len(found) != 1:
        raise InvalidSignature("NOTE_UNSIGNED", f"signed note: is not cosigned by {name}")
    return signature_line(found[0])


def add_signatures(note: bytes, lines: Sequence[bytes]) -> bytes:
    """The note with more signature lines, in the order given. Raises InvalidEncoding."""
    parsed = parse_note(note)
    return note_to_bytes(
        parse_note(note_to_bytes(Note(parsed.text, parsed.signatures)) + b"".join(lines))
    )


def verify_cosigners(
    data: bytes, name: str, public_key: bytes, cosigners: Mapping[str, bytes]
) -> dict[str, int]:
    """Checks every signature of a note; returns the cosigners' times in seconds, by name.

    ``cosigners`` maps key names to Ed25519 keys. A signature by an unknown key, or one that does
    not verify, spoils the note: raises InvalidSignature.
    """
    note = parse_note(data)
    times: dict[str, int] = {}
    is_signed = False
    for found in note.signatures:
        if found.name == name and found.key_id == key_id(name, public_key):
            _verify(public_key, found.signature, note.text, name)
            is_signed = True
        elif found.name in cosigners:
            times[found.name] = _check_cosignature(
                note.text, found, found.name, cosigners[found.name]
            )
        else:
            raise InvalidSignature("NOTE_UNKNOWN", "signed note: is signed by an unknown key")
    if not is_signed:
        raise InvalidSignature("NOTE_UNSIGNED", f"signed note: is not signed by {name}")
    return times
