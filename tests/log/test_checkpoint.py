import base64
import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import FermataError, InvalidEncoding, InvalidSignature
from fermata.log.checkpoint import (
    NOTE_BYTES_MAX,
    SIGNATURES_MAX,
    Checkpoint,
    Note,
    NoteSignature,
    SignedHeads,
    add_signatures,
    check_signed_alone,
    checkpoint_text,
    cosign,
    note_to_bytes,
    open_checkpoint,
    parse_checkpoint,
    parse_note,
    sign_checkpoint,
    signed_alone,
    verify_cosignature,
    witness_line,
)

ORIGIN = "demo.fermata/log"
ROOT = hashlib.sha256(b"root").digest()
HEAD = Checkpoint(ORIGIN, 7, ROOT)
TIME_S = 1_700_000_000

#: A head of Go's checksum database and its key, as published: made by other software.
GO_NAME = "sum.golang.org"
GO_NOTE = (
    "go.sum database tree\n65209736\n5+uGFjx6xBZG8ip1+wi77v+grwbhhukIrxEUS8PXvRo=\n\n"
    "\u2014 sum.golang.org Az3grnbssgK7ubgFX36gVETtNv0U23qxyAhAMai2QUfeGa3nB/akvkMdlUErfcZz7l/R3cVt"
    "Yspg3dxXABkGZZKdsQ8=\n"
).encode()


