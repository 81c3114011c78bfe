"""The lies of a key generation, message by message, and what the record says of each (CE11).

A lie in a body is one of ``fermata.sim.keygen.lies``; what it is named for follows from playing it
in memory. Lies about envelopes and sealed bodies are told by ``lying_command``, some of them with
the help of ``crooked_command``, a relay that hands its victim what no honest relay would take.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from fermata.crypto.threshold.ceremony.lockstep import Ceremony, Messages, Turn
from fermata.crypto.threshold.keygen.generation import KeyGeneration
from fermata.crypto.threshold.keygen.parameters import parameters_of
from fermata.crypto.threshold.keygen.steps.bodies import Fault, encode_complaint, kind_of
from fermata.crypto.threshold.keygen.steps.plan import phase_of, plan_of
from fermata.crypto.threshold.keygen.work.candidate import UNITS
from fermata.sim.keygen.lies import LIES, LIES_BY_NAME, Lie, LyingParty, flip_last, has_no_key
from fermata.sim.keygen.play import play
from harness.crypto.keygens import (
    BITS,
    MORE_BATCHES,
    ONE_BATCH,
    PARTIES,
    common,
    parties_of,
    seeds_of,
)

SEED = "the accuser's seed (CE4.6 to CE4.9)"
ENVELOPE = "the envelope (CE4.2)"
BOTH = "both envelopes (CE4.1)"
RECEIVER_KEY = "the receiver's private key for its sender (CE4.3, CE4.4)"
#: Of the record's ends, the form in which the evidence stands; nothing where ``shown`` has it.
FORMS = {
    SEED: "seed_disclosure",
    ENVELOPE: "bad_form",
    RECEIVER_KEY: "bad_sealed_body",
    BOTH: None,
    "": None,
}
#: Who lies in the plays of the table.
LIAR = 2
#: The file that ``lying_command`` leaves in CEREMONY_OTHER when its lie's time has come.
TOLD = "told"


@dataclass(frozen=True)
class Row:
    """``name`` is what ``lying_command`` is told; ``reason`` is empty where nobody is proven."""

    phase: str
    message: str
    lie: str
    name: str
    reason: str
    evidence: str
    needs_crooked_relay: bool = False


CARRIED = (
    Row("any", "set-up", "breaks its form", "set-up form", "CEREMONY_FORM", ENVELOPE, True),
    Row("any", "set-up", "two faces", "set-up faces", "CEREMONY_SPLIT", BOTH, True),
    Row("any", "signed turn", "breaks its form", "turn form", "CEREMONY_FORM", ENVELOPE, True),
    Row("any", "signed turn", "two faces", "turn faces", "CEREMONY_SPLIT", BOTH, True),
    Row("any", "sealed body", "does not open", "garbage", "CEREMONY_SEALED", RECEIVER_KEY),
    Row(
        "any", "sealed body", "not the one that was committed to", "other commitment",
        "CEREMONY_SEALED", RECEIVER_KEY,
    ),
    Row(
        "any", "end", "accuses somebody of nothing, with its seed", "accusation",
        "CEREMONY_ACCUSATION", SEED,
    ),
    Row("any", "end", "names somebody without evidence", "word alone", "", ""),
)  # fmt: skip


#: A KeyGeneration's arguments: index, parties, bits, threshold, context and batch size.
Setup = tuple[int, int, int, int, bytes, int]
#: The kind of a body that answers complaints, and the turn after the first private bodies.
ANSWERS_KIND, COMPLAINING_TURN = 3, 3


class _Edited(KeyGeneration):
    """Says something else than it believes to have said; ``edit`` gets the turn and its words."""

    edit: Callable[[int, Messages], Messages]

    def begin(self, seed: bytes) -> Turn:
        return self._edited(super().begin(seed))

    def step(self, kept, received) -> Turn:
        return self._edited(super().step(kept, received))

    def _edited(self, turn: Turn) -> Turn:
        if turn.messages is None:
            return turn
        return replace(turn, messages=type(self).edit(turn.number, turn.messages))


def _answers(change: Callable[[bytes], bytes]) -> Callable[[int, Messages], Messages]:
    """Bodies that have not their digests, and then another answer to whoever complains."""

    def edit(_: int, said: Messages) -> Messages:
        if kind_of(said.public) == ANSWERS_KIND and len(said.public) > 1:
            return Messages(change(said.public))
        bent = {j: flip_last(body) for j, body in said.private.items()}
        return Messages(said.public, bent)

    return edit


def _complains_of(*whom: int) -> Callable[[int, Messages], Messages]:
    def edit(number: int, said: Messages) -> Messages:
        is_it = number == COMPLAINING_TURN
        return Messages(encode_complaint(list(whom)), said.private) if is_it else said

    return edit


class _Complainer(KeyGeneration):
    """Complains of the first private body of party 1, with which nothing is wrong."""

    def _check_private(self, state, name, step, sender, receiver, body) -> None:
        super()._check_private(state, name, step, sender, receiver, body)
        if state.mode == "words" and (name, sender) == (UNITS, 1):
            raise Fault("KEYGEN_SHARE", "made up")


EDITS = {
    "complaint: of nobody": _complains_of(),
    "complaint: of itself": _complains_of(LIAR),
    "answer: another body than was published": _answers(flip_last),
    "answer: none": _answers(lambda said: said[:1]),
}
RIGHT = "complaint: of a body that is right"


def liar_of(name: str) -> Callable[[Setup], Ceremony]:
    """The side of a party that tells the lie with this name."""
    if name in EDITS:
        kind = type("Edited", (_Edited,), {"edit": staticmethod(EDITS[name])})
        return lambda setup: kind(*setup)
    if name == RIGHT:
        return lambda setup: _Complainer(*setup)
    return lambda setup: LyingParty(setup, LIES_BY_NAME[name])


def in_bodies() -> tuple[str, ...]:
    """The names of all lies that are told in bodies."""
    return (*LIES_BY_NAME, *EDITS, RIGHT)


def may_stay_untold(name: str) -> bool:
    """Whether a key generation can end before the lie's time has come."""
    return name in LIES_BY_NAME and LIES_BY_NAME[name].when is has_no_key


