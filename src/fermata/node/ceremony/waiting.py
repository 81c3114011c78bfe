"""Waiting for the others in a ceremony: until they are there, somebody ends it, or time is over."""

from collections.abc import Callable
from typing import TypeVar

from fermata.errors import Refusal, TransportError
from fermata.node.ceremony.around import Around, Me
from fermata.node.ceremony.ending import Ending
from fermata.node.ceremony.items import END, Name
from fermata.node.ceremony.state_file import Kept
from fermata.protocol.ceremony.plan import Plan
from fermata.wire.v1 import ceremony_service_pb2 as wire

FIRST_S, LONGEST_S = 0.02, 0.4

Answer = TypeVar("Answer")


class Waiting:
    """Asks the relay again and again, and says for whom it waits."""

    def __init__(self, me: Me, around: Around, plan: Plan, kept: Kept) -> None:
        self._me, self._around, self._plan, self._kept = me, around, plan, kept
        self._index = plan.index_of(me.party)
        self._said = ""

    def post(self, name: Name, data: bytes) -> None:
        """Hands in an item, again if the relay is not there. Raises Ending, FermataError."""
        self.try_again(lambda: self._around.relay.post(self._plan.id, name, data))

    def until_all_set_up(self) -> None:
        """Returns when every participant's set-up is there. Raises Ending."""
        self._until(lambda standing: standing.has_set_up, "to begin")

    def until_all_have(self, number: int) -> None:
        """Returns when everybody's signed turn is there. Raises Ending."""
        self._until(lambda standing: standing.turns > number, f"for turn {number}")

    def fetch(self, name: Name) -> bytes:
        """Gets an item, again if the relay is not there. Raises Ending, FermataError."""
        return self.try_again(lambda: self._around.relay.fetch(self._plan.id, name))

    def try_again(self, ask: Callable[[], Answer]) -> Answer:
        """Asks for what the relay may not be there for, until it answers or time is over."""
        pause_s = FIRST_S
        while True:
            try:
                return ask()
            except TransportError as error:
                self._tell(f"trying again: {error} [{error.reason}]")
            except Refusal as error:
                if error.reason != "CEREMONY_OVER":
                    raise
                raise self._over([]) from None
            self.check_time([])
            self._around.sleep(pause_s)
            pause_s = min(LONGEST_S, 2 * pause_s)

    def check_time(self, missing: list[int]) -> None:
        """Raises Ending if the ceremony's time is over."""
        if self._around.clock() > self._plan.expires_ms:
            raise self._over(missing)

    def _until(self, has_it: Callable[[wire.ParticipantStanding], bool], what: str) -> None:
        pause_s = FIRST_S
        while True:
            missing = list(self._plan.others(self._index))
            try:
                standing = list(self._around.relay.standing(self._plan.id).participants)
                self._check_ends(standing)
                missing = [i for i in missing if not has_it(standing[i - 1])]
                if not missing:
                    return
                names = ", ".join(map(self._plan.party, missing))
                if pause_s >= LONGEST_S:
                    self._tell(f"waiting {what}: {names}")
            except TransportError as error:
                self._tell(f"trying again: {error} [{error.reason}]")
            self.check_time(missing)
            self._around.sleep(pause_s)
            pause_s = min(LONGEST_S, 2 * pause_s)

    def _check_ends(self, standing: list[wire.ParticipantStanding]) -> None:
        """Raises Ending.followed if somebody, or this party itself elsewhere, has ended."""
        if len(standing) != len(self._plan.participants):
            raise TransportError("SERVER_FAULT", "relay: its answer must name all participants")
        for index in self._plan.indices:
            if not standing[index - 1].has_ended:
                continue
            data = self._around.relay.fetch(self._plan.id, Name(END, index))
            ending = Ending.followed(self._plan, data, index, self._index)
            if ending is not None:
                raise ending

    def _over(self, missing: list[int]) -> Ending:
        names = ", ".join(map(self._plan.party, missing)) or "the relay"
        return Ending(
            wire.CEREMONY_OUTCOME_ABSENT,
            reason="CEREMONY_ABSENT",
            note=f"the time is over, and these did not come: {names}",
            absent=tuple(missing),
        )

    def _tell(self, line: str) -> None:
        if line != self._said:
            self._said = line
            self._around.say(line)