class Key:
    """A key pair under a name."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public = self._private.public_key().public_bytes_raw()
        self.sign = self._private.sign


LOG = Key(ORIGIN, 1)
WITNESS = Key("demo.fermata/auditor-1", 2)
SECOND = Key("demo.fermata/auditor-2", 3)


def signed(head: Checkpoint = HEAD) -> bytes:
    return sign_checkpoint(head, LOG.name, LOG.sign, LOG.public)


def line_of(key: Key, note: bytes | None = None, time_s: int = TIME_S) -> bytes:
    return cosign(note or signed(), key.name, key.sign, key.public, time_s)


def cosigned() -> bytes:
    return add_signatures(signed(), [line_of(SECOND), line_of(WITNESS)])


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) >= 1
    return data.replace(old, new, 1)


# What the format is.


def test_a_signed_checkpoint_is_these_bytes() -> None:
    text = f"{ORIGIN}\n7\n{base64.b64encode(ROOT).decode()}\n".encode()
    key_id = hashlib.sha256(ORIGIN.encode() + b"\n\x01" + LOG.public).digest()[:4]
    line = base64.b64encode(key_id + LOG.sign(text)).decode()
    assert signed() == text + f"\n\u2014 {ORIGIN} {line}\n".encode()
    assert signed() == signed()


def test_a_cosignature_is_these_bytes() -> None:
    text = checkpoint_text(HEAD)
    key_id = hashlib.sha256(WITNESS.name.encode() + b"\n\x04" + WITNESS.public).digest()[:4]
    message = b"cosignature/v1\ntime 1700000000\n" + text
    blob = key_id + TIME_S.to_bytes(8, "big") + WITNESS.sign(message)
    assert line_of(WITNESS) == f"\u2014 {WITNESS.name} {base64.b64encode(blob).decode()}\n".encode()


def test_a_note_of_other_software_opens_and_prints_the_same() -> None:
    key = base64.b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")[1:]
    head = open_checkpoint(GO_NOTE, "go.sum database tree", GO_NAME, key)
    assert head.size == 65209736
    assert note_to_bytes(parse_note(GO_NOTE)) == GO_NOTE
    with pytest.raises(InvalidSignature) as caught:
        forged = replaced(GO_NOTE, b"65209736", b"65209737")
        open_checkpoint(forged, "go.sum database tree", GO_NAME, key)
    assert caught.value.reason == "SIGNATURE"


ORIGINS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
CHECKPOINTS = st.builds(
    Checkpoint, ORIGINS, st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32)
)
NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"], exclude_characters="+"),
    min_size=1,
    max_size=12,
)
SIGNATURES = st.builds(
    NoteSignature, NAMES, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80)
)


@given(CHECKPOINTS)
@settings(max_examples=50, deadline=None)
def test_checkpoints_come_back_from_their_text(head: Checkpoint) -> None:
    assert parse_checkpoint(checkpoint_text(head)) == head


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\n"), max_size=30),
    st.lists(SIGNATURES, min_size=1, max_size=4, unique_by=lambda s: (s.name, s.key_id)),
)
@settings(max_examples=50, deadline=None)
def test_notes_come_back_from_their_bytes(text: str, signatures: list[NoteSignature]) -> None:
    note = Note((text + "\n").encode(), tuple(signatures))
    assert parse_note(note_to_bytes(note)) == note


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_changed_byte_makes_other_bytes_of_another_note_or_none(data: st.DataObject) -> None:
    whole = cosigned()
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != whole[place]))
    changed = whole[:place] + bytes([byte]) + whole[place + 1 :]
    try:
        note = parse_note(changed)
    except InvalidEncoding:
        return
    assert note != parse_note(whole)
    assert note_to_bytes(note) == changed


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_any_bytes_are_a_note_that_prints_the_same_or_are_refused(data: bytes) -> None:
    for candidate in (data, b"x\n\n\xe2\x80\x94 n " + base64.b64encode(data) + b"\n"):
        try:
            note = parse_note(candidate)
        except InvalidEncoding:
            continue
        assert note_to_bytes(note) == candidate


# What is refused as a note.

DASH = "\u2014 ".encode()
LINE = DASH + b"name AAAAAAE=\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"\n" + LINE,
        b"text\n" + LINE,
        b"text" + LINE,
        b"text\n\n" + LINE[:-1],
        b"text\n\n" + LINE + b"\n",
        b"text\n\n" + LINE + b"trailing",
        b"text\n\n" + LINE + b" \n",
        b"text\n\n" + LINE.replace(b"\n", b"\r\n"),
        b"text\r\n\n" + LINE,
        b"text\0\n\n" + LINE,
        b"text\t\n\n" + LINE,
        b"te\x1b[2Jxt\n\n" + LINE,
        b"text\x7f\n\n" + LINE,
        "text\u009b\n\n".encode() + LINE,
        b"text\xff\n\n" + LINE,
        b"text\n\n" + LINE.replace(DASH, b"- "),
        b"text\n\n" + LINE.replace(DASH, DASH[:-1]),
        b"text\n\n" + LINE.replace(b"name ", b"name  "),
        b"text\n\n" + LINE.replace(b"name", b""),
        b"text\n\n" + LINE.replace(b"name", b"na+me"),
        b"text\n\n" + LINE.replace(b"name", "na\u00a0me".encode()),
        b"text\n\n" + LINE.replace(b"name", "na\u2028me".encode()),
        b"text\n\n" + LINE.replace(b"AAAAAAE=", b""),
        b"text\n\n" + LINE.replace(b"AAAAAAE=", b"AAAAAA=="),
        b"text\n\n" + LINE.replace(b"AAAAAAE=", b"AAAAAAF="),
        b"text\n\n" + LINE.replace(b"AAAAAAE=", b"AAAAAAE"),
        b"text\n\n" + LINE.replace(b"AAAAAAE=", b"AAAAAAE=="),
        b"text\n\n" + LINE.replace(b"AAAAAAE=", b"AAAA*AAAE="),
        b"text\n\n" + LINE.replace(b"AAAAAAE=", b"AAAAAAA_"),
        b"text\n\n" + LINE.replace(b"\n", b" \n"),
        b"text\n\n" + LINE + LINE,
        b"text\n\n" + LINE + LINE.replace(b"AAAAAAE=", b"AAAAAAI="),
        b"text\n\n" + b"".join(DASH + b"n%d AAAAAAE=\n" % n for n in range(SIGNATURES_MAX + 1)),
    ],
)
def test_what_would_not_print_the_same_is_no_note(data: bytes) -> None:
    parse_note(b"text\n\n" + LINE)
    with pytest.raises(InvalidEncoding) as caught:
        parse_note(data)
    assert caught.value.reason == "NOTE"


def test_as_many_signatures_as_allowed_are_a_note() -> None:
    lines = b"".join(DASH + b"n%d AAAAAAE=\n" % n for n in range(SIGNATURES_MAX))
    assert len(parse_note(b"text\n\n" + lines).signatures) == SIGNATURES_MAX


def test_a_note_that_is_too_large_is_refused_before_it_is_read() -> None:
    tail = b"\n\n" + LINE
    most = b"x" * (NOTE_BYTES_MAX - len(tail)) + tail
    parse_note(most)
    with pytest.raises(InvalidEncoding) as caught:
        parse_note(b"x" + most)
    assert caught.value.reason == "SIZE"


@pytest.mark.parametrize(
    "note",
    [
        Note(b"text", (NoteSignature("name", bytes(4), b"s"),)),
        Note(b"text\n", ()),
        Note(b"text\n", (NoteSignature("na me", bytes(4), b"s"),)),
        Note(b"text\n", (NoteSignature("name", bytes(3), b""),)),
        Note(b"text\n", (NoteSignature("name", bytes(5), b"s"),)),
        Note(b"text\n", (NoteSignature("name", bytes(4), b"s"),) * 2),
        Note(b"a\n\nb\n", ()),
    ],
)
def test_a_note_that_would_not_parse_is_not_printed(note: Note) -> None:
    with pytest.raises(ValueError, match="printed"):
        note_to_bytes(note)


# What is refused as a checkpoint.

GOOD = checkpoint_text(HEAD)
BASE64 = base64.b64encode(ROOT)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n\n\n",
        GOOD[:-1],
        GOOD + b"\n",
        GOOD + b"extension\n",
        GOOD + b"extension",
        b"\n" + GOOD,
        GOOD.replace(b"\n7\n", b"\n07\n"),
        GOOD.replace(b"\n7\n", b"\n+7\n"),
        GOOD.replace(b"\n7\n", b"\n-7\n"),
        GOOD.replace(b"\n7\n", b"\n 7\n"),
        GOOD.replace(b"\n7\n", b"\n7_0\n"),
        GOOD.replace(b"\n7\n", b"\n\n"),
        GOOD.replace(b"\n7\n", b"\n0x7\n"),
        GOOD.replace(b"\n7\n", "\n\u0667\n".encode()),
        GOOD.replace(b"\n7\n", b"\n9223372036854775808\n"),
        GOOD.replace(b"\n7\n", b"\n" + b"9" * 5000 + b"\n"),
        GOOD.replace(ORIGIN.encode(), b""),
        GOOD.replace(b"/log", b"/lo\tg"),
        GOOD.replace(b"/log", b"/lo\xff"),
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(BASE64, base64.b64encode(ROOT[:31])),
        GOOD.replace(BASE64, base64.b64encode(ROOT + b"\0")),
        GOOD.replace(BASE64, BASE64[:-1]),
        GOOD.replace(BASE64, BASE64 + b"="),
        GOOD.replace(BASE64, b" " + BASE64),
        GOOD.replace(BASE64, base64.b64encode(b"\xff" * 32).replace(b"/", b"_")),
        GOOD.replace(BASE64, b"/" * 42 + b"9="),
        GOOD.replace(BASE64, "\u00e9".encode() * 22),
    ],
)
def test_what_would_not_print_the_same_is_no_checkpoint(text: bytes) -> None:
    assert parse_checkpoint(GOOD) == HEAD
    with pytest.raises(InvalidEncoding) as caught:
        parse_checkpoint(text)
    assert caught.value.reason == "CHECKPOINT"


@pytest.mark.parametrize(
    "head",
    [
        Checkpoint("", 7, ROOT),
        Checkpoint("two\nlines", 7, ROOT),
        Checkpoint(ORIGIN, -1, ROOT),
        Checkpoint(ORIGIN, 2**63, ROOT),
        Checkpoint(ORIGIN, 7, ROOT[:31]),
    ],
)
def test_no_checkpoint_is_signed_that_would_not_parse(head: Checkpoint) -> None:
    with pytest.raises(ValueError, match="a checkpoint must have"):
        signed(head)


# The log's signature.


def test_a_checkpoint_opens_with_its_logs_key() -> None:
    assert open_checkpoint(signed(), ORIGIN, LOG.name, LOG.public) == HEAD
    assert open_checkpoint(cosigned(), ORIGIN, LOG.name, LOG.public) == HEAD


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        (replaced(signed(), b"\n7\n", b"\n8\n"), "SIGNATURE"),
        (replaced(signed(), BASE64, base64.b64encode(bytes(32))), "SIGNATURE"),
        (sign_checkpoint(HEAD, "other.fermata/log", LOG.sign, LOG.public), "UNSIGNED"),
        (sign_checkpoint(HEAD, LOG.name, SECOND.sign, SECOND.public), "UNSIGNED"),
        (sign_checkpoint(HEAD, LOG.name, SECOND.sign, LOG.public), "SIGNATURE"),
        (sign_checkpoint(HEAD, LOG.name, lambda m: LOG.sign(m)[:63], LOG.public), "SIGNATURE"),
        (sign_checkpoint(HEAD, LOG.name, lambda m: LOG.sign(m) + b"\0", LOG.public), "SIGNATURE"),
        (sign_checkpoint(HEAD, LOG.name, lambda m: bytes(64), LOG.public), "SIGNATURE"),
        (signed(Checkpoint("other.fermata/log", 7, ROOT)), "ORIGIN"),
    ],
)
def test_a_checkpoint_that_the_log_did_not_sign_is_refused(note: bytes, reason: str) -> None:
    with pytest.raises(InvalidSignature) as caught:
        open_checkpoint(note, ORIGIN, LOG.name, LOG.public)
    assert caught.value.reason == reason


def test_a_key_of_another_length_is_refused() -> None:
    note = sign_checkpoint(HEAD, LOG.name, LOG.sign, b"short")
    with pytest.raises(InvalidSignature) as caught:
        open_checkpoint(note, ORIGIN, LOG.name, b"short")
    assert caught.value.reason == "PUBLIC_KEY"


def test_a_signed_text_that_is_no_checkpoint_is_refused() -> None:
    text = GOOD + b"extension\n"
    key_id = parse_note(signed()).signatures[0].key_id
    note = note_to_bytes(Note(text, (NoteSignature(LOG.name, key_id, LOG.sign(text)),)))
    with pytest.raises(InvalidEncoding) as caught:
        open_checkpoint(note, ORIGIN, LOG.name, LOG.public)
    assert caught.value.reason == "CHECKPOINT"


def test_lines_of_unknown_keys_do_not_matter_to_the_logs_signature() -> None:
    note = signed() + DASH + LOG.name.encode() + b" AAAAAAE=\n"
    assert open_checkpoint(note, ORIGIN, LOG.name, LOG.public) == HEAD


# Cosignatures.


def test_a_cosignature_says_when_it_was_made() -> None:
    for time_s in (0, TIME_S, 2**63 - 1):
        line = line_of(WITNESS, time_s=time_s)
        assert verify_cosignature(signed(), line, WITNESS.name, WITNESS.public) == time_s


def test_a_time_without_a_form_is_not_cosigned() -> None:
    for time_s in (-1, 2**63):
        with pytest.raises(ValueError, match="time"):
            line_of(WITNESS, time_s=time_s)


def test_only_checkpoints_are_cosigned() -> None:
    with pytest.raises(InvalidEncoding) as caught:
        line_of(WITNESS, b"DSSEv1 text\n\n" + LINE)
    assert caught.value.reason == "CHECKPOINT"


def forged(blob: bytes) -> bytes:
    key_id = hashlib.sha256(WITNESS.name.encode() + b"\n\x04" + WITNESS.public).digest()[:4]
    data = base64.b64encode(key_id + blob).decode()
    return f"\u2014 {WITNESS.name} {data}\n".encode()


TIME = TIME_S.to_bytes(8, "big")
MESSAGE = b"cosignature/v1\ntime 1700000000\n" + GOOD


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (line_of(SECOND), "UNSIGNED"),
        (cosign(signed(), WITNESS.name, SECOND.sign, SECOND.public, TIME_S), "UNSIGNED"),
        (cosign(signed(), WITNESS.name, SECOND.sign, WITNESS.public, TIME_S), "SIGNATURE"),
        (line_of(WITNESS, signed(Checkpoint(ORIGIN, 8, ROOT))), "SIGNATURE"),
        (forged(TIME + WITNESS.sign(GOOD)), "SIGNATURE"),
        (forged(WITNESS.sign(MESSAGE)), "SIGNATURE"),
        (forged((TIME_S + 1).to_bytes(8, "big") + WITNESS.sign(MESSAGE)), "SIGNATURE"),
        (forged(TIME + WITNESS.sign(MESSAGE) + b"\0"), "SIGNATURE"),
        (forged(TIME + WITNESS.sign(MESSAGE)[:-1]), "SIGNATURE"),
        (forged(TIME), "SIGNATURE"),
        (
            forged(
                (2**63).to_bytes(8, "big")
                + WITNESS.sign(b"cosignature/v1\ntime 9223372036854775808\n" + GOOD)
            ),
            "SIGNATURE",
        ),
    ],
)
def test_a_cosignature_that_does_not_hold_is_refused(line: bytes, reason: str) -> None:
    verify_cosignature(signed(), forged(TIME + WITNESS.sign(MESSAGE)), WITNESS.name, WITNESS.public)
    with pytest.raises(InvalidSignature) as caught:
        verify_cosignature(signed(), line, WITNESS.name, WITNESS.public)
    assert caught.value.reason == reason


@pytest.mark.parametrize("change", [lambda x: x[:-1], lambda x: x + x, lambda x: x + b"\n"])
def test_a_cosignature_is_exactly_one_line(change: "object") -> None:
    assert callable(change)
    with pytest.raises(InvalidEncoding):
        verify_cosignature(signed(), change(line_of(WITNESS)), WITNESS.name, WITNESS.public)
    with pytest.raises(InvalidEncoding):
        add_signatures(signed(), [change(line_of(WITNESS))])


def test_the_logs_own_signature_is_no_cosignature() -> None:
    line = witness_line(parse_note(signed()), LOG.name)
    with pytest.raises(InvalidSignature):
        verify_cosignature(signed(), line, LOG.name, LOG.public)


def test_a_witness_line_is_found_by_its_name() -> None:
    assert witness_line(parse_note(cosigned()), WITNESS.name) == line_of(WITNESS)
    again = cosigned() + DASH + WITNESS.name.encode() + b" AAAAAAE=\n"
    for note, name in [(cosigned(), "absent"), (again, WITNESS.name)]:
        with pytest.raises(InvalidSignature) as caught:
            witness_line(parse_note(note), name)
        assert caught.value.reason == "UNSIGNED"


def test_signatures_are_added_in_one_order() -> None:
    lines = [line_of(SECOND), line_of(WITNESS)]
    note = add_signatures(signed(), lines)
    assert add_signatures(signed(), lines[::-1]) == note
    assert add_signatures(add_signatures(signed(), lines[:1]), lines[1:]) == note
    assert add_signatures(note, lines) == note
    assert [s.name for s in parse_note(note).signatures] == [WITNESS.name, SECOND.name, LOG.name]


def test_a_later_signature_of_a_key_takes_the_place_of_the_older() -> None:
    note = add_signatures(cosigned(), [line_of(WITNESS, time_s=TIME_S + 5)])
    line = witness_line(parse_note(note), WITNESS.name)
    assert verify_cosignature(note, line, WITNESS.name, WITNESS.public) == TIME_S + 5


# The heads that a log hands out.


def test_a_head_is_signed_once_however_many_ask_for_it() -> None:
    asked: list[bytes] = []

    def sign(data: bytes) -> bytes:
        asked.append(data)
        return LOG.sign(data)

    heads, lines = SignedHeads(LOG.name, sign, LOG.public), [line_of(WITNESS)]
    for _ in range(3):
        assert heads.signed(HEAD.size, HEAD.root) == signed()
        assert heads.cosigned(HEAD.size, HEAD.root, lines) == add_signatures(signed(), lines)
        assert heads.cosigned(HEAD.size, HEAD.root, ()) == signed()
    assert len(asked) == 1


@pytest.mark.parametrize(
    "other", [replace(HEAD, size=HEAD.size + 1), replace(HEAD, root=bytes(32))]
)
def test_another_head_is_signed_for_itself(other: Checkpoint) -> None:
    heads = SignedHeads(LOG.name, LOG.sign, LOG.public)
    for head in (HEAD, other, HEAD):
        line = line_of(WITNESS, signed(head))
        assert heads.signed(head.size, head.root) == signed(head)
        assert heads.cosigned(head.size, head.root, [line]) == add_signatures(signed(head), [line])


def test_a_line_that_comes_or_is_renewed_is_in_the_next_note() -> None:
    heads = SignedHeads(LOG.name, LOG.sign, LOG.public)
    for lines in ([], [line_of(WITNESS)], [line_of(WITNESS, time_s=TIME_S + 5)]):
        assert heads.cosigned(HEAD.size, HEAD.root, lines) == add_signatures(signed(), lines)


# Notes that only the log has signed.


def alone(note: bytes) -> None:
    check_signed_alone(note, LOG.name, LOG.public)


def test_a_note_that_the_log_alone_has_signed_has_no_other_line() -> None:
    alone(signed())


@pytest.mark.parametrize(
    "note",
    [
        cosigned(),
        signed() + LINE,
        sign_checkpoint(HEAD, LOG.name, WITNESS.sign, WITNESS.public),
        sign_checkpoint(HEAD, WITNESS.name, LOG.sign, LOG.public),
    ],
)
def test_a_line_of_anybody_else_is_foreign(note: bytes) -> None:
    with pytest.raises(InvalidSignature) as caught:
        alone(note)
    assert caught.value.reason == "FOREIGN_LINE"


def test_the_logs_own_line_is_taken_out_of_a_note_with_others() -> None:
    assert signed_alone(cosigned(), LOG.name, LOG.public) == signed()
    assert signed_alone(signed(), LOG.name, LOG.public) == signed()
    with pytest.raises(InvalidSignature) as caught:
        signed_alone(cosigned(), LOG.name, WITNESS.public)
    assert caught.value.reason == "UNSIGNED"


def test_messages_never_show_what_a_stranger_wrote() -> None:
    nasty = "\u202eevil"
    note = signed() + f"\u2014 {nasty} AAAAAAE=\n".encode()
    with pytest.raises(FermataError) as caught:
        alone(note)
    assert nasty not in str(caught.value)
