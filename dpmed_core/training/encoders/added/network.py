"""An added encoder as a network: from stored radiographs to pooled features, and those reduced by its public statistics."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from dpmed_core.training.encoders.added.card import Preprocessing
from dpmed_core.training.encoders.added.store import REDUCTION, WEIGHTS, AddedEncoder
from dpmed_core.training.encoders.architectures.build import network_with
from dpmed_core.training.encoders.card import ADDED
from dpmed_core.training.encoders.network_input import CENTRE, SPREAD, to_tensor
from dpmed_core.training.encoders.radiograph_encoder import reduce_by


@dataclass(frozen=True, eq=False)
class PooledFeatures:
    """A network and how its input is prepared.

    Attributes:
        network: gives pooled features `[n, n_features]`.
        preprocessing: of its input.
    """

    network: nn.Module
    preprocessing: Preprocessing

    def of_radiographs(self, radiographs: Tensor) -> Tensor:
        """Pooled features `[n, n_features]` of `radiographs` `[n, 1, side, side]` from 0, black, to 1, white; differentiable."""
        features: Tensor = self.network(prepared(radiographs, self.preprocessing))
        return features


@dataclass(frozen=True, eq=False)
class AddedNetwork:
    """An added encoder, loaded.

    Attributes:
        pooled: its network.
        reduction: mean, scale, basis and spread of its features, from synthetic radiographs.
    """

    pooled: PooledFeatures
    reduction: dict[str, Tensor] = field(repr=False)

    @torch.no_grad()
    def features(self, images: NDArray[np.generic]) -> NDArray[np.float32]:
        """Features `[n, n_components]` of stored radiographs `[n, side, side]`, 8-bit."""
        return self.of_inputs(stored_tensor(images)).numpy()

    def of_inputs(self, inputs: Tensor) -> Tensor:
        """Features `[n, n_components]` of what `stored_tensor` gave, differentiable."""
        return reduce_by(self.reduction, ADDED, self.pooled.of_radiographs(as_grey(inputs)))


def stored_tensor(images: NDArray[np.generic]) -> Tensor:
    """Stored radiographs `[n, side, side]` at their own size, as `network_input.to_tensor` scales them, `[n, 1, side, side]`."""
    pixels = np.asarray(images, dtype=np.uint8)
    return to_tensor(pixels, size=pixels.shape[-1])


def as_grey(inputs: Tensor) -> Tensor:
    """What `stored_tensor` gave, from 0, black, to 1, white."""
    return inputs * SPREAD + CENTRE


def prepared(radiographs: Tensor, preprocessing: Preprocessing) -> Tensor:
    """The network's input `[n, n_channels, input_size, input_size]` of `radiographs` `[n, 1, side, side]` from 0 to 1."""
    size, resized, mode = preprocessing.input_size, preprocessing.resized, preprocessing.interpolation
    smooth = {} if mode == "nearest" else {"antialias": True, "align_corners": False}
    fitted = (
        functional.interpolate(radiographs, size=(resized, resized), mode=mode, **smooth)
        if radiographs.shape[-1] != resized
        else radiographs
    )
    begin = (resized - size) // 2
    # Bicubic interpolation overshoots at edges; the pictures that networks were trained on end at black and white.
    cut = fitted[..., begin : begin + size, begin : begin + size].clamp(0, 1)
    mean, std = (torch.tensor(values, dtype=cut.dtype).view(1, -1, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    return (cut - mean) / std


def load_added(encoder: AddedEncoder) -> AddedNetwork:
    """The network of `encoder`, whose files were checked; loaded once a process."""
    return _loaded(encoder)


@lru_cache(maxsize=2)
def _loaded(encoder: AddedEncoder) -> AddedNetwork:
    preprocessing = encoder.card.preprocessing
    network = network_with(
        encoder.card.architecture,
        load_file(encoder.folder / WEIGHTS),
        channels=len(preprocessing.mean),
        side=preprocessing.input_size,
    )
    return AddedNetwork(PooledFeatures(network, preprocessing), load_file(encoder.folder / REDUCTION))
