"""Public features of a cohort's images, computed once and cached beside the cohort; torch is loaded only to compute them."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import CohortError
from dpmed_core.files import lock_at, make_way, replacing, unchanged_digest
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.encoders.card import COMPONENTS, read_card

if TYPE_CHECKING:
    from dpmed_core.training.encoders.radiograph_encoder import PublicEncoder

Features = NDArray[np.float32]
SMALLEST_NORM = 1e-3
"""Features closer than this to the mean features are not scaled up to norm 1."""
BATCH_SIZE = {Modality.RADIOGRAPH: 8, Modality.CT: 1}
"""Images that pass through the encoder together; a smaller batch is filled up, since matrix products round differently for another number
of images and an uploaded case comes alone. In batches of eight a radiograph takes no longer than in larger ones."""


def public_features(cohort: Cohort, *, features_dir: Path, encoders_dir: Path) -> NDArray[np.float32]:
    """Features `[n_cases, n_features]`; each image's depend on that image and on public data alone.

    Args:
        cohort: the images.
        features_dir: folder of the cache; processes that ask at the same time compute it once.
        encoders_dir: folder of the public encoders.

    Raises:
        SettingsError: the encoder is missing or not known to be public.
    """
    cached = _cache(features_dir, encoders_dir, cohort.modality)
    features_dir.mkdir(parents=True, exist_ok=True)
    # Pages, engine and commands may ask at the same time; only one computes, and a half-written file is never seen.
    with lock_at(features_dir / ".computing.lock"):
        if _read(cached) is None:
            cohort.check_images(range(len(cohort.images)))
            features = compute_features(cohort.images, cohort.modality, encoders_dir)
            for path in (cached, _digest_of(cached)):
                make_way(path)
            with replacing(cached) as draft, draft.open("wb") as file:
                np.save(file, features)
            with replacing(_digest_of(cached)) as draft:
                draft.write_text(unchanged_digest(cached))
    return cached_features(cohort.modality, features_dir=features_dir, encoders_dir=encoders_dir)


def cached_features(modality: Modality, *, features_dir: Path, encoders_dir: Path) -> NDArray[np.float32]:
    """Features `[n_cases, n_features]` from the cache, memory-mapped; see `are_cached`.

    Raises:
        CohortError: they are not in the cache, or damaged there.
    """
    if (features := _read(_cache(features_dir, encoders_dir, modality))) is None:
        raise CohortError("The features of this cohort were removed or damaged meanwhile: try again, which computes them anew.")
    return features


def _read(cached: Path) -> NDArray[np.float32] | None:
    """The features in a file of the cache, memory-mapped; None where there are none, or other ones than were written.

    A file of an earlier version has no digest beside it, and is taken where it can be read.
    """
    try:
        features = np.load(cached, mmap_mode="r", allow_pickle=False)
        written = _digest_of(cached).read_text() if _digest_of(cached).exists() else None
        is_whole = features.ndim == 2 and features.dtype == np.float32 and (written is None or written == unchanged_digest(cached))
    except (OSError, ValueError, EOFError, AttributeError):
        return None
    return features if is_whole else None


def _digest_of(cached: Path) -> Path:
    """The file beside a file of the cache that holds its SHA-256."""
    return cached.with_name(f"{cached.name}.sha256")


def compute_features(images: NDArray[np.generic], modality: Modality, encoders_dir: Path) -> NDArray[np.float32]:
    """Features `[n, n_features]` of `images` of `modality`, `[n, ...]` as their cohort stores them, computed now.

    An image has the same features, bit for bit, whichever others are in the same call.

    Raises:
        SettingsError: the encoder is missing or not known to be public.
    """
    encoder, size = _encoder(encoders_dir, modality, read_card(encoders_dir, modality).version), BATCH_SIZE[modality]
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    return np.concatenate([encoder.features(_padded(batch, size))[: len(batch)] for batch in batches])


def _padded(images: NDArray[np.generic], n: int) -> NDArray[np.generic]:
    """`images`, the last one repeated until there are `n`."""
    return np.concatenate([images, np.repeat(images[-1:], n - len(images), axis=0)]) if len(images) < n else images


@lru_cache(maxsize=2)
def _encoder(encoders_dir: Path, modality: Modality, version: str) -> "PublicEncoder":
    """The encoder for `modality`, loaded once per process and `version`."""
    del version  # only a key of the cache: a rebuilt encoder is loaded anew
    from dpmed_core.training.encoders.radiograph_encoder import load_encoder

    return load_encoder(encoders_dir, modality)


def are_cached(modality: Modality, *, features_dir: Path, encoders_dir: Path) -> bool:
    """Whether the features of a cohort of `modality` are in the cache."""
    return _read(_cache(features_dir, encoders_dir, modality)) is not None


def leading_components(features: NDArray[np.float32], components: Mapping[str, int]) -> NDArray[np.float32]:
    """The leading components of each kind of feature, each kind at the same norm and all together at norm 1.

    Args:
        features: `[n, sum of COMPONENTS]`, the kinds one after another.
        components: how many of each kind.
    """
    # The first column of each kind.
    begins = dict(zip(COMPONENTS, np.cumsum([0, *COMPONENTS.values()])[:-1], strict=True))
    kinds = [unit_norm(features[:, begins[kind] : begins[kind] + components[kind]]) for kind in COMPONENTS]
    return np.concatenate(kinds, axis=1) * np.float32(len(kinds) ** -0.5)


def _cache(features_dir: Path, encoders_dir: Path, modality: Modality) -> Path:
    return features_dir / f"{read_card(encoders_dir, modality).version}.npy"


def unit_norm(features: NDArray[np.floating]) -> Features:
    """Each image's features scaled to norm 1; those that are not finite, or of norm 0, become 0.

    The bound on what an image contributes to the private release of means rests on this norm. (3, 4) has norm 5:

    >>> unit_norm(np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0]])).astype(float).round(6).tolist()
    [[0.6, 0.8], [0.0, 0.0], [0.0, 0.0]]
    """
    x = np.asarray(features, dtype=np.float32)
    # Squares in double precision: the norm must not exceed 1 by more than the rounding of the result.
    squares = np.einsum("nd,nd->n", x, x, dtype=np.float64)
    usable = np.isfinite(squares) & (squares > 0)
    scales = np.where(usable, 1 / np.sqrt(np.where(usable, squares, 1.0)), 0.0)
    return np.where(usable[:, None], x, np.float32(0)) * scales[:, None].astype(np.float32)
