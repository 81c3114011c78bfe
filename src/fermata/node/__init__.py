"""A running node: disk, network, clock and keys around the rule book.

``config`` reads a node's file and ``run`` assembles the node of a role from the other packages.
A message says what is wrong and then what to do about it:

    >>> from fermata.node.causes import no_room_text
    >>> no_room_text(free=2**20, needed=2**21).partition(";")[0]
    'the disk is almost full: 1.0 MiB free, 2.0 MiB needed'
"""
