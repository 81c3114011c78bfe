"""Who has not consented to the charter in force, from the statements of the log, one by one.

It is written independently of fermata.protocol.state.consents, from docs/spec/consent.md, CO7.
"""

from fermata.protocol.state.state import State
from fermata.wire.v1 import statement_pb2 as wire


class ConsentBook:
    """A tally of the charters, counted from 1 as they came into force, and of what labs accept."""

    def __init__(self) -> None:
        self._count_of: dict[bytes, int] = {}
        #: By lab: the newest charter that it has accepted, and whether its newest word refuses.
        self._accepts: dict[str, int] = {}
        self._refuses: dict[str, bool] = {}
        #: By the hash of a charter that is not in force yet: the labs that voted for it.
        self._voted: dict[bytes, set[str]] = {}
        #: By round: who had not consented when it was opened, and who of these has not answered it.
        self.at_opening: dict[int, frozenset[str]] = {}
        self.away: dict[int, frozenset[str]] = {}

    def saw(self, author: str, statement: wire.Statement, after: State) -> None:
        """Takes an entry that was accepted; ``after`` is the state with it."""
        for version in after.charters[len(self._count_of) :]:
            self._come_into_force(version.charter.sha256)
        body = statement.WhichOneof("body")
        if body == "open_round":
            number, refusing = statement.open_round.round, self.refusing(after)
            self.at_opening[number] = self.away[number] = refusing
        elif body in ("report", "abstention"):
            self._accept(author, len(self._count_of))
            number = getattr(statement, body).round
            self.away[number] = self.away[number] - {author}
        elif body == "vote" and statement.vote.choice == wire.CHOICE_FOR:
            charter = after.governance.motions[statement.vote.motion.index].charter
            if charter is not None:
                self._voted.setdefault(charter.sha256, set()).add(author)
        elif body == "heartbeat":
            named = statement.heartbeat.accepted_charter_sha256
            self._refuses[author] = bool(named)
            self._accept(author, self._count_of.get(named, 0))

    def refusing(self, state: State) -> frozenset[str]:
        """The labs of the roster that have not consented, but for the excluded ones."""
        labs = set(state.chartered().charter.labs) - state.governance.exclusions.keys()
        return frozenset(lab for lab in labs if self._refuses.get(lab, False))

    def _come_into_force(self, sha256: bytes) -> None:
        self._count_of[sha256] = len(self._count_of) + 1
        for lab in self._voted.pop(sha256, set()):
            self._accept(lab, len(self._count_of))

    def _accept(self, lab: str, count: int) -> None:
        self._accepts[lab] = max(count, self._accepts.get(lab, 0))
        if self._accepts[lab] == len(self._count_of):
            self._refuses[lab] = False
