"""How soon the triggers of a charter see what they are there for, by simulated lives.

``rounds`` says of which rounds something comes out when labs stay away, ``lives`` makes figures
and the facts that rules read, and ``measure`` counts the rounds until a trigger holds. Nothing here
decides anything: it is advice to those who sign.

    >>> from fermata.assessment.power.rounds import MODEL
    >>> MODEL.words.startswith("a lab's last figure stands")
    True
"""
