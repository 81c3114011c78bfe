"""The charter.

The file that all parties sign, parsed and checked, and what each of its parts means.
"""
