"""Commands for those who run a node: ``fermata coordinator``, ``auditor`` and ``lab``.

``lab check`` tries out figures before they are reported, ``auditor check`` a node before it starts.

    >>> from fermata.cli.run.lab import lab
    >>> "check" in lab.commands
    True
"""
