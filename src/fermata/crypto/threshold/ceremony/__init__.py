"""What auditors do together with their key: make it, refresh it, hand it on.

``lockstep`` is the shape that every such ceremony has. Nothing here carries messages: nodes do, and
the simulator does.

    >>> from fermata.crypto.threshold.ceremony.lockstep import Messages, Progress, Turn
    >>> Turn(0, b"what was drawn", Messages(b"to all"), Progress("nonce")).is_done
    False
"""
