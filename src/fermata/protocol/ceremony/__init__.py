"""Ceremonies as their participants sign them: plan, messages, evidence and the record at the end.

Pure: ``fermata.node.ceremony`` carries the messages and keeps what must survive a crash.

    >>> from fermata.protocol.ceremony.messages import first_difference
    >>> first_difference([b"one", b"two"], [b"one", b"other"])
    2
"""
