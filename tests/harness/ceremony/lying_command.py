"""The program ``fermata`` whose auditor tells one lie in a key generation.

CEREMONY_LIE is its name in ``keygen_lies``. CEREMONY_OTHER is a folder where the liar leaves what
``crooked_command`` hands its victim, and a file when a lie of ``fermata.sim.keygen.lies`` has been
told. A liar never ends first, so that the others look at what it said.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import fermata.node.ceremony.take_part as take_part
from fermata.cli.main import run
from fermata.crypto.threshold.ceremony.lockstep import Misbehaviour
from fermata.crypto.threshold.keygen.generation import BATCH_SIZE, KeyGeneration
from fermata.node.ceremony.ending import Ending
from fermata.node.ceremony.items import SET_UP, TURN, Name
from fermata.node.ceremony.participant import Participant
from fermata.node.ceremony.waiting import Waiting
from fermata.protocol.ceremony.key_generation import KEY_GENERATION, KINDS
from fermata.protocol.ceremony.messages import payload_of, sign
from fermata.sim.keygen.lies import LyingParty
from fermata.wire.v1 import ceremony_service_pb2 as wire
from harness.ceremony import liars
from harness.ceremony.keygen_lies import TOLD, in_bodies, liar_of

VICTIM = 3
#: The sides of the ceremony that this process has made.
MADE: list[KeyGeneration] = []
#: A turn in which there are private bodies, and one in which the liar accuses.
PRIVATE_TURN, ACCUSING_TURN = 2, 1


class LastToEnd(Participant):
    """A participant that waits until somebody else has ended, whatever it has noticed."""

    def _step(self, ceremony, kept, received):
        try:
            return super()._step(ceremony, kept, received)
        except Ending:
            self._wait_for_an_end(kept)
            raise

    def _wait_for_an_end(self, kept) -> None:
        around, plan = self._around, self._plan(kept)
        waiting = Waiting(self._me, around, plan, kept)
        while True:
            waiting._check_ends(list(around.relay.standing(plan.id).participants))
            waiting.check_time([])
            around.sleep(0.1)

    def _plan(self, kept):
        return take_part.read_plan(kept.plan, self._me.bases.of_plan(kept.plan))


class Accuser(Participant):
    """Ends with an accusation of somebody who did nothing wrong."""

    def _step(self, ceremony, kept, received):
        if kept.number == ACCUSING_TURN:
            fault = Misbehaviour("KEYGEN_SHARE", "made up", 1, ACCUSING_TURN)
            raise Ending.of_fault(fault, discloses=LIE == "accusation")
        return super()._step(ceremony, kept, received)


class TwoFaced(LastToEnd):
    """Leaves another envelope for its victim, in the place of one that it hands in."""

    def _begin(self, kind, is_rehearsal):
        kept = super()._begin(kind, is_rehearsal)
        if LIE.startswith("set-up"):
            self._leave(kept, SET_UP, 0, kept.set_up, wire.CeremonySetUp)
        return kept

    def _save_turn(self, plan, kept, turn) -> None:
        super()._save_turn(plan, kept, turn)
        if LIE.startswith("turn") and turn.number == PRIVATE_TURN:
            self._leave(kept, TURN, turn.number, kept.items[-1].data, wire.SignedTurn)

    def _leave(self, kept, item, turn, envelope, kind) -> None:
        message = kind.FromString(payload_of(envelope))
        if kind is wire.CeremonySetUp:
            keys = message.receive_keys
            # Another order of the same keys: each can be sealed to.
            keys[:] = keys[:1] if LIE.endswith("form") else keys[::-1]
        elif LIE.endswith("form"):
            del message.seen[0]
        else:
            body = message.private_bodies[0]
            body.commitment = liars.flip(body.commitment)
        plan = self._plan(kept)
        name = Name(item, plan.index_of(self._me.party), turn)
        place = Path(os.environ["CEREMONY_OTHER"]) / plan.party(VICTIM) / name.file
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(sign(message, self._me.party, self._me.key))


def _sealed_liar(edit):
    return type("SealedLiar", (LastToEnd, liars.ItemLiar), {"edit": edit})


def _liar(name: str) -> type[Participant]:
    if name in ("accusation", "word alone"):
        return Accuser
    if name == "garbage":
        return _sealed_liar(liars.garbage_for(VICTIM))
    if name == "other commitment":
        return _sealed_liar(liars.wrong_commitment_for(VICTIM))
    return LastToEnd if name in in_bodies() else TwoFaced


def make(plan, index):
    sizes = (len(plan.participants), plan.modulus_bits, plan.threshold, plan.id, BATCH_SIZE)
    MADE.append(liar_of(LIE)((index, *sizes)))
    return MADE[-1]


def run_and_tell() -> int:
    try:
        return run()
    finally:
        if any(isinstance(party, LyingParty) and party.has_lied for party in MADE):
            (Path(os.environ["CEREMONY_OTHER"]) / TOLD).touch()


if __name__ == "__main__":
    LIE = os.environ["CEREMONY_LIE"]
    if LIE in in_bodies():
        KINDS["keygen"] = replace(KEY_GENERATION, make=make)
    take_part.Participant = _liar(LIE)
    sys.exit(run_and_tell())
