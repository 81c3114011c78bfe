"""Commands for those who run a node: ``fermata coordinator``, ``auditor`` and ``lab``.

``lab check`` tries out figures before they are reported, ``auditor check`` a node before it starts.

    >>> from fermata.cli.run.nodes import lab
    >>> "run" in lab.commands
    True
"""
