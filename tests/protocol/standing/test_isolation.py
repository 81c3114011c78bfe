"""ST3: the set test, beside ranks of fractions by definition, and histories by hand."""

from collections.abc import Collection, Mapping
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fermata.protocol.standing.isolation import isolated, isolated_by_spell_or_lab

MODULUS = 2**61 - 1
NOBODY: frozenset[str] = frozenset()
Matrix = list[list[int]]


def rank_of_fractions(matrix: Matrix) -> int:
    rows, rank = [[Fraction(entry) for entry in row] for row in matrix], 0
    for column in range(len(rows[0]) if rows else 0):
        at = next((i for i in range(rank, len(rows)) if rows[i][column]), None)
        if at is None:
            continue
        rows[rank], rows[at] = rows[at], rows[rank]
        for i in range(rank + 1, len(rows)):
            factor = rows[i][column] / rows[rank][column]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[rank], strict=True)]
        rank += 1
    return rank


def rank_of_field(matrix: Matrix) -> int:
    rows, rank = [list(row) for row in matrix], 0
    for column in range(len(rows[0]) if rows else 0):
        at = next((i for i in range(rank, len(rows)) if rows[i][column]), None)
        if at is None:
            continue
        rows[rank], rows[at] = rows[at], rows[rank]
        inverse = pow(rows[rank][column], -1, MODULUS)
        for i in range(rank + 1, len(rows)):
            factor = rows[i][column] * inverse
            rows[i] = [(a - factor * b) % MODULUS for a, b in zip(rows[i], rows[rank], strict=True)]
        rank += 1
    return rank


def by_definition(rank, rows, organisation_of, known, change_min):
    """The first T for which the rank of the whole is above the rank without T's columns."""
    columns = sorted(frozenset().union(*rows) - known)
    organisations = sorted({organisation_of[column] for column in columns})

    def rank_without(chosen: Collection[str]) -> int:
        kept = [column for column in columns if organisation_of[column] not in chosen]
        return rank([[int(column in row) for column in kept] for row in rows])

    for size in range(1, change_min):
        for chosen in combinations(organisations, size):
            if rank_without(chosen) < rank_without(()):
                return frozenset(chosen)
    return None


def one_lab_each(rows: Collection[frozenset[str]]) -> Mapping[str, str]:
    return {column: column.partition("#")[0] for row in rows for column in row}


COLUMNS = [f"{organisation}{lab}" for organisation in "abcdef" for lab in "12"]
ROWS = st.lists(st.frozensets(st.sampled_from(COLUMNS), max_size=10), max_size=7)


@settings(deadline=None)
@given(ROWS, st.frozensets(st.sampled_from(COLUMNS), max_size=3), st.integers(0, 5))
@example([frozenset(), frozenset(), frozenset({"a1"})], frozenset({"a1"}), 3)
@example([], frozenset(), 3)
def test_the_set_is_the_first_by_the_ranks_of_fractions(rows, known, change_min) -> None:
    organisation_of = {column: column[0] for column in COLUMNS}
    due = by_definition(rank_of_fractions, rows, organisation_of, known, change_min)
    assert isolated(rows, organisation_of, known, change_min) == due


@settings(deadline=None)
@given(ROWS, st.frozensets(st.sampled_from(COLUMNS), max_size=3), st.integers(2, 5))
def test_ranks_modulo_a_prime_above_every_determinant_give_the_same_set(
    rows, known, change_min
) -> None:
    organisation_of = {column: column[0] for column in COLUMNS}
    due = by_definition(rank_of_field, rows, organisation_of, known, change_min)
    assert isolated(rows, organisation_of, known, change_min) == due


