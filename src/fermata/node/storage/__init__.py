"""What a node keeps on disk: store, keys, backups, bundles, evidence.

``SqliteStore`` keeps a log, ``keystore`` secrets under a passphrase or an age identity, and
``bundles`` writes and reads bundles. Every write is durable or refused.

    >>> from fermata.node.storage.bundles import pinned_hash
    >>> pinned_hash(" SHA256:" + "AB" * 32) == bytes.fromhex("ab" * 32)
    True
"""
