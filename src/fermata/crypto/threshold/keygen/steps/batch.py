"""The steps of one batch of candidates: shares of p and q, products, powers (K13, K14)."""

from fermata.crypto.integers import int_to_bytes
from fermata.crypto.threshold.keygen.steps.base import Opening, candidate_seed
from fermata.crypto.threshold.keygen.steps.bodies import Fault, check_length, decode_numbers
from fermata.crypto.threshold.keygen.steps.state import NONE_CHOSEN, Setup, State
from fermata.crypto.threshold.keygen.work.biprimality import (
    MORE_ITERATIONS,
    base_of,
    is_plausible,
    is_power_or_prime,
    passes,
    power_of,
)
from fermata.crypto.threshold.keygen.work.candidate import (
    CandidateWork,
    layout_of,
    private_steps,
)
from fermata.crypto.threshold.keygen.work.pieces import digest_of_leaves, leaf_of, split, width_of
from fermata.crypto.threshold.keygen.work.shamir import at_zero

COMMIT_PRODUCTS, PRODUCTS = "commit products", "products"
COMMIT_POWERS, POWERS = "commit powers", "powers"
COMMIT_MORE, MORE = "commit more powers", "more powers"
AUDIT = "audit"


def candidate_inputs(setup: Setup, state: State, candidate: int) -> dict[str, list[bytes]]:
    """The pieces that this party received for one candidate, by step and sender."""
    inputs = {}
    for step in private_steps(setup.parameters):
        if step in state.inputs:
            layout = layout_of(step, setup.parameters)
            row = []
            for sender, body in zip(setup.parameters.indices, state.inputs[step], strict=True):
                width = layout.width(sender, setup.index)
                row.append(body[candidate * width : (candidate + 1) * width])
            inputs[step] = row
    return inputs


def work_on(setup: Setup, state: State, candidate: int) -> CandidateWork:
    """This party's work on one candidate of the batch under way."""
    seed = candidate_seed(state, state.batch, candidate)
    return CandidateWork(setup.parameters, setup.index, seed)


def own_parts(setup: Setup, state: State, candidate: int) -> tuple[int, int]:
    """This party's p_i and q_i."""
    inputs = candidate_inputs(setup, state, candidate)
    return work_on(setup, state, candidate).factors(inputs)


class BatchStep:
    """Private pieces for every candidate of the batch, and nothing to all but their digests."""

    is_private = True

    def __init__(self, name: str, following: str) -> None:
        self._name, self._following = name, following

    def payload(self, setup: Setup, state: State) -> bytes:
        """Nothing."""
        return b""

    def bodies(self, setup: Setup, state: State) -> list[bytes]:
        """The pieces of all candidates, one after another."""
        rows = [
            work_on(setup, state, k).pieces(self._name, candidate_inputs(setup, state, k))
            for k in range(setup.batch_size)
        ]
        return [b"".join(column) for column in zip(*rows, strict=True)]

    def digest(self, setup: Setup, sender: int, receiver: int, body: bytes) -> bytes:
        """Over the hashes of the pieces, so that one of them may stay hidden at the audit."""
        width = layout_of(self._name, setup.parameters).width(sender, receiver)
        return digest_of_leaves([leaf_of(piece) for piece in split(body, width)])

    def check(self, setup: Setup, state: State, sender: int, payload: bytes) -> None:
        """Nothing may stand there."""
        check_length(payload, 0)

    def check_private(
        self, setup: Setup, state: State, sender: int, receiver: int, body: bytes
    ) -> None:
        """K13.3: the pieces have their lengths, and each number is below its modulus."""
        layout = layout_of(self._name, setup.parameters)
        pieces = split(body, layout.width(sender, receiver))
        try:
            for piece in pieces:
                layout.decode(piece, sender, receiver)
        except ValueError as error:
            raise Fault("KEYGEN_SHARE", str(error)) from None
        if len(pieces) != setup.batch_size:
            raise Fault("KEYGEN_SHARE", f"must have {setup.batch_size} pieces, got {len(pieces)}")

    def finish(self, setup: Setup, state: State) -> tuple[State, str]:
        """The next step of the batch."""
        return state, self._following


