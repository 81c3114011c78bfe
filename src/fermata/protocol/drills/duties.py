"""What an auditor owes in a drill: its commitment, and then its part (docs/spec/keys.md, K37).

An auditor raises nothing to its share but the test ciphertext that its own fold made of the
witnessed entries. Its answer is kept in its store from before the commitment leaves it.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fermata.crypto.integers import Entropy, int_from_bytes, int_to_bytes
from fermata.crypto.threshold.drill import NONCE_BYTES, drill_commitment, drill_part
from fermata.crypto.threshold.key_record import KeyRecord
from fermata.crypto.threshold.opening import KeyShare
from fermata.errors import InvalidEncoding
from fermata.log.merkle import HASH_BYTES
from fermata.protocol.drills.drill import Drill, DrillPhase
from fermata.protocol.fold.references import to_wire
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import KeyedState, State
from fermata.protocol.wire.ports import Duty, IsDrafted
from fermata.wire.v1 import statement_pb2

#: The name in the store of this auditor's answer to the newest drill.
ANSWER = "drill"


class DrillAnswer(NamedTuple):
    """An auditor's part of a drill, with the nonce of its commitment (32 bytes)."""

    nonce: bytes
    part: int


#: Gives this auditor's answer to a drill that runs in the witnessed entries; None if not now.
DrillOpener = Callable[[KeyedState, Drill], DrillAnswer | None]


def answer(record: KeyRecord, share: KeyShare, drill: Drill, entropy: Entropy) -> DrillAnswer:
    """This auditor's answer; ``drill`` is of its own fold, and so is the root.

    Raises what ``check_share`` raises.
    """
    return DrillAnswer(entropy(NONCE_BYTES), drill_part(record, share, drill.root, entropy))


def own_drill_opener(share: KeyShare, entropy: Entropy) -> DrillOpener:
    """One in this process, which holds the share itself: for simulations."""
    return lambda state, drill: answer(state.key.record, share, drill, entropy)


def running(state: State, me: str) -> Drill | None:
    """The drill that runs and that an auditor has a share for."""
    drill = state.drills[-1] if state.drills else None
    if drill is None or drill.phase == DrillPhase.ENDED or me not in drill.auditors:
        return None
    return drill


def encode_answer(record: KeyRecord, drill: Drill, given: DrillAnswer) -> bytes:
    """The leaf hash of the drill's entry, the nonce, and the part in the width of n."""
    width = (record.n.bit_length() + 7) // 8
    return drill.start.leaf_hash + given.nonce + int_to_bytes(given.part, width)


def decode_answer(record: KeyRecord, drill: Drill, data: bytes) -> DrillAnswer | None:
    """The inverse; None for the answer to another drill. Raises InvalidEncoding WIDTH."""
    start, rest = data[:HASH_BYTES], data[HASH_BYTES:]
    if start != drill.start.leaf_hash:
        return None
    width = (record.n.bit_length() + 7) // 8
    part = int_from_bytes(rest[NONCE_BYTES:], width, "answer to a drill")
    return DrillAnswer(rest[:NONCE_BYTES], part)


class Drilling:
    """One auditor's side of the drills of its log."""

    def __init__(self, me: str, replica: Replica, opener: DrillOpener | None) -> None:
        self._me = me
        self._replica = replica
        self._opener = opener

    def duties(self, is_drafted: IsDrafted) -> Iterator[Duty]:
        """What this auditor owes the newest drill now. Raises what the opener raises."""
        if not self._replica.state.drills:
            return
        # K37.3: parts that are shown to one who is shown another log serve it for a commitment.
        state = self._replica.trusted()
        drill = running(state, self._me)
        if drill is None or not isinstance(state, KeyedState):
            return
        is_committing = drill.phase == DrillPhase.COMMITTING
        done = drill.commitments if is_committing else drill.parts
        slot = self._slot(state, drill, "commitment" if is_committing else "part")
        if self._me in done or is_drafted(slot):
            return
        given = self._given(state, drill)
        if given is None:
            return
        record, start = state.key.record, to_wire(drill.start)
        statement = statement_pb2.Statement(
            charter_sha256=self._replica.charter.sha256, author=self._me
        )
        said = drill_commitment(
            record, drill.epoch_id, drill.number, drill.index(self._me), given.nonce, given.part
        )
        if is_committing:
            statement.drill_commitment.CopyFrom(
                statement_pb2.DrillCommitment(start=start, commitment=said)
            )
        # K37.4: what it did not commit itself to would be refused, and tell the others its part.
        elif drill.commitments.get(self._me) != said:
            return
        else:
            part = int_to_bytes(given.part, state.key.public_key.modulus_width)
            statement.drill_part.CopyFrom(
                statement_pb2.DrillPart(start=start, nonce=given.nonce, part=part)
            )
        yield Duty(slot, statement)

    def _slot(self, state: KeyedState, drill: Drill, what: str) -> str:
        """The name of the one draft of its kind; under a later charter it is signed again."""
        brought = self._replica.state.charters[-1].entry
        slot = f"drill/{drill.number}/{what}"
        return f"{slot}/{brought}" if brought > drill.start.index else slot

    def _given(self, state: KeyedState, drill: Drill) -> DrillAnswer | None:
        """The kept answer; while commitments are taken, if there is none, a new one, kept first."""
        record, store = state.key.record, self._replica.store
        kept = store.value(ANSWER)
        if kept is not None:
            try:
                known = decode_answer(record, drill, kept)
            except InvalidEncoding:
                # A damaged one is as good as none: it may be made again until it is committed to.
                known = None
            if known is not None:
                return known
        if drill.phase != DrillPhase.COMMITTING or self._opener is None:
            return None
        made = self._opener(state, drill)
        if made is not None:
            # K37.5: after a crash it could not show what it has committed itself to.
            store.put_value(ANSWER, encode_answer(record, drill, made))
        return made
