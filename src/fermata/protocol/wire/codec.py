"""Bytes to messages under the canonical-bytes rule (docs/spec/log.md).

Protobuf has many encodings of one message. Only the one that this module prints is accepted, so
a hash or a signature over received bytes is a hash or a signature over the meaning.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from fermata.crypto.integers import (
    int_from_bytes,
    int_to_bytes,
    minimal_from_bytes,
    minimal_to_bytes,
)
from fermata.crypto.threshold.factor_proof import FactorProof, response_width
from fermata.crypto.threshold.key_record import DEALER, DISTRIBUTED, KeyRecord
from fermata.crypto.threshold.modulus_proof import ModulusProof
from fermata.crypto.threshold.origin import DealerProofs
from fermata.errors import InvalidEncoding
from fermata.wire.v1 import envelope_pb2, statement_pb2

#: Bounds on foreign bytes, checked before they are parsed.
ENVELOPE_BYTES_MAX = 512 * 1024
#: A leaf has a root and inclusion proofs beside its envelope: eight of a KeyRecord, which names an
#: entry for itself and for each of seven auditors, of 40 hashes each.
LEAF_BYTES_MAX = ENVELOPE_BYTES_MAX + 16384
SEALED_BYTES_MAX = 1024 * 1024
#: Payload type of the envelope that carries the charter file as entry 0.
CHARTER_TYPE = "application/vnd.fermata.charter.v1+toml"
STATEMENT_TYPE = "application/vnd.fermata.statement.v1+protobuf"

_HASH_TEXT = re.compile("(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE)

SHA256_BYTES = 32
_ORIGINS = {
    statement_pb2.KEY_ORIGIN_DEALER: DEALER,
    statement_pb2.KEY_ORIGIN_DISTRIBUTED: DISTRIBUTED,
}

M = TypeVar("M", bound=Message)


def encode(message: Message) -> bytes:
    """The canonical bytes of a message."""
    return message.SerializeToString(deterministic=True)


def decode(kind: type[M], data: bytes, bytes_max: int = ENVELOPE_BYTES_MAX) -> M:
    """Parses canonical bytes. Raises InvalidEncoding ENCODING or SIZE."""
    name = kind.DESCRIPTOR.name
    # L8.1: a stranger does not decide on our memory.
    if len(data) > bytes_max:
        raise InvalidEncoding(
            "SIZE", f"{name}: must have at most {bytes_max} bytes, got {len(data)}"
        )
    try:
        # L6.1: bytes without a meaning.
        message = kind.FromString(data)
        plain = kind.FromString(data)
    except (DecodeError, ValueError) as error:
        raise InvalidEncoding(
            "ENCODING", f"{name}: must be a protobuf message of this kind"
        ) from error
    plain.DiscardUnknownFields()
    # L6.2: one meaning must not have two hashes.
    if encode(plain) != data:
        raise InvalidEncoding("ENCODING", f"{name}: must be the canonical encoding of its fields")
    return message


def decode_entry(leaf: bytes) -> envelope_pb2.LogEntry:
    """The entry in a leaf, which may be longer than an envelope. Raises as ``decode`` does."""
    return decode(envelope_pb2.LogEntry, leaf, LEAF_BYTES_MAX)


def sha256_from_text(text: str) -> bytes | None:
    """A SHA-256 (32 bytes) as people paste it: 64 hex digits, in any case, perhaps after "SHA256:".

    None if the text is not one.
    """
    match = _HASH_TEXT.fullmatch(text.strip())
    return bytes.fromhex(match[1]) if match else None


def sha256(data: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def leaf_of(
    previous_root: bytes,
    envelope: bytes,
    proofs: Iterable[envelope_pb2.EntryProof] = (),
) -> bytes:
    """The leaf that logs an envelope after entries whose tree has this root (32 bytes).

    ``proofs``: of the entries that its statement names and that are not recent (log.md, 3a).
    """
    return encode(
        envelope_pb2.LogEntry(previous_root=previous_root, envelope=envelope, proofs=proofs)
    )


def key_record_to_wire(
    record: KeyRecord, proof: ModulusProof, factors: FactorProof, after: envelope_pb2.EntryRef
) -> statement_pb2.KeyRecord:
    """The wire form of a dealer's key record, with what the dealer proves of its modulus.

    ``after`` names the charter's entry in the log that the key is for.
    """
    width = (record.n.bit_length() + 7) // 8
    wire = _numbers_to_wire(record, statement_pb2.KEY_ORIGIN_DEALER, after)
    wire.modulus_proof.CopyFrom(
        statement_pb2.ModulusProof(
            w=int_to_bytes(proof.w, width),
            rounds=[
                statement_pb2.ModulusRound(
                    x=int_to_bytes(x, width), z=int_to_bytes(z, width), a=a, b=b
                )
                for x, z, a, b in proof.rounds
            ],
        )
    )
    responses = response_width(record.n.bit_length())
    wire.factor_proof.challenge = factors.challenge
    wire.factor_proof.responses.extend(int_to_bytes(y, responses) for y in factors.responses)
    return wire


def distributed_record_to_wire(
    record: KeyRecord, ceremony_sha256: bytes, after: envelope_pb2.EntryRef
) -> statement_pb2.KeyRecord:
    """The wire form of the record of a key without a dealer.

    ``ceremony_sha256`` (32 bytes): the hash of the ceremony's record.
    """
    wire = _numbers_to_wire(record, statement_pb2.KEY_ORIGIN_DISTRIBUTED, after)
    wire.ceremony_sha256 = ceremony_sha256
    return wire


def _numbers_to_wire(
    record: KeyRecord, origin: statement_pb2.KeyOrigin.ValueType, after: envelope_pb2.EntryRef
) -> statement_pb2.KeyRecord:
    width = (record.n.bit_length() + 7) // 8
    return statement_pb2.KeyRecord(
        epoch=record.epoch,
        origin=origin,
        threshold=record.threshold,
        modulus=int_to_bytes(record.n, width),
        kappa=minimal_to_bytes(record.kappa),
        theta=minimal_to_bytes(record.theta),
        verification=[int_to_bytes(v, width) for v in record.verification],
        after=after,
    )


def key_record_from_wire(
    wire: statement_pb2.KeyRecord, modulus_bits: int
) -> tuple[KeyRecord, DealerProofs | None]:
    """The numbers of a key record, and a dealer's proofs. Raises InvalidEncoding; checks no proof.

    ``check_ceremony`` says what a key without a dealer has instead of proofs.
    """
    origin = _ORIGINS.get(wire.origin)
    if origin is None:
        raise InvalidEncoding("KEY_ORIGIN", "key record: must be a dealer's or distributed")
    proofs = _proofs_from_wire(wire, modulus_bits) if origin == DEALER else None
    return _numbers_from_wire(wire, modulus_bits, origin), proofs


def check_ceremony(wire: statement_pb2.KeyRecord) -> None:
    """Checks that a key names the ceremony it was made in, or has a dealer's proofs, and not both.

    Raises InvalidEncoding KEY_CEREMONY.
    """
    if wire.origin == statement_pb2.KEY_ORIGIN_DEALER:
        is_right = not wire.ceremony_sha256
    else:
        has_proofs = wire.HasField("modulus_proof") or wire.HasField("factor_proof")
        is_right = len(wire.ceremony_sha256) == SHA256_BYTES and not has_proofs
    # F3.13: what nobody checks would let one key have several records.
    if not is_right:
        raise InvalidEncoding(
            "KEY_CEREMONY",
            "key record: must have a dealer's proofs, or the 32 bytes of a ceremony's hash",
        )


def _proofs_from_wire(wire: statement_pb2.KeyRecord, modulus_bits: int) -> DealerProofs:
    width, response_bytes = (modulus_bits + 7) // 8, response_width(modulus_bits)
    proof = ModulusProof(
        int_from_bytes(wire.modulus_proof.w, width, "modulus proof w"),
        tuple(
            (
                int_from_bytes(r.x, width, "modulus proof x"),
                int_from_bytes(r.z, width, "modulus proof z"),
                r.a,
                r.b,
            )
            for r in wire.modulus_proof.rounds
        ),
    )
    factors = FactorProof(
        wire.factor_proof.challenge,
        tuple(
            int_from_bytes(y, response_bytes, "factor proof response")
            for y in wire.factor_proof.responses
        ),
    )
    return proof, factors


def later_record_from_wire(
    wire: statement_pb2.KeyRecord, modulus_bits: int, origin: str
) -> KeyRecord:
    """The numbers of a later epoch's record; ``origin`` is that of the key's first record.

    Raises InvalidEncoding KEY_ORIGIN, KEY_PROOF, KEY_CEREMONY, WIDTH, MINIMAL. Checks no shares.
    """
    # F3.14: who made the key does not change, and what its first record proved is not said twice.
    if _ORIGINS.get(wire.origin) != origin:
        raise InvalidEncoding("KEY_ORIGIN", "key record: must have the origin of the key in force")
    if wire.HasField("modulus_proof") or wire.HasField("factor_proof"):
        raise InvalidEncoding(
            "KEY_PROOF", "key record: a later epoch must have no proofs of the modulus"
        )
    size = len(wire.ceremony_sha256)
    # F3.14: of a key that no dealer made, nobody is asked to take a ceremony on trust.
    if size != SHA256_BYTES and (size or origin == DISTRIBUTED):
        raise InvalidEncoding(
            "KEY_CEREMONY", "key record: must have the 32 bytes of its ceremony's hash"
        )
    return _numbers_from_wire(wire, modulus_bits, origin)  # F3.15: one record has one form.


def later_record_to_wire(
    record: KeyRecord, after: envelope_pb2.EntryRef, ceremony_sha256: bytes = b""
) -> statement_pb2.KeyRecord:
    """The wire form of a later epoch's record, without the words that give up the one before.

    ``ceremony_sha256`` (32 bytes): of its ceremony's record; a dealer's key may lack it.
    """
    origin = next(wire for wire, name in _ORIGINS.items() if name == record.origin)
    wire = _numbers_to_wire(record, origin, after)
    wire.ceremony_sha256 = ceremony_sha256
    return wire


def _numbers_from_wire(wire: statement_pb2.KeyRecord, modulus_bits: int, origin: str) -> KeyRecord:
    width = (modulus_bits + 7) // 8
    return KeyRecord(
        n=int_from_bytes(wire.modulus, width, "modulus"),
        threshold=wire.threshold,
        epoch=wire.epoch,
        kappa=minimal_from_bytes(wire.kappa, "kappa"),
        theta=minimal_from_bytes(wire.theta, "theta"),
        verification=tuple(int_from_bytes(v, width, "verification") for v in wire.verification),
        origin=origin,
    )
