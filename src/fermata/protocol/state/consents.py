"""Which labs have publicly not consented to the charter in force (docs/spec/consent.md, CO7)."""

from collections.abc import Collection, Mapping

from fermata.protocol.state.governance import FOR
from fermata.protocol.state.state import Round, State, labs_in_force
from fermata.types import RoundNumber


def not_consenting(state: State) -> Mapping[str, bytes]:
    """The labs in force that have not consented, in the roster's order.

    Each with the hash of the newest charter that it has accepted, by its heartbeats or by an answer
    to a round. A pure function of the log: whoever has said nothing counts as consenting.
    """
    found = {}
    for lab in labs_in_force(state):
        seen = state.heartbeats.get(lab)
        # CO7.1: silence, which others can bring about, says nothing.
        if seen is None or not seen.named or state.charter is None:
            continue
        # CO7.2: what was accepted once is not taken back, by whatever a later heartbeat names.
        spoke_under = [v for v in state.charters if v.entry < seen.entry][-1]
        accepted = {seen.accepted, *voted_for(state, lab)}
        if accepted & {state.charter.sha256, spoke_under.charter.sha256}:
            continue
        last = _last_answered(state, lab)
        # CO7.3: whoever has answered a round of a charter is bound by it until the next one.
        if last >= spoke_under.from_round:
            continue
        answered_under = state.charter_at(last).sha256 if last else b""
        found[lab] = newest_charter(state, (*accepted, answered_under))
    return found


def voted_for(state: State, lab: str) -> frozenset[bytes]:
    """The hashes of the charters for which a lab has voted, since their amendments asked it."""
    motions = state.governance.motions.values()
    return frozenset(m.charter.sha256 for m in motions if m.charter and m.consents.get(lab) == FOR)


def newest_charter(state: State, hashes: Collection[bytes]) -> bytes:
    """Of these hashes, that of the charter which came into force last; empty if none is one."""
    versions = (v.charter.sha256 for v in reversed(state.charters))
    return next((sha256 for sha256 in versions if sha256 in hashes), b"")


def _last_answered(state: State, lab: str) -> RoundNumber:
    """The newest round that the lab has reported in or abstained from; 0 if it never has."""
    answered = (r.number for r in reversed(state.rounds) if has_answered(r, lab))
    return next(answered, RoundNumber(0))


def has_answered(round_: Round, lab: str) -> bool:
    """Whether a lab has reported in a round, or abstained from it."""
    return lab in round_.reports or lab in round_.abstained
