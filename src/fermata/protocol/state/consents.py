"""Which labs have publicly not consented to the charter in force (docs/spec/consent.md, CO7)."""

from collections.abc import Collection, Mapping

from fermata.protocol.state.governance import FOR
from fermata.protocol.state.state import Round, State, labs_in_force


def not_consenting(state: State) -> Mapping[str, bytes]:
    """The labs in force that have not consented, in the roster's order.

    Each with the hash of the newest charter that it has accepted: by a heartbeat, by its vote, or
    by an answer to a round. A pure function of the log.
    """
    hashes = [version.charter.sha256 for version in state.charters]
    unconsenting = {}
    # Under the first charter everybody has consented, by signing it.
    for lab in labs_in_force(state) if len(hashes) > 1 else ():
        seen = state.heartbeats.get(lab)
        # CO7.1: silence, which others can bring about, says nothing.
        if seen is None or not seen.named:
            continue
        # CO7.2: a word says nothing of charters that it does not know.
        spoke_under = max(i for i, v in enumerate(state.charters) if v.entry < seen.entry)
        if hashes.index(seen.accepted) >= spoke_under:
            continue
        accepted = {seen.accepted, *voted_for(state, lab), _answered_under(state, lab)}
        newest = newest_charter(state, accepted)
        # CO7.3: what was accepted once, also by an answer, is not taken back by a later word.
        if hashes.index(newest) < spoke_under:
            unconsenting[lab] = newest
    return unconsenting


def newest_charter(state: State, hashes: Collection[bytes]) -> bytes:
    """Of these hashes, that of the charter which came into force last; empty if none is one."""
    versions = (v.charter.sha256 for v in reversed(state.charters))
    return next((sha256 for sha256 in versions if sha256 in hashes), b"")


def voted_for(state: State, lab: str) -> frozenset[bytes]:
    """The hashes of the charters for which a lab has voted, since their amendments asked it."""
    motions = state.governance.motions.values()
    return frozenset(m.charter.sha256 for m in motions if m.charter and m.consents.get(lab) == FOR)


def _answered_under(state: State, lab: str) -> bytes:
    """The charter of the newest round that the lab has answered; empty if there is none."""
    numbers = (r.number for r in reversed(state.rounds) if lab in answered(r))
    number = next(numbers, None)
    return state.charter_at(number).sha256 if number is not None else b""


def answered(round_: Round) -> frozenset[str]:
    """Labs with an accepted report, be it that its proof failed later, or an abstention."""
    return round_.abstained | round_.reports.keys() | round_.revisions.keys()


def away(round_: Round) -> frozenset[str]:
    """Labs that had not consented when a round was opened and have not answered it since (CO8)."""
    return round_.unconsenting - answered(round_)
