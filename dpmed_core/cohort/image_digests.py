"""The digests that stand beside a cohort's images: of the images as stored, and of finer radiographs as 128 pixels would store them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.facts import DIGESTS, DIGESTS_AT_128, IMAGES, read_array
from dpmed_core.cohort.persons import pixel_digests
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.stored_format import FINE_SIZE


def write_digests(draft: Path) -> None:
    """Write SHA-256 of each image of the cohort in `draft`, by which damage to images shows."""
    np.save(draft / DIGESTS, _digests(draft / IMAGES))


def finer_facts(draft: Path, modality: Modality, digests_at_128: NDArray[np.uint8] | None) -> dict[str, object]:
    """What cohort.json says of the side of stored images: nothing, but of finer radiographs, whose digests at 128 pixels are written.

    Earlier versions refuse a fact that they do not know, as they must: they would read finer radiographs in another way.

    Args:
        draft: of the cohort; holds its images.
        modality: of the images.
        digests_at_128: `Cohort.digests_at_128`; None where only the stored pixels are known, of which then the means over 2 x 2 are hashed.
    """
    side = read_array(draft, IMAGES).shape[-1]
    if modality is not Modality.RADIOGRAPH or side != FINE_SIZE:
        return {}
    np.save(draft / DIGESTS_AT_128, _digests(draft / IMAGES, at_128=True) if digests_at_128 is None else digests_at_128)
    return {"pixels": side}


def _digests(images: Path, *, at_128: bool = False) -> NDArray[np.uint8]:
    """`pixel_digests` of the array `images`, `[n_cases, 32]`."""
    digests = list(pixel_digests(images, at_128=at_128))
    return np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1)
