"""Signed notices of the pause, and their way to the systems of a lab.

``notice`` has the bytes (``notice_of``, ``seal_notice``, ``open_notice``), ``hooks`` and ``calls``
the delivery to a program or a site.

    >>> from fermata.node.hook.notice import canonical_json
    >>> canonical_json({"b": 1, "a": [True, None]})
    b'{"a":[true,null],"b":1}'
"""
