"""Signed notices of the pause, and their delivery to a lab's own systems.

``notice`` makes and reads the bytes (``notice_of``, ``seal_notice``, ``open_notice``); ``hooks``
delivers them in order, and ``calls`` hands one to a program or a URL.

    >>> from fermata.node.hook.notice import canonical_json
    >>> canonical_json({"b": 1, "a": [True, None]})
    b'{"a":[true,null],"b":1}'
"""
