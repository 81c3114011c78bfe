"""Later epochs of the key: their records, how the epoch before is given up, what rounds keep.

Normative text: docs/spec/keys.md, K26 to K28, and fold.md, F3.12 to F3.21.

>>> from fermata.protocol.fold.epochs.retire import RETIRE_TYPE
>>> RETIRE_TYPE
'application/vnd.fermata.retire.v1+protobuf'
"""
