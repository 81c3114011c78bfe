"""The histories of the model: one fork in the old view, and the Leaves that end it.

The coordinator of the old view may sign two logs, X and Y, that differ after a common prefix P.
Each honest auditor has cosigned the head of at most one of them (L17), may hold a certificate of it
once it is witnessed (L36), and may then have said so in a statement that is logged (SU2). Liars say
whatever helps them, at any time. What tells honest auditors apart is this alone, so a history is a
count of each kind, whatever the order of its steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from fermata.sim.model.succession.committee import Committee

#: The common prefix, and the two logs that continue it.
PREFIX, LOG, FORK = "P", "X", "Y"


@dataclass(frozen=True, slots=True)
class Rules:
    """What honest auditors and the fold do; each is a rule of the page, or the lack of one."""

    #: SU5: nothing is said under the old view after the Leave.
    says_after_leave: bool = False
    cosigns_after_leave: bool = False
    #: SU4: the Leave carries the certificate; and the head, also where it has no certificate.
    leave_shows_certificate: bool = True
    leave_shows_head: bool = True
    #: Whether the old coordinator signs a second log at all.
    forks: bool = True


RULES = Rules()


@dataclass(frozen=True, slots=True, order=True)
class Auditor:
    """An honest auditor.

    ``cosigned``: the log whose head it has cosigned. ``has_said``: a statement of it, logged there,
    says that the head is witnessed. A Leave names ``head``, and ``certificate`` is what
    its certificate is of; both are empty while it has not left.
    """

    cosigned: str = PREFIX
    has_certificate: bool = False
    has_said: bool = False
    head: str = ""
    certificate: str = ""

    @property
    def has_left(self) -> bool:
        """Whether it has signed a Leave."""
        return bool(self.head)


History = tuple[Auditor, ...]


def witnessed(committee: Committee, history: History, log: str) -> bool:
    """Whether cosignatures of a quorum exist, those of all liars among them."""
    return sum(a.cosigned == log for a in history) + committee.liars >= committee.quorum


def settled(committee: Committee, history: History, log: str) -> bool:
    """SU2: whether statements of a quorum, all liars among them, say that it is witnessed."""
    said = sum(a.has_said and a.cosigned == log for a in history)
    return said + committee.liars >= committee.quorum


def after(committee: Committee, rules: Rules, history: History) -> Iterator[History]:
    """Every history that has one step more."""
    certified = {log for log in (LOG, FORK) if witnessed(committee, history, log)}
    place = 0
    for auditor, same in groupby(history):
        for changed in _steps(rules, auditor, certified):
            others = (*history[:place], *history[place + 1 :])
            yield tuple(sorted((*others, changed)))
        place += len(list(same))


def _steps(rules: Rules, auditor: Auditor, certified: set[str]) -> Iterator[Auditor]:
    if not auditor.has_left:
        yield replace(
            auditor,
            head=auditor.cosigned if rules.leave_shows_head else PREFIX,
            certificate=auditor.cosigned
            if rules.leave_shows_certificate and auditor.has_certificate
            else PREFIX,
        )
    if auditor.cosigned == PREFIX and (not auditor.has_left or rules.cosigns_after_leave):
        yield from (replace(auditor, cosigned=log) for log in (LOG, FORK)[: 1 + rules.forks])
    if auditor.has_left and not rules.says_after_leave:
        return
    if auditor.cosigned in certified and not auditor.has_certificate:
        yield replace(auditor, has_certificate=True)
    if auditor.has_certificate and not auditor.has_said:
        yield replace(auditor, has_said=True)
