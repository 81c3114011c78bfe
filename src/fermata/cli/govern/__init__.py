"""Commands of the committee: ``fermata motion`` files motions, votes and lists motions.

``motions_document`` is what ``motion list --json`` prints.

    >>> from fermata.cli.govern.motion import CHOICES
    >>> sorted(CHOICES)
    ['against', 'for', 'recused']
"""
