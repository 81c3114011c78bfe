"""What lets a coordinator's place be taken: the board, and those who read and write it.

Normative text: docs/spec/succession.md, SU16 to SU20.

    >>> from fermata.node.run.succession.board_client import SERVICE
    >>> SERVICE
    'fermata.wire.v1.BoardService'
"""
