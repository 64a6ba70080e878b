"""Whether a frontal chest radiograph is shown as a negative, its lungs bright: headers are altered, or say the wrong photometric interpretation.

On a positive the mediastinum is brighter than the lungs beside it and the trunk brighter than the picture's upper and lateral edges,
where the beam passed the body by or met shoulders and arms only. Both differences, in standard deviations of the picture shrunk to
`SIDE` pixels, are added. Over 6,030 real frontal radiographs (1,000 of ChestX-ray14, 5,030 of children) the sum was never below 0; a
radiograph counts as a negative below `NEGATIVE_BELOW`, where none of them stands, and 6,027 of their 6,030 negatives do.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE, SAMPLED_SIDE = 32, 256
NEGATIVE_BELOW = -0.5
MEDIASTINUM = (slice(8, 29), slice(14, 18))
RIGHT_LUNG, LEFT_LUNG = (slice(8, 19), slice(6, 12)), (slice(8, 19), slice(20, 26))
TRUNK = (slice(10, 30), slice(11, 21))


def is_negative(picture: NDArray[np.float32]) -> bool:
    """Whether `picture` `[rows, columns]` in [0, 1], a frontal chest radiograph, shows bright lungs beside a dark mediastinum."""
    return positiveness(picture) < NEGATIVE_BELOW


def positiveness(picture: NDArray[np.float32]) -> float:
    """The sum of both differences, in standard deviations: above 0 for a positive, below for a negative, 0 for an even picture."""
    step = max(1, min(picture.shape) // SAMPLED_SIDE)
    sampled = np.ascontiguousarray(picture[::step, ::step])
    small = np.asarray(Image.fromarray(sampled).resize((SIDE, SIDE), Image.Resampling.BOX))
    lungs = (small[RIGHT_LUNG].mean() + small[LEFT_LUNG].mean()) / 2
    edge = np.concatenate([small[0], small[:, 0], small[:, -1]]).mean()
    contrast = small[MEDIASTINUM].mean() - lungs + small[TRUNK].mean() - edge
    return float(contrast / max(float(small.std()), 1e-6))
