"""Checkpoints: the log's signed heads, and their cosignatures by witnesses.

C2SP signed-note, tlog-checkpoint and tlog-cosignature v1 (c2sp.org), with Ed25519 (RFC 8032)
alone. A parser refuses every input that the printer would not give back byte for byte, so that
no two byte strings mean one note. A signature line is bytes with its newline.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fermata.crypto.signing import verify_signature
from fermata.errors import InvalidEncoding, InvalidSignature

#: Signature types of C2SP signed-note.
ED25519, COSIGNATURE = b"\x01", b"\x04"
NOTE_BYTES_MAX = 128 * 1024
#: C2SP asks for at least 16.
SIGNATURES_MAX = 32
SIZE_MAX = 2**63 - 1
TIME_S_MAX = 2**63 - 1
ROOT_BYTES = 32
KEY_ID_BYTES = 4
TIME_BYTES = 8
_DASH = "\u2014"
#: Control characters of ASCII and Latin-1, but the newline.
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")
#: What ``str.isspace`` calls a space, and the plus.
_NOT_IN_NAME = re.compile(r"[\s+]")

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head of a log: ``origin`` names the log, ``size`` counts entries, ``root`` is 32 bytes."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """A signature line: name and key id (4 bytes) together name the key that signed."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note: ``text`` ends in a newline; signatures stand in the order of their lines."""

    text: bytes
    signatures: tuple[NoteSignature, ...]


def parse_note(data: bytes) -> Note:
    """A note from its bytes. Raises InvalidEncoding NOTE, or SIZE if it is too large."""
    # L14.1: a stranger does not decide on our memory.
    if len(data) > NOTE_BYTES_MAX:
        raise InvalidEncoding("SIZE", f"note: must have at most {NOTE_BYTES_MAX} bytes")
    # L14.2: the last empty line parts the text from the signatures.
    end = data.rfind(b"\n\n")
    if end < 0:
        raise InvalidEncoding("NOTE", "note: must have an empty line between text and signatures")
    _check_characters(data)  # L14.3.
    lines = data[end + 2 :].splitlines(keepends=True)
    # L14.4: each line costs the reader a signature to check.
    if not 0 < len(lines) <= SIGNATURES_MAX:
        raise InvalidEncoding("NOTE", f"note: must have 1 to {SIGNATURES_MAX} signatures")
    note = Note(data[: end + 1], tuple(_parse_line(line) for line in lines))  # L14.5, L14.6.
    # L14.7: readers would differ in which of the two they look at.
    if len({(s.name, s.key_id) for s in note.signatures}) != len(lines):
        raise InvalidEncoding("NOTE", "note: has two signatures by one key")
    return note


def note_to_bytes(note: Note) -> bytes:
    """The bytes of a note. Raises ValueError for one that ``parse_note`` would not give."""
    data = note.text + b"\n" + b"".join(map(_print_line, note.signatures))
    try:
        same = parse_note(data) == note
    except InvalidEncoding:
        same = False
    if not same:
        raise ValueError("the note cannot be printed in a form that parse_note accepts")
    return data


def parse_checkpoint(text: bytes) -> Checkpoint:
    """A checkpoint from the text of a note: exactly three lines: origin, size and root.

    Extension lines are refused (docs/spec/log.md, L11). Raises InvalidEncoding CHECKPOINT.
    """
    try:
        # L11.1: extension lines mean nothing here, so nobody may think that they do.
        origin, size, root, rest = text.decode().split("\n")
        checkpoint = Checkpoint(origin, _decimal(size), base64.b64decode(root, validate=True))
    except ValueError:
        raise InvalidEncoding(
            "CHECKPOINT", "checkpoint: must have three lines: origin, size and root"
        ) from None
    # L11.2: one head, one text.
    if rest or not _is_checkpoint(checkpoint) or checkpoint_text(checkpoint) != text:
        raise InvalidEncoding("CHECKPOINT", "checkpoint: must be in canonical form")
    return checkpoint


def checkpoint_text(checkpoint: Checkpoint) -> bytes:
    """The text that a checkpoint's signatures cover. Raises ValueError for impossible contents."""
    if not _is_checkpoint(checkpoint):
        raise ValueError("a checkpoint must have an origin, a size and a root of 32 bytes")
    root = base64.b64encode(checkpoint.root).decode()
    return f"{checkpoint.origin}\n{checkpoint.size}\n{root}\n".encode()


def sign_checkpoint(checkpoint: Checkpoint, name: str, sign: Sign, public_key: bytes) -> bytes:
    """A whole note: the checkpoint with the log's signature (64 bytes, Ed25519).

    The same bytes each time, as Ed25519 is deterministic.
    """
    text = checkpoint_text(checkpoint)
    line = NoteSignature(name, _key_id(name, ED25519, public_key), sign(text))
    return note_to_bytes(Note(text, (line,)))


