"""Deployments whose charter names successors, in memory and seeded, with real roles on all sides.

``nodes`` has coordinators and members, ``world`` carries requests between them, ``oracle`` says
what must never happen, and ``simulation`` runs a seed.

    >>> from fermata.sim.succession.simulation import FAULTS
    >>> "coordinator killed" in FAULTS
    True
"""
