"""The steps with the accepted modulus: root exponent, shares of it, self-test (K15, K16, K18)."""

from collections.abc import Mapping, Sequence

import phe

from fermata.crypto.integers import gcd, hash_to_zn, int_to_bytes, product_mod
from fermata.crypto.threshold.key_record import (
    DELTA,
    DISTRIBUTED,
    KeyRecord,
    check_key,
    key_id,
    share_head,
    share_offset_bits,
    verification_base,
)
from fermata.crypto.threshold.keygen.parameters import WRAP_BITS
from fermata.crypto.threshold.keygen.steps.base import DONE, Opening, PublicStep, commitment_to
from fermata.crypto.threshold.keygen.steps.batch import chosen_modulus, own_parts
from fermata.crypto.threshold.keygen.steps.bodies import Fault, check_length, decode_numbers
from fermata.crypto.threshold.keygen.steps.state import Setup, State
from fermata.crypto.threshold.keygen.work.draws import SEED_BYTES, Draws
from fermata.crypto.threshold.keygen.work.pieces import (
    DIGEST_BYTES,
    digest_of_leaves,
    leaf_of,
    width_of,
)
from fermata.crypto.threshold.keygen.work.root_shares import (
    RootNumbers,
    RootOpening,
    RootWork,
    combine_root,
    commitments_to,
    committed_value,
    evaluate,
    is_root_right,
    is_subshare_right,
    root_layout,
)
from fermata.crypto.threshold.opening import (
    KeyShare,
    agreeing,
    check_part,
    combine,
    partial_opening,
)
from fermata.crypto.transcript import digest_parts
from fermata.errors import VerificationError

DOMAIN_TEST = "fermata/v1/keygen-test"
ROOT, COMMIT_ROOT, ROOT_OPENING = "root", "commit root", "root opening"
KEYS, SELF_TEST, BLAME = "key shares", "self-test", "blame"
TEST_CIPHERTEXTS = 16
_TEST_BITS = 256


class SinglePiece:
    """A private step whose bodies are one piece."""

    is_private = True

    def digest(self, setup: Setup, sender: int, receiver: int, body: bytes) -> bytes:
        """The digest of a single piece."""
        return digest_of_leaves([leaf_of(body)])


def final_seed(state: State) -> bytes:
    """The seed of all that this party draws for the accepted candidate's key."""
    return Draws(state.seed, "final").bytes(SEED_BYTES)


def seed_commitment(setup: Setup, state: State, sender: int, seed: bytes) -> bytes:
    """The hash by which a party is held to the seed of its last steps."""
    return commitment_to(setup, state, ROOT, sender, seed)


def _root_work(setup: Setup, state: State) -> RootWork:
    parts = own_parts(setup, state, state.chosen)
    return RootWork(setup.parameters, setup.index, chosen_modulus(state), parts, final_seed(state))


class RootStep(SinglePiece):
    """Shares of p + q - 1, phi and what blinds them; to all, the commitment to the step's seed."""

    def payload(self, setup: Setup, state: State) -> bytes:
        """The commitment."""
        return seed_commitment(setup, state, setup.index, final_seed(state))

    def bodies(self, setup: Setup, state: State) -> list[bytes]:
        """A piece for each party."""
        return _root_work(setup, state).pieces()

    def check(self, setup: Setup, state: State, sender: int, payload: bytes) -> None:
        """Its length."""
        check_length(payload, DIGEST_BYTES)

    def check_private(
        self, setup: Setup, state: State, sender: int, receiver: int, body: bytes
    ) -> None:
        """K13.3: its length, and each number is below its modulus."""
        try:
            root_layout(setup.parameters).decode(body, sender, receiver)
        except ValueError as error:
            raise Fault("KEYGEN_SHARE", str(error)) from None

    def finish(self, setup: Setup, state: State) -> tuple[State, str]:
        """The opening follows."""
        return state, COMMIT_ROOT


class RootOpeningStep(Opening):
    """What blinds p + q - 1 with it, and the ends of the parts of D."""

    name, commit = ROOT_OPENING, COMMIT_ROOT

    def values(self, setup: Setup, state: State) -> bytes:
        """Three numbers."""
        return encode_root(setup, _root_work(setup, state).opening(state.inputs[ROOT]))

    def check_values(self, setup: Setup, state: State, sender: int, values: bytes) -> None:
        """Lengths and ranges."""
        self.numbers(setup, state, values)

    def numbers(self, setup: Setup, state: State, values: bytes) -> RootOpening:
        """The opening. Raises Fault KEYGEN_ENCODING."""
        moduli, widths = _root_shape(setup, chosen_modulus(state))
        return RootOpening(*decode_numbers(values, moduli, widths))

    def finish(self, setup: Setup, state: State) -> tuple[State, str]:
        """K15.1, K15.2: without these n has no root exponent, or gives one that has no inverse."""
        numbers = root_numbers(setup, state)
        n = chosen_modulus(state)
        good = numbers.is_coprime and numbers.theta and gcd(numbers.theta, n) == 1
        return state, KEYS if good else BLAME


