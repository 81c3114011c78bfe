"""The log service and its clients over gRPC and mutual TLS.

``GrpcLog`` is a log for whoever reads or writes it from afar; ``service`` serves one, ``guard`` and
``limits`` decide who may call and how often.

    >>> from fermata.node.rpc.limits import TokenBucket
    >>> calls = TokenBucket(1.0, 2, lambda: 0)
    >>> [calls.take() for _ in range(3)]
    [True, True, False]
"""