def open_checkpoint(note: bytes, origin: str, name: str, public_key: bytes) -> Checkpoint:
    """The checkpoint of a note that the log ``origin`` signed with its key (32 bytes) as ``name``.

    Lines of other keys are ignored. Raises InvalidEncoding NOTE, CHECKPOINT or SIZE, and
    InvalidSignature UNSIGNED, SIGNATURE, ORIGIN or PUBLIC_KEY.
    """
    parsed = parse_note(note)
    ours = [line for line in parsed.signatures if _is_of(line, name, public_key)]
    # L13.1: a head that the log did not promise.
    if not ours:
        raise InvalidSignature("UNSIGNED", f"checkpoint: has no signature by the key of {name}")
    # L13.2: forgery.
    verify_signature(public_key, ours[0].signature, parsed.text, f"checkpoint: signature of {name}")
    checkpoint = parse_checkpoint(parsed.text)
    # L12.1: a coordinator of two deployments signs the heads of both.
    if checkpoint.origin != origin:
        raise InvalidSignature("ORIGIN", f"checkpoint: must be of the log {origin}")
    return checkpoint


def cosign(note: bytes, name: str, sign: Sign, public_key: bytes, time_s: int) -> bytes:
    """A witness's signature line for a note's checkpoint (tlog-cosignature v1).

    ``time_s`` is in seconds since 1970, UTC. Raises InvalidEncoding, or ValueError for a time
    that has no form.
    """
    text = parse_note(note).text
    parse_checkpoint(text)
    if not 0 <= time_s <= TIME_S_MAX:
        raise ValueError("the time of a cosignature must be from 0 to 2^63 - 1")
    signature = time_s.to_bytes(TIME_BYTES, "big") + sign(_cosigned(text, time_s))
    key_id = _key_id(name, COSIGNATURE, public_key)
    line = _print_line(NoteSignature(name, key_id, signature))
    _parse_line(line)
    return line


def verify_cosignature(note: bytes, line: bytes, name: str, public_key: bytes) -> int:
    """The time (seconds since 1970) at which a witness cosigned the note's checkpoint.

    Only the note's text counts, not its lines. Raises InvalidEncoding NOTE, CHECKPOINT or SIZE,
    and InvalidSignature UNSIGNED (the line is by another key), SIGNATURE or PUBLIC_KEY.
    """
    text = parse_note(note).text
    parse_checkpoint(text)
    signature = parse_signature(line)
    # L16.1: a line of somebody else is not this auditor's word.
    if (signature.name, signature.key_id) != (name, _key_id(name, COSIGNATURE, public_key)):
        raise InvalidSignature("UNSIGNED", f"cosignature: is not by the key of {name}")
    return _verify_cosigned(text, signature, public_key)


def verify_witness(checkpoint: Checkpoint, line: bytes, name: str, public_key: bytes) -> int:
    """The time (seconds since 1970) at which a witness cosigned a head that the reader made itself.

    Raises as ``verify_cosignature`` does.
    """
    return verify_cosignature(checkpoint_text(checkpoint) + b"\n" + line, line, name, public_key)


def parse_signature(line: bytes) -> NoteSignature:
    """One signature line with its newline, not verified. Raises InvalidEncoding NOTE."""
    _check_characters(line)
    return _parse_line(line)


def witness_line(note: Note, name: str) -> bytes:
    """The one signature line under ``name``, not verified.

    Raises InvalidSignature UNSIGNED unless there is exactly one.
    """
    lines = [s for s in note.signatures if s.name == name]
    if len(lines) != 1:
        raise InvalidSignature("UNSIGNED", f"note: must have exactly one signature of {name}")
    return _print_line(lines[0])


def add_signatures(note: bytes, lines: Sequence[bytes]) -> bytes:
    """The note with these signature lines, each in place of an older one by the same key.

    The lines of the result are sorted bytewise by name, then key id, whatever order they came
    in, so that the result is the same bytes everywhere. Raises InvalidEncoding NOTE or SIZE.
    """
    parsed = parse_note(note)
    every = [*parsed.signatures, *map(parse_signature, lines)]
    newest = {(s.name.encode(), s.key_id): s for s in every}
    sorted_lines = [_print_line(newest[key]) for key in sorted(newest)]
    data = parsed.text + b"\n" + b"".join(sorted_lines)
    parse_note(data)
    return data


class SignedHeads:
    """The heads that a log hands out. The newest is made once, however many ask for it.

    All parties do, most of them only to learn that nothing is new. ``name`` is the log's origin,
    by which it signs as well.
    """

    def __init__(self, name: str, sign: Sign, public_key: bytes) -> None:
        self._name = name
        self._sign = sign
        self._public_key = public_key
        self._signed: tuple[tuple[int, bytes], bytes] | None = None
        self._cosigned: tuple[tuple[bytes, tuple[bytes, ...]], bytes] | None = None

    def signed(self, size: int, root: bytes) -> bytes:
        """The note of a head, with the log's own line alone; see ``sign_checkpoint``."""
        signed = self._signed
        if signed is None or signed[0] != (size, root):
            head = Checkpoint(self._name, size, root)
            note = sign_checkpoint(head, self._name, self._sign, self._public_key)
            self._signed = signed = (size, root), note
        return signed[1]

    def cosigned(self, size: int, root: bytes, lines: Sequence[bytes]) -> bytes:
        """The same with cosignature lines. Raises as ``add_signatures`` does."""
        parts = self.signed(size, root), tuple(lines)
        cosigned = self._cosigned
        if cosigned is None or cosigned[0] != parts:
            self._cosigned = cosigned = parts, add_signatures(*parts)
        return cosigned[1]


