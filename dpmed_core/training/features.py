"""Public features of a cohort's films, computed once and cached beside the cohort; torch is loaded only where they are computed."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort
from dpmed_core.files import replacing
from dpmed_core.training.encoder_card import COMPONENTS, read_card
from dpmed_core.training.head import unit_norm

if TYPE_CHECKING:
    from dpmed_core.training.encoder import PublicEncoder

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
    cached = _cache(features_dir, encoders_dir)
    features_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(features_dir / ".computing.lock"):
        if not cached.exists():
            features = compute_features(cohort.images, encoders_dir)
            with replacing(cached) as draft, draft.open("wb") as file:
                np.save(file, features)
    return cached_features(features_dir, encoders_dir)


def cached_features(features_dir: Path, encoders_dir: Path) -> NDArray[np.float32]:
    """Features `[n_cases, n_features]` that were computed before, memory-mapped; see `are_cached`."""
    return np.load(_cache(features_dir, encoders_dir), mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


def compute_features(images: NDArray[np.generic], encoders_dir: Path) -> NDArray[np.float32]:
    """Features `[n, n_features]` of `images` `[n, height, width]`, computed now.

    Raises:
        SettingsError: the encoder is missing or not known to be public.
    """
    encoder, films = _encoder(encoders_dir, read_card(encoders_dir).version), np.asarray(images, dtype=np.uint8)
    return np.concatenate([encoder.features(films[i : i + FILMS_AT_ONCE]) for i in range(0, len(films), FILMS_AT_ONCE)])


@lru_cache(maxsize=1)
def _encoder(encoders_dir: Path, version: str) -> "PublicEncoder":
    """The encoder, loaded once a process for each `version` of it."""
    del version
    from dpmed_core.training.encoder import load_encoder

    return load_encoder(encoders_dir)


def are_cached(*, features_dir: Path, encoders_dir: Path) -> bool:
    """Whether the features of the cohort are there, so that a head can be trained at once."""
    return _cache(features_dir, encoders_dir).exists()


def leading(features: NDArray[np.float32], components: Mapping[str, int]) -> NDArray[np.float32]:
    """The leading `components` of each kind, each kind at the same norm, all together at norm 1."""
    begins = dict(zip(COMPONENTS, np.cumsum([0, *COMPONENTS.values()])[:-1], strict=True))
    kinds = [unit_norm(features[:, begins[kind] : begins[kind] + components[kind]]) for kind in COMPONENTS]
    return np.concatenate(kinds, axis=1) * np.float32(len(kinds) ** -0.5)


def _cache(features_dir: Path, encoders_dir: Path) -> Path:
    return features_dir / f"{read_card(encoders_dir).version}.npy"