def _in_memory(name: str) -> str:
    """For what everybody else names who tells this lie; empty if nobody has to."""
    parties = parties_of()
    parties[LIAR] = liar_of(name)((LIAR, *common()))
    played = play(parties, seeds_of(MORE_BATCHES if may_stay_untold(name) else ONE_BATCH))
    others = {j: finding for j, finding in played.findings.items() if j != LIAR}
    told = {(finding.culprit, finding.reason) for finding in others.values()}
    if not told and len({turn.public_result for turn in played.ends.values()}) == 1:
        return ""
    if len(told) != 1 or len(others) != PARTIES - 1 or {c for c, _ in told} != {LIAR}:
        raise AssertionError(f"{name}: all others must name {LIAR} alone, got {told}")
    return told.pop()[1]


def _row(phase: str, name: str, kind: str) -> Row:
    message, _, what = name.partition(": ")
    reason = _in_memory(name)
    return Row(phase, f"{message}, {kind}", what, name, reason, SEED if reason else "")


def _row_of(lie: Lie) -> Row:
    return _row(phase_of(lie.step), lie.name, "said to all" if lie.public else "to one alone")


def rows() -> tuple[Row, ...]:
    """All of them, in the order in which their messages come."""
    steps = list(plan_of(parameters_of(BITS, PARTIES)))
    bodies = sorted(LIES, key=lambda lie: steps.index(lie.step))
    disputes = [_row("candidates", name, "said to all") for name in (*EDITS, RIGHT)]
    return (*CARRIED, *map(_row_of, bodies), *disputes)
