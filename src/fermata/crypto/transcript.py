"""Fiat-Shamir transcripts and labelled digests, every part with its length (docs/spec/proof.md, 4).

Lengths are big-endian, challenges little-endian like the curve's scalars.
"""

import hashlib

from fermata.errors import InvalidProof

SHORT_CHALLENGE_BYTES = 16


def digest_parts(domain: str, *parts: bytes) -> bytes:
    """SHA-256 over a domain string and parts, each after its length as 8 bytes."""
    running = hashlib.sha256()
    for part in (domain.encode(), *parts):
        running.update(len(part).to_bytes(8, "big") + part)
    return running.digest()


class Transcript:
    """A running SHA-512 over all that prover and verifier agree on so far.

    Absorb the whole statement and every message of the prover before the next challenge: a value
    left out is one that the prover may choose afterwards.
    """

    __slots__ = ("_running",)

    def __init__(self, protocol: str) -> None:
        self._running = hashlib.sha512()
        self.absorb("protocol", protocol.encode())

    def fork(self) -> "Transcript":
        """A copy with the same past and its own future."""
        twin = object.__new__(Transcript)
        twin._running = self._running.copy()
        return twin

    def absorb(self, label: str, data: bytes) -> None:
        """Adds ``'A' || u16 len(label) || u64 len(data) || label || data``."""
        name = label.encode()
        self._running.update(
            b"A" + len(name).to_bytes(2, "big") + len(data).to_bytes(8, "big") + name + data
        )

    def challenge(self, label: str) -> bytes:
        """64 bytes: the digest after ``'C' || u16 len(label) || label``. It is absorbed as well."""
        name = label.encode()
        self._running.update(b"C" + len(name).to_bytes(2, "big") + name)
        digest = self._running.digest()
        self._running.update(digest)
        return digest

    def challenge_scalar(self, label: str, q: int) -> int:
        """A challenge of 512 bits mod q. Raises InvalidProof CHALLENGE if it is 0."""
        value = int.from_bytes(self.challenge(label), "little") % q
        # R9.17, R9.32: nothing can be divided by it, and times 0 an equation says nothing.
        if value == 0:
            raise InvalidProof("CHALLENGE", f"transcript: challenge {label} is zero; prove again")
        return value

    def challenge_short(self, label: str) -> int:
        """A challenge in [0, 2^128): the first 16 bytes."""
        return int.from_bytes(self.challenge(label)[:SHORT_CHALLENGE_BYTES], "little")
