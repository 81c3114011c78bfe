"""What a ceremony goes on from: a charter, and for a later epoch also the key that is in force.

The log says both (docs/spec/ceremony.md, CE8); before there is a log, the charter's file does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from fermata.errors import Refusal
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.governance.amendment import charter_in_force, waiting_amendment
from fermata.protocol.state.state import KeyedState, State
from fermata.protocol.state.threshold_key import ThresholdKey
from fermata.protocol.wire.codec import decode
from fermata.wire.v1 import ceremony_service_pb2 as wire

KEYGEN, REFRESH, RESHARE = "keygen", "refresh", "reshare"
#: Kinds that make the next epoch of a key.
LATER = (REFRESH, RESHARE)
PLAN_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Basis:
    """What a ceremony goes on from.

    ``charter``: whose auditors have the key afterwards. Of a later epoch ``key`` is that of the
    epoch that ends, and ``before`` the charter that is in force while it does.
    """

    charter: Charter
    key: ThresholdKey | None = None
    before: Charter | None = None

    @property
    def epoch_id(self) -> bytes:
        """The id of the epoch that ends; no bytes if there is none."""
        return self.key.epoch_id if self.key is not None else b""

    @property
    def old_auditors(self) -> tuple[str, ...]:
        """Who holds the shares of the epoch that ends, in the order of their indices."""
        return self.key.auditors if self.key is not None else ()

    @property
    def auditors(self) -> tuple[str, ...]:
        """Everybody who may have a part in it."""
        new = self.charter.auditors
        return (*new, *(auditor for auditor in self.old_auditors if auditor not in new))

    @property
    def signing_keys(self) -> Mapping[str, bytes]:
        """Public signing keys; of an auditor that stays, the one in the charter that comes."""
        before = self.before.signing_keys if self.before is not None else {}
        return {**before, **self.charter.signing_keys}


class Bases(Protocol):
    """Where a node knows from what ceremonies go on from."""

    def now(self, kind: str) -> Basis:
        """That of a ceremony of this kind which begins now. Raises Refusal."""

    def of_plan(self, data: bytes) -> Basis:
        """That of a plan. Raises Refusal CEREMONY_PLAN and InvalidEncoding."""


@dataclass(frozen=True, slots=True)
class BeforeTheLog:
    """There is the charter that the log will begin with, and no key."""

    charter: Charter

    def now(self, kind: str) -> Basis:
        """See Bases."""
        return Basis(self.charter)

    def of_plan(self, data: bytes) -> Basis:
        """See Bases."""
        return Basis(self.charter)


class BasesOfLog:
    """What a log says, by the state that ``trusted`` holds when it is asked."""

    def __init__(self, trusted: Callable[[], State]) -> None:
        self._trusted = trusted

    def now(self, kind: str) -> Basis:
        """See Bases. Raises Refusal NO_KEY; CEREMONY_KIND for a first key."""
        state = self._trusted()
        if kind not in LATER:
            raise Refusal(
                "CEREMONY_KIND", f"ceremony: with a log its kind must be one of {', '.join(LATER)}"
            )
        if not isinstance(state, KeyedState):
            raise Refusal("NO_KEY", "ceremony: the log must have a key before its next epoch")
        in_force, motion = charter_in_force(state), waiting_amendment(state)
        # CE8.1: a reshare is for the amendment that waits for it, if there is one.
        new = motion.charter if motion is not None and kind == RESHARE else None
        return Basis(new or in_force, state.key, in_force)

    def of_plan(self, data: bytes) -> Basis:
        """See Bases: of any epoch of the log, also of one that is over."""
        return basis_of_plan(self._trusted(), data)


def basis_of_plan(state: State, data: bytes) -> Basis:
    """From what a plan goes on, by a log. Raises Refusal CEREMONY_PLAN and InvalidEncoding."""
    plan = decode(wire.CeremonyPlan, data, PLAN_BYTES_MAX)
    known = {version.charter.sha256: version.charter for version in state.charters}
    for motion in state.governance.motions.values():
        if motion.charter is not None:
            known[motion.charter.sha256] = motion.charter
    charter = known.get(plan.charter_sha256)
    if charter is None:
        raise Refusal("CEREMONY_PLAN", "plan: must be for a charter of this log")
    if not plan.epoch_id:
        return Basis(state.charters[0].charter)
    keys = (*state.past_keys, state.key) if isinstance(state, KeyedState) else ()
    for number, key in enumerate(keys):
        if key.epoch_id == plan.epoch_id:
            next_ones = keys[number + 1 :]
            in_force = [
                version.charter
                for version in state.charters
                if not next_ones or version.entry < next_ones[0].entry
            ]
            return Basis(charter, key, in_force[-1])
    raise Refusal("CEREMONY_PLAN", "plan: must go on from an epoch of this log's key")
