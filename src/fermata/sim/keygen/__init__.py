"""Key generations in memory, seeded, with parties that lie: each lie must name its teller.

``play`` runs any ceremony of ``crypto.threshold.ceremony``; ``lies`` are what a party can do wrong.

    >>> from fermata.sim.keygen.lies import LIES
    >>> len({lie.name for lie in LIES}) == len(LIES)
    True
"""
