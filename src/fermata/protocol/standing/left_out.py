"""Whom a pause leaves out from its beginning on, for want of consent (docs/spec/pause.md, PA6b).

A lab must not get a pause lifted without it by saying, once it has leaped, that it has not
consented. So what counts is what was logged before the rounds that the trigger rests on, and a
figure that those rounds show keeps its lab in.
"""

from collections.abc import Collection, Mapping, Sequence

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.rules.trigger_rules import CHANGE, FITS, Rule
from fermata.protocol.state.pause import RELAPSE, RULE, RUNNING, Pause
from fermata.protocol.state.state import Close, Round
from fermata.protocol.statistics.facts import places_of


def left_out(
    rounds: Sequence[Round],
    charter: Charter,
    pause: Pause,
    fired: Sequence[str],
    number: int,
    entry: int,
    unconsenting: Collection[str],
) -> tuple[str, ...]:
    """The labs that a change leaves out which round ``number`` brings by ``fired``, in order.

    ``rounds`` are those of the log, ``charter`` is the round's own, ``pause`` the one before, and
    ``unconsenting`` are the labs without consent as of ``entry``. Empty if nothing fired.
    """
    if not fired:
        return ()
    # PA6.4: a word that came after the round was opened is one that its figures may have brought.
    labs = rounds[number - 1].unconsenting & frozenset(unconsenting)
    if pause.phase != RUNNING:
        # PA6.5: no amendment, and no relapse that somebody brings about, lets go a lab in a pause.
        labs &= still_left_out(rounds, pause, entry)
    seen = _closes_seen(rounds, charter, fired, number, entry)
    # PA6.6: a leap that the trigger saw, or that it looked back at, must be answered for.
    return tuple(sorted(lab for lab in labs if seen and not _has_newer(seen, lab)))


def still_left_out(rounds: Sequence[Round], pause: Pause, entry: int) -> frozenset[str]:
    """The labs that the last change rule or relapse left out, and that gave no figure since."""
    start = next((c for c in reversed(pause.changes) if c.why in (RULE, RELAPSE)), None)
    if start is None:
        return frozenset()
    closes = closes_since(rounds, start.entry, entry)
    return frozenset(lab for lab in start.left_out if not _has_newer(closes, lab))


def closes_since(rounds: Sequence[Round], began: int, entry: int) -> list[Close]:
    """The newest close up to the entry ``began``, and all after it up to ``entry``."""
    closes = [r.close for r in rounds if r.close is not None and r.close.entry <= entry]
    early = [close for close in closes if close.entry <= began]
    return [*early[-1:], *closes[len(early) :]]


def _has_newer(closes: Sequence[Close], lab: str) -> bool:
    """Whether a figure of the lab stands after one of these closes, or waits, that is newer than
    the one that stands after the first."""
    if not closes:
        return False
    stood = {panel: standing.entered.get(lab, 0) for panel, standing in closes[0].standing.items()}
    return any(
        max(standing.entered.get(lab, 0), standing.waiting.get(lab, 0)) > stood.get(panel, 0)
        for close in closes
        for panel, standing in close.standing.items()
    )


def reach(rules: Mapping[str, Rule], rule_id: str) -> int | None:
    """Over how many periods a rule looks back, its parts included; None if there is no bound."""
    rule = rules[rule_id]
    if rule.parts:
        parts = [reach(rules, part) for part in rule.parts]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        own = max(known) + rule.hold_rounds
    else:
        own = rule.over_rounds + (rule.kind == CHANGE) if rule.kind in (CHANGE, *FITS) else 1
    # A run that passes over unknown rounds may have begun at any time.
    if rule.for_rounds > 1 and rule.unknown == "skips":
        return None
    return own + rule.for_rounds - 1


def _closes_seen(
    rounds: Sequence[Round], charter: Charter, fired: Sequence[str], number: int, entry: int
) -> list[Close]:
    """The closes of the rounds that the rules look at, after the newest one before them.

    Up to ``entry``, also of later rounds: a late round fires what later ones show. Empty if it is
    not known where they begin to look, or if there is no close before: all figures may be new then.
    """
    by_id = {rule.id: rule for rule in charter.rules}
    # A rule of a later charter, which a late round has fired, is looked up nowhere: no bound.
    reaches = [reach(by_id, rule) if rule in by_id else None for rule in fired]
    known = [r for r in reaches if r is not None]
    if len(known) < len(reaches):
        return []
    places = places_of(rounds)
    first = places[number] - max(known) + 1
    closes = [(places[r.number], r.close) for r in rounds if r.close and r.close.entry <= entry]
    before = [close for place, close in closes if place < first]
    return [*before[-1:], *(c for p, c in closes if p >= first)] if before else []
