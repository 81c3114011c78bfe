"""Mistakes that were made, or nearly made, in proofs like this one; each must stay shut."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from fermata.crypto.group import Point, Q, generators, point_to_bytes
from fermata.crypto.integers import lcm, random_bits
from fermata.crypto.paillier import ciphertext_to_bytes
from fermata.crypto.report import argument, link
from fermata.crypto.report import prover as report_prover
from fermata.crypto.report import verifier as report_proof
from fermata.crypto.report.argument import Witness
from fermata.crypto.report.batch import BatchItem, InvalidBatch, verify_batch
from fermata.crypto.report.challenges import ReportTranscript
from fermata.crypto.report.codec import open_from_bytes, sha256
from fermata.crypto.report.equations import total
from fermata.crypto.report.link import Masks, PaillierEquation, Responses, paillier_holds, respond
from fermata.crypto.report.prover import Report, prove
from fermata.crypto.report.statements import StatementSet, Value, linear_form
from fermata.crypto.report.verifier import verify
from fermata.crypto.transcript import Transcript
from fermata.errors import InvalidProof
from harness.crypto.keys import SeededEntropy, primes
from harness.crypto.proof_world import (
    CONTEXT,
    SAMPLE_VALUES,
    best_effort,
    forge,
    public_key,
    sample,
    sample_report,
    table,
)

KEY = public_key()
ONE_BIT = StatementSet((Value(1),), base=2, modulus_bits=512)


class Cheat(report_prover._Prover):
    """A prover whose steps a test replaces."""

    def __init__(self, statements: StatementSet, witness: Witness, seed: str = "cheat") -> None:
        entropy = SeededEntropy(seed)
        super().__init__(statements, table(), CONTEXT, witness, entropy)

    def report(self) -> Report:
        self.encrypt()
        self.commit()
        self.link()
        return self.finish()


def check(report: Report, statements: StatementSet) -> None:
    verify(statements, KEY, CONTEXT, report.open_part, report.sealed)


def reason(call: Callable[[], None]) -> str:
    with pytest.raises(InvalidProof) as caught:
        call()
    return caught.value.reason


def decrypt(ciphertext: bytes) -> int:
    p, q = primes(512)
    n, exponent = p * q, lcm(p - 1, q - 1)
    power = pow(int.from_bytes(ciphertext, "big"), exponent, n * n)
    return (power - 1) // n * pow(exponent, -1, n) % n


# --- the second left vector is zero because a constraint says so


def cross_term_forgery() -> Report:
    """A bit of 2: its product 2 * 1 is cancelled by the cross term a2L * a1R = -2 * 1."""
    witness = best_effort(ONE_BIT, (2,), left=(2,), counts=(1,), cross=(-2,))
    return forge(ONE_BIT, witness)


def without_the_constraint(patch: pytest.MonkeyPatch) -> None:
    """Prover and verifier forget the weight of ``a2L = 0``."""
    real = argument.weigh

    def weigh(statements: StatementSet, beta: int, y: int, z: int) -> argument.Weights:
        # No table here, so delta has no share of the weight.
        return dataclasses.replace(real(statements, beta, y, z), cross=0)

    patch.setattr(report_prover, "weigh", weigh)
    patch.setattr(report_proof, "weigh", weigh)


def test_the_cross_term_forgery_works_without_its_constraint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_the_constraint(monkeypatch)
    report = cross_term_forgery()
    check(report, ONE_BIT)
    assert decrypt(report.sealed.ciphertexts[0]) == 2
    check(forge(ONE_BIT, best_effort(ONE_BIT, (1,))), ONE_BIT)


def test_the_cross_term_forgery_is_refused() -> None:
    assert reason(lambda: check(cross_term_forgery(), ONE_BIT)) == "EC3"


# --- a value known only mod q is never packed


class ThirdInASlot(Cheat):
    """Puts 1/3 in a slot and waits for a challenge that 3 divides."""

    def link(self) -> None:
        statements, weights = self.statements, self.weights
        blinding = self.gamma + self.rho * self.taus[1]
        self.attempts = 0
        while True:
            self.attempts += 1
            masks = link.draw_masks(statements, self.nonces)
            self.de, self.announcements = link.announce(
                statements, self.table, weights, self.rho, masks
            )
            attempt = self.transcript.fork()
            e = attempt.announce(point_to_bytes(self.de), tuple(map(sha256, self.announcements)))
            if e % 3 == 0:
                break
        self.transcript = attempt
        za = tuple(mask + e * a for mask, a in zip(masks.ya, self.exponents, strict=True))
        th = (masks.y_th + e * blinding) % Q
        self.responses = Responses((masks.y[0] + e // 3,), za, th)


def third_in_a_slot() -> Report:
    third_q, third_n = pow(3, -1, Q), pow(3, -1, KEY.n)
    statements = StatementSet((Value(7),), base=2, modulus_bits=512)
    witness = best_effort(statements, (third_q,), plaintexts=(third_n,))
    cheat = ThirdInASlot(statements, witness)
    report = cheat.report()
    assert cheat.attempts < 50
    return report


def test_a_fraction_in_a_slot_passes_the_link_and_is_refused_by_the_range() -> None:
    statements = StatementSet((Value(7),), base=2, modulus_bits=512)
    report = third_in_a_slot()
    proof = report_proof.parse_open(statements, KEY, CONTEXT, report.open_part)
    equations = link.paillier_equations(
        statements, KEY, proof.proof, report.sealed, proof.challenges.e
    )
    assert paillier_holds(KEY, equations, [1])
    assert decrypt(report.sealed.ciphertexts[0]) == pow(3, -1, KEY.n)
    assert reason(lambda: check(report, statements)) == "EC3"


def test_a_fraction_in_a_slot_would_pass_if_the_value_had_no_range(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "fermata.crypto.report.statements._implied_by_comparisons", lambda values, ranges: {0}
    )
    statements = StatementSet((Value(7),), base=2, modulus_bits=512)
    assert statements.all_ranges == ()
    check(third_in_a_slot(), statements)


def test_every_packed_value_is_proven_to_be_in_a_range() -> None:
    for base in (0, 2, 16):
        statements = sample(base)
        covered = {i for claim in statements.all_ranges for i, _ in claim.form.coefficients}
        assert set(statements.enc_indices) <= covered


# --- challenges are long


class Guess(Cheat):
    """Encrypts something else, and makes the announcement fit a guessed challenge."""

    tries_max = 3000

    def link(self) -> None:
        statements, n, square = self.statements, KEY.n, KEY.n_squared
        blinding = self.gamma + self.rho * self.taus[1]
        guess = 77
        ciphertext = pow(int.from_bytes(self.ciphertexts[0], "big"), -guess, square)
        for _ in range(self.tries_max):
            masks = link.draw_masks(statements, self.nonces)
            self.de, _ = link.announce(statements, self.table, self.weights, self.rho, masks)
            z = tuple(
                mask + guess * value
                for mask, value in zip(masks.y, self.witness.values, strict=True)
            )
            (message,), (za,) = link.packed(statements, z), masks.ya
            announcement = self.table.power(za, message % n) * ciphertext % square
            self.announcements = (ciphertext_to_bytes(KEY, announcement),)
            attempt = self.transcript.fork()
            e = attempt.announce(point_to_bytes(self.de), tuple(map(sha256, self.announcements)))
            if e == guess:
                self.transcript = attempt
                self.responses = Responses(z, (za,), (masks.y_th + guess * blinding) % Q)
                return
        raise LookupError("the guess never came true")


def guess() -> Report:
    """The proven value is 1, the ciphertext's is a million."""
    return Guess(ONE_BIT, best_effort(ONE_BIT, (1,), plaintexts=(10**6,))).report()


