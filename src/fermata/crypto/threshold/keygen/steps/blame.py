"""Who broke the rules, if an accepted candidate gives no key (docs/spec/keys.md, K18).

The candidate is thrown away first, so everybody can show the seeds of all that it did for it, and
is repeated as at an audit.
"""

from fermata.crypto.integers import powmod
from fermata.crypto.threshold.key_record import (
    DELTA,
    share_head,
)
from fermata.crypto.threshold.keygen.steps.audit import (
    check_more_powers,
    check_powers,
    check_products,
    culprit,
    hidden_leaves,
    hidden_piece,
)
from fermata.crypto.threshold.keygen.steps.base import PublicStep, candidate_seed, seed_leaf
from fermata.crypto.threshold.keygen.steps.batch import chosen_modulus
from fermata.crypto.threshold.keygen.steps.bodies import check_length
from fermata.crypto.threshold.keygen.steps.final import (
    BLAME,
    KEYS,
    ROOT,
    ROOT_OPENING,
    SELF_TEST,
    KeyStep,
    RootOpeningStep,
    SelfTestStep,
    encode_root,
    encode_subshare,
    final_seed,
    record_of,
    root_numbers,
    seed_commitment,
    test_ciphertexts,
)
from fermata.crypto.threshold.keygen.steps.state import Setup, State
from fermata.crypto.threshold.keygen.work.candidate import private_steps
from fermata.crypto.threshold.keygen.work.draws import SEED_BYTES
from fermata.crypto.threshold.keygen.work.pieces import digest_of_leaves, leaf_of
from fermata.crypto.threshold.keygen.work.replay import Replay, replay
from fermata.crypto.threshold.keygen.work.root_shares import RootWork, commitments_to, evaluate
from fermata.errors import InvalidProof


class BlameStep(PublicStep):
    """The seed of the chosen candidate, and that of the steps after it."""

    def payload(self, setup: Setup, state: State) -> bytes:
        """Both seeds."""
        return candidate_seed(state, state.batch, state.chosen) + final_seed(state)

    def check(self, setup: Setup, state: State, sender: int, payload: bytes) -> None:
        """Its length."""
        check_length(payload, 2 * SEED_BYTES)

    def finish(self, setup: Setup, state: State) -> tuple[State, str]:
        """Raises Misbehaviour, or InvalidProof KEYGEN_FAILED if everybody kept to the rules."""
        blame(setup, state)
        # K18.7: a step that is tried again alone gives what it was bent to give.
        raise InvalidProof(
            "KEYGEN_FAILED",
            "key generation: the modulus gave no key, and nobody broke the rules; begin again",
        )


def blame(setup: Setup, state: State) -> None:
    """Repeats all parties' work for the chosen candidate. Raises Misbehaviour."""
    indices = setup.parameters.indices
    seeds = {j: state.payloads[BLAME][j - 1] for j in indices}
    for j in indices:
        _check_seeds(setup, state, j, seeds[j][:SEED_BYTES], seeds[j][SEED_BYTES:])
    run = replay(setup.parameters, [seeds[j][:SEED_BYTES] for j in indices])
    for step in private_steps(setup.parameters):
        for sender in indices:
            for receiver in setup.receivers_of(sender):
                # K18.3: the hash of a piece that stayed hidden at the audit.
                if run.leaves[step, sender, receiver] != hidden_piece(
                    setup, state, step, sender, receiver
                ):
                    raise _differs(state, sender, step)
    # K18.4: products and powers of the chosen candidate.
    for check in (check_products, check_powers):
        for j in indices:
            check(setup, state, j, {state.chosen: run})
    for j in indices:
        check_more_powers(setup, state, j, run)
    _blame_root(setup, state, run, {j: seeds[j][SEED_BYTES:] for j in indices})


def _differs(state: State, party: int, step: str) -> Exception:
    text = "is not what the seeds give that it showed"
    return culprit(state, party, step, "KEYGEN_AUDIT", text)


def _check_seeds(setup: Setup, state: State, party: int, candidate: bytes, final: bytes) -> None:
    """K18.2: seeds that are made up after the fact would excuse everything."""
    leaf = seed_leaf(state.batch, state.chosen, candidate)
    is_right = leaf == hidden_leaves(setup, state, party)[0]
    committed = state.payloads[ROOT][party - 1]
    if not is_right or seed_commitment(setup, state, party, final) != committed:
        text = "must show the seeds that it committed to"
        raise culprit(state, party, BLAME, "KEYGEN_SEED", text)


def _blame_root(setup: Setup, state: State, run: Replay, seeds: dict[int, bytes]) -> None:
    parameters, n = setup.parameters, chosen_modulus(state)
    works = {j: RootWork(parameters, j, n, run.parts[j - 1], seeds[j]) for j in parameters.indices}
    pieces = {j: work.pieces() for j, work in works.items()}
    # K18.5: the root exponent's steps, in their order.
    for sender in parameters.indices:
        _check_single(setup, state, ROOT, sender, pieces[sender])
    inputs = {j: [pieces[sender][j - 1] for sender in works] for j in works}
    step = RootOpeningStep()
    for j, work in works.items():
        if encode_root(setup, work.opening(inputs[j])) != step.opened(state, j):
            raise _differs(state, j, ROOT_OPENING)
    if KEYS not in state.payloads:
        return
    numbers = root_numbers(setup, state)
    polynomials = {
        j: work.polynomial(inputs[j], numbers, setup.threshold) for j, work in works.items()
    }
    for j, polynomial in polynomials.items():
        payload = state.payloads[KEYS][j - 1]
        if KeyStep().commitments(setup, state, payload) != commitments_to(n, polynomial):
            raise _differs(state, j, KEYS)
        subshares = [encode_subshare(setup, evaluate(polynomial, i)) for i in parameters.indices]
        _check_single(setup, state, KEYS, j, subshares)
    if SELF_TEST in state.payloads:
        _blame_self_test(setup, state, polynomials)


def _check_single(setup: Setup, state: State, step: str, sender: int, pieces: list[bytes]) -> None:
    """Compares the digests of a sender's private bodies."""
    expected = b"".join(
        digest_of_leaves([leaf_of(pieces[j - 1])]) for j in setup.receivers_of(sender)
    )
    if state.digests[step][sender - 1] != expected:
        raise _differs(state, sender, step)


def _blame_self_test(setup: Setup, state: State, polynomials: dict[int, list[int]]) -> None:
    record, step = record_of(setup, state), SelfTestStep()
    offset = record.offset_bits
    tests = test_ciphertexts(state.session, record.n)
    for j in setup.parameters.indices:
        share = sum(evaluate(polynomial, j) for polynomial in polynomials.values())
        share += share_head(j, record.threshold) << offset
        parts = step.parts(setup, state, state.payloads[SELF_TEST][j - 1])
        # K18.6: an auditor whose parts of a public ciphertext are wrong.
        for part, (ciphertext, _, _) in zip(parts, tests, strict=True):
            if part != powmod(ciphertext % record.n, DELTA * share, record.n):
                raise _differs(state, j, SELF_TEST)
