"""Small report proofs, honest and forged, for the tests of the report proof."""

import dataclasses
import io
from collections.abc import Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st

from fermata.crypto.paillier import EncryptionTable, PublicKey
from fermata.crypto.report.argument import Witness, make_witness
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.codec import SealedProof
from fermata.crypto.report.decomposition import cover
from fermata.crypto.report.prover import Report, prove, prove_witness, prover_table
from fermata.crypto.report.statements import (
    Equality,
    Product,
    Range,
    StatementSet,
    Value,
    comparison,
    linear_form,
    multiplication,
    one_hot,
)
from fermata.crypto.scalars import pad
from harness.crypto.keys import SeededEntropy, dealt

CONTEXT = Context(b"charter hash".ljust(32, b"."), b"round 7", b"lab-a")


@cache
def public_key(bits: int = 512) -> PublicKey:
    return PublicKey(dealt(bits).record.n)


@cache
def table(bits: int = 512) -> EncryptionTable:
    shape = StatementSet((Value(1),), modulus_bits=bits)
    return prover_table(public_key(bits), shape)


def sample(base: int = 0, bits: int = 512) -> StatementSet:
    """All kinds of statements: two figures, their product, a comparison, a one-hot pair, a sum."""
    values = (Value(300), Value(20), Value(6000), Value(1), Value(1, enc=False), Value(1))
    return StatementSet(
        values,
        ranges=comparison(0, 3, 100, 300, base or 2),
        equalities=(one_hot((4, 5)),),
        products=(multiplication(0, 1, 2),),
        base=base,
        modulus_bits=bits,
    )


SAMPLE_VALUES = (250, 20, 5000, 1, 0, 1)


@cache
def sample_report(lab: bytes = b"lab-a", base: int = 0, bits: int = 512) -> Report:
    """An honest proof of the sample statements."""
    context = dataclasses.replace(CONTEXT, lab_id=lab)
    entropy = SeededEntropy(f"sample {lab!r}")
    return prove(sample(base, bits), table(bits), context, SAMPLE_VALUES, entropy)


def sealed_bytes(sealed: SealedProof) -> bytes:
    """All fields of a sealed part, one after the other."""
    return b"".join((*sealed.ciphertexts, *sealed.announcements, *sealed.exponents))


def sealed_like(sealed: SealedProof, data: bytes) -> SealedProof:
    """The sealed part of these bytes, cut into fields as long as those of another."""
    rest = io.BytesIO(data)
    kinds = (sealed.ciphertexts, sealed.announcements, sealed.exponents)
    return SealedProof(*(tuple(rest.read(len(field)) for field in kind) for kind in kinds))


def best_effort(statements: StatementSet, values: Sequence[int], **changes: Any) -> Witness:
    """A witness of values that need not satisfy the statements: each slot lies as little as it can.

    Without ``plaintexts`` among the changes, the ciphertexts hold the values.
    """
    layout = statements.layout
    digits: list[int] = []
    bits: list[int] = []
    for claim in statements.all_ranges:
        found = cover(claim.bound, layout.base)
        clamped = min(max(claim.form.at(values), 0), claim.bound)
        for digit, top in zip(found.decompose(clamped), found.tops, strict=True):
            (digits if top > 1 else bits).append(digit)
    counts = [digits.count(v) for v in range(layout.table_size)]
    packed = [0] * statements.packing.ciphertexts
    for index, (k, offset) in zip(statements.enc_indices, statements.packing.offsets, strict=True):
        packed[k] += values[index] << offset
    n = public_key(statements.modulus_bits).n
    witness = Witness(
        values=tuple(values),
        plaintexts=tuple(plaintext % n for plaintext in packed),
        left=tuple(
            pad([*digits, *bits, *(p.a.at(values) for p in statements.products)], layout.size)
        ),
        counts=tuple(pad(counts, layout.size)),
        factors=tuple(p.b.at(values) for p in statements.products),
        cross=(0,) * layout.size,
    )
    return dataclasses.replace(witness, **changes)


def forge(statements: StatementSet, witness: Witness, context: Context = CONTEXT) -> Report:
    """What the prover makes of a witness, true or not."""
    key_table = table(statements.modulus_bits)
    return prove_witness(statements, key_table, context, witness, SeededEntropy("forged"))


def honest_witness(statements: StatementSet, values: Sequence[int]) -> Witness:
    return make_witness(statements, values)


@st.composite
def charters(draw: st.DrawFn, bits: int) -> tuple[StatementSet, tuple[int, ...]]:
    """A small statement set with values that satisfy it."""
    count = draw(st.integers(1, 4))
    bounds = [draw(st.integers(1, 1 << draw(st.sampled_from((1, 4, 9, 20))))) for _ in range(count)]
    values = [draw(st.integers(0, bound)) for bound in bounds]
    enc = [True, *(draw(st.booleans()) for _ in range(count - 1))]
    coefs = st.integers(-3, 3).filter(bool)

    def form() -> dict[int, int]:
        indices = draw(st.sets(st.integers(0, count - 1), min_size=1))
        return {index: draw(coefs) for index in indices}

    ranges: list[Range] = []
    for _ in range(draw(st.integers(0, 2))):
        pairs = form()
        reached = draw(st.integers(0, 40))
        constant = reached - linear_form(pairs).at(values)
        ranges.append(Range(linear_form(pairs, constant), reached + draw(st.integers(0, 40))))
    equalities = []
    for _ in range(draw(st.integers(0, 2))):
        pairs = form()
        equalities.append(Equality(linear_form(pairs, -linear_form(pairs).at(values))))
    products: list[Product] = []
    if draw(st.booleans()):
        x, y = draw(st.integers(0, count - 1)), draw(st.integers(0, count - 1))
        bounds.append(bounds[x] * bounds[y])
        values.append(values[x] * values[y])
        enc.append(draw(st.booleans()))
        products.append(multiplication(x, y, len(bounds) - 1))
    base = draw(st.sampled_from((0, 2, 4, 16)))
    if draw(st.booleans()):
        x = draw(st.integers(0, count - 1))
        threshold = draw(st.integers(1, bounds[x]))
        bounds.append(1)
        values.append(int(values[x] >= threshold))
        enc.append(draw(st.booleans()))
        ranges += comparison(x, len(bounds) - 1, threshold, bounds[x], base or 2)
    statements = StatementSet(
        tuple(map(Value, bounds, enc)),
        tuple(ranges),
        tuple(equalities),
        tuple(products),
        base=base,
        headroom_bits=draw(st.integers(1, 16)),
        modulus_bits=bits,
    )
    return statements, tuple(values)
