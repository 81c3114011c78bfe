"""What the participants of a ceremony agree on before it begins (docs/spec/ceremony.md, CE1)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fermata.crypto.threshold.ceremony.lockstep import Ceremony
from fermata.errors import InvalidEncoding, Refusal
from fermata.protocol.ceremony.basis import LATER, PLAN_BYTES_MAX, RESHARE, Basis
from fermata.protocol.wire.codec import decode, encode, sha256
from fermata.wire.v1 import ceremony_service_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef

FORMAT = 1
NONCE_BYTES = 32
#: Of a rehearsal's key: far below what any charter allows, so that nobody takes it for a real one.
REHEARSAL_BITS = 512
#: A ceremony with its people in front of their screens; nobody waits longer for one who is absent.
LIFE_MS_MAX = 7 * 24 * 3600 * 1000
REHEARSAL = "REHEARSAL: what this ceremony makes is thrown away and must not be used"


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan; ``data`` are its canonical bytes, whose SHA-256 is the ceremony's ``id``.

    ``charter_sha256`` has 32 bytes.

    ``participants``: ids of auditors, the first of which has number 1; ``dealers``: of a later
    epoch, those of them who deal, in the order of the epoch that ends. ``basis``: what it goes on
    from, by which it was checked.
    """

    data: bytes
    kind: str
    charter_sha256: bytes
    is_rehearsal: bool
    participants: tuple[str, ...]
    threshold: int
    modulus_bits: int
    attempt: int
    created_ms: int
    expires_ms: int
    dealers: tuple[str, ...]
    basis: Basis = field(repr=False)

    @property
    def id(self) -> bytes:
        """The ceremony's id, 32 bytes."""
        return sha256(self.data)

    @property
    def indices(self) -> range:
        """The participants' numbers."""
        return range(1, len(self.participants) + 1)

    @property
    def signers(self) -> range:
        """The numbers of those who sign the key record: the auditors of the charter."""
        return range(1, len(self.basis.charter.auditors) + 1)

    def others(self, index: int) -> list[int]:
        """The numbers of all participants but one."""
        return [other for other in self.indices if other != index]

    def party(self, index: int) -> str:
        """A participant's id."""
        return self.participants[index - 1]

    def index_of(self, party: str) -> int:
        """A participant's number. Raises Refusal CEREMONY_PLAN for one who does not take part."""
        if party not in self.participants:
            raise Refusal("CEREMONY_PLAN", f"plan: {party} must be a participant to take part")
        return self.participants.index(party) + 1


