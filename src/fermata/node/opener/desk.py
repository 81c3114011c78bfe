"""What an opener checks before it uses its share: the whole log and the whole round (OP2).

It is given a log and not a number: it reads the log as every node does, counts its witnesses,
fetches the sealed parts, and computes the product itself. Whoever asks it, be it the auditor's own
node, gets a part of nothing else. ``Desk.open`` is given the share once all checks are made.
"""

from dataclasses import dataclass

from fermata.crypto.threshold.auditor_share import AuditorShare
from fermata.errors import ConfigError, Refusal
from fermata.memory_store import MemoryStore
from fermata.node.opener.marks import Marks
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter
from fermata.protocol.drills.drill import Drill, DrillPhase
from fermata.protocol.drills.duties import answer, encode_answer, running
from fermata.protocol.fold.references import bind
from fermata.protocol.roles.auditor import check_close, open_part
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import ENDORSED, OPENED, Close, KeyedState, Round, State
from fermata.protocol.wire.codec import encode
from fermata.protocol.wire.ports import Entropy, Log
from fermata.types import RoundNumber


@dataclass(frozen=True, slots=True)
class Openable:
    """A round that has passed every check: ``state`` is of the witnessed entries."""

    state: KeyedState
    round_: Round
    close: Close


def openable(replica: Replica, me: str, number: int, log: Log) -> Openable:
    """Makes every check of a round that needs neither a share nor a memory of earlier openings.

    ``log`` hands out sealed parts. Raises Refusal NO_ROUND, NO_QUORUM, and as ``check_close`` and
    fetching from ``log`` do.
    """
    state = replica.trusted()
    round_ = state.round(RoundNumber(number))
    # OP2.4: a round that only the coordinator has seen.
    if not isinstance(state, KeyedState) or round_ is None:
        raise Refusal(
            "NO_ROUND", f"opener: the witnessed entries of the log have no round {number}"
        )
    quorum = state.charter.endorsement_quorum
    vouches = me in round_.endorsements or round_.keeps_endorsements
    # OP2.5: nothing is opened that a quorum has not checked, this auditor among it.
    if round_.phase(quorum) not in (ENDORSED, OPENED) or not vouches:
        raise Refusal(
            "NO_QUORUM",
            f"opener: round {number} must be closed and have {quorum} endorsements, one of them"
            f" by {me} unless they are of an earlier epoch of the key, in the witnessed entries",
        )
    # OP2.6: the product is computed here, from reports whose proofs hold (P2.1 to P2.9).
    return Openable(state, round_, check_close(state, round_, log.fetch_sealed, replica.cache))


def drillable(replica: Replica, me: str) -> tuple[KeyedState, Drill]:
    """The drill of the witnessed entries that this auditor may answer, and their state.

    Raises Refusal NO_DRILL.
    """
    state = replica.trusted()
    drill = running(state, me)
    # OP7.1: an answer that nobody waits for.
    if not isinstance(state, KeyedState) or drill is None or drill.phase != DrillPhase.COMMITTING:
        raise Refusal(
            "NO_DRILL", "opener: the witnessed entries of the log have no drill that takes answers"
        )
    return state, drill


class Desk:
    """An opener's own copy of the log, and what it has opened.

    ``charter``: entry 0's, which pins the log; ``me``: the auditor's id in it.
    """

    def __init__(
        self,
        charter: Charter,
        me: str,
        marks: Marks,
        entropy: Entropy,
        modulus_bits_min: int = MODULUS_BITS_MIN,
    ) -> None:
        self.charter = charter
        self.me = me
        self.replica = Replica(charter, MemoryStore(), modulus_bits_min)
        self._marks = marks
        self._entropy = entropy

    def read(self, log: Log) -> None:
        """Reads what is new, and checks it against what was opened from before.

        Raises as ``Replica.pull`` and ``Marks.check`` do, and ConfigError CHARTER_HASH.
        """
        self.replica.pull(log)
        # OP2.1: a log of other parties, or under other terms, opens nothing of this one.
        if self.replica.state.size and self.replica.state.charter is None:
            raise ConfigError(
                "CHARTER_HASH",
                f"opener: the log does not begin with the charter {self.charter.sha256.hex()}",
            )
        # OP1.3: a task of somebody else's, or of nobody's.
        if self.me not in self.replica.charter.auditors:
            raise ConfigError("PARTY", f"opener: the charter has no auditor {self.me}")
        self._marks.check(self.replica)

    def checked(self, number: int, log: Log) -> Openable:
        """A round that may be opened, and was not opened otherwise before. ``read`` comes first.

        Raises as ``openable`` does, and Refusal OPENED_OTHER.
        """
        passed = openable(self.replica, self.me, number, log)
        self._marks.check_same(number, passed.close, passed.state.key.epoch_id)
        return passed

    @property
    def epoch(self) -> int:
        """The epoch of the key in force; 1 before there is a key."""
        key = self.replica.state.key
        return 1 if key is None else key.record.epoch

    def check_share(self, share: AuditorShare, state: State | None = None) -> None:
        """Checks that the share is this auditor's, and is of the key in force once there is one.

        ``state``: the one to take the key from, by default that of all entries: all auditors have
        signed the key record, this one too. Raises InvalidProof SHARE_CHARTER, SHARE_AUDITOR,
        SHARE_KEY, SHARE_EPOCH and as ``crypto.threshold.opening.check_share`` does.
        """
        state = self.replica.state if state is None else state
        auditors = self.charter.auditors if state.key is None else state.key.auditors
        share.check_place(self.charter.sha256, auditors, self.me)
        if isinstance(state, KeyedState):
            share.check_epoch(state.key.record, state.key.epoch_id)

    def given(self, passed: Openable) -> bytes | None:
        """The statement that was given for this round before: canonical bytes."""
        return self._marks.given(passed.round_.number, passed.state.charter.sha256)

    def open(self, passed: Openable, share: AuditorShare) -> bytes:
        """This auditor's part of the opening as a statement: canonical bytes. It keeps nothing.

        Raises as ``check_share`` does, and Refusal NO_QUORUM.
        """
        # OP2.8: a part by a wrong share would make this auditor a culprit (P5.4).
        self.check_share(share, passed.state)
        statement = open_part(
            passed.state, passed.round_, passed.close, self.me, share.share, self._entropy
        )
        bind(self.replica.tree, statement, self.replica.witnessed.size)
        return encode(statement)

    def answer(self, state: KeyedState, drill: Drill, share: AuditorShare) -> bytes:
        """This auditor's answer to a drill that ``drillable`` gave, as ``encode_answer`` gives it.

        The root is of this desk's own fold; nothing that anybody else chose meets the share. Raises
        as ``check_share`` does.
        """
        self.check_share(share, state)  # OP7.2: a part by a wrong share looks like a lost one.
        record = state.key.record
        return encode_answer(record, drill, answer(record, share.share, drill, self._entropy))

    def keep(self, passed: Openable, statement: bytes) -> None:
        """Makes durable that this statement is given: before it leaves the process (OP2.9)."""
        number, epoch_id = passed.round_.number, passed.state.key.epoch_id
        self._marks.keep(self.replica, number, passed.close, epoch_id, statement)
