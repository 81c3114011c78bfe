"""What an amendment asks of labs beside the committee's votes, and how far they have agreed.

Normative text: docs/spec/governance.md, G12a and G12b.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from fermata.errors import Refusal
from fermata.protocol.charter.committee import fold_organisation
from fermata.protocol.charter.parse import Charter
from fermata.protocol.consent.comparison import consent_needed
from fermata.protocol.state import governance as g
from fermata.protocol.state.governance import Motion
from fermata.protocol.state.pause import RUNNING
from fermata.protocol.state.state import CharteredState, State
from fermata.types import Choice


@dataclass(frozen=True, slots=True)
class Consent:
    """How far the labs have agreed: ``count`` of ``needed`` organisations, ``open_count`` more may.

    ``missing``: labs that are asked by themselves and have not agreed; ``refused``: those of them
    that have said so.
    """

    count: int = 0
    open_count: int = 0
    needed: int = 0
    missing: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def is_given(self) -> bool:
        """Whether nobody else needs to agree."""
        return self.count >= self.needed and not self.missing

    @property
    def may_be_given(self) -> bool:
        """Whether those who have not spoken may still agree."""
        return self.count + self.open_count >= self.needed and not self.refused


#: Of a motion that asks no lab.
NO_CONSENT = Consent()


def with_asked(state: CharteredState, tabled: Motion, new: Charter) -> Motion:
    """The motion of an amendment with those whom it asks. Raises Refusal NOT_RUNNING."""
    needed = consent_needed(state.charter, new)
    # F12.26: whoever pulled the pause must not change what lifts it.
    if needed.has_share_for_pause and state.pause.phase != RUNNING:
        raise Refusal(
            "NOT_RUNNING",
            f"amendment: the terms of the pause must stay while it is {state.pause.phase}",
        )
    # An excluded lab is to say nothing more, so it is not waited for.
    governance = state.governance
    excluded = {*governance.exclusions, *(governance.motions[n].lab for n in governance.notices)}
    asked = needed.labs - excluded
    return replace(
        tabled,
        charter=new,
        asked_labs=tuple(sorted(asked)),
        has_share=needed.has_share,
        is_in_pause=not needed.has_share_for_pause,
    )


def check_lost_key(state: CharteredState, tabled: Motion, new: Charter) -> str:
    """The lab whose key was found lost by the dispute that an amendment names (G13a).

    Raises Refusal NO_GROUND.
    """
    # F12.31: a committee must not put a party of its own in a lab's place, but what a ruling that
    # the lab could appeal against has found.
    ground, old = state.governance.disputes.get(tabled.about_entry), state.charter
    lab = ground.lab if ground is not None else ""
    is_found = ground is not None and (ground.status, ground.is_upheld) == (g.FINAL, True)
    if not is_found or lab not in old.labs or lab in new.parties:
        raise Refusal(
            "NO_GROUND",
            "amendment: must name a dispute, upheld and final, about a lab that it takes off the"
            " roster",
        )
    # And it comes back as a lab that no figure was told of, so that none stands beside its own
    # before it joins (ST7); of the organisation that was heard.
    ever = {party for version in state.charters for party in version.charter.parties}
    organisation = old.parties[lab].organisation
    if not any(new.parties[x].organisation == organisation for x in new.labs if x not in ever):
        raise Refusal(
            "NO_GROUND",
            f"amendment: must have {lab}'s organisation with a lab of another id, which is new",
        )
    if tabled.about_entry in _used_grounds(state):
        raise Refusal(
            "NO_GROUND", f"amendment: dispute {tabled.about_entry} has led to a decision already"
        )
    return lab


def _used_grounds(state: CharteredState) -> set[int]:
    """Disputes on which an exclusion, or an amendment, rests that has carried."""
    return {
        m.about_entry
        for m in state.governance.motions.values()
        if m.kind in (g.AMENDMENT, g.EXCLUSION) and m.status == g.CARRIED
    }


def is_asked(state: CharteredState, motion: Motion, lab: str) -> bool:
    """Whether a lab may agree to an amendment: it is asked itself, or all labs are."""
    return lab in motion.asked_labs or (motion.has_share and lab in state.charter.labs)


def agree(motion: Motion, lab: str, choice: Choice) -> Motion:
    """The motion with what a lab says to it. Raises Refusal VOTED."""
    # F13.7: what it agreed to must not be taken back, nor asked for again.
    if lab in motion.consents:
        raise Refusal("VOTED", f"vote: {lab} has voted on motion {motion.entry}")
    return replace(motion, consents={**motion.consents, lab: choice})


def share_needed(charter: Charter) -> Fraction:
    """Which share of the labs' organisations must agree to a change of the pause (G12b)."""
    if charter.pause is not None:
        return charter.pause.pause_share
    return charter.committee.quorum if charter.committee is not None else Fraction(1)


def consent_of(state: State, motion: Motion) -> Consent:
    """How far the labs of the charter in force have agreed to a motion."""
    if motion.charter is None or state.charter is None:
        return NO_CONSENT
    said, charter = motion.consents, state.charter
    missing = tuple(lab for lab in motion.asked_labs if said.get(lab) != g.FOR)
    refused = tuple(lab for lab in missing if lab in said)
    if not motion.has_share:
        return Consent(missing=missing, refused=refused)
    by_organisation: dict[str, set[str | None]] = {}
    for lab in charter.labs:
        name = fold_organisation(charter.parties[lab].organisation)
        by_organisation.setdefault(name, set()).add(said.get(lab))
    spoken = [choices - {None} for choices in by_organisation.values()]
    return Consent(
        # One of an organisation's labs speaks for it, unless another says otherwise.
        count=sum(choices == {g.FOR} for choices in spoken),
        open_count=sum(not choices for choices in spoken),
        needed=ceil(share_needed(charter) * len(by_organisation)),
        missing=missing,
        refused=refused,
    )


def check_ground(state: CharteredState, tabled: Motion) -> None:
    """Checks that an exclusion rests on a finding of its own. Raises Refusal NO_GROUND."""
    # F12.27: nobody is excluded unheard, nor twice for one thing.
    ground = state.governance.disputes.get(tabled.about_entry)
    is_found = ground is not None and (ground.status, ground.is_upheld) == (g.FINAL, True)
    if ground is None or not is_found or ground.lab != tabled.lab:
        raise Refusal(
            "NO_GROUND",
            f"exclusion: must name a dispute about {tabled.lab} that was upheld and is final",
        )
    if tabled.about_entry in _used_grounds(state):
        raise Refusal(
            "NO_GROUND", f"exclusion: dispute {tabled.about_entry} has led to one already"
        )
