"""What the committee decides: motions, votes, and amendments of the charter.

Normative text: docs/spec/governance.md. Everything follows from the log; nobody announces it.

>>> from fermata.protocol.fold.governance.tally import Tally
>>> Tally(votes_against=1, needed=2, for_by=(1, 1), possible_by=(1, 1)).status
<MotionStatus.CARRIED: 'carried'>
"""
