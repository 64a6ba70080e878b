"""Randomness for sampling and noise: unpredictable, never stored, never repeated.

The keystream of ChaCha20 (RFC 8439) under a key from the operating system is indistinguishable from random bits to anyone without the key.
The key is held by this object alone and is lost with it. Gaussian variates are Box-Muller transforms of 53-bit uniforms.

Networks add their noise on a lattice (`lattice_noise`). A limit for the linear head, which does not: noise in floating point is not ideal
Gaussian noise, as which numbers can occur depends slightly on the sum that noise is added to (Mironov 2012, "On significance of the least
significant bits for differential privacy"). Each variate of `normal` is the scaled sum of two, so that inverting one has many more
solutions (after Holohan & Braghin 2021, doi 10.1007/978-3-030-88428-4_26); no proof is claimed.
"""

import math
import os
from typing import NoReturn

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from numpy.typing import NDArray

SUMMANDS = 2
"""Box-Muller variates whose scaled sum is one variate of `SecureRandom.normal`."""
KEY_BYTES, NONCE_BYTES, COUNTER_BYTES = 32, 12, 4
"""Of ChaCha20: the counter of 64-byte blocks is the first part of what the library calls the nonce."""
MOST_BYTES = 2**37
"""Of one keystream, half of what its counter has numbers for; then follows one under a new key."""


class SecureRandom:
    """A source of random numbers that cannot be seeded, stored or copied: known noise could be subtracted, and noise used twice cancels."""

    def __init__(self) -> None:
        self._new_key()

    def uniform(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Uniform in the open interval (0, 1), with 53 random bits each."""
        n = math.prod(shape)
        if self._used + 8 * n > MOST_BYTES:
            self._new_key()
        self._used += 8 * n
        words = np.frombuffer(self._keystream.update(bytes(8 * n)), dtype=np.uint64)  # zeros, encrypted: the keystream itself
        # The upper 53 of 64 bits: as many as a double holds exactly.
        numbers = (words >> np.uint64(11)).astype(np.float64)
        numbers += 0.5  # never 0, whose logarithm the Box-Muller transform would take
        numbers *= 2.0**-53
        return numbers.reshape(shape)

    def normal(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Independent standard normal variates."""
        n = math.prod(shape)
        radius = np.sqrt(-2 * np.log(self.uniform((SUMMANDS, n))))
        return np.asarray((radius * np.cos(2 * math.pi * self.uniform((SUMMANDS, n)))).sum(0) / math.sqrt(SUMMANDS)).reshape(shape)

    def bernoulli(self, probability: float, n: int) -> NDArray[np.bool_]:
        """`n` independent draws that are true with `probability`."""
        return self.uniform((n,)) < probability

    def choice(self, n: int, k: int) -> NDArray[np.intp]:
        """`k` of the numbers 0 to `n` - 1 without replacement, all subsets equally likely."""
        return np.argsort(self.uniform((n,)))[:k]  # the order of independent uniforms is a uniform permutation

    def _new_key(self) -> None:
        # From block 0 on: a counter that began anywhere would overflow after any number of bytes.
        cipher = Cipher(algorithms.ChaCha20(os.urandom(KEY_BYTES), bytes(COUNTER_BYTES) + os.urandom(NONCE_BYTES)), mode=None)
        self._keystream, self._used = cipher.encryptor(), 0

    def __reduce__(self) -> NoReturn:
        raise TypeError("A source of noise cannot be stored or copied: its numbers would be used twice.")
