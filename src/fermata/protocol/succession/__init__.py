"""How a quorum of auditors leaves a coordinator, and what the next one must go on from.

Normative text: docs/spec/succession.md. These are the words and their checks; the roles that say
and take them are in ``fermata.protocol.roles.succession``.

    >>> from fermata.protocol.succession.leave import LEAVE_TYPE
    >>> LEAVE_TYPE
    'application/vnd.fermata.leave.v1+protobuf'
"""
