"""Pages, charts and reports of a run, all derived from the state; nothing is stored.

``serving`` serves the pages beside a node, ``site_files`` writes them into a folder,
``report_files`` makes the public report, and ``csv_text`` a table that a spreadsheet does not run:

    >>> from fermata.dashboard.tables import csv_text
    >>> csv_text(["metric", "value"], [{"metric": "=hours", "value": "-7"}])
    "metric,value\\r\\n'=hours,-7\\r\\n"
"""
