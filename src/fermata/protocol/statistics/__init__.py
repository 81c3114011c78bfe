"""Results of opened sums, and what the charter's rules say of their history, in exact arithmetic.

``results_of`` computes the results of a round, ``facts_of`` what rules see of it, and ``evaluate``
the rules; ``trend`` fits growth. Irrational numbers are rounded to a stated precision, so that all
machines agree.

    >>> from fractions import Fraction
    >>> from fermata.protocol.statistics.trend import exponential, logarithm
    >>> exponential(logarithm(Fraction(5)), 3)
    Decimal('5.00')
"""
