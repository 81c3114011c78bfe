"""One auditor's side of a key generation, turn by turn (docs/spec/keys.md, K12 to K19)."""

from collections.abc import Mapping

from fermata.crypto.threshold.ceremony.lockstep import (
    SEED_BYTES,
    Messages,
    Misbehaviour,
    Progress,
    Received,
    Turn,
)
from fermata.crypto.threshold.keygen.outcome import Outcome
from fermata.crypto.threshold.keygen.steps.base import COMMIT_NONCE, DONE, Commit, Step
from fermata.crypto.threshold.keygen.steps.bodies import (
    COMPLAINT,
    SILENCE,
    Fault,
    Words,
    decode_answers,
    decode_complaint,
    decode_words,
    encode_answers,
    encode_complaint,
    encode_words,
    encoding_fault,
    kind_of,
)
from fermata.crypto.threshold.keygen.steps.final import record_of, share_of
from fermata.crypto.threshold.keygen.steps.plan import phase_of, plan_of
from fermata.crypto.threshold.keygen.steps.state import State, setup_of, state_from_bytes
from fermata.crypto.threshold.keygen.work.pieces import DIGEST_BYTES
from fermata.crypto.transcript import digest_parts

DOMAIN_TRANSCRIPT = "fermata/v1/keygen-transcript"
#: Candidates in a batch: more of them need fewer turns and more memory.
BATCH_SIZE = 256
#: How the messages of a turn are to be read: a step's words, answers to complaints, late words.
_WORDS, _ANSWERS, _LATE = "words", "answers", "late"

#: A turn's public and private bodies, by sender.
_Bodies = Mapping[int, Received]


