"""What a change of keys asks of nodes: whose head it is, and who has given an epoch up.

>>> from fermata.protocol.roles.epochs.retired import RETIRED
>>> RETIRED
'retired'
"""