class ProductsStep(Opening):
    """The shares of every candidate's n = p*q."""

    name, commit = PRODUCTS, COMMIT_PRODUCTS

    def values(self, setup: Setup, state: State) -> bytes:
        """One share for each candidate."""
        width = width_of(setup.parameters.ring)
        shares = (
            work_on(setup, state, k).product_share(candidate_inputs(setup, state, k))
            for k in range(setup.batch_size)
        )
        return b"".join(int_to_bytes(share, width) for share in shares)

    def check_values(self, setup: Setup, state: State, sender: int, values: bytes) -> None:
        """Lengths and ranges."""
        self.numbers(setup, values)

    def numbers(self, setup: Setup, values: bytes) -> list[int]:
        """The shares. Raises Fault KEYGEN_ENCODING."""
        ring, count = setup.parameters.ring, setup.batch_size
        return decode_numbers(values, [ring] * count, [width_of(ring)] * count)

    def finish(self, setup: Setup, state: State) -> tuple[State, str]:
        """K14.1: which products go on to the powers."""
        parameters = setup.parameters
        rows = [self.numbers(setup, self.opened(state, j)) for j in parameters.indices]
        products = [at_zero(list(column), parameters.ring) for column in zip(*rows, strict=True)]
        survivors = {
            k: int_to_bytes(n, parameters.modulus_width)
            for k, n in enumerate(products)
            if is_plausible(n, parameters)
        }
        state = state.change(survivors=survivors, chosen=NONE_CHOSEN)
        return state, COMMIT_POWERS if survivors else AUDIT


def survivors_of(state: State) -> dict[int, int]:
    """The moduli that may be products of two primes, by candidate."""
    return {k: int.from_bytes(n, "big") for k, n in sorted(state.survivors.items())}


class PowersStep(Opening):
    """v_i of every survivor, for one base."""

    name, commit = POWERS, COMMIT_POWERS

    def values(self, setup: Setup, state: State) -> bytes:
        """One power for each survivor."""
        powers = []
        for k, n in survivors_of(state).items():
            base = base_of(state.session, n, 0)
            powers.append(power_of(setup.index, n, base, *own_parts(setup, state, k)))
        return b"".join(int_to_bytes(power, setup.parameters.modulus_width) for power in powers)

    def check_values(self, setup: Setup, state: State, sender: int, values: bytes) -> None:
        """Lengths and ranges."""
        self.numbers(setup, state, values)

    def numbers(self, setup: Setup, state: State, values: bytes) -> list[int]:
        """The powers. Raises Fault KEYGEN_ENCODING."""
        moduli = list(survivors_of(state).values())
        return decode_numbers(values, moduli, [setup.parameters.modulus_width] * len(moduli))

    def finish(self, setup: Setup, state: State) -> tuple[State, str]:
        """K14.2: the first survivor that passes takes more iterations, one in a batch at most."""
        rows = [self.numbers(setup, state, self.opened(state, j)) for j in setup.parameters.indices]
        columns = zip(survivors_of(state).items(), zip(*rows, strict=True), strict=True)
        for (k, n), powers in columns:
            if passes(n, list(powers)) and not is_power_or_prime(n):
                return state.change(chosen=k), COMMIT_MORE
        return state, AUDIT


class MoreStep(Opening):
    """v_i of the chosen candidate, for 64 more bases."""

    name, commit = MORE, COMMIT_MORE

    def values(self, setup: Setup, state: State) -> bytes:
        """One power for each base."""
        n = survivors_of(state)[state.chosen]
        parts = own_parts(setup, state, state.chosen)
        powers = (power_of(setup.index, n, base, *parts) for base in more_bases(state, n))
        return b"".join(int_to_bytes(power, setup.parameters.modulus_width) for power in powers)

    def check_values(self, setup: Setup, state: State, sender: int, values: bytes) -> None:
        """Lengths and ranges."""
        self.numbers(setup, state, values)

    def numbers(self, setup: Setup, state: State, values: bytes) -> list[int]:
        """The powers. Raises Fault KEYGEN_ENCODING."""
        moduli = [survivors_of(state)[state.chosen]] * MORE_ITERATIONS
        return decode_numbers(values, moduli, [setup.parameters.modulus_width] * len(moduli))

    def finish(self, setup: Setup, state: State) -> tuple[State, str]:
        """K14.3: a candidate that fails any of them is one of the rejected."""
        rows = [self.numbers(setup, state, self.opened(state, j)) for j in setup.parameters.indices]
        n = survivors_of(state)[state.chosen]
        if all(passes(n, list(powers)) for powers in zip(*rows, strict=True)):
            return state, AUDIT
        return state.change(chosen=NONE_CHOSEN), AUDIT


def more_bases(state: State, n: int) -> list[int]:
    """The bases of the 64 iterations."""
    return [base_of(state.session, n, i) for i in range(1, MORE_ITERATIONS + 1)]


def rejected(setup: Setup, state: State) -> list[int]:
    """The candidates of the batch whose seeds are opened: all but the chosen one."""
    return [k for k in range(setup.batch_size) if k != state.chosen]


def chosen_modulus(state: State) -> int:
    """The accepted n."""
    return survivors_of(state)[state.chosen]
