"""Which rounds the charter's terms let go: L58 to L61 and L64 of docs/spec/log.md.

Pure: all of it follows from the first ``size`` entries, also if the state is of more. So whoever
judges these entries later, with whatever came after them, finds the same.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from fermata.protocol.charter.parse import Charter
from fermata.protocol.standing.panel_round import figures_in, standing_figures
from fermata.protocol.state.heartbeats import settled_size
from fermata.protocol.state.pause import RUNNING, Pause
from fermata.protocol.state.state import Close, Round, State
from fermata.types import RoundNumber

#: For how many later rounds a charter has something kept; None for ever.
Term = Callable[[Charter], int | None]


def kept_rounds(charter: Charter) -> int | None:
    """L58: the term of the sealed parts of reports."""
    return charter.kept_rounds


def audit_rounds(charter: Charter) -> int | None:
    """L64: the term of what a lab keeps to open its values in an audit on site."""
    return charter.audit_rounds


@dataclass(frozen=True, slots=True)
class Terms:
    """The rounds in their term, and those that are let go; others are in neither."""

    in_term: frozenset[RoundNumber]
    gone: frozenset[RoundNumber]


@dataclass(frozen=True, slots=True)
class LetGo:
    """What of the sealed parts of a log's reports is let go.

    ``starts``: the entry with which each round was opened. ``owed``: SHA-256 of the sealed parts
    of all accepted reports of rounds that are not ``gone``.
    """

    gone: frozenset[RoundNumber]
    starts: tuple[int, ...]
    owed: frozenset[bytes]

    def lets_go(self, entry: int, sealed_sha256: bytes) -> bool:
        """Whether nobody owes the sealed part that the report in an entry names."""
        # L61: a report that counts for nothing may name the part of one that counts.
        return bisect_right(self.starts, entry) in self.gone and sealed_sha256 not in self.owed

    def entries_of(self, number: RoundNumber) -> range:
        """The entries from the opening of a round that is gone to that of the next."""
        return range(self.starts[number - 1], self.starts[number])


def has_term(state: State, term: Term = kept_rounds) -> bool:
    """Whether some charter of the log lets rounds go at all, by this term."""
    return any(term(version.charter) is not None for version in state.charters)


def judged_size(state: State, witnessed: int) -> int:
    """L59: of so many witnessed entries, those that no Handover takes back."""
    charter = state.charter
    if charter is None or charter.succession is None:
        return min(witnessed, state.size)
    return min(witnessed, state.size, settled_size(charter, state.heartbeats))


def terms_of(state: State, size: int, term: Term = kept_rounds) -> Terms:
    """L58 to L60, as of the first ``size`` entries, by this term (L64 has another)."""
    rounds = [round_ for round_ in state.rounds if round_.entry < size]
    everything = frozenset(round_.number for round_ in rounds)
    if not has_term(state, term):
        return Terms(everything, frozenset())
    in_term: set[RoundNumber] = set()
    owed: set[int] = set()
    later, newest = 0, None
    for round_ in reversed(rounds):
        close = _close(round_, size)
        newest = newest or close
        rounds_kept = term(state.charter_at(round_.number))
        # L58: a round that may still give a result is owed, however old it is.
        if rounds_kept is None or later < rounds_kept or not _has_ended(state, round_, size):
            in_term.add(round_.number)
            # L60: so that the products of a round in its term can be computed again.
            owed |= {number for number, _ in figures_in(close.figures)} if close else set()
        later += _counts(state.pause, round_, size)
    # L60: later sums need a figure that stands or waits, and its proof is of its whole round.
    if newest is not None:
        owed |= {number for number, _, _ in standing_figures(newest.standing)}
    return Terms(frozenset(in_term), everything - in_term - owed)


def letting_go(state: State, size: int) -> LetGo:
    """What is let go as of the first ``size`` entries."""
    gone = terms_of(state, size).gone
    owed = {
        report.sealed_sha256
        for round_ in state.rounds
        if round_.number not in gone
        for report in round_.reports.values()
    }
    return LetGo(gone, tuple(round_.entry for round_ in state.rounds), frozenset(owed))


def lacking_text(state: State, witnessed: int, sealed_sha256: bytes) -> str:
    """Why a node of this log, of which so much is ``witnessed``, may lack a sealed part.

    For people: it names the round if the charter's term lets the part go.
    """
    if has_term(state):
        gone = terms_of(state, judged_size(state, witnessed)).gone
        for round_ in state.rounds:
            named = (report.sealed_sha256 for report in round_.reports.values())
            if round_.number in gone and sealed_sha256 in named:
                return f"the charter's term (kept_rounds) let the parts of round {round_.number} go"
    return "has no sealed part with that digest"


def moment(state: State, size: int) -> tuple[int, ...]:
    """How many rounds were opened for reports, closed and opened by so many entries: while these
    are the same, nothing more is let go."""
    closes = (round_.close for round_ in state.rounds)
    openings = (round_.opening for round_ in state.rounds)
    return (
        sum(round_.entry < size for round_ in state.rounds),
        sum(close is not None and close.entry < size for close in closes),
        sum(opening is not None and opening.entry < size for opening in openings),
    )


def _close(round_: Round, size: int) -> Close | None:
    return round_.close if round_.close is not None and round_.close.entry < size else None


def _has_ended(state: State, round_: Round, size: int) -> bool:
    """Opened, refused at its close, or called once more, by the first ``size`` entries.

    A round that was refused because its sum is false is never over: somebody has lied in it.
    """
    close, following = _close(round_, size), state.round(round_.number + 1)
    if round_.opening is not None and round_.opening.entry < size:
        return True
    if close is not None and close.refusal:
        return True
    is_again = following is not None and following.period == round_.period
    return is_again and following is not None and following.entry < size


def _counts(pause: Pause, round_: Round, size: int) -> bool:
    """L58: whether a round makes those before it older."""
    opening = round_.opening
    if opening is None or opening.entry >= size:
        return False
    # PA14: what led to a pause must still be there when it is to be lifted.
    before = [change.after for change in pause.changes if change.entry <= opening.entry]
    return not before or before[-1] == RUNNING
