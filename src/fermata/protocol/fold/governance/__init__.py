"""What the committee decides: motions, votes, and amendments of the charter.

Normative text: docs/spec/governance.md. Everything follows from the log; nobody announces it.

>>> from fermata.protocol.fold.governance.tally import Tally
>>> Tally(votes_for=2, votes_against=1, undecided=0, needed=2, organisations=3).status
<MotionStatus.CARRIED: 'carried'>
"""
