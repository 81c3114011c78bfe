"""Messages and services on the wire, generated from proto/ by ``make proto``; not edited.

Only ``fermata.protocol.wire`` and ``fermata.node.rpc`` build on them. The messages are in ``v1``.

    >>> from fermata.wire.v1 import statement_pb2
    >>> statement_pb2.Heartbeat(version="0.1.0").version
    '0.1.0'
"""
