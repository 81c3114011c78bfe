"""What a node keeps on disk.

Store, keys, backups, bundles, evidence; every write is durable or refused.
"""
