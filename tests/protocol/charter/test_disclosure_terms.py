"""The charter's terms of disclosure: [disclosure] and [[group]], and what is refused of them."""

from fractions import Fraction
from typing import Any

import pytest

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import parse_charter
from harness.chains import MODULUS_BITS_MIN, charter_text, make_deployment
from harness.deployments import DUTY_TABLE, PAUSE_RULES, PAUSE_TABLE
from harness.dues import BANDS

GROUPS = (("north", "123"), ("south", "456"))
ORGANISATIONS = "abcdef"


def refused(
    message: str,
    line: str,
    disclosure: str = "",
    groups: tuple[tuple[str, str], ...] = (),
    organisations: str = ORGANISATIONS,
    edit: tuple[str, str] = ("", ""),
    **settings: Any,
) -> None:
    deployment = make_deployment(labs=len(organisations))
    text = charter_text(
        deployment.keys,
        disclosure=disclosure,
        groups=groups,
        organisations=organisations,
        **settings,
    ).replace(*edit)
    with pytest.raises(ConfigError) as caught:
        parse_charter(text.encode(), MODULUS_BITS_MIN)
    assert message in str(caught.value)
    number = int(str(caught.value).split("line ")[1].split(":")[0])
    assert line in text.splitlines()[number - 1]


SHARES = """dominance = "0.25"
[disclosure.dominance_start]
hours = "1000"
""" + "".join(f'wide-{i} = "1000"\n' for i in range(1, 6))
ZONE = 'profile = "antitrust-safety-zone"\nage_days = 90\n'


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ("change_min = 2\n", "must be a whole number from 3"),
        ("change_min = 4\n", "must be at most cohort_min, 3, got 4"),
        ("fresh_min = 2\n", "must be a whole number from 3"),
        ("fresh_min = 4\n", "must be at most cohort_min, 3, got 4"),
        ("set_rounds = 0\n", "must be a whole number from 1"),
        ("ghost_rounds = 0\n", "must be a whole number from 1"),
        ("window_rounds = -1\n", "must be a whole number from 0"),
        ("thresholds_max = -1\n", "must be a whole number from 0 to 4096"),
        ("openings_per_key_max = 0\n", "must be a whole number from 1"),
        ("age_days = -1\n", "must be a whole number from 0"),
        ("age_days = 36500\n", "must be a whole number from 0"),
        ('profile = "none"\n', "or left out"),
        ('dominance = "0"\n', "above 0 and at most 1"),
        ('dominance = "1.01"\n', "above 0 and at most 1"),
        ('dominance = "a quarter"\n', "must be a plain decimal"),
        (
            'dominance = "0.25"\n',
            "must have a value in [disclosure.dominance_start] for hours, wide-1",
        ),
        ('dominance_start = {hours = "5"}\n', "no effect without disclosure.dominance"),
    ],
)
def test_a_term_that_protects_nothing_is_refused(terms: str, message: str) -> None:
    refused(message, terms.partition(" ")[0], terms)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('hours = "1000"', 'hour = "1000"', "must name a metric, and hour is not one"),
        ('hours = "1000"', 'hours = "0"', "every lab would have to report 0"),
        ('hours = "1000"', 'hours = "0.003"', "every lab would have to report 0"),
        ('hours = "1000"', 'share = "1000"', "must have min 0"),
        ('hours = "1000"', 'hours = "1e3"', "must be a plain decimal"),
        ('dominance = "0.25"', 'dominance = "0.16"', "the 6 labs of panel alpha"),
    ],
)
def test_a_start_value_that_says_nothing_is_refused(old: str, new: str, message: str) -> None:
    refused(message, new, SHARES.replace(old, new))


def test_numbered_rounds_have_no_age() -> None:
    edit = (
        'cadence = "quarter"\nfirst = "2025Q3"',
        'cadence = "number"\ninterval_s = 3600\nfirst = "1"',
    )
    refused("must be 0 when rounds are numbered", "age_days", "age_days = 1\n", edit=edit)


def test_too_many_edges_and_limits_of_a_metric_are_refused() -> None:
    edit = ('statistics = ["sum", "mean", "count"]', 'count_above = ["1", "2"]\nhistogram = ["3"]')
    refused(
        "hours must have at most 2 edges, limits, bands and shares",
        "[[metric]]",
        "thresholds_max = 2\n",
        edit=edit,
    )
    edit = (edit[0], 'count_above = ["1", "2"]\nhistogram = ["2"]')
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        refused("", "", "thresholds_max = 2\n", edit=edit)


