"""The loop of a running node, and how the node of each role is put together.

``run_coordinator`` and ``run_participant`` are what the commands start. What a party may write at
once, and a second, is one table:

    >>> from fermata.node.run.write_budgets import BUDGETS, kind_of
    >>> kind_of(None), BUDGETS["report"]
    ('unreadable', (64, 1.0))
"""
