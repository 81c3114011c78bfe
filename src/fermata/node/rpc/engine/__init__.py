"""The engine of a coordinator: where the proofs of reports are checked and products are made.

The rules are in docs/spec/engine.md. ``tasks`` is what a worker computes, ``spread`` how a node
spreads it and what it takes for true, ``choose`` which engine its configuration names.

>>> from fermata.node.rpc.engine.tasks import HOLDS, answer_check
>>> answer_check(b"no task")
b'other'
"""
