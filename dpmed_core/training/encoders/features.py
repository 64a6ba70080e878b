"""Public features of a cohort's images, computed once and cached beside the cohort; torch is loaded only to compute them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import CohortError
from dpmed_core.files import lock_at, make_way, replacing, unchanged_digest
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.encoders.card import read_card
from dpmed_core.training.encoders.components import Features

if TYPE_CHECKING:
    from dpmed_core.training.encoders.radiograph_encoder import PublicEncoder

LOCK, WAIT_SECONDS = ".computing.lock", 1.0
"""The file that is locked while the public encoder computes; how often a process that waits for another looks whether it is still to."""
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

    def compute() -> Features:
        cohort.check_images(range(len(cohort.images)))
        return compute_features(cohort.images, cohort.modality, encoders_dir)

    return cached_or_computed(cached, compute)


def cached_or_computed(
    cached: Path, compute: Callable[[], Features], *, lock: str = LOCK, waiting: Callable[[], None] | None = None
) -> Features:
    """The features in the file `cached`, memory-mapped, after they were computed and written there if they are not.

    Args:
        cached: a file of the cache.
        compute: computes them.
        lock: file beside it that is locked meanwhile: one for what is computed in moments, others for what takes hours.
        waiting: called at intervals while another process computes them; what it raises ends the wait.

    Raises:
        CohortError: they were removed or damaged as soon as they were written.
    """
    cached.parent.mkdir(parents=True, exist_ok=True)
    # Pages, engine and commands may ask at the same time; only one computes, and a half-written file is never seen.
    with _held(lock_at(cached.parent / lock), waiting):
        if _read(cached) is None:
            features = compute()
            for path in (cached, _digest_of(cached)):
                make_way(path)
            with replacing(cached) as draft, draft.open("wb") as file:
                np.save(file, features)
            with replacing(_digest_of(cached)) as draft:
                draft.write_text(unchanged_digest(cached))
    return _whole(_read(cached))


@contextmanager
def _held(lock: FileLock, waiting: Callable[[], None] | None) -> Iterator[None]:
    """The lock, taken as soon as another process lets go of it."""
    while True:
        try:
            lock.acquire(timeout=-1 if waiting is None else WAIT_SECONDS)
            break
        except Timeout:
            if waiting is not None:
                waiting()
    try:
        yield
    finally:
        lock.release()


def remove_cached(cached: Path) -> None:
    """Remove a file of the cache and its digest, if they are there."""
    for path in (cached, _digest_of(cached)):
        path.unlink(missing_ok=True)


def cached_features(modality: Modality, *, features_dir: Path, encoders_dir: Path) -> NDArray[np.float32]:
    """Features `[n_cases, n_features]` from the cache, memory-mapped; see `are_cached`.

    Raises:
        CohortError: they are not in the cache, or damaged there.
    """
    return _whole(_read(_cache(features_dir, encoders_dir, modality)))


def _whole(features: Features | None) -> Features:
    if features is None:
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
    return in_batches(encoder_at(encoders_dir, modality).features, images, BATCH_SIZE[modality])


def encoder_at(encoders_dir: Path, modality: Modality) -> "PublicEncoder":
    """The public encoder for `modality`; torch is loaded.

    Raises:
        SettingsError: it is missing or not known to be public.
    """
    return _encoder(encoders_dir, modality, read_card(encoders_dir, modality).version)


def in_batches(
    features_of: Callable[[NDArray[np.generic]], Features],
    images: NDArray[np.generic],
    size: int,
    progress: Callable[[int, int], None] | None = None,
) -> Features:
    """Features of `images`, in batches that are all of one `size`; `progress` is called with the images done and their total."""
    parts = []
    for start in range(0, len(images), size):
        if progress is not None:
            progress(start, len(images))
        batch = images[start : start + size]
        parts.append(features_of(_padded(batch, size))[: len(batch)])
    return np.concatenate(parts)


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
    return is_cached(_cache(features_dir, encoders_dir, modality))


def is_cached(cached: Path) -> bool:
    """Whether a file of the cache holds features, whole."""
    return _read(cached) is not None


def _cache(features_dir: Path, encoders_dir: Path, modality: Modality) -> Path:
    return features_dir / f"{read_card(encoders_dir, modality).version}.npy"
