"""Writes tests/vectors/value_opening.json: one value of a report opened to an auditor (R11).

    PYTHONPATH=tests:scripts python scripts/vectors/make_value_vectors.py [--check]

The report is a case of report_proof.json. Each element of ``bad`` replaces values of the good
opening, and says how a verifier must answer; those of ``also`` hold.
"""

from dataclasses import replace
from typing import Any

from common import SeededEntropy, run, text_of

from fermata.crypto.group import POINT_BYTES, Q, point_to_bytes, scalar_to_bytes
from fermata.crypto.report.argument import commit_values, random_scalars
from fermata.crypto.report.codec import open_from_bytes
from fermata.crypto.report.value_opening import ValueClaim, _challenge, prove_value, verify_value
from harness.crypto.torsion import library_point, torsion_points
from make_proof_vectors import CONTEXT, GOOD, MIXED_VALUES, SEED, Maker, mixed

CASE = "digits of base 16"
INDEX, AUDITOR = 1, "auditor-1"
Bad = tuple[str, dict[str, Any], str, str]


def bad_ones(proof: bytes, w_of_another: bytes) -> list[Bad]:
    """What each is, the fields that it replaces, and the answer."""
    encoding, invalid = "InvalidEncoding", "InvalidProof"
    last = int.from_bytes(proof[-32:], "little")
    return [
        ("value above its range", {"value": "21"}, invalid, "VALUE_RANGE"),
        ("value below its range", {"value": "-1"}, invalid, "VALUE_RANGE"),
        ("value one less", {"value": "19"}, invalid, "VALUE_OPENING"),
        ("the value of another place", {"index": 0, "value": "250"}, invalid, "VALUE_OPENING"),
        ("to another auditor", {"auditor": "auditor-2"}, invalid, "VALUE_OPENING"),
        ("of another lab", {"lab_id": b"lab-b".hex()}, invalid, "VALUE_OPENING"),
        ("of another round", {"round_id": b"round 8".hex()}, invalid, "VALUE_OPENING"),
        ("under another charter", {"charter_hash": bytes(32).hex()}, invalid, "VALUE_OPENING"),
        ("of another report", {"W": w_of_another.hex()}, invalid, "VALUE_OPENING"),
        ("a byte short", {"proof": proof[:-1].hex()}, encoding, "PROOF_LENGTH"),
        ("a scalar too long", {"proof": (proof + bytes(32)).hex()}, encoding, "PROOF_LENGTH"),
        (
            "the announcement is the identity",
            {"proof": (b"\xc0" + bytes(47) + proof[POINT_BYTES:]).hex()},
            encoding,
            "POINT",
        ),
        (
            "a scalar is q",
            {"proof": (proof[:-32] + Q.to_bytes(32, "little")).hex()},
            encoding,
            "SCALAR",
        ),
        (
            "a response one more",
            {"proof": (proof[:-32] + ((last + 1) % Q).to_bytes(32, "little")).hex()},
            invalid,
            "VALUE_OPENING",
        ),
    ]


def also_good(claim: ValueClaim, gamma: int) -> list[dict[str, Any]]:
    """The same opening by a lab whose W, announcement or both have parts outside GG."""
    statements = mixed(16)
    part = library_point(torsion_points(1)[0])
    found = []
    for what, in_w, in_announcement in (
        ("W has a part of order 3", True, False),
        ("the announcement has a part of order 3", False, True),
        ("both have a part of order 3", True, True),
    ):
        moved = replace(claim, w=claim.w + part) if in_w else claim
        masks = random_scalars(SeededEntropy(f"{SEED}: {what}"), len(MIXED_VALUES) + 1)
        masks[INDEX] = 0
        point = commit_values(masks[-1], masks[:-1])
        announcement = point_to_bytes(point + part if in_announcement else point)
        e = _challenge(statements, moved, announcement)
        witness = (*MIXED_VALUES, gamma)
        responses = [(mask + e * w) % Q for mask, w in zip(masks, witness, strict=True)]
        del responses[INDEX]
        proof = b"".join((announcement, *map(scalar_to_bytes, responses)))
        verify_value(statements, moved, proof)
        fields = {"W": point_to_bytes(moved.w).hex()} if in_w else {}
        found.append({"what": what, "replace": {**fields, "proof": proof.hex()}})
    return found


def make() -> dict[str, str]:
    maker, statements = Maker(), mixed(16)
    report, another = maker.reports[CASE], maker.reports["bits only"]
    w = open_from_bytes(statements, report.open_part).w
    claim = ValueClaim(CONTEXT, w, INDEX, MIXED_VALUES[INDEX], AUDITOR.encode())
    entropy = SeededEntropy(f"{SEED}: value opening")
    proof = prove_value(statements, claim, MIXED_VALUES, report.gamma, entropy)
    verify_value(statements, claim, proof)
    document = {
        "what": "one value of a report, opened to one auditor (docs/spec/proof.md, R11)",
        "source": "scripts/vectors/make_value_vectors.py; from a public seed",
        "of": "report_proof.json",
        "case": list(GOOD).index(CASE),
        "charter_hash": CONTEXT.charter_hash.hex(),
        "statement_hash": statements.statement_hash.hex(),
        "round_id": CONTEXT.round_id.hex(),
        "lab_id": CONTEXT.lab_id.hex(),
        "W": point_to_bytes(w).hex(),
        "index": INDEX,
        "value": str(claim.value),
        "auditor": AUDITOR,
        "gamma": f"{report.gamma:x}",
        "e": f"{_challenge(statements, claim, proof[:POINT_BYTES]):x}",
        "proof": proof.hex(),
        "also": also_good(claim, report.gamma),
        "bad": [
            {"what": what, "replace": fields, "refused": {"error": error, "reason": reason}}
            for what, fields, error, reason in bad_ones(
                proof, point_to_bytes(open_from_bytes(mixed(2), another.open_part).w)
            )
        ],
    }
    return {"value_opening.json": text_of(document)}


if __name__ == "__main__":
    run(__doc__, "value_opening.json", make)
