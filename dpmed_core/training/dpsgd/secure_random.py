"""Randomness for sampling and noise: unpredictable, never stored, never repeated.

A keystream of ChaCha20 (RFC 8439) under a key from the operating system is indistinguishable from random bits to anyone without
the key; the key lives in this object alone and goes with it. Gaussian variates are Box-Muller transforms of 53-bit uniforms.

Networks add their noise on a lattice (`training.dpsgd.lattice_noise`). Limit for the head: noise in floating point is not ideal Gaussian noise; which
numbers can occur depends a little on what is added to (Mironov 2012, "On significance of the least significant bits for differential
privacy"). Each variate of `normal` is the scaled sum of two, which leaves an attacker who would invert one of them a problem with many
more solutions (after Holohan & Braghin 2021); no proof is claimed.
"""

import math
import os
from typing import NoReturn

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from numpy.typing import NDArray

SUMMANDS = 2
KEY_BYTES, NONCE_BYTES = 32, 16


class SecureRandom:
    """A source of random numbers that cannot be seeded, stored or copied."""

    def __init__(self) -> None:
        cipher = Cipher(algorithms.ChaCha20(os.urandom(KEY_BYTES), os.urandom(NONCE_BYTES)), mode=None)
        self._keystream = cipher.encryptor()

    def uniform(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Uniform in the open interval (0, 1), with 53 random bits each."""
        n = math.prod(shape)
        words = np.frombuffer(self._keystream.update(bytes(8 * n)), dtype=np.uint64)
        numbers = (words >> np.uint64(11)).astype(np.float64)
        numbers += 0.5
        numbers *= 2.0**-53
        return numbers.reshape(shape)

    def normal(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Standard normal."""
        n = math.prod(shape)
        radius = np.sqrt(-2 * np.log(self.uniform((SUMMANDS, n))))
        return np.asarray((radius * np.cos(2 * math.pi * self.uniform((SUMMANDS, n)))).sum(0) / math.sqrt(SUMMANDS)).reshape(shape)

    def bernoulli(self, probability: float, n: int) -> NDArray[np.bool_]:
        """`n` independent draws that are true with `probability`."""
        return self.uniform((n,)) < probability

    def choice(self, n: int, k: int) -> NDArray[np.intp]:
        """`k` of the numbers 0 to `n` - 1 without repetition, all subsets equally likely."""
        return np.argsort(self.uniform((n,)))[:k]

    def __reduce__(self) -> NoReturn:
        raise TypeError("A source of noise cannot be stored or copied: its numbers would be used twice.")
