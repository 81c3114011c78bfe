"""The way of a next epoch's key record into the log (docs/spec/ceremony.md, CE10).

Auditors in force give their epoch up by their nodes, the auditors who have the key afterwards sign
one record with these words, and the coordinator logs it.
"""
