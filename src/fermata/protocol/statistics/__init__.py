"""Results of opened sums, and what the charter's rules say of their history, in exact
arithmetic.
"""
