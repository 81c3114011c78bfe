"""Made-up lives of a panel with a pause: the fold's own judgement, without any cryptography."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.fold.pause import settle_rounds
from fermata.protocol.standing.sweep import lacking
from fermata.protocol.state import pause as machine
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.consents import not_consenting
from fermata.protocol.state.heartbeats import HeartbeatSeen
from fermata.protocol.state.pause import NO_PAUSE, Pause
from fermata.protocol.state.state import CharteredState, Opening, Result, Round
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys
from harness.protocol.standing_lives import closed, reported, state_of

#: The entries of round n are ROUND * n and those after it.
ROUND = 10
#: A trigger and a lift on the sum of hours.
LEVELS = """
[[rule]]
id = "hot"
kind = "level"
metric = "hours"
statistic = "sum"
above = "500"

[[rule]]
id = "calm"
kind = "level"
metric = "hours"
statistic = "sum"
below = "250"
"""


def charter_of(
    organisations: str,
    rules: str,
    pause: str,
    terms: str = "",
    lift_rounds: int = 2,
    cohort_min: int = 3,
) -> Charter:
    """A charter of one panel, alpha. ``pause``: the ids of the triggers and of the lift."""
    *triggers, lift = pause.split()
    table = (
        f'\n[pause]\ntriggers = {triggers}\nlift = "{lift}"\nlift_rounds = {lift_rounds}\n'
        'acknowledge_s = 600\nacknowledge_share = "2/3"\nopen_within_s = 7200\n'
        'settle_within_s = 3600\nsilence_s = 1800\nfail_safe = "none"\n'
    )
    keys = party_keys(0, len(organisations), 3)
    text = charter_text(
        keys,
        organisations=organisations,
        disclosure=terms + "\n",
        extra=rules + table,
        cohort_min=cohort_min,
    )
    charter = parse_charter(text.encode(), MODULUS_BITS_MIN)
    return replace(charter, panels=charter.panels[:1])


class PausedLife:
    """Rounds of which each report has one figure of hours, in units; all labs acknowledge late."""

    def __init__(self, charter: Charter) -> None:
        self.charters = {1: charter}
        self.rounds: list[Round] = []
        self.figures: dict[int, Mapping[str, int]] = {}
        self.judgements: CharteredState = state_of([], self.charters)
        self.words: dict[str, HeartbeatSeen] = {}

    def amend(self, name: str) -> None:
        """From the next round on another charter is in force, the same but for its hash."""
        newest = self.charters[max(self.charters)]
        sha256 = hashlib.sha256(name.encode()).digest()
        self.charters[len(self.rounds) + 1] = replace(newest, sha256=sha256)

    def refuse(self, digits: str) -> None:
        """These labs say that the first charter is the newest that they accept."""
        first = self.charters[1].sha256
        for digit in digits:
            entry = ROUND * len(self.rounds) + 3
            self.words[f"lab-{digit}"] = HeartbeatSeen(
                entry, 1, 0, 0, 0, "", 0, 0, named=first, accepted=first
            )

    def unconsenting(self) -> frozenset[str]:
        """The labs that have not consented, as of now."""
        state = state_of(self.rounds, self.charters)
        return frozenset(not_consenting(replace(state, heartbeats=self.words)))

    def round(
        self, figures: Mapping[str, int], barred: str = "", is_opened: bool = True
    ) -> CharteredState:
        """One more round; ``figures`` by the digit of each lab that reports. It ends at once."""
        number = len(self.rounds) + 1
        self.figures[number] = {f"lab-{digit}": value for digit, value in figures.items()}
        now = replace(reported(number, self.figures[number], barred=barred), entry=ROUND * number)
        now = replace(now, unconsenting=self.unconsenting())
        now = closed(self.rounds, self.charters, now)
        assert now.close is not None
        now = replace(now, close=replace(now.close, entry=ROUND * number + 1))
        self.rounds.append(now)
        return self.open(number) if is_opened else self.end(number)

    def open(self, number: int) -> CharteredState:
        """Opens a round that waits for it."""
        round_ = self.rounds[number - 1]
        if round_.close is not None and round_.close.cells:
            total = sum(
                self.figures[given][lab]
                for cell in round_.close.figures.values()
                for lab, given in cell.items()
            )
            result = Result("hours", "sum", Fraction(total), str(total))
            entry = ROUND * len(self.rounds) + 2 + (number < len(self.rounds))
            opening = Opening(entry, {}, (result,), {}, {})
            self.rounds[number - 1] = replace(round_, opening=opening)
        return self.end(number)

    def end(self, number: int) -> CharteredState:
        """What has ended settles, and a pause that was triggered begins."""
        entry = ROUND * len(self.rounds) + 2 + (number < len(self.rounds))
        state = state_of(self.rounds, self.charters)
        state = replace(
            state,
            judgements=self.judgements.judgements,
            pause=self.pause,
            clock=Clock(),
            heartbeats=self.words,
        )
        state = settle_rounds(state, entry)
        terms = state.charter.pause
        assert terms is not None
        pause = machine.advance(state.pause, terms, entry + 2, 0, state.charter.labs, True)
        self.judgements = replace(state, pause=pause)
        return self.judgements

    @property
    def pause(self) -> Pause:
        return self.judgements.pause if self.rounds else NO_PAUSE

    @property
    def sum(self) -> int:
        """The newest sum."""
        opening = next(r.opening for r in reversed(self.rounds) if r.opening is not None)
        return int(opening.results[0].value)

    def waits_for(self) -> str:
        """The digits of the labs that the lift waits for."""
        state = self.judgements
        charter = state.charter_at(len(self.rounds))
        assert charter.pause is not None
        waiting = lacking(
            state.rounds, charter, charter.pause, state.pause, len(self.rounds), 10**6
        )
        return "".join(lab[-1] for lab in waiting)

    def holds(self, rule: str) -> bool | None:
        """What a rule says as of the newest round."""
        return self.judgements.judgements[len(self.rounds)].holds(rule)
