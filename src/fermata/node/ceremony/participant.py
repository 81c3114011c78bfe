"""One auditor in a ceremony: from turn to turn with the others, and on from where it was killed.

What is fetched is checked before it is used (docs/spec/ceremony.md, CE2 and CE7); what leaves is
on the disk before (``state_file``). However it ends, the participant signs how, and takes home the
record of what everybody signed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fermata.crypto.threshold.ceremony.lockstep import (
    SEED_BYTES,
    Ceremony,
    Misbehaviour,
    Progress,
    Received,
    Turn,
)
from fermata.crypto.threshold.ceremony.private_bodies import (
    Place,
    Secrets,
    open_body,
    open_salted,
    public_key_of,
)
from fermata.errors import ConfigError, InvalidProof
from fermata.node.ceremony.around import Around, Me
from fermata.node.ceremony.ending import Ending, Endings
from fermata.node.ceremony.items import PUBLIC, SEALED, SET_UP, TURN, Name
from fermata.node.ceremony.outgoing import items_of
from fermata.node.ceremony.state_file import Kept
from fermata.node.ceremony.waiting import Waiting
from fermata.protocol.ceremony.evidence import is_too_long
from fermata.protocol.ceremony.messages import (
    RelayTrouble,
    first_difference,
    payload_hash,
    payload_of,
    private_bodies_of,
    read_set_up,
    read_turn,
    sign,
)
from fermata.protocol.ceremony.plan import Plan, kind_of, read_plan
from fermata.protocol.wire.codec import sha256
from fermata.wire.v1 import ceremony_service_pb2 as wire


@dataclass(frozen=True, slots=True)
class Finished:
    """What a participant takes home; ``bodies`` are those that evidence in the record needs."""

    plan: Plan
    record: bytes
    bodies: Mapping[bytes, bytes] = field(default_factory=dict)


class Participant:
    """Takes part in one ceremony. ``run`` may be called again after a crash, in a new process.

    The state stays where it is: its owner erases it once what was taken home is on the disk.
    """

    _waiting: Waiting

    def __init__(self, me: Me, around: Around) -> None:
        self._me, self._around = me, around

    def run(self, kind: str, is_rehearsal: bool) -> Finished:
        """Takes part to the end, whatever it is. Raises FermataError if it cannot."""
        around = self._around
        kept = around.state.load()
        if kept is None:
            kept = self._begin(kind, is_rehearsal)
        else:
            kept.resumed += 1
        plan = read_plan(kept.plan, self._me.bases.of_plan(kept.plan))
        # CE7.2: a real ceremony that goes on as a rehearsal, or the other way round.
        if (plan.kind, plan.is_rehearsal) != (kind, is_rehearsal):
            what = "a rehearsal" if plan.is_rehearsal else "a ceremony"
            raise ConfigError(
                "CEREMONY_STATE",
                f"{around.state.folder}: {what} of kind {plan.kind} goes on; finish or cancel it"
                " first",
            )
        self._waiting = Waiting(self._me, around, plan, kept)
        endings = Endings(self._me, around, plan, kept)
        if not kept.end:
            try:
                self._take_part(plan, kept)
            except Ending as ending:
                endings.sign(ending)
            except RelayTrouble as trouble:
                endings.sign(Ending.of_trouble(trouble))
            except Misbehaviour as fault:
                endings.sign(Ending.of_fault(fault))
        record, bodies = endings.collect()
        return Finished(plan, record, bodies)

    def _begin(self, kind: str, is_rehearsal: bool) -> Kept:
        around, me = self._around, self._me
        basis = me.bases.now(kind)
        plan = read_plan(around.relay.open(kind, is_rehearsal, me.dealers), basis)
        standing = around.relay.standing(plan.id).participants
        is_done = all(its.has_ended for its in standing)
        if me.again and is_done:
            data = around.relay.open(kind, is_rehearsal, me.dealers, plan.id)
            plan, is_done = read_plan(data, basis), False
            standing = around.relay.standing(plan.id).participants
        if (plan.kind, plan.is_rehearsal) != (kind, is_rehearsal):
            raise RelayTrouble("the relay opened another ceremony than was asked for")
        index, seed = plan.index_of(me.party), around.entropy(SEED_BYTES)
        # CE7.10: a second set-up would be taken for two-faced.
        if standing[index - 1].has_set_up:
            way = (
                "it is done; bring its record into the log, or hold it --again"
                if is_done
                else "go on in the folder where it began, or cancel it"
            )
            raise ConfigError(
                "CEREMONY_STATE",
                f"{around.state.folder}: has nothing of ceremony {plan.id.hex()[:16]}, in which"
                f" {me.party} takes part already; {way}",
            )
        secrets = Secrets(seed, plan.id)
        keys = [public_key_of(secrets.receive_secret(other)) for other in plan.others(index)]
        message = wire.CeremonySetUp(
            ceremony=plan.id,
            sender=index,
            version=me.version,
            time_ms=around.clock(),
            receive_keys=keys,
        )
        kept = Kept(plan.data, seed, sign(message, me.party, me.key))
        around.state.save(kept)
        return kept

    def _take_part(self, plan: Plan, kept: Kept) -> None:
        """Goes from turn to turn until the result is kept; ``kept`` follows. Raises Ending."""
        around, me = self._around, self._me
        index = plan.index_of(me.party)
        ceremony = kind_of(plan, around.kinds).make(plan, index)
        secrets = Secrets(kept.seed, plan.id)
        waiting = self._waiting
        if not kept.set_ups:
            around.say(f"ceremony {plan.id.hex()[:16]} of {', '.join(plan.participants)}")
            waiting.post(Name(SET_UP, index), kept.set_up)
            waiting.until_all_set_up()
            kept.set_ups = [self._set_up_of(plan, kept, i) for i in plan.indices]
            self._save_turn(plan, kept, ceremony.begin(secrets.ceremony_seed))
        while kept.number >= 0:
            for item in kept.items:
                name = Name(wire.CeremonyItem.ValueType(item.item), index, item.turn, item.receiver)
                waiting.post(name, item.data)
            waiting.until_all_have(kept.number)
            envelopes, received = self._collect(plan, kept, secrets)
            turn = self._step(ceremony, kept, received)
            kept.turns.append(envelopes)
            self._save_turn(plan, kept, turn)

    def _step(self, ceremony: Ceremony, kept: Kept, received: Mapping[int, Received]) -> Turn:
        try:
            return ceremony.step(kept.kept, received)
        except Misbehaviour as fault:
            # CE7.3: whoever has the accuser's seed repeats this.
            raise Ending.of_fault(fault, discloses=True) from None
        except InvalidProof as failure:
            # Nobody broke the rules, and nothing came of it.
            raise Ending(wire.CEREMONY_OUTCOME_STOPPED, failure.reason, str(failure)) from None

    def _save_turn(self, plan: Plan, kept: Kept, turn: Turn) -> None:
        """Makes a turn durable, with all that it hands in; or the result, if there is no more."""
        around, me = self._around, self._me
        around.say(progress_line(turn.number, turn.progress))
        if turn.messages is None:
            disputed = self._disputed(plan, kept, turn.public_result)
            around.keep_result(plan, turn.public_result, turn.secret_result)
            kept.number, kept.kept, kept.items = -1, b"", []
            done = wire.CEREMONY_OUTCOME_DONE
            raise Ending(done, public_result=turn.public_result, disputed=disputed)
        # CE7.4: the number is that of the place, so that no turn can be signed twice.
        if turn.number != len(kept.turns):
            raise ConfigError("CEREMONY_STATE", f"turn {turn.number} must be {len(kept.turns)}")
        before = kept.turns[-1] if kept.turns else kept.set_ups
        kept.items = items_of(plan, me, Secrets(kept.seed, plan.id), kept.set_ups, before, turn)
        kept.number, kept.kept = turn.number, turn.kept
        around.state.save(kept)

    def _disputed(self, plan: Plan, kept: Kept, result: bytes) -> tuple[wire.DisputedBody, ...]:
        """What dealers sent to this participant of whom it said otherwise than they (CE13)."""
        me, secrets, bodies = plan.index_of(self._me.party), Secrets(kept.seed, plan.id), []
        for dispute in kind_of(plan, self._around.kinds).disputed(plan, result):
            if dispute.receiver != self._me.party:
                continue
            dealer = plan.index_of(dispute.dealer)
            signed = wire.SignedTurn.FromString(payload_of(kept.turns[0][dealer - 1]))
            entry = private_bodies_of(signed).get(me)
            if entry is not None:
                sealed = self._body(Name(SEALED, dealer, 0, me), entry.sealed_sha256)
                place, secret = Place(plan.id, dealer, me, 0), secrets.receive_secret(dealer)
                salt, body = open_salted(place, secret, sealed, entry.commitment)
                bodies.append(wire.DisputedBody(dealer=dealer, salt=salt, body=body))
        return tuple(sorted(bodies, key=lambda body: body.dealer))

    def _set_up_of(self, plan: Plan, kept: Kept, sender: int) -> bytes:
        me = self._me
        if plan.party(sender) == me.party:
            return kept.set_up
        envelope = self._fetch(Name(SET_UP, sender))
        read_set_up_or_end(plan, envelope, sender)
        return envelope

    def _collect(
        self, plan: Plan, kept: Kept, secrets: Secrets
    ) -> tuple[list[bytes], dict[int, Received]]:
        """Everybody's envelope of the turn, and what each other one sent, opened and checked."""
        me, number = plan.index_of(self._me.party), kept.number
        own = next(item.data for item in kept.items if item.item == TURN)
        envelopes = {me: own}
        for sender in plan.others(me):
            envelopes[sender] = self._fetch(Name(TURN, sender, number))
        before = kept.turns[-1] if kept.turns else kept.set_ups
        seen = [payload_hash(envelope) for envelope in before]
        received = {}
        for sender in plan.others(me):
            signed = read_turn_or_end(plan, envelopes[sender], sender, number)
            # CE7.5: two who were told different things by one.
            if differs := first_difference(seen, signed.seen):
                raise Ending.of_split(plan.party(sender), plan.party(differs), before)
            received[sender] = self._received(plan, secrets, envelopes[sender], signed, me)
        return [envelopes[i] for i in plan.indices], received

    def _received(
        self, plan: Plan, secrets: Secrets, envelope: bytes, signed: wire.SignedTurn, me: int
    ) -> Received:
        sender, number = signed.sender, signed.turn
        public = b""
        if signed.public_sha256 != sha256(b""):
            public = self._body(Name(PUBLIC, sender, number), signed.public_sha256)
        entry = private_bodies_of(signed).get(me)
        if entry is None:
            return Received(public)
        sealed = self._body(Name(SEALED, sender, number, me), entry.sealed_sha256)
        secret = secrets.receive_secret(sender)
        try:
            if is_too_long(plan, self._around.kinds, sealed):
                raise InvalidProof(
                    "CEREMONY_SEALED",
                    f"turn {number}: the private body of participant {sender} is longer than its"
                    " kind of ceremony lets it be",
                )
            place = Place(plan.id, sender, me, number)
            return Received(public, open_body(place, secret, sealed, entry.commitment))
        except InvalidProof as error:
            evidence = wire.BadSealedBody(envelope=envelope, receive_secret=secret)
            accusation = wire.Accusation(bad_sealed_body=evidence)
            fault = Misbehaviour(error.reason, str(error), sender, number)
            raise Ending.of_fault(fault, accusation) from None

    def _body(self, name: Name, digest: bytes) -> bytes:
        data = self._fetch(name)
        # CE7.6: a body that the relay changed on its way; its sender signed its hash.
        if sha256(data) != digest:
            raise RelayTrouble(f"the relay gave {name.file} with other bytes than were signed")
        return data

    def _fetch(self, name: Name) -> bytes:
        # A relay that is started again at this moment must end nobody's part.
        data = self._waiting.fetch(name)
        # CE7.7: a relay that says that something is there, and does not hand it out.
        if not data:
            raise RelayTrouble(f"the relay does not give {name.file}, which it says is there")
        return data


def read_turn_or_end(plan: Plan, envelope: bytes, sender: int, number: int) -> wire.SignedTurn:
    """A signed turn. Raises Ending with the evidence if it breaks its form, and RelayTrouble."""
    try:
        return read_turn(plan, envelope, sender, number)
    except Misbehaviour as fault:
        raise _of_form(fault, envelope) from None


def read_set_up_or_end(plan: Plan, envelope: bytes, sender: int) -> None:
    """Reads a set-up. Raises Ending with the evidence if it breaks its form, and RelayTrouble."""
    try:
        read_set_up(plan, envelope, sender)
    except Misbehaviour as fault:
        raise _of_form(fault, envelope) from None


def _of_form(fault: Misbehaviour, envelope: bytes) -> Ending:
    return Ending.of_fault(fault, wire.Accusation(bad_form=wire.BadForm(envelope=envelope)))


def progress_line(number: int, progress: Progress) -> str:
    """How far a ceremony is, for people."""
    line = f"turn {number}: {progress.phase}"
    if progress.expected:
        line += f", {progress.done} of about {progress.expected} {progress.unit}"
    elif progress.unit:
        line += f", {progress.done} {progress.unit}"
    return line
