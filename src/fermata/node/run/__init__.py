"""The loop of a running node, and the assembly of a node of each role.

The commands start ``run_coordinator`` and ``run_participant``. One table has how many statements of
each kind a party may write at once and per second:

    >>> from fermata.node.run.write_budgets import BUDGETS, kind_of
    >>> kind_of(None), BUDGETS["report"]
    ('unreadable', (64, 1.0))
"""
