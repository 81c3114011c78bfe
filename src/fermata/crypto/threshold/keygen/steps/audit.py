"""The audit of a batch: seeds of rejected candidates are opened, and everybody is repeated (K17).

The steps are compared in their order, and in each the parties in theirs. Up to the first difference
everybody had right messages to go on, so whoever differs there, and nobody else, broke the rules.
"""

from fermata.crypto.threshold.ceremony.lockstep import Misbehaviour
from fermata.crypto.threshold.keygen.steps.base import (
    PublicStep,
    candidate_seed,
    own_root,
    seed_leaf,
    seeds_root,
)
from fermata.crypto.threshold.keygen.steps.batch import (
    AUDIT,
    MORE,
    POWERS,
    PRODUCTS,
    MoreStep,
    PowersStep,
    ProductsStep,
    candidate_inputs,
    more_bases,
    rejected,
    survivors_of,
    work_on,
)
from fermata.crypto.threshold.keygen.steps.bodies import check_length
from fermata.crypto.threshold.keygen.steps.state import NONE_CHOSEN, Setup, State
from fermata.crypto.threshold.keygen.work.biprimality import base_of
from fermata.crypto.threshold.keygen.work.candidate import UNITS, private_steps
from fermata.crypto.threshold.keygen.work.draws import SEED_BYTES
from fermata.crypto.threshold.keygen.work.pieces import DIGEST_BYTES, digest_of_leaves, leaf_of
from fermata.crypto.threshold.keygen.work.replay import Replay, replay

ROOT = "root"


def culprit(state: State, party: int, step: str, reason: str, text: str) -> Misbehaviour:
    """The finding that a party's words of a step were against the rules."""
    message = f"key generation: auditor {party}, turn {state.turns[step]} ({step}): {text}"
    return Misbehaviour(reason, message, party, state.turns[step])


class AuditStep(PublicStep):
    """Seeds of the rejected; the hashes that hide the chosen one's; else the next batch's root."""

    def payload(self, setup: Setup, state: State) -> bytes:
        """Seeds by candidate, then the leaves of what stays hidden, or the next root."""
        seeds = [candidate_seed(state, state.batch, k) for k in rejected(setup, state)]
        if state.chosen == NONE_CHOSEN:
            return b"".join(seeds) + own_root(setup, state, state.batch + 1)
        hidden = candidate_seed(state, state.batch, state.chosen)
        leaves = [seed_leaf(state.batch, state.chosen, hidden)]
        work = work_on(setup, state, state.chosen)
        inputs = candidate_inputs(setup, state, state.chosen)
        for step in private_steps(setup.parameters):
            pieces = work.pieces(step, inputs)
            leaves += [leaf_of(pieces[j - 1]) for j in setup.others]
        return b"".join(seeds + leaves)

    def check(self, setup: Setup, state: State, sender: int, payload: bytes) -> None:
        """Its length."""
        hidden = 1
        if state.chosen != NONE_CHOSEN:
            hidden += len(private_steps(setup.parameters)) * len(setup.others)
        seeds = SEED_BYTES * len(rejected(setup, state))
        check_length(payload, seeds + DIGEST_BYTES * hidden)

    def finish(self, setup: Setup, state: State) -> tuple[State, str]:
        """Audits, and goes on with the chosen candidate or with the next batch."""
        audit(setup, state)
        if state.chosen != NONE_CHOSEN:
            return state, ROOT
        roots = tuple(payload[-DIGEST_BYTES:] for payload in state.payloads[AUDIT])
        fresh = State(
            setup=state.setup,
            seed=state.seed,
            turn=state.turn,
            session=state.session,
            transcript=state.transcript,
            batch=state.batch + 1,
            roots=roots,
        )
        return fresh, UNITS


def opened_seeds(setup: Setup, state: State, sender: int) -> dict[int, bytes]:
    """The seeds that a party has opened, by candidate."""
    payload = state.payloads[AUDIT][sender - 1]
    return {
        k: payload[at * SEED_BYTES : (at + 1) * SEED_BYTES]
        for at, k in enumerate(rejected(setup, state))
    }


def hidden_leaves(setup: Setup, state: State, sender: int) -> tuple[bytes, list[bytes]]:
    """Of the chosen candidate: the leaf of a party's seed, and those of its pieces in order."""
    data = state.payloads[AUDIT][sender - 1][SEED_BYTES * len(rejected(setup, state)) :]
    leaves = [data[at : at + DIGEST_BYTES] for at in range(0, len(data), DIGEST_BYTES)]
    return leaves[0], leaves[1:]


