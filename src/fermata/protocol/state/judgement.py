"""What the charter's rules say as of a round (docs/spec/rules.md)."""

from collections.abc import Sequence
from dataclasses import dataclass

from fermata.protocol.reprs import short_repr
from fermata.types import EntryIndex, TimeMs


@short_repr()
@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What a rule says as of a round.

    ``holds`` is None if it is unknown, and ``why`` says why. ``value`` is what was compared with
    ``limit``, as text for people; ``streak`` counts the rounds in a row, of which the rule needs
    ``for_rounds``.
    """

    rule: str
    holds: bool | None
    value: str
    limit: str
    streak: int
    for_rounds: int
    why: str


@short_repr()
@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules say as of a round, and the entry with which the round came to its end.

    ``late``: of a round that ended after later ones, the triggers that hold as of one of those now
    that this round is known, and did not before. They are triggers of the later round's charter.
    """

    entry: EntryIndex
    time_ms: TimeMs
    verdicts: tuple[RuleVerdict, ...]
    late: tuple[str, ...] = ()

    def fired(self, triggers: Sequence[str]) -> tuple[str, ...]:
        """The triggers that this round pulls (pause.md, PA3): its charter's, then later ones'."""
        holding = {v.rule for v in self.verdicts if v.holds is True}
        own = tuple(rule for rule in triggers if rule in holding or rule in self.late)
        return own + tuple(rule for rule in self.late if rule not in own)

    def holds(self, rule: str) -> bool | None:
        """What it says of one rule; None is unknown, as is a rule that it does not have."""
        return next((v.holds for v in self.verdicts if v.rule == rule), None)
