"""Commands of the committee: ``fermata motion``, to file motions, vote and see how they stand.

``motions_document`` is what ``motion list --json`` prints.

    >>> from fermata.cli.govern.motion import CHOICES
    >>> sorted(CHOICES)
    ['against', 'for', 'recused']
"""
