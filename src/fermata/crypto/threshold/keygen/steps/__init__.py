"""The steps of a key generation: what is said in each, what is checked, and what follows.

>>> from fermata.crypto.threshold.keygen.parameters import parameters_of
>>> from fermata.crypto.threshold.keygen.steps.plan import plan_of
>>> [name for name, step in plan_of(parameters_of(256, 3)).items() if step.is_private]
['units', 'product 2', 'factors', 'root', 'key shares']
"""