@pytest.mark.parametrize(
    ("more", "shares"),
    [(BANDS, ""), (DUTY_TABLE, ""), ("", SHARES)],
    ids=["bands", "a duty", "a share"],
)
def test_what_each_report_tells_of_counts_with_the_edges(more: str, shares: str) -> None:
    """Of ``hours``; the bands are of ``share``, whose three bands have two ends."""
    tables = PAUSE_RULES + PAUSE_TABLE + more if more == DUTY_TABLE else more
    count = 2 if more == BANDS else 1
    for limit in (count - 1, count):
        text = charter_text(
            make_deployment().keys, disclosure=f"thresholds_max = {limit}\n{shares}", extra=tables
        )
        if limit == count:
            assert parse_charter(text.encode(), MODULUS_BITS_MIN).disclosure.thresholds_max == count
            continue
        with pytest.raises(ConfigError, match=f"at most {limit} edges, limits, bands and"):
            parse_charter(text.encode(), MODULUS_BITS_MIN)


@pytest.mark.parametrize(
    ("terms", "cohort_min", "message", "line"),
    [
        (ZONE + SHARES, 4, "must be at least 5", "cohort_min"),
        (ZONE, 5, 'needs dominance = "0.25" or less', "profile"),
        (ZONE + SHARES.replace("0.25", "0.26"), 5, 'needs dominance = "0.25"', "dominance"),
        (ZONE.replace("90", "89") + SHARES, 5, "needs age_days = 90 or more", "age_days"),
        (ZONE.splitlines()[0] + "\n" + SHARES, 5, "needs age_days = 90", "profile"),
    ],
)
def test_a_charter_outside_its_profile_is_refused(
    terms: str, cohort_min: int, message: str, line: str
) -> None:
    refused(message, line, terms, cohort_min=cohort_min)


def test_the_profile_allows_neither_groups_nor_two_labs_of_one() -> None:
    terms = ZONE + SHARES
    two = "an organisation has two labs here"
    refused(two, "[[panel]]", terms, cohort_min=5, organisations="aabcdef")
    groups = (("north", "12345"), ("south", "6789"))
    edit = ('"lab-8", "lab-9"]', '"lab-8", "lab-9", "lab-10"]')
    refused(
        "limits shares of totals, not of groups",
        "[[panel]]",
        terms,
        groups,
        "abcdefghij",
        edit,
        cohort_min=5,
    )


def test_a_charter_of_the_profile_is_read() -> None:
    deployment = make_deployment(cohort_min=5, disclosure=ZONE + SHARES)
    terms = deployment.charter.disclosure
    assert (terms.dominance, terms.age_days, terms.change_min) == (Fraction(1, 4), 90, 3)
    assert terms.profile == "antitrust-safety-zone"
    assert str(terms.dominance_start["wide-5"]) == "1000"


def test_the_terms_that_a_charter_has_unless_it_says_otherwise() -> None:
    terms = make_deployment().charter.disclosure
    assert (terms.change_min, terms.fresh_min) == (3, None)
    assert (terms.window_rounds, terms.set_rounds, terms.ghost_rounds) == (8, 4, 4)
    assert (terms.thresholds_max, terms.openings_per_key_max) == (64, 10_000)
    assert (terms.dominance, terms.profile, dict(terms.dominance_start)) == (None, "", {})


@pytest.mark.parametrize(
    ("groups", "message", "line"),
    [
        ((("north", "123"),), "must have lab-4, lab-5, lab-6 in a group too", "[[panel]]"),
        ((("all", "123456"),), "must have two or more groups", "[[panel]]"),
        (
            (("north", "1234"), ("south", "456")),
            "lab-4 must be in one group, is in north too",
            "labs",
        ),
        ((("north", "1234"), ("south", "56")), "at least 3 organisations", "labs"),
        ((("north", "1233"), ("south", "456")), "must name each lab once", "labs"),
        ((("north", "1239"), ("south", "456")), "has no lab called lab-9", "labs"),
        ((("north", "123"), ("north", "456")), "must be unique, got north again", "id ="),
        ((("North", "123"), ("south", "456")), "must be 1 to 40", "id ="),
    ],
)
def test_groups_that_are_no_partition_are_refused(
    groups: tuple[tuple[str, str], ...], message: str, line: str
) -> None:
    refused(message, line, groups=groups)


def test_groups_cut_no_organisation_in_two() -> None:
    refused("must be in the group north", "labs", groups=GROUPS, organisations="abccde")


def test_a_group_of_no_panel_is_refused() -> None:
    edit = ('[[group]]\npanel = "alpha"', '[[group]]\npanel = "gamma"')
    refused("must name a panel, and gamma is not one", "panel", groups=GROUPS, edit=edit)
