"""What everyone derives from the log, and the machines that change parts of it; all immutable.

``State`` holds all of it, ``Round`` one reporting period; ``pause`` and ``governance`` are the
machines.

    >>> from fermata.protocol.state.pause import NO_PAUSE, is_holding
    >>> NO_PAUSE.phase.value, is_holding(NO_PAUSE)
    ('running', False)
"""
