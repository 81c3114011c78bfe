"""Of which simulated rounds something comes out, and of which round the figures in its sums are."""

from fermata.assessment.power.rounds import PanelSum, standing
from fermata.protocol.charter.parse import Charter, parse_charter
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys

KEYS = party_keys(0, 6, 3)
ALL = frozenset(f"lab-{k}" for k in range(1, 7))


def charter_of(disclosure: str) -> Charter:
    text = charter_text(KEYS, modulus_bits=1024, disclosure=disclosure)
    return parse_charter(text.encode(), MODULUS_BITS_MIN)


def outcome(disclosure: str, *away: int) -> list[bool]:
    """Whether alpha comes out of each round, with so many labs away, the first of the roster."""
    labs = [frozenset(sorted(ALL)[count:]) for count in away]
    sums = standing(charter_of(disclosure), labs, {})
    return [bool(now["alpha"].figures) for now in sums]


def test_a_round_with_too_few_newer_figures_brings_nothing() -> None:
    assert outcome("fresh_min = 3\n", 0, 1, 4, 4, 0) == [True, True, False, False, True]


def test_a_panel_comes_out_by_itself() -> None:
    three = frozenset(sorted(ALL)[:3])
    (first,) = standing(charter_of("fresh_min = 3\n"), [three], {})
    # The first lab does not report beta.
    assert [panel for panel, now in first.items() if now.figures] == ["alpha"]


def test_a_figure_stands_until_a_newer_one_enters() -> None:
    here = [ALL, ALL - {"lab-1", "lab-2"}]
    first, second = standing(charter_of("fresh_min = 3\n"), here, {})
    assert set(first["alpha"].figures.values()) == {0}
    assert second["alpha"].figures == dict.fromkeys(ALL, 1) | {"lab-1": 0, "lab-2": 0}
    assert second["alpha"].stands == second["alpha"].figures
    assert second["alpha"].beyond is None


#: A share of two fifths: 0.4 of a sum of 6 x 100 steps are 240 steps.
WIDE = ", ".join(f'wide-{n} = "9"' for n in range(1, 6))
SHARES = f'fresh_min = 3\ndominance = "0.4"\ndominance_start = {{ hours = "24", {WIDE} }}\n'


def with_hours(*rounds: dict[str, int]) -> list[PanelSum]:
    """Alpha, in rounds in which all report so many steps of hours, most of them 100."""
    figures = [dict.fromkeys(ALL, 100) | some for some in rounds]
    sums = standing(charter_of(SHARES), [ALL] * len(rounds), {"hours": figures})
    return [now["alpha"] for now in sums]


def test_a_figure_beyond_its_share_of_the_sum_before_waits_and_counts() -> None:
    _, leap, grown = with_hours({}, {"lab-1": 241, "lab-2": 240}, {"lab-1": 297})
    assert leap.beyond == {"lab-1"}
    # What stood before goes on to stand, and everybody else's figure is in the sum.
    assert leap.figures == dict.fromkeys(ALL, 1) | {"lab-1": 0}
    # The sum before is now 740 steps, of which two fifths are 296.
    assert grown.beyond == {"lab-1"}
    assert grown.figures["lab-1"] == 0
    *_, within = with_hours({}, {"lab-1": 241, "lab-2": 240}, {"lab-1": 296})
    assert (within.beyond, within.figures["lab-1"]) == (frozenset(), 2)


def test_figures_that_are_all_beyond_their_share_bring_no_sum_and_are_all_counted() -> None:
    _, leap = with_hours({}, dict.fromkeys(ALL, 241))
    assert (leap.figures, leap.beyond) == ({}, ALL)


def test_whoever_falls_silent_after_a_figure_beyond_its_share_stays_counted() -> None:
    figures = [dict.fromkeys(ALL, 100), dict.fromkeys(ALL, 100) | {"lab-1": 300}] * 2
    here = [ALL, ALL, ALL - {"lab-1"}]
    *_, silent = standing(charter_of(SHARES), here, {"hours": figures})
    assert silent["alpha"].beyond == {"lab-1"}


def test_a_report_that_is_beyond_a_share_in_one_panel_is_so_in_all() -> None:
    hours = [dict.fromkeys(ALL, 100), dict.fromkeys(ALL, 100) | {"lab-2": 300}]
    _, leap = standing(charter_of(SHARES), [ALL, ALL], {"hours": hours})
    assert leap["beta"].beyond == {"lab-2"}
    assert leap["beta"].figures["lab-2"] == 0
