"""The features that a run's head reads: the public encoder's, and behind them those of an added encoder where the run names one.

Both are computed once for a cohort and cached beside it; torch is loaded only to compute them.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.encoders.added.store import AddedEncoder, AddedEncoders
from dpmed_core.training.encoders.features import (
    BATCH_SIZE,
    are_cached,
    cached_or_computed,
    compute_features,
    in_batches,
    is_cached,
    public_features,
    remove_cached,
)
from dpmed_core.training.encoders.phantom_outputs import compute_outputs, outputs_are_cached, public_outputs

Features = NDArray[np.float32]
Progress = Callable[[int, int], None]


def joined_features(
    cohort: Cohort,
    encoder: str | None,
    *,
    features_dir: Path,
    encoders_dir: Path,
    added_dir: Path,
    progress: Progress | None = None,
    with_outputs: bool = False,
) -> Features:
    """Features `[n_cases, n_features]` of a cohort; each image's depend on that image and on public data alone.

    Args:
        cohort: the images.
        encoder: digest of an added encoder; None for the public encoder alone.
        features_dir: folder of the cache.
        encoders_dir: folder of the public encoders.
        added_dir: folder of the added encoders.
        progress: called with the number of images done and their total while the added encoder's are computed; what it raises stops that.
        with_outputs: whether the phantom network's outputs follow as last columns, for a start that reads them.

    Raises:
        SettingsError: the public encoder is missing or not known to be public.
        EncoderError: the added encoder is missing, or was changed.
    """
    if with_outputs:
        outputs = public_outputs(cohort, features_dir=features_dir, encoders_dir=encoders_dir)
        features = joined_features(
            cohort, encoder, features_dir=features_dir, encoders_dir=encoders_dir, added_dir=added_dir, progress=progress
        )
        return np.concatenate([features, outputs], axis=1)
    if encoder is None:
        return public_features(cohort, features_dir=features_dir, encoders_dir=encoders_dir)
    added = AddedEncoders(added_dir).with_digest(encoder)

    # The slow ones first: where a user cancels, little was done in vain.
    cached = _cache(features_dir, encoder)

    def compute() -> Features:
        cohort.check_images(range(len(cohort.images)))
        return _compute(added, cohort.images, progress)

    theirs = cached_or_computed(
        cached,
        compute,
        lock=f".computing-{cached.stem}.lock",  # of its own, so that nobody who needs the public ones alone waits for hours
        waiting=None if progress is None else lambda: progress(0, len(cohort.images)),
    )
    own = public_features(cohort, features_dir=features_dir, encoders_dir=encoders_dir)
    return np.concatenate([own, theirs], axis=1)


def compute_joined(
    images: NDArray[np.generic],
    encoder: str | None,
    *,
    modality: Modality,
    encoders_dir: Path,
    added_dir: Path,
    with_outputs: bool = False,
) -> Features:
    """Features `[n, n_features]` of `images` `[n, ...]` that are in no cohort, computed now; else as `joined_features`."""
    parts = [compute_features(images, modality, encoders_dir)]
    if encoder is not None:
        parts.append(_compute(AddedEncoders(added_dir).with_digest(encoder), images, None))
    if with_outputs:
        parts.append(compute_outputs(images, encoders_dir))
    return np.concatenate(parts, axis=1)


def joined_are_cached(
    modality: Modality, encoder: str | None, *, features_dir: Path, encoders_dir: Path, with_outputs: bool = False
) -> bool:
    """Whether everything that `joined_features` gives is in the cache."""
    folders = {"features_dir": features_dir, "encoders_dir": encoders_dir}
    own = are_cached(modality, **folders) and (not with_outputs or outputs_are_cached(**folders))
    return own and (encoder is None or is_cached(_cache(features_dir, encoder)))


def forget_features(features_dir: Path, encoder: str) -> None:
    """Remove the cached features of an added encoder."""
    remove_cached(_cache(features_dir, encoder))


def _compute(added: AddedEncoder, images: NDArray[np.generic], progress: Progress | None) -> Features:
    from dpmed_core.training.encoders.added.network import load_added  # loads torch

    return in_batches(load_added(added).features, images, BATCH_SIZE[Modality.RADIOGRAPH], progress)


def _cache(features_dir: Path, encoder: str) -> Path:
    return features_dir / f"{encoder[:12]}.npy"
