"""All parties of a ceremony in one process, turn by turn, over messages that arrive."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fermata.crypto.threshold.ceremony.lockstep import (
    Ceremony,
    Messages,
    Misbehaviour,
    Received,
    Turn,
)
from fermata.errors import InvalidProof

#: Gives what really leaves a sender: turn number, sender, what it meant to send.
Tamper = Callable[[int, int, Messages], Messages]


@dataclass(frozen=True, slots=True)
class Played:
    """How a ceremony ended.

    ``ends``: the last turn of each party, if all came to one. ``findings``: what each party found
    against another instead, and ``failure`` if it was nobody's fault. ``turns``: how many there
    were; ``sent_bytes``: what party 1 sent, public bodies once.
    """

    ends: Mapping[int, Turn]
    findings: Mapping[int, Misbehaviour]
    failure: str
    turns: int
    sent_bytes: int

    def culprits(self, parties: set[int]) -> set[int]:
        """Whom these parties found out; a party that found nothing counts as 0."""
        return {self.findings[j].culprit if j in self.findings else 0 for j in parties}


def play(
    parties: Mapping[int, Ceremony], seeds: Mapping[int, bytes], tamper: Tamper | None = None
) -> Played:
    """Runs a ceremony until it is over or somebody is found out."""
    turns = {j: party.begin(seeds[j]) for j, party in parties.items()}
    count = sent_bytes = 0
    while True:
        sent = {j: turn.messages for j, turn in turns.items() if turn.messages is not None}
        if not sent:
            return Played(turns, {}, "", count, sent_bytes)
        if tamper is not None:
            sent = {j: tamper(turns[j].number, j, words) for j, words in sent.items()}
        count += 1
        sent_bytes += len(sent[1].public) + sum(map(len, sent[1].private.values()))
        findings: dict[int, Misbehaviour] = {}
        failure, following = "", {}
        for j, party in parties.items():
            received = {
                i: Received(words.public, words.private.get(j, b""))
                for i, words in sent.items()
                if i != j
            }
            try:
                following[j] = party.step(turns[j].kept, received)
            except Misbehaviour as finding:
                findings[j] = finding
            except InvalidProof as error:
                failure = error.reason
        if findings or failure:
            return Played({}, findings, failure, count, sent_bytes)
        turns = following
