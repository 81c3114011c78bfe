"""Proofs of reports at the door of the log: what does not hold is refused, and not logged."""

import functools
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.report.argument import Witness
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.statements import StatementSet
from fermata.errors import VerificationError
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.wire.codec import sha256
from fermata.types import Role
from fermata.wire.v1 import statement_pb2
from harness.chains import Chain, chain_at, make_deployment
from harness.forged import (
    door_of,
    false_values,
    forged,
    other_plaintexts,
    sealed_of,
    set_digest,
    with_sealed,
)

Statement = statement_pb2.Statement
DEPLOYMENT = make_deployment()
N = DEPLOYMENT.record.n


@functools.cache
def collecting_once() -> Chain:
    """Round 1 is open; nothing is added to this one, so that its keys and door serve all tests."""
    return chain_at("collecting")


@functools.cache
def door() -> LogWriter:
    return door_of(collecting_once())


@functools.cache
def honest(lab: str, number: int = 1) -> bytes:
    """A report of a lab, as the lab would make it; ``number`` tells several apart."""
    return collecting_once().report_statement(lab).SerializeToString()


def report_of(lab: str, number: int = 1) -> Statement:
    return Statement.FromString(honest(lab, number))


def refused_at_the_door(statement: Statement, *reasons: str) -> None:
    """Refused, and the log is what it was."""
    chain, ledger = collecting_once(), door()
    before = ledger.state, ledger.size(), ledger.checkpoint()
    sealed = chain.fetch(statement.report.sealed_sha256)
    with pytest.raises(VerificationError) as caught:
        ledger.append_as(Role.LAB, statement.author, chain.seal(statement), sealed)
    assert caught.value.reason in reasons, caught.value.reason
    assert (ledger.state, ledger.size(), ledger.checkpoint()) == before
    assert ledger.replica.rejected == []


EQUATIONS = ("EC1", "EC2", "EC3")

# Whose proof it is.


def test_an_honest_report_passes_the_door() -> None:
    chain, ledger = collecting_once(), door_of(collecting_once())
    statement = report_of("lab-2")
    sealed = chain.fetch(statement.report.sealed_sha256)
    ledger.append_as(Role.LAB, "lab-2", chain.seal(statement), sealed)
    assert set(ledger.state.rounds[0].reports) == {"lab-2"}


def test_a_report_of_another_lab_is_refused_at_the_door() -> None:
    statement = report_of("lab-2")
    statement.author = "lab-3"
    refused_at_the_door(statement, *EQUATIONS)


def test_a_report_of_another_round_is_refused_at_the_door() -> None:
    def other_round(right: Context) -> Context:
        return replace(right, round_id=(2).to_bytes(8, "big") + right.round_id[8:])

    refused_at_the_door(forged(collecting_once(), "lab-2", context=other_round), *EQUATIONS)


@pytest.mark.parametrize("field", ["charter_hash", "round_id", "lab_id"])
def test_a_proof_in_any_other_context_is_refused_at_the_door(field: str) -> None:
    def other(right: Context) -> Context:
        return replace(right, **{field: getattr(right, field) + b"x"})

    refused_at_the_door(forged(collecting_once(), "lab-2", context=other), *EQUATIONS)


def test_a_report_under_another_key_is_refused_at_the_door() -> None:
    table = make_deployment(seed=1).table
    statement = forged(collecting_once(), "lab-2", table=table)
    refused_at_the_door(statement, *EQUATIONS, "CT_RANGE", "ANNOUNCEMENT")


def test_a_proof_of_another_panel_is_refused_at_the_door() -> None:
    def moved(right: Context) -> Context:
        other = b"beta" if right.round_id.endswith(b"alpha") else b"alpha"
        return replace(right, round_id=right.round_id[:8] + other)

    refused_at_the_door(forged(collecting_once(), "lab-2", context=moved), *EQUATIONS)
    statement = report_of("lab-2")
    alpha, beta = statement.report.parts
    alpha.proof, beta.proof = beta.proof, alpha.proof
    refused_at_the_door(statement, "PROOF_DIGEST")


