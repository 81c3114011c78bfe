"""The checks K10.1 to K10.4 of docs/spec/keys.md over a vector, without the product."""

from math import gcd, isqrt

from harness.spec.recipes import factor_base, factor_challenge


def failed_check(vector):
    """The number of the first check that fails, or None."""
    n, charter = int(vector["n"], 16), bytes.fromhex(vector["charter"])
    challenge = bytes.fromhex(vector["challenge"])
    responses = [int(y, 16) for y in vector["responses"]]
    if len(challenge) != 16 or len(responses) != 64:
        return "K10.1"
    offset = isqrt(4 * n) - 1
    if not all(3 * (offset // 96) <= y < offset - offset // 16 for y in responses):
        return "K10.2"
    base = factor_base(charter, n)
    if gcd(base, n) != 1:
        return "K10.3"
    number = int.from_bytes(challenge, "big")
    announcements = [
        pow(base, y - (n - offset) * (number // 4**i % 4), n) for i, y in enumerate(responses)
    ]
    if factor_challenge(charter, n, announcements) != challenge:
        return "K10.4"
    return None
