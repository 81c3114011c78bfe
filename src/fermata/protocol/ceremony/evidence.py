"""Who misbehaved in a ceremony, from what its participants signed (docs/spec/ceremony.md, CE4).

Everything here follows from signed messages, and from bodies that fit the hashes in them. What is
missing is never held against anybody: then nobody is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fermata.crypto.threshold.ceremony.lockstep import (
    Ceremony,
    Messages,
    Misbehaviour,
    Received,
    Turn,
)
from fermata.crypto.threshold.ceremony.private_bodies import (
    OVERHEAD_BYTES,
    Place,
    Secrets,
    commit,
    open_body,
    public_key_of,
)
from fermata.errors import InvalidProof, VerificationError
from fermata.protocol.ceremony.messages import (
    END_TYPE,
    SET_UP_TYPE,
    TURN_TYPE,
    Signed,
    check_end,
    check_set_up,
    check_turn,
    payload_hash,
    payload_of,
    private_bodies_of,
    signer_of,
)
from fermata.protocol.ceremony.plan import Kinds, Plan, kind_of
from fermata.protocol.wire.codec import decode, sha256
from fermata.protocol.wire.envelope import unseal
from fermata.wire.v1 import ceremony_service_pb2 as wire

_KINDS = {SET_UP_TYPE: wire.CeremonySetUp, TURN_TYPE: wire.SignedTurn, END_TYPE: wire.CeremonyEnd}


@dataclass(frozen=True)
class Case:
    """What is known of a ceremony: envelopes that were read without a fault, and bodies.

    ``set_ups`` by participant; ``turns`` by turn and participant; ``ends`` by participant;
    ``bodies`` by their SHA-256, as far as they are at hand.
    """

    plan: Plan
    kinds: Kinds
    set_ups: Mapping[int, bytes]
    turns: Mapping[tuple[int, int], bytes]
    ends: Mapping[int, wire.CeremonyEnd]
    bodies: Mapping[bytes, bytes] = field(default_factory=dict)

    def turn(self, turn: int, sender: int) -> wire.SignedTurn:
        """A signed turn. Raises InvalidProof CEREMONY_EVIDENCE."""
        envelope = self.turns.get((turn, sender))
        if envelope is None:
            raise unproven(f"turn {turn} of participant {sender} is missing")
        return wire.SignedTurn.FromString(payload_of(envelope))

    def set_up(self, sender: int) -> wire.CeremonySetUp:
        """A set-up. Raises InvalidProof CEREMONY_EVIDENCE."""
        if sender not in self.set_ups:
            raise unproven(f"the set-up of participant {sender} is missing")
        return wire.CeremonySetUp.FromString(payload_of(self.set_ups[sender]))

    def hashes(self, turn: int) -> list[bytes]:
        """What ``seen`` of the turn after this one has; turn -1 is the set-up."""
        at = {
            i: self.set_ups.get(i) if turn < 0 else self.turns.get((turn, i)) for i in self.indices
        }
        return [payload_hash(envelope) if envelope else b"" for envelope in at.values()]

    @property
    def indices(self) -> range:
        """The participants' numbers."""
        return self.plan.indices

    def body(self, digest: bytes) -> bytes:
        """The body with this SHA-256. Raises InvalidProof CEREMONY_EVIDENCE."""
        data = b"" if digest == sha256(b"") else self.bodies.get(digest)
        if data is None or sha256(data) != digest:
            raise unproven(f"the body {digest.hex()} is missing")
        return data


def unproven(what: str) -> InvalidProof:
    """The error for evidence that cannot be judged: it names nobody."""
    return InvalidProof("CEREMONY_EVIDENCE", f"evidence: {what}")


