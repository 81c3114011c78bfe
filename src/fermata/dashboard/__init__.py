"""What people see of a run: views, charts, reports; everything from State, nothing stored.

``serving`` shows the pages beside a node, ``site_files`` writes them into a folder,
``report_files`` makes the public report, and ``csv_text`` a table that no spreadsheet runs:

    >>> from fermata.dashboard.tables import csv_text
    >>> csv_text(["metric", "value"], [{"metric": "=hours", "value": "-7"}])
    "metric,value\\r\\n'=hours,-7\\r\\n"
"""
