"""What the lemma of standing sums asks of each opened sum (ST5).

Normative text: docs/spec/standing.md. A sum is a row over *entries*: an entry is a lab's part by
the round that it was reported in, so that a part which stands in several sums is one entry of all
of them, and a newer part of the same lab is another entry. If each opened row has entries of
``least`` organisations that no earlier row has, no combination of opened rows speaks of the entries
of fewer organisations.
"""

from collections.abc import Iterable, Mapping, Set

#: A lab, and the number of the round in which it reported the part.
Entry = tuple[str, int]


def fresh_organisations(
    row: Iterable[Entry], earlier: Set[Entry], organisation_of: Mapping[str, str]
) -> frozenset[str]:
    """The organisations with an entry in the row that is in no earlier row.

    ``earlier`` has the entries of all earlier rows; ``organisation_of`` the organisation of each
    lab of the row at its round. A caller whose rule leaves some entries out of the count, as ST4
    does with those who join alone, leaves them out of ``row``. Raises KeyError for a lab without an
    organisation.
    """
    return frozenset(organisation_of[lab] for lab, number in row if (lab, number) not in earlier)


def first_stale(
    rows: Iterable[frozenset[Entry]], organisation_of: Mapping[str, str], least: int
) -> int | None:
    """The place, from 0, of the first row with fresh entries of fewer organisations, or None.

    ``rows`` are all opened sums of a panel in the order in which they were opened; those of one
    round are disjoint, so their order does not matter.
    """
    earlier: set[Entry] = set()
    for place, row in enumerate(rows):
        # ST5.1: a sum with few new entries differs from earlier ones by these few.
        if len(fresh_organisations(row, earlier, organisation_of)) < least:
            return place
        earlier |= row
    return None
