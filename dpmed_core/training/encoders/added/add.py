"""Adding an encoder: a file of weights and its card become a network with a public reduction of its features."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from dpmed_core.errors import EncoderError, StorageError
from dpmed_core.files import space_reason
from dpmed_core.training.encoders.added.card import AddedCard
from dpmed_core.training.encoders.added.network import PooledFeatures, as_grey, stored_tensor
from dpmed_core.training.encoders.added.public_radiographs import draw_public_radiographs
from dpmed_core.training.encoders.added.store import REDUCTION, WEIGHTS, AddedEncoder, AddedEncoders
from dpmed_core.training.encoders.added.weight_file import LARGEST_BYTES, tensors_of
from dpmed_core.training.encoders.architectures.build import network_with, under_own_names
from dpmed_core.training.encoders.card import ADDED, ADDED_COMPONENTS
from dpmed_core.training.encoders.pretraining_loop import reduction_of

BATCH = 8
SEED = 29
"""Of the random start of the principal components' iteration."""
Progress = Callable[[int, int], None]


def add_encoder(
    store: AddedEncoders,
    file: Path,
    *,
    name: str,
    card: AddedCard,
    workers: int = 1,
    progress: Progress | None = None,
    public_images: NDArray[np.uint8] | None = None,
) -> AddedEncoder:
    """The encoder that was made of `file` and stored as `name`.

    Args:
        store: of added encoders.
        file: the weights, or a package that holds them.
        name: of the encoder.
        card: what its user says of it.
        workers: processes that draw the synthetic radiographs.
        progress: called with the number of synthetic radiographs done and their total.
        public_images: other public radiographs `[n, side, side]`, 8-bit, to reduce its features over; never a cohort's.

    Raises:
        EncoderError: the name is taken, or the file is not the card's or does not fit its architecture.
        StorageError: the disk is full.
    """
    store.refuse_unusable(name)
    store.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (reason := space_reason(store.root, 2 * LARGEST_BYTES)) is not None:
        raise StorageError(f"The encoder cannot be stored: {reason}. Free some space and try again.")
    with store.draft() as work:
        image = {"channels": len(card.preprocessing.mean), "side": card.preprocessing.input_size}
        tensors = under_own_names(card.architecture, tensors_of(file, card, work), **image)
        pooled = PooledFeatures(network_with(card.architecture, tensors, **image), card.preprocessing)
        images = draw_public_radiographs(workers=workers) if public_images is None else public_images
        with store.draft() as draft:
            save_file(tensors, draft / WEIGHTS)
            save_file(_reduction(pooled, images, progress), draft / REDUCTION)
            return store.publish(name, draft, card)


@torch.no_grad()
def _reduction(pooled: PooledFeatures, images: NDArray[np.uint8], progress: Progress | None) -> dict[str, Tensor]:
    """Standardisation and leading principal components of the features over public `images`."""
    parts = []
    for start in range(0, len(images), BATCH):
        parts.append(pooled.of_radiographs(as_grey(stored_tensor(images[start : start + BATCH]))))
        if progress is not None:
            progress(min(start + BATCH, len(images)), len(images))
    raw = torch.cat(parts)
    if not torch.isfinite(raw).all() or float(raw.std(0).max()) < 1e-4:
        raise EncoderError(
            "The encoder gives all synthetic radiographs the same features, or none that are numbers: its weights cannot be used."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        reduction = reduction_of(ADDED, raw, n_components=min(ADDED_COMPONENTS, *raw.shape))
    return {key: tensor.contiguous() for key, tensor in reduction.items()}
