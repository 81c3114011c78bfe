"""The counting model of succession: every history of a fork and a handover, and who deposes whom.

``explore`` visits all histories of a committee and lists what breaks a promise of
docs/spec/succession.md; ``outcome`` says what becomes of a coordinator, and ``epochs`` counts what
two committees witness of which one follows the other.

    >>> from fermata.sim.model.succession.committee import Committee
    >>> from fermata.sim.model.succession.search import explore
    >>> explore(Committee(4, 2, 1)).violations
    ()
"""
