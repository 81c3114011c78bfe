"""What pages show beyond the summary's records: the log by pages, results over the rounds.

``log_page`` and ``entry_page`` show entries and their proofs, ``overview`` a whole run with its
series.

    >>> from fermata.dashboard.views.log import page_count
    >>> page_count(101)
    2
"""
