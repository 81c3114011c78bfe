"""The charter: the file that all parties sign, parsed and checked, and what it means.

``parse_charter`` gives a ``Charter`` of bytes; the other modules have the meaning of its parts,
such as panels and metrics, periods, rules, the pause, disclosure, dues and the committee.

    >>> from fermata.protocol.charter.periods import period_of
    >>> period_of("quarter", "2024Q3", 3)
    '2025Q1'
"""
