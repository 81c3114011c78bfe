"""A node's folded state on its disk, so that a start does not fold the log from entry 0 (L50).

``typed`` turns the state into plain values and back by its types, ``body`` is the snapshot's bytes,
``files`` keeps them beside the store.

    >>> from fermata.node.storage.snapshots.typed import Forms
    >>> form = Forms({}).of(tuple[int, ...])
    >>> form.read(form.write((1, 2**70))) == (1, 2**70)
    True
"""
