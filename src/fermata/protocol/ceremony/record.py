"""The record of a ceremony, which anybody can check (docs/spec/ceremony.md, CE5)."""

from collections.abc import Mapping
from dataclasses import dataclass

from fermata.crypto.threshold.ceremony.lockstep import Misbehaviour
from fermata.errors import InvalidEncoding, InvalidProof, VerificationError
from fermata.protocol.ceremony.basis import Basis
from fermata.protocol.ceremony.disputes import reason_of
from fermata.protocol.ceremony.evidence import Case, equivocator, judge
from fermata.protocol.ceremony.messages import (
    SET_UP_TYPE,
    TURNS_MAX,
    RelayTrouble,
    payload_of,
    read_end,
    read_set_up,
    read_turn,
)
from fermata.protocol.ceremony.plan import Disputed, Kinds, Plan, kind_of, read_plan
from fermata.protocol.wire.codec import decode, encode, sha256
from fermata.protocol.wire.envelope import unseal
from fermata.wire.v1 import ceremony_service_pb2 as wire
from fermata.wire.v1 import envelope_pb2

RECORD_BYTES_MAX = 64 * 1024 * 1024
DONE, STOPPED, CANCELLED, ABSENT = "done", "stopped", "cancelled", "absent"
_ENDED_AS = {
    wire.CEREMONY_OUTCOME_DONE: DONE,
    wire.CEREMONY_OUTCOME_STOPPED: STOPPED,
    wire.CEREMONY_OUTCOME_CANCELLED: CANCELLED,
    wire.CEREMONY_OUTCOME_ABSENT: ABSENT,
}


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    """What a record shows.

    ``outcome``: DONE only if all participants signed the same result. ``culprits``: ids of those
    whose misbehaviour the record proves, with the reason; ``named``: of those whom others name
    without evidence that can be judged here; ``disputed``: dealers and receivers who differed, of
    each two of whom ``culprits`` has the one who said what is not so.
    ``absent``: whose messages did not come; ``late``: whose did not come in time to somebody;
    ``relay``: whether a participant names the relay.
    ``notes``: what participants wrote, by id; ``times_ms``: of the set-up and of the end, by id,
    each 0 if it is missing.
    """

    plan: Plan
    outcome: str
    public_result: bytes
    turns: int
    culprits: dict[str, str]
    named: tuple[str, ...]
    disputed: tuple[tuple[str, str], ...]
    absent: tuple[str, ...]
    late: tuple[str, ...]
    relay: bool
    notes: dict[str, str]
    versions: dict[str, str]
    resumed: dict[str, int]
    times_ms: dict[str, tuple[int, int]]

    @property
    def is_usable(self) -> bool:
        """Whether a key may come of it."""
        return self.outcome == DONE and not self.plan.is_rehearsal


def make_record(
    plan: Plan,
    set_ups: Mapping[int, bytes],
    turns: Mapping[tuple[int, int], bytes],
    ends: Mapping[int, bytes],
) -> bytes:
    """The record: canonical bytes, the same for all who have the same messages."""
    return encode(
        wire.CeremonyRecord(
            plan=plan.data,
            set_ups=[set_ups[i] for i in sorted(set_ups)],
            turns=[turns[at] for at in sorted(turns)],
            ends=[ends[i] for i in sorted(ends)],
        )
    )


def read_case(
    data: bytes, basis: Basis, kinds: Kinds, bodies: Mapping[bytes, bytes] | None = None
) -> Case:
    """Reads a record; every message in it must be signed, in its place and of its form.

    Raises VerificationError.
    """
    record = decode(wire.CeremonyRecord, data, RECORD_BYTES_MAX)
    plan = read_plan(record.plan, basis)
    try:
        set_ups = {_sender(wire.CeremonySetUp, e): e for e in record.set_ups}
        ends = {_sender(wire.CeremonyEnd, e): e for e in record.ends}
        turns = {_place(e): e for e in record.turns}
        # CE5.1: one ceremony has one record.
        if make_record(plan, set_ups, turns, ends) != data:
            raise InvalidEncoding("CEREMONY_RECORD", "record: its messages must be in order")
        known = set(plan.indices)
        senders = {*set_ups, *ends, *(sender for _, sender in turns)}
        if not senders <= known or any(turn >= TURNS_MAX for turn, _ in turns):
            raise InvalidEncoding("CEREMONY_RECORD", "record: a message is of no participant")
        # CE5.2: a message that its sender did not sign.
        for sender, envelope in set_ups.items():
            read_set_up(plan, envelope, sender)
        for (turn, sender), envelope in turns.items():
            read_turn(plan, envelope, sender, turn)
        read = {sender: read_end(plan, e, sender) for sender, e in ends.items()}
    except (Misbehaviour, RelayTrouble) as error:
        raise InvalidProof("CEREMONY_RECORD", f"record: {error}") from None
    return Case(plan, kinds, set_ups, turns, read, bodies or {})


