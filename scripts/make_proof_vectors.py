"""Writes tests/vectors/report_proof*.json: known answers for report proofs.

    PYTHONPATH=tests python scripts/make_proof_vectors.py [--check]

``report_proof.json`` has proofs from fixed seeds under a modulus of 512 bits, which is far too
short for use, with their challenges. Each ``report_proof_bad_*.json`` replaces values of one case
and says how a verifier must answer; each ``report_proof_also_*.json`` replaces values, and the
proof still holds. ``--check`` writes nothing and fails on a difference.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fermata.crypto.group import Q, generators, hash_generator, point_to_bytes
from fermata.crypto.integers import random_prime
from fermata.crypto.paillier import PublicKey
from fermata.crypto.report.argument import Witness, make_witness
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.codec import open_from_bytes, open_to_bytes, sha256
from fermata.crypto.report.decomposition import cover
from fermata.crypto.report.prover import Report, prove, prove_witness, prover_table
from fermata.crypto.report.statements import (
    LinearForm,
    StatementSet,
    Value,
    comparison,
    compliance,
    multiplication,
    one_hot,
)
from fermata.crypto.report.verifier import parse_open, verify
from fermata.crypto.threshold.dealer import deal
from harness.crypto.factors import FactorProver
from harness.crypto.torsion import TorsionProver, library_point, point_names, torsion_points
from vectors.common import SeededEntropy, run, text_of

SEED = "fermata report proof vectors 1"
BITS = 512
CONTEXT = Context(sha256(b"fermata report proof vectors"), b"round 7", b"lab-a")
#: Two figures, their product, whether the first reaches 100, two classes, a limit.
MIXED = (Value(300), Value(20), Value(6000), Value(1), Value(1, enc=False), Value(1))
MIXED_VALUES = (250, 20, 5000, 1, 0, 1)
GENERATORS = (("base", 0), ("base", 1), ("base", 2), ("G", 1), ("G", 1024), ("g", 0), ("h", 2047))
COVERS = ((0, 2), (5, 2), (700, 2), (14, 16), (15, 16), (700, 16), (255, 4))


def mixed(base: int) -> StatementSet:
    return StatementSet(
        MIXED,
        ranges=(*comparison(0, 3, 100, 300, base), compliance(1, 20)),
        equalities=(one_hot((4, 5)),),
        products=(multiplication(0, 1, 2),),
        base=base,
        modulus_bits=BITS,
    )


GOOD: dict[str, tuple[StatementSet, tuple[int, ...]]] = {
    "bits only": (mixed(2), MIXED_VALUES),
    "digits of base 16": (mixed(16), MIXED_VALUES),
    "one bit, no fold": (StatementSet((Value(1),), base=2, modulus_bits=BITS), (1,)),
    "two ciphertexts, automatic base": (
        StatementSet((Value(2**100),) * 7, headroom_bits=16, modulus_bits=BITS),
        (2**100, 0, 1, 2**99, 12345, 2**100 - 1, 77),
    ),
}


def cover_json(bound: int, base: int) -> dict[str, Any]:
    found = cover(bound, base)
    return {
        "bound": bound,
        "base": base,
        "weights": list(found.weights),
        "tops": list(found.tops),
    }


def form_json(form: LinearForm) -> dict[str, Any]:
    return {
        "coefficients": [[index, str(coef)] for index, coef in form.coefficients],
        "constant": str(form.constant),
    }


def statements_json(statements: StatementSet) -> dict[str, Any]:
    return {
        "values": [{"bound": str(v.bound), "enc": v.enc} for v in statements.values],
        "ranges": [{**form_json(r.form), "bound": str(r.bound)} for r in statements.ranges],
        "equalities": [form_json(equality.form) for equality in statements.equalities],
        "products": [
            {"a": form_json(p.a), "b": form_json(p.b), "c": form_json(p.c)}
            for p in statements.products
        ],
        "base": statements.base,
        "headroom_bits": statements.headroom_bits,
        "modulus_bits": statements.modulus_bits,
    }


def report_json(report: Report) -> dict[str, Any]:
    sealed = report.sealed
    return {
        "open_part": report.open_part.hex(),
        "sealed": {
            "ciphertexts": [data.hex() for data in sealed.ciphertexts],
            "announcements": [data.hex() for data in sealed.announcements],
            "exponents": [data.hex() for data in sealed.exponents],
        },
    }


def case_json(
    what: str, statements: StatementSet, key: PublicKey, values: Sequence[int], report: Report
) -> dict[str, Any]:
    verify(statements, key, CONTEXT, report.open_part, report.sealed)
    parsed = parse_open(statements, key, CONTEXT, report.open_part)
    found = parsed.challenges
    layout = statements.layout
    return {
        "what": what,
        "statements": statements_json(statements),
        "statement_hash": statements.statement_hash.hex(),
        "layout": {
            "base": layout.base,
            "digits": len(layout.digits),
            "bits": len(layout.bits),
            "size": layout.size,
        },
        "n": f"{key.n:x}",
        "charter_hash": CONTEXT.charter_hash.hex(),
        "round_id": CONTEXT.round_id.hex(),
        "lab_id": CONTEXT.lab_id.hex(),
        "values": [str(value) for value in values],
        "challenges": {
            **{
                name: f"{getattr(found, name):x}"
                for name in ("beta", "y", "z", "x", "rho", "e", "omega")
            },
            "u": [f"{u:x}" for u in found.u],
        },
        "delta": f"{parsed.weights.delta:x}",
        "c": [f"{value:x}" for value in parsed.weights.c],
        **report_json(report),
    }


class Maker:
    """The key, and all that is made with it."""

    def __init__(self) -> None:
        self.key = PublicKey(deal(BITS, 3, 5, SeededEntropy(SEED), b"vectors").record.n)
        entropy = SeededEntropy(SEED)
        self.primes = random_prime(entropy, BITS // 2), random_prime(entropy, BITS // 2)
        self.table = prover_table(self.key, mixed(2))
        self.reports = {
            what: prove(statements, self.table, CONTEXT, values, SeededEntropy(f"{SEED}: {what}"))
            for what, (statements, values) in GOOD.items()
        }

    def good(self) -> dict[str, Any]:
        if self.primes[0] * self.primes[1] != self.key.n:
            raise SystemExit("the dealer no longer draws its primes first")
        return {
            "source": "scripts/make_proof_vectors.py; keys made from a public seed, never to be"
            " used",
            "primes": [f"{prime:x}" for prime in self.primes],
            "generators": {
                f"{kind}/{index}": point_to_bytes(hash_generator(kind, index)).hex()
                for kind, index in GENERATORS
            },
            "covers": [cover_json(bound, base) for bound, base in COVERS],
            "cases": [
                case_json(what, statements, self.key, values, self.reports[what])
                for what, (statements, values) in GOOD.items()
            ],
        }

    def forged(self, what: str, witness: Witness) -> list[list[Any]]:
        """Changes that put the proof of a false witness in the place of the good one."""
        report = prove_witness(
            mixed(16), self.table, CONTEXT, witness, SeededEntropy(f"{SEED}: {what}")
        )
        made = report_json(report)
        return [[["open_part"], made["open_part"]], [["sealed"], made["sealed"]]]

    def false_statements(self) -> dict[str, tuple[list[list[Any]], str, str]]:
        honest = make_witness(mixed(16), MIXED_VALUES)
        offsets = dict(zip(mixed(16).enc_indices, mixed(16).packing.offsets, strict=True))
        changes = {
            "value_above_its_range": (1, 21, "EC3"),
            "value_below_its_range": (1, -1, "EC3"),
            "comparison_bit": (3, 0, "EC3"),
            "one_hot": (5, 0, "EC3"),
            "product": (2, 5001, "EC3"),
        }
        found = {}
        for name, (index, value, reason) in changes.items():
            values = (*MIXED_VALUES[:index], value, *MIXED_VALUES[index + 1 :])
            shift = (value - MIXED_VALUES[index]) << offsets[index][1]
            plaintext = (honest.plaintexts[0] + shift) % self.key.n
            witness = replace(honest, values=values, plaintexts=(plaintext,))
            found[name] = (self.forged(name, witness), "InvalidProof", reason)
        borrow = (honest.plaintexts[0] - (1 << offsets[1][1])) % self.key.n
        for name, plaintext in (
            ("plaintext_off_by_one", honest.plaintexts[0] + 1),
            ("slot_borrow", borrow),
            ("plaintext_minus_one", self.key.n - 1),
        ):
            witness = replace(honest, plaintexts=(plaintext,))
            found[name] = (self.forged(name, witness), "InvalidProof", "PA")
        return found

    def edited(self, **fields: Any) -> list[list[Any]]:
        """A change of the open part, field by field."""
        statements = mixed(16)
        proof = open_from_bytes(statements, self.reports["digits of base 16"].open_part)
        changed = replace(
            proof, **{k: v(getattr(proof, k)) if callable(v) else v for k, v in fields.items()}
        )
        return [[["open_part"], open_to_bytes(statements, changed).hex()]]

    def wrong_numbers(self) -> dict[str, tuple[list[list[Any]], str, str]]:
        def more(value: int) -> int:
            return (value + 1) % Q

        g = generators("base")[0]
        invalid = "InvalidProof"
        proof = open_from_bytes(mixed(16), self.reports["digits of base 16"].open_part)
        return {
            "w_plus_g": (self.edited(w=lambda p: p + g), invalid, "EC1"),
            "a1_negated": (self.edited(a1=lambda p: -p), invalid, "EC1"),
            "a2_is_s": (self.edited(a2=proof.s, s=proof.a2), invalid, "EC1"),
            "t1_plus_g": (
                self.edited(t=lambda t: (t[0], t[1] + g, *t[2:])),
                invalid,
                "EC1",
            ),
            "de_plus_g": (self.edited(de=lambda p: p + g), invalid, "EC3"),
            "z_plus_one": (self.edited(z=lambda z: (z[0] + 1, *z[1:])), invalid, "EC3"),
            "th_plus_one": (self.edited(th=more), invalid, "EC3"),
            "t_hat_plus_one": (self.edited(t_hat=more), invalid, "EC1"),
            "tau_x_plus_one": (self.edited(tau_x=more), invalid, "EC1"),
            "mu_plus_one": (self.edited(mu=more), invalid, "EC2"),
            "folds_swapped": (self.edited(folds=lambda f: f[::-1]), invalid, "EC2"),
            "final_vectors_swapped": (
                self.edited(left=proof.right, right=proof.left),
                invalid,
                "EC2",
            ),
        }

    def bad_bytes(self) -> dict[str, tuple[list[list[Any]], str, str]]:
        good = self.reports["digits of base 16"]
        data, encoding = good.open_part, "InvalidEncoding"

        def opened(at: int, new: bytes) -> list[list[Any]]:
            return [[["open_part"], (data[:at] + new + data[at + len(new) :]).hex()]]

        # W is the first point, after the digest of the one ciphertext; z_0 follows six others.
        z_at = 32 + 10 * 48 + 32
        return {
            "open_part_empty": ([[["open_part"], ""]], encoding, "PROOF_LENGTH"),
            "open_part_short": ([[["open_part"], data[:-1].hex()]], encoding, "PROOF_LENGTH"),
            "open_part_long": ([[["open_part"], (data + b"\0").hex()]], encoding, "PROOF_LENGTH"),
            "point_identity": (opened(32, b"\xc0" + bytes(47)), encoding, "POINT"),
            "point_identity_negated": (opened(32, b"\xe0" + bytes(47)), encoding, "POINT"),
            "point_off_the_curve": (opened(32, b"\x80" + bytes(46) + b"\1"), encoding, "POINT"),
            "point_outside_subgroup": (
                opened(32, b"\x80" + bytes(46) + b"\4"),
                "InvalidProof",
                "EC1",
            ),
            "point_uncompressed": (opened(32, bytes([data[32] & 0x7F])), encoding, "POINT"),
            "scalar_is_q": (
                opened(len(data) - 32, Q.to_bytes(32, "little")),
                encoding,
                "SCALAR",
            ),
            "response_too_long": (
                opened(z_at, (1 << 9 + 144).to_bytes(20, "little")),
                encoding,
                "RESPONSE",
            ),
        }

    def sealed_field(self, name: str, new: bytes) -> list[list[Any]]:
        """A change of a sealed field and of its digest in the open part."""
        digests = {
            "ciphertexts": "ciphertext_digests",
            "announcements": "announcement_digests",
            "exponents": "exponent_digests",
        }
        edited = self.edited(**{digests[name]: (sha256(new),)})
        return [*edited, [["sealed", name, 0], new.hex()]]

    def bad_sealed(self) -> dict[str, tuple[list[list[Any]], str, str]]:
        n, width = self.key.n, self.key.ciphertext_width
        sealed = self.reports["digits of base 16"].sealed
        good = int.from_bytes(sealed.ciphertexts[0], "big")
        encoding = "InvalidEncoding"

        def number(value: int, name: str = "ciphertexts", size: int = width) -> list[list[Any]]:
            return self.sealed_field(name, value.to_bytes(size, "big"))

        return {
            "ciphertext_of_another_report": (
                [[["sealed", "ciphertexts", 0], (n * n - good).to_bytes(width, "big").hex()]],
                "InvalidProof",
                "SEALED_DIGEST",
            ),
            "ciphertext_squared": (number(good * good % (n * n)), "InvalidProof", "EC1"),
            "ciphertext_zero": (number(0), encoding, "CT_RANGE"),
            "ciphertext_n_squared": (number(n * n), encoding, "CT_RANGE"),
            "ciphertext_not_unit": (number(5 * self.primes[0]), encoding, "CT_NOT_UNIT"),
            "ciphertext_unblinded": (number(1 + 77 * n), encoding, "CT_UNBLINDED"),
            "ciphertext_padded": (number(good, size=width + 1), encoding, "CT_ENCODING"),
            "announcement_zero": (number(0, "announcements"), encoding, "ANNOUNCEMENT"),
            "announcement_not_unit": (
                number(5 * self.primes[1], "announcements"),
                encoding,
                "ANNOUNCEMENT",
            ),
            "exponent_padded": (
                self.sealed_field("exponents", sealed.exponents[0] + b"\0"),
                encoding,
                "RESPONSE",
            ),
            "sealed_part_empty": (
                [[["sealed"], {"ciphertexts": [], "announcements": [], "exponents": []}]],
                encoding,
                "SEALED_LENGTH",
            ),
        }

    def wrong_inputs(self) -> dict[str, tuple[list[list[Any]], str, str]]:
        limit = ["statements", "ranges", 2, "bound"]
        constant = ["statements", "equalities", 0, "constant"]
        threshold = ["statements", "headroom_bits"]
        invalid = "InvalidProof"
        short = deal(256, 3, 5, SeededEntropy(SEED), b"vectors").record.n
        return {
            "lab_of_another": ([[["lab_id"], b"lab-b".hex()]], invalid, "EC1"),
            "round_of_another": ([[["round_id"], b"round 8".hex()]], invalid, "EC1"),
            "charter_of_another": ([[["charter_hash"], bytes(32).hex()]], invalid, "EC1"),
            "lab_and_round_swapped": (
                [
                    [["lab_id"], CONTEXT.round_id.hex()],
                    [["round_id"], CONTEXT.lab_id.hex()],
                ],
                invalid,
                "EC1",
            ),
            "key_too_short": ([[["n"], f"{short:x}"]], invalid, "KEY_LENGTH"),
            "limit_one_lower": ([[limit, "19"]], invalid, "EC1"),
            "equality_of_two": ([[constant, "-2"]], invalid, "EC1"),
            "headroom_one_more": ([[threshold, 11]], invalid, "EC1"),
            "wrapping_form": ([[constant, str(Q // 4)]], "InvalidEncoding", "STATEMENT_WRAP"),
            "bound_of_108_bits": (
                [[["statements", "values", 1, "bound"], str(1 << 107)]],
                "InvalidEncoding",
                "STATEMENT_VALUE",
            ),
        }

    def also_good(self) -> dict[str, list[list[Any]]]:
        """Changes that the relation does not look at, by name."""
        statements = mixed(16)
        witness = make_witness(statements, MIXED_VALUES)
        names = point_names(statements)
        torsion = [library_point(point) for point in torsion_points(len(names))]
        shifts = {f"in_{name}": {name: part} for name, part in zip(names, torsion, strict=True)}
        shifts["everywhere"] = dict(zip(names, reversed(torsion), strict=True))
        found = {}
        for name, moved in shifts.items():
            entropy = SeededEntropy(f"{SEED}: torsion {name}")
            prover = TorsionProver(statements, self.table, CONTEXT, witness, entropy, moved)
            made = report_json(prover.report())
            found[f"torsion_{name}"] = [
                [["open_part"], made["open_part"]],
                [["sealed"], made["sealed"]],
            ]
        for name, fields in (
            ("announcement_negated", {"announcements"}),
            ("ciphertext_negated", {"ciphertexts"}),
            ("both_negated", {"announcements", "ciphertexts"}),
        ):
            entropy = SeededEntropy(f"{SEED}: {name}")
            factors = dict.fromkeys(fields, -1)
            negating = FactorProver(statements, self.table, CONTEXT, witness, entropy, factors)
            made = report_json(negating.report())
            found[name] = [[["open_part"], made["open_part"]], [["sealed"], made["sealed"]]]
        return found

    def changed(self) -> dict[str, Any]:
        every = {
            **self.false_statements(),
            **self.wrong_numbers(),
            **self.bad_bytes(),
            **self.bad_sealed(),
            **self.wrong_inputs(),
        }
        files = {
            f"report_proof_bad_{name}.json": _changed(changes, {"error": error, "reason": reason})
            for name, (changes, error, reason) in every.items()
        }
        for name, changes in self.also_good().items():
            files[f"report_proof_also_{name}.json"] = _changed(changes, None)
        return files


def _changed(changes: list[list[Any]], refused: dict[str, str] | None) -> dict[str, Any]:
    return {
        "of": "report_proof.json",
        "case": list(GOOD).index("digits of base 16"),
        "changes": [{"replace": path, "by": value} for path, value in changes],
        "refused": refused,
    }


def make() -> dict[str, str]:
    maker = Maker()
    files = {"report_proof.json": maker.good(), **maker.changed()}
    return {name: text_of(vector) for name, vector in files.items()}


if __name__ == "__main__":
    run(__doc__, "report_proof*.json", make)
