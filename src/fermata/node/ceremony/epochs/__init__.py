"""The way of a next epoch's key record into the log (docs/spec/ceremony.md, CE10).

Auditors in force give their epoch up by their nodes, the auditors who have the key afterwards sign
one record with these words, and the coordinator logs it. It keeps the ceremony's record.

    >>> from pathlib import Path
    >>> from fermata.node.ceremony.epochs.epoch_relay import ceremony_file
    >>> ceremony_file(Path("oversight"), 2).name
    'ceremony-epoch-2.record'
"""
