"""An auditor that has given an epoch of the key up: K27 of docs/spec/keys.md.

What it signed is durable before anyone gets it. From then on it says nothing in a log that does not
hold the record for which it gave the epoch up, also after a crash: else a coordinator could go on
with the auditors before in one log, and with those after in another.
"""

from fermata.crypto.signing import SigningKey
from fermata.errors import Refusal, StorageError, VerificationError
from fermata.protocol.fold.epochs.next_record import check_next_record
from fermata.protocol.fold.epochs.retire import (
    read_retirement,
    record_digest,
    retirement,
    sign,
)
from fermata.protocol.fold.references import at
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import KeyedState, State
from fermata.protocol.wire.codec import encode
from fermata.types import EntryIndex
from fermata.wire.v1.statement_pb2 import Retire, Retirement, Statement

#: The name in the store of what this auditor last signed to give an epoch up.
RETIRED = "retired"


class Retired:
    """What one auditor has given up, as its store has it."""

    def __init__(self, me: str, replica: Replica) -> None:
        self._me = me
        self._replica = replica
        self._kept = self._read()

    def _read(self) -> Retirement | None:
        data = self._replica.store.value(RETIRED)
        if data is None:
            return None
        try:
            return read_retirement(data)
        except VerificationError as error:
            raise StorageError("DATA_LOSS", "store: what it gave up is damaged") from error

    def holds_back(self, state: State) -> bool:
        """Whether this auditor says nothing: it gave an epoch up, and the log lacks the record."""
        if self._kept is None:
            return False
        if not isinstance(state, KeyedState):
            return True
        digests = {key.record_sha256 for key in (*state.past_keys, state.key)}
        return self._kept.record_sha256 not in digests

    def give_up(self, statement: Statement, key: SigningKey) -> Retire:
        """Gives the epoch in force up for a record that the log would accept; says so for good.

        ``statement`` holds the record, whose retires count for nothing here. The same record gets
        the same answer again. Raises Refusal RETIRED, NOT_ON_ROSTER, SEEN_BEFORE, what
        ``check_next_record`` raises, and StorageError.
        """
        digest = record_digest(statement)
        state = self._replica.state
        if self._kept is not None and self.holds_back(state):
            # K27.1: of two records for one epoch a quorum must not give it up for both.
            if self._kept.record_sha256 != digest:
                raise Refusal(
                    "RETIRED",
                    f"key record: {self._me} has given the epoch up for another record, and waits"
                    " for that one in the log",
                )
            return sign(self._kept, key)
        keyed = state.keyed()
        # K27.2: who holds no share of the epoch has nothing to give up.
        if self._me not in keyed.key.auditors:
            raise Refusal("NOT_ON_ROSTER", f"key record: {self._me} has no share of the epoch")
        # K27.3: a record that the log would refuse would leave this auditor silent for ever.
        check_next_record(keyed, statement, EntryIndex(keyed.size), has_retires=False)
        seen = self._replica.witnessed.size - 1
        # K27.4: what comes after an entry that nobody else was shown could be lost with it.
        if seen < statement.key_record.after.index:
            raise Refusal(
                "SEEN_BEFORE", "key record: the entry that it comes after must be witnessed first"
            )
        said = retirement(keyed.charter, keyed.key, self._me, digest, at(self._replica.tree, seen))
        # K27.5: durable before anybody has it.
        self._replica.store.put_value(RETIRED, encode(said))
        self._kept = said
        return sign(said, key)
