"""ST5: the lemma's conclusion, for random sums of entries, by ranks over the rationals."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.protocol.standing.freshness import Entry, first_stale
from fermata.sim.lives.algebra import isolated_by_definition

LABS = ("a1", "a2", "b1", "c1", "d1", "e1", "f1")
ORGANISATIONS = {lab: lab[0] for lab in LABS}
Rows = list[frozenset[Entry]]


@st.composite
def sums(draw: st.DrawFn) -> tuple[Rows, int]:
    """Sums of any entries, old ones too, each with fresh ones of as many organisations as asked."""
    least = draw(st.integers(2, 4))
    rows: Rows = []
    for number in range(draw(st.integers(1, 8))):
        old = sorted(frozenset().union(*rows))
        kept = draw(st.frozensets(st.sampled_from(old))) if old else frozenset()
        fresh = draw(
            st.frozensets(st.sampled_from(LABS)).filter(
                lambda labs: len({ORGANISATIONS[lab] for lab in labs}) >= least
            )
        )
        rows.append(kept | {(lab, number) for lab in fresh})
    return rows, least


def isolated_entries(rows: Rows, least: int) -> frozenset[str] | None:
    return isolated_by_definition(
        [frozenset((number, lab) for lab, number in row) for row in rows],
        lambda entry: ORGANISATIONS[entry[1]],
        least,
    )


@settings(deadline=None)
@given(sums())
def test_fresh_entries_of_enough_organisations_isolate_nobody(case: tuple[Rows, int]) -> None:
    rows, least = case
    assert first_stale(rows, ORGANISATIONS, least) is None
    assert isolated_entries(rows, least) is None


@pytest.mark.parametrize("few", [("a1",), ("a1", "a2"), ("a1", "b1"), ("a1", "a2", "b1")])
def test_new_parts_of_fewer_organisations_isolate_these(few: tuple[str, ...]) -> None:
    before = frozenset((lab, 1) for lab in LABS)
    after = frozenset((lab, 2 if lab in few else 1) for lab in LABS)
    assert first_stale([before, after], ORGANISATIONS, 3) == 1
    assert isolated_entries([before, after], 3) is not None


def test_sums_with_few_fresh_entries_may_isolate_nobody_so_the_lemma_asks_more_than_needed() -> (
    None
):
    # The parts of c and d are in no other sum, so no combination is without them.
    rows = [
        frozenset({("c1", 1), ("d1", 1), ("a1", 1)}),
        frozenset({("e1", 1), ("f1", 1), ("a1", 1)}),
    ]
    assert first_stale(rows, ORGANISATIONS, 3) == 1
    assert isolated_entries(rows, 3) is None
