"""Random lives of a panel whose parts stand, each checked by exact linear algebra.

``history.live`` plays one by the rules of docs/spec/standing.md; ``checks.isolations`` says which
of its sums, put together, speak of too few organisations.

    >>> from fermata.sim.lives.checks import isolations
    >>> from fermata.sim.lives.history import Terms, live
    >>> isolations(live(1, Terms()), Terms())
    []
"""
