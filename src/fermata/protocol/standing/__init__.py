"""Standing reports: which sums may be opened while parts stand, as exact linear algebra.

``isolation`` is the set test: whether the sums of several partitions, put together, speak of too
few organisations. ``freshness`` is what the lemma asks of each opened sum.

    >>> from fermata.protocol.standing.isolation import isolated
    >>> before, after = frozenset("abcdef"), frozenset("abcde")
    >>> organisation_of = {lab: f"{lab}-corp" for lab in before}
    >>> isolated([before, after], organisation_of, frozenset(), 3)
    frozenset({'f-corp'})
    >>> isolated([before, after], organisation_of, frozenset("f"), 3) is None
    True
"""
