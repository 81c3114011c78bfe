"""The pipe between a node and its opener: bounded, and nothing taken for something else."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.errors import (
    ConfigError,
    IdentityError,
    InvalidProof,
    Refusal,
    StorageError,
    TransportError,
)
from fermata.node.opener import frames
from fermata.node.opener.piped_log import PipedLog
from fermata.node.opener.setup import Setup, error_bytes, read_error, read_setup
from fermata.protocol.wire.ports import News


def framed(*messages: tuple[bytes, bytes]) -> io.BytesIO:
    file = io.BytesIO()
    for kind, data in messages:
        frames.write_frame(file, kind, data)
    file.seek(0)
    return file


@given(st.binary(max_size=300), st.sampled_from([frames.OPEN, frames.NEWS, frames.DONE]))
def test_a_message_comes_back_from_its_bytes(data: bytes, kind: bytes) -> None:
    assert frames.read_frame(framed((kind, data))) == (kind, data)


@pytest.mark.parametrize("length", range(9))
def test_a_pipe_that_ends_inside_a_message_is_gone(length: int) -> None:
    data = framed((frames.DONE, b"abcd")).getvalue()
    assert len(data) == 9
    with pytest.raises(TransportError) as caught:
        frames.read_frame(io.BytesIO(data[:length]))
    assert caught.value.reason == "OPENER_GONE"


def test_a_message_has_a_bound_at_both_ends() -> None:
    with pytest.raises(ValueError):
        frames.write_frame(io.BytesIO(), frames.DONE, bytes(frames.FRAME_BYTES_MAX + 1))
    long = (frames.FRAME_BYTES_MAX + 1).to_bytes(4, "big") + frames.DONE
    with pytest.raises(TransportError) as caught:
        frames.read_frame(io.BytesIO(long))
    assert caught.value.reason == "OPENER_FRAME"


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_pieces_come_back_from_one_message(pieces: list[bytes]) -> None:
    assert frames.split(frames.join(pieces)) == pieces


def test_pieces_that_do_not_fit_are_left_out_whole() -> None:
    pieces = [b"first", bytes(frames.FRAME_BYTES_MAX), b"last"]
    assert frames.split(frames.join(pieces)) == [b"first"]


@pytest.mark.parametrize("cut", range(1, 8))
def test_pieces_that_do_not_fill_their_message_are_refused(cut: int) -> None:
    with pytest.raises(TransportError) as caught:
        frames.split(frames.join([b"x", b"abcd"])[:-cut])
    assert caught.value.reason == "OPENER_FRAME"


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("KEY_SHARE", "a"), InvalidProof("SPLIT_VIEW", "b"), Refusal("NO_QUORUM", "c"),
        StorageError("STORAGE_FULL", "d"), TransportError("NO_SEALED", "e"),
    ],
)  # fmt: skip
def test_an_error_crosses_the_pipe_as_what_it_is(error) -> None:
    again = read_error(error_bytes(error))
    assert (type(again), again.reason, str(again)) == (type(error), error.reason, str(error))


def test_an_error_of_another_kind_is_one_that_a_person_looks_at() -> None:
    again = read_error(error_bytes(IdentityError("DENIED", "x")))
    assert (type(again), again.reason) == (ConfigError, "DENIED")
    assert read_error(b"{}").reason == "OPENER_FRAME"
    assert read_error(b'{"kind":"SystemExit","reason":"A","message":"b"}').reason == "OPENER_FRAME"


def test_a_set_up_is_read_strictly() -> None:
    assert read_setup(b'{"share":"/a","marks":"/b"}') == Setup(share="/a", marks="/b")
    for data in (b"", b"{}", b'{"share":"/a","marks":"/b","passphrase":"x"}'):
        with pytest.raises(ConfigError) as caught:
            read_setup(data)
        assert caught.value.reason == "OPENER_SETUP"


def test_an_opener_takes_no_answer_to_another_question() -> None:
    def log(*messages: tuple[bytes, bytes]) -> PipedLog:
        return PipedLog(framed(*messages), io.BytesIO())

    assert log((frames.SEALED, b"part")).fetch_sealed(bytes(32)) == b"part"
    news = frames.join([b"note", b"", b"leaf", b"more"])
    assert log((frames.NEWS, news)).news(0, 1) == News(b"note", [], [b"leaf"])
    for wrong in ((frames.LEAVES, b"part"), (frames.OPEN, b"")):
        with pytest.raises(TransportError) as caught:
            log(wrong).fetch_sealed(bytes(32))
        assert caught.value.reason == "OPENER_FRAME"
    with pytest.raises(TransportError) as caught:
        log((frames.NEWS, frames.join([b"note"]))).news(0, 1)
    assert caught.value.reason == "OPENER_FRAME"
    with pytest.raises(TransportError) as caught:
        cannot = error_bytes(TransportError("NO_SEALED", "none"))
        log((frames.CANNOT, cannot)).fetch_sealed(bytes(32))
    assert caught.value.reason == "NO_SEALED"
