"""Forged proofs that one shared weight would accept: every equation of a batch needs its own.

Each forgery is first shown to be one: with equal weights the batch accepts it.
"""

import dataclasses
from collections.abc import Callable, Iterator
from itertools import count, repeat

import pytest

from fermata.crypto.group import Q, generators, msm
from fermata.crypto.report import batch, prover
from fermata.crypto.report.argument import Vectors
from fermata.crypto.report.batch import BatchItem, InvalidBatch, verify_batch
from fermata.crypto.report.statements import CHALLENGE_BITS
from fermata.crypto.scalars import inner
from harness.crypto.keys import SeededEntropy
from harness.crypto.proof_world import (
    CONTEXT,
    SAMPLE_VALUES,
    best_effort,
    public_key,
    sample,
    table,
)

#: The product is 5000, and this report says 5001.
UNTRUE = (250, 20, 5001, 1, 0, 1)
Change = Callable[[prover._Prover], None]


def hold_with_equal_weights(*items: BatchItem) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "batch_weights", lambda *given: repeat(7))
        verify_batch(public_key(), items, bytes(32))


def made(
    lab: bytes,
    values: tuple[int, ...] = SAMPLE_VALUES,
    after_commit: Change = lambda _: None,
    after_link: Change = lambda _: None,
) -> BatchItem:
    """A proof by a prover that changes its own secrets between the steps."""
    context = dataclasses.replace(CONTEXT, lab_id=lab)
    witness = best_effort(sample(), values)
    forger = prover._Prover(sample(), table(), context, witness, SeededEntropy(f"forged {lab!r}"))
    forger.encrypt()
    forger.commit()
    after_commit(forger)
    forger.link()
    after_link(forger)
    report = forger.finish()
    return BatchItem(sample(), context, report.open_part, report.sealed)


def reasons(items: list[BatchItem]) -> dict[int, str]:
    with pytest.raises(InvalidBatch) as caught:
        verify_batch(public_key(), items, bytes(32))
    return {index: error.reason for index, error in caught.value.failures.items()}


def add_to_tau(by: int) -> Change:
    """EC1 is off by ``by`` H."""

    def change(forger: prover._Prover) -> None:
        forger.taus[0] = (forger.taus[0] + by) % Q

    return change


def add_to_mu(by: int) -> Change:
    """EC2 is off by ``-by`` H."""

    def change(forger: prover._Prover) -> None:
        first, *others = forger.vectors.blindings
        forger.vectors.blindings = ((first + by) % Q, *others)  # type: ignore[assignment]

    return change


def add_to_th(by: int) -> Change:
    """EC3 is off by ``by`` H."""

    def change(forger: prover._Prover) -> None:
        th = (forger.responses.th + by) % Q
        forger.responses = dataclasses.replace(forger.responses, th=th)

    return change


def add_to_exponent(by: int) -> Change:
    """The first ciphertext's equation is off by ``h_s^by``."""

    def change(forger: prover._Prover) -> None:
        first, *others = forger.responses.za
        forger.responses = dataclasses.replace(forger.responses, za=(first + by, *others))

    return change


def both(first: Change, second: Change) -> Change:
    def change(forger: prover._Prover) -> None:
        first(forger)
        second(forger)

    return change


