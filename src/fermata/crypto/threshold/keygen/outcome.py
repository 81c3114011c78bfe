"""What a finished key generation is known by: the public outcome, in its one encoding (K18)."""

import re
from dataclasses import dataclass

from fermata.crypto.threshold.key_record import DISTRIBUTED, KeyRecord
from fermata.errors import InvalidEncoding

_HEAD = "fermata/v1/key-generation"
_NUMBER = "(0|[1-9a-f][0-9a-f]*)"
_HASH = "([0-9a-f]{64})"
_OUTCOME = re.compile(
    f"{_HEAD}\nsession: {_HASH}\ntranscript: {_HASH}\ncandidates: ([1-9][0-9]*)\n"
    f"threshold: ([1-7])\nmodulus: {_NUMBER}\nkappa: {_NUMBER}\ntheta: {_NUMBER}\n"
    f"verification: ([0-9a-f]+(?: [0-9a-f]+)*)\n"
)
OUTCOME_BYTES_MAX = 16_384


@dataclass(frozen=True, slots=True)
class Outcome:
    """``session`` and ``transcript``: 32 bytes each, the session's id and the hash of all that was
    said to all; ``candidates``: how many there were; ``record``: the key's numbers.
    """

    session: bytes
    transcript: bytes
    candidates: int
    record: KeyRecord

    def to_bytes(self) -> bytes:
        """Lines of text; the same at every party."""
        record = self.record
        return (
            f"{_HEAD}\nsession: {self.session.hex()}\ntranscript: {self.transcript.hex()}\n"
            f"candidates: {self.candidates}\nthreshold: {record.threshold}\n"
            f"modulus: {record.n:x}\nkappa: {record.kappa:x}\ntheta: {record.theta:x}\n"
            f"verification: {' '.join(f'{v_i:x}' for v_i in record.verification)}\n"
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Outcome":
        """Parses an outcome. Raises InvalidEncoding KEYGEN_OUTCOME."""
        text = data.decode("ascii", "replace") if len(data) <= OUTCOME_BYTES_MAX else ""
        match = _OUTCOME.fullmatch(text)
        if match is None:
            raise _damaged()
        session, transcript, candidates, threshold, *numbers, verification = match.groups()
        n, kappa, theta = (int(number, 16) for number in numbers)
        values = tuple(int(v_i, 16) for v_i in verification.split(" "))
        record = KeyRecord(n, int(threshold), 1, kappa, theta, values, DISTRIBUTED)
        outcome = cls(bytes.fromhex(session), bytes.fromhex(transcript), int(candidates), record)
        # K18.8: one outcome has one hash.
        if outcome.to_bytes() != data:
            raise _damaged()
        return outcome


def _damaged() -> InvalidEncoding:
    return InvalidEncoding(
        "KEYGEN_OUTCOME", "key generation: the outcome is damaged, cut short or not an outcome"
    )
