"""The histories of a change of auditors: of which logs two committees witness entries (SU27).

The old auditors may witness the log Z, which goes on without the key record that brings the new
ones; whether a coordinator signed it beside another, or a successor began it, is all the same. The
record may come in the log X, which has nothing of Z, and in Y, which is Z and then the record. In X
and Y the new auditors witness what comes after. An auditor may be of both committees, and liars may
be too. A history is a count of each kind of honest auditor, whatever the order of its steps.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, product

from fermata.sim.model.succession.committee import Committee, committees

#: What the words of an auditor that has given its epoch up say to have seen: the entries that all
#: logs share, or those of Z as well.
SHARED, LOST = "P", "Z"


@dataclass(frozen=True, slots=True)
class Rules:
    """What honest auditors and the fold do; each is a rule of a page, or the lack of one."""

    #: SU27.3: the words name the newest entry of its copy; else one that it knows to be witnessed.
    names_its_copy: bool = True
    #: F3.21: a quorum of the old auditors gives its epoch up; else one auditor is enough.
    asks_a_quorum: bool = True
    #: K31.6: whoever has given its epoch up cosigns nothing without the record.
    is_silent: bool = True
    #: SU27.4: who has cosigned with the record goes on with no Handover of those before.
    waits_for_its_own: bool = True


RULES = Rules()


@dataclass(frozen=True, slots=True)
class Change:
    """``shared``: auditors of both committees, ``lying`` of them liars."""

    old: Committee
    new: Committee
    shared: int
    lying: int

    @property
    def honest(self) -> tuple[int, int, int]:
        """Honest auditors of the old committee alone, of both, of the new one alone."""
        of_both = self.shared - self.lying
        return self.old.honest - of_both, of_both, self.new.honest - of_both


@dataclass(frozen=True, slots=True, order=True)
class Auditor:
    """An honest auditor. ``z``, ``x``, ``y``: the logs of which it has cosigned a head that is of
    that log alone. ``seen``: what it gave its epoch up with, empty while it has not."""

    is_old: bool
    is_new: bool
    z: bool = False
    x: bool = False
    y: bool = False
    seen: str = ""


History = tuple[Auditor, ...]


def changes(auditors_max: int) -> Iterator[Change]:
    """Every two committees of up to so many auditors with as many liars as their thresholds allow,
    and every number of auditors and liars that they share."""
    worst = [c for c in committees(auditors_max) if c.liars == c.threshold - 1]
    for old, new in product(worst, worst):
        for shared in range(min(old.auditors, new.auditors) + 1):
            for lying in range(min(old.liars, new.liars, shared) + 1):
                change = Change(old, new, shared, lying)
                if min(change.honest) >= 0:
                    yield change


def broken(change: Change, rules: Rules = RULES) -> str:
    """The first promise that some history breaks; an empty text if none does."""
    before, both, after = change.honest
    start = tuple(
        sorted(
            (
                *[Auditor(True, False)] * before,
                *[Auditor(True, True)] * both,
                *[Auditor(False, True)] * after,
            )
        )
    )
    known, queue = {start}, deque([start])
    while queue:
        history = queue.popleft()
        if what := _conflict(change, history):
            return f"{what}: {change}: {history}"
        for following in _after(change, rules, history):
            if following not in known:
                known.add(following)
                queue.append(following)
    return ""


def _conflict(change: Change, history: History) -> str:
    old, new = change.old, change.new
    if sum(a.x for a in history) + new.liars < new.quorum:
        return ""
    if sum(a.z for a in history) + old.liars >= old.quorum:
        return "the old auditors witness one log, and the new ones another"
    if sum(a.y for a in history) + new.liars >= new.quorum:
        return "the new auditors witness two logs"
    return ""


def _after(change: Change, rules: Rules, history: History) -> Iterator[History]:
    needed = (change.old.quorum if rules.asks_a_quorum else 1) - change.old.liars
    # A record in X needs words that name nothing of Z; in Y both kinds count.
    has_x = sum(a.seen == SHARED for a in history) >= needed
    has_y = sum(a.seen != "" for a in history) >= needed
    place = 0
    for auditor, same in groupby(history):
        for changed in _steps(rules, auditor, has_x, has_y):
            yield tuple(sorted((*history[:place], *history[place + 1 :], changed)))
        place += len(list(same))


def _steps(rules: Rules, auditor: Auditor, has_x: bool, has_y: bool) -> Iterator[Auditor]:
    is_free = not auditor.x or not rules.waits_for_its_own
    if auditor.is_old:
        if not auditor.seen:
            yield replace(auditor, seen=LOST)
            # Of two logs of one view it reads one, and never goes back.
            if not (auditor.z and rules.names_its_copy):
                yield replace(auditor, seen=SHARED)
        if not auditor.z and is_free and not (auditor.seen and rules.is_silent):
            yield replace(auditor, z=True)
    if auditor.is_new:
        if has_x and not (auditor.x or auditor.y or auditor.z):
            yield replace(auditor, x=True)
        if has_y and not auditor.y and is_free:
            yield replace(auditor, y=True)