def check_record(
    data: bytes, basis: Basis, kinds: Kinds, bodies: Mapping[bytes, bytes] | None = None
) -> CheckedRecord:
    """Checks a record against what its ceremony went on from, and says what it shows.

    ``bodies``, by their SHA-256, are needed for some evidence alone. Raises VerificationError.
    """
    case = read_case(data, basis, kinds, bodies)
    plan, ends = case.plan, case.ends
    outcome = _outcome(case)
    result, disputes = b"", tuple[Disputed, ...]()
    if outcome == DONE:
        _check_done(case)
        result, kind = next(iter(ends.values())).public_result, kind_of(plan, kinds)
        # CE5.6: a result that the kind of ceremony does not give.
        kind.check_result(plan, result)
        disputes = kind.disputed(plan, result)
    culprits, named = culprits_of(case)
    for dispute in disputes:
        culprits.setdefault(*reason_of(case, dispute))
    absent, late = _absent(case)
    set_ups = {i: case.set_up(i) for i in case.set_ups}
    return CheckedRecord(
        plan,
        outcome,
        result,
        max((turn + 1 for turn, _ in case.turns), default=0),
        {plan.party(i): reason for i, reason in sorted(culprits.items())},
        tuple(plan.party(i) for i in sorted(named - set(culprits))),
        tuple((d.dealer, d.receiver) for d in disputes),
        tuple(plan.party(i) for i in absent),
        tuple(plan.party(i) for i in late),
        any(end.reason == "CEREMONY_RELAY" for end in ends.values()),
        {plan.party(i): end.note for i, end in sorted(ends.items()) if end.note},
        {plan.party(i): s.version for i, s in sorted(set_ups.items())},
        {plan.party(i): end.resumed for i, end in sorted(ends.items())},
        {
            plan.party(i): (
                set_ups[i].time_ms if i in set_ups else 0,
                ends[i].time_ms if i in ends else 0,
            )
            for i in plan.indices
        },
    )


def culprits_of(case: Case) -> tuple[dict[int, str], set[int]]:
    """Whose misbehaviour is proven, with the reason, and who is named without proof."""
    convicted: dict[int, str] = {}
    for accuser, end in sorted(case.ends.items()):
        if end.HasField("accusation"):
            try:
                culprit = judge(case, accuser)
            except InvalidProof:
                continue
            reason = end.reason if culprit != accuser else "CEREMONY_ACCUSATION"
            convicted.setdefault(culprit, reason)
    given = [e for end in case.ends.values() for e in end.shown]
    places: dict[tuple[str, int, int], list[bytes]] = {}
    for envelope in dict.fromkeys([*given, *case.set_ups.values(), *case.turns.values()]):
        places.setdefault(_place_of_any(envelope), []).append(envelope)
    # What one participant was shown and another was not: by whoever signed both.
    for envelopes in places.values():
        for other in envelopes[1:]:
            if culprit := equivocator(case, envelopes[0], other):
                convicted.setdefault(culprit, "CEREMONY_SPLIT")
    # CE5.8: a liar that casts doubt on those who found it out.
    heard = (end for index, end in case.ends.items() if index not in convicted)
    return convicted, {end.culprit for end in heard if end.culprit}


def _outcome(case: Case) -> str:
    ended_as = {_ENDED_AS[end.outcome] for end in case.ends.values()}
    for outcome in (STOPPED, CANCELLED, ABSENT):
        if outcome in ended_as:
            return outcome
    return DONE if set(case.ends) == set(case.indices) else ABSENT


def _check_done(case: Case) -> None:
    """Checks that all participants signed one end of one chain of turns, without a gap."""
    first = case.ends[1]
    turns = {turn for turn, _ in case.turns}
    # CE5.3: a turn that somebody left out.
    if (
        set(case.set_ups) != set(case.indices)
        or len(case.turns) != len(turns) * len(case.indices)
        or turns != set(range(first.turns))
    ):
        raise InvalidProof("CEREMONY_RECORD", "record: must have every turn of every participant")
    # CE5.4: participants who saw different messages, and so made different things.
    for turn, sender in case.turns:
        if list(case.turn(turn, sender).seen) != case.hashes(turn - 1):
            raise InvalidProof(
                "CEREMONY_RECORD", f"record: turn {turn} of participant {sender} answers others"
            )
    said = (first.turns, list(first.seen), first.public_result)
    for end in case.ends.values():
        # CE5.5: a result that some signed and others did not.
        if (end.turns, list(end.seen), end.public_result) != said or (
            list(end.seen) != case.hashes(first.turns - 1)
        ):
            raise InvalidProof("CEREMONY_RECORD", "record: the participants' ends must be the same")


def _absent(case: Case) -> tuple[list[int], list[int]]:
    """Whose messages did not come, and whose came late or were held back by the relay."""
    absent = {index for end in case.ends.values() for index in end.absent}
    # CE5.7: a participant is not absent whose message is here; whether it was late, or a relay
    # kept it back, its participants must find out.
    late = {
        index
        for end in case.ends.values()
        for index in end.absent
        if ((end.turns - 1, index) in case.turns if end.turns else index in case.set_ups)
    }
    return sorted(absent - late), sorted(late)


def _place_of_any(envelope: bytes) -> tuple[str, int, int]:
    """Kind, sender and turn of a message that may not be sound; of one that is not, its own."""
    try:
        parsed = unseal(envelope)
        if parsed.payload_type == SET_UP_TYPE:
            return SET_UP_TYPE, decode(wire.CeremonySetUp, parsed.payload).sender, 0
        turn = decode(wire.SignedTurn, parsed.payload)
        return parsed.payload_type, turn.sender, turn.turn
    except VerificationError:
        return sha256(envelope).hex(), 0, 0


def _sender(kind: type[wire.CeremonySetUp] | type[wire.CeremonyEnd], envelope: bytes) -> int:
    message: wire.CeremonySetUp | wire.CeremonyEnd = decode(kind, _payload(envelope))
    return message.sender


def _place(envelope: bytes) -> tuple[int, int]:
    message = decode(wire.SignedTurn, _payload(envelope))
    return message.turn, message.sender


def _payload(envelope: bytes) -> bytes:
    decode(envelope_pb2.Envelope, envelope)
    return payload_of(envelope)