def check_signed_alone(note: bytes, name: str, public_key: bytes) -> None:
    """Checks that a note has no line but the log's own, which ``open_checkpoint`` verifies.

    For records that are meant to be complete. Raises InvalidEncoding NOTE or SIZE, and
    InvalidSignature FOREIGN_LINE.
    """
    # L13.3: no line that vouches for nothing.
    if any(not _is_of(line, name, public_key) for line in parse_note(note).signatures):
        raise InvalidSignature("FOREIGN_LINE", "note: has a signature by a key not known here")


def signed_alone(note: bytes, name: str, public_key: bytes) -> bytes:
    """The note with the log's own line alone.

    Raises InvalidEncoding NOTE or SIZE, and InvalidSignature UNSIGNED if there is none.
    """
    parsed = parse_note(note)
    ours = tuple(line for line in parsed.signatures if _is_of(line, name, public_key))
    if not ours:
        raise InvalidSignature("UNSIGNED", f"checkpoint: has no signature by the key of {name}")
    return note_to_bytes(Note(parsed.text, ours))


def _is_of(line: NoteSignature, name: str, public_key: bytes) -> bool:
    """Whether a line says that it is the log's; its signature is checked elsewhere."""
    return (line.name, line.key_id) == (name, _key_id(name, ED25519, public_key))


def _key_id(name: str, kind: bytes, public_key: bytes) -> bytes:
    """C2SP signed-note: SHA-256(name || LF || type || key)[0:4]."""
    return hashlib.sha256(name.encode() + b"\n" + kind + public_key).digest()[:KEY_ID_BYTES]


def _cosigned(text: bytes, time_s: int) -> bytes:
    """What a cosignature signs: its domain, its time, the checkpoint."""
    return b"cosignature/v1\ntime %d\n%b" % (time_s, text)


def _verify_cosigned(text: bytes, line: NoteSignature, public_key: bytes) -> int:
    where = f"cosignature of {line.name}"
    time_s = int.from_bytes(line.signature[:TIME_BYTES], "big")
    # L16.2: a time that C2SP has no form for.
    if time_s > TIME_S_MAX:
        raise InvalidSignature("SIGNATURE", f"{where}: its time must be at most 2^63 - 1")
    message = _cosigned(text, time_s)
    verify_signature(public_key, line.signature[TIME_BYTES:], message, where)  # L16.3.
    return time_s


def _print_line(line: NoteSignature) -> bytes:
    data = base64.b64encode(line.key_id + line.signature).decode()
    return f"{_DASH} {line.name} {data}\n".encode()


def _parse_line(line: bytes) -> NoteSignature:
    """One signature line; its characters were checked before."""
    try:
        # L14.5: otherwise readers would split the line in different ways.
        dash, name, data = line.decode().removesuffix("\n").split(" ")
        blob = base64.b64decode(data, validate=True)
    except (UnicodeDecodeError, binascii.Error, ValueError):
        raise InvalidEncoding(
            "NOTE", "note: a signature line must be a dash, a name and base64"
        ) from None
    signature = NoteSignature(name, blob[:KEY_ID_BYTES], blob[KEY_ID_BYTES:])
    if (
        # L14.6: one note, one form.
        dash != _DASH
        or not signature.signature
        or not _is_name(name)
        or _print_line(signature) != line
    ):
        raise InvalidEncoding("NOTE", "note: a signature line must be in canonical form")
    return signature


def _is_name(name: str) -> bool:
    """C2SP signed-note: not empty, no Unicode space, no plus."""
    return bool(name) and not _NOT_IN_NAME.search(name)


def _check_characters(data: bytes) -> None:
    """UTF-8 without control characters but the newline. Raises InvalidEncoding NOTE."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InvalidEncoding("NOTE", "note: must be UTF-8") from None
    # C2SP refuses those of ASCII; DEL and C1 would reach a terminal just the same.
    # L14.3: what is printed must not move a terminal's cursor.
    if _CONTROL.search(text):
        raise InvalidEncoding("NOTE", "note: must not have a control character")


def _decimal(text: str) -> int:
    """A size in decimal. Bounded before it is converted. Raises ValueError."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(SIZE_MAX)):
        raise ValueError("not a size")
    return int(text)


def _is_checkpoint(checkpoint: Checkpoint) -> bool:
    origin = checkpoint.origin
    is_line = bool(origin) and "\n" not in origin and not _CONTROL.search(origin)
    return is_line and 0 <= checkpoint.size <= SIZE_MAX and len(checkpoint.root) == ROOT_BYTES
