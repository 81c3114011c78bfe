"""What a worker computes (docs/spec/engine.md, EN1): functions from bytes to bytes, without state.

A task holds public values alone, and its types have no place for others.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from fermata.crypto.integers import int_to_bytes
from fermata.crypto.paillier import EncryptionTable, PublicKey, product
from fermata.crypto.report.batch import BatchItem, verify_apart
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.codec import SealedProof, exponent_response_bits
from fermata.crypto.report.statements import (
    Equality,
    LinearForm,
    Product,
    Range,
    StatementSet,
    Value,
)
from fermata.errors import VerificationError
from fermata.node.process import code_sha256

HOLDS, FAILS = b"+", b"-"
#: Of a worker whose code is another, or to whom the bytes are no task.
OTHER = b"other"
#: The package whose code says what holds.
CODE = ("crypto",)

#: Coefficients by index, and the constant; numbers of any length are decimals.
Form = tuple[tuple[tuple[int, str], ...], str]


class Statements(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ``StatementSet``."""

    values: tuple[tuple[str, bool], ...]
    ranges: tuple[tuple[Form, str], ...]
    equalities: tuple[Form, ...]
    products: tuple[tuple[Form, Form, Form], ...]
    base: int
    headroom_bits: int
    modulus_bits: int


class Panel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One panel of one report, as ``BatchItem`` has it; ``statements`` is a place in the task's."""

    statements: int
    context: tuple[bytes, bytes, bytes]
    open_part: bytes
    ciphertexts: tuple[bytes, ...]
    announcements: tuple[bytes, ...]
    exponents: tuple[bytes, ...]


class CheckTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Panels of reports under one key; each set of statements is there once, and encoded."""

    code: bytes
    modulus: bytes
    statements: tuple[bytes, ...]
    panels: tuple[Panel, ...]


class MultiplyTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ciphertexts of one product, each of the width of a number mod n^2."""

    code: bytes
    modulus: bytes
    factors: tuple[bytes, ...]


def checking_code() -> bytes:
    """The digest of the code that checks: another version may take another proof for true."""
    return code_sha256(CODE)


def check_task(public_key: PublicKey, items: Sequence[BatchItem]) -> bytes:
    """The task of some panels of reports. Raises ValueError for one without a sealed part."""
    sets: dict[bytes, int] = {}
    panels = []
    for item in items:
        if item.sealed is None:
            raise ValueError("a report must have a sealed part here, got none")
        place = sets.setdefault(_statements_bytes(item.statements), len(sets))
        panels.append(
            Panel(
                place,
                item.context.parts,
                item.open_part,
                item.sealed.ciphertexts,
                item.sealed.announcements,
                item.sealed.exponents,
            )
        )
    task = CheckTask(checking_code(), _modulus(public_key), tuple(sets), tuple(panels))
    return msgspec.msgpack.encode(task)


def prepare_task(public_key: PublicKey, statements: StatementSet) -> bytes:
    """The task of no panel: it makes the table that checks of these statements go by."""
    sets = (_statements_bytes(statements),)
    return msgspec.msgpack.encode(CheckTask(checking_code(), _modulus(public_key), sets, ()))


def answer_check(data: bytes) -> bytes:
    """HOLDS or FAILS for each panel of the task, as each does alone; or OTHER if it cannot say.

    Raises nothing: whatever bytes come are answered.
    """
    try:
        task = msgspec.msgpack.decode(data, type=CheckTask)
        if task.code != checking_code() or not task.statements:
            return OTHER
        public_key = _key(task.modulus)
        sets = [_statements_of(encoded) for encoded in task.statements]
        items = [_item_of(panel, sets) for panel in task.panels]
    except (msgspec.DecodeError, ValueError, IndexError, VerificationError):
        return OTHER
    table = _table(task.modulus, max(map(exponent_response_bits, sets)))
    failures = verify_apart(public_key, items, table)
    return b"".join(FAILS if place in failures else HOLDS for place in range(len(items)))


def _item_of(panel: Panel, sets: Sequence[StatementSet]) -> BatchItem:
    sealed = SealedProof(panel.ciphertexts, panel.announcements, panel.exponents)
    return BatchItem(sets[panel.statements], Context(*panel.context), panel.open_part, sealed)


def multiply_task(public_key: PublicKey, factors: tuple[int, ...]) -> bytes:
    """The task of a product mod n^2, or of a part of one."""
    width = public_key.ciphertext_width
    encoded = tuple(int_to_bytes(factor, width) for factor in factors)
    return msgspec.msgpack.encode(MultiplyTask(checking_code(), _modulus(public_key), encoded))


def answer_multiply(data: bytes) -> bytes:
    """The product, of the width of a number mod n^2, or OTHER. Raises nothing."""
    try:
        task = msgspec.msgpack.decode(data, type=MultiplyTask)
        if task.code != checking_code():
            return OTHER
        public_key = _key(task.modulus)
        made = product(public_key, (int.from_bytes(factor, "big") for factor in task.factors))
    except (msgspec.DecodeError, ValueError):
        return OTHER
    return int_to_bytes(made, public_key.ciphertext_width)


def _modulus(public_key: PublicKey) -> bytes:
    return int_to_bytes(public_key.n, public_key.modulus_width)


@lru_cache(maxsize=8)
def _key(modulus: bytes) -> PublicKey:
    return PublicKey(int.from_bytes(modulus, "big"))


@lru_cache(maxsize=8)
def _table(modulus: bytes, exponent_bits: int) -> EncryptionTable:
    """Made once for a key, as at the door of a node without workers."""
    return EncryptionTable(_key(modulus), exponent_bits)


@lru_cache(maxsize=64)
def _statements_bytes(statements: StatementSet) -> bytes:
    wire = Statements(
        tuple((str(value.bound), value.enc) for value in statements.values),
        tuple((_form_to_wire(claim.form), str(claim.bound)) for claim in statements.ranges),
        tuple(_form_to_wire(claim.form) for claim in statements.equalities),
        tuple(
            (_form_to_wire(p.a), _form_to_wire(p.b), _form_to_wire(p.c))
            for p in statements.products
        ),
        statements.base,
        statements.headroom_bits,
        statements.modulus_bits,
    )
    return msgspec.msgpack.encode(wire)


@lru_cache(maxsize=64)
def _statements_of(data: bytes) -> StatementSet:
    wire = msgspec.msgpack.decode(data, type=Statements)
    return StatementSet(
        tuple(Value(int(bound), enc) for bound, enc in wire.values),
        tuple(Range(_form(form), int(bound)) for form, bound in wire.ranges),
        tuple(Equality(_form(form)) for form in wire.equalities),
        tuple(Product(_form(a), _form(b), _form(c)) for a, b, c in wire.products),
        wire.base,
        wire.headroom_bits,
        wire.modulus_bits,
    )


def _form_to_wire(form: LinearForm) -> Form:
    return tuple((index, str(coef)) for index, coef in form.coefficients), str(form.constant)


def _form(wire: Form) -> LinearForm:
    coefficients, constant = wire
    return LinearForm(tuple((index, int(coef)) for index, coef in coefficients), int(constant))
