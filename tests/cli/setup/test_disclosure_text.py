"""``fermata charter check`` says in words what each party can learn."""

import pytest

from fermata.cli.setup.charter import describe, explain
from harness.chains import make_deployment

SHARES = 'dominance = "0.2"\n[disclosure.dominance_start]\nhours = "1000"\n' + "".join(
    f'wide-{i} = "1000"\n' for i in range(1, 6)
)


def told(**settings: object) -> str:
    return "\n".join(explain(make_deployment(**settings).charter))


@pytest.mark.parametrize(
    "words",
    [
        "a lab: its own values",
        "the coordinator: who reported, and ciphertexts that it cannot open",
        "fewer than 2 auditors together: the same as the coordinator",
        "2 or more auditors who collude: every single value",
        "an observer with the log: who reported which panels",
        "all but one organisation of a panel's cohort who collude",
        "A sum is of at least 3 organisations. A lab's last figure stands in it",
        "Panel alpha gives new sums in rounds in which 3 organisations have newer figures.",
        "no sums of the last 8 periods together speak of fewer than 3 organisations",
        "goes out of the sums after 4 rounds, or before with enough others",
        "how the figures of 3 or more organisations changed together",
        "the level of a lab that joins alone",
        "A key serves at most 10000 rounds; a metric has at most 64 edges, limits, bands and"
        " shares.",
    ],
)
def test_each_party_and_each_rule_is_told(words: str) -> None:
    assert words in told()


@pytest.mark.parametrize(("rounds", "words"), [(0, "any period"), (4, "the last 4 periods")])
def test_the_window_is_told(rounds: int, words: str) -> None:
    said = told(disclosure=f"window_rounds = {rounds}\n")
    assert f"no sums of {words} together" in said
    assert (f"Warning: window_rounds = {rounds}: sets of labs further apart" in said) == (
        rounds > 0
    )


def test_groups_are_told() -> None:
    said = told(groups=(("north", "123"), ("south", "456")))
    assert "north (lab-1, lab-2, lab-3); south (lab-4, lab-5, lab-6)" in said
    assert "all but one organisation of a group who collude" in said


def test_profile_shares_and_age_are_told() -> None:
    terms = 'age_days = 90\nprofile = "antitrust-safety-zone"\n' + SHARES
    said = told(cohort_min=5, disclosure=terms)
    assert "at most 20 % of the metric's sum before (hours, wide-1," in said
    assert "A round opens 90 days after its period's end at the earliest" in said
    assert "the first on 2025-12-30." in said
    assert "keeps the profile antitrust-safety-zone" in said
    assert "Warning: no limit on shares holds for share" in said


def test_programs_get_the_terms() -> None:
    groups = (("north", "123"), ("south", "456"))
    found = describe(make_deployment(groups=groups).charter)
    assert found["disclosure"] == {
        "cohort_min": 3,
        "fresh_min": {"alpha": 3, "beta": 3},
        "change_min": 3,
        "window_rounds": 8,
        "set_rounds": 4,
        "ghost_rounds": 4,
        "thresholds_max": 64,
        "openings_per_key_max": 10000,
        "age_days": 0,
        "profile": "",
        "dominance": "",
        "dominance_start": {},
    }
    panels = found["panels"]
    assert isinstance(panels, list)
    assert panels[0]["groups"]["south"] == ["lab-4", "lab-5", "lab-6"]
    assert panels[1]["groups"] == {}
