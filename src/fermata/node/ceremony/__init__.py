"""Ceremonies over the network: the coordinator relays, and each auditor's node takes part.

``relay_folder`` keeps what was handed in, ``relay_server`` serves it, ``relay_client`` reaches it;
``participant`` goes from turn to turn, and ``state_file`` keeps what must survive a crash.

    >>> from fermata.node.ceremony.items import TURN, Name
    >>> Name(TURN, sender=2, turn=7).file
    'turn-2-0007-0'
"""
