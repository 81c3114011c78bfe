"""Commands that only read: log, results, status, watch, audit."""
