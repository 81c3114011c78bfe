"""The offline verifier on what is in the log: forged entries and colluding parties."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from fermata.crypto.integers import int_to_bytes
from fermata.crypto.report.proof_cache import ProofCache
from fermata.crypto.threshold.opening import Opening
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold import opening
from fermata.protocol.fold.apply import apply
from fermata.protocol.state.state import State, Verdict
from fermata.protocol.statistics.results import results_of
from fermata.wire.v1 import statement_pb2
from harness.bundles import bundle_of, failed, invalid, verify
from harness.chains import Chain
from harness.forged import endorse_unseen

# Statements.


def test_an_entry_that_nobody_signed_fails_the_fourth_check(opened: Chain) -> None:
    opened.put(b"garbage")
    invalid(bundle_of(opened), 4, f"entry {len(opened.leaves) - 1}", "ENCODING")


def test_a_statement_in_the_wrong_role_fails_the_fourth_check(opened: Chain) -> None:
    body = statement_pb2.OpenRound(round=2)
    opened.say("lab-1", open_round=body)
    invalid(bundle_of(opened), 4, f"entry {len(opened.leaves) - 1}", "WRONG_ROLE")


def test_a_false_key_record_fails_the_second_check(keyed: Chain) -> None:
    entry = keyed.put(keyed.deployment.key_envelope).entry
    invalid(bundle_of(keyed), 2, f"entry {entry}", "KEY_EXISTS")


# Collusion.


def with_wrong_product(reported: Chain, signers: tuple[str, ...]) -> Chain:
    """The coordinator leaves lab-6 out of the product; these auditors endorse it unseen."""
    statement = reported.close_statement()
    panels = statement.close_round.aggregates
    key = reported.state.key
    assert key is not None
    n_squared = key.record.n**2
    sealed = reported.sealed(reported.round.reports["lab-6"].sealed_sha256)
    theirs = statement_pb2.SealedPart.FromString(sealed or b"").panels
    for mine, out in zip(panels, theirs, strict=True):
        for i, c in enumerate(out.ciphertexts):
            inverse = pow(int.from_bytes(c, "big"), -1, n_squared)
            product = int.from_bytes(mine.ciphertexts[i], "big") * inverse % n_squared
            mine.ciphertexts[i] = int_to_bytes(product, 128)
    reported.put_ok(reported.seal(statement))
    if signers:
        endorse_unseen(reported, *signers)
    return reported


def test_a_wrong_product_that_all_auditors_endorse_is_found(reported: Chain) -> None:
    chain = with_wrong_product(reported, reported.deployment.charter.auditors)
    chain.open_part()
    assert chain.round.opening is not None
    assert chain.round.close is not None
    found = verify(bundle_of(chain))
    assert list(failed(found)) == [7]
    assert f"entry {chain.round.close.entry} (round 1)" in failed(found)[7][0]


def test_a_wrong_product_is_found_before_it_is_endorsed(reported: Chain) -> None:
    chain = with_wrong_product(reported, ())
    invalid(bundle_of(chain), 7, "is not the product of its reports")


def test_a_sealed_part_that_is_no_ciphertext_is_found(
    collecting: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        # The open part is sound, so that nobody without the sealed part can tell.
        one = int_to_bytes(1, 128)
        patch.setattr("fermata.crypto.report.prover.ciphertext_to_bytes", lambda key, c: one)
        statement = collecting.report_statement("lab-1")
    entry = collecting.put_ok(collecting.seal(statement)).entry
    # Two reports open nothing, so that the coordinator looks at no sealed part of them.
    collecting.report_all(["lab-2"])
    for lab in ("lab-3", "lab-4", "lab-5", "lab-6"):
        collecting.abstain(lab)
    collecting.close()
    assert collecting.round.phase(3) == "refused"
    invalid(bundle_of(collecting), 6, f"entry {entry} (lab-1)", "ciphertext")


# The verifier does not lean on the fold where it can check again.


def with_fold(monkeypatch: pytest.MonkeyPatch, change: Callable[[State], State]) -> None:
    """A fold that is wrong in one way, as the verifier sees it."""

    def wrong(state: State, leaf: bytes, cache: ProofCache) -> tuple[State, Verdict]:
        after, verdict = apply(state, leaf, cache)
        return change(after), verdict

    monkeypatch.setattr("fermata.protocol.verify.verifier.apply", wrong)


def test_an_opening_without_a_quorum_is_found(
    opened: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget(state: State) -> State:
        found = state.current
        if found is None or found.opening is None:
            return state
        return state.with_round(replace(found, endorsements={"auditor-1": 10}))

    bundle = bundle_of(opened)
    with_fold(monkeypatch, forget)
    invalid(bundle, 8, "opened without a quorum")


def test_a_key_whose_shares_do_not_fit_is_found(
    keyed: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swap(state: State) -> State:
        if state.key is None:
            return state
        first, second, *rest = state.key.record.verification
        record = replace(state.key.record, verification=(second, first, *rest))
        return replace(state, key=replace(state.key, record=record))

    bundle = bundle_of(keyed)
    with_fold(monkeypatch, swap)
    invalid(bundle, 2, f"entry {keyed.state.keyed().key.entry}")


@pytest.mark.parametrize("field", ["plaintexts", "roots", "results", "a value of a result"])
def test_a_result_that_does_not_follow_is_found(
    opened: Chain, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    def falsify(state: State) -> State:
        found = state.current
        if found is None or found.opening is None:
            return state
        opening = found.opening
        if field == "results":
            wrong = replace(opening, results=opening.results[1:])
        elif field == "a value of a result":
            first, *rest = opening.results
            wrong = replace(opening, results=(replace(first, value=first.value + 1), *rest))
        else:
            numbers = getattr(opening, field)
            wrong = replace(opening, **{field: {**numbers, "alpha": (numbers["alpha"][0] + 1,)}})
        return state.with_round(replace(found, opening=wrong))

    bundle = bundle_of(opened)
    with_fold(monkeypatch, falsify)
    invalid(bundle, 9, "(round 1)")


def test_a_round_whose_sealed_parts_are_missing_is_not_taken_as_recomputed(opened: Chain) -> None:
    bundle = bundle_of(opened)
    path = next(p for p in bundle if p.startswith("sealed/"))
    del bundle[path]
    assert set(failed(verify(bundle))) == {6, 7}
    invalid(bundle, 7, "cannot be recomputed")


# A fold that is wrong: V8 and V9 are checked without it.


@pytest.mark.parametrize(
    "change",
    [
        lambda n, o: replace(o, root=o.root + n),
        lambda n, o: replace(o, root=o.root - n),
        lambda n, o: replace(o, root=0),
        lambda n, o: replace(o, root=o.root * 2 % n),
        lambda n, o: replace(o, plaintext=o.plaintext + n),
        lambda n, o: replace(o, plaintext=o.plaintext - n),
        lambda n, o: replace(o, plaintext=o.plaintext + 1),
    ],
    ids=[
        "root + n",
        "root - n",
        "root 0",
        "2 root",
        "plaintext + n",
        "plaintext - n",
        "plaintext + 1",
    ],
)
def test_an_opening_that_the_fold_got_wrong_fails_the_ninth_check(
    endorsed: Chain, monkeypatch: pytest.MonkeyPatch, change: Callable[[int, Opening], Opening]
) -> None:
    """Also one that only has another form: an opening is one pair of numbers, and reduced."""
    true_combine, true_results = opening.combine_parts, results_of
    key = endorsed.state.key
    assert key is not None
    n = key.record.n

    def combine(*arguments: Any) -> Opening | None:
        found = true_combine(*arguments)
        return None if found is None else change(n, found)

    def results(
        charter: Charter, members: Any, plaintexts: Mapping[str, Sequence[int]], whole: Any
    ) -> Any:
        reduced = {panel: tuple(p % n for p in ps) for panel, ps in plaintexts.items()}
        return true_results(charter, members, reduced, whole)

    monkeypatch.setattr(opening, "combine_parts", combine)
    monkeypatch.setattr(opening, "results_of", results)
    monkeypatch.setattr("fermata.protocol.verify.round_checks.results_of", results)
    endorsed.open_part()
    assert endorsed.round.opening is not None
    invalid(bundle_of(endorsed), 9, "(round 1)", "does not open so")