@dataclass(frozen=True, slots=True)
class Disputed:
    """Two participants, by their ids, of whom one said what is not so of a private body of turn 0.

    ``received_sha256``: of what the receiver says that it was sent, which is not what the dealer
    published the hash of.
    """

    dealer: str
    receiver: str
    received_sha256: bytes


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of ceremony that this program can hold.

    ``make``: one participant's side, from the plan and its number. ``check_result`` raises
    VerificationError if a public result does not follow the plan. ``may_disclose``: whether a
    ceremony that stops is thrown away whole, so that an accuser may give its seed away.
    ``statement``: what the participants then sign for the log, from the plan, the result, the
    SHA-256 of the ceremony's record and the charter's entry; None if they sign nothing.
    ``to_keep``: what a participant's file holds, of the plan, the public result and its secret one.
    ``judge_public``: raises Misbehaviour if the public messages of its turns, each by participant,
    show who broke the rules; None if they alone show nobody. ``disputed``: the disputes that
    a public result has. ``private_bytes_max``: the most bytes of a private body, by the plan;
    None for any that can travel.
    """

    name: str
    make: Callable[[Plan, int], Ceremony]
    check_result: Callable[[Plan, bytes], None]
    may_disclose: bool
    statement: Callable[[Plan, bytes, bytes, EntryRef], bytes] | None = None
    to_keep: Callable[[Plan, bytes, bytes], bytes] = lambda plan, public, secret: secret
    judge_public: Callable[[Plan, Sequence[Mapping[int, bytes]]], None] | None = None
    disputed: Callable[[Plan, bytes], tuple[Disputed, ...]] = lambda plan, public: ()
    private_bytes_max: Callable[[Plan], int] | None = None


#: By their names.
Kinds = Mapping[str, Kind]


def make_plan(
    basis: Basis,
    kind: str,
    *,
    is_rehearsal: bool,
    attempt: int,
    created_ms: int,
    life_ms: int,
    nonce: bytes,
    dealers: Sequence[str] = (),
) -> Plan:
    """The plan of a new ceremony. ``nonce`` has ``NONCE_BYTES`` bytes.

    ``dealers``: of a reshare, who is asked for; in no order, and none for a choice. Raises Refusal
    CEREMONY_PLAN.
    """
    charter = basis.charter
    dealing = _dealers(basis, kind, dealers)
    message = wire.CeremonyPlan(
        format=FORMAT,
        kind=kind,
        charter_sha256=charter.sha256,
        rehearsal=is_rehearsal,
        participants=_participants(basis, dealing),
        threshold=charter.threshold,
        modulus_bits=REHEARSAL_BITS if is_rehearsal else charter.modulus_bits,
        attempt=attempt,
        created_ms=created_ms,
        expires_ms=created_ms + life_ms,
        nonce=nonce,
        epoch_id=basis.epoch_id,
        dealers=dealing,
    )
    data = encode(message)
    _check(message, basis)
    return _plan_of(data, message, basis)


def read_plan(data: bytes, basis: Basis) -> Plan:
    """A plan that somebody else made. Raises InvalidEncoding, Refusal CEREMONY_PLAN."""
    # CE1.1: one plan has one id.
    message = decode(wire.CeremonyPlan, data, PLAN_BYTES_MAX)
    _check(message, basis)
    return _plan_of(data, message, basis)


def _dealers(basis: Basis, kind: str, asked: Sequence[str]) -> tuple[str, ...]:
    """Who deals: all in a refresh; in a reshare who is asked for, or else those who stay first."""
    key = basis.key
    if key is None or kind != RESHARE:
        return basis.old_auditors
    stay_first = sorted(key.auditors, key=lambda auditor: auditor not in basis.charter.auditors)
    chosen = set(asked or stay_first[: key.record.threshold])
    _must(chosen <= set(key.auditors), "its dealers must be auditors in force")
    return tuple(auditor for auditor in key.auditors if auditor in chosen)


def _participants(basis: Basis, dealers: Sequence[str]) -> tuple[str, ...]:
    new = basis.charter.auditors
    return (*new, *(auditor for auditor in dealers if auditor not in new))


def _check(message: wire.CeremonyPlan, basis: Basis) -> None:
    charter = basis.charter
    # CE1.2: messages that this version would read otherwise than its sender meant them.
    _must(
        message.format == FORMAT,
        f"must be of format {FORMAT}, got {message.format}; all participants need one version",
    )
    # CE1.3: a key for other terms.
    _must(
        message.charter_sha256 == charter.sha256,
        f"must be for the charter {charter.sha256.hex()}, whose auditors have the key afterwards",
    )
    # CE1.4: a participant who is no auditor, or an auditor who is left out.
    _must(
        tuple(message.participants) == _participants(basis, message.dealers),
        "must have the charter's auditors in the charter's order, and then dealers who leave",
    )
    # CE1.5: fewer auditors who can open than the charter asks for.
    _must(
        message.threshold == charter.threshold,
        f"must have the charter's threshold {charter.threshold}, got {message.threshold}",
    )
    bits = REHEARSAL_BITS if message.rehearsal else charter.modulus_bits
    # CE1.6: a real key that is as weak as a rehearsal's.
    _must(message.modulus_bits == bits, f"must be for {bits} bits, got {message.modulus_bits}")
    # CE1.7: a ceremony that never ends, or that is the same as another one.
    _must(
        0 < message.expires_ms - message.created_ms <= LIFE_MS_MAX
        and message.attempt > 0
        and len(message.nonce) == NONCE_BYTES,
        f"must end {LIFE_MS_MAX} ms after it was made at the latest, and have an attempt and a"
        f" nonce of {NONCE_BYTES} bytes",
    )
    _check_epoch(message, basis)


def _check_epoch(message: wire.CeremonyPlan, basis: Basis) -> None:
    is_later = message.kind in LATER
    # CE8.2: shares that go on from another epoch than the one in force, or a first key from one.
    _must(
        message.epoch_id == basis.epoch_id and is_later == (basis.key is not None),
        "must go on from the epoch in force if it makes a later one, and from none otherwise",
    )
    # CE8.3: practice with the shares of a key that is in use.
    _must(not (is_later and message.rehearsal), "a rehearsal must make a key of its own")
    if basis.key is None:
        _must(not message.dealers, "without an epoch before, nobody deals")
        return
    key, dealers = basis.key, tuple(message.dealers)
    count = key.record.threshold if message.kind == RESHARE else len(key.auditors)
    in_order = tuple(auditor for auditor in key.auditors if auditor in dealers)
    # CE8.4: dealers who cannot hand the key on, or who hold no share of it.
    _must(
        dealers == in_order and len(dealers) == count,
        f"must have {count} auditors of the epoch in force as dealers, in their order",
    )


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise Refusal("CEREMONY_PLAN", f"plan: {what}")


def kind_of(plan: Plan, kinds: Kinds) -> Kind:
    """The kind of a plan. Raises Refusal CEREMONY_KIND."""
    # CE1.8: a ceremony whose steps this version would not make.
    if plan.kind not in kinds:
        known = ", ".join(sorted(kinds)) or "none"
        raise Refusal("CEREMONY_KIND", f"plan: its kind must be one of: {known}")
    return kinds[plan.kind]


def _plan_of(data: bytes, message: wire.CeremonyPlan, basis: Basis) -> Plan:
    if not message.kind.isascii() or not message.kind.isidentifier():
        raise InvalidEncoding("CEREMONY_FORM", "plan: its kind must be a word")
    return Plan(
        data,
        message.kind,
        message.charter_sha256,
        message.rehearsal,
        tuple(message.participants),
        message.threshold,
        message.modulus_bits,
        message.attempt,
        message.created_ms,
        message.expires_ms,
        tuple(message.dealers),
        basis,
    )
