"""What one party computes for a candidate and for its key, from seeds and from what it received.

>>> from fermata.crypto.threshold.keygen.parameters import parameters_of
>>> from fermata.crypto.threshold.keygen.work.replay import replay
>>> p, q = replay(parameters_of(256, 3), [bytes([j]) * 32 for j in (1, 2, 3)]).factors
>>> (p % 420, q % 420, (p * q).bit_length())
(419, 419, 256)
"""
