import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.transcript import Transcript, digest_parts
from fermata.errors import InvalidProof

Q = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001


def test_a_transcript_hashes_exactly_the_specified_bytes() -> None:
    transcript = Transcript("tag")
    transcript.absorb("W", b"\1\2\3")
    said = (
        b"A\x00\x08" + (3).to_bytes(8, "big") + b"protocol" + b"tag"
        b"A\x00\x01" + (3).to_bytes(8, "big") + b"W\1\2\3"
    )
    first = hashlib.sha512(said + b"C\x00\x04beta").digest()
    assert transcript.challenge("beta") == first
    second = hashlib.sha512(said + b"C\x00\x04beta" + first + b"C\x00\x01y").digest()
    assert transcript.challenge_scalar("y", Q) == int.from_bytes(second, "little") % Q


def test_a_short_challenge_is_the_first_16_bytes() -> None:
    whole, short = Transcript("t"), Transcript("t")
    assert short.challenge_short("e") == int.from_bytes(whole.challenge("e")[:16], "little")


def test_two_challenges_in_a_row_differ() -> None:
    transcript = Transcript("t")
    assert transcript.challenge("x") != transcript.challenge("x")


def test_a_zero_scalar_is_refused() -> None:
    with pytest.raises(InvalidProof) as error:
        Transcript("t").challenge_scalar("beta", 1)
    assert error.value.reason == "CHALLENGE"


Messages = st.lists(st.tuples(st.text(max_size=4), st.binary(max_size=6)), max_size=4)


@settings(max_examples=50, deadline=None)
@given(Messages, Messages)
def test_only_equal_messages_give_equal_challenges(
    ours: list[tuple[str, bytes]], theirs: list[tuple[str, bytes]]
) -> None:
    def challenge(messages: list[tuple[str, bytes]]) -> bytes:
        transcript = Transcript("t")
        for label, data in messages:
            transcript.absorb(label, data)
        return transcript.challenge("c")

    assert (challenge(ours) == challenge(theirs)) == (ours == theirs)


def test_bytes_moved_between_parts_change_a_digest() -> None:
    assert digest_parts("d", b"ab", b"c") != digest_parts("d", b"a", b"bc")
    assert digest_parts("d", b"ab") != digest_parts("d", b"ab", b"")
    expected = hashlib.sha256(bytes(7) + b"\x01d" + bytes(7) + b"\x02ab").digest()
    assert digest_parts("d", b"ab") == expected
