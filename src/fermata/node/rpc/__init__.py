"""The log service and its clients over gRPC and mutual TLS.

``GrpcLog`` is a log for whoever reads or writes it over the network; ``service`` serves one, and
``guard`` and ``limits`` decide who may call and how often.

    >>> from fermata.node.rpc.limits import TokenBucket
    >>> bucket = TokenBucket(1.0, 2, lambda: 0)
    >>> [bucket.take() for _ in range(3)]
    [True, True, False]
"""
