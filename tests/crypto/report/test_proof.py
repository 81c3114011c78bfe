import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.group import generators
from fermata.crypto.integers import lcm
from fermata.crypto.paillier import EncryptionTable, PublicKey
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.codec import (
    OpenProof,
    SealedProof,
    open_bytes,
    open_from_bytes,
    open_to_bytes,
)
from fermata.crypto.report.link import packed
from fermata.crypto.report.prover import Report, prove, prover_table
from fermata.crypto.report.statements import (
    Equality,
    Range,
    StatementSet,
    Value,
    compliance,
    linear_form,
    multiplication,
    one_hot,
)
from fermata.crypto.report.verifier import verify, verify_open
from fermata.errors import InvalidEncoding, InvalidProof, VerificationError
from harness.crypto.keys import SeededEntropy, dealt, primes
from harness.crypto.proof_world import (
    CONTEXT,
    SAMPLE_VALUES,
    best_effort,
    charters,
    forge,
    public_key,
    sample,
    sample_report,
    sealed_bytes,
    sealed_like,
    table,
)

KEY = public_key()


def check(report: Report, statements: StatementSet | None = None, **changes: Any) -> None:
    verify(
        statements or sample(),
        changes.get("key", KEY),
        changes.get("context", CONTEXT),
        changes.get("open_part", report.open_part),
        changes.get("sealed", report.sealed),
    )


def reason(call: Callable[[], None], error: type[VerificationError] = InvalidProof) -> str:
    with pytest.raises(error) as caught:
        call()
    return caught.value.reason


def parsed() -> OpenProof:
    return open_from_bytes(sample(), sample_report().open_part)


def with_open(**changes: Any) -> bytes:
    return open_to_bytes(sample(), dataclasses.replace(parsed(), **changes))


