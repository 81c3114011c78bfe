"""An attack from outside: what a run's released numbers tell about single labs (docs/attack.md).

``attack`` bounds every lab's value from the history that ``histories_of`` collects, by linear
programs, perhaps under an ``Assumption``. ``python -m fermata.assessment.attack`` is its command.

    >>> from fermata.assessment.attack.assumptions import parse_assumption
    >>> str(parse_assumption("change=1/2"))
    'change=0.5'
"""