def encode_root(setup: Setup, opening: RootOpening) -> bytes:
    """The three numbers, each in its width."""
    _, widths = _root_shape(setup, 1)
    numbers = (opening.blinded, opening.top, opening.residue)
    return b"".join(int_to_bytes(x, width) for x, width in zip(numbers, widths, strict=True))


def _root_shape(setup: Setup, n: int) -> tuple[list[int], list[int]]:
    parameters = setup.parameters
    top = (int(parameters.root_ring) >> (parameters.root_bits - WRAP_BITS)) + 1
    widths = [width_of(parameters.gcd_ring), width_of(top), parameters.modulus_width]
    return [parameters.gcd_ring, top, n], widths


def root_numbers(setup: Setup, state: State) -> RootNumbers:
    """What all openings give."""
    step = RootOpeningStep()
    openings = [step.numbers(setup, state, step.opened(state, j)) for j in setup.parameters.indices]
    return combine_root(setup.parameters, chosen_modulus(state), openings)


class KeyStep(SinglePiece):
    """Each party's part of the key, shared; to all, commitments to its polynomial (Feldman)."""

    def payload(self, setup: Setup, state: State) -> bytes:
        """A commitment to each coefficient."""
        n = chosen_modulus(state)
        commitments = commitments_to(n, self._polynomial(setup, state))
        return b"".join(int_to_bytes(c, setup.parameters.modulus_width) for c in commitments)

    def bodies(self, setup: Setup, state: State) -> list[bytes]:
        """The polynomial's value at each party's index, with its sign."""
        polynomial = self._polynomial(setup, state)
        return [encode_subshare(setup, evaluate(polynomial, j)) for j in setup.parameters.indices]

    def _polynomial(self, setup: Setup, state: State) -> list[int]:
        numbers = root_numbers(setup, state)
        return _root_work(setup, state).polynomial(state.inputs[ROOT], numbers, setup.threshold)

    def check(self, setup: Setup, state: State, sender: int, payload: bytes) -> None:
        """K16.1: units modulo n, one for each coefficient."""
        n = chosen_modulus(state)
        if any(gcd(c, n) != 1 for c in self.commitments(setup, state, payload)):
            raise Fault("KEYGEN_ENCODING", "each commitment must be a unit modulo n")

    def commitments(self, setup: Setup, state: State, payload: bytes) -> list[int]:
        """A party's commitments. Raises Fault KEYGEN_ENCODING."""
        count = setup.threshold
        moduli = [chosen_modulus(state)] * count
        return decode_numbers(payload, moduli, [setup.parameters.modulus_width] * count)

    def check_private(
        self, setup: Setup, state: State, sender: int, receiver: int, body: bytes
    ) -> None:
        """K16.2: a share that is not what its sender committed to would open nothing."""
        if len(body) != setup.parameters.subshare_width:
            width = setup.parameters.subshare_width
            raise Fault("KEYGEN_SHARE", f"a share must have {width} bytes, got {len(body)}")
        commitments = self.commitments(setup, state, state.payloads[KEYS][sender - 1])
        subshare = int.from_bytes(body, "big", signed=True)
        if not is_subshare_right(chosen_modulus(state), commitments, receiver, subshare):
            raise Fault("KEYGEN_SHARE", "a share does not fit its sender's commitments")

    def finish(self, setup: Setup, state: State) -> tuple[State, str]:
        """K16.3: the committed constants are a root exponent, and every t shares interpolate."""
        n, numbers = chosen_modulus(state), root_numbers(setup, state)
        if not is_root_right(n, numbers.theta, _all_commitments(setup, state)):
            return state, BLAME
        try:
            check_key(record_of(setup, state))
        except VerificationError:
            return state, BLAME
        return state, SELF_TEST


def encode_subshare(setup: Setup, subshare: int) -> bytes:
    """A share of a party's part, in two's complement."""
    return subshare.to_bytes(setup.parameters.subshare_width, "big", signed=True)


