"""ST5: what each opened sum must have that no earlier one has."""

import pytest

from fermata.protocol.standing.freshness import first_stale, fresh_organisations

ORGANISATIONS = {lab: lab[0] for lab in ("a", "b", "c", "d", "e1", "e2")}


def row(**rounds: int) -> frozenset[tuple[str, int]]:
    return frozenset(rounds.items())


def test_an_entry_is_fresh_until_a_row_has_it_and_a_newer_part_of_the_lab_is_another() -> None:
    first, second = row(a=1, b=1, c=1), row(a=2, b=1, d=2)
    assert fresh_organisations(first, frozenset(), ORGANISATIONS) == frozenset("abc")
    assert fresh_organisations(second, first, ORGANISATIONS) == frozenset("ad")


def test_two_labs_of_an_organisation_count_once() -> None:
    assert fresh_organisations(row(e1=1, e2=1), frozenset(), ORGANISATIONS) == frozenset("e")
    assert first_stale([row(e1=1, e2=1, a=1)], ORGANISATIONS, 3) == 0


def test_an_organisation_that_an_amendment_renamed_has_nothing_fresh() -> None:
    first = row(a=1, b=1)
    assert fresh_organisations(first, first, {"a": "new", "b": "newer"}) == frozenset()


@pytest.mark.parametrize(("least", "place"), [(1, 3), (2, 2), (3, 1), (4, 0)])
def test_the_first_row_with_too_few_fresh_organisations_is_named(least: int, place: int) -> None:
    rows = [row(a=1, b=1, c=1), row(a=2, b=2, c=1), row(a=3, b=2, c=1), row(a=3, b=2, c=1)]
    assert first_stale(rows, ORGANISATIONS, least) == place


def test_entries_are_compared_with_all_earlier_rows_and_not_with_the_last_alone() -> None:
    rows = [row(a=1, b=1), row(c=2, d=2), row(a=1, b=1)]
    assert first_stale(rows, ORGANISATIONS, 2) == 2


def test_no_row_is_stale_if_there_is_none_or_nothing_is_asked() -> None:
    assert first_stale([], ORGANISATIONS, 3) is None
    assert first_stale([row(a=1), row(a=1), frozenset()], ORGANISATIONS, 0) is None


def test_a_lab_without_an_organisation_is_an_error_only_where_it_is_counted() -> None:
    assert fresh_organisations(row(z=1), row(z=1), ORGANISATIONS) == frozenset()
    with pytest.raises(KeyError):
        fresh_organisations(row(z=1), frozenset(), ORGANISATIONS)
