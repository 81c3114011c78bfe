"""The rules of a charter: their kinds, how they are read, and the results that they may name.

``trigger_rules`` has the types, ``rule_reading`` reads them, ``result_names`` what they may judge.

    >>> from fractions import Fraction
    >>> from fermata.protocol.charter.rules.trigger_rules import LEVEL, Rule
    >>> hot = Rule("hot", LEVEL, metric="hours", comparison="above", limit=Fraction(500))
    >>> hot.passes(Fraction(501)), hot.is_rising
    (True, True)
"""
