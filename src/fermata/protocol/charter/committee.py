"""The committee: who decides on motions, by which majority, and who is in the chair.

Normative text: docs/spec/governance.md, G1 to G4. Rounds count from 1.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fermata.protocol.charter.toml_source import Rounds, RoundsOrNone, Seconds, Strict, TomlSource
from fermata.protocol.reprs import short_repr

MEMBERS_MAX = 64
ROTATION_MAX = 64
#: Whoever is asked to leave, or to live by other terms, has a week to see it and to act.
NOTICE_MIN_S = 7 * 24 * 3600
_FRACTION = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})\Z")


class MemberText(Strict, frozen=True):
    """One ``[[member]]``, which serves in the rounds from ``first_round`` to ``last_round``."""

    id: str
    organisation: str
    signing_key: str
    first_round: Rounds = 1
    last_round: RoundsOrNone = 0


class CommitteeText(Strict, frozen=True):
    quorum: str
    rotation: tuple[str, ...]
    notice_s: Seconds
    vote_s: Seconds
    ruling_s: Seconds
    appeal_s: Seconds
    turn_s: Seconds | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A member and its term in rounds, both ends included; ``last_round`` 0 has no end."""

    id: str
    organisation: str
    first_round: int
    last_round: int

    def serves(self, round_number: int) -> bool:
        """Whether its term covers the round."""
        return self.first_round <= round_number and (
            self.last_round == 0 or round_number <= self.last_round
        )