@settings(deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_of_rows_changes_the_set(rows, random) -> None:
    organisation_of = {column: column[0] for column in COLUMNS}
    mixed = rows + rows[:3]
    random.shuffle(mixed)
    assert isolated(mixed, organisation_of, NOBODY, 4) == isolated(rows, organisation_of, NOBODY, 4)


@pytest.mark.parametrize(("exponent", "order"), [(61, 36), (89, 47), (107, 54), (127, 62)])
def test_a_prime_of_the_specification_is_above_every_determinant_of_its_order(
    exponent: int, order: int
) -> None:
    # J. Hadamard's bound for zeros and ones, squared: (n + 1)^(n + 1) / 4^n.
    for n, is_below in ((order, True), (order + 1, False)):
        assert ((n + 1) ** (n + 1) < (2**exponent - 1) ** 2 * 4**n) is is_below
    page = Path(__file__).parents[3] / "docs" / "spec" / "standing.md"
    assert f"| 2^{exponent} - 1 | {order} |" in page.read_text()


@pytest.mark.parametrize("leaving", [1, 2])
def test_a_few_that_leave_between_two_sums_are_isolated(leaving: int) -> None:
    before = frozenset("abcdefgh")
    rows = [before, before - set("gh"[-leaving:])]
    assert isolated(rows, one_lab_each(rows), NOBODY, 3) == frozenset("gh"[-leaving:])
    assert isolated(rows, one_lab_each(rows), NOBODY, leaving) is None


def test_three_that_leave_are_enough_and_one_of_them_that_comes_back_is_not() -> None:
    before = frozenset("abcdefgh")
    rows = [before, before - set("fgh")]
    assert isolated(rows, one_lab_each(rows), NOBODY, 3) is None
    rows.append(before - set("gh"))
    assert isolated(rows, one_lab_each(rows), NOBODY, 3) == frozenset("f")


def test_three_sums_say_what_no_two_of_them_say() -> None:
    # The last two are the first and d once more; each two differ by three or none on each side.
    rows = [frozenset("abcdefg"), frozenset("bcdf"), frozenset("adeg")]
    organisation_of = one_lab_each(rows)
    for pair in combinations(rows, 2):
        assert isolated(pair, organisation_of, NOBODY, 3) is None
    assert isolated(rows, organisation_of, NOBODY, 3) == frozenset("d")


def test_of_several_sets_the_smallest_comes_first_and_then_the_first_by_name() -> None:
    everyone = frozenset("abcdefgh")
    pairs = [everyone, everyone - set("gh"), everyone - set("cd")]
    assert isolated(pairs, one_lab_each(pairs), NOBODY, 3) == frozenset("cd")
    single = [*pairs, everyone - set("f")]
    assert isolated(single, one_lab_each(single), NOBODY, 3) == frozenset("f")


def test_a_known_column_does_not_count_and_hides_nobody() -> None:
    before = frozenset("abcdefgh")
    alone = [before, before - set("h")]
    assert isolated(alone, one_lab_each(alone), frozenset("h"), 3) is None
    # Three left, and one of them is known: what is left speaks of two.
    three = [before, before - set("fgh")]
    assert isolated(three, one_lab_each(three), frozenset("h"), 3) == frozenset("fg")


def test_a_known_column_needs_no_organisation_and_any_other_one_does() -> None:
    rows = [frozenset("abcd"), frozenset("abc")]
    organisation_of = {"a": "a", "b": "b", "c": "c"}
    assert isolated(rows, organisation_of, frozenset("d"), 3) is None
    with pytest.raises(KeyError):
        isolated(rows, organisation_of, NOBODY, 3)


def test_all_labs_of_an_organisation_are_one_however_many_leave() -> None:
    organisation_of = {"h1": "h", "h2": "h", "h3": "h"} | {name: name for name in "abcdefg"}
    before = frozenset("abcdefg") | {"h1", "h2", "h3"}
    for leavers in ({"h1"}, {"h1", "h2"}, {"h1", "h2", "h3"}):
        assert isolated([before, before - leavers], organisation_of, NOBODY, 2) == frozenset("h")
    others = [before, before - {"h1", "h2", "f", "g"}]
    assert isolated(others, organisation_of, NOBODY, 3) is None


def test_columns_for_each_set_of_labs_of_an_organisation_are_one_organisation_too() -> None:
    # The caller has made a column of the set h1 and h2 together, and another of h1 alone.
    organisation_of = {"h1+h2": "h", "h1": "h"} | {name: name for name in "abcdefg"}
    rows = [frozenset("abcdefg") | {"h1+h2"}, frozenset("abcdefg") | {"h1"}]
    assert isolated(rows, organisation_of, NOBODY, 2) == frozenset("h")
    with_others = [rows[0], frozenset("abcde") | {"h1"}]
    assert isolated(with_others, organisation_of, NOBODY, 3) is None
    assert isolated(with_others, organisation_of, NOBODY, 4) == frozenset("fgh")


def test_a_spell_is_a_column_so_one_that_comes_back_differs_from_itself() -> None:
    stay = frozenset("abcde")
    rows = [stay | {"h#1"}, stay | {"h#2"}]
    assert isolated(rows, one_lab_each(rows), NOBODY, 3) == frozenset("h")
    assert isolated(rows, one_lab_each(rows), frozenset({"h#1", "h#2"}), 3) is None


def test_labs_that_come_back_as_they_were_hide_nobody() -> None:
    # f, g and h leave together; g and h come back with i.
    stay = frozenset({"a#0", "b#0", "c#0", "d#0", "e#0"})
    rows = [stay | {"f#0", "g#0", "h#0"}, stay, stay | {"g#1", "h#1", "i#0"}]
    lab_of = one_lab_each(rows)
    assert isolated(rows, lab_of, NOBODY, 3) is None
    assert isolated_by_spell_or_lab(rows, lab_of, lab_of, NOBODY, 3) == frozenset("fi")
    assert isolated_by_spell_or_lab(rows, lab_of, lab_of, NOBODY, 2) is None


def test_a_lab_with_a_known_spell_hides_nobody_when_it_comes_back_as_it_was() -> None:
    stay = frozenset({"a#0", "b#0", "c#0", "d#0", "e#0"})
    rows = [stay | {"h#0"}, stay, stay | {"f#0", "g#0", "h#1"}]
    lab_of, known = one_lab_each(rows), frozenset({"h#0"})
    assert isolated(rows, lab_of, known, 3) is None
    assert isolated_by_spell_or_lab(rows, lab_of, lab_of, known, 3) == frozenset("fg")
    # Where no row has the known spell, the lab is as unknown as any other.
    assert isolated_by_spell_or_lab(rows[1:], lab_of, lab_of, known, 3) is None


def test_a_known_spell_needs_a_lab_and_no_organisation() -> None:
    rows = [frozenset({"a#0", "b#0", "c#0", "h#0"}), frozenset({"a#0", "b#0", "c#0"})]
    lab_of = one_lab_each(rows)
    organisation_of = {column: lab for column, lab in lab_of.items() if lab != "h"}
    known = frozenset({"h#0"})
    assert isolated_by_spell_or_lab(rows, organisation_of, lab_of, known, 3) is None
    with pytest.raises(KeyError):
        isolated_by_spell_or_lab(rows, organisation_of, organisation_of, known, 3)


def test_spells_of_a_lab_with_different_organisations_are_not_one() -> None:
    stay = frozenset({"a#0", "b#0", "c#0", "d#0", "e#0"})
    rows = [stay | {"f#0", "h#0"}, stay | {"h#1", "i#0"}]
    lab_of = one_lab_each(rows)
    assert isolated_by_spell_or_lab(rows, lab_of, lab_of, NOBODY, 3) == frozenset("fi")
    sold = {**lab_of, "h#1": "buyer"}
    assert isolated_by_spell_or_lab(rows, sold, lab_of, NOBODY, 3) is None


def test_what_spells_isolate_is_given_before_what_labs_do() -> None:
    stay = frozenset({"a#0", "b#0", "c#0", "d#0", "e#0"})
    rows = [stay | {"h#0"}, stay | {"h#1"}]
    lab_of = one_lab_each(rows)
    assert isolated_by_spell_or_lab(rows, lab_of, lab_of, NOBODY, 3) == frozenset("h")
    by_lab = [frozenset(lab_of[column] for column in row) for row in rows]
    assert isolated(by_lab, {lab: lab for lab in lab_of.values()}, NOBODY, 3) is None


def test_every_three_that_leave_are_reached_by_branching() -> None:
    before = frozenset("abcdefgh")
    organisation_of = one_lab_each([before])
    for chosen in combinations("abcdefgh", 3):
        # With the other rows beside it, a combination may speak of fewer.
        rows = [before, before - set(chosen), before - set("abcdef"), before - set("defgh")]
        due = by_definition(rank_of_fractions, rows, organisation_of, NOBODY, 4)
        assert due is not None
        assert isolated(rows, organisation_of, NOBODY, 4) == due
