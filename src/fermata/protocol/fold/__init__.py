"""The fold.

``apply(state, leaf)`` and the rules F1 to F13, one module for each group of entries.
"""
