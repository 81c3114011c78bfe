"""The auditor's duties and its rules P1 to P9 (docs/spec/auditors.md).

An auditor never exponentiates a number it was handed: it opens only products that it computed
itself from reports that it checked itself, in a round that a quorum has endorsed.
"""

from collections.abc import Callable, Iterator, Set
from typing import NamedTuple

from fermata.crypto.integers import int_to_bytes
from fermata.crypto.report.proof_cache import ProofCache
from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.opening import KeyShare, check_share, partial_opening
from fermata.errors import Refusal, StorageError, VerificationError
from fermata.protocol.fold.disclosure import check_openable
from fermata.protocol.fold.governance.next_record import check_next_record
from fermata.protocol.fold.governance.retire import (
    read_retirement,
    record_digest,
    retirement,
    sign,
)
from fermata.protocol.fold.proofs import failures_of
from fermata.protocol.fold.references import at, to_wire
from fermata.protocol.fold.reports import (
    Sealed,
    aggregate,
    aggregates_to_wire,
    check_sealed,
    ciphertexts_of,
)
from fermata.protocol.fold.round_rules import aggregate_digest
from fermata.protocol.roles.replica import Replica
from fermata.protocol.standing.panel_round import figures_in
from fermata.protocol.standing.retention import terms_of
from fermata.protocol.state.position import EntryRef
from fermata.protocol.state.state import (
    CLOSED,
    ENDORSED,
    OPENED,
    Close,
    KeyedState,
    Round,
    State,
    ThresholdKey,
)
from fermata.protocol.wire.codec import encode, sha256
from fermata.protocol.wire.ports import Duty, Entropy, EventOnce, IsDrafted, Log
from fermata.types import AggregateDigest, EntryIndex, RoundNumber
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.statement_pb2 import Retire, Retirement, Statement

FetchSealed = Callable[[bytes], bytes]
#: The name in the store of what this auditor last signed to give an epoch up.
RETIRED = "retired"


class GivenPart(NamedTuple):
    """An auditor's part of an opening, and its envelope if it was signed elsewhere."""

    statement: statement_pb2.Statement
    envelope: bytes = b""


#: Gives this auditor's part of a round that has passed P1 to P8, or None if not yet.
Opener = Callable[[KeyedState, Round, Close], GivenPart | None]


def duties(
    state: State,
    me: str,
    is_drafted: IsDrafted,
    witnessed: int,
    passed: Callable[[Round], Close | None],
    opener: Opener | None,
) -> Iterator[Duty]:
    """What this auditor owes the log now: endorsements, and with an opener parts of openings.

    ``witnessed`` is how many entries are (L36). ``passed`` gives the close of a round if P1 to P8
    hold for it, else None. Raises what the opener raises.
    """
    if not isinstance(state, KeyedState):
        return
    for round_ in rounds_to_endorse(state, me):
        slot = _slot(state, "endorsement", round_)
        # P5.1: a slot is filled once, whatever close is shown later.
        if is_drafted(slot) or (close := passed(round_)) is None:
            continue
        # P5.2: of two closes that two readers were shown only one is witnessed.
        if close.entry < witnessed:
            yield Duty(slot, endorse(state, round_, close, me))
    for round_ in rounds_to_open(state, me):
        slot = _slot(state, "opening", round_)
        # P5.3: a second part could be of something else.
        if opener is None or is_drafted(slot) or (close := passed(round_)) is None:
            continue
        if (part := opener(state, round_, close)) is not None:
            yield Duty(slot, part.statement, envelope=part.envelope)


def own_opener(me: str, share: KeyShare, entropy: Entropy) -> Opener:
    """An opener in this process, which holds the share itself: for simulations."""

    def opener(state: KeyedState, round_: Round, close: Close) -> GivenPart:
        # P5.4: a part by a wrong share would make this auditor a culprit.
        check_share(state.key.record, share)
        return GivenPart(open_part(state, round_, close, me, share, entropy))

    return opener


def _slot(state: KeyedState, what: str, round_: Round) -> str:
    """The name of the one draft of its kind for a round.

    What was signed under the charter or in the epoch before may be refused (F2.9, F9.8), so under
    one that came after the close it is signed again, about the same close.
    """
    slot, brought = f"{what}/{round_.number}", max(state.charters[-1].entry, state.key.entry)
    is_older = round_.close is not None and brought > round_.close.entry
    return f"{slot}/{brought}" if is_older else slot