def test_a_guessing_cheater_passes_with_a_challenge_of_eight_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Transcript, "challenge_short", lambda self, label: self.challenge(label)[0])
    report = guess()
    check(report, ONE_BIT)
    assert decrypt(report.sealed.ciphertexts[0]) == 10**6


def test_a_guessing_cheater_does_not_get_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guess, "tries_max", 300)
    with pytest.raises(LookupError):
        guess()


def test_challenges_have_128_bits_or_more() -> None:
    parsed = [
        report_proof.parse_open(
            sample(),
            KEY,
            dataclasses.replace(CONTEXT, lab_id=lab),
            sample_report(lab).open_part,
        ).challenges
        for lab in (b"lab-a", b"lab-b", b"lab-0", b"lab-1", b"lab-2")
    ]
    assert max(c.e for c in parsed).bit_length() > 120
    for name in ("beta", "y", "z", "x", "rho", "omega"):
        assert max(getattr(c, name) for c in parsed).bit_length() > 245


# --- batches


class OffByOne(Cheat):
    """Announcements that are wrong by a fixed amount, in the plaintext or in G."""

    in_plaintext = 0
    in_g = 0

    def link(self) -> None:
        real = link.announce

        def announce(*arguments: Any) -> tuple[Point, tuple[bytes, ...]]:
            de, announcements = real(*arguments)
            g = generators("base")[0]
            for _ in range(abs(self.in_g)):
                de = de + g if self.in_g > 0 else de - g
            shift = 1 + KEY.n * self.in_plaintext
            shifted = int.from_bytes(announcements[0], "big") * shift % KEY.n_squared
            return de, (ciphertext_to_bytes(KEY, shifted),)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(report_prover, "announce", announce)
            super().link()