def hidden_piece(setup: Setup, state: State, step: str, sender: int, receiver: int) -> bytes:
    """The leaf of the chosen candidate's piece, as its sender gave it at the audit."""
    leaves = hidden_leaves(setup, state, sender)[1]
    receivers = setup.receivers_of(sender)
    at = private_steps(setup.parameters).index(step) * len(receivers) + receivers.index(receiver)
    return leaves[at]


def audit(setup: Setup, state: State) -> None:
    """Repeats what everybody did for the rejected candidates. Raises Misbehaviour."""
    parameters = setup.parameters
    seeds = {j: opened_seeds(setup, state, j) for j in parameters.indices}
    for j in parameters.indices:
        _check_root(setup, state, j, seeds[j])
    replays = {
        k: replay(parameters, [seeds[j][k] for j in parameters.indices])
        for k in rejected(setup, state)
    }
    for step in private_steps(parameters):
        for sender in parameters.indices:
            for receiver in setup.receivers_of(sender):
                _check_pieces(setup, state, step, sender, receiver, replays)
    for j in parameters.indices:
        check_products(setup, state, j, replays)
    for j in parameters.indices:
        check_powers(setup, state, j, replays)
    for j in parameters.indices:
        _check_more(setup, state, j, replays)


def _check_root(setup: Setup, state: State, sender: int, seeds: dict[int, bytes]) -> None:
    leaves = {k: seed_leaf(state.batch, k, seed) for k, seed in seeds.items()}
    if state.chosen != NONE_CHOSEN:
        leaves[state.chosen] = hidden_leaves(setup, state, sender)[0]
    # K17.1: seeds that are made up after the fact would excuse everything.
    if seeds_root([leaves[k] for k in range(setup.batch_size)]) != state.roots[sender - 1]:
        text = "must open the seeds whose root it published before the batch"
        raise culprit(state, sender, AUDIT, "KEYGEN_SEED", text)


def _check_pieces(
    setup: Setup, state: State, step: str, sender: int, receiver: int, replays: dict[int, Replay]
) -> None:
    leaves = [
        replays[k].leaves[step, sender, receiver]
        if k in replays
        else hidden_piece(setup, state, step, sender, receiver)
        for k in range(setup.batch_size)
    ]
    digests = state.digests[step][sender - 1]
    at = setup.receivers_of(sender).index(receiver) * DIGEST_BYTES
    # K17.2: a wrong share, which only its receiver saw, spoils a candidate or bends it.
    if digest_of_leaves(leaves) != digests[at : at + DIGEST_BYTES]:
        text = f"its private body for auditor {receiver} is not what its seeds give"
        raise culprit(state, sender, step, "KEYGEN_AUDIT", text)


def check_products(setup: Setup, state: State, party: int, replays: dict[int, Replay]) -> None:
    step = ProductsStep()
    shares = step.numbers(setup, step.opened(state, party))
    # K17.3: one wrong share makes any n out of p*q.
    for k, run in replays.items():
        if shares[k] != run.products[party - 1]:
            text = f"its share of the product of candidate {k} is not what its seeds give"
            raise culprit(state, party, PRODUCTS, "KEYGEN_AUDIT", text)


def check_powers(setup: Setup, state: State, party: int, replays: dict[int, Replay]) -> None:
    if POWERS not in state.payloads:
        return
    step = PowersStep()
    powers = step.numbers(setup, state, step.opened(state, party))
    # K17.4: a wrong power throws a good candidate away, or lets a bad one pass.
    for (k, n), power in zip(survivors_of(state).items(), powers, strict=True):
        base = base_of(state.session, n, 0)
        if k in replays and not replays[k].is_power_right(party, base, power):
            text = f"its power for candidate {k} is not what its seeds give"
            raise culprit(state, party, POWERS, "KEYGEN_AUDIT", text)


def _check_more(setup: Setup, state: State, party: int, replays: dict[int, Replay]) -> None:
    if MORE not in state.payloads or state.chosen != NONE_CHOSEN:
        return
    check_more_powers(setup, state, party, replays[first_passing(setup, state)])


def first_passing(setup: Setup, state: State) -> int:
    """The candidate that took more iterations."""
    step = PowersStep()
    chosen, _ = step.finish(setup, state)
    return chosen.chosen


def check_more_powers(setup: Setup, state: State, party: int, run: Replay) -> None:
    """Compares a party's powers of the 64 further iterations with its seeds.

    Raises Misbehaviour.
    """
    p, q = run.factors
    n = p * q
    values = MoreStep().opened(state, party)
    width = setup.parameters.modulus_width
    for at, base in enumerate(more_bases(state, n)):
        power = int.from_bytes(values[at * width : (at + 1) * width], "big")
        # K17.5: the same, for the candidate that took 64 more iterations.
        if not run.is_power_right(party, base, power):
            text = f"its power for iteration {at + 1} is not what its seeds give"
            raise culprit(state, party, MORE, "KEYGEN_AUDIT", text)