def untrue(monkeypatch: pytest.MonkeyPatch, lab: bytes) -> BatchItem:
    """A proof of an untrue statement whose errors in EC1 and EC3 are each other's opposite.

    T_1 commits to the coefficient that the statements demand, not to that of the polynomial. So
    EC3 would hold and EC1 is off by ``x * difference * G``. Both are known before the announcement
    is sent, which is moved by as much, so that EC3 is off by the opposite.
    """
    difference = 0
    true_vectors, true_announce = prover.make_vectors, prover.announce
    running: list[prover._Prover] = []

    class Committed(Vectors):
        def coefficients(self) -> list[int]:
            nonlocal difference
            found = Vectors.coefficients(self)
            forger = running[0]
            demanded = forger.weights.delta - inner(forger.weights.c, forger.witness.values)
            difference = (found[1] - demanded) % Q
            found[1] = demanded % Q
            return found

    def vectors(*arguments: object) -> Vectors:
        found = true_vectors(*arguments)  # type: ignore[arg-type]
        return Committed(found.left, found.right, found.blindings)

    def announce(*arguments: object) -> object:
        de, announcements = true_announce(*arguments)  # type: ignore[arg-type]
        moved = msm([de, generators("base")[0]], [1, running[0].x * difference % Q])
        return moved, announcements

    monkeypatch.setattr(prover, "make_vectors", vectors)
    monkeypatch.setattr(prover, "announce", announce)
    commit = prover._Prover.commit

    def start(self: prover._Prover) -> None:
        running[:] = [self]
        commit(self)

    monkeypatch.setattr(prover._Prover, "commit", start)
    item = made(lab, UNTRUE)
    monkeypatch.undo()
    assert difference
    return item


def test_a_proof_of_an_untrue_statement_passes_with_one_weight_and_not_with_three(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forged = untrue(monkeypatch, b"lab-a")
    hold_with_equal_weights(forged)
    assert reasons([forged, made(b"lab-b")]) == {0: "EC1"}


@pytest.mark.parametrize(
    ("change", "after_link", "reason"),
    [
        (both(add_to_tau(5), add_to_mu(5)), add_to_th(0), "EC1"),
        (add_to_tau(5), add_to_th(-5), "EC1"),
        (add_to_mu(5), add_to_th(5), "EC3"),
    ],
    ids=["EC1 and EC2", "EC1 and EC3", "EC2 and EC3"],
)
def test_errors_of_two_equations_of_a_proof_do_not_cancel(
    change: Change, after_link: Change, reason: str
) -> None:
    forged = made(b"lab-a", SAMPLE_VALUES, change, after_link)
    hold_with_equal_weights(forged)
    assert reasons([made(b"lab-b"), forged]) == {1: reason}


@pytest.mark.parametrize(
    ("plus", "minus", "reason"),
    [
        ((add_to_tau(5), add_to_th(0)), (add_to_tau(-5), add_to_th(0)), "EC1"),
        ((add_to_mu(5), add_to_th(0)), (add_to_mu(-5), add_to_th(0)), "EC2"),
        ((add_to_mu(0), add_to_th(5)), (add_to_mu(0), add_to_th(-5)), "EC3"),
        ((add_to_mu(0), add_to_exponent(1)), (add_to_mu(0), add_to_exponent(-1)), "PA"),
    ],
    ids=["EC1", "EC2", "EC3", "PA"],
)
def test_errors_of_one_equation_of_two_proofs_do_not_cancel(
    plus: tuple[Change, Change], minus: tuple[Change, Change], reason: str
) -> None:
    items = [made(b"lab-a", SAMPLE_VALUES, *plus), made(b"lab-b", SAMPLE_VALUES, *minus)]
    hold_with_equal_weights(*items)
    assert reasons(items) == {0: reason, 1: reason}


def test_weights_have_as_many_bits_as_the_challenge() -> None:
    """The bound 2^-128 of R7.1 is that of the weights' length."""
    weights = batch.batch_weights(public_key(), [made(b"lab-a")], bytes(32))
    drawn = [next(weights) for _ in range(200)]
    assert max(drawn).bit_length() == CHALLENGE_BITS
    assert {bit for weight in drawn for bit in range(CHALLENGE_BITS) if weight >> bit & 1} == set(
        range(CHALLENGE_BITS)
    )


def test_every_equation_of_a_batch_has_a_weight_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[int] = []

    def counted(*given: object) -> Iterator[int]:
        for weight in count(1):
            taken.append(weight)
            yield weight

    monkeypatch.setattr(batch, "batch_weights", counted)
    verify_batch(public_key(), [made(b"lab-a"), made(b"lab-b")], bytes(32))
    assert len(taken) == 2 * (3 + sample().packing.ciphertexts)