def off_by_one(in_plaintext: int, in_g: int) -> BatchItem:
    witness = best_effort(ONE_BIT, (1,))
    cheat = OffByOne(ONE_BIT, witness, f"off {in_plaintext} {in_g}")
    cheat.in_plaintext, cheat.in_g = in_plaintext, in_g
    report = cheat.report()
    return BatchItem(ONE_BIT, CONTEXT, report.open_part, report.sealed)


def test_two_wrong_ciphertexts_that_cancel_are_both_named() -> None:
    items = [off_by_one(1, 0), off_by_one(-1, 0)]
    equations: list[PaillierEquation] = []
    for item in items:
        proof = report_proof.parse_open(ONE_BIT, KEY, CONTEXT, item.open_part)
        assert item.sealed is not None
        equations += link.paillier_equations(
            ONE_BIT, KEY, proof.proof, item.sealed, proof.challenges.e
        )
    assert paillier_holds(KEY, equations, [1, 1])
    assert not paillier_holds(KEY, equations, [1, 2])
    for leaf_hash in (b"", bytes(32), b"\1" * 32):
        with pytest.raises(InvalidBatch) as caught:
            verify_batch(KEY, items, leaf_hash)
        assert {i: e.reason for i, e in caught.value.failures.items()} == {0: "PA", 1: "PA"}


def test_two_wrong_openings_that_cancel_are_both_named() -> None:
    items = [off_by_one(0, 1), off_by_one(0, -1)]
    terms = []
    for item in items:
        parsed = report_proof.parse_open(ONE_BIT, KEY, CONTEXT, item.open_part)
        terms.append(link.ec3_equation(parsed.proof, parsed.challenges, parsed.weights, 1))
    assert total(terms) == Point.identity()
    with pytest.raises(InvalidBatch) as caught:
        verify_batch(KEY, items, bytes(32))
    assert {i: e.reason for i, e in caught.value.failures.items()} == {0: "EC3", 1: "EC3"}


# --- elements of order 2


class Negated(Cheat):
    """Uses -C in place of C, and -DC as the challenge needs it."""

    def encrypt(self) -> None:
        super().encrypt()
        negated = KEY.n_squared - int.from_bytes(self.ciphertexts[0], "big")
        self.ciphertexts = (ciphertext_to_bytes(KEY, negated),)


def test_a_negated_ciphertext_is_accepted_and_decrypts_to_the_proven_value() -> None:
    """Whether the challenge is odd or even; n-th residues do not change the plaintext."""
    odd = 0
    for attempt in range(12):
        report = Negated(ONE_BIT, best_effort(ONE_BIT, (1,)), f"negated {attempt}").report()
        e = report_proof.parse_open(ONE_BIT, KEY, CONTEXT, report.open_part).challenges.e
        assert decrypt(report.sealed.ciphertexts[0]) == 1
        check(report, ONE_BIT)
        odd += e % 2
    assert 0 < odd < 12


def test_a_ciphertext_negated_afterwards_is_refused() -> None:
    report = sample_report()
    negated = KEY.n_squared - int.from_bytes(report.sealed.ciphertexts[0], "big")
    sealed = dataclasses.replace(report.sealed, ciphertexts=(ciphertext_to_bytes(KEY, negated),))
    bad = dataclasses.replace(report, sealed=sealed)
    assert reason(lambda: check(bad, sample())) == "SEALED_DIGEST"


