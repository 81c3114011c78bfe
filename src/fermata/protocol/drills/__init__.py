"""Drills in the log: auditors show, once a period, that they could open (docs/spec/keys.md, K36).

``terms`` reads the charter's ``[drills]``, ``drill`` is what the state keeps of each drill, and
``progress`` is rule F14 of the fold and what the log's time does to a drill.

    >>> from fermata.protocol.drills.drill import DrillOutcome
    >>> [outcome.value for outcome in DrillOutcome]
    ['able', 'wrong', 'unproven', 'unshown', 'absent']
"""
