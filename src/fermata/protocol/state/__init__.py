"""What everyone derives from the log, as immutable values, and the machines that change
parts of it.
"""