def test_factors_of_order_two_pass_under_all_weights_and_hide_no_wrong_plaintext() -> None:
    good = PaillierEquation(0, 0, 1, 1, 5)
    minus = dataclasses.replace(good, announcement=KEY.n_squared - 1)
    wrong = dataclasses.replace(minus, announcement=(1 + KEY.n) * (KEY.n_squared - 1))
    for weight in (1, 2, 3, 4, 5):
        assert paillier_holds(KEY, [good, minus], [3, weight])
        assert paillier_holds(KEY, [minus], [weight])
        assert not paillier_holds(KEY, [good, wrong], [3, weight])
        assert not paillier_holds(KEY, [wrong], [weight])


def test_a_square_root_of_1_that_only_a_dealer_knows_passes_alone_and_under_all_weights() -> None:
    p, q = primes()
    root = (p * p * pow(p * p, -1, q * q) * 2 - 1) % KEY.n_squared
    assert root not in (1, KEY.n_squared - 1)
    assert root * root % KEY.n_squared == 1
    hidden = PaillierEquation(0, 0, root, 1, 5)
    for weight in (1, 2, 3, 4, 5):
        assert paillier_holds(KEY, [hidden], [weight])


# --- masks


def test_a_mask_used_twice_gives_the_value_away() -> None:
    statements = StatementSet((Value(1000),), modulus_bits=512)
    masks = link.draw_masks(statements, SeededEntropy("stuck"))
    first = respond(statements, masks, 1 << 100, (777,), (5,), 0)
    second = respond(statements, masks, 1 << 101, (777,), (5,), 0)
    assert first is not None
    assert second is not None
    assert (second.z[0] - first.z[0]) // (1 << 100) == 777


def masks_of(report: Report, statements: StatementSet, round_id: bytes, value: int) -> int:
    """The mask of the first value, by someone who knows the value."""
    context = dataclasses.replace(CONTEXT, round_id=round_id)
    parsed = report_proof.parse_open(statements, KEY, context, report.open_part)
    return parsed.proof.z[0] - parsed.challenges.e * value


def test_a_stuck_entropy_source_does_not_repeat_masks() -> None:
    statements = StatementSet((Value(1000),), modulus_bits=512)
    found = {}
    for round_id, value in ((b"1", 777), (b"2", 777), (b"1", 778)):
        context = dataclasses.replace(CONTEXT, round_id=round_id)
        report = prove(statements, table(), context, [value], lambda size: bytes(size))
        found[round_id, value] = masks_of(report, statements, round_id, value), report
    assert len({mask for mask, _ in found.values()}) == 3
    ciphertexts = {report.sealed.ciphertexts for _, report in found.values()}
    assert len(ciphertexts) == 3


def test_responses_are_rejected_exactly_outside_their_interval() -> None:
    statements = StatementSet((Value(7),), modulus_bits=512)
    least, most = ((1 << 128) - 1) * 7, (1 << 3 + 144) - 1
    za_least, za_most = 1 << 512 + 256, (1 << 512 + 272) - 1

    def attempt(y: int, ya: int, value: int = 0, e: int = 0) -> Responses | None:
        return respond(statements, Masks((y,), 0, (ya,)), e, (value,), (0,), 0)

    assert attempt(least, za_least) is not None
    assert attempt(most, za_most) is not None
    assert attempt(least - 1, za_least) is None
    assert attempt(most + 1, za_least) is None
    assert attempt(least, za_least - 1) is None
    assert attempt(least, za_most + 1) is None
    assert attempt(least - 7, za_least, value=7, e=1) is not None
    assert attempt(most - 6, za_least, value=7, e=1) is None


def test_masks_are_drawn_again_after_a_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    real = link.draw_masks

    def draw(statements: StatementSet, entropy: Any) -> Masks:
        masks = real(statements, entropy)
        drawn.append(masks)
        return dataclasses.replace(masks, y=(0,)) if len(drawn) < 3 else masks

    monkeypatch.setattr(report_prover, "draw_masks", draw)
    report = prove(ONE_BIT, table(), CONTEXT, [0], SeededEntropy("again"))
    assert len(drawn) == 3
    assert len({masks.y_th for masks in drawn}) == 3
    check(report, ONE_BIT)


