"""What an amendment changes, in words: for each lab by docs/spec/consent.md, and all the rest."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from fermata.protocol.charter.committee import Committee
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.roster import CoordinatorNode
from fermata.protocol.consent.comparison import differences
from fermata.protocol.consent.difference import Difference
from fermata.summary.governance_words import term_text


@dataclass(frozen=True, slots=True)
class AmendmentChange:
    """One difference between two charters, as people read it in ``text``.

    ``labs``: those for which alone it is a difference, in order of their ids; empty if it is one
    for all that stay, or if no article of docs/spec/consent.md compares it. ``is_free``: a charter
    may change so without anybody's consent beside the committee's.
    """

    text: str
    labs: tuple[str, ...] = ()
    is_free: bool = True

    @property
    def line(self) -> str:
        """The change with its labs, and a mark if it is not free."""
        about = f" ({', '.join(self.labs)})" if self.labs else ""
        return f"{' ' if self.is_free else '!'} {self.text}{about}"


#: What no article compares, by the key of the charter's file: a name, and the value as people read
#: it. A test compares the keys with ``UNCOMPARED`` of ``protocol.consent.articles``. A metric's
#: method, which is for people, is in the file alone.
OTHERS: dict[str, tuple[str, Callable[[Charter], str]]] = {
    "title": ("title", lambda c: repr(c.title)),
    "rounds.window_s": ("window_s", lambda c: str(c.window_s)),
    "rounds.plea_s": ("plea_s", lambda c: _seconds(c.plea_ms)),
    "rounds.heartbeat_s": ("heartbeat_s", lambda c: str(c.heartbeat_s)),
    "coordinator.addresses": ("addresses", lambda c: _places(c, slice(1))),
    "coordinator.authority": ("authority", lambda c: _authorities(c, slice(1))),
    "successor.addresses": ("successors' addresses", lambda c: _places(c, slice(1, None))),
    "successor.authority": ("successors' authorities", lambda c: _authorities(c, slice(1, None))),
    "drills.every_s": ("every_s of drills", lambda c: _drill(c, "every_ms")),
    "drills.answer_s": ("answer_s of drills", lambda c: _drill(c, "answer_ms")),
    "committee.rotation": ("rotation", lambda c: ", ".join(_committee(c).rotation)),
    "committee.ruling_s": ("ruling_s", lambda c: str(_committee(c).ruling_s)),
    "committee.turn_s": ("turn_s", lambda c: str(_committee(c).turn_s or "none")),
}
#: The keys of a member, which are compared member by member.
MEMBER_KEYS = tuple(
    f"member.{key}" for key in ["id", "organisation", "signing_key", "first_round", "last_round"]
)
#: Stands for the committee of a charter that has none: nothing in it can be told.
_NO_COMMITTEE = Committee(Fraction(1), (), 0, 0, 0, 0, ())


def amendment_changes(old: Charter, new: Charter, lab: str = "") -> tuple[AmendmentChange, ...]:
    """All that one charter changes of another, for one ``lab`` or, if it is empty, for all labs.

    A difference that several labs have is one change. What no article compares comes last.
    """
    labs = [lab] if lab else sorted({*old.labs, *new.labs})
    by_difference: dict[Difference, list[str]] = {}
    for lab_id in labs:
        for difference in differences(old, new, lab_id):
            by_difference.setdefault(difference, []).append(lab_id)
    everybody = {*labs} if lab else {*old.labs} & {*new.labs}
    compared = (
        AmendmentChange(
            difference.text,
            () if everybody <= {*concerned} else tuple(concerned),
            difference.effect.is_free,
        )
        for difference, concerned in by_difference.items()
    )
    return (*compared, *map(AmendmentChange, _other_changes(old, new)))


def change_lines(old: Charter, new: Charter, lab: str = "") -> list[str]:
    """The changes in lines; one line that says so if there are none.

    ``lab``: as for ``amendment_changes``.
    """
    return [change.line for change in amendment_changes(old, new, lab)] or ["  nothing"]


def _other_changes(old: Charter, new: Charter) -> Iterator[str]:
    for name, value in OTHERS.values():
        if value(old) != value(new):
            yield f"{name} {value(old)} -> {value(new)}"
    before, after = _members(old), _members(new)
    for member in sorted({*before, *after}):
        if member not in after:
            yield f"member {member} leaves"
        elif member not in before:
            yield f"member {member} joins: {after[member]}"
        elif before[member] != after[member]:
            yield f"member {member}: {before[member]} -> {after[member]}"


def _committee(charter: Charter) -> Committee:
    return charter.committee or _NO_COMMITTEE


def _drill(charter: Charter, name: str) -> str:
    return _seconds(getattr(charter.drills, name)) if charter.drills else "none"


def _nodes(charter: Charter, which: slice) -> tuple[CoordinatorNode, ...]:
    return charter.succession.nodes[which] if charter.succession else ()


def _places(charter: Charter, which: slice) -> str:
    texts = (f"{n.coordinator} at {', '.join(n.addresses)}" for n in _nodes(charter, which))
    return "; ".join(texts) or "none"


def _authorities(charter: Charter, which: slice) -> str:
    """By the SHA-256 of each certificate."""
    texts = (
        f"{n.coordinator} {hashlib.sha256(n.authority).hexdigest()[:16]}"
        for n in _nodes(charter, which)
    )
    return "; ".join(texts) or "none"


def _members(charter: Charter) -> dict[str, str]:
    """How people read each member, by id."""
    texts = {}
    for member in _committee(charter).members:
        key = charter.parties[member.id].signing_key.hex()[:16]
        texts[member.id] = f"{member.organisation}, key {key}, {term_text(member)}"
    return texts


def _seconds(milliseconds: int) -> str:
    return str(milliseconds // 1000)
