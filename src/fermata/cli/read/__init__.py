"""Commands that only read: log, bundle, verify, results, report, status, watch, audit.

``replicate`` reads the log and checks it for all of them; ``health`` is what ``status`` shows.

    >>> from fermata.cli.read.audit import audit
    >>> sorted(audit.commands)
    ['check-value']
"""