def decrypt(report: Report) -> list[int]:
    """The plaintexts, by the factors of the modulus."""
    p, q = primes(512)
    n, exponent = p * q, lcm(p - 1, q - 1)
    found = []
    for data in report.sealed.ciphertexts:
        power = pow(int.from_bytes(data, "big"), exponent, n * n)
        found.append((power - 1) // n * pow(exponent, -1, n) % n)
    return found


# --- honest proofs


@given(charters(256))
@settings(max_examples=110, deadline=None)
def test_honest_proofs_at_256_bits_are_accepted(
    charter: tuple[StatementSet, tuple[int, ...]],
) -> None:
    statements, values = charter
    report = prove(statements, table(256), CONTEXT, values, SeededEntropy(repr(values)))
    assert len(report.open_part) == open_bytes(statements)
    verify(statements, public_key(256), CONTEXT, report.open_part, report.sealed)


@given(charters(512))
@settings(max_examples=110, deadline=None)
def test_honest_proofs_at_512_bits_are_accepted(
    charter: tuple[StatementSet, tuple[int, ...]],
) -> None:
    statements, values = charter
    report = prove(statements, table(), CONTEXT, values, SeededEntropy(repr(values)))
    verify(statements, KEY, CONTEXT, report.open_part, report.sealed, table())
    verify_open(statements, KEY, CONTEXT, report.open_part)
    assert decrypt(report) == packed(statements, values)


@pytest.mark.parametrize("base", [2, 4, 64, 256])
def test_the_sample_is_accepted_in_every_base(base: int) -> None:
    check(sample_report(base=base), sample(base))


@pytest.mark.parametrize("value", [0, 1, 6, 7])
def test_the_ends_of_a_range_are_accepted(value: int) -> None:
    for base in (2, 4, 16):
        statements = StatementSet((Value(7),), base=base, modulus_bits=512)
        check(prove(statements, table(), CONTEXT, [value], SeededEntropy("ends")), statements)


def test_one_bit_alone_is_proven_without_any_fold() -> None:
    statements = StatementSet((Value(1),), base=2, modulus_bits=512)
    report = prove(statements, table(), CONTEXT, [1], SeededEntropy("bit"))
    assert open_from_bytes(statements, report.open_part).folds == ()
    check(report, statements)


def test_several_ciphertexts_are_linked() -> None:
    statements = StatementSet((Value(2**100),) * 7, modulus_bits=512)
    assert statements.packing.ciphertexts == 2
    values = [2**100, 0, 1, 2**99, 12345, 2**100 - 1, 77]
    report = prove(statements, table(), CONTEXT, values, SeededEntropy("two"))
    check(report, statements)
    swapped = dataclasses.replace(report.sealed, ciphertexts=report.sealed.ciphertexts[::-1])
    assert reason(lambda: check(report, statements, sealed=swapped)) == "SEALED_DIGEST"


def test_the_same_entropy_gives_the_same_proof() -> None:
    sample_report.cache_clear()
    first = sample_report()
    sample_report.cache_clear()
    assert sample_report() == first


def test_values_that_break_a_statement_are_not_proven() -> None:
    for values in ((301, 0, 0, 1, 0, 1), (250, 20, 4999, 1, 0, 1), (-1, 0, 0, 0, 0, 1), (1, 2)):
        with pytest.raises(ValueError):
            prove(sample(), table(), CONTEXT, values, SeededEntropy("x"))


def test_a_key_of_another_size_is_refused_by_both_sides() -> None:
    with pytest.raises(ValueError):
        prove(sample(), table(256), CONTEXT, SAMPLE_VALUES, SeededEntropy("x"))
    assert reason(lambda: check(sample_report(), key=public_key(256))) == "KEY_LENGTH"


def test_a_table_too_short_for_masks_is_refused() -> None:
    with pytest.raises(ValueError):
        short = EncryptionTable(KEY, KEY.bits + 128)
        prove(sample(), short, CONTEXT, SAMPLE_VALUES, SeededEntropy("x"))
    assert prover_table(KEY, sample()).exponent_bits == 512 + 128 + 144


def test_an_entropy_source_that_runs_dry_is_an_error() -> None:
    with pytest.raises(ValueError):
        prove(sample(), table(), CONTEXT, SAMPLE_VALUES, lambda size: bytes(size - 1))


# --- one defect each


@pytest.mark.parametrize("base", [2, 4, 16])
@pytest.mark.parametrize("value", [-1, 8, 9, 1 << 11])
def test_a_value_out_of_its_range_is_refused(base: int, value: int) -> None:
    statements = StatementSet((Value(7), Value(7)), base=base, modulus_bits=512)
    report = forge(statements, best_effort(statements, (value, 3)))
    assert reason(lambda: check(report, statements)) in {"EC3", "PA"}
    assert reason(lambda: verify_open(statements, KEY, CONTEXT, report.open_part)) == "EC3"


def test_a_digit_beyond_the_table_is_refused() -> None:
    statements = StatementSet((Value(15),), base=16, modulus_bits=512)
    witness = best_effort(statements, (16,))
    for digits, counts in (((16,), (0,) * 16), ((16,), (1,) + (0,) * 15)):
        cheat = dataclasses.replace(
            witness, left=digits + (0,) * (statements.layout.size - 1), counts=counts
        )
        report = forge(statements, cheat)
        assert reason(lambda r=report: check(r, statements)) == "EC3"


def test_a_bit_of_two_is_refused() -> None:
    statements = StatementSet((Value(1),), base=2, modulus_bits=512)
    witness = best_effort(statements, (2,), left=(2,))
    assert reason(lambda: check(forge(statements, witness), statements)) == "EC3"


def test_padding_that_is_used_is_refused() -> None:
    statements = StatementSet((Value(7),), base=2, modulus_bits=512)
    witness = best_effort(statements, (7,), left=(1, 1, 1, 0))
    check(forge(statements, witness), statements)
    # A padding slot whose product is not zero.
    cheat = dataclasses.replace(witness, left=(1, 1, 1, 4), factors=(5,))
    assert reason(lambda: check(forge(statements, cheat), statements)) == "EC3"


def test_a_value_so_far_out_that_no_mask_hides_it_is_an_error() -> None:
    statements = StatementSet((Value(7),), modulus_bits=512)
    with pytest.raises(ValueError):
        forge(statements, best_effort(statements, (1 << 90,)))


def test_a_slot_borrow_is_refused() -> None:
    statements = StatementSet((Value(65535), Value(65535), Value(65535)), modulus_bits=512)
    honest = best_effort(statements, (5, 5, 5))
    width = 16 + statements.headroom_bits
    # 5,5,5 as 4,5,5 with a carry, and the -1 of a lab that borrows from its neighbour.
    for plaintext in (
        honest.plaintexts[0] - (1 << width) + 5,
        honest.plaintexts[0] + 1,
        honest.plaintexts[0] - 6,
        KEY.n - 1,
        KEY.n // 2,
    ):
        report = forge(statements, dataclasses.replace(honest, plaintexts=(plaintext % KEY.n,)))
        assert reason(lambda r=report: check(r, statements)) == "PA"


@pytest.mark.parametrize(
    "values",
    [
        (250, 20, 5001, 1, 0, 1),  # product
        (250, 20, 4999, 1, 0, 1),
        (250, 20, 5000, 0, 0, 1),  # comparison bit
        (99, 20, 1980, 1, 0, 1),
        (250, 20, 5000, 1, 1, 1),  # one-hot
        (250, 20, 5000, 1, 0, 0),
    ],
)
@pytest.mark.parametrize("base", [2, 16])
def test_a_statement_that_does_not_hold_is_refused(values: tuple[int, ...], base: int) -> None:
    report = forge(sample(base), best_effort(sample(base), values))
    assert reason(lambda: check(report, sample(base))) == "EC3"


def test_a_limit_that_is_exceeded_by_one_is_refused() -> None:
    statements = StatementSet((Value(1000),), (compliance(0, 600),), modulus_bits=512)
    check(prove(statements, table(), CONTEXT, [600], SeededEntropy("limit")), statements)
    report = forge(statements, best_effort(statements, (601,)))
    assert reason(lambda: check(report, statements)) == "EC3"


def test_a_variance_of_another_figure_is_refused() -> None:
    statements = StatementSet(
        (Value(99), Value(99 * 99)), products=(multiplication(0, 0, 1),), modulus_bits=512
    )
    check(prove(statements, table(), CONTEXT, [9, 81], SeededEntropy("square")), statements)
    for square in (80, 82, 0):
        report = forge(statements, best_effort(statements, (9, square)))
        assert reason(lambda r=report: check(r, statements)) == "EC3"


def test_ciphertexts_of_other_values_than_the_proven_are_refused() -> None:
    honest = best_effort(sample(), SAMPLE_VALUES)
    check(forge(sample(), honest))
    other = best_effort(sample(), (251, 20, 5020, 1, 0, 1)).plaintexts
    report = forge(sample(), dataclasses.replace(honest, plaintexts=other))
    verify_open(sample(), KEY, CONTEXT, report.open_part)
    assert reason(lambda: check(report)) == "PA"


@pytest.mark.parametrize(
    "context",
    [
        dataclasses.replace(CONTEXT, lab_id=b"lab-b"),
        dataclasses.replace(CONTEXT, round_id=b"round 8"),
        dataclasses.replace(CONTEXT, charter_hash=bytes(32)),
        Context(CONTEXT.charter_hash, CONTEXT.round_id + b"lab", b"-a"),
        Context(CONTEXT.charter_hash, CONTEXT.lab_id, CONTEXT.round_id),
    ],
)
def test_a_proof_for_another_context_is_refused(context: Context) -> None:
    assert reason(lambda: check(sample_report(), context=context)) in {"EC1", "EC2", "EC3"}


def test_a_proof_under_another_key_is_refused() -> None:
    other = PublicKey(dealt(512, 2, 3).record.n)
    assert other.n != KEY.n
    with pytest.raises(VerificationError):
        check(sample_report(), key=other)
    assert reason(lambda: verify_open(sample(), other, CONTEXT, sample_report().open_part)) == "EC1"


def test_a_proof_of_other_statements_of_the_same_shape_is_refused() -> None:
    good = sample()
    others = [
        dataclasses.replace(good, equalities=(Equality(linear_form({4: 1, 5: 2}, -2)),)),
        dataclasses.replace(good, equalities=(one_hot((3, 4)),)),
        dataclasses.replace(good, products=(multiplication(1, 0, 2),)),
        dataclasses.replace(good, ranges=good.ranges[::-1]),
        dataclasses.replace(good, headroom_bits=11),
    ]
    for statements in others:
        if open_bytes(statements) == open_bytes(good):
            assert reason(lambda s=statements: check(sample_report(), s)) in {"EC1", "EC2", "EC3"}


def test_proofs_of_metrics_that_changed_places_are_refused() -> None:
    here = StatementSet((Value(9), Value(5)), (Range(linear_form({0: 1, 1: 1}), 9),), base=2)
    here = dataclasses.replace(here, modulus_bits=512)
    there = dataclasses.replace(here, values=(Value(5), Value(9)))
    report = prove(here, table(), CONTEXT, [4, 5], SeededEntropy("places"))
    check(report, here)
    assert reason(lambda: check(report, there)) in {"EC1", "EC2", "EC3"}


FIELDS = [field.name for field in dataclasses.fields(OpenProof)]


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_of_another_proof_is_refused(name: str) -> None:
    other = open_from_bytes(sample(), sample_report(b"lab-b").open_part)
    mixed = with_open(**{name: getattr(other, name)})
    assert reason(lambda: check(sample_report(), open_part=mixed)) in {
        "EC1",
        "EC2",
        "EC3",
        "SEALED_DIGEST",
    }
    assert reason(lambda: verify_open(sample(), KEY, CONTEXT, mixed)) in {"EC1", "EC2", "EC3"}


@pytest.mark.parametrize("name", ["ciphertexts", "announcements", "exponents"])
def test_a_sealed_field_of_another_proof_is_refused(name: str) -> None:
    report, other = sample_report(), sample_report(b"lab-b")
    mixed = dataclasses.replace(report.sealed, **{name: getattr(other.sealed, name)})
    assert reason(lambda: check(report, sealed=mixed)) == "SEALED_DIGEST"


def test_a_whole_sealed_part_of_another_proof_is_refused() -> None:
    report, other = sample_report(), sample_report(b"lab-b")
    assert reason(lambda: check(report, sealed=other.sealed)) == "SEALED_DIGEST"


def test_a_ciphertext_that_was_changed_together_with_its_digest_is_refused() -> None:
    """Neither a power, an inverse nor a re-randomised copy of another's ciphertext passes."""
    from fermata.crypto.report.codec import sha256

    report = sample_report()
    ciphertext = int.from_bytes(report.sealed.ciphertexts[0], "big")
    for changed in (
        pow(ciphertext, 2, KEY.n_squared),
        pow(ciphertext, -1, KEY.n_squared),
        ciphertext * (1 + KEY.n) % KEY.n_squared,
        ciphertext * KEY.h_s % KEY.n_squared,
    ):
        data = changed.to_bytes(KEY.ciphertext_width, "big")
        sealed = dataclasses.replace(report.sealed, ciphertexts=(data,))
        open_part = with_open(ciphertext_digests=(sha256(data),))
        assert reason(lambda s=sealed, o=open_part: check(report, sealed=s, open_part=o)) in {
            "EC1",
            "EC2",
            "EC3",
        }


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_flipped_bit_anywhere_in_the_open_part_is_refused(data: st.DataObject) -> None:
    good = sample_report().open_part
    at = data.draw(st.integers(0, 8 * len(good) - 1))
    bad = bytearray(good)
    bad[at // 8] ^= 1 << at % 8
    with pytest.raises(VerificationError):
        check(sample_report(), open_part=bytes(bad))


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_a_flipped_bit_anywhere_in_the_sealed_part_is_refused(data: st.DataObject) -> None:
    good = sealed_bytes(sample_report().sealed)
    at = data.draw(st.integers(0, 8 * len(good) - 1))
    bad = bytearray(good)
    bad[at // 8] ^= 1 << at % 8
    sealed = sealed_like(sample_report().sealed, bytes(bad))
    assert reason(lambda: check(sample_report(), sealed=sealed)) == "SEALED_DIGEST"


# --- encodings


@pytest.mark.parametrize("change", [b"", b"\x00", "short", "empty", "garbage"])
def test_an_open_part_of_another_length_is_refused(change: bytes | str) -> None:
    good = sample_report().open_part
    bad = {"short": good[:-1], "empty": b"", "garbage": b"\xa5" * 10**6}.get(
        str(change), good + (change if isinstance(change, bytes) else b"")
    )
    if bad == good:
        check(sample_report(), open_part=bad)
        return
    assert reason(lambda: check(sample_report(), open_part=bad), InvalidEncoding) == "PROOF_LENGTH"


@given(st.binary(min_size=0, max_size=40), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_random_bytes_are_refused(head: bytes, seed: int) -> None:
    size = open_bytes(sample())
    body = SeededEntropy(str(seed))(size)
    with pytest.raises(VerificationError):
        check(sample_report(), open_part=(head + body)[:size])


def test_the_open_part_survives_its_encoding() -> None:
    report = sample_report()
    assert open_to_bytes(sample(), parsed()) == report.open_part


def test_a_response_beyond_its_bits_is_refused() -> None:
    width = 9 + 144
    proof = parsed()
    raw = open_to_bytes(sample(), dataclasses.replace(proof, z=(1 << width, *proof.z[1:])))
    assert reason(lambda: check(sample_report(), open_part=raw), InvalidEncoding) == "RESPONSE"


def test_a_scalar_that_is_not_reduced_is_refused() -> None:
    from fermata.crypto.group import Q

    good = sample_report().open_part
    wide = int.from_bytes(good[-32:], "little") + Q
    if wide >> 256 == 0:
        bad = good[:-32] + wide.to_bytes(32, "little")
        assert reason(lambda: check(sample_report(), open_part=bad), InvalidEncoding) == "SCALAR"
    bad = good[:-32] + b"\xff" * 32
    assert reason(lambda: check(sample_report(), open_part=bad), InvalidEncoding) == "SCALAR"


@pytest.mark.parametrize("point", [b"\xc0" + bytes(47), bytes(48), b"\xff" * 48])
def test_a_point_that_is_none_is_refused(point: bytes) -> None:
    good = sample_report().open_part
    bad = good[:32] + point + good[80:]
    assert reason(lambda: check(sample_report(), open_part=bad), InvalidEncoding) == "POINT"


def sealed_of(**changes: bytes) -> tuple[bytes, SealedProof]:
    """The sealed part with one field replaced, and an open part that names it."""
    from fermata.crypto.report.codec import sha256

    names = {
        "ciphertexts": "ciphertext_digests",
        "announcements": "announcement_digests",
        "exponents": "exponent_digests",
    }
    sealed = dataclasses.replace(
        sample_report().sealed, **{name: (data,) for name, data in changes.items()}
    )
    return with_open(**{names[k]: (sha256(d),) for k, d in changes.items()}), sealed


@pytest.mark.parametrize("name", ["ciphertexts", "announcements"])
@pytest.mark.parametrize(
    "number", ["0", "n", "n^2", "n^2+1", "twin", "factor", "padded", "short", "negative"]
)
def test_a_number_that_is_no_unit_is_refused(name: str, number: str) -> None:
    good = int.from_bytes(getattr(sample_report().sealed, name)[0], "big")
    width, n = KEY.ciphertext_width, KEY.n
    value = {
        "0": 0,
        "n": n,
        "n^2": n * n,
        "n^2+1": n * n + 1,
        "twin": good + n * n,
        "factor": 7 * primes(512)[0],
    }.get(number, good)
    extra = {"padded": 1, "short": -1}.get(number, 0)
    data = value.to_bytes(width + 1, "big")[1 - extra if extra >= 0 else 2 :]
    if number == "negative":
        data = (-good).to_bytes(width + 1, "big", signed=True)[1:]
    open_part, sealed = sealed_of(**{name: data})
    assert reason(
        lambda: check(sample_report(), open_part=open_part, sealed=sealed), VerificationError
    ) in {"CT_RANGE", "CT_NOT_UNIT", "CT_ENCODING", "ANNOUNCEMENT", "EC1"}


def test_an_unblinded_ciphertext_is_refused() -> None:
    data = (1 + 77 * KEY.n).to_bytes(KEY.ciphertext_width, "big")
    open_part, sealed = sealed_of(ciphertexts=data)
    found = reason(
        lambda: check(sample_report(), open_part=open_part, sealed=sealed), InvalidEncoding
    )
    assert found == "CT_UNBLINDED"


@pytest.mark.parametrize("data", [b"", bytes(97), bytes(99), b"\xff" * 98])
def test_a_sealed_response_out_of_range_is_refused(data: bytes) -> None:
    open_part, sealed = sealed_of(exponents=data)
    found = reason(
        lambda: check(sample_report(), open_part=open_part, sealed=sealed), VerificationError
    )
    # 98 bytes are in range, but another response than the one that omega was drawn after.
    assert found == ("EC2" if data == b"\xff" * 98 else "RESPONSE")


def test_a_vacuous_sealed_part_is_refused() -> None:
    for sealed in (
        SealedProof((), (), ()),
        dataclasses.replace(sample_report().sealed, exponents=()),
        dataclasses.replace(
            sample_report().sealed, ciphertexts=sample_report().sealed.ciphertexts * 2
        ),
    ):
        found = reason(lambda s=sealed: check(sample_report(), sealed=s), InvalidEncoding)
        assert found == "SEALED_LENGTH"


def test_secrets_do_not_print() -> None:
    text = repr(best_effort(sample(), SAMPLE_VALUES))
    assert "5000" not in text
    assert text == "Witness()"
    assert generators("base")
    assert repr(sample_report().sealed) == "SealedProof()"
