"""The exhaustive model of the pause: every reachable state, checked.

``explore`` visits all states of a small deployment and lists what breaks a promise.

    >>> from fractions import Fraction
    >>> from fermata.sim.model.search import explore, terms_of
    >>> explore(terms_of(Fraction(1), 1), ("lab-1",)).states
    78
"""
