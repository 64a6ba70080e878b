"""How much of a public start a head keeps: all of it until the noisy sums speak against it.

A public start gives each image a logit for each finding: 2 c o, with o = tanh(l / (2 c)) in (-1, 1), l the public head's logit, centred on
public images, and c its spread there, so that unusual images are cut off softly. o is the finding's own feature (`linear_head`), and its
weight begins at 2 c.

A start may be wrong for this hospital, even upside down. Its weight's row of the noisy sums tells: with g_t the sum over the first t steps,
plain descent would carry the weight to 2 c - rate g_t. Under noise alone g_t is normal with a standard deviation of sd_t = sqrt(t) s C, so
that descent would forget a good start wherever noise is large. The share of the start that is kept is therefore

    share = 1 - max(0, 1 - (EVIDENCE sd_t / g_t)^2) rate g_t / (2 c),   within [0, 1]; 1 where g_t <= 0,

the positive-part shrinkage of James & Stein 1961 towards the start. Where the start is kept, the other weights learn slowly, since they
mostly add noise to it; as it is given up they learn as fast as from scratch. All of this is post-processing of sums that are noised anyway:
it costs no privacy beyond them. Without privacy there is no noise, and the share follows descent alone.

The two settings were chosen on halves of a set of real radiographs, with good, inverted and foreign starts (`docs/RESULTS.md`).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EVIDENCE = 2.0
"""Standard deviations of noise from which on the sums count against a start."""
PACE = 0.3
"""Learning rate of the other weights while the start is kept, as a share of that from scratch."""


class StartScale:
    """The weights of the findings' own features over a training, `[n_findings, n_runs]`."""

    def __init__(self, start_weights: Array, noise: Array, rate: float) -> None:
        """Before the first step.

        Args:
            start_weights: 2 c of each finding, `[n_findings]`; 0 for a finding without a start.
            noise: standard deviation of the noise of each run's sums, `[n_runs]`; 0 without privacy.
            rate: the learning rate over the number of units.
        """
        self._start = np.repeat(start_weights[:, None], len(noise), axis=1)
        self._noise, self._rate, self._steps = noise, rate, 0
        self._sum = np.zeros_like(self._start)
        self._share = (self._start > 0).astype(np.float64)

    @property
    def weights(self) -> Array:
        """The weights as they are."""
        return self._share * self._start

    @property
    def pace(self) -> Array:
        """The factor of the learning rate of all other weights."""
        return PACE + (1 - PACE) * (1 - self._share)

    def after(self, noisy_sums: Array) -> Array:
        """The weights after a step whose row of own features was `noisy_sums`, `[n_findings, n_runs]`."""
        self._sum += noisy_sums
        self._steps += 1
        against = np.maximum(self._sum, 1e-30)
        kept = np.maximum(0, 1 - (EVIDENCE * self._noise * np.sqrt(self._steps) / against) ** 2)
        moved = np.where(self._start > 0, kept * self._rate * against / np.where(self._start > 0, self._start, 1), 0)
        self._share = np.where(self._start > 0, np.clip(1 - moved, 0, 1), 0)
        return self.weights
