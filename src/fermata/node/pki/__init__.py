"""The deployment's own certificates: who may speak to the log, under which identity.

``identity`` says what a certificate proves; ``authority`` issues certificates and ``tokens``,
``deny_list`` takes them back; ``enrolment`` gets a node its first certificate from ``server``, and
``own_certificate`` keeps and renews what a node has.

    >>> from fermata.node.pki.identity import Identity
    >>> from fermata.types import Role
    >>> Identity("frontier", Role.LAB, "lab-1").uri
    'fermata://frontier/lab/lab-1'
"""