class KeyGeneration:
    """Party ``index`` of ``parties`` makes a key of ``modulus_bits`` bits with the others.

    ``context``: what the key is for, the same at all parties (the charter's hash). ``threshold``
    shares open with the key, at least l + 1 = floor((parties + 1) / 2). ``public_result`` is an
    ``Outcome``, ``secret_result`` a ``KeyShare``, both in bytes.

    Raises ValueError for numbers out of range.
    """

    def __init__(
        self,
        index: int,
        parties: int,
        modulus_bits: int,
        threshold: int,
        context: bytes,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        self._setup = setup_of(index, parties, modulus_bits, threshold, context, batch_size)
        self._plan = plan_of(self._setup.parameters)

    @property
    def index(self) -> int:
        """The party's own index, from 1."""
        return self._setup.index

    @property
    def parties(self) -> tuple[int, ...]:
        """The indices of all parties."""
        return tuple(self._setup.parameters.indices)

    def begin(self, seed: bytes) -> Turn:
        """Turn 0. Raises ValueError unless the seed has 32 bytes."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed must have {SEED_BYTES} bytes, got {len(seed)}")
        state = State(setup=self._setup.digest(), seed=seed, step=COMMIT_NONCE, turn=-1)
        return self._speak(state)

    def step(self, kept: bytes, received: Mapping[int, Received]) -> Turn:
        """The next turn. Raises Misbehaviour, InvalidEncoding KEYGEN_STATE, and InvalidProof
        KEYGEN_FAILED if there is no key although nobody broke the rules.

        Raises ValueError unless there is a message of each other party.
        """
        state = state_from_bytes(kept, self._setup)
        if sorted(received) != self._setup.others:
            raise ValueError("there must be one message of each other party")
        bodies = dict(received) | {self.index: Received(state.own_public)}
        spoken = [bodies[j].public for j in self.parties]
        state = state.change(transcript=digest_parts(DOMAIN_TRANSCRIPT, state.transcript, *spoken))
        read = {_WORDS: self._read_words, _ANSWERS: self._read_answers, _LATE: self._read_late}
        return read[state.mode](state, bodies)

    def _read_words(self, state: State, bodies: _Bodies) -> Turn:
        """A step's words; instead of them, complaints about the private step just before."""
        disputes = []
        for j in self.parties:
            body = bodies[j].public
            try:
                if kind_of(body) == COMPLAINT and state.previous:
                    others = self._setup.receivers_of(j)
                    disputes += [(j, accused) for accused in decode_complaint(body, others)]
                else:
                    self._check_words(state, j, body)
            except Fault as fault:
                raise self._misbehaviour(state, j, fault, state.turn) from None
        if not disputes:
            return self._complete(state, bodies)
        complainers = {complainer for complainer, _ in disputes}
        held = {
            j: (bodies[j].public, bodies[j].private) for j in self.parties if j not in complainers
        }
        state = state.change(mode=_ANSWERS, held=held, disputes=tuple(disputes))
        due = [complainer for complainer, accused in disputes if accused == self.index]
        # The answer is what the complainer has, or would have: no third party learns a secret by it
        # that the two of them, of whom one broke the rules, could not have told.
        sent = self._plan[state.previous].bodies(self._setup, state) if due else []
        return self._say(state, encode_answers([sent[j - 1] for j in due]))

    def _read_answers(self, state: State, bodies: _Bodies) -> Turn:
        """The private bodies that were complained of, which everybody now checks."""
        previous = self._plan[state.previous]
        inputs = list(state.inputs[state.previous])
        for j in self.parties:
            due = [complainer for complainer, accused in state.disputes if accused == j]
            try:
                answers = decode_answers(bodies[j].public, len(due))
            except Fault as fault:
                raise self._misbehaviour(state, j, fault, state.turn) from None
            for complainer, body in zip(due, answers, strict=True):
                try:
                    self._check_private(state, state.previous, previous, j, complainer, body)
                except Fault as fault:
                    turn = state.turns[state.previous]
                    raise self._misbehaviour(state, j, fault, turn, state.previous) from None
                if complainer == self.index:
                    inputs[j - 1] = body
        state = state.change(inputs=state.inputs | {state.previous: tuple(inputs)}, mode=_LATE)
        if self.index in state.held:
            return self._say(state, bytes([SILENCE]))
        return self._speak(state, mode=_LATE)

    def _read_late(self, state: State, bodies: _Bodies) -> Turn:
        """The words of those who had complained; the others said theirs before."""
        everything = dict(bodies)
        for j in self.parties:
            body = bodies[j].public
            try:
                if j not in state.held:
                    self._check_words(state, j, body)
                elif body != bytes([SILENCE]):
                    raise encoding_fault("must say nothing, having spoken before the complaints")
                else:
                    everything[j] = Received(*state.held[j])
            except Fault as fault:
                raise self._misbehaviour(state, j, fault, state.turn) from None
        return self._complete(state.change(mode=_WORDS, held={}, disputes=()), everything)

    def _check_words(self, state: State, sender: int, body: bytes) -> None:
        words = self._words(state, body)
        # K13.1: each step has one form of words.
        self._plan[state.step].check(self._setup, state, sender, words.payload)

    def _words(self, state: State, body: bytes) -> Words:
        is_private = self._plan[state.step].is_private
        return decode_words(body, len(self._setup.others) if is_private else 0)

    def _check_private(
        self, state: State, name: str, step: Step, sender: int, receiver: int, body: bytes
    ) -> None:
        """K13.2: what its sender published the digest of; and then what the step asks for."""
        at = self._setup.receivers_of(sender).index(receiver) * DIGEST_BYTES
        digest = state.digests[name][sender - 1][at : at + DIGEST_BYTES]
        if step.digest(self._setup, sender, receiver, body) != digest:
            raise Fault("KEYGEN_SHARE", "a private body does not have the digest that goes with it")
        step.check_private(self._setup, state, sender, receiver, body)

    def _complete(self, state: State, bodies: _Bodies) -> Turn:
        """Everybody has spoken: takes the messages in, and goes on to the next step."""
        name, step = state.step, self._plan[state.step]
        words = [self._words(state, bodies[j].public) for j in self.parties]
        state = state.change(
            payloads=state.payloads | {name: tuple(word.payload for word in words)},
            digests=state.digests | {name: tuple(word.digests for word in words)},
            turns=state.turns | {name: state.turn},
            previous=name if step.is_private else "",
        )
        accused = []
        if step.is_private:
            private = [bodies[j].private for j in self.parties]
            private[self.index - 1] = state.own_private
            for j in self._setup.others:
                try:
                    self._check_private(state, name, step, j, self.index, private[j - 1])
                except Fault:
                    accused.append(j)
                    private[j - 1] = b""
            state = state.change(inputs=state.inputs | {name: tuple(private)})
        state, following = step.finish(self._setup, state)
        if following == DONE:
            return self._end(state)
        state = state.change(step=following)
        if accused:
            return self._say(state, encode_complaint(accused))
        return self._speak(state)

    def _speak(self, state: State, mode: str = _WORDS) -> Turn:
        """This party's words of the step."""
        step, setup = self._plan[state.step], self._setup
        if isinstance(step, Commit):
            state = step.prepare(setup, state)
        private: dict[int, bytes] = {}
        digests = b""
        if step.is_private:
            sent = step.bodies(setup, state)
            private = {j: sent[j - 1] for j in setup.others}
            digests = b"".join(step.digest(setup, setup.index, j, private[j]) for j in private)
            state = state.change(own_private=sent[setup.index - 1])
        body = encode_words(digests, step.payload(setup, state))
        return self._say(state.change(mode=mode), body, private)

    def _say(self, state: State, public: bytes, private: Mapping[int, bytes] | None = None) -> Turn:
        state = state.change(turn=state.turn + 1, own_public=public)
        messages = Messages(public, private or {})
        return Turn(state.turn, state.to_bytes(), messages, self._progress(state))

    def _end(self, state: State) -> Turn:
        """The key's record and this party's share of it; nothing else is kept."""
        record = record_of(self._setup, state)
        outcome = Outcome(state.session, state.transcript, self._candidates(state), record)
        return Turn(
            number=state.turn + 1,
            kept=b"",
            messages=None,
            progress=Progress("done", self._candidates(state)),
            public_result=outcome.to_bytes(),
            secret_result=share_of(self._setup, state, record).to_bytes(),
        )

    def _candidates(self, state: State) -> int:
        return (state.batch + 1) * self._setup.batch_size

    def _progress(self, state: State) -> Progress:
        phase = phase_of(state.step)
        if phase != "candidates":
            return Progress(phase)
        expected = self._setup.parameters.expected_candidates
        return Progress(phase, self._candidates(state), expected, "candidates")

    def _misbehaviour(
        self, state: State, party: int, fault: Fault, turn: int, step: str = ""
    ) -> Misbehaviour:
        message = f"key generation: auditor {party}, turn {turn} ({step or state.step}): {fault}"
        return Misbehaviour(fault.reason, message, party, turn)
