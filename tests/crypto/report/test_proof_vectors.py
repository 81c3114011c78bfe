"""Known answers for report proofs, good ones and some with one defect each."""

import json
from pathlib import Path
from typing import Any

import pytest

from fermata import errors
from fermata.crypto.group import hash_generator, point_to_bytes
from fermata.crypto.integers import lcm
from fermata.crypto.report.batch import BatchItem, InvalidBatch, verify_batch
from fermata.crypto.report.decomposition import cover
from fermata.crypto.report.link import packed
from fermata.crypto.report.verifier import parse_open, verify, verify_open
from harness.crypto.keys import VECTORS
from harness.crypto.proof_vectors import inputs
from harness.crypto.proof_world import CONTEXT
from harness.crypto.torsion import point_names
from harness.spec.changed_vector import changed_vector

ROOT = Path(__file__).parents[3]
GOOD = json.loads((VECTORS / "report_proof.json").read_text())
BAD = sorted(path.name for path in VECTORS.glob("report_proof_bad_*.json"))
ALSO_GOOD = sorted(path.name for path in VECTORS.glob("report_proof_also_*.json"))
NAMES = [case["what"] for case in GOOD["cases"]]


@pytest.mark.parametrize("case", GOOD["cases"], ids=NAMES)
def test_a_good_report_proof_is_accepted(case: dict[str, Any]) -> None:
    statements, key, context, open_part, sealed = inputs(case)
    verify(statements, key, context, open_part, sealed)
    verify_open(statements, key, context, open_part)
    parsed = parse_open(statements, key, context, open_part)
    for name, value in case["challenges"].items():
        found = getattr(parsed.challenges, name)
        assert found == (tuple(int(u, 16) for u in value) if name == "u" else int(value, 16))
    assert statements.statement_hash.hex() == case["statement_hash"]
    assert parsed.weights.delta == int(case["delta"], 16)
    assert parsed.weights.c == [int(value, 16) for value in case["c"]]
    layout = statements.layout
    assert [layout.base, len(layout.digits), len(layout.bits), layout.size] == list(
        case["layout"].values()
    )


@pytest.mark.parametrize("case", GOOD["cases"], ids=NAMES)
def test_the_ciphertexts_of_a_good_report_proof_hold_its_values(case: dict[str, Any]) -> None:
    statements, key, _, _, sealed = inputs(case)
    p, q = (int(prime, 16) for prime in GOOD["primes"])
    exponent = lcm(p - 1, q - 1)
    plaintexts = [
        (pow(int.from_bytes(data, "big"), exponent, key.n_squared) - 1)
        // key.n
        * pow(exponent, -1, key.n)
        % key.n
        for data in sealed.ciphertexts
    ]
    assert plaintexts == packed(statements, [int(value) for value in case["values"]])


def test_the_good_report_proofs_are_accepted_as_one_batch() -> None:
    cases = [inputs(case) for case in GOOD["cases"]]
    items = [BatchItem(s, c, open_part, sealed) for s, _, c, open_part, sealed in cases]
    verify_batch(cases[0][1], items, b"\x5a" * 32)
    moved = [BatchItem(item.statements, CONTEXT, item.open_part, item.sealed) for item in items[:1]]
    with pytest.raises(InvalidBatch):
        verify_batch(cases[0][1], items + moved, b"\x5a" * 32)


def test_generators_and_covers_are_those_of_the_vectors() -> None:
    for name, encoded in GOOD["generators"].items():
        kind, index = name.split("/")
        assert point_to_bytes(hash_generator(kind, int(index))).hex() == encoded
    for fields in GOOD["covers"]:
        found = cover(fields["bound"], fields["base"])
        assert (list(found.weights), list(found.tops)) == (fields["weights"], fields["tops"])


def test_there_is_a_vector_for_every_kind_of_defect_of_a_report_proof() -> None:
    assert len(BAD) == 51


def changed(name: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    return changed_vector(name, "report_proof.json")


def test_there_is_a_vector_for_a_part_of_small_order_in_every_point() -> None:
    statements, *_ = inputs(changed(ALSO_GOOD[0])[0])
    named = {f"report_proof_also_torsion_in_{name}.json" for name in point_names(statements)}
    assert named <= set(ALSO_GOOD)


@pytest.mark.parametrize("name", ALSO_GOOD)
def test_a_report_proof_that_holds_in_the_relation_alone_is_accepted(name: str) -> None:
    case, refused = changed(name)
    assert refused is None
    statements, key, context, open_part, sealed = inputs(case)
    verify(statements, key, context, open_part, sealed)
    verify_open(statements, key, context, open_part)
    good = inputs(GOOD["cases"][0])
    items = [
        BatchItem(good[0], good[2], good[3], good[4]),
        BatchItem(statements, context, open_part, sealed),
    ]
    for byte in (b"\x05", b"\x06", b"\x07"):
        verify_batch(key, items, byte * 32)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_report_proof_gets_the_answer_it_names(name: str) -> None:
    case, refused = changed(name)
    assert refused is not None
    with pytest.raises(errors.VerificationError) as error:
        verify(*inputs(case))
    assert type(error.value) is getattr(errors, refused["error"])
    assert error.value.reason == refused["reason"]
