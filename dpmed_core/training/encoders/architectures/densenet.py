"""DenseNet-121: each layer reads the outputs of all layers before it in its block.

Source: Huang et al. 2017, "Densely connected convolutional networks", arXiv 1608.06993, table 1.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

GROWTH, STEM, BOTTLENECK = 32, 64, 4
"""Channels that a layer adds; those after the first convolution; a layer's inner channels over those that it adds."""
LAYERS = (6, 12, 24, 16)
"""Layers of each block."""


class DenseLayer(nn.Module):
    """Normalised, reduced by a 1 x 1 convolution, and convolved to `GROWTH` new channels."""

    def __init__(self, n_in: int) -> None:
        super().__init__()
        self.norm_in, self.reduce = nn.BatchNorm2d(n_in), nn.Conv2d(n_in, BOTTLENECK * GROWTH, 1, bias=False)
        self.norm_inner, self.grow = nn.BatchNorm2d(BOTTLENECK * GROWTH), nn.Conv2d(BOTTLENECK * GROWTH, GROWTH, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`x` with the new channels behind its own."""
        inner = self.reduce(functional.relu(self.norm_in(x)))
        return torch.cat([x, self.grow(functional.relu(self.norm_inner(inner)))], dim=1)


class Transition(nn.Module):
    """Between two blocks: half the channels, at half the resolution."""

    def __init__(self, n_in: int) -> None:
        super().__init__()
        self.norm, self.reduce = nn.BatchNorm2d(n_in), nn.Conv2d(n_in, n_in // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The reduced map of `x`."""
        return functional.avg_pool2d(self.reduce(functional.relu(self.norm(x))), 2)


class DenseNet121(nn.Module):
    """The network up to its pooled features, for images with `channels` channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(channels, STEM, 7, 2, 3, bias=False), nn.BatchNorm2d(STEM)
        self.blocks, self.transitions, n_in = nn.ModuleList(), nn.ModuleList(), STEM
        for number, n_layers in enumerate(LAYERS):
            self.blocks.append(nn.Sequential(*(DenseLayer(n_in + GROWTH * layer) for layer in range(n_layers))))
            n_in += GROWTH * n_layers
            if number < len(LAYERS) - 1:
                self.transitions.append(Transition(n_in))
                n_in //= 2
        self.norm = nn.BatchNorm2d(n_in)

    def forward(self, x: Tensor) -> Tensor:
        """Features `[n, 1024]` of images `x` `[n, channels, side, side]`."""
        x = functional.max_pool2d(functional.relu(self.stem_norm(self.stem(x))), 3, 2, 1)
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number < len(self.transitions):
                x = self.transitions[number](x)
        return torch.mean(functional.relu(self.norm(x)), dim=(2, 3))
