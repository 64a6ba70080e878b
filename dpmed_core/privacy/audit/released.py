"""What audited heads hold of the canary and of the noise, read from released numbers alone: weights, centre and offset."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpmed_core.privacy.audit.canary_world import NOISE_ONLY
from dpmed_core.training.recipes.head import Head
from dpmed_core.training.recipes.linear_head import AVERAGING_START
from dpmed_core.training.recipes.probe_settings import HeadSettings
from dpmed_core.training.recipes.start_scale import PACE

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Released:
    """What many heads of one kind of training hold.

    Attributes:
        canary: of each head, its weight in the canary's direction, summed over findings and divided by the root of their number, less what
            the centre explains; `[n_heads]`.
        noise: of each head, its weights in the empty directions, less what the centre explains, `[n_heads, n_directions, n_findings]`.
        explained: degrees of freedom that each finding of a head has lost to the centre, 0 or 1, `[n_heads]`.
        statistics: `canary`, the centre in the canary's direction, the offsets, and with a public start the weights of the findings' own
            features, `[n_heads, 2 + n_findings]` or `[n_heads, 2 + 2 * n_findings]`.
    """

    canary: Floats = field(repr=False)
    noise: Floats = field(repr=False)
    explained: NDArray[np.intp] = field(repr=False)
    statistics: Floats = field(repr=False)


def released(heads: Sequence[Head]) -> Released:
    """What `heads` hold.

    Centring takes the released mean from every image, also in directions where no image has anything: a head's weights there are noise plus
    a multiple of the centre, the same multiple in all directions of a finding. It is estimated from the empty directions and taken off.
    """
    weights = np.array([head.weights for head in heads])
    centres = np.array([head.centre for head in heads])
    of_noise, of_centre = weights[:, NOISE_ONLY], centres[:, NOISE_ONLY]
    squares = np.square(of_centre).sum(axis=1)
    multiples = np.einsum("hd,hdk->hk", of_centre, of_noise) / np.where(squares > 0, squares, 1.0)[:, None]
    noise = of_noise - of_centre[:, :, None] * multiples[:, None, :]
    canary = (weights[:, -1] - centres[:, -1:] * multiples).sum(axis=1) / np.sqrt(weights.shape[2])
    offsets, own = np.array([head.offset for head in heads]), [head.own for head in heads if head.own is not None]
    statistics = np.column_stack([canary, centres[:, -1], offsets, *([np.array(own)] if own else [])])
    return Released(canary, noise, (squares > 0).astype(np.intp), statistics)


@dataclass(frozen=True)
class ClaimedScale:
    """What the mechanism says a head's weights are made of.

    Attributes:
        noise: standard deviation of the noise in a weight.
        shift: the most that one unit can move the weights, as a norm over all of them.
    """

    noise: float
    shift: float


def claimed_scale(settings: HeadSettings, *, noise_multiplier: float, n_units: int, with_start: bool = False) -> ClaimedScale:
    """The scale of noise and of one unit in the mean of the weights after the last fifth of the steps.

    The noise of step i is in the weights after every later step, and so in the share c_i of those that are averaged. With eta the learning
    rate, n the number of units, C the bound and s the noise multiplier, the noise has the variance (eta s C / n)^2 times the sum of c_i^2,
    and a unit moves the weights by at most (eta C / n) times the sum of c_i. While a public start is kept, eta is `PACE` of the rate. Of
    five steps the last alone is averaged, and holds them all:

    >>> scale = claimed_scale(HeadSettings(5, 1.0, 1.0, 1, 0.1), noise_multiplier=2.0, n_units=1)
    >>> round(scale.noise**2, 9), scale.shift  # 5 x 2^2, and 5
    (20.0, 5.0)
    """
    averaged_from = int(AVERAGING_START * settings.steps)
    shares = (settings.steps - np.maximum(np.arange(settings.steps), averaged_from)) / (settings.steps - averaged_from)
    reach = (PACE if with_start else 1.0) * settings.learning_rate * (settings.max_grad_norm or np.inf) / n_units
    return ClaimedScale(float(reach * noise_multiplier * np.sqrt(np.square(shares).sum())), float(reach * shares.sum()))
