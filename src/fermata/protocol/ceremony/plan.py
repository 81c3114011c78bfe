"""What the participants of a ceremony agree on before it begins (docs/spec/ceremony.md, CE1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fermata.crypto.threshold.ceremony.lockstep import Ceremony
from fermata.errors import InvalidEncoding, Refusal
from fermata.protocol.charter.parse import Charter
from fermata.protocol.wire.codec import decode, encode, sha256
from fermata.wire.v1 import ceremony_service_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef

FORMAT = 1
PLAN_BYTES_MAX = 4096
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

    ``participants``: ids of auditors, the first of which has number 1.
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

    @property
    def id(self) -> bytes:
        """The ceremony's id, 32 bytes."""
        return sha256(self.data)

    @property
    def indices(self) -> range:
        """The participants' numbers."""
        return range(1, len(self.participants) + 1)

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
class Kind:
    """A kind of ceremony that this program can hold.

    ``make``: one participant's side, from the plan and its number. ``check_result`` raises
    VerificationError if a public result does not follow the plan. ``may_disclose``: whether a
    ceremony that stops is thrown away whole, so that an accuser may give its seed away.
    ``statement``: what the participants then sign for the log, from the plan, the result, the
    SHA-256 of the ceremony's record and the charter's entry; None if they sign nothing.
    ``to_keep``: what a participant's file holds, of the plan, the public result and its secret one.
    """

    name: str
    make: Callable[[Plan, int], Ceremony]
    check_result: Callable[[Plan, bytes], None]
    may_disclose: bool
    statement: Callable[[Plan, bytes, bytes, EntryRef], bytes] | None = None
    to_keep: Callable[[Plan, bytes, bytes], bytes] = lambda plan, public, secret: secret


#: By their names.
Kinds = Mapping[str, Kind]


def make_plan(
    charter: Charter,
    kind: str,
    *,
    is_rehearsal: bool,
    attempt: int,
    created_ms: int,
    life_ms: int,
    nonce: bytes,
) -> Plan:
    """The plan of a new ceremony of a charter's auditors. ``nonce`` has ``NONCE_BYTES`` bytes."""
    message = wire.CeremonyPlan(
        format=FORMAT,
        kind=kind,
        charter_sha256=charter.sha256,
        rehearsal=is_rehearsal,
        participants=charter.auditors,
        threshold=charter.threshold,
        modulus_bits=REHEARSAL_BITS if is_rehearsal else charter.modulus_bits,
        attempt=attempt,
        created_ms=created_ms,
        expires_ms=created_ms + life_ms,
        nonce=nonce,
    )
    return _plan_of(encode(message), message)


def read_plan(data: bytes, charter: Charter) -> Plan:
    """A plan that somebody else made. Raises InvalidEncoding, Refusal CEREMONY_PLAN."""
    # CE1.1: one plan has one id.
    message = decode(wire.CeremonyPlan, data, PLAN_BYTES_MAX)
    # CE1.2: messages that this version would read otherwise than its sender meant them.
    _must(
        message.format == FORMAT,
        f"must be of format {FORMAT}, got {message.format}; all participants need one version",
    )
    # CE1.3: a key for other terms.
    _must(message.charter_sha256 == charter.sha256, "must be for the charter of this deployment")
    # CE1.4: a participant who is no auditor, or an auditor who is left out.
    _must(
        tuple(message.participants) == charter.auditors,
        "must have the charter's auditors in the charter's order",
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
    return _plan_of(data, message)


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


def _plan_of(data: bytes, message: wire.CeremonyPlan) -> Plan:
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
    )
