"""Public features of a cohort's films, computed once and cached beside the cohort."""

from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort
from dpmed_core.files import replacing
from dpmed_core.training.encoder import load_encoder

FILMS_AT_ONCE = 64


def public_features(cohort: Cohort, *, features_dir: Path, encoders_dir: Path) -> NDArray[np.float32]:
    """Features `[n_cases, n_features]`; each film's depend on that film and on public data alone.

    Args:
        cohort: the films.
        features_dir: the cache; processes that ask at once compute it once.
        encoders_dir: where the public encoder lies.

    Raises:
        SettingsError: the encoder is missing or not known to be public.
    """
    encoder = load_encoder(encoders_dir)
    cached = features_dir / f"{encoder.version}.npy"
    features_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(features_dir / ".computing.lock"):
        if not cached.exists():
            images = cohort.images
            parts = [encoder.features(images[i : i + FILMS_AT_ONCE]) for i in range(0, len(images), FILMS_AT_ONCE)]
            with replacing(cached) as draft, draft.open("wb") as file:
                np.save(file, np.concatenate(parts))
    return np.load(cached, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
