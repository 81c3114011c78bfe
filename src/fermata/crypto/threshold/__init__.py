"""The threshold Paillier key.

Its public record, the dealer, partial openings and their combination.
"""
