"""The opener: the one process that holds a key share, apart from the node, and its files.

Nothing here reaches a network (an import contract): the same code opens on a machine without one.

    >>> from fermata.node.opener.frames import join, split
    >>> split(join([b"one", b"", b"two"]))
    [b'one', b'', b'two']
"""
