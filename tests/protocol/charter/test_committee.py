"""The committee's part of a charter: one test per refusal with its line, and who has the chair."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import Charter, parse_charter
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys

KEYS = party_keys(0, 6, 3, 4)
TEXT = charter_text(KEYS, members="wxyz")
ROTATION = 'rotation = ["member-1", "member-2", "member-3", "member-4"]'


def parse(text: str) -> Charter:
    return parse_charter(text.encode(), MODULUS_BITS_MIN)


def term(member: int, first: int, last: int) -> tuple[str, str]:
    """The edit that gives a member a term."""
    begin = TEXT.index(f'id = "member-{member}"')
    end = TEXT.index("last_round = 0", begin) + len("last_round = 0")
    old = TEXT[begin:end]
    return old, old.replace("d = 1", f"d = {first}").replace(
        "last_round = 0", f"last_round = {last}"
    )


def edited(*edits: tuple[str, str]) -> str:
    text = TEXT
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def chairs(text: str, rounds: int) -> str:
    committee = parse(text).committee
    assert committee is not None
    return "".join((committee.chair(r) or "-")[-1] for r in range(1, rounds + 1))


def test_members_are_parties_that_sign() -> None:
    charter = parse(TEXT)
    assert charter.parties["member-3"].role == "member"
    assert charter.parties["member-3"].signing_key == KEYS["member-3"].public_key
    assert charter.committee is not None
    assert [m.organisation for m in charter.committee.members][:2] == [
        "Organisation w",
        "Organisation x",
    ]


def test_a_charter_without_the_table_has_no_committee() -> None:
    assert parse(charter_text(KEYS)).committee is None


def test_the_chair_goes_round() -> None:
    assert chairs(TEXT, 9) == "123412341"


def test_the_chair_skips_members_out_of_their_term() -> None:
    text = edited(term(2, 1, 2), term(4, 7, 0))
    assert chairs(text, 10) == "1213131341"


@pytest.mark.parametrize("notice_s", [1, 604_799, 604_800])
def test_only_a_test_charter_may_give_less_notice_than_a_week_and_its_heading_says_so(
    notice_s: int,
) -> None:
    edit = ("notice_s = 86400", f"notice_s = {notice_s}")
    charter = parse(edited(edit))
    assert (charter.is_test, charter.heading) == (True, f"TEST CHARTER: {charter.title}")
    if notice_s == 604_800:
        real = parse(edited(edit, ("test = true", "test = false")))
        assert (real.is_test, real.heading) == (False, real.title)


def test_those_barred_are_passed_over_and_an_empty_chair_is_none() -> None:
    committee = parse(TEXT).committee
    assert committee is not None
    assert committee.chair(1, {"member-1", "member-2"}) == "member-3"
    assert committee.chair(1, {f"member-{i}" for i in range(1, 5)}) is None


@pytest.mark.parametrize(
    ("quorum", "entitled", "needed"),
    [("2/3", 4, 3), ("2/3", 3, 2), ("1/1", 3, 3), ("51/100", 4, 3), ("2/3", 0, 0)],
)
def test_the_quorum_is_rounded_up(quorum: str, entitled: int, needed: int) -> None:
    committee = parse(edited(('"2/3"', f'"{quorum}"'))).committee
    assert committee is not None
    assert committee.votes_needed(entitled) == needed


BAD = {
    "half is no majority": ([('"2/3"', '"1/2"')], "more than half", "quorum ="),
    "more than all": ([('"2/3"', '"4/3"')], "at most all", "quorum ="),
    "not a fraction": ([('"2/3"', '"0.7"')], "a fraction in quotes", "quorum ="),
    "a zero below": ([('"2/3"', '"1/0"')], "a fraction in quotes", "quorum ="),
    "no notice": (
        [("notice_s = 86400", "notice_s = 0")],
        "a whole number from 1 to 31622400",
        "notice_s",
    ),
    "notice of less than a week": (
        [("test = true", ""), ("notice_s = 86400", "notice_s = 604799")],
        "must be 604800 (seven days) or more, got 604799",
        "notice_s",
    ),
    "no vote": ([("vote_s = 7200", "vote_s = -1")], "a whole number from 1 to 31622400", "vote_s"),
    "no ruling": (
        [("ruling_s = 3600", "ruling_s = 99999999")],
        "a whole number from 1 to 31622400",
        "ruling_s",
    ),
    "no appeal": (
        [("appeal_s = 1800", "appeal_s = 0")],
        "a whole number from 1 to 31622400",
        "appeal_s",
    ),
    "a stranger in the rotation": (
        [(ROTATION, 'rotation = ["member-1", "lab-1"]')],
        "must name a member, and lab-1 is not one",
        "rotation =",
    ),
    "an empty rotation": ([(ROTATION, "rotation = []")], "two organisations", "rotation ="),
    "one organisation alone": (
        [(ROTATION, 'rotation = ["member-1", "member-2"]'), ("tion x", "tion w")],
        "at least two organisations",
        "rotation =",
    ),
    "an organisation twice running": (
        [("tion x", "tion W")],
        "in rounds 1 and 2",
        "rotation =",
    ),
    "an organisation twice running at the turn": (
        [("tion z", "tion w")],
        "in rounds 4 and 5",
        "rotation =",
    ),
    "an organisation twice running after a term": (
        [("tion y", "tion w"), term(2, 1, 4), term(4, 1, 4)],
        "in rounds 5 and 6",
        "rotation =",
    ),
    "nobody in the chair": (
        [term(1, 1, 4), term(2, 1, 4), term(3, 1, 4), term(4, 1, 4)],
        "must name a member that serves in round 5",
        "rotation =",
    ),
    "a term before the first round": (
        [term(2, 0, 0)],
        "must be a whole number from 1",
        "first_round = 0",
    ),
    "a term that ends before it begins": (
        [term(2, 5, 4)],
        "first_round or later",
        "last_round = 4",
    ),
    "too many places": (
        [(ROTATION, "rotation = [" + '"member-1", "member-2", ' * 33 + "]")],
        "at most 64 places",
        "rotation =",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_refused_with_its_line(what: str) -> None:
    edits, fragment, place = BAD[what]
    text = edited(*edits)
    with pytest.raises(ConfigError) as caught:
        parse(text)
    line = next(i for i, t in enumerate(text.split("\n"), 1) if place in t)
    assert caught.value.reason == "CHARTER"
    assert f"charter line {line}: " in str(caught.value)
    assert fragment in str(caught.value)


def test_members_without_the_table_are_refused() -> None:
    text = charter_text(KEYS) + TEXT[TEXT.index("[[member]]") : TEXT.index("[[panel]]")]
    with pytest.raises(ConfigError, match="without a \\[committee\\] table"):
        parse(text)


def test_the_table_without_members_is_refused() -> None:
    text = TEXT[: TEXT.index("[[member]]")] + TEXT[TEXT.index("[[panel]]") :]
    with pytest.raises(ConfigError, match="must have 1 to 64"):
        parse(text)


def test_a_members_id_stands_once_on_the_roster() -> None:
    with pytest.raises(ConfigError, match="must be unique, got lab-1 again"):
        parse(edited(('id = "member-2"', 'id = "lab-1"')))


def test_terms_need_a_chair_only_as_long_as_the_charter_has_rounds() -> None:
    """Four quarters, of which each may be asked twice."""
    text = edited(*(term(i, 1, 8) for i in range(1, 5)), ('last = ""', 'last = "2026Q2"'))
    assert chairs(text, 9) == "12341234-"
    text = edited(*(term(i, 1, 7) for i in range(1, 5)), ('last = ""', 'last = "2026Q2"'))
    with pytest.raises(ConfigError, match="must name a member that serves in round 8"):
        parse(text)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 8)), min_size=4, max_size=4))
@settings(max_examples=50, deadline=None)
def test_what_is_accepted_never_has_one_organisation_in_the_chair_twice_running(
    terms: list[tuple[int, int]],
) -> None:
    text = edited(*(term(i, *t) for i, t in enumerate(terms, 1)), ("tion y", "tion w"))
    try:
        committee = parse(text).committee
    except ConfigError:
        return
    assert committee is not None
    organisations = {m.id: m.organisation for m in committee.members}
    first = min(t[0] for t in terms)
    held = [committee.chair(r) for r in range(first, 40)]
    assert None not in held
    names = [organisations[m] for m in held if m is not None]
    assert all(a != b for a, b in itertools.pairwise(names))