def judge(case: Case, accuser: int) -> int:
    """Whom the accusation in a participant's end shows to have misbehaved.

    An accusation that does not hold shows that its accuser, who signed it, did. Raises InvalidProof
    CEREMONY_EVIDENCE if what is at hand does not decide it.
    """
    accusation = case.ends[accuser].accusation
    kind = accusation.WhichOneof("evidence")
    if kind == "equivocation":
        culprit = equivocator(case, accusation.equivocation.first, accusation.equivocation.second)
        return culprit or accuser
    if kind == "bad_form":
        return _judge_form(case, accusation.bad_form.envelope) or accuser
    if kind == "bad_sealed_body":
        return _judge_sealed(case, accuser, accusation.bad_sealed_body)
    if kind == "seed_disclosure":
        return _judge_seed(case, accuser, accusation.seed_disclosure.seed)
    if kind == "public_fault":
        return _judge_public(case, accuser)
    raise unproven("the accusation has no evidence")


def equivocator(case: Case, first: bytes, second: bytes) -> int:
    """Who signed two payloads for one place, 0 if these envelopes do not show it."""
    try:
        a, b = unseal(first), unseal(second)
        signers = {signer_of(case.plan, envelope) for envelope in (a, b)}
        # CE4.1: a participant that tells one thing to some and another to others.
        if len(signers) != 1 or a.payload_type != b.payload_type or a.payload == b.payload:
            return 0
        kind = _KINDS[a.payload_type]
        if kind is wire.CeremonyEnd:
            return 0
        one: Signed = decode(kind, a.payload)
        other: Signed = decode(kind, b.payload)
    except (VerificationError, KeyError):
        return 0
    is_here = one.ceremony == other.ceremony == case.plan.id
    turns = {message.turn for message in (one, other) if isinstance(message, wire.SignedTurn)}
    return signers.pop() if is_here and len(turns) <= 1 else 0


def _judge_form(case: Case, data: bytes) -> int:
    """Who signed an envelope that breaks its form; 0 if it keeps it."""
    try:
        envelope = unseal(data)
        signer = signer_of(case.plan, envelope)
        kind = _KINDS[envelope.payload_type]
    except (VerificationError, KeyError):
        return 0
    try:
        message: Signed = decode(kind, envelope.payload)
    except VerificationError:
        return signer
    if message.ceremony != case.plan.id:
        return 0
    # CE4.2: the form is checked again, as its receiver did.
    if message.sender != signer:
        return signer
    try:
        if isinstance(message, wire.CeremonySetUp):
            check_set_up(case.plan, message, signer)
        elif isinstance(message, wire.SignedTurn):
            check_turn(case.plan, message, signer)
        else:
            check_end(case.plan, message, signer)
    except Misbehaviour:
        return signer
    return 0


def _judge_sealed(case: Case, accuser: int, evidence: wire.BadSealedBody) -> int:
    try:
        envelope = unseal(evidence.envelope)
        sender = signer_of(case.plan, envelope)
        turn = decode(wire.SignedTurn, envelope.payload)
        if turn.ceremony != case.plan.id or turn.sender != sender or sender == accuser:
            return accuser
        entry = private_bodies_of(turn)[accuser]
        is_key = public_key_of(evidence.receive_secret) == _receive_key(case, accuser, sender)
    except (VerificationError, KeyError):
        return accuser
    # CE4.5: an accuser that showed this sender another key than it shows now.
    first = case.turn(0, sender) if turn.turn else turn
    if first.seen[accuser - 1] != payload_hash(case.set_ups[accuser]):
        raise unproven(f"participant {sender} saw another set-up of participant {accuser}")
    if not is_key:
        return accuser
    place = Place(case.plan.id, sender, accuser, turn.turn)
    try:
        body = case.body(entry.sealed_sha256)
        if is_too_long(case.plan, case.kinds, body):
            return sender
        open_body(place, evidence.receive_secret, body, entry.commitment)
    except InvalidProof as error:
        if error.reason == "CEREMONY_SEALED":
            return sender
        raise
    return accuser


def is_too_long(plan: Plan, kinds: Kinds, sealed: bytes) -> bool:
    """Whether a sealed body is longer than a private body of its kind can make it."""
    longest = kind_of(plan, kinds).private_bytes_max
    # CE4.10: a body that its receiver could not show if the two differ over it (CE13).
    return longest is not None and len(sealed) > longest(plan) + OVERHEAD_BYTES