def test_accepted_responses_do_not_depend_on_the_value() -> None:
    """Shifting a mask by e * w gives the same response for another value: a bijection."""
    statements = StatementSet((Value(7),), modulus_bits=512)
    entropy = SeededEntropy("uniform")
    e = random_bits(entropy, 128)
    for _ in range(50):
        masks = link.draw_masks(statements, entropy)
        seen = respond(statements, masks, e, (7,), (9,), 0)
        if seen is None:
            continue
        other = dataclasses.replace(masks, y=(masks.y[0] + 7 * e,), ya=(masks.ya[0] + 9 * e,))
        assert respond(statements, other, e, (0,), (0,), 0) == seen


# --- the transcript


def test_every_message_changes_the_challenges_after_it() -> None:
    def challenges(change: str) -> list[int]:
        def data(name: str) -> bytes:
            return name.encode() + (b"!" if name == change else b"")

        running = ReportTranscript(sample(), KEY, CONTEXT)
        found = [running.first((data("C"),), data("W"), data("A1"))]
        found += running.second(data("A2"), data("S"))
        found += running.third(tuple(data(f"T{k}") for k in range(5)))
        found.append(running.announce(data("DE"), (data("DC"),)))
        z = tuple(int(change == f"z{k}") for k in range(6))
        running.respond(z, (data("za"),), int(change == "th"))
        numbers = [int(change == name) for name in ("t_hat", "tau_x", "mu")]
        found.append(running.evaluate(*numbers))
        found.append(running.fold(data("L"), data("R")))
        return found

    honest = challenges("")
    first_changed = {
        **dict.fromkeys(("C", "W", "A1"), 0),
        **dict.fromkeys(("A2", "S"), 1),
        **dict.fromkeys((f"T{k}" for k in range(5)), 3),
        **dict.fromkeys(("DE", "DC"), 5),
        **dict.fromkeys(("th", "za", "t_hat", "tau_x", "mu", *(f"z{k}" for k in range(6))), 6),
        **dict.fromkeys(("L", "R"), 7),
    }
    for name, place in first_changed.items():
        found = challenges(name)
        assert found[:place] == honest[:place]
        assert all(a != b for a, b in zip(found[place:], honest[place:], strict=True))


def test_the_statement_and_the_context_change_every_challenge() -> None:
    def beta(statements: StatementSet, **changes: bytes) -> int:
        context = dataclasses.replace(CONTEXT, **changes)
        return ReportTranscript(statements, KEY, context).first((), b"", b"")

    found = {
        beta(sample()),
        beta(sample(base=64)),
        beta(sample(), lab_id=b"lab-b"),
        beta(sample(), round_id=b"8"),
        beta(sample(), charter_hash=b""),
        ReportTranscript(sample(bits=256), public_key(256), CONTEXT).first((), b"", b""),
    }
    assert len(found) == 6


def test_a_challenge_that_would_divide_by_zero_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    statements = StatementSet((Value(15),), base=16, modulus_bits=512)
    for beta, refused in ((Q - 16, False), (Q - 15, True), (Q - 1, True)):
        monkeypatch.setattr(
            Transcript, "challenge", lambda self, label, b=beta: b.to_bytes(64, "little")
        )
        running = ReportTranscript(statements, KEY, CONTEXT)
        if refused:
            assert reason(lambda r=running: r.first((), b"", b"") and None) == "CHALLENGE"
        else:
            assert running.first((), b"", b"") == beta


def test_the_equation_of_the_values_has_no_free_part_of_its_own() -> None:
    """Nothing but th stands before H in EC3, and th answers for W and T_1 alone."""
    proof = open_from_bytes(sample(), sample_report().open_part)
    parsed = report_proof.parse_open(sample(), KEY, CONTEXT, sample_report().open_part)
    terms = link.ec3_equation(proof, parsed.challenges, parsed.weights, 1)
    assert terms.base[1] == proof.th
    assert list(terms.points) == [proof.de, proof.w, proof.t[1]]
    assert linear_form({0: 1}).at(SAMPLE_VALUES) == SAMPLE_VALUES[0]
