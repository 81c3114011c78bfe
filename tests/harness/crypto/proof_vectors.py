"""Cases of tests/vectors/report_proof.json as the product's own types."""

from typing import Any

from fermata.crypto.paillier import PublicKey
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.codec import SealedProof
from fermata.crypto.report.statements import (
    Equality,
    LinearForm,
    Product,
    Range,
    StatementSet,
    Value,
)


def form(fields: dict[str, Any]) -> LinearForm:
    pairs = tuple((index, int(coef)) for index, coef in fields["coefficients"])
    return LinearForm(pairs, int(fields["constant"]))


def statements_of(fields: dict[str, Any]) -> StatementSet:
    return StatementSet(
        tuple(Value(int(v["bound"]), v["enc"]) for v in fields["values"]),
        tuple(Range(form(r), int(r["bound"])) for r in fields["ranges"]),
        tuple(Equality(form(e)) for e in fields["equalities"]),
        tuple(Product(form(p["a"]), form(p["b"]), form(p["c"])) for p in fields["products"]),
        base=fields["base"],
        headroom_bits=fields["headroom_bits"],
        modulus_bits=fields["modulus_bits"],
    )


def inputs(case: dict[str, Any]) -> tuple[StatementSet, PublicKey, Context, bytes, SealedProof]:
    sealed = {
        name: tuple(bytes.fromhex(data) for data in found) for name, found in case["sealed"].items()
    }
    return (
        statements_of(case["statements"]),
        PublicKey(int(case["n"], 16)),
        Context(*(bytes.fromhex(case[k]) for k in ("charter_hash", "round_id", "lab_id"))),
        bytes.fromhex(case["open_part"]),
        SealedProof(**sealed),
    )
