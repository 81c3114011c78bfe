"""Commands that only read: log, bundle, verify, results, report, status, watch, audit.

``replicate`` gets the log and checks it for all of them, and ``health`` is what ``status`` finds.

    >>> from fermata.cli.read.audit import audit
    >>> sorted(audit.commands)
    ['check-value']
"""
