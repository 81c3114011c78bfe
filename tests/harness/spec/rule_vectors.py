"""Cases of tests/vectors/rules.json as what the product's rules read."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.state.report_flags import Flags
from fermata.protocol.state.standing import Cell, PanelStanding
from fermata.protocol.state.state import Close, Opening, ReportPart, ReportSeen, Result, Round
from fermata.protocol.statistics.facts import RoundFacts, facts_of
from harness.chains import MODULUS_BITS_MIN
from harness.protocol.rule_texts import text_of

#: Any quorum: no round of a case has an endorsement, and all that are opened have a result.
QUORUM = 3
#: All rounds of the cases are held under a charter with the one panel of theirs.
PANEL = "p"
#: On it are all labs that the cases name.
LABS = frozenset(letter + digit for letter in "abcdef" for digit in ("", "1", "2"))
_CHARTER = parse_charter(text_of().encode(), MODULUS_BITS_MIN)
CHARTER = replace(_CHARTER, panels=(replace(_CHARTER.panels[0], labs=LABS),))


def key_of(name: str) -> tuple[str, str]:
    """Metric and statistic of a result's name, ``metric statistic``."""
    metric, _, statistic = name.partition(" ")
    return metric, statistic


def round_of(
    number: int,
    period: str,
    results: dict[str, str] | None,
    figures: dict[str, int],
    is_waiting: bool = False,
    shares: dict[str, bool] | None = None,
    able: int | None = None,
) -> Round:
    """A round that was opened with these results, or refused, or that waits for its opening.

    ``figures``: by lab, the round of its figure that stands; a lab's organisation is the first
    letter of its name. ``shares``: by lab that has reported, whether its report shows that it is
    within its share. ``able``: how many auditors could open in the newest drill before its close.
    """
    part = ReportPart(PANEL, (), b"")
    reports = {
        lab: ReportSeen(lab, 3 * number - 1, (part,), b"", b"", Flags(within_shares=is_within))
        for lab, is_within in (shares or {}).items()
    }
    standing = (Cell(PANEL, (), tuple(sorted(figures))),)
    cells = standing if results else ()
    close = Close(
        3 * number,
        b"",
        0,
        (),
        {},
        cells,
        {},
        b"",
        "" if results or is_waiting else "too few",
        {lab: lab[0] for lab in LABS},
        {PANEL: figures},
        {PANEL: PanelStanding(standing, figures)},
        able=able,
    )
    found = tuple(Result(*key_of(n), Fraction(v), v) for n, v in (results or {}).items())
    opening = Opening(3 * number + 1, {}, found, {PANEL: ()}, {}) if results else None
    return Round(
        number, period, 3 * number - 1, 0, 0, reports=reports, close=close, opening=opening
    )


def facts_of_case(case: dict[str, Any]) -> Sequence[RoundFacts]:
    """One fact a period; without ``periods`` each round is of its own.

    Without ``figures`` each round's sums have a new figure of the same lab.
    """
    count = len(case["rounds"])
    periods = case.get("periods") or [str(n) for n in range(1, count + 1)]
    figures = case.get("figures") or [{"a": n} for n in range(1, count + 1)]
    waiting, shares = case.get("waiting", []), case.get("shares") or [None] * count
    able = case.get("able") or [None] * count
    rounds = [
        round_of(number, period, results, own or {}, number in waiting, told, could)
        for number, (period, results, own, told, could) in enumerate(
            zip(periods, case["rounds"], figures, shares, able, strict=True), 1
        )
    ]
    return facts_of(rounds, QUORUM, lambda _: CHARTER)
