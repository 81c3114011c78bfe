"""The opener: the one process that holds a key share, apart from the node, and its files.

Nothing here reaches a network (an import contract): the same code opens on a machine without one.
"""
