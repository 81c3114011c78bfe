"""Commands of those who run a node: ``fermata coordinator``, ``auditor`` and ``lab``.

``lab`` also checks figures before they are reported, ``auditor check`` a node before it starts.

    >>> from fermata.cli.run.lab import lab
    >>> "check" in lab.commands
    True
"""
