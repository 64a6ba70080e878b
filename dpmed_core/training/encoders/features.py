"""Public features of a cohort's radiographs or volumes, computed once, cached beside the cohort; torch is loaded only to compute them."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort
from dpmed_core.files import replacing
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.encoders.card import COMPONENTS, read_card

if TYPE_CHECKING:
    from dpmed_core.training.encoders.radiograph_encoder import PublicEncoder

Images = NDArray[np.float32]
SMALLEST_NORM = 1e-3
"""A radiograph that lies closer to the mean radiograph is not blown up to norm 1."""
AT_ONCE = {Modality.RADIOGRAPH: 8, Modality.CT: 1}
"""Images that pass through the encoder together, never fewer: products round otherwise in other company, and a case of one's own comes
alone. Eight radiographs take no longer, each, than more do."""


def public_features(cohort: Cohort, *, features_dir: Path, encoders_dir: Path) -> NDArray[np.float32]:
    """Features `[n_cases, n_features]`; each image's depend on that image and on public data alone.

    Args:
        cohort: the images.
        features_dir: the cache; processes that ask at once compute it once.
        encoders_dir: where the public encoders lie.

    Raises:
        SettingsError: the encoder is missing or not known to be public.
    """
    cached = _cache(features_dir, encoders_dir, cohort.modality)
    features_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(features_dir / ".computing.lock"):
        if not cached.exists():
            features = compute_features(cohort.images, cohort.modality, encoders_dir)
            with replacing(cached) as draft, draft.open("wb") as file:
                np.save(file, features)
    return cached_features(cohort.modality, features_dir=features_dir, encoders_dir=encoders_dir)


def cached_features(modality: Modality, *, features_dir: Path, encoders_dir: Path) -> NDArray[np.float32]:
    """Features `[n_cases, n_features]` that were computed before, memory-mapped; see `are_cached`."""
    return np.load(_cache(features_dir, encoders_dir, modality), mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


def compute_features(images: NDArray[np.generic], modality: Modality, encoders_dir: Path) -> NDArray[np.float32]:
    """Features `[n, n_features]` of `images` of `modality`, `[n, ...]` as their cohort stores them, computed now.

    An image gets the same features, bit for bit, whatever others it comes with.

    Raises:
        SettingsError: the encoder is missing or not known to be public.
    """
    encoder, step = _encoder(encoders_dir, modality, read_card(encoders_dir, modality).version), AT_ONCE[modality]
    chunks = [images[start : start + step] for start in range(0, len(images), step)]
    return np.concatenate([encoder.features(_filled(chunk, step))[: len(chunk)] for chunk in chunks])


def _filled(images: NDArray[np.generic], n: int) -> NDArray[np.generic]:
    """`images`, the last one repeated until there are `n`."""
    return np.concatenate([images, np.repeat(images[-1:], n - len(images), axis=0)]) if len(images) < n else images


@lru_cache(maxsize=2)
def _encoder(encoders_dir: Path, modality: Modality, version: str) -> "PublicEncoder":
    """The encoder for `modality`, loaded once a process for each `version` of it."""
    del version
    from dpmed_core.training.encoders.radiograph_encoder import load_encoder

    return load_encoder(encoders_dir, modality)


def are_cached(modality: Modality, *, features_dir: Path, encoders_dir: Path) -> bool:
    """Whether the features of a cohort of `modality` are there, so that a head can be trained at once."""
    return _cache(features_dir, encoders_dir, modality).exists()


def leading(features: NDArray[np.float32], components: Mapping[str, int]) -> NDArray[np.float32]:
    """The leading `components` of each kind, each kind at the same norm, all together at norm 1."""
    begins = dict(zip(COMPONENTS, np.cumsum([0, *COMPONENTS.values()])[:-1], strict=True))
    kinds = [unit_norm(features[:, begins[kind] : begins[kind] + components[kind]]) for kind in COMPONENTS]
    return np.concatenate(kinds, axis=1) * np.float32(len(kinds) ** -0.5)


def _cache(features_dir: Path, encoders_dir: Path, modality: Modality) -> Path:
    return features_dir / f"{read_card(encoders_dir, modality).version}.npy"


def unit_norm(features: NDArray[np.floating]) -> Images:
    """Each radiograph's features at norm 1; one that is not finite, or of norm 0, becomes 0."""
    x = np.asarray(features, dtype=np.float32)
    squares = np.einsum("nd,nd->n", x, x, dtype=np.float64)
    usable = np.isfinite(squares) & (squares > 0)
    scales = np.where(usable, 1 / np.sqrt(np.where(usable, squares, 1.0)), 0.0)
    return np.where(usable[:, None], x, np.float32(0)) * scales[:, None].astype(np.float32)
