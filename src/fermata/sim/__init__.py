"""Whole deployments in one process, from one integer: faults, adversaries, a second opinion.

``simulation.run`` plays a seed and checks the outcome; ``adversaries.play`` plays one
misbehaviour. All randomness comes from named streams, so a run can be repeated:

    >>> from fermata.sim.dice import Dice, stream
    >>> Dice(stream(7, "weather")).below(100) == Dice(stream(7, "weather")).below(100)
    True
"""
