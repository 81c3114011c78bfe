"""The files to and from a machine without a network: one form each, and nothing half of one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.crypto.signing import SigningKey, pae
from fermata.errors import ConfigError
from fermata.node.files import write_secret
from fermata.node.opener import task_file
from fermata.node.opener.opening_file import GivenOpening, decode_opening, encode_opening
from fermata.node.opener.task_file import Task, decode_task, encode_task, read_task, write_task
from fermata.protocol.wire.codec import STATEMENT_TYPE, encode, sha256
from fermata.wire.v1 import statement_pb2

TASK = Task(b"charter", "alva", 3, b"note", (), (b"one", b"two"), {sha256(b"part"): b"part"})
DATA = b"".join(encode_task(TASK))
KEY = SigningKey.from_seed(bytes(range(32)))
STATEMENT = encode(
    statement_pb2.Statement(
        author="alva", partial_opening=statement_pb2.PartialOpening(round=1, epoch_id=bytes(32))
    )
)
SIGNED = GivenOpening(STATEMENT, KEY.sign(pae(STATEMENT_TYPE, STATEMENT)))


def refused(data: bytes, reason: str = "TASK_FORM") -> None:
    with pytest.raises(ConfigError) as caught:
        decode_task(data)
    assert caught.value.reason == reason


@given(
    leaves=st.lists(st.binary(max_size=40), min_size=1, max_size=5),
    sealed=st.lists(st.binary(max_size=40), max_size=4),
    number=st.integers(0, 2**64 - 1),
)
def test_a_task_comes_back_from_its_bytes(leaves, sealed, number) -> None:
    task = Task(b"c", "alva", number, b"n", (), tuple(leaves), {sha256(s): s for s in sealed})
    assert decode_task(b"".join(encode_task(task))) == task


@pytest.mark.parametrize("length", range(len(DATA)))
def test_a_task_that_was_cut_short_is_refused(length: int) -> None:
    refused(DATA[:length])


@given(st.integers(0, len(DATA) - 1), st.integers(0, 7))
def test_a_changed_bit_gives_another_task_or_none(place: int, bit: int):
    changed = bytearray(DATA)
    changed[place] ^= 1 << bit
    try:
        task = decode_task(bytes(changed))
    except ConfigError:
        refused(bytes(changed))
    else:
        assert task != TASK
        assert b"".join(encode_task(task)) == bytes(changed)


def piece(kind: bytes, data: bytes) -> bytes:
    return kind + len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize(
    "data",
    [
        b"fermata-bundle",
        DATA + piece(b"E", b""),
        DATA.replace(piece(b"L", b"two"), piece(b"X", b"two")),
        DATA.replace(piece(b"N", b"note"), b""),
        DATA.replace(piece(b"A", b"alva"), piece(b"A", b"a" * 41)),
        DATA.replace(piece(b"R", (3).to_bytes(8, "big")), piece(b"R", b"\3")),
        DATA.replace(piece(b"S", b"part"), piece(b"S", b"part") * 2),
        DATA.replace(piece(b"A", b"alva"), piece(b"A", b"\xff")),
        DATA.replace(piece(b"W", b""), piece(b"W", b"no line")),
    ],
)
def test_what_is_no_task_in_its_one_form_is_refused(data: bytes) -> None:
    assert data != DATA
    refused(data)


def test_a_task_is_written_once_and_read_to_its_limit(tmp_path, monkeypatch) -> None:
    assert write_task(tmp_path / "task", TASK) == len(DATA)
    assert (tmp_path / "task").stat().st_mode & 0o777 == 0o600
    assert read_task(tmp_path / "task") == TASK
    with pytest.raises(ConfigError) as caught:
        write_task(tmp_path / "task", TASK)
    assert caught.value.reason == "FILE_EXISTS"
    monkeypatch.setattr(task_file, "TASK_BYTES_MAX", len(DATA) - 1)
    with pytest.raises(ConfigError, match="must have at most") as caught:
        read_task(tmp_path / "task")
    assert caught.value.reason == "TASK_FORM"
    with pytest.raises(ConfigError) as caught:
        read_task(tmp_path / "none")
    assert caught.value.reason == "FILE_UNREADABLE"


@pytest.mark.parametrize("opening", [SIGNED, GivenOpening(STATEMENT)])
def test_an_opening_comes_back_from_its_bytes(opening: GivenOpening) -> None:
    data = encode_opening(opening)
    assert decode_opening(data, "alva", KEY.public_key, "file") == opening
    assert bool(opening.envelope("alva")) == bool(opening.signature)


def of(**fields: object) -> bytes:
    return encode_opening(GivenOpening(encode(statement_pb2.Statement(**fields))))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (DATA, "OPENING_FORM"),
        (encode_opening(SIGNED)[:-1], "OPENING_FORM"),
        (encode_opening(SIGNED) + b"x", "OPENING_FORM"),
        (encode_opening(GivenOpening(STATEMENT))[:-1], "OPENING_FORM"),
        (encode_opening(GivenOpening(b"\xff\xff")), "OPENING_FORM"),
        (encode_opening(GivenOpening(STATEMENT, bytes(64))), "OPENING_FORM"),
        (of(author="alva", endorsement=statement_pb2.Endorsement(round=1)), "OPENING_FORM"),
        (of(author="bert", partial_opening=statement_pb2.PartialOpening()), "OPENING_FOREIGN"),
    ],
)
def test_what_is_no_opening_of_this_auditor_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode_opening(data, "alva", KEY.public_key, "file")
    assert caught.value.reason == reason


@pytest.mark.parametrize("length", range(0, len(encode_opening(SIGNED)), 5))
def test_an_opening_that_was_cut_short_is_refused(length: int) -> None:
    data = encode_opening(SIGNED)[:length]
    with pytest.raises(ConfigError) as caught:
        decode_opening(data, "alva", KEY.public_key, "file")
    assert caught.value.reason == "OPENING_FORM"


def test_a_task_may_be_anybodys_file(tmp_path) -> None:
    write_secret(tmp_path / "task", DATA)
    (tmp_path / "task").chmod(0o644)
    assert read_task(tmp_path / "task") == TASK
