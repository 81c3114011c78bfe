"""How parties join before there is a log: keys, signatures and sealed shares over one port.

``join_file`` is what the coordinator hands to each party; ``keyless`` is the charter that people
agree on before anybody's signing key is known.

    >>> from fermata.node.joining.keyless import without_keys
    >>> without_keys(b'signing_key = "' + b"A" * 43 + b'="')
    b'signing_key = ""'
"""