class CloseChecks:
    """The closes of a log's rounds after P1 to P8, each checked once while the node runs."""

    def __init__(self, replica: Replica, log: Log, event_once: EventOnce) -> None:
        self._replica = replica
        self._store = replica.store
        self._log = log
        self._event_once = event_once
        self._passed: dict[int, Close] = {}

    def passed(self, round_: Round) -> Close | None:
        """The close of a round; None if a rule forbids to endorse it, which is told once.

        Raises TransportError, StorageError.
        """
        if round_.number in self._passed:
            return self._passed[round_.number]
        try:
            close = check_close(self._replica.state, round_, self._fetch, self._replica.cache)
        except VerificationError as error:
            self._event_once("close_not_endorsed", round_.number, error.reason)
            return None
        self._passed[round_.number] = close
        return close

    def _fetch(self, sealed_sha256: bytes) -> bytes:
        kept = self._store.sealed(sealed_sha256)
        if kept is not None:
            return kept
        data = self._log.fetch_sealed(sealed_sha256)
        if sha256(data) == sealed_sha256:
            self._store.put_sealed(data)
        return data


def rounds_to_endorse(state: KeyedState, me: str) -> list[Round]:
    """Closed rounds that this auditor has not endorsed; of the opened ones only the newest.

    Late endorsers can still give their part, which tells wrong parts from right ones. What a quorum
    of an earlier epoch has endorsed needs no more of it (K32).
    """
    quorum = state.charter.endorsement_quorum
    return [
        r
        for r in state.rounds
        if me not in r.endorsements
        and not r.keeps_endorsements
        and (r.phase(quorum) in (CLOSED, ENDORSED) or (r.opening and r is state.current))
    ]


def rounds_to_open(state: KeyedState, me: str) -> list[Round]:
    """Rounds that this auditor vouched for and has not given its part of.

    Also after the result, in the same epoch: a part too many costs little, and tells wrong parts
    from right ones. For what auditors of an earlier epoch have endorsed all in force give theirs.
    """
    quorum = state.charter.endorsement_quorum
    # L60: what a round out of its term rests on may be let go, so it can no longer be checked.
    in_term = terms_of(state, state.size).in_term
    return [
        r
        for r in state.rounds
        if r.phase(quorum) in (ENDORSED, OPENED)
        and r.number in in_term
        and (me in r.endorsements or r.keeps_endorsements)
        and me not in r.parts
        and (r.opening is None or r.opening.entry > state.key.entry)
    ]


def check_close(
    state: State, round_: Round, fetch: FetchSealed, cache: ProofCache | None = None
) -> Close:
    """Applies P1 to P8 to a closed round; returns its close when all hold.

    The fold has applied what needs the log alone (P1 signatures, P7 against the list of the
    close); here come the rules that need the sealed parts, and those on disclosure again (P3,
    P4, P6, P8), so that nothing opens by a mistake in one place. In the order of
    docs/spec/auditors.md, *The checks in order*. Raises VerificationError with the number of the
    rule in its message.
    """
    key, close = state.keyed().key, round_.close
    # P2.1: nothing may come out of a refused round.
    if close is None or round_.refusal:
        raise Refusal("ROUND_REFUSED", f"round {round_.number}: nothing of it may be opened")
    wanted = {round_.number: set(close.listed)}
    for number, lab in figures_in(close.figures):
        wanted.setdefault(number, set()).add(lab)
    ciphertexts: dict[tuple[int, str, str], tuple[int, ...]] = {}
    # P2.2 to P2.8, for the round and for each older one of which a figure stands in its sums.
    for number, labs in sorted(wanted.items()):
        of_round = _checked_reports(state, key, state.rounds[number - 1], labs, fetch, cache)
        ciphertexts |= ciphertexts_of(number, of_round)
    # P4.1, P3.1, P6.1, P6.2, P8.1, P8.2: again here, so that no mistake of the fold opens too much.
    check_openable(state, round_)
    aggregates = aggregate(key, close.figures, ciphertexts)
    # P2.9: else this could be one lab's ciphertext, or any crafted number.
    if aggregates != dict(close.aggregates):
        raise Refusal(
            "P2_PRODUCT", f"P2: the aggregate of round {round_.number} is not its figures' product"
        )
    return close


def _checked_reports(
    state: State,
    key: ThresholdKey,
    round_: Round,
    labs: Set[str],
    fetch: FetchSealed,
    cache: ProofCache | None,
) -> dict[str, Sealed]:
    """The sealed parts of a closed round, whose proofs hold for all of ``labs``.

    The batch is the round's own, so that its verdict is the same in whatever round it is asked.
    """
    close = round_.close
    reports: dict[str, Sealed] = {}
    for lab in close.listed if close is not None else ():
        seen = round_.reports[lab]
        data = fetch(seen.sealed_sha256)
        # P2.2 to P2.7: the ciphertexts are those that the log counts.
        reports[lab] = check_sealed(key, seen.parts, seen.sealed_sha256, data)
    proofs = {lab: {p: s.proof for p, s in sealed.items()} for lab, sealed in reports.items()}
    charter, leaf_hash = state.charter_at(round_.number), close.leaf_hash if close else b""
    listed = {lab: round_.reports[lab] for lab in reports}
    # P2.8: with the weights of everybody, so that no auditor's verdict differs from another's.
    failures = failures_of(charter, key, round_.number, listed, proofs, leaf_hash, cache)
    if failing := sorted(failures.keys() & labs):
        raise Refusal(
            "P2_PROOF",
            f"P2: in round {round_.number} the proofs of {', '.join(failing)} do not hold",
        )
    return reports


