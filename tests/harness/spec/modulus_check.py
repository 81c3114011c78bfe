"""The checks K4.1 to K4.5 of docs/spec/keys.md over a vector, without the product."""

from math import gcd, prod

from harness.spec.recipes import modulus_challenge, modulus_weights

BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


def is_prime(n):
    """Miller and Rabin's test with fixed bases, which is enough for vectors."""
    odd = n - 1
    twos = (odd & -odd).bit_length() - 1
    odd >>= twos

    def passes(base):
        x = pow(base, odd, n)
        return x == 1 or any(pow(x, 1 << k, n) == n - 1 for k in range(twos))

    return n > max(BASES) and all(map(passes, BASES))


def jacobi(a, n):
    a, sign = a % n, 1
    while a:
        while a % 2 == 0:
            a //= 2
            sign = -sign if n % 8 in (3, 5) else sign
        a, n = n, a
        sign = -sign if a % 4 == n % 4 == 3 else sign
        a %= n
    return sign if n == 1 else 0


def failed_check(vector):
    """The number of the first check that fails, or None."""
    n, w = int(vector["n"], 16), int(vector["w"], 16)
    charter = bytes.fromhex(vector["charter"])
    rounds = [(int(x, 16), int(z, 16), a, b) for x, z, a, b in vector["rounds"]]
    if n < 3 or is_prime(n) or any(n % d == 0 for d in range(2, 1 << 20)):
        return "K4.1"
    if len(rounds) != 128:
        return "K4.2"
    if not 0 < w < n or jacobi(w, n) != -1:
        return "K4.3"
    challenges = [modulus_challenge(charter, n, w, i) for i in range(128)]
    for y, (x, z, a, b) in zip(challenges, rounds, strict=True):
        if not (0 < x < n and 0 < z < n and gcd(x * y * z, n) == 1):
            return "K4.4"
        if pow(x, 4, n) != (-1) ** a * w**b * y % n:
            return "K4.4"
    for weights in modulus_weights(charter, n, w, rounds):
        left = prod(pow(z, k, n) for (_, z, _, _), k in zip(rounds, weights, strict=True))
        right = prod(pow(y, k, n) for y, k in zip(challenges, weights, strict=True))
        if (pow(left, n, n) - right) % n:
            return "K4.5"
    return None