def _all_commitments(setup: Setup, state: State) -> dict[int, Sequence[int]]:
    step = KeyStep()
    return {
        j: step.commitments(setup, state, state.payloads[KEYS][j - 1])
        for j in setup.parameters.indices
    }


def record_of(setup: Setup, state: State) -> KeyRecord:
    """The key's record, which everybody computes from the commitments."""
    n, parameters = chosen_modulus(state), setup.parameters
    rows = _all_commitments(setup, state)
    base = verification_base(n)
    offset = DELTA << share_offset_bits(n, DISTRIBUTED)
    verification = []
    for j in parameters.indices:
        committed = product_mod((committed_value(n, row, j) for row in rows.values()), n)
        head = pow(base, offset * share_head(j, setup.threshold), n)
        verification.append(committed * head % n)
    return KeyRecord(
        n=n,
        threshold=setup.threshold,
        epoch=1,
        kappa=DELTA,
        theta=root_numbers(setup, state).theta,
        verification=tuple(verification),
        origin=DISTRIBUTED,
    )


def share_of(setup: Setup, state: State, record: KeyRecord) -> KeyShare:
    """This party's share of the key."""
    subshares = (int.from_bytes(body, "big", signed=True) for body in state.inputs[KEYS])
    head = share_head(setup.index, setup.threshold)
    value = sum(subshares) + (head << record.offset_bits)
    return KeyShare(setup.index, value, key_id(record))


def test_ciphertexts(session: bytes, n: int) -> list[tuple[int, int, int]]:
    """The ciphertexts of the self-test with their plaintexts and roots, all hashed and public."""
    key, tests = phe.PaillierPublicKey(n), []
    for number in range(TEST_CIPHERTEXTS):
        data = digest_parts(DOMAIN_TEST, session, number.to_bytes(4, "big"))
        plaintext = int.from_bytes(data, "big") % (1 << _TEST_BITS) % n
        root = hash_to_zn(DOMAIN_TEST, data, n)
        tests.append((key.raw_encrypt(plaintext, r_value=root), plaintext, root))
    return tests


class SelfTestStep(PublicStep):
    """Opening parts of ciphertexts whose plaintexts everybody knows."""

    def payload(self, setup: Setup, state: State) -> bytes:
        """A part for each ciphertext."""
        record = record_of(setup, state)
        share = share_of(setup, state, record)
        draws = Draws(final_seed(state), "blinding")
        parts = (
            partial_opening(record, share, ciphertext, draws.bytes)
            for ciphertext, _, _ in test_ciphertexts(state.session, record.n)
        )
        return b"".join(int_to_bytes(part, setup.parameters.modulus_width) for part in parts)

    def check(self, setup: Setup, state: State, sender: int, payload: bytes) -> None:
        """Each part can be one (F9.12, F9.13)."""
        n = chosen_modulus(state)
        try:
            for part in self.parts(setup, state, payload):
                check_part(n, part)
        except VerificationError as error:
            raise Fault("KEYGEN_ENCODING", str(error)) from None

    def parts(self, setup: Setup, state: State, payload: bytes) -> list[int]:
        """The parts. Raises Fault KEYGEN_ENCODING."""
        moduli = [chosen_modulus(state)] * TEST_CIPHERTEXTS
        widths = [setup.parameters.modulus_width] * TEST_CIPHERTEXTS
        return decode_numbers(payload, moduli, widths)

    def finish(self, setup: Setup, state: State) -> tuple[State, str]:
        """K18.1: all parts together open every ciphertext, and no part is wrong."""
        record = record_of(setup, state)
        rows = {
            j: self.parts(setup, state, state.payloads[SELF_TEST][j - 1])
            for j in setup.parameters.indices
        }
        for at, test in enumerate(test_ciphertexts(state.session, record.n)):
            if not all_open(record, test, {j: row[at] for j, row in rows.items()}):
                return state, BLAME
        return state, DONE


def all_open(record: KeyRecord, test: tuple[int, int, int], parts: Mapping[int, int]) -> bool:
    """K18.1: whether any t of the parts, by index, open a ciphertext of which plaintext and root
    are known.

    It does not ask who is wrong beyond doubt (K8): of fewer than 2t - 1 auditors nobody is, even if
    a part is wrong.
    """
    ciphertext, plaintext, root = test
    opening = combine(record, ciphertext, parts)
    if opening is None or (opening.plaintext, opening.root) != (plaintext, root):
        return False
    return agreeing(record, root, parts) == len(parts)
