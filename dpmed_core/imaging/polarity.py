"""Whether a frontal chest radiograph is displayed as a negative, with bright lungs, because its header is wrong or was altered.

On a correct radiograph the mediastinum is brighter than the lungs beside it, and the trunk brighter than the image's upper and
lateral edges, where the beam missed the body or passed only shoulders and arms. Both differences, in standard deviations of the image
reduced to `SIDE` pixels, are added. Over 6,030 real frontal radiographs (1,000 of ChestX-ray14, 5,030 of children) the sum was never
below 0. A radiograph counts as a negative below `NEGATIVE_BELOW`: none of the 6,030 does, and 6,027 of their inverted copies do.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE, SAMPLED_SIDE = 32, 256
NEGATIVE_BELOW = -0.5
MEDIASTINUM = (slice(8, 29), slice(14, 18))
RIGHT_LUNG, LEFT_LUNG = (slice(8, 19), slice(6, 12)), (slice(8, 19), slice(20, 26))
TRUNK = (slice(10, 30), slice(11, 21))
"""Regions `(rows, columns)` of the reduced image, where these structures lie on an upright frontal radiograph."""


def is_negative(image: NDArray[np.float32]) -> bool:
    """Whether `image` `[rows, columns]` in [0, 1], a frontal chest radiograph, shows bright lungs beside a dark mediastinum."""
    return polarity_score(image) < NEGATIVE_BELOW


def polarity_score(image: NDArray[np.float32]) -> float:
    """The sum of both differences, in standard deviations: above 0 for a correct image, below 0 for a negative, 0 for a constant one."""
    step = max(1, min(image.shape) // SAMPLED_SIDE)  # thinned out first: the reduction then costs the same for every size
    sampled = np.ascontiguousarray(image[::step, ::step])
    small = np.asarray(Image.fromarray(sampled).resize((SIDE, SIDE), Image.Resampling.BOX))
    lungs = (small[RIGHT_LUNG].mean() + small[LEFT_LUNG].mean()) / 2
    edge = np.concatenate([small[0], small[:, 0], small[:, -1]]).mean()
    contrast = small[MEDIASTINUM].mean() - lungs + small[TRUNK].mean() - edge
    return float(contrast / max(float(small.std()), 1e-6))
