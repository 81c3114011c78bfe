"""What auditors do together with their key: make it, refresh it, hand it on.

``lockstep`` is the shape that every such ceremony has. Nothing here carries messages: nodes do, and
the simulator does.

    >>> from fermata.crypto.threshold.ceremony.lockstep import Progress
    >>> Progress("candidates", 64, 3730, "candidates").expected
    3730
"""
