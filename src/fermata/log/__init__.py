"""The transparency log as bytes: an RFC 6962 tree, C2SP checkpoints and tiles.

``merkle`` has the tree and its proofs, ``checkpoint`` the signed heads and their cosignatures. What
an entry means is for ``fermata.protocol`` to say.

    >>> from fermata.log.merkle import Tree, leaf_hash, verify_inclusion
    >>> tree = Tree()
    >>> for entry in (b"charter", b"key", b"round"):
    ...     tree.append(leaf_hash(entry))
    >>> verify_inclusion(leaf_hash(b"key"), 1, 3, tree.inclusion_proof(1, 3), tree.root())
"""
