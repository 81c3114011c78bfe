"""A second opinion: results, disclosure and terms worked out again, apart from the rule book.

``Watch`` compares each state of a run with it and keeps what differs as ``Violation``s. It knows
the labs' figures, which the rule book never sees.

    >>> from fermata.sim.reference.verdicts import holds_at_end
    >>> holds_at_end((), {})
    {}
"""
