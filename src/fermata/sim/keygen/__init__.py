"""Key generations in memory, seeded, with crashes, spoilt messages, and parties that lie.

Each lie must name its teller, and nothing else may name anybody.

``play`` runs any ceremony of ``crypto.threshold.ceremony``; ``lies`` are what a party can do wrong,
and ``faults`` what machines and networks do.

    >>> from fermata.sim.keygen.lies import LIES
    >>> len({lie.name for lie in LIES}) == len(LIES)
    True
"""
