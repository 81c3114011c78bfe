"""Turns over every single bit of a small report: each must be refused (`make bitflips`).

    PYTHONPATH=tests:tests/crypto python scripts/flip_bits.py [--part NAME] [--bit N]

The report is the same in every run (seeded, 512 bits), so a part and a bit replay any finding.
Parts, and where they are checked:

    open        the proof's open part, by the verifier of proofs
    sealed      ciphertexts, announcements and responses, by the same
    named       as sealed, but the open part names the changed field by its right digest
    context     hash of the charter, round and lab that the proof is bound to
    envelope    the signed envelope, at the door of the log
    wire        the sealed part's bytes as a lab sends them, at the door of the log
"""

import argparse
import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

from fermata.crypto.report.codec import open_from_bytes, open_to_bytes, sha256
from fermata.crypto.report.verifier import verify
from fermata.errors import FermataError
from fermata.types import Role
from harness.chains import chain_at
from harness.crypto.proof_world import (
    CONTEXT,
    public_key,
    sample,
    sample_report,
    sealed_bytes,
    sealed_like,
    table,
)
from harness.forged import door_of

PROGRESS_S = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a report, and what takes them in or raises."""

    data: bytes
    accept: Callable[[bytes], None]


def proof_parts() -> dict[str, Part]:
    """What the verifier of proofs sees."""
    statements, key, report = sample(), public_key(), sample_report()
    lengths = [len(CONTEXT.charter_hash), len(CONTEXT.round_id), len(CONTEXT.lab_id)]

    def check(**changes: object) -> None:
        given = {
            "context": CONTEXT,
            "open_part": report.open_part,
            "sealed": report.sealed,
            "table": table(),
            **changes,
        }
        verify(statements, key, **given)  # type: ignore[arg-type]

    def named(data: bytes) -> None:
        sealed = sealed_like(report.sealed, data)
        proof = dataclasses.replace(
            open_from_bytes(statements, report.open_part),
            ciphertext_digests=tuple(map(sha256, sealed.ciphertexts)),
            announcement_digests=tuple(map(sha256, sealed.announcements)),
            exponent_digests=tuple(map(sha256, sealed.exponents)),
        )
        check(sealed=sealed, open_part=open_to_bytes(statements, proof))

    def context(data: bytes) -> None:
        first, second = lengths[0], lengths[0] + lengths[1]
        check(
            context=dataclasses.replace(
                CONTEXT,
                charter_hash=data[:first],
                round_id=data[first:second],
                lab_id=data[second:],
            )
        )

    check()
    sealed = sealed_bytes(report.sealed)
    return {
        "open": Part(report.open_part, lambda data: check(open_part=data)),
        "sealed": Part(sealed, lambda data: check(sealed=sealed_like(report.sealed, data))),
        "named": Part(sealed, named),
        "context": Part(CONTEXT.charter_hash + CONTEXT.round_id + CONTEXT.lab_id, context),
    }


def door_parts() -> dict[str, Part]:
    """What the log sees: a refused one must leave it as it was."""
    chain = chain_at("collecting")
    statement = chain.report_statement("lab-2")
    envelope = chain.seal(statement)
    sealed = chain.fetch(statement.report.sealed_sha256)

    def append(envelope: bytes, sealed: bytes) -> None:
        before = door.size(), door.checkpoint()
        try:
            door.append_as(Role.LAB, "lab-2", envelope, sealed)
        finally:
            if (door.size(), door.checkpoint()) != before:
                raise SystemExit("the log has changed")

    # The honest report passes another door, so that this one stays as it is.
    door_of(chain).append_as(Role.LAB, "lab-2", envelope, sealed)
    door = door_of(chain)
    return {
        "envelope": Part(envelope, lambda data: append(data, sealed)),
        "wire": Part(sealed, lambda data: append(envelope, data)),
    }


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def progress(name: str, bits: range) -> Iterator[int]:
    """The bits, with a line on standard error every ten seconds."""
    said = time.monotonic()
    for done, bit in enumerate(bits):
        if time.monotonic() - said > PROGRESS_S:
            said = time.monotonic()
            print(f"{name}: {done} of {len(bits)} bits", file=sys.stderr, flush=True)
        yield bit


def accepted_bits(name: str, part: Part, bits: range) -> list[int]:
    """Turns over the bits one by one, prints what was counted, returns the bits accepted."""
    accepted, reasons = [], Counter[str]()
    for bit in progress(name, bits):
        try:
            part.accept(flipped(part.data, bit))
        except FermataError as problem:
            reasons[problem.reason] += 1
        else:
            accepted.append(bit)
            print(f"ACCEPTED: part {name}, bit {bit}")
    counts = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    print(f"{name:10}{len(bits):>7} bits, {reasons.total()} refused: {counts}", flush=True)
    return accepted


def main() -> int:
    """Returns 1 if anything was accepted, 0 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", help="only this part")
    parser.add_argument("--bit", type=int, help="only this bit of it, from 0")
    arguments = parser.parse_args()
    parts = proof_parts() | door_parts()
    if arguments.part is not None and arguments.part not in parts:
        parser.error(f"the parts are {', '.join(parts)}")
    wrong = bits = 0
    for name, part in parts.items():
        if arguments.part not in (None, name):
            continue
        whole = range(8 * len(part.data))
        if arguments.bit is not None:
            if arguments.part is None or arguments.bit not in whole:
                parser.error(f"a bit is of one part; {name} has bits 0..{len(whole) - 1}")
            whole = range(arguments.bit, arguments.bit + 1)
        wrong += len(accepted_bits(name, part, whole))
        bits += len(whole)
    print(f"{bits} bits turned over, {bits - wrong} refused, {wrong} accepted")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