@short_repr()
@dataclass(frozen=True, slots=True)
class Committee:
    """The committee's members and times, with the share of the entitled that carries a motion.

    That share is ``quorum``, above 1/2 and at most 1. ``notice_s`` passes before an exclusion or
    an amendment has effect, ``vote_s`` until a motion expires, ``ruling_s`` until a ruling is
    overdue, ``appeal_s`` until a ruling is final, ``turn_s`` until the chair's turn is over though
    no round was opened (None: it never is).
    """

    quorum: Fraction
    rotation: tuple[str, ...]
    notice_s: int
    vote_s: int
    ruling_s: int
    appeal_s: int
    members: tuple[Member, ...]
    turn_s: int | None = None

    def member(self, member_id: str) -> Member | None:
        """The member with this id, or None."""
        return next((m for m in self.members if m.id == member_id), None)

    def serving(self, round_number: int) -> tuple[Member, ...]:
        """The members whose term covers the round, in the charter's order."""
        return tuple(m for m in self.members if m.serves(round_number))

    def chair(self, round_number: int, barred: Collection[str] = (), passed: int = 0) -> str | None:
        """The id of the member in the chair: the rotation's members take it round by round.

        ``passed``: how many turns have passed with time alone since the round was opened.

        Members that do not serve in the round, or are ``barred``, are passed over. None if
        nobody is left (G3).
        """
        serving = {m.id for m in self.serving(round_number)}
        turn = [m for m in self.rotation if m in serving]
        start = (round_number - 1 + passed) % max(1, len(turn))
        left = (m for m in turn[start:] + turn[:start] if m not in barred)
        return next(left, None)

    def votes_needed(self, entitled: int) -> int:
        """How many of ``entitled`` members must vote for a motion: the quorum, rounded up."""
        return -(-self.quorum.numerator * entitled // self.quorum.denominator)


def fold_organisation(name: str) -> str:
    """An organisation's name in the form in which spellings that look alike are equal."""
    return unicodedata.normalize("NFKC", name).casefold()


def check_spelling(source: TomlSource, organisations: Sequence[str]) -> None:
    """Checks that no lab's organisation has two spellings, since cohorts count spellings.

    Raises ConfigError with the line.
    """
    spelled: dict[str, str] = {}
    for index, organisation in enumerate(organisations):
        folded = fold_organisation(organisation)
        if spelled.setdefault(folded, organisation) != organisation:  # C2.8.
            source.fail(f"lab[{index}].organisation", "must be spelled as for the lab before")


def read_committee(
    source: TomlSource,
    text: CommitteeText | None,
    members: Sequence[MemberText],
    rounds_max: int | None,
    notice_min_s: int,
) -> Committee | None:
    """The charter's committee; None if it has none.

    ``rounds_max``: how many rounds the charter has, None without an end. ``notice_min_s``: the
    least ``notice_s``. Ids, keys and organisations were checked with the roster. Raises
    ConfigError with the line.
    """
    if text is None:
        # G1.1: parties with no say.
        if members:
            source.fail("member[0]", "has no effect without a [committee] table; add one")
        return None
    # G1.2.
    if not 1 <= len(members) <= MEMBERS_MAX:
        source.fail("committee", f"must have 1 to {MEMBERS_MAX} [[member]]s, got {len(members)}")
    committee = Committee(
        quorum=_quorum(source, text.quorum),
        rotation=text.rotation,
        notice_s=text.notice_s,
        vote_s=text.vote_s,
        ruling_s=text.ruling_s,
        appeal_s=text.appeal_s,
        members=tuple(_member(source, f"member[{i}]", m) for i, m in enumerate(members)),
        turn_s=text.turn_s,
    )
    _check_places(source, committee)
    # G2.5: nobody is out before they can have seen it.
    if text.notice_s < notice_min_s:
        source.fail(
            "committee.notice_s",
            f"must be {notice_min_s} (seven days) or more, got {text.notice_s}; only a charter with"
            " test = true at its top may have less",
        )
    _check_chairs(source, committee, rounds_max)
    return committee


def _member(source: TomlSource, path: str, text: MemberText) -> Member:
    # G1.3.
    if text.last_round != 0 and text.last_round < text.first_round:
        source.fail(f"{path}.last_round", "must be first_round or later, or 0 for no end")
    return Member(text.id, text.organisation, text.first_round, text.last_round)


def _quorum(source: TomlSource, text: str) -> Fraction:
    parts = _FRACTION.match(text)
    # G2.1.
    if parts is None:
        source.fail("committee.quorum", 'must be a fraction in quotes, such as "2/3"')
    quorum = Fraction(int(parts[1]), int(parts[2]))
    # G2.2: half could carry two decisions at once.
    if not Fraction(1, 2) < quorum <= 1:
        source.fail("committee.quorum", "must be more than half, and at most all")
    return quorum


def _check_places(source: TomlSource, committee: Committee) -> None:
    path, rotation = "committee.rotation", committee.rotation
    for member in rotation:
        # G2.3.
        if committee.member(member) is None:
            source.fail_unknown(path, "a member", member)
    # G2.4.
    if len(rotation) > ROTATION_MAX:
        source.fail(path, f"must have at most {ROTATION_MAX} places, got {len(rotation)}")


def _check_chairs(source: TomlSource, committee: Committee, rounds_max: int | None) -> None:
    """Checks that every round has a chair, of another organisation than the round before.

    Between two changes of who serves, the chairs repeat after one turn of the rotation. One turn
    after each change therefore stands for all rounds.
    """
    path, rotation = "committee.rotation", committee.rotation
    terms = {m.id: m for m in committee.members}
    organisations = {m.id: fold_organisation(m.organisation) for m in committee.members}
    # G3.1: one organisation would have the chair for ever.
    if len({organisations[m] for m in rotation}) < 2:
        source.fail(path, "must name members of at least two organisations")
    begin = min(terms[m].first_round for m in rotation)
    ends = {terms[m].last_round + 1 for m in rotation if terms[m].last_round}
    for change in sorted({terms[m].first_round for m in rotation} | ends):
        for number in range(change, change + len(rotation) + 1):
            if rounds_max is not None and number > rounds_max:
                break
            chair = committee.chair(number)
            # G3.2: a round in which nothing can be tabled.
            if chair is None:
                source.fail(path, f"must name a member that serves in round {number}")
            last = committee.chair(number - 1) if number > begin else None
            # G3.3: one organisation must not delay a matter.
            if last is not None and organisations[last] == organisations[chair]:
                source.fail(
                    path,
                    "must pass the chair to another organisation in every round, but one has it in"
                    f" rounds {number - 1} and {number}",
                )
