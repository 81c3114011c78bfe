"""Databases that keep a node's store: SQLite in one file, or PostgreSQL.

Both keep the same rows (``rows``), each with its hash. They differ in how a write is made durable
and how a second process is kept out.

    >>> from fermata.node.storage.database.rows import ENTRIES
    >>> ENTRIES.select(ENTRIES.by_key)
    'SELECT position, envelope_sha256, leaf, digest FROM entries WHERE position = ?'
"""
