"""Canonical bytes, envelopes, and what the rule book asks of the outside world (store,
log, clock, entropy).
"""
