"""Of which simulated rounds something comes out, and of which round the figures in its sums are."""

from fermata.assessment.power.rounds import standing
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
    return ["alpha" in sums for sums in standing(charter_of(disclosure), labs)]


def test_a_round_with_too_few_newer_figures_brings_nothing() -> None:
    assert outcome("fresh_min = 3\n", 0, 1, 4, 4, 0) == [True, True, False, False, True]


def test_a_panel_comes_out_by_itself() -> None:
    three = frozenset(sorted(ALL)[:3])
    (first,) = standing(charter_of("fresh_min = 3\n"), [three])
    # The first lab does not report beta.
    assert set(first) == {"alpha"}


def test_a_figure_stands_until_a_newer_one_enters() -> None:
    first, second = standing(charter_of("fresh_min = 3\n"), [ALL, ALL - {"lab-1", "lab-2"}])
    assert set(first["alpha"].values()) == {0}
    assert second["alpha"] == dict.fromkeys(ALL, 1) | {"lab-1": 0, "lab-2": 0}
