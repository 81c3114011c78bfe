"""Commands of the committee: ``fermata motion`` files, shows and lists motions, and votes.

``fermata charter accept`` and ``fermata charter in-force`` are about the charter that came of it.

    >>> from fermata.cli.govern.motion import CHOICES
    >>> sorted(CHOICES)
    ['against', 'for', 'recused']
"""