def endorse(state: KeyedState, round_: Round, close: Close, me: str) -> statement_pb2.Statement:
    """The endorsement of a close that ``check_close`` has passed."""
    charter, key = state.charter, state.key
    digest = aggregate_digest(aggregates_to_wire(key, close.aggregates))
    return statement_pb2.Statement(
        charter_sha256=charter.sha256,
        author=me,
        endorsement=endorsement_body(round_.number, close.ref, digest),
    )


def endorsement_body(
    number: RoundNumber, close: EntryRef, aggregates: AggregateDigest
) -> statement_pb2.Endorsement:
    """What an endorsement says; on the wire both digests are bytes, which the compiler would let
    one swap."""
    return statement_pb2.Endorsement(
        round=number, close=to_wire(close), aggregate_sha256=aggregates
    )


def open_part(
    state: KeyedState, round_: Round, close: Close, me: str, share: KeyShare, entropy: Entropy
) -> statement_pb2.Statement:
    """This auditor's part of the opening of a round; ``close`` was checked by ``check_close``."""
    charter, key = state.charter, state.key
    # P5.5: nothing is opened that a quorum has not checked.
    if round_.phase(charter.endorsement_quorum) not in (ENDORSED, OPENED):
        raise Refusal("NO_QUORUM", f"round {round_.number}: too few endorsements to open")
    width = key.public_key.modulus_width
    panels = [
        statement_pb2.OpenedPanel(
            panel=panel,
            parts=[
                int_to_bytes(partial_opening(key.record, share, c, entropy), width)
                for c in ciphertexts
            ],
        )
        for panel, ciphertexts in close.aggregates.items()
    ]
    return statement_pb2.Statement(
        charter_sha256=charter.sha256,
        author=me,
        partial_opening=statement_pb2.PartialOpening(
            round=round_.number,
            close=to_wire(close.ref),
            epoch_id=key.epoch_id,
            panels=panels,
        ),
    )


class Retired:
    """What one auditor has given up, as its store has it: K31 of docs/spec/keys.md.

    What it signed is durable before anyone gets it. From then on it says nothing in a log that does
    not hold the record for which it gave the epoch up, also after a crash: else a coordinator could
    go on with the auditors before in one log, and with those after in another. ``may_speak``: not
    while it has left the view, or its copy may lack what it has cosigned.
    """

    def __init__(
        self, me: str, replica: Replica, may_speak: Callable[[], bool] = lambda: True
    ) -> None:
        self._me = me
        self._replica = replica
        self._may_speak = may_speak
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
        the same answer again, as long as the log has what it says to have seen. Raises Refusal
        RETIRED, VIEW, NOT_ON_ROSTER, SEEN_BEFORE, what ``check_next_record`` raises, and
        StorageError.
        """
        digest = record_digest(statement)
        state = self._replica.state
        if self._kept is not None and self.holds_back(state):
            # K31.1: of two records for one epoch a quorum must not give it up for both.
            if self._kept.record_sha256 != digest:
                raise Refusal(
                    "RETIRED",
                    f"key record: {self._me} has given the epoch up for another record, and waits"
                    " for that one in the log",
                )
            # SU27.1: in a log that has lost the entry its words count for nothing.
            if self._has_seen(self._kept):
                return sign(self._kept, key)
        # SU27.2: it could have cosigned more than its copy has, or says nothing in this view.
        if not self._may_speak():
            raise Refusal(
                "VIEW",
                f"key record: {self._me} has left the view of its log, or its copy lacks what it"
                " has cosigned; ask again once it goes on",
            )
        keyed = state.keyed()
        # K31.2: who holds no share of the epoch has nothing to give up.
        if self._me not in keyed.key.auditors:
            raise Refusal("NOT_ON_ROSTER", f"key record: {self._me} has no share of the epoch")
        # K31.3: a record that the log would refuse would leave this auditor silent for ever.
        check_next_record(keyed, statement, EntryIndex(keyed.size), has_retires=False)
        # K31.4: what comes after an entry that nobody else was shown could be lost with it.
        if self._replica.witnessed.size <= statement.key_record.after.index:
            raise Refusal(
                "SEEN_BEFORE", "key record: the entry that it comes after must be witnessed first"
            )
        # SU27.3: its copy has all that it has cosigned, witnessed or not.
        tree = self._replica.tree
        seen = at(tree, EntryIndex(tree.size - 1))
        said = retirement(keyed.charter, keyed.key, self._me, digest, seen)
        # K31.5: durable before anybody has it.
        self._replica.store.put_value(RETIRED, encode(said))
        self._kept = said
        return sign(said, key)

    def _has_seen(self, said: Retirement) -> bool:
        tree, seen = self._replica.tree, said.seen
        return seen.index < tree.size and tree.leaf(seen.index) == seen.leaf_hash
