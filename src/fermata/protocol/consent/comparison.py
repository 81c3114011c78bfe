"""Two charters compared for one lab, and whom an amendment needs beside the committee.

Normative text: docs/spec/consent.md, CO1 to CO4.
"""

from dataclasses import dataclass

from fermata.protocol.charter.parse import Charter
from fermata.protocol.consent.articles import ARTICLES, OF_AUDITORS
from fermata.protocol.consent.difference import Difference, Effect


def differences(old: Charter, new: Charter, lab: str) -> tuple[Difference, ...]:
    """Every article that changes for a lab, in the order of the articles.

    A lab that one of the charters lacks has one difference: that it joins or leaves.
    """
    if lab not in old.labs or lab not in new.labs:
        joins = lab in new.labs
        words = f"{lab} {'joins' if joins else 'leaves'}"
        is_there = lab in old.labs or joins
        return (Difference("roster", words, Effect.MORE),) if is_there else ()
    return tuple(d for article in ARTICLES for d in article.compare(old, new, lab))


def is_nowhere_weaker(old: Charter, new: Charter, lab: str) -> bool:
    """CO3: whether a lab that agreed to the old charter needs no new consent to the new one."""
    return all(d.effect.is_free for d in differences(old, new, lab))


@dataclass(frozen=True, slots=True)
class Needed:
    """Whose consent an amendment needs beside the committee's votes.

    ``labs`` each by itself; ``has_share``: also a share of the labs' organisations, and
    ``has_share_for_pause``: for more than other auditors.
    """

    labs: frozenset[str] = frozenset()
    has_share: bool = False
    has_share_for_pause: bool = False


def consent_needed(old: Charter, new: Charter) -> Needed:
    """CO4: the labs of the old charter of which the new one asks more or that it leaves out."""
    by_lab = {lab: differences(old, new, lab) for lab in old.labs}
    asked = [lab for lab, all_of in by_lab.items() if any(d.effect == Effect.MORE for d in all_of)]
    of_share = {d.article for all_of in by_lab.values() for d in all_of if d.effect == Effect.LABS}
    return Needed(frozenset(asked), bool(of_share), bool(of_share - OF_AUDITORS))
