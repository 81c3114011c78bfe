"""Ceremonies as their participants sign them: plan, messages, evidence and the record at the end.

Pure: ``fermata.node.ceremony`` carries the messages and keeps what must survive a crash.
"""
