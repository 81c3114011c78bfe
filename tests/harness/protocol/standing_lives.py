"""Made-up lives of a panel: who reported when, without any cryptography."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.charter.periods import period_of
from fermata.protocol.standing.round_standing import lasting_organisations, round_standing
from fermata.protocol.state.report_flags import Flags
from fermata.protocol.state.state import (
    CharteredState,
    CharterVersion,
    Close,
    ReportPart,
    ReportSeen,
    Round,
)
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys

#: Organisations, one letter a lab, and the groups of panel alpha by their labs' digits.
WHOLE = ("aabcdefgh", ())
TWO = ("aabcdef", (("east", "1234"), ("west", "567")))
THREE = ("abcdefghi", (("east", "123"), ("west", "456"), ("far", "789")))
SHAPES = {"whole": WHOLE, "two": TWO, "three": THREE}


@functools.cache
def charter_of(shape: str = "whole", terms: str = "", cohort_min: int = 3) -> Charter:
    """A charter whose only panel is alpha. ``terms``: more of ``[disclosure]``."""
    organisations, groups = SHAPES[shape]
    keys = party_keys(0, len(organisations), 3)
    text = charter_text(
        keys,
        organisations=organisations,
        disclosure=terms + "\n",
        groups=groups,
        cohort_min=cohort_min,
    )
    charter = parse_charter(text.encode(), MODULUS_BITS_MIN)
    return replace(charter, panels=charter.panels[:1])


def labs_of(digits: str) -> tuple[str, ...]:
    """lab-1 and lab-3 for "13"."""
    return tuple(f"lab-{digit}" for digit in digits)


def state_of(rounds: Sequence[Round], charters: Mapping[int, Charter]) -> CharteredState:
    """Rounds under these charters, each from the round that it has as its key."""
    versions = tuple(CharterVersion(c, n, n - 1) for n, c in sorted(charters.items()))
    newest = versions[-1].charter
    unended = tuple(round_.number for round_ in rounds)
    return CharteredState(charter=newest, charters=versions, rounds=tuple(rounds), unended=unended)


def reported(
    number: int,
    labs: Iterable[str],
    alone: str = "",
    barred: str = "",
    panel: str = "alpha",
    within: str = "",
) -> Round:
    """A round in which these labs have reported. ``alone``, ``barred``, ``within`` (its share):
    digits of labs."""
    part = (ReportPart(panel, (), b""),)
    flags = {
        lab: Flags(alone=lab in labs_of(alone), within_shares=lab in labs_of(within))
        for lab in labs
    }
    reports = {lab: ReportSeen(lab, number, part, b"", b"", flags[lab]) for lab in flags}
    period = period_of("quarter", "2025Q3", number)
    out = frozenset(labs_of(barred))
    return Round(number, period, number, 0, 0, reports=reports, barred=out)


def closed(rounds: Sequence[Round], charters: Mapping[int, Charter], now: Round) -> Round:
    """The round with the close that follows from its reports."""
    state = state_of([*rounds, now], charters)
    standing = round_standing(state, now)
    known = lasting_organisations(state, now.number)
    close = Close(
        1,
        b"",
        0,
        tuple(sorted(now.reports)),
        {},
        standing.opened,
        {},
        b"",
        standing.refusal,
        known,
        standing.figures,
        standing.panels,
        standing.unchanged,
    )
    return replace(now, close=close)


class Life:
    """Rounds one after another. ``charters``: by the round that each came into force with."""

    def __init__(self, charter: Charter) -> None:
        self.charters = {1: charter}
        self.rounds: list[Round] = []

    def amend(self, charter: Charter) -> None:
        self.charters[len(self.rounds) + 1] = charter

    def round(self, digits: str, alone: str = "", barred: str = "", panel: str = "alpha") -> Close:
        """One more round, in which the labs with these digits have reported."""
        return self.round_of(
            labs_of(digits), frozenset(labs_of(alone)), frozenset(labs_of(barred)), panel
        )

    def round_of(
        self,
        labs: Iterable[str],
        alone: frozenset[str] = frozenset(),
        barred: frozenset[str] = frozenset(),
        panel: str = "alpha",
    ) -> Close:
        """One more round, in which these labs have reported."""
        now = reported(len(self.rounds) + 1, labs, panel=panel)
        reports = {
            lab: replace(seen, flags=replace(seen.flags, alone=lab in alone))
            for lab, seen in now.reports.items()
        }
        now = replace(now, reports=reports, barred=barred)
        self.rounds.append(closed(self.rounds, self.charters, now))
        close = self.rounds[-1].close
        assert close is not None
        return close

    @property
    def state(self) -> CharteredState:
        return state_of(self.rounds, self.charters)


def sums(close: Close) -> dict[str, dict[str, int]]:
    """By opened cell: the digit of each lab in its sum, and the round of the figure."""
    return {
        cell: {lab[-1]: number for lab, number in figures.items()}
        for cell, figures in close.figures.items()
    }


def members(close: Close) -> dict[str, str]:
    """By opened cell: the digits of the labs in its sum."""
    return {cell: "".join(sorted(figures)) for cell, figures in sums(close).items()}
