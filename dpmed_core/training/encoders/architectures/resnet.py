"""ResNet-50: residual blocks with a bottleneck.

Source: He et al. 2016, "Deep residual learning for image recognition", arXiv 1512.03385, table 1; the stride is in the 3 x 3 convolution,
as in the weights that libraries offer.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

STEM, EXPANSION = 64, 4
"""Channels after the first convolution; those that leave a block over those inside."""
BLOCKS = (3, 4, 6, 3)
"""Blocks of each stage; the channels inside double from stage to stage, from `STEM` on."""


class Bottleneck(nn.Module):
    """A residual block; where the shape changes, the shortcut is a normalised 1 x 1 convolution."""

    def __init__(self, n_in: int, inside: int, *, stride: int) -> None:
        super().__init__()
        n_out = inside * EXPANSION
        self.reduce, self.norm_reduced = nn.Conv2d(n_in, inside, 1, bias=False), nn.BatchNorm2d(inside)
        self.spatial, self.norm_spatial = nn.Conv2d(inside, inside, 3, stride, 1, bias=False), nn.BatchNorm2d(inside)
        self.widen, self.norm_widened = nn.Conv2d(inside, n_out, 1, bias=False), nn.BatchNorm2d(n_out)
        changes = stride > 1 or n_in != n_out
        self.shortcut = nn.Conv2d(n_in, n_out, 1, stride, bias=False) if changes else None
        self.norm_shortcut = nn.BatchNorm2d(n_out) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """The block's output for `x`."""
        inner = functional.relu(self.norm_reduced(self.reduce(x)))
        inner = functional.relu(self.norm_spatial(self.spatial(inner)))
        short = x if self.shortcut is None or self.norm_shortcut is None else self.norm_shortcut(self.shortcut(x))
        return functional.relu(self.norm_widened(self.widen(inner)) + short)


class ResNet50(nn.Module):
    """The network up to its pooled features, for images with `channels` channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(channels, STEM, 7, 2, 3, bias=False), nn.BatchNorm2d(STEM)
        self.stages, n_in = nn.ModuleList(), STEM
        for stage, n_blocks in enumerate(BLOCKS):
            inside, blocks = STEM << stage, nn.Sequential()
            for number in range(n_blocks):
                blocks.append(Bottleneck(n_in, inside, stride=2 if stage > 0 and number == 0 else 1))
                n_in = inside * EXPANSION
            self.stages.append(blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Features `[n, 2048]` of images `x` `[n, channels, side, side]`."""
        x = functional.max_pool2d(functional.relu(self.stem_norm(self.stem(x))), 3, 2, 1)
        for stage in self.stages:
            x = stage(x)
        return torch.mean(x, dim=(2, 3))
