"""Commands before a deployment runs: charter, keys, certificates."""
