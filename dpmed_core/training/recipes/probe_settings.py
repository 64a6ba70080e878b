"""Settings of the linear head of recipe `probe`: functions of public numbers, which planning reads too; no features and no torch.

They were fixed on public proxy tasks, one set for all cohorts (`docs/RESULTS.md`). Those that differ between runs follow from the privacy
target and from the numbers of units and findings, which are treated as public.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpmed_core.training.encoders.card import COMPONENTS

Array = NDArray[np.float64]

BIAS_ENTRY = 0.1
"""The constant entry of every image's features; these have norm 1, so that it takes up little of the clipping bound."""
MEAN_RELEASE_SHARE = 0.1
"""Privacy cost of the release of means, as a share of the steps."""
STEPS = (20, 100)
"""Fewest and most steps of a private head."""
TYPICAL_LEARNING_RATE = 100.0
"""The learning rate that the number of steps aims at, within `STEPS`."""
TOTAL_LEARNING, TOTAL_LEARNING_POWER, MAX_TOTAL_LEARNING = 1000.0, 0.7, 12_000.0
"""Learning rate times steps at a signal-to-noise ratio of 200, its power of that ratio, and its limit."""
CLIP_NORM, CLIP_NORM_POWER, MAX_CLIP_NORM, CLIP_NORM_GROWS_FROM = 0.3, 0.6, 1.0, 1000
"""Clipping bound, its power of the signal-to-noise ratio, its limit, and the ratio from which it grows: above it clipping costs more than
noise."""
REFERENCE_STEPS, UNITS_PER_REFERENCE_STEP, REFERENCE_LEARNING_RATE = (60, 600), 8, 60.0
"""Fewest and most steps of the non-private reference model; the training units per step; its learning rate."""
MIN_COMPONENTS = {"narrow": 32, "wide": 16, "scattering": 16}
"""Fewest leading components of each kind of feature."""
SIGNAL_PER_COMPONENT = {"narrow": 1.0, "wide": 4.0, "scattering": 1.0}
"""Signal-to-noise ratio that each leading component requires, by kind of feature."""
PREVALENCE_RANGE = (0.02, 0.98)
"""Released prevalences are cut off here, so that no starting logit is extreme."""
BALANCE_EXPONENT = 0.5
"""How far finding weights make up for unequal prevalence: 1 would be fully, but the prevalences are noisy."""


@dataclass(frozen=True)
class HeadSettings:
    """How heads are trained.

    Attributes:
        steps: full-batch steps, T.
        learning_rate: step size for the mean clipped gradient.
        max_grad_norm: the clipping bound C; None for the non-private reference model, whose steps have neither clipping nor noise.
        mean_release_steps: w, the privacy cost of the release of means, in steps.
        bias: the constant entry that is appended to every image's features.
    """

    steps: int
    learning_rate: float
    max_grad_norm: float | None
    mean_release_steps: float
    bias: float

    @property
    def accounted_steps(self) -> float:
        """T + w: full-batch steps of the noise multiplier that cost as much privacy as the whole training."""
        return self.steps + self.mean_release_steps


NO_STEPS = HeadSettings(steps=0, learning_rate=0.0, max_grad_norm=0.0, mean_release_steps=0, bias=BIAS_ENTRY)
"""Of a public start alone: nothing is released and no step is taken."""


def signal_to_noise(mu: float, *, n_units: int, n_findings: int) -> float:
    """Signal-to-noise ratio of a finding's gradient over a whole private training; a function of public numbers.

    Over T steps of noise s C, n units whose gradients of norm C are shared evenly by K findings add up to T n C / sqrt(K), and the noise to
    sqrt(T) s C. With mu = sqrt(T) / s the ratio is n mu / sqrt(K):

    >>> signal_to_noise(0.5, n_units=800, n_findings=4)
    200.0
    """
    return n_units * mu / math.sqrt(n_findings)


def private_settings(ratio: float) -> HeadSettings:
    """How a private head is trained at a signal-to-noise `ratio`: few steps and a small bound where noise is large, more where it is small.

    At 200 the total learning of 1000 would be 10 steps of 100; the fewest are 20, of 50:

    >>> private_settings(200.0)
    HeadSettings(steps=20, learning_rate=50.0, max_grad_norm=0.3, mean_release_steps=2, bias=0.1)
    """
    learning = min(MAX_TOTAL_LEARNING, TOTAL_LEARNING * (ratio / 200) ** TOTAL_LEARNING_POWER)
    steps = int(np.clip(round(learning / TYPICAL_LEARNING_RATE), *STEPS))
    bound = min(MAX_CLIP_NORM, CLIP_NORM * max(1.0, (ratio / CLIP_NORM_GROWS_FROM) ** CLIP_NORM_POWER))
    return HeadSettings(steps, learning / steps, max_grad_norm=bound, mean_release_steps=round(MEAN_RELEASE_SHARE * steps), bias=BIAS_ENTRY)


def reference_settings(n_units: int) -> HeadSettings:
    """How a head without privacy is trained: the fewer the units, the sooner it would overfit, and the fewer its steps.

    400 units at 8 per step would be 50 steps; the fewest are 60:

    >>> [reference_settings(n).steps for n in (400, 1600, 100_000)]
    [60, 200, 600]
    """
    steps = int(np.clip(n_units // UNITS_PER_REFERENCE_STEP, *REFERENCE_STEPS))
    return HeadSettings(steps, REFERENCE_LEARNING_RATE, max_grad_norm=None, mean_release_steps=0, bias=BIAS_ENTRY)


def components_for(ratio: float) -> tuple[tuple[str, int], ...]:
    """Leading components of each kind of feature at a signal-to-noise `ratio`: fewer where noise is large, as each adds noise.

    >>> components_for(100.0)
    (('narrow', 32), ('wide', 25), ('scattering', 100))
    """
    wanted = {kind: int(ratio / each) for kind, each in SIGNAL_PER_COMPONENT.items()}
    return tuple((kind, min(most, max(MIN_COMPONENTS[kind], wanted[kind]))) for kind, most in COMPONENTS.items())


def finding_weights(prevalences: Array) -> Array:
    """The factors `[n_findings, n_runs]` of residuals that make findings of different prevalence contribute more equally.

    (p (1 - p)) ** (-BALANCE_EXPONENT / 2), scaled to mean square 1 over findings. Residuals of a rare finding have a smaller variance,
    p (1 - p), and so a smaller gradient under the same noise. A single finding keeps its residuals. By this closed form, with p (1 - p) of
    1/4 and 1/16, the squares are 2 and 4 before and 2/3 and 4/3 after scaling:

    >>> rare = (1 - np.sqrt(1 - 4 / 16)) / 2
    >>> [round(float(w**2), 4) for w in finding_weights(np.array([[0.5], [rare]])).ravel()]
    [0.6667, 1.3333]
    """
    squares = (prevalences * (1 - prevalences)) ** -BALANCE_EXPONENT
    return np.asarray(np.sqrt(squares / squares.mean(axis=0)))
