"""What each party still owes the log (coordinator, auditor, lab), and the driver that pays it.

``Replica`` follows a log and checks it, ``LogWriter`` writes one, ``Driver`` sends what a party
owes in its role, and ``overdue`` tells what is late. Figures of a lab do not print:

    >>> from fermata.protocol.roles.lab import Measurement
    >>> Measurement({"hours": "7.5"})
    Measurement(evidence_sha256=b'', evidence=())
"""