def test_a_report_mixed_of_two_labs_is_refused_at_the_door() -> None:
    chain, mine, theirs = collecting_once(), report_of("lab-2"), report_of("lab-3")
    sealed = sealed_of(chain, mine)
    sealed.panels[1].CopyFrom(sealed_of(chain, theirs).panels[1])
    mine.report.parts[1].CopyFrom(theirs.report.parts[1])
    refused_at_the_door(with_sealed(chain, mine, sealed), *EQUATIONS)


def test_a_proof_with_the_ciphertexts_of_another_report_is_refused_at_the_door() -> None:
    chain, one, two = collecting_once(), report_of("lab-2"), report_of("lab-2", 2)
    other = sealed_of(chain, two)
    sealed = sealed_of(chain, one)
    for position, digest in enumerate(two.report.parts[1].ciphertext_sha256):
        set_digest(one.report.parts[1], position, digest)
    sealed.panels[1].ciphertexts[:] = other.panels[1].ciphertexts
    refused_at_the_door(with_sealed(chain, one, sealed), *EQUATIONS)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c * pow(12345, N, N * N),
        lambda c: c * c,
        lambda c: pow(c, -1, N * N),
        lambda c: c * (1 + N),
        lambda c: N * N - c,
    ],
    ids=["re-randomised", "squared", "inverted", "plus one", "negated"],
)
@pytest.mark.parametrize("author", ["lab-2", "lab-3"])
@pytest.mark.parametrize("is_renamed", [True, False])
def test_a_changed_copy_with_the_original_proof_is_refused_at_the_door(
    change: Callable[[int], int], author: str, is_renamed: bool
) -> None:
    chain, statement = collecting_once(), report_of("lab-2")
    statement.author = author
    sealed = sealed_of(chain, statement)
    for panel, part in zip(sealed.panels, statement.report.parts, strict=True):
        for i, data in enumerate(panel.ciphertexts):
            number = change(int.from_bytes(data, "big")) % (N * N)
            panel.ciphertexts[i] = number.to_bytes(128, "big")
            if is_renamed:
                set_digest(part, i, sha256(panel.ciphertexts[i]))
    reasons = EQUATIONS if is_renamed else ("SEALED_DIGEST",)
    refused_at_the_door(with_sealed(chain, statement, sealed), *reasons)


# What it proves.


@pytest.mark.parametrize(
    ("panel", "index", "value"),
    [
        ("alpha", 0, 10**15),
        ("alpha", 0, -1),
        ("alpha", 1, 401),
        ("alpha", 1, -1),
        ("alpha", 1, 511),
        ("beta", 4, -1),
        ("beta", 0, 1 << 107),
    ],
)
def test_a_value_out_of_its_range_is_refused_at_the_door(
    panel: str, index: int, value: int
) -> None:
    statement = forged(collecting_once(), "lab-2", witness=false_values(panel, index, value))
    refused_at_the_door(statement, *EQUATIONS, "RESPONSE")


@pytest.mark.parametrize(
    "plaintext",
    [1, pow(2, -1, N), pow(3, -1, N), N - 1, N // 2, 401 << 60],
    ids=["another", "a half", "a third", "minus one", "n/2", "another slot"],
)
def test_a_ciphertext_of_other_numbers_is_refused_at_the_door(plaintext: int) -> None:
    witness = other_plaintexts({"alpha": (plaintext,)})
    refused_at_the_door(forged(collecting_once(), "lab-2", witness=witness), "PA")


def test_a_digit_that_is_not_in_the_table_is_refused_at_the_door() -> None:
    """The value follows from its digits; only the look-up tells that one is too large."""

    def change(panel: str, statements: StatementSet, right: Witness) -> Witness:
        if panel != "alpha":
            return right
        assert statements.layout.digits
        claim, weight = statements.layout.digits[0]
        index = statements.all_ranges[claim].form.coefficients[0][0]
        more = statements.layout.base
        values = list(right.values)
        values[index] += more * weight
        left = (right.left[0] + more, *right.left[1:])
        raised = false_values("alpha", index, values[index])(panel, statements, right)
        return replace(raised, left=left)

    refused_at_the_door(forged(collecting_once(), "lab-2", witness=change), *EQUATIONS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda part: part.proof[:0], "PROOF_DIGEST"),
        (lambda part: b"".join(part.ciphertext_sha256), "PROOF_LENGTH"),
        (lambda part: part.proof[:-1], "PROOF_LENGTH"),
        (lambda part: part.proof + b"\0", "PROOF_LENGTH"),
        (lambda part: part.proof[:32] + bytes(len(part.proof) - 32), "POINT"),
        (lambda part: random.Random(7).randbytes(len(part.proof)), "PROOF_DIGEST"),
    ],
    ids=["empty", "digests alone", "short", "long", "zeros", "random"],
)
def test_what_is_no_proof_is_refused_at_the_door(
    change: Callable[[statement_pb2.ReportPart], bytes], reason: str
) -> None:
    statement = report_of("lab-2")
    statement.report.parts[0].proof = change(statement.report.parts[0])
    refused_at_the_door(statement, reason)