def _receive_key(case: Case, receiver: int, sender: int) -> bytes:
    keys = case.set_up(receiver).receive_keys
    return keys[case.plan.others(receiver).index(sender)]


def _judge_seed(case: Case, accuser: int, seed: bytes) -> int:
    """Repeats the accuser's side of the ceremony, turn by turn, until somebody's message fails."""
    kind = kind_of(case.plan, case.kinds)
    # CE4.6: a seed that gives away what is in use.
    if not kind.may_disclose:
        raise unproven(f"a ceremony of kind {kind.name} takes no seed as evidence")
    _check_one_view(case, accuser)
    try:
        secrets = Secrets(seed, case.plan.id)
        others = case.plan.others(accuser)
        keys = [public_key_of(secrets.receive_secret(other)) for other in others]
    except VerificationError:
        return accuser
    # CE4.7: a seed that is not the one behind the accuser's own messages.
    if keys != list(case.set_up(accuser).receive_keys):
        return accuser
    ceremony = kind.make(case.plan, accuser)
    turn = ceremony.begin(secrets.ceremony_seed)
    for number in range(case.ends[accuser].turns):
        if turn.messages is None or not _is_own(case, accuser, secrets, turn.messages, number):
            return accuser
        try:
            turn = _step(case, ceremony, turn, secrets, number)
        except Misbehaviour as error:
            return error.culprit
    # CE4.8: nothing was wrong.
    return accuser


def _judge_public(case: Case, accuser: int) -> int:
    """Repeats what everybody can judge: the public bodies of the turns that the accuser signed."""
    kind = kind_of(case.plan, case.kinds)
    # CE9.2: a kind whose public bodies show nobody.
    if kind.judge_public is None:
        raise unproven(f"public bodies of a ceremony of kind {kind.name} show nobody")
    # CE9.3: an accuser who says one thing to the accused and another to the judge.
    _check_one_view(case, accuser)
    turns = [
        {i: case.body(case.turn(number, i).public_sha256) for i in case.indices}
        for number in range(case.ends[accuser].turns)
    ]
    try:
        kind.judge_public(case.plan, turns)
    except Misbehaviour as error:
        return error.culprit
    # CE9.4: nothing was wrong.
    return accuser


def _check_one_view(case: Case, accuser: int) -> None:
    """Checks that everybody answered the same messages, which are those of the case.

    CE4.9: otherwise an accuser could show one message to a participant, and to the judge another.
    """
    turns = case.ends[accuser].turns
    for number in range(turns):
        before = case.hashes(number - 1)
        for index in case.indices:
            if list(case.turn(number, index).seen) != before:
                raise unproven(f"participants saw different messages before turn {number}")
    if list(case.ends[accuser].seen) != case.hashes(turns - 1):
        raise unproven("the accuser saw other messages in its last turn")


def _is_own(case: Case, accuser: int, secrets: Secrets, messages: Messages, number: int) -> bool:
    signed = case.turn(number, accuser)
    entries = private_bodies_of(signed)
    if sha256(messages.public) != signed.public_sha256 or entries.keys() != set(messages.private):
        return False
    for receiver, body in messages.private.items():
        place = Place(case.plan.id, accuser, receiver, number)
        if commit(place, secrets.salt(receiver, number), body) != entries[receiver].commitment:
            return False
    return True


def _step(case: Case, ceremony: Ceremony, turn: Turn, secrets: Secrets, number: int) -> Turn:
    received = {}
    me = ceremony.index
    for sender in case.plan.others(me):
        signed = case.turn(number, sender)
        entry = private_bodies_of(signed).get(me)
        private = b""
        if entry is not None:
            place = Place(case.plan.id, sender, me, number)
            secret = secrets.receive_secret(sender)
            sealed = case.body(entry.sealed_sha256)
            try:
                private = open_body(place, secret, sealed, entry.commitment)
            except InvalidProof as error:
                raise Misbehaviour(error.reason, str(error), sender, number) from None
        received[sender] = Received(case.body(signed.public_sha256), private)
    return ceremony.step(turn.kept, received)
