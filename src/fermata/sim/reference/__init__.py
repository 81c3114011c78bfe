"""A second opinion: results, disclosure and terms computed again, independently of the rule book.

``Watch`` compares each state of a run with this opinion and keeps each difference as a
``Violation``. It knows the labs' figures, which the rule book never sees.

    >>> from fermata.sim.reference.verdicts import holds_at_end
    >>> holds_at_end((), {})
    {}
"""