def test_a_report_that_proves_nothing_is_refused_at_the_door() -> None:
    chain, statement = collecting_once(), report_of("lab-2")
    del statement.report.parts[:]
    refused_at_the_door(with_sealed(chain, statement, statement_pb2.SealedPart()), "PANELS")
    statement = report_of("lab-2")
    sealed = sealed_of(chain, statement)
    for part, panel in zip(statement.report.parts, sealed.panels, strict=True):
        part.proof = b""
        for field in (
            part.ciphertext_sha256,
            panel.ciphertexts,
            panel.announcements,
            panel.responses,
        ):
            del field[:]
    refused_at_the_door(with_sealed(chain, statement, sealed), "LENGTH")


# Every field.


def flipped(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


@pytest.mark.parametrize("panel", [0, 1])
def test_a_flipped_bit_anywhere_in_the_open_part_is_refused_at_the_door(panel: int) -> None:
    chance, size = random.Random(panel), len(report_of("lab-2").report.parts[panel].proof)
    for start in range(0, size, 40):
        statement = report_of("lab-2")
        part = statement.report.parts[panel]
        at = min(start + chance.randrange(40), size - 1)
        part.proof = flipped(part.proof, at, chance.randrange(8))
        refused_at_the_door(
            statement, *EQUATIONS, "PROOF_DIGEST", "POINT", "SCALAR", "RESPONSE", "SEALED_DIGEST"
        )


def test_a_flipped_bit_anywhere_in_the_sealed_part_is_refused_at_the_door() -> None:
    chain, chance = collecting_once(), random.Random(3)
    for field in ("ciphertexts", "announcements", "responses"):
        for panel in (0, 1):
            for position in range(panel + 1):
                for _ in range(4):
                    statement = report_of("lab-2")
                    sealed = sealed_of(chain, statement)
                    data = getattr(sealed.panels[panel], field)
                    at = chance.randrange(len(data[position]))
                    data[position] = flipped(data[position], at, chance.randrange(8))
                    refused_at_the_door(with_sealed(chain, statement, sealed), "SEALED_DIGEST")


@pytest.mark.parametrize("field", ["ciphertexts", "announcements", "responses"])
def test_swapped_fields_of_the_sealed_part_are_refused_at_the_door(field: str) -> None:
    chain, statement = collecting_once(), report_of("lab-2")
    sealed = sealed_of(chain, statement)
    data = getattr(sealed.panels[1], field)
    data[0], data[1] = data[1], data[0]
    refused_at_the_door(with_sealed(chain, statement, sealed), "SEALED_DIGEST")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_bytes_as_a_proof_are_refused_at_the_door(data: st.DataObject) -> None:
    statement = report_of("lab-1")
    part = statement.report.parts[0]
    rest = data.draw(st.binary(max_size=80)) * data.draw(st.integers(0, 30))
    part.proof = (b"".join(part.ciphertext_sha256) + rest)[: data.draw(st.integers(0, 4000))]
    refused_at_the_door(
        statement, "PROOF_DIGEST", "PROOF_LENGTH", "POINT", "SCALAR", "RESPONSE", *EQUATIONS
    )
