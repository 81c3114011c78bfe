"""What each role does when a quorum of auditors turns to another coordinator (succession.md).

``crossing`` reads the log of a later view, ``leaver`` has an auditor's Leaves and its answers to
Handovers, ``pending`` signs again what named entries that are gone, ``mirroring`` and
``standing_by`` are a standby's, ``sealed_parts`` knows what a coordinator lacks, ``own_parts`` what
an auditor or a lab can give of it, and ``taking_over`` begins a view.

    >>> from fermata.protocol.roles.succession.leaver import LEAVES
    >>> LEAVES
    'leaves'
"""
