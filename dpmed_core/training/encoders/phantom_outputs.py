"""What the public encoder's network for phantoms says of a radiograph: a logit for each target, computed once, cached beside the cohort.

The network was trained to predict the phantoms' findings; features keep the layers before its outputs. Torch is loaded only to compute.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.encoders.card import EncoderCard, read_card
from dpmed_core.training.encoders.features import BATCH_SIZE, cached_or_computed, encoder_at, in_batches, is_cached

NETWORK = "narrow"
"""The network whose outputs they are."""
Outputs = NDArray[np.float32]


def output_names(card: EncoderCard) -> tuple[str, ...]:
    """The names of the outputs, in their order."""
    return card.targets[NETWORK]


def public_outputs(cohort: Cohort, *, features_dir: Path, encoders_dir: Path) -> Outputs:
    """Outputs `[n_cases, n_outputs]` of a cohort's radiographs; each image's depend on that image and on public data alone.

    Args:
        cohort: the images.
        features_dir: folder of the cache; processes that ask at the same time compute it once.
        encoders_dir: folder of the public encoders.

    Raises:
        SettingsError: the encoder is missing or not known to be public.
    """
    cached = _cache(features_dir, encoders_dir)

    def compute() -> Outputs:
        cohort.check_images(range(len(cohort.images)))
        return compute_outputs(cohort.images, encoders_dir)

    return cached_or_computed(cached, compute, lock=".computing-outputs.lock")


def compute_outputs(images: NDArray[np.generic], encoders_dir: Path) -> Outputs:
    """Outputs `[n, n_outputs]` of radiographs `[n, height, width]`, computed now; the same, bit for bit, whichever others are in the call.

    Raises:
        SettingsError: the encoder is missing or not known to be public.
    """
    encoder = encoder_at(encoders_dir, Modality.RADIOGRAPH)
    return in_batches(lambda batch: encoder.outputs(batch, NETWORK), images, BATCH_SIZE[Modality.RADIOGRAPH])


def outputs_are_cached(*, features_dir: Path, encoders_dir: Path) -> bool:
    """Whether `public_outputs` has nothing to compute."""
    return is_cached(_cache(features_dir, encoders_dir))


def _cache(features_dir: Path, encoders_dir: Path) -> Path:
    return features_dir / f"{read_card(encoders_dir, Modality.RADIOGRAPH).version}-outputs.npy"
